//! `bookstore demo`.

use std::time::Duration;

use anyhow::ensure;
use bookstore_e2e::{Shop, run_within};

#[tokio::test]
async fn the_demonstration_plays_on_its_own_and_on_a_running_system() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    for (against, language) in [("own", "zh"), ("own", "en"), ("running", "zh")] {
        let mut command = shop.command(&["demo", "--against", against])?;
        command.env("BOOKSTORE_LOCALE", language);
        let ran = run_within(command, Duration::from_mins(1))
            .await?
            .expect_code(0)?;
        ensure!(ran.stdout.contains("CreateOrder"), "{}", ran.stdout);
    }
    // It leaves nothing behind that is wrong, also where others go on using the system.
    shop.expect_clean().await
}
