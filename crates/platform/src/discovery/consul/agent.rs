//! The few requests to an agent, each bounded in time and size.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use http::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::json;

use crate::deadline::Deadline;
use crate::discovery::{Address, ConsulConfig, ConsulUrl, Secret};

/// How long a plain request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(3);
/// How long the agent may hold a blocking query that has nothing new.
const BLOCK: Duration = Duration::from_secs(30);
/// How long such a query may take: Consul adds up to a sixteenth to spread its load.
const BLOCK_LIMIT: Duration = Duration::from_secs(37);
/// The largest answer that is read, in bytes; an instance takes about 1 KiB.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A request that the agent did not carry out, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsulError {
    /// There is no connection, or it broke.
    #[error("{agent} cannot be reached: {reason}")]
    Unreachable {
        /// Which agent was asked.
        agent: String,
        /// What the system said.
        reason: String,
    },
    /// The instance listens on a loopback address: others that look it up would call themselves.
    #[error(
        "{listen} is an address of this host alone, and {agent} would tell it to others: listen on one that \
         they reach, or on 0.0.0.0"
    )]
    Loopback {
        /// Which agent would be told.
        agent: String,
        /// Where the instance listens.
        listen: SocketAddr,
    },
    /// The answer did not come in time.
    #[error("{agent} did not answer in time")]
    Late {
        /// Which agent was asked.
        agent: String,
    },
    /// The agent answered with a status that is not 200.
    #[error("{agent} answered {status}: {text}")]
    Refused {
        /// Which agent was asked.
        agent: String,
        /// The HTTP status.
        status: u16,
        /// The first line of what it said.
        text: String,
    },
    /// The answer does not conform to the agent's API.
    #[error("{agent} answered nonsense: {reason}")]
    Nonsense {
        /// Which agent was asked.
        agent: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A Consul agent.
pub(super) struct Agent {
    url: ConsulUrl,
    token: Secret,
    client: Client<HttpConnector, Body>,
}

/// An instance as it is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The instance's own id; another instance under the same id replaces this one.
    pub(super) id: String,
    /// The service's name.
    pub(super) service: &'static str,
    /// The host that others reach it by.
    pub(super) host: String,
    /// Its port.
    pub(super) port: u16,
    /// Host and port together, for the check.
    pub(super) address: Address,
}

/// The healthy instances as of one value of the agent's index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// In ascending order, each once.
    pub(super) addresses: Vec<Address>,
    /// The index to pass to the next blocking query.
    pub(super) index: u64,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Agent {
    pub(super) fn new(config: &ConsulConfig) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_secs(1)));
        connector.set_nodelay(true);
        Self {
            url: config.address.clone(),
            token: config.token.clone(),
            client: Client::builder(TokioExecutor::new()).build(connector),
        }
    }

    /// Where the agent is.
    pub(super) const fn url(&self) -> &ConsulUrl {
        &self.url
    }

    /// The leader of the agent's cluster.
    pub(super) async fn read_leader(&self) -> Result<String, ConsulError> {
        let answer = self.get("/v1/status/leader", REQUEST_LIMIT).await?;
        let leader: String = self.decode(&self.expect_ok(answer)?)?;
        if leader.is_empty() {
            return Err(self.nonsense("there is no leader"));
        }
        Ok(leader)
    }

    /// Registers `entry` with a check of its gRPC health, or replaces what is there under its id.
    pub(super) async fn register(&self, entry: &Entry) -> Result<(), ConsulError> {
        let body = json!({
            "ID": entry.id,
            "Name": entry.service,
            "Address": entry.host,
            "Port": entry.port,
            "Tags": ["grpc"],
            "Check": {
                "Name": "grpc.health.v1",
                "GRPC": entry.address.as_str(),
                "Interval": "2s",
                "Timeout": "2s",
                // The instance listens before it registers; the first check may be an interval away.
                "Status": "passing",
                "DeregisterCriticalServiceAfter": "1m",
            },
        });
        let path = "/v1/agent/service/register?replace-existing-checks=true";
        let answer = self.send(
            Method::PUT,
            path,
            Body::from(body.to_string()),
            REQUEST_LIMIT,
        );
        self.expect_ok(answer.await?).map(drop)
    }

    /// Whether the agent knows the instance `id`, healthy or not.
    pub(super) async fn knows(&self, id: &str) -> Result<bool, ConsulError> {
        let answer = self
            .get(&format!("/v1/agent/service/{id}"), REQUEST_LIMIT)
            .await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        self.expect_ok(answer).map(|_| true)
    }

    /// Deregisters the instance `id`. Idempotent: an id that is not there counts as deregistered.
    pub(super) async fn deregister(&self, id: &str) -> Result<(), ConsulError> {
        let path = format!("/v1/agent/service/deregister/{id}");
        let answer = self
            .send(Method::PUT, &path, Body::empty(), REQUEST_LIMIT)
            .await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(());
        }
        self.expect_ok(answer).map(drop)
    }

    /// The healthy instances of `service`; with an `index` above 0 only once they differ from those at that
    /// index, or after half a minute.
    pub(super) async fn read_healthy(
        &self,
        service: &str,
        index: u64,
    ) -> Result<Snapshot, ConsulError> {
        let now = format!("/v1/health/service/{service}?passing=true");
        let (path, limit) = if index == 0 {
            (now, REQUEST_LIMIT)
        } else {
            (
                format!("{now}&index={index}&wait={}s", BLOCK.as_secs()),
                BLOCK_LIMIT,
            )
        };
        let answer = self.get(&path, limit).await?;
        let index = answer.headers.get("x-consul-index");
        let index = index
            .and_then(|text| text.to_str().ok()?.parse().ok())
            .unwrap_or(0);
        let instances: Vec<HealthyInstance> = self.decode(&self.expect_ok(answer)?)?;
        let mut addresses: Vec<_> = instances
            .iter()
            .filter_map(HealthyInstance::address)
            .collect();
        addresses.sort();
        addresses.dedup();
        Ok(Snapshot { addresses, index })
    }

    async fn get(&self, path: &str, limit: Duration) -> Result<Answer, ConsulError> {
        self.send(Method::GET, path, Body::empty(), limit).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Body,
        limit: Duration,
    ) -> Result<Answer, ConsulError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url));
        if let Some(token) = self.token.reveal() {
            request = request.header("x-consul-token", token);
        }
        let request = request
            .body(body)
            .map_err(|_| self.nonsense("a token that no header takes"))?;
        let exchange = async {
            let response = self
                .client
                .request(request)
                .await
                .map_err(|e| self.unreachable(&e))?;
            let (parts, body) = response.into_parts();
            let body = to_bytes(Body::new(body), ANSWER_BYTES_MAX).await;
            Ok(Answer {
                status: parts.status,
                headers: parts.headers,
                body: body.map_err(|error| self.unreachable(&error))?,
            })
        };
        let answer = Deadline::after(limit).within(exchange).await;
        answer.unwrap_or_else(|_| Err(ConsulError::Late { agent: self.name() }))
    }

    fn expect_ok(&self, answer: Answer) -> Result<Bytes, ConsulError> {
        if answer.status == StatusCode::OK {
            return Ok(answer.body);
        }
        let text = String::from_utf8_lossy(&answer.body);
        let first_line = text.lines().next().unwrap_or_default();
        Err(ConsulError::Refused {
            agent: self.name(),
            status: answer.status.as_u16(),
            text: first_line.chars().take(200).collect(),
        })
    }

    fn decode<'a, T: Deserialize<'a>>(&self, body: &'a [u8]) -> Result<T, ConsulError> {
        serde_json::from_slice(body).map_err(|error| self.nonsense(&error.to_string()))
    }

    fn unreachable(&self, error: &(dyn std::error::Error + 'static)) -> ConsulError {
        // The outermost error only says that it did not work; the innermost says why.
        let causes = std::iter::successors(Some(error), |error| error.source());
        ConsulError::Unreachable {
            agent: self.name(),
            reason: causes.last().map(ToString::to_string).unwrap_or_default(),
        }
    }

    fn nonsense(&self, reason: &str) -> ConsulError {
        ConsulError::Nonsense {
            agent: self.name(),
            reason: reason.to_owned(),
        }
    }

    fn name(&self) -> String {
        self.url.to_string()
    }
}

/// The parts that are read of an instance in `/v1/health/service/NAME`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HealthyInstance {
    node: Node,
    service: Service,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    address: String,
    port: u16,
}

impl HealthyInstance {
    /// An instance that was registered without an address is on its node; one that cannot be called
    /// at all is skipped.
    fn address(&self) -> Option<Address> {
        let host = Some(self.service.address.as_str()).filter(|host| !host.is_empty());
        Address::new(host.unwrap_or(&self.node.address), self.service.port)
    }
}
