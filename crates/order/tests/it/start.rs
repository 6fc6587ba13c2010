//! Proves that the service starts from its configuration, over TCP and on its database, and says in one
//! line what stops it.

use std::sync::Arc;
use std::time::Duration;

use api::order::v1::order_service_client::OrderServiceClient;
use order::{Config, Upstreams};
use platform::StartError;
use platform::clock::SystemClock;
use platform::config::{Source, load};
use platform::discovery::StaticRegistry;
use platform::server::ServiceDeps;
use testkit::serve;
use types::Locale;

use crate::shop::{World, create_request};

const YAML: &str = "
listen: 127.0.0.1:9005
database: \"sqlite://data/order.db\"
delay_queue: embedded
payment_timeout: 15m
catalog: \"http://127.0.0.1:9003\"
inventory: \"http://127.0.0.1:9004\"
payment: \"http://127.0.0.1:9006\"
";

fn config(yaml: &str) -> Result<Config, platform::config::ConfigError> {
    load(
        &[Source {
            name: "bookstore.yaml",
            yaml,
        }],
        [],
    )
}

fn deps() -> ServiceDeps {
    ServiceDeps {
        clock: Arc::new(SystemClock),
        locale: Locale::Zh,
        migrate: true,
    }
}

fn upstreams(world: &World) -> Upstreams {
    Upstreams {
        catalog: world.catalog.transport(),
        inventory: world.inventory.transport(),
        payment: world.payment.transport(),
    }
}

#[tokio::test]
async fn a_configured_service_serves_from_its_database() -> anyhow::Result<()> {
    let mut config = config(YAML)?;
    assert_eq!(config.payment_timeout, Duration::from_mins(15));
    let world = World::new().await?;
    config.database = world.database.url().clone();
    Upstreams::discover(&config, &StaticRegistry::default())?;

    let server = serve(order::start(config, deps(), upstreams(&world)).await?).await?;
    let mut client = OrderServiceClient::new(server.channel.clone());
    let created = client
        .create_order(create_request(1, &[(1, 2), (2, 1)], ""))
        .await?
        .into_inner();
    assert_eq!(
        (created.code, created.total, created.order_id),
        (0, 25_700, 1)
    );
    drop(client);
    server.stop().await
}

#[tokio::test]
async fn a_mistake_in_the_configuration_is_named() -> anyhow::Result<()> {
    let unknown = config(&format!("{YAML}\nretries: 3\n")).unwrap_err();
    assert!(unknown.to_string().contains("retries"), "{unknown}");
    let queue = config(&YAML.replace("embedded", "somewhere")).unwrap_err();
    assert!(queue.to_string().contains("delay_queue"), "{queue}");

    for never in ["0s", "367days"] {
        let never = config(&YAML.replace("15m", never))?;
        let mistake = never.check().unwrap_err();
        assert_eq!(mistake.place, "order.payment_timeout");
        match order::start(never, deps(), upstreams(&World::new().await?)).await {
            Err(StartError::Config { key, .. }) => assert_eq!(key, "order.payment_timeout"),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it started"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_redis_out_of_reach_is_named_without_its_password() -> anyhow::Result<()> {
    let folder = testkit::temp_dir()?;
    let url = "redis://:s3cret@127.0.0.1:1/2";
    let mut config = config(&YAML.replace("embedded", url))?;
    config.database = platform::db::DatabaseUrl::sqlite(folder.path().join("order.db"));
    match order::start(config, deps(), upstreams(&World::new().await?)).await {
        Err(StartError::Config { key, reason }) => {
            assert_eq!(key, "order.delay_queue");
            assert!(
                reason.starts_with("redis://:***@127.0.0.1:1/2: "),
                "{reason}"
            );
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("nobody listens there"),
    }
    Ok(())
}

#[tokio::test]
async fn a_database_out_of_reach_is_named() -> anyhow::Result<()> {
    let folder = testkit::temp_dir()?;
    let file = folder.path().join("a file");
    std::fs::write(&file, "not a folder")?;
    let mut config = config(YAML)?;
    config.database = platform::db::DatabaseUrl::sqlite(file.join("order.db"));
    match order::start(config, deps(), upstreams(&World::new().await?)).await {
        Err(StartError::Database { service, .. }) => assert_eq!(service, "order"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("there is no such folder"),
    }
    Ok(())
}
