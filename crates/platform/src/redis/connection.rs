use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, ScriptInvocation, TlsCertificates, cmd,
};
use tokio::time::Instant;

use super::{RedisError, RedisUrl};
use crate::clock::pause;
use crate::tasks::Tasks;
use crate::tls;

/// How long one call may take. A healthy server needs a thousandth of that.
const CALL_LIMIT: Duration = Duration::from_millis(300);
/// How long connecting may take, handshake included.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// How long a server that failed is left alone before it is tried again.
const REST: Duration = Duration::from_millis(500);
/// Refused commands are logged at most once in this time.
const LOG_REFUSALS_EVERY: Duration = Duration::from_secs(30);
/// How many calls may queue for the socket.
const PIPELINE_LEN_MAX: usize = 1024;
/// Written when a connection is made: a server that rejects writes is of no use.
const PROBE_KEY: &str = "bookstore:{probe}";

/// A Redis server, over one connection that all calls share and that reconnects by itself.
///
/// No call waits longer than 300 ms. After [`RedisError::Lost`] every call fails at once with
/// [`RedisError::Resting`] until a new connection was made in the background and a write on it succeeded. An
/// outage is logged when it begins and when it ends; each failed call is counted in
/// `bookstore_redis_failures_total`; `bookstore_redis_up` is 1 or 0.
#[derive(Clone)]
pub struct Redis {
    shared: Arc<Shared>,
}

struct Shared {
    url: RedisUrl,
    /// What the server is for, as in `order.delay_queue`: the label of logs and metrics.
    purpose: &'static str,
    client: Client,
    line: Mutex<Line>,
    refusal_logged_at: Mutex<Option<Instant>>,
    /// Runs the one task that reconnects.
    menders: Tasks,
}

/// The connection, if there is one.
struct Line {
    connection: Option<MultiplexedConnection>,
    /// Counts connections: what failed on an old one says nothing about its successor.
    number: u64,
}

impl Redis {
    /// Connects; `purpose` is the configuration's key, and names the server in logs and metrics.
    ///
    /// A server that is reachable but rejects writes for now (full, read-only) only causes a warning: callers
    /// go on without it, and it is used once it accepts them.
    ///
    /// # Errors
    /// One line: a server out of reach, a wrong password, a database number that does not exist.
    pub async fn connect(url: &RedisUrl, purpose: &'static str) -> Result<Self, RedisError> {
        let shared = Arc::new(Shared {
            url: url.clone(),
            purpose,
            client: open_client(url)?,
            line: Mutex::new(Line {
                connection: None,
                number: 0,
            }),
            refusal_logged_at: Mutex::new(None),
            menders: Tasks::new(),
        });
        let connection = open_connection(&shared.client).await?;
        match probe(&connection).await {
            Ok(()) => shared.take_up(connection),
            Err(error) => {
                shared.tell_lost(&error);
                shared.mend();
            }
        }
        Ok(Self { shared })
    }

    /// Sends one command.
    ///
    /// # Errors
    /// Where Redis did not answer, or refused. Whether the command was carried out is not known.
    pub async fn call<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        self.run(async |mut connection| command.query_async(&mut connection).await)
            .await
    }

    /// Runs a script; loads it where the server does not know it yet.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn call_script<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, RedisError> {
        self.run(async |mut connection| script.invoke_async(&mut connection).await)
            .await
    }

    async fn run<T, W, F>(&self, work: W) -> Result<T, RedisError>
    where
        W: FnOnce(MultiplexedConnection) -> F,
        F: Future<Output = redis::RedisResult<T>>,
    {
        let Some((connection, number)) = self.shared.connection() else {
            return Err(self.shared.count(RedisError::Resting));
        };
        match within(CALL_LIMIT, work(connection)).await {
            Ok(value) => Ok(value),
            Err(error) => {
                self.shared.note_failure(number, &error);
                Err(self.shared.count(error))
            }
        }
    }
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connection(&self) -> Option<(MultiplexedConnection, u64)> {
        let line = self.line();
        Some((line.connection.clone()?, line.number))
    }

    fn take_up(&self, connection: MultiplexedConnection) {
        let mut line = self.line();
        line.connection = Some(connection);
        line.number = line.number.saturating_add(1);
        metrics::gauge!("bookstore_redis_up", "use" => self.purpose).set(1);
    }

    /// Notes a failed call: drops a lost connection and has a new one made, once, however many calls failed
    /// on it.
    fn note_failure(self: &Arc<Self>, number: u64, error: &RedisError) {
        match error {
            RedisError::Resting => {}
            RedisError::Refused(_) => self.tell_refused(error),
            RedisError::Lost(_) => {
                let mut line = self.line();
                if line.number != number || line.connection.take().is_none() {
                    return;
                }
                drop(line);
                self.tell_lost(error);
                self.mend();
            }
        }
    }

    /// Reconnects in the background, until that succeeds or the last handle is dropped.
    fn mend(self: &Arc<Self>) {
        let weak = Arc::downgrade(self);
        self.menders.spawn("redis.mend", async move {
            loop {
                pause(REST).await;
                let Some(shared) = Weak::upgrade(&weak) else {
                    return;
                };
                match shared.reconnect().await {
                    Ok(connection) => {
                        shared.take_up(connection);
                        tracing::info!(redis.use = shared.purpose, "Redis is back");
                        return;
                    }
                    Err(error) => {
                        tracing::debug!(redis.use = shared.purpose, %error, "Redis is still away");
                    }
                }
            }
        });
    }

    async fn reconnect(&self) -> Result<MultiplexedConnection, RedisError> {
        let connection = open_connection(&self.client).await?;
        probe(&connection).await?;
        Ok(connection)
    }

    fn tell_lost(&self, error: &RedisError) {
        metrics::gauge!("bookstore_redis_up", "use" => self.purpose).set(0);
        let (url, purpose) = (&self.url, self.purpose);
        tracing::warn!(%url, redis.use = purpose, %error, "Redis is away; going on without it");
    }

    fn tell_refused(&self, error: &RedisError) {
        let mut logged_at = self
            .refusal_logged_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if logged_at.is_none_or(|at| at.elapsed() >= LOG_REFUSALS_EVERY) {
            *logged_at = Some(Instant::now());
            tracing::warn!(redis.use = self.purpose, %error, "a command was refused");
        }
    }

    fn count(&self, error: RedisError) -> RedisError {
        let (purpose, kind) = (self.purpose, error.kind());
        metrics::counter!("bookstore_redis_failures_total", "use" => purpose, "kind" => kind)
            .increment(1);
        error
    }
}

pub(super) fn open_client(url: &RedisUrl) -> Result<Client, RedisError> {
    if url.is_tls() {
        tls::name_provider();
    }
    let Some(ca) = url.ca() else {
        return Ok(Client::open(url.as_str())?);
    };
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert: Some(tls::read_ca(ca).map_err(RedisError::Lost)?),
    };
    Ok(Client::build_with_tls(url.as_str(), certificates)?)
}

/// Connects, authenticates, and waits for the answer to a PING.
pub(super) async fn open_connection(client: &Client) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
        .set_pipeline_buffer_size(PIPELINE_LEN_MAX);
    within(CONNECT_LIMIT, async {
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let _pong: String = cmd("PING").query_async(&mut connection).await?;
        Ok(connection)
    })
    .await
}

/// Makes sure that the server accepts writes.
pub(super) async fn probe(connection: &MultiplexedConnection) -> Result<(), RedisError> {
    let mut connection = connection.clone();
    let mut write = cmd("SET");
    write.arg(PROBE_KEY).arg(1).arg("PX").arg(1000);
    within(CALL_LIMIT, write.query_async(&mut connection)).await
}

pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = redis::RedisResult<T>>,
) -> Result<T, RedisError> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(RedisError::Lost(format!(
            "no answer within {} ms",
            limit.as_millis()
        ))),
    }
}
