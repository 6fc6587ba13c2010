//! Proves that memory stays flat where nobody reads the metrics page. The only test of its process, as it
//! looks at the memory of all of it.

use std::time::Duration;

use platform::clock::pause;
use platform::process::{Process, resident_kib};
use platform::telemetry::metrics_page;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const ROUNDS: u64 = 50;
const SAMPLES: u64 = 200_000;
/// Longer than the page waits before it puts samples into their buckets.
const ROUND: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn samples_do_not_pile_up_where_nobody_reads_the_page()
-> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let stop = CancellationToken::new();
    let page = metrics_page()?.serve(listener, stop.clone());
    let recording = async {
        let histogram = metrics::histogram!("bookstore_test_unread_seconds");
        let before = resident_kib(Process::This).unwrap_or_default();
        for _ in 0..ROUNDS {
            (0..SAMPLES).for_each(|_| histogram.record(0.001));
            pause(ROUND).await;
        }
        stop.cancel();
        let after = resident_kib(Process::This).unwrap_or(u64::MAX);
        after.saturating_sub(before)
    };
    let ((), grown) = tokio::join!(page, recording);
    // A number and a moment each, were they kept.
    let kept = ROUNDS * SAMPLES * 16 / 1024;
    assert!(grown < kept / 2, "{grown} KiB more of {kept} KiB");
    Ok(())
}
