//! Proves what a caller can rely on: bounds, order, lone faults, a drain that loses nothing; and when the next batch
//! begins.

use std::time::Duration;

use futures::future::join_all;
use tokio::sync::Semaphore;

use super::*;
use crate::tasks::Tasks;

/// Adds numbers, batch by batch; a batch waits at the gate. 13 is refused by the "database", at 666 it panics; a
/// batch with 7 passes its turn on before the gate, one with 8 need not wait there.
struct Adder {
    /// Gets a permit for each batch that arrives at the gate.
    arrived: Semaphore,
    gate: Semaphore,
    batches: std::sync::Mutex<Vec<usize>>,
}

#[async_trait]
impl BatchWriter for Arc<Adder> {
    type Op = u64;
    type Out = u64;

    fn name(_: &u64) -> &'static str {
        "add"
    }

    async fn write(&self, batch: Batch<u64>) -> Result<Vec<u64>, DbError> {
        if batch.contains(&7) {
            batch.turn().pass();
        }
        self.arrived.add_permits(1);
        if !batch.contains(&8) {
            self.gate.acquire().await.unwrap().forget();
        }
        assert!(!batch.contains(&666), "on purpose");
        if batch.contains(&13) {
            return Err(DbError::Broken("unlucky".to_owned()));
        }
        self.batches.lock().unwrap().push(batch.len());
        Ok(batch.iter().map(|number| number + 1).collect())
    }
}

fn adder(limits: CombinerLimits) -> (Combiner<u64, u64>, Arc<Adder>) {
    let adder = Arc::new(Adder {
        arrived: Semaphore::new(0),
        gate: Semaphore::new(0),
        batches: std::sync::Mutex::default(),
    });
    (Combiner::start("test", Arc::clone(&adder), limits), adder)
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

/// Sends a first operation and waits until the writer stands at the gate with it.
async fn occupy(
    combiner: &Combiner<u64, u64>,
    adder: &Adder,
) -> impl Future<Output = Result<u64, WriteError>> {
    let first = combiner.clone();
    let task = Tasks::new().run("first", async move { first.submit(0, soon()).await });
    adder.arrived.acquire().await.unwrap().forget();
    async move { task.await.unwrap() }
}

/// Waits until `len` operations are in the queue.
async fn queued(combiner: &Combiner<u64, u64>, len: usize) {
    while combiner.queue.max_capacity() - combiner.queue.capacity() < len {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn all_who_wait_go_into_one_batch_and_each_hears_its_own_answer() {
    let (combiner, adder) = adder(CombinerLimits::default());
    let first = occupy(&combiner, &adder).await;
    let all = join_all((100..200).map(|op| combiner.submit(op, soon())));
    let open = async {
        queued(&combiner, 100).await;
        adder.gate.add_permits(2);
    };
    let (answers, ()) = tokio::join!(all, open);
    assert_eq!(first.await.unwrap(), 1);
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, (101..=200).collect::<Vec<_>>());
    assert_eq!(*adder.batches.lock().unwrap(), [1, 100]);
}

#[tokio::test]
async fn whoever_is_ready_to_submit_comes_along() {
    let (combiner, adder) = adder(CombinerLimits::default());
    adder.gate.add_permits(2);
    let second = async {
        // By now the first one's operation is in the queue, and its writer awake.
        tokio::task::yield_now().await;
        combiner.submit(2, soon()).await
    };
    let (first, second) = tokio::join!(combiner.submit(1, soon()), second);
    assert_eq!((first.unwrap(), second.unwrap()), (2, 3));
    assert_eq!(*adder.batches.lock().unwrap(), [2]);
}

#[tokio::test]
async fn more_than_a_batch_can_take_is_applied_in_several_and_nobody_is_forgotten() {
    let (combiner, adder) = adder(CombinerLimits {
        queue_len_max: 100,
        batch_len_max: 4,
    });
    let first = occupy(&combiner, &adder).await;
    let all = join_all((100..110).map(|op| combiner.submit(op, soon())));
    let open = async {
        queued(&combiner, 10).await;
        adder.gate.add_permits(10);
    };
    let (answers, ()) = tokio::join!(all, open);
    assert_eq!(first.await.unwrap(), 1);
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, (101..=110).collect::<Vec<_>>());
    assert_eq!(*adder.batches.lock().unwrap(), [1, 4, 4, 2]);
}

/// Submits `ops`, a batch each, and lets all begin that may; returns how many arrived at the gate, and a
/// future of all their answers.
async fn stand_at_the_gate(
    combiner: &Combiner<u64, u64>,
    adder: &Adder,
    ops: &[u64],
) -> (usize, impl Future<Output = ()>) {
    let mut waiting = Vec::new();
    for &op in ops {
        let one = combiner.clone();
        waiting.push(Tasks::new().run("one", async move { one.submit(op, soon()).await }));
        // Nothing here waits for anything but other tasks: every batch that may begin does.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    let all = join_all(waiting);
    let all = async move {
        for answered in all.await {
            answered.unwrap().unwrap();
        }
    };
    (adder.arrived.available_permits(), all)
}

#[tokio::test]
async fn the_next_batch_begins_when_the_turn_is_passed_on_and_not_before() {
    let (combiner, adder) = adder(CombinerLimits::default());
    let (arrived, all) = stand_at_the_gate(&combiner, &adder, &[7, 1, 2]).await;
    assert_eq!(arrived, 2, "7 passed its turn on, 1 did not");
    adder.gate.add_permits(3);
    all.await;
    assert_eq!(*adder.batches.lock().unwrap(), [1, 1, 1]);
}

#[tokio::test]
async fn nobody_is_answered_before_those_who_had_their_turn_earlier() {
    let (combiner, adder) = adder(CombinerLimits::default());
    let (_, first) = stand_at_the_gate(&combiner, &adder, &[7]).await;
    let (arrived, second) = stand_at_the_gate(&combiner, &adder, &[8]).await;
    assert_eq!((arrived, adder.batches.lock().unwrap().len()), (2, 1));
    // What 8 answers may rest on what 7 has not committed yet.
    futures::pin_mut!(second);
    assert!(futures::poll!(&mut second).is_pending());
    adder.gate.add_permits(1);
    first.await;
    second.await;
}

#[tokio::test]
async fn batches_on_their_way_are_bounded() {
    let (combiner, adder) = adder(CombinerLimits::default());
    let ops = [7; BATCHES_AT_ONCE + 2];
    let (arrived, all) = stand_at_the_gate(&combiner, &adder, &ops).await;
    assert_eq!(arrived, BATCHES_AT_ONCE);
    adder.gate.add_permits(ops.len());
    all.await;
    assert_eq!(
        adder.batches.lock().unwrap().iter().sum::<usize>(),
        ops.len()
    );
}

#[tokio::test]
async fn closing_waits_for_batches_on_their_way() {
    let (combiner, adder) = adder(CombinerLimits::default());
    let (arrived, _all) = stand_at_the_gate(&combiner, &adder, &[7, 7]).await;
    assert_eq!(arrived, 2);
    let opening = async {
        while !combiner.queue.is_closed() {
            tokio::task::yield_now().await;
        }
        adder.gate.add_permits(2);
    };
    tokio::join!(combiner.close(), opening);
    assert_eq!(*adder.batches.lock().unwrap(), [1, 1]);
}

#[tokio::test]
async fn one_bad_operation_fails_alone() {
    let (combiner, adder) = adder(CombinerLimits::default());
    adder.gate.add_permits(1000);
    let answers = join_all([1, 13, 2].map(|op| combiner.submit(op, soon()))).await;
    assert_eq!(answers[0].as_ref().unwrap(), &2);
    assert!(matches!(
        answers[1],
        Err(WriteError::Db(DbError::Broken(_)))
    ));
    assert_eq!(answers[2].as_ref().unwrap(), &3);
}

#[tokio::test]
async fn a_full_queue_refuses_and_a_late_operation_is_dropped() {
    let (combiner, adder) = adder(CombinerLimits {
        queue_len_max: 1,
        batch_len_max: 8,
    });
    let first = occupy(&combiner, &adder).await;
    let late = combiner.submit(1, Deadline::after(Duration::ZERO));
    let refused = async {
        queued(&combiner, 1).await;
        let refused = combiner.submit(2, soon()).await;
        adder.gate.add_permits(10);
        refused
    };
    let (late, refused) = tokio::join!(late, refused);
    assert!(matches!(late, Err(WriteError::TooLate)));
    assert!(matches!(refused, Err(WriteError::Overloaded)));
    assert_eq!(first.await.unwrap(), 1);
    assert_eq!(*adder.batches.lock().unwrap(), [1]);
}

#[tokio::test]
async fn closing_applies_what_waits_and_refuses_the_rest() {
    let (combiner, adder) = adder(CombinerLimits::default());
    let first = occupy(&combiner, &adder).await;
    let waiting = combiner.submit(5, soon());
    let closing = async {
        queued(&combiner, 1).await;
        adder.gate.add_permits(10);
        combiner.close().await;
    };
    let (waiting, ()) = tokio::join!(waiting, closing);
    assert_eq!(first.await.unwrap(), 1);
    assert_eq!(waiting.unwrap(), 6);
    assert!(matches!(
        combiner.submit(6, soon()).await,
        Err(WriteError::Stopped)
    ));
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_a_whole_effect() {
    let (combiner, adder) = adder(CombinerLimits::default());
    let first = occupy(&combiner, &adder).await;
    {
        let gone = combiner.submit(5, soon());
        futures::pin_mut!(gone);
        assert!(futures::poll!(gone).is_pending());
    }
    adder.gate.add_permits(10);
    first.await.unwrap();
    combiner.close().await;
    assert_eq!(adder.batches.lock().unwrap().iter().sum::<usize>(), 2);
}

#[tokio::test]
async fn a_batch_that_panics_is_in_doubt_and_the_next_one_is_written() {
    let (combiner, adder) = adder(CombinerLimits::default());
    adder.gate.add_permits(2);
    let lost = combiner.submit(666, soon()).await;
    assert!(
        matches!(lost, Err(WriteError::Db(DbError::OutcomeUnknown(_)))),
        "{lost:?}"
    );
    assert_eq!(combiner.submit(1, soon()).await.unwrap(), 2);
}
