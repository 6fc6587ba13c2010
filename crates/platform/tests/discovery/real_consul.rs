//! The same against a real agent.

use anyhow::ensure;
use platform::config::ServiceUrl;
use platform::discovery::{Instance, Registry};
use platform::net::Transport;
use testkit::eventually;
use testkit::servers::consul;

use crate::fake_consul::registry_at;
use crate::replica::{Replica, ask};

#[tokio::test]
async fn a_real_agent_checks_its_instances_and_tells_who_is_well() -> anyhow::Result<()> {
    let Some(mut consul) = consul().await? else {
        return Ok(());
    };
    let registry = registry_at(&consul.url(), "")?;
    eventually("there is a leader", || async {
        registry.read_leader().await.ok()
    })
    .await;

    let (mut a, b) = (Replica::start("a").await?, Replica::start("b").await?);
    let instance = |replica: &Replica| Instance {
        service: "echo",
        listen: replica.address(),
    };
    let (at_a, at_b) = (
        registry.register(instance(&a)),
        registry.register(instance(&b)),
    );
    let addresses = registry.watch("echo");
    let count = |expected: usize| {
        let addresses = addresses.clone();
        async move {
            eventually("so many instances are well", || async {
                (addresses.borrow().len() == expected).then_some(())
            })
            .await;
        }
    };
    count(2).await;
    let transport = Transport::discover(&ServiceUrl::Named("echo".to_owned()), &registry)?;
    for _ in 0..10 {
        ask(&transport).await?;
    }
    ensure!(a.arrived() == 5 && b.arrived() == 5);

    // Killed without a word: calls go on, and the agent's own check finds out.
    a.relay.kill().await;
    for _ in 0..10 {
        ensure!(ask(&transport).await? == "b");
    }
    count(1).await;
    a.relay.revive().await?;
    count(2).await;

    // Left in order: gone at once.
    at_a.leave().await;
    count(1).await;
    ensure!(addresses.borrow()[0].as_str() == b.address().to_string());

    // The agent dies and comes back without its memory: calls go on, and it is told again.
    consul.stop();
    ensure!(ask(&transport).await? == "b");
    consul.start().await?;
    eventually("there is a leader again", || async {
        registry.read_leader().await.ok()
    })
    .await;
    let again = registry_at(&consul.url(), "")?;
    let known_again = again.watch("echo");
    eventually("the instance is registered again", || async {
        (known_again.borrow().len() == 1).then_some(())
    })
    .await;
    ensure!(ask(&transport).await? == "b");
    at_b.leave().await;
    Ok(())
}
