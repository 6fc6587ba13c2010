//! What there is behind an address: a service that is well, another program, or nobody.

use std::fmt;
use std::time::Duration;

use anyhow::bail;
use futures::future::join_all;
use tokio::net::lookup_host;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// How long a service may take to say that it is well.
const PATIENCE: Duration = Duration::from_secs(2);

/// What answered a health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Health {
    /// A service that is well.
    Serving,
    /// Nobody listens there.
    Nobody,
    /// Something else, in words.
    Bad(String),
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Serving => "serving",
            Self::Nobody => "nobody answers there",
            Self::Bad(said) => said,
        })
    }
}

/// Asks whoever is at `address`, `host:port`, for its health.
pub(crate) async fn check_health(address: &str) -> Health {
    let asked = tokio::time::timeout(PATIENCE, ask(address)).await;
    asked.unwrap_or_else(|_| Health::Bad("no answer to a health check".to_owned()))
}

/// Those of `services`, given by name and address, that are not well: each as `name at address: why`.
pub(crate) async fn find_unwell(services: &[(&str, String)]) -> Vec<String> {
    let checks = services.iter().map(|(name, address)| async move {
        match check_health(address).await {
            Health::Serving => None,
            health => Some(format!("{name} at {address}: {health}")),
        }
    });
    join_all(checks).await.into_iter().flatten().collect()
}

/// Refuses to go on where one of `services`, given by name and address, is not well.
///
/// # Errors
/// One line that names each of them and says why.
pub(crate) async fn expect_well(services: &[(&str, String)]) -> anyhow::Result<()> {
    let unwell = find_unwell(services).await;
    if unwell.is_empty() {
        return Ok(());
    }
    bail!("{}; `bookstore up` starts the system", unwell.join(", "))
}

async fn ask(address: &str) -> Health {
    let Ok(endpoint) = Endpoint::from_shared(format!("http://{address}")) else {
        return Health::Nobody;
    };
    if let Err(error) = lookup_host(address).await {
        return Health::Bad(format!("no such host: {error}"));
    }
    let Ok(channel) = endpoint.connect().await else {
        return Health::Nobody;
    };
    let mut client = HealthClient::new(channel);
    match client.check(HealthCheckRequest::default()).await {
        Ok(answer) if answer.get_ref().status() == ServingStatus::Serving => Health::Serving,
        Ok(_) => Health::Bad("up, but not serving".to_owned()),
        Err(status) if refuses(&status) => Health::Bad("up, but refuses calls".to_owned()),
        Err(_) => Health::Bad("taken by a program that is not a bookstore".to_owned()),
    }
}

/// Whether a service said this, which is busy or on its way down, and not our own side of a broken connection.
fn refuses(status: &Status) -> bool {
    let is_refusal = matches!(status.code(), Code::Unavailable | Code::ResourceExhausted);
    is_refusal && std::error::Error::source(status).is_none()
}
