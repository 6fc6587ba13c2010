//! `bookstore load`.

use std::fs::File;
use std::future::ready;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::ensure;
use bookstore_e2e::{Service, Shop, run_within};
use serde_json::Value;
use testkit::eventually;

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
    let line = format!(
        "bookstore: catalog at 127.0.0.1:{}: nobody answers there; `bookstore up` starts the system\n",
        shop.port(Service::Catalog)
    );
    ensure!(ran.stderr == line, "{}", ran.stderr);
    let ran = shop.run(&["load", "deduct-hot", "--zipf", "1"]).await?;
    let ran = ran.expect_code(2)?;
    let line = "bookstore: deduct-hot has no use for --zipf\n";
    ensure!(ran.stderr == line, "{}", ran.stderr);
    Ok(())
}

#[tokio::test]
async fn a_signal_ends_a_run_early_and_it_is_verified_all_the_same() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let mut command = shop.command(&["load", "deduct-uniform", "--duration", "5m"])?;
    let out = shop.folder().join("load.out");
    let child = command.stdout(File::create(&out)?).stderr(Stdio::piped());
    let mut child = child.spawn()?;
    eventually("a second that is measured", async || {
        let said = std::fs::read_to_string(&out).ok()?;
        said.contains(" 1 s ").then_some(())
    })
    .await;
    let order = format!("kill -INT {}", child.id());
    ensure!(Command::new("sh").args(["-c", &order]).status()?.success());
    eventually("the end of the run", || {
        ready(child.try_wait().ok().flatten())
    })
    .await;
    let (ended, said) = (child.wait_with_output()?, std::fs::read_to_string(&out)?);
    let told = String::from_utf8_lossy(&ended.stderr);
    ensure!(ended.status.success(), "{said}{told}");
    ensure!(said.contains("(interrupted)"), "{said}");
    ensure!(said.contains("\nverified "), "{said}");
    ensure!(told.starts_with("bookstore: ending early: "), "{told}");
    ensure!(told.lines().count() == 1, "{told}");
    shop.expect_clean().await
}
