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

#[tokio::test]
async fn whoever_may_make_no_database_says_that_there_is_none() -> anyhow::Result<()> {
    let shop = closed()?;
    for (arguments, service) in [
        (&["up", "--no-migrate"][..], "catalog"),
        (&["serve", "order", "--no-migrate"], "order"),
        (&["resume"], "order"),
    ] {
        let ran = shop.run(arguments).await?.expect_code(2)?;
        let path = shop.data().join(format!("{service}.db"));
        let names = [format!("{service}.database"), path.display().to_string()];
        let is_named = names.iter().all(|name| ran.stderr.contains(name));
        ensure!(
            is_named && ran.stderr.lines().count() == 1,
            "{arguments:?}: {}",
            ran.stderr
        );
        ensure!(!path.exists(), "{arguments:?} made {}", path.display());
    }
    shop.run(&["migrate"]).await?.expect_code(0)?;
    shop.run(&["resume"]).await?.expect_code(0)?;
    Ok(())
}
