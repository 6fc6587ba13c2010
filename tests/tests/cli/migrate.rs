//! `bookstore migrate`.

use anyhow::ensure;

use super::closed;

#[tokio::test]
async fn a_schema_is_migrated_once_and_can_be_demanded() -> anyhow::Result<()> {
    let mut shop = closed()?;
    let ran = shop.run(&["up", "--no-migrate"]).await?.expect_code(2)?;
    ensure!(ran.stderr.contains("catalog.database"), "{}", ran.stderr);
    let first = shop.run(&["migrate"]).await?.expect_code(0)?.stdout;
    let again = shop.run(&["migrate"]).await?.expect_code(0)?.stdout;
    ensure!(first == again && first.lines().count() == 4, "{first}");
    shop.start().await?;
    shop.expect_clean().await
}
