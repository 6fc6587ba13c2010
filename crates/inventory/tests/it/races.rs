//! Proves that concurrent callers never oversell, never deadlock each other into an error, and
//! never lose an update.

use std::time::Duration;

use futures::future::join_all;
use testkit::eventually;
use tonic::Code;

use crate::harness::{
    TestService, batch_of, batch_release_of, commit_of, deduct_of, release_of, restock_of,
};

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_clients_on_one_hot_book_sell_exactly_what_is_there() {
    let service = TestService::start().await;
    service.restock(1, 500).await;
    let clients = (0..64_u64).map(|n| {
        let mut client = service.client.clone();
        tokio::task::spawn(async move {
            let mut sold = 0;
            for turn in 0..10 {
                let request = deduct_of(1, 1, n, &format!("client-{n}-{turn}"));
                let reply = client.deduct_stock(request).await.unwrap().into_inner();
                match reply.code {
                    0 => sold += 1,
                    code => assert_eq!((code, reply.remaining_quantity), (40100, 0)),
                }
            }
            sold
        })
    });
    let sold: i32 = join_all(clients)
        .await
        .into_iter()
        .map(Result::unwrap)
        .sum();
    assert_eq!(sold, 500);
    assert_eq!(service.balance(1).await, (0, 500));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_two_at_once_with_one_key_have_one_effect_and_one_answer() {
    let service = TestService::start().await;
    service.restock(1, 100).await;
    service.restock(2, 100).await;
    let calls = (0..32).map(|n| {
        let mut client = service.client.clone();
        // Half of them name the books the other way round: the same parameters all the same.
        let items = if n % 2 == 0 {
            [(1, 3), (2, 4)]
        } else {
            [(2, 4), (1, 3)]
        };
        tokio::task::spawn(async move {
            client
                .batch_deduct_stock(batch_of(&items, 9, "one-key"))
                .await
                .unwrap()
                .into_inner()
        })
    });
    let mut answers: Vec<_> = join_all(calls)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0].code, 0);
    assert_eq!(service.balance(1).await, (97, 3));
    assert_eq!(service.balance(2).await, (96, 4));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deduction_racing_its_release_leaves_nothing_held() {
    let service = TestService::start().await;
    service.restock(1, 1000).await;
    let races = (0..100).map(|n| {
        let (mut deducting, mut releasing) = (service.client.clone(), service.client.clone());
        tokio::task::spawn(async move {
            let key = format!("race-{n}");
            let batch = batch_of(&[(1, 5)], n, &key);
            let deducted = deducting.batch_deduct_stock(batch.clone());
            let released = releasing.batch_release_stock(batch_release_of(&key));
            let (deducted, released) = tokio::join!(deducted, released);
            let (deducted, released) = (deducted.unwrap(), released.unwrap().into_inner());
            // Whoever came first: a deduction that was done was given back whole.
            match deducted.into_inner().code {
                0 => assert_eq!(released.released.len(), 1),
                code => {
                    assert_eq!(code, 40904);
                    assert_eq!(released.released.len(), 0);
                }
            }
            let late = deducting
                .batch_deduct_stock(batch)
                .await
                .unwrap()
                .into_inner();
            assert_eq!(late.code, 40904);
        })
    });
    join_all(races).await.into_iter().for_each(Result::unwrap);
    assert_eq!(service.balance(1).await, (1000, 0));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_racing_a_commit_moves_each_copy_once() {
    let service = TestService::start().await;
    service.restock(1, 300).await;
    let races = (0..50_u64).map(|n| {
        let mut client = service.client.clone();
        let (mut committing, mut giving) = (client.clone(), client.clone());
        tokio::task::spawn(async move {
            let key = format!("race-{n}");
            client.deduct_stock(deduct_of(1, 5, n, &key)).await.unwrap();
            let committed = committing.commit_stock(commit_of(&key));
            let released = giving.release_stock(release_of(1, 2, n, ""));
            let (committed, released) = tokio::join!(committed, released);
            assert_eq!(released.unwrap().into_inner().code, 0);
            let committed = committed.unwrap().into_inner().committed[0].quantity;
            assert!([3, 5].contains(&committed), "{committed}");
            committed
        })
    });
    let left: i32 = join_all(races).await.into_iter().map(Result::unwrap).sum();
    assert_eq!(service.balance(1).await, (300 - left, 0));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn crossed_baskets_never_turn_into_an_error() {
    let service = TestService::start().await;
    for id in 1..=4 {
        service.restock(id, 1000).await;
    }
    let calls = (0..200_u64).map(|n| {
        let mut client = service.client.clone();
        let mut items = vec![(1, 1), (2, 1), (3, 1), (4, 1)];
        items.rotate_left(usize::try_from(n % 4).unwrap());
        let batch = batch_of(&items, n, &format!("basket-{n}"));
        tokio::task::spawn(async move {
            client
                .batch_deduct_stock(batch)
                .await
                .unwrap()
                .into_inner()
                .code
        })
    });
    let codes = join_all(calls).await;
    assert!(codes.into_iter().all(|code| code.unwrap() == 0));
    for id in 1..=4 {
        assert_eq!(service.balance(id).await, (800, 200));
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_hang_up_leave_whole_effects_or_none() {
    let service = TestService::start().await;
    service.restock(1, 10_000).await;
    let calls = (0..64_u64).map(|n| {
        // Connections of their own: a server cuts one on which many calls are given up at once.
        let mut client = service.another_client();
        let mut request = tonic::Request::new(batch_of(&[(1, 3)], n, &format!("gone-{n}")));
        // Deadlines around the time that a call takes: some pass before it, some in its midst.
        request.set_timeout(Duration::from_micros(n * 200));
        tokio::task::spawn(async move { client.batch_deduct_stock(request).await })
    });
    for ended in join_all(calls).await {
        if let Err(status) = ended.unwrap() {
            let gave_up = [Code::DeadlineExceeded, Code::Cancelled].contains(&status.code());
            assert!(gave_up, "{status}");
        }
    }
    // Whatever became of each: a repeat with time enough says it, and it is 3 copies each.
    let repeats = (0..64_u64).map(|n| {
        let mut client = service.client.clone();
        tokio::task::spawn(async move {
            let batch = batch_of(&[(1, 3)], n, &format!("gone-{n}"));
            client
                .batch_deduct_stock(batch)
                .await
                .unwrap()
                .into_inner()
                .code
        })
    });
    assert!(
        join_all(repeats)
            .await
            .into_iter()
            .all(|code| code.unwrap() == 0)
    );
    assert_eq!(service.balance(1).await, (10_000 - 192, 192));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_loses_nothing_that_was_acknowledged() {
    let service = TestService::start().await;
    service.restock(1, 1000).await;
    let calls = (0..100_u64).map(|n| {
        let mut client = service.client.clone();
        tokio::task::spawn(async move {
            let restock = restock_of(1, 1, &format!("r-{n}"));
            client
                .restock_inventory(restock)
                .await
                .is_ok_and(|reply| reply.into_inner().code == 0)
        })
    });
    let calls: Vec<_> = calls.collect();
    eventually("the first is answered", async || {
        (service.balance(1).await.0 > 1000).then_some(())
    })
    .await;
    let home = service.stop().await;
    let mut acknowledged = 0;
    for call in calls {
        acknowledged += i32::from(call.await.unwrap());
    }
    assert!(acknowledged > 0);
    let service = TestService::start_on(home).await;
    let (quantity, _) = service.balance(1).await;
    assert!(
        quantity >= 1000 + acknowledged,
        "{quantity} < 1000 + {acknowledged}"
    );
    service.stop().await;
}
