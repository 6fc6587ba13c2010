use std::time::Duration;

use platform::db::DbError;
use platform::deadline::Deadline;
use types::PaymentNo;

use super::Payments;
use crate::domain::{AttemptState, Record};
use crate::error::PaymentError;

/// How often to poll the row of an attempt that another process is asking about.
const POLL_EVERY: Duration = Duration::from_millis(100);

impl Payments {
    /// Waits until the record's attempt has left its current state; returns the record then, and
    /// the attempt's new state.
    ///
    /// Changes nothing, so it may be cancelled at any moment.
    ///
    /// # Errors
    /// `StillOpen` at the deadline.
    pub(super) async fn wait_for_end(
        &self,
        record: Record,
        deadline: Deadline,
    ) -> Result<(Record, AttemptState), PaymentError> {
        let waiting = self.follow(record, deadline);
        deadline
            .within(waiting)
            .await
            .unwrap_or(Err(PaymentError::StillOpen))
    }

    async fn follow(
        &self,
        begun: Record,
        deadline: Deadline,
    ) -> Result<(Record, AttemptState), PaymentError> {
        let payment_no = begun.attempt.payment_no.clone();
        let mut poll_after = Duration::ZERO;
        loop {
            let record = if let Some(landed) = self.hear(&payment_no).await {
                landed
            } else {
                platform::clock::pause(poll_after).await;
                // The first read is immediate, as the flight may just have landed.
                poll_after = POLL_EVERY;
                self.read_again(&begun, deadline).await?
            };
            let state = record.state_of(&payment_no);
            if state != begun.attempt.state {
                return Ok((record, state));
            }
        }
    }

    /// The end of an attempt that this process is asking about; `None` if it is not, or gave up.
    async fn hear(&self, payment_no: &PaymentNo) -> Option<Record> {
        self.flights.listen(payment_no)?.await.ok()
    }

    /// Reads the row in one query for all who wait: there may be many while a gateway hangs.
    async fn read_again(&self, begun: &Record, deadline: Deadline) -> Result<Record, PaymentError> {
        let order_id = begun.payment.order_id;
        let record = self.reader.find(order_id, deadline).await?;
        let gone = || DbError::corrupt(format!("the payment of order {order_id} is gone"));
        Ok(record.ok_or_else(gone)?)
    }
}
