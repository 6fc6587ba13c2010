//! SQLite files that others lock, and a disk that is full.

use std::fs::{File, create_dir_all, remove_file};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use api::catalog::v1::PublishBookRequest;
use api::inventory::v1::RestockInventoryRequest;
use bookstore_e2e::goods::{book, pay};
use bookstore_e2e::{Layout, Shop};
use rusqlite::Connection;

use crate::{storm_while, until_refused};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rival_with_the_write_lock_holds_up_and_loses_nothing() -> anyhow::Result<()> {
    let shop = plan().start(Layout::Together).await?;
    let clients = shop.clients()?;
    storm_while(&shop, async |storm| {
        for file in ["catalog.db", "inventory.db", "payment.db"] {
            let rival = Connection::open(shop.data().join(file))?;
            rival.execute_batch("BEGIN IMMEDIATE")?;
            // The lock is waited for, and then said to be in the way.
            match file {
                "catalog.db" => until_refused(&clients, publish).await,
                "inventory.db" => until_refused(&clients, restock).await,
                _ => until_refused(&clients, |turn| pay(u64::from(turn) << 32, 1)).await,
            }
            rival.execute_batch("ROLLBACK")?;
            storm.more_orders().await;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_and_loses_nothing() -> anyhow::Result<()> {
    let mut shop = Shop::closed(plan(), Layout::Together)?;
    let Some(disk) = SmallDisk::mount(&shop.data())? else {
        return Ok(());
    };
    shop.start().await?;
    let clients = shop.clients()?;
    storm_while(&shop, async |storm| {
        for _ in 0..3 {
            disk.fill()?;
            until_refused(&clients, restock).await;
            until_refused(&clients, publish).await;
            disk.make_room()?;
            storm.more_orders().await;
        }
        Ok(())
    })
    .await?;
    shop.kill()
}

fn plan() -> bookstore_e2e::ShopPlan {
    Shop::plan()
        .set("PAYMENT__MOCK__SUCCESS_RATE", "1")
        .set("TELEMETRY__LOG", "error")
}

fn restock(turn: u32) -> RestockInventoryRequest {
    RestockInventoryRequest {
        book_id: 9,
        quantity: 1,
        idempotency_key: format!("while-full-{turn}"),
    }
}

/// A book that needs some room.
fn publish(turn: u32) -> PublishBookRequest {
    let mut request = book(0, &format!("第{turn}本"), 100);
    if let Some(book) = &mut request.book {
        book.description = "很长".repeat(5_000);
    }
    request
}

/// A disk of 48 MB, in memory.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it; `None` where only somebody else may.
    fn mount(at: &Path) -> anyhow::Result<Option<Self>> {
        create_dir_all(at)?;
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=48m", "tmpfs"])
            .arg(at)
            .output();
        if mount.is_ok_and(|done| done.status.success()) {
            return Ok(Some(Self(at.to_path_buf())));
        }
        // Past the test runner, which keeps what passing tests print to itself.
        let line = "LEFT OUT: the test of a full disk, which only root may make";
        drop(writeln!(std::io::stderr().lock(), "{line}"));
        Ok(None)
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Leaves not a byte.
    fn fill(&self) -> anyhow::Result<()> {
        let mut file = File::create(self.ballast())?;
        for len in [64 * 1024, 1] {
            let chunk = vec![0; len];
            let full = loop {
                if let Err(error) = file.write_all(&chunk) {
                    break error;
                }
            };
            ensure!(full.kind() == ErrorKind::StorageFull, "{full}");
        }
        Ok(())
    }

    fn make_room(&self) -> anyhow::Result<()> {
        remove_file(self.ballast()).context("the ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process may still be at it.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}
