//! Single flight: calls for a key that come while one is in flight wait for it and get its answer.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::Shared;
use tokio::sync::oneshot;

use crate::tasks::{TaskError, Tasks};

/// The answer of a run; an error if the run died.
type Answer<V> = Shared<oneshot::Receiver<V>>;
type Flights<K, V> = Arc<Mutex<HashMap<K, Answer<V>>>>;

/// Runs at most one piece of work a key at a time, in a task of its own.
#[derive(Debug)]
pub struct SingleFlight<K, V> {
    flights: Flights<K, V>,
}

impl<K, V> Clone for SingleFlight<K, V> {
    fn clone(&self) -> Self {
        Self {
            flights: Arc::clone(&self.flights),
        }
    }
}

impl<K, V> Default for SingleFlight<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> SingleFlight<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// No runs in flight.
    pub fn new() -> Self {
        Self {
            flights: Arc::default(),
        }
    }

    /// Starts `work` for `key`, or joins the run that is in flight.
    ///
    /// No caller can cancel the run.
    pub async fn run<W, F>(
        &self,
        tasks: &Tasks,
        name: &'static str,
        key: K,
        work: W,
    ) -> Result<V, TaskError>
    where
        W: FnOnce() -> F,
        F: Future<Output = V> + Send + 'static,
    {
        let answer = self.join_or_start(tasks, name, key, work);
        answer.await.map_err(|_| TaskError::of(name))
    }

    fn join_or_start<W, F>(&self, tasks: &Tasks, name: &'static str, key: K, work: W) -> Answer<V>
    where
        W: FnOnce() -> F,
        F: Future<Output = V> + Send + 'static,
    {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = flights.get(&key) {
            return answer.clone();
        }
        // If this panics, nothing has been begun.
        let work = work();
        let (answered, answer) = oneshot::channel();
        let answer = answer.shared();
        flights.insert(key.clone(), answer.clone());
        let landing = Landing {
            flights: Arc::clone(&self.flights),
            key,
        };
        tasks.spawn(name, async move {
            let value = work.await;
            // The key is free before the answer is sent, so that a caller that gets it and asks again starts
            // a new run.
            drop(landing);
            // Fails only if every waiting caller was cancelled.
            drop(answered.send(value));
        });
        answer
    }
}

/// Frees the key when the run ends, even by a panic.
struct Landing<K: Eq + Hash, V> {
    flights: Flights<K, V>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        self.flights
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn twins_hear_one_answer_and_later_calls_run_anew() {
        let (tasks, flight) = (Tasks::new(), SingleFlight::<u32, usize>::new());
        let runs = Arc::new(AtomicUsize::new(0));
        let work = || {
            let runs = Arc::clone(&runs);
            async move {
                tokio::task::yield_now().await;
                runs.fetch_add(1, Ordering::SeqCst)
            }
        };
        let twins = (0..32).map(|_| flight.run(&tasks, "work", 1, work));
        for answer in futures::future::join_all(twins).await {
            assert_eq!(answer.unwrap(), 0);
        }
        assert_eq!(flight.run(&tasks, "work", 1, work).await.unwrap(), 1);
        assert!(flight.flights.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_panic_frees_the_key() {
        let (tasks, flight) = (Tasks::new(), SingleFlight::<u32, usize>::new());
        let died = flight
            .run(&tasks, "bad", 1, || async { panic!("on purpose") })
            .await;
        assert!(died.is_err());
        assert_eq!(
            flight.run(&tasks, "good", 1, || async { 5 }).await.unwrap(),
            5
        );
    }
}
