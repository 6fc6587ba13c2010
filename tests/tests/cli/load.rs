//! `bookstore load`.

use std::time::Duration;

use anyhow::ensure;
use bookstore_e2e::{Shop, run_within};
use serde_json::Value;

use super::closed;

#[tokio::test]
async fn load_is_measured_and_leaves_nothing_behind_that_is_wrong() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let (json, plot) = (
        shop.folder().join("load.json"),
        shop.folder().join("load.svg"),
    );
    let mut command = shop.command(&["load", "mixed-day", "--duration", "2s", "--warmup", "0s"])?;
    command.args(["--books", "50", "--concurrency", "8", "--json"]);
    command.arg(&json).arg("--plot").arg(&plot);
    command.args(["--metrics", shop.metrics_page()?]);
    let ran = run_within(command, Duration::from_mins(3)).await?;
    let ran = ran.expect_code(0)?;
    ensure!(ran.stdout.contains("\nverified "), "{}", ran.stdout);
    let told: Value = serde_json::from_str(&std::fs::read_to_string(&json)?)?;
    ensure!(told["verification"]["done"]["faults"] == 0, "{told}");
    // The metrics page told what the run cost.
    let round_trips = told["cost"]["database"]["round_trips_per_answered"].as_f64();
    ensure!(round_trips > Some(0.0), "{told}");
    ensure!(std::fs::read_to_string(&plot)?.starts_with("<svg"));
    shop.expect_clean().await?;

    let shop = closed()?;
    let ran = shop.run(&["load", "get-book"]).await?.expect_code(2)?;
    let is_named = ran.stderr.contains("catalog does not answer");
    ensure!(
        is_named && ran.stderr.lines().count() == 1,
        "{}",
        ran.stderr
    );
    Ok(())
}
