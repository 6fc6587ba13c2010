//! Proves: the transcript of a shop's first orders, step by step, on a fresh start: with everything in
//! one process, and with a process for each service. And that a ready system says where it listens.

use anyhow::ensure;
use bookstore_e2e::transcript::play;
use bookstore_e2e::{Layout, Service, Shop};

#[tokio::test]
async fn the_transcript_works_in_one_process() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    play(&shop.clients()?).await?;
    shop.expect_clean().await
}

#[tokio::test]
async fn the_transcript_works_with_a_process_a_service() -> anyhow::Result<()> {
    let shop = Shop::plan().start(Layout::Apart).await?;
    play(&shop.clients()?).await?;
    shop.expect_clean().await
}

#[tokio::test]
async fn a_ready_system_says_where_it_listens() -> anyhow::Result<()> {
    let together = Shop::open().await?;
    let apart = Shop::plan().start(Layout::Apart).await?;
    let said = together.announced().concat();
    ensure!(said.starts_with("bookstore "), "{said}");
    ensure!(said.contains(" is ready\n"), "{said}");
    ensure!(said.contains("Ctrl-C drains and stops.\n"), "{said}");
    for service in Service::ALL {
        let line = |shop: &Shop| {
            format!(
                "  {:<10} 127.0.0.1:{}\n",
                service.name(),
                shop.port(service)
            )
        };
        ensure!(said.contains(&line(&together)), "{said}");
        ensure!(
            apart.announced().concat().contains(&line(&apart)),
            "{:?}",
            apart.announced()
        );
    }
    Ok(())
}
