use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::ensure;
use platform::config::ServiceUrl;
use platform::deadline::Deadline;
use platform::discovery::{Address, Addresses, Instance, Registration, Registry};
use platform::net::Transport;
use testkit::eventually;
use tokio::sync::watch;
use tonic::{Code, Status};

use crate::replica::{Replica, ask};

async fn two() -> anyhow::Result<(Replica, Replica, Transport)> {
    let (a, b) = (Replica::start("a").await?, Replica::start("b").await?);
    let url: ServiceUrl = format!("http://{},http://{}", a.address(), b.address())
        .parse()
        .map_err(anyhow::Error::msg)?;
    let transport = Transport::connect(&url)?;
    Ok((a, b, transport))
}

/// The status that a call which must fail ends with.
async fn failure(transport: &Transport) -> anyhow::Result<Status> {
    match ask(transport).await {
        Ok(name) => anyhow::bail!("{name} answered"),
        Err(error) => Ok(error.downcast()?),
    }
}

/// Calls until `name` answers.
async fn until_answered_by(transport: &Transport, name: &str) {
    eventually("the replica answers", || async {
        ask(transport).await.ok().filter(|answer| answer == name)
    })
    .await;
}

#[tokio::test]
async fn calls_are_spread_over_all_instances() -> anyhow::Result<()> {
    let (a, b, transport) = two().await?;
    for _ in 0..20 {
        ask(&transport).await?;
    }
    ensure!((a.arrived(), b.arrived()) == (10, 10));
    Ok(())
}

#[tokio::test]
async fn the_least_busy_instance_is_asked() -> anyhow::Result<()> {
    let (a, b, transport) = two().await?;
    a.set_answering(false);
    b.set_answering(false);
    let first = transport.clone();
    let first = Box::pin(async move { ask(&first).await });
    let (busy, free) = tokio::select! {
        answer = first => anyhow::bail!("answered: {answer:?}"),
        pair = eventually("a call has arrived", || async {
            match (a.arrived(), b.arrived()) {
                (1, 0) => Some((&a, &b)),
                (0, 1) => Some((&b, &a)),
                _ => None,
            }
        }) => pair,
    };
    // The call that was given up on is over; two others take its place, one on each.
    free.set_answering(true);
    let (one, other) = (ask(&transport), ask(&transport));
    let watching = async {
        eventually("the busy one is busy again", || async {
            (busy.arrived() == 2).then_some(())
        })
        .await;
        let before = free.arrived();
        for _ in 0..10 {
            ask(&transport).await?;
        }
        ensure!(free.arrived() == before + 10);
        ensure!(busy.arrived() == 2);
        busy.set_answering(true);
        Ok(())
    };
    let (one, other, watched) = tokio::join!(one, other, watching);
    one?;
    other?;
    watched
}

#[tokio::test]
async fn a_killed_instance_fails_no_call_and_is_asked_again_when_it_is_back() -> anyhow::Result<()>
{
    let (mut a, _b, transport) = two().await?;
    ask(&transport).await?;
    ask(&transport).await?;
    a.relay.kill().await;
    for _ in 0..50 {
        ensure!(ask(&transport).await? == "b");
    }
    a.relay.revive().await?;
    until_answered_by(&transport, "a").await;
    Ok(())
}

#[tokio::test]
async fn a_frozen_instance_costs_one_call_and_is_asked_again_when_it_thaws() -> anyhow::Result<()> {
    let (a, _b, transport) = two().await?;
    ask(&transport).await?;
    ask(&transport).await?;
    a.relay.freeze();
    let mut lost = 0;
    for _ in 0..20 {
        match ask(&transport).await {
            Ok(name) => ensure!(name == "b"),
            Err(_) => lost += 1,
        }
    }
    ensure!(lost <= 1, "{lost} calls lost");
    a.relay.thaw();
    until_answered_by(&transport, "a").await;
    Ok(())
}

#[tokio::test]
async fn an_instance_that_was_frozen_before_the_first_call_is_found_out_too() -> anyhow::Result<()>
{
    let (a, _b, transport) = two().await?;
    a.relay.freeze();
    let calls = futures::future::join_all((0..8).map(|_| ask(&transport))).await;
    ensure!(
        calls.iter().filter(|call| call.is_ok()).count() >= 4,
        "{calls:?}"
    );
    for _ in 0..20 {
        ensure!(ask(&transport).await? == "b");
    }
    Ok(())
}

#[tokio::test]
async fn a_message_that_arrived_is_never_sent_again() -> anyhow::Result<()> {
    let (mut a, mut b, transport) = two().await?;
    a.set_answering(false);
    b.set_answering(false);
    let calling = ask(&transport);
    let killing = async {
        let on_a = eventually("the call has arrived", || async {
            match (a.arrived(), b.arrived()) {
                (0, 0) => None,
                (on_a, _) => Some(on_a == 1),
            }
        })
        .await;
        let victim = if on_a { &mut a } else { &mut b };
        victim.relay.kill().await;
    };
    let (answer, ()) = tokio::join!(calling, killing);
    ensure!(answer.is_err(), "who answered? {answer:?}");
    ensure!(a.arrived() + b.arrived() == 1);
    Ok(())
}

#[tokio::test]
async fn where_nobody_is_there_the_call_fails_at_once_and_later_works() -> anyhow::Result<()> {
    let (mut a, mut b, transport) = two().await?;
    a.relay.kill().await;
    b.relay.kill().await;
    for _ in 0..5 {
        let status = failure(&transport).await?;
        ensure!(status.code() == Code::Unavailable, "{status}");
    }
    b.relay.revive().await?;
    until_answered_by(&transport, "b").await;
    a.relay.revive().await?;
    until_answered_by(&transport, "a").await;
    Ok(())
}

#[tokio::test]
async fn an_instance_that_drains_fails_no_call() -> anyhow::Result<()> {
    let (a, b) = (Replica::start("a").await?, Replica::start("b").await?);
    let url: ServiceUrl = format!("http://{},http://{}", a.server.address, b.server.address)
        .parse()
        .map_err(anyhow::Error::msg)?;
    let transport = Transport::connect(&url)?;
    let arrived = Arc::clone(&a.arrived);
    let load = async {
        let mut after = 0;
        // Until the drained one is long gone.
        while after < 200 {
            let name = ask(&transport).await?;
            after = if name == "a" { 0 } else { after + 1 };
        }
        anyhow::Ok(())
    };
    let draining = async {
        eventually("calls run", || async {
            (arrived.load(Ordering::SeqCst) > 20).then_some(())
        })
        .await;
        a.server.stop().await
    };
    let (load, drained) = tokio::join!(load, draining);
    load?;
    drained
}

/// A registry that says what the test says.
struct Board(watch::Sender<Arc<[Address]>>);

impl Board {
    fn post(&self, replicas: &[&Replica]) {
        let addresses: Arc<[Address]> = replicas.iter().map(|r| r.address().into()).collect();
        self.0.send_replace(addresses);
    }
}

impl Registry for Board {
    fn watch(&self, _service: &str) -> Addresses {
        self.0.subscribe()
    }

    fn register(&self, _instance: Instance) -> Registration {
        Registration::nowhere()
    }
}

#[tokio::test]
async fn instances_come_and_go_under_running_calls() -> anyhow::Result<()> {
    let (a, b) = (Replica::start("a").await?, Replica::start("b").await?);
    let board = Board(watch::Sender::default());
    let transport = Transport::discover(&ServiceUrl::Named("echo".to_owned()), &board)?;

    // A call that is early waits for the first instance.
    let posting = async {
        eventually("somebody watches", || async {
            (board.0.receiver_count() > 0).then_some(())
        })
        .await;
        board.post(&[&a]);
    };
    let (early, ()) = tokio::join!(ask(&transport), posting);
    ensure!(early? == "a");

    // One that runs on an instance that is taken off the list goes on to its end.
    a.set_answering(false);
    let changing = async {
        eventually("the call runs", || async {
            (a.arrived() == 2).then_some(())
        })
        .await;
        board.post(&[&b]);
        // A call that still went to `a` is given up soon: the running one has its limit too.
        eventually("the list is changed", || async {
            let soon = Deadline::after(Duration::from_millis(100));
            soon.within(ask(&transport)).await.ok()
        })
        .await?;
        for _ in 0..10 {
            ensure!(ask(&transport).await? == "b");
        }
        a.set_answering(true);
        Ok(())
    };
    let (running, changed) = tokio::join!(ask(&transport), changing);
    changed?;
    ensure!(running? == "a");

    // Without a word from the registry the list stays.
    drop(board);
    ensure!(ask(&transport).await? == "b");
    Ok(())
}

#[tokio::test]
async fn a_service_that_nobody_knows_is_unavailable() -> anyhow::Result<()> {
    let board = Board(watch::Sender::default());
    let transport = Transport::discover(&ServiceUrl::Named("echo".to_owned()), &board)?;
    let status = failure(&transport).await?;
    ensure!(status.code() == Code::Unavailable, "{status}");
    ensure!(
        status.message() == "no instance of echo is known",
        "{status}"
    );
    Ok(())
}
