//! The registry against an agent in this process.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use platform::discovery::{Addresses, ConsulError, Instance, Registry};
use testkit::eventually;

use crate::fake_consul::FakeConsul;

const ID: &str = "echo-127.0.0.1-9009";

fn here() -> Instance {
    Instance {
        service: "echo",
        listen: SocketAddr::from(([127, 0, 0, 1], 9009)),
    }
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

async fn until_known(addresses: &Addresses, expected: &[SocketAddr]) {
    let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
    eventually("the instances are known", || async {
        let known: Vec<_> = addresses.borrow().iter().map(ToString::to_string).collect();
        (known == expected).then_some(())
    })
    .await;
}

async fn until_asked(consul: &FakeConsul, more_than: usize, what: &str) {
    eventually(what, || async {
        let count = consul
            .asked()
            .iter()
            .filter(|asked| asked.contains(what))
            .count();
        (count > more_than).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_instance_is_registered_with_a_check_and_taken_out_when_it_leaves() -> anyhow::Result<()>
{
    let consul = FakeConsul::start().await?;
    let registration = consul.registry("")?.register(here());
    let entry = eventually("registered", || async { consul.registered(ID) }).await;
    ensure!(entry["Name"] == "echo" && entry["Address"] == "127.0.0.1" && entry["Port"] == 9009);
    let check = &entry["Check"];
    ensure!(
        check["GRPC"] == "127.0.0.1:9009" && check["Interval"] == "2s",
        "{check}"
    );
    ensure!(check["DeregisterCriticalServiceAfter"] == "1m", "{check}");
    registration.leave().await;
    ensure!(consul.registered(ID).is_none());
    Ok(())
}

#[tokio::test]
async fn an_announcement_that_is_dropped_is_taken_back() -> anyhow::Result<()> {
    let consul = FakeConsul::start().await?;
    let registration = consul.registry("")?.register(here());
    eventually("registered", || async { consul.registered(ID) }).await;
    drop(registration);
    eventually("taken out", || async {
        consul.registered(ID).is_none().then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn an_agent_that_forgot_an_instance_is_told_again() -> anyhow::Result<()> {
    let consul = FakeConsul::start().await?;
    let _registration = consul.registry("")?.register(here());
    eventually("registered", || async { consul.registered(ID) }).await;
    consul.begin_anew("echo", &[]);
    eventually("registered again", || async { consul.registered(ID) }).await;
    Ok(())
}

#[tokio::test]
async fn an_agent_that_is_away_at_the_start_is_told_when_it_is_there() -> anyhow::Result<()> {
    let mut consul = FakeConsul::start().await?;
    consul.relay.kill().await;
    let registry = consul.registry("")?;
    let _registration = registry.register(here());
    let addresses = registry.watch("echo");
    consul.set_healthy("echo", &[at(1)]);
    let unreachable = registry.read_leader().await;
    ensure!(
        matches!(unreachable, Err(ConsulError::Unreachable { .. })),
        "{unreachable:?}"
    );
    consul.relay.revive().await?;
    eventually("registered", || async { consul.registered(ID) }).await;
    until_known(&addresses, &[at(1)]).await;
    Ok(())
}

#[tokio::test]
async fn leaving_a_frozen_agent_does_not_hold_up_a_drain() -> anyhow::Result<()> {
    let consul = FakeConsul::start().await?;
    let registration = consul.registry("")?.register(here());
    eventually("registered", || async { consul.registered(ID) }).await;
    consul.relay.freeze();
    // Below any limit that the client has for an answer.
    let leaving = registration.leave();
    tokio::time::timeout(Duration::from_secs(2), leaving).await?;
    ensure!(consul.registered(ID).is_some());
    Ok(())
}

#[tokio::test]
async fn instances_are_followed_as_they_come_and_go() -> anyhow::Result<()> {
    let consul = FakeConsul::start().await?;
    consul.set_healthy("echo", &[at(2), at(1), at(2)]);
    let registry = consul.registry("")?;
    let addresses = registry.watch("echo");
    until_known(&addresses, &[at(1), at(2)]).await;
    until_asked(&consul, 0, "index=11").await;
    consul.set_healthy("echo", &[at(3)]);
    until_known(&addresses, &[at(3)]).await;
    let asked = consul.asked();
    let first = "GET /v1/health/service/echo?passing=true".to_owned();
    ensure!(asked.first() == Some(&first), "{asked:?}");
    // Nothing is asked again before something changed.
    until_asked(&consul, 0, "index=12").await;
    ensure!(consul.asked().len() == 3, "{asked:?}");
    Ok(())
}

#[tokio::test]
async fn an_index_that_went_back_is_begun_anew() -> anyhow::Result<()> {
    let consul = FakeConsul::start().await?;
    consul.set_healthy("echo", &[at(1)]);
    let addresses = consul.registry("")?.watch("echo");
    until_known(&addresses, &[at(1)]).await;
    until_asked(&consul, 0, "index=11").await;
    consul.begin_anew("echo", &[at(2)]);
    until_known(&addresses, &[at(2)]).await;
    until_asked(&consul, 0, "index=1&").await;
    consul.set_healthy("echo", &[at(3)]);
    until_known(&addresses, &[at(3)]).await;
    Ok(())
}

#[tokio::test]
async fn without_an_index_the_agent_is_polled() -> anyhow::Result<()> {
    let consul = FakeConsul::start().await?;
    consul.hide_index();
    consul.set_healthy("echo", &[at(1)]);
    let addresses = consul.registry("")?.watch("echo");
    until_known(&addresses, &[at(1)]).await;
    consul.set_healthy("echo", &[at(2)]);
    until_known(&addresses, &[at(2)]).await;
    ensure!(!consul.asked().iter().any(|asked| asked.contains("index=")));
    Ok(())
}

#[tokio::test]
async fn while_the_agent_fails_the_last_known_instances_stay() -> anyhow::Result<()> {
    let mut consul = FakeConsul::start().await?;
    consul.set_healthy("echo", &[at(1)]);
    let registry = consul.registry("")?;
    let addresses = registry.watch("echo");
    until_known(&addresses, &[at(1)]).await;

    let before = consul.asked().len();
    consul.set_failing(true);
    eventually("failures were heard", || async {
        (consul.asked().len() > before + 2).then_some(())
    })
    .await;
    until_known(&addresses, &[at(1)]).await;
    let refused = registry.read_leader().await;
    ensure!(
        matches!(refused, Err(ConsulError::Refused { status: 500, .. })),
        "{refused:?}"
    );
    consul.set_failing(false);
    consul.set_healthy("echo", &[at(1), at(2)]);
    until_known(&addresses, &[at(1), at(2)]).await;

    consul.relay.kill().await;
    consul.set_healthy("echo", &[at(2)]);
    until_known(&addresses, &[at(1), at(2)]).await;
    consul.relay.revive().await?;
    until_known(&addresses, &[at(2)]).await;

    consul.relay.freeze();
    consul.set_healthy("echo", &[at(4)]);
    let late = registry.read_leader().await;
    ensure!(matches!(late, Err(ConsulError::Late { .. })), "{late:?}");
    until_known(&addresses, &[at(2)]).await;
    consul.relay.thaw();
    until_known(&addresses, &[at(4)]).await;
    Ok(())
}

#[tokio::test]
async fn an_empty_answer_does_not_make_known_instances_unknown() -> anyhow::Result<()> {
    let consul = FakeConsul::start().await?;
    consul.set_healthy("echo", &[at(1)]);
    let addresses = consul.registry("")?.watch("echo");
    until_known(&addresses, &[at(1)]).await;
    consul.set_healthy("echo", &[]);
    until_asked(&consul, 0, "index=12").await;
    until_known(&addresses, &[at(1)]).await;
    consul.set_healthy("echo", &[at(2)]);
    until_known(&addresses, &[at(2)]).await;
    Ok(())
}

#[tokio::test]
async fn the_token_is_sent_and_never_shown() -> anyhow::Result<()> {
    let consul = FakeConsul::start().await?;
    consul.require_token("a-secret-token");
    ensure!(
        consul
            .registry("a-secret-token")?
            .read_leader()
            .await
            .is_ok()
    );
    let Err(refused) = consul.registry("wrong-token")?.read_leader().await else {
        anyhow::bail!("a wrong token was taken");
    };
    ensure!(
        refused
            .to_string()
            .ends_with("answered 403: Permission denied"),
        "{refused}"
    );
    let Err(unfit) = consul.registry("a\nb")?.read_leader().await else {
        anyhow::bail!("no header takes such a token");
    };
    ensure!(!format!("{unfit} {unfit:?}").contains("a\nb"), "{unfit}");
    Ok(())
}
