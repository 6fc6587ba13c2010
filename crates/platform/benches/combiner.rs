//! What the combiner costs: so many callers submit at once and wait for their answers, over a writer that
//! does nothing, and over one that takes a millisecond a batch, as a commit does.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use futures::future::join_all;
use platform::clock::pause;
use platform::combiner::{Batch, BatchWriter, Combiner, CombinerLimits};
use platform::db::DbError;
use platform::deadline::Deadline;
use tokio::runtime::Runtime;

const CALLERS: [u64; 3] = [1, 64, 1024];

fn main() {
    divan::main();
}

/// Answers each operation with itself.
struct Echo {
    commit: Option<Duration>,
}

#[async_trait::async_trait]
impl BatchWriter for Echo {
    type Op = u64;
    type Out = u64;

    fn name(_: &u64) -> &'static str {
        "echo"
    }

    async fn write(&self, batch: Batch<u64>) -> Result<Vec<u64>, DbError> {
        if let Some(commit) = self.commit {
            pause(commit).await;
        }
        Ok(batch.to_vec())
    }
}

#[divan::bench(args = CALLERS, max_time = 3)]
fn nothing_to_write(bencher: Bencher<'_, '_>, callers: u64) {
    submit(bencher, Echo { commit: None }, callers);
}

#[divan::bench(args = CALLERS, sample_size = 1, max_time = 3)]
fn a_commit_of_a_millisecond(bencher: Bencher<'_, '_>, callers: u64) {
    let commit = Some(Duration::from_millis(1));
    submit(bencher, Echo { commit }, callers);
}

fn submit(bencher: Bencher<'_, '_>, writer: Echo, callers: u64) {
    let runtime = Runtime::new().unwrap();
    let limits = CombinerLimits::default();
    let combiner = runtime.block_on(async { Combiner::start("bench", writer, limits) });
    bencher.counter(ItemsCount::new(callers)).bench(|| {
        let deadline = Deadline::after(Duration::from_mins(1));
        let all = (0..callers).map(|op| combiner.submit(op, deadline));
        runtime.block_on(join_all(all))
    });
    runtime.block_on(combiner.close());
}
