//! As much of Consul's HTTP API v1 as the program uses, with its ways of failing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use platform::discovery::{ConsulConfig, ConsulRegistry, Secret};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::relay::Relay;

/// An agent behind a relay.
pub(crate) struct FakeConsul {
    pub(crate) relay: Relay,
    agent: Arc<Agent>,
}

struct Agent {
    known: Mutex<Known>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Known {
    index: u64,
    healthy: BTreeMap<String, Vec<SocketAddr>>,
    registered: BTreeMap<String, Value>,
    token: Option<String>,
    fails: bool,
    sends_index: bool,
    asked: Vec<String>,
}

impl FakeConsul {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's own server has no tracker above it"
    )]
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let known = Known {
            index: 10,
            sends_index: true,
            ..Known::default()
        };
        let agent = Arc::new(Agent {
            known: Mutex::new(known),
            changed: watch::Sender::new(()),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let relay = Relay::start(listener.local_addr()?).await?;
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&agent));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { relay, agent })
    }

    /// A registry over this agent.
    pub(crate) fn registry(&self, token: &str) -> anyhow::Result<ConsulRegistry> {
        registry_at(&format!("http://{}", self.relay.address), token)
    }

    /// The healthy instances of `service` are `addresses` from now on.
    pub(crate) fn set_healthy(&self, service: &str, addresses: &[SocketAddr]) {
        self.change(|known| {
            known.index += 1;
            known.healthy.insert(service.to_owned(), addresses.to_vec());
        });
    }

    /// Begins anew: the index counts from 1, and nobody is registered.
    pub(crate) fn begin_anew(&self, service: &str, addresses: &[SocketAddr]) {
        self.change(|known| {
            known.index = 1;
            known.registered.clear();
            known.healthy.insert(service.to_owned(), addresses.to_vec());
        });
    }

    /// Answers 500 to everything, or not any more.
    pub(crate) fn set_failing(&self, fails: bool) {
        self.change(|known| known.fails = fails);
    }

    /// Leaves the index out of its answers.
    pub(crate) fn hide_index(&self) {
        self.change(|known| known.sends_index = false);
    }

    /// Wants this token with every request.
    pub(crate) fn require_token(&self, token: &str) {
        self.change(|known| known.token = Some(token.to_owned()));
    }

    /// What is registered under `id`.
    pub(crate) fn registered(&self, id: &str) -> Option<Value> {
        self.agent.known().registered.get(id).cloned()
    }

    /// Every request so far: method, path and query.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.agent.known().asked.clone()
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.agent.known());
        self.agent.changed.send_replace(());
    }
}

/// A registry over the agent at `url`.
pub(crate) fn registry_at(url: &str, token: &str) -> anyhow::Result<ConsulRegistry> {
    Ok(ConsulRegistry::new(&ConsulConfig {
        address: url.parse().map_err(anyhow::Error::msg)?,
        token: Secret::new(token.to_owned()),
    }))
}

impl Agent {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds a blocking query until the index has moved, as the real one does.
    async fn wait_for_news(&self, index: u64) {
        let mut changed = self.changed.subscribe();
        let moved = async {
            while self.known().index == index && !self.known().fails {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        // The real one holds it for 30 s; what comes of that is the same.
        drop(tokio::time::timeout(Duration::from_secs(30), moved).await);
    }

    fn healthy(&self, service: &str) -> (HeaderMap, String) {
        let known = self.known();
        let instance = |address: &SocketAddr| {
            json!({
                "Node": { "Node": "here", "Address": address.ip() },
                // As Consul has it where nobody gave one: the node's own.
                "Service": { "ID": "x", "Address": "", "Port": address.port() },
                "Checks": [],
            })
        };
        let list = known.healthy.get(service);
        let body: Vec<_> = list.into_iter().flatten().map(instance).collect();
        let mut headers = HeaderMap::new();
        if known.sends_index {
            headers.insert("x-consul-index", known.index.into());
        }
        (headers, Value::Array(body).to_string())
    }
}

async fn answer(
    State(agent): State<Arc<Agent>>,
    request: Request,
) -> (StatusCode, HeaderMap, String) {
    let plain = |status, text: &str| (status, HeaderMap::new(), text.to_owned());
    let (head, body) = request.into_parts();
    agent
        .known()
        .asked
        .push(format!("{} {}", head.method, head.uri));
    let given = head
        .headers
        .get("x-consul-token")
        .and_then(|token| token.to_str().ok());
    if agent.known().token.is_some() && agent.known().token.as_deref() != given {
        return plain(StatusCode::FORBIDDEN, "Permission denied");
    }
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    if let Some(index) = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("index="))
    {
        agent.wait_for_news(index.parse().unwrap_or(0)).await;
    }
    if agent.known().fails {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "No cluster leader");
    }
    if let Some(service) = path.strip_prefix("/v1/health/service/") {
        let (headers, body) = agent.healthy(service);
        return (StatusCode::OK, headers, body);
    }
    if let Some(id) = path.strip_prefix("/v1/agent/service/deregister/") {
        agent.known().registered.remove(id);
        return plain(StatusCode::OK, "");
    }
    if path == "/v1/agent/service/register" {
        let bytes = to_bytes(body, 1 << 20).await.unwrap_or_default();
        let entry: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let id = entry["ID"].as_str().unwrap_or_default().to_owned();
        agent.known().registered.insert(id, entry);
        return plain(StatusCode::OK, "");
    }
    if let Some(id) = path.strip_prefix("/v1/agent/service/") {
        let is_known = agent.known().registered.contains_key(id);
        return plain(
            if is_known {
                StatusCode::OK
            } else {
                StatusCode::NOT_FOUND
            },
            "{}",
        );
    }
    if path == "/v1/status/leader" {
        return plain(StatusCode::OK, "\"127.0.0.1:8300\"");
    }
    plain(StatusCode::BAD_REQUEST, "no such path")
}
