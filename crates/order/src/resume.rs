use platform::combiner::Batch;
use platform::db::{Database, DbError};
use types::UnixMillis;

use crate::domain::{Op, Outcome, TaskStep};
use crate::store::{SqlStore, Store};

/// How many tasks are resumed in one batch.
const PAGE_LEN: u32 = 500;

/// Resumes every parked task, for an operator who has fixed what the tasks were refused for;
/// returns how many. The running services pick them up within a second.
pub async fn resume_parked_tasks(database: Database, at: UnixMillis) -> Result<usize, DbError> {
    let store = SqlStore::new(database);
    let mut resumed = 0_usize;
    loop {
        let parked = store.parked_tasks(PAGE_LEN).await?;
        if parked.is_empty() {
            return Ok(resumed);
        }
        let resume = |key| Op::Task {
            key,
            step: TaskStep::Resume { at },
        };
        let ops: Vec<_> = parked.into_iter().map(|task| resume(task.key)).collect();
        let outcomes = store.apply(Batch::from(ops)).await?;
        let woken = |outcome: &&Outcome| matches!(outcome, Outcome::Task(Some(_)));
        resumed = resumed.saturating_add(outcomes.iter().filter(woken).count());
    }
}
