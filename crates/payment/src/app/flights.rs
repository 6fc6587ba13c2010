use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::Shared;
use tokio::sync::oneshot;
use types::PaymentNo;

use crate::domain::Record;

/// How the attempt ended; cancelled if the round that asked about it gave up.
pub(super) type News = Shared<oneshot::Receiver<Record>>;

/// The attempts that this process is asking a gateway about, so that all who wait for one learn at
/// once how it ended. Only an accelerator: whoever finds no flight here reads the row, which is
/// authoritative.
#[derive(Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<PaymentNo, News>>>);

impl Flights {
    /// Registers an attempt until the flight is dropped.
    pub(super) fn depart(&self, payment_no: &PaymentNo) -> Flight {
        let (landing, landed) = oneshot::channel();
        let news = landed.shared();
        self.lock().insert(payment_no.clone(), news.clone());
        Flight {
            flights: Self(Arc::clone(&self.0)),
            payment_no: payment_no.clone(),
            news,
            landing: Some(landing),
        }
    }

    /// Resolves when the attempt ends; `None` if this process is not asking about it.
    pub(super) fn listen(&self, payment_no: &PaymentNo) -> Option<News> {
        self.lock().get(payment_no).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PaymentNo, News>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One attempt in flight. If it is dropped without landing, its listeners fall back to the row.
pub(super) struct Flight {
    flights: Flights,
    payment_no: PaymentNo,
    news: News,
    landing: Option<oneshot::Sender<Record>>,
}

impl Flight {
    /// Tells all listeners how the attempt ended.
    pub(super) fn land(mut self, record: Record) {
        if let Some(landing) = self.landing.take() {
            // It does not matter whether anybody was listening.
            drop(landing.send(record));
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        // A worker may have registered a newer flight for the attempt: that one stays.
        if flights
            .get(&self.payment_no)
            .is_some_and(|news| news.ptr_eq(&self.news))
        {
            flights.remove(&self.payment_no);
        }
    }
}

#[cfg(test)]
mod tests {
    use types::UnixMillis;

    use super::*;

    fn number() -> PaymentNo {
        PaymentNo::generate(UnixMillis::new(0), 1)
    }

    #[tokio::test]
    async fn a_flight_that_never_lands_tells_its_listeners() {
        let flights = Flights::default();
        assert!(flights.listen(&number()).is_none());
        let flight = flights.depart(&number());
        let news = flights.listen(&number()).unwrap();
        drop(flight);
        assert!(news.await.is_err());
        assert!(flights.listen(&number()).is_none());
    }

    #[test]
    fn an_old_flight_does_not_take_a_new_one_off_the_list() {
        let flights = Flights::default();
        let old = flights.depart(&number());
        let new = flights.depart(&number());
        drop(old);
        assert!(flights.listen(&number()).is_some());
        drop(new);
        assert!(flights.listen(&number()).is_none());
    }
}
