//! Proves that each copy is sold once while the server rolls transactions back at any moment, also between their last
//! statement and their commit, under two replicas that write the same balances.

use std::sync::Arc;

use futures::future::join_all;
use inventory::Config;
use platform::args;
use platform::clock::SystemClock;
use platform::db::Database;
use platform::server::ServiceDeps;
use testkit::TestDatabase;
use tokio::sync::watch;
use types::Locale;

use crate::harness::{Client, TestService, deduct_of};

const CLIENTS: u64 = 32;
const DEDUCTIONS: u64 = 12;
const BOOKS: u64 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_killed_sell_no_copy_twice() {
    let Some(home) = TestDatabase::mysql().await.unwrap() else {
        return;
    };
    let admin = Database::open_read_only(home.url()).unwrap();
    let replica = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        database: home.url().clone(),
    };
    let service = TestService::start_on(home).await;
    let deps = ServiceDeps {
        clock: Arc::new(SystemClock),
        locale: Locale::Zh,
        migrate: false,
    };
    let replica = inventory::start(replica, deps).await.unwrap();
    let replica = testkit::serve(replica).await.unwrap();
    for book in 1..=BOOKS {
        service.restock(book, 100_000).await;
    }
    let clients = [service.client.clone(), Client::new(replica.channel.clone())];
    let (answered, mut answers) = watch::channel(0_u64);
    let buyers = (0..CLIENTS).map(|n| {
        let (mut clients, answered) = (clients.clone(), answered.clone());
        tokio::spawn(async move {
            for turn in 0..DEDUCTIONS {
                let copies = i32::try_from(n % 5 + 1).unwrap();
                let request = deduct_of(turn % BOOKS + 1, copies, n, &format!("k-{n}-{turn}"));
                // Whoever is not answered asks again, anywhere, under his key.
                let mut at = usize::try_from(n + turn).unwrap();
                while let Err(status) = clients[at % 2].deduct_stock(request.clone()).await {
                    assert!(!status.message().is_empty());
                    at += 1;
                }
                answered.send_modify(|count| *count += 1);
            }
        })
    });
    let buyers = join_all(buyers);
    let killer = async {
        for round in 1..=CLIENTS * DEDUCTIONS / 8 {
            answers.wait_for(|count| *count >= round * 8).await.unwrap();
            kill_connections(&admin).await;
        }
    };
    let (bought, ()) = futures::join!(buyers, killer);
    bought.into_iter().for_each(Result::unwrap);
    for book in 1..=BOOKS {
        // The books take turns, and the buyers take 1 to 5 copies.
        let each: u64 = (0..CLIENTS).map(|n| n % 5 + 1).sum();
        let sold = i32::try_from(each * DEDUCTIONS / BOOKS).unwrap();
        assert_eq!(service.balance(book).await, (100_000 - sold, sold));
    }
    replica.stop().await.unwrap();
    admin.close().await;
    service.stop().await;
}

/// Has the server end every connection to the database but this one, and roll back what is open there.
async fn kill_connections(admin: &Database) {
    let others = "SELECT id FROM information_schema.processlist \
        WHERE db = DATABASE() AND id <> CONNECTION_ID()";
    let killed = admin.read_once("kill", move |tx| {
        Box::pin(async move {
            for row in tx.query(others, args![]).await? {
                // It may be gone by now.
                drop(tx.query("KILL ?", args![row.int(0)?]).await);
            }
            Ok(())
        })
    });
    // Where one was gone, the connection that found out is not used again.
    drop(killed.await);
}
