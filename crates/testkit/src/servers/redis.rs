use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use platform::redis::RedisUrl;
use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, FromRedisValue};
use tempfile::TempDir;

use super::left_out;
use super::process::{Tethered, find_program};
use crate::free_port;

/// How many databases a server has as it is installed; the first is for those who share it.
const DATABASES: u32 = 16;
/// How long a test may keep a database of a shared server to itself.
const TURN_MS: u32 = 60_000;

/// A Redis server, or a database of one, for one test.
pub struct RedisServer {
    url: String,
    own: Option<OwnServer>,
}

/// A server that this test started.
struct OwnServer {
    program: PathBuf,
    args: Vec<String>,
    running: Option<Tethered>,
    folder: TempDir,
}

/// A database that nobody else uses: on the server that `BOOKSTORE_TEST_REDIS_URL` names
/// (`redis://HOST:PORT`), else on a private one. `None` where there is none to start.
pub async fn redis() -> anyhow::Result<Option<RedisServer>> {
    match platform::config::variable("BOOKSTORE_TEST_REDIS_URL") {
        Some(url) => RedisServer::take_turn(url.trim_end_matches('/'))
            .await
            .map(Some),
        None => RedisServer::start().await,
    }
}

impl RedisServer {
    /// A private server, to be flushed, frozen and killed as its test likes.
    pub async fn start() -> anyhow::Result<Option<Self>> {
        Self::start_with(&[]).await
    }

    /// A private server with more `arguments`, in which `PORT` and `DIR` stand for its own.
    pub async fn start_with(arguments: &[&str]) -> anyhow::Result<Option<Self>> {
        let Some(program) = find_program(&["redis-server"]) else {
            left_out("Redis");
            return Ok(None);
        };
        let folder = crate::temp_dir()?;
        let (port, path) = (
            free_port()?.to_string(),
            folder.path().display().to_string(),
        );
        let standard = "--port PORT --bind 127.0.0.1 --appendonly no --dir DIR --pidfile DIR/pid";
        let args = standard
            .split(' ')
            .chain(["--save", ""])
            .chain(arguments.iter().copied())
            .map(|word| word.replace("PORT", &port).replace("DIR", &path))
            .collect();
        let mut this = Self {
            url: format!("redis://127.0.0.1:{port}"),
            own: Some(OwnServer {
                program,
                args,
                running: None,
                folder,
            }),
        };
        this.restart().await?;
        Ok(Some(this))
    }

    /// Waits for a database of a shared server that no other test holds, and empties it.
    async fn take_turn(server: &str) -> anyhow::Result<Self> {
        let shared = connect(server).await?;
        let number = crate::eventually("a database of the shared Redis is free", async || {
            for number in 1..DATABASES {
                let mut take = redis::cmd("SET");
                take.arg(format!("bookstore-test:{number}")).arg("taken");
                take.arg("NX").arg("PX").arg(TURN_MS);
                let taken: Option<String> = take.query_async(&mut shared.clone()).await.ok()?;
                if taken.is_some() {
                    return Some(number);
                }
            }
            None
        })
        .await;
        let this = Self {
            url: format!("{server}/{number}"),
            own: None,
        };
        let _done: String = this.call(&["FLUSHDB"]).await?;
        Ok(this)
    }

    /// Where it is: `redis://127.0.0.1:PORT`, or `redis://HOST:PORT/NUMBER` on a shared server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it is, as the program reads it.
    pub fn parsed_url(&self) -> anyhow::Result<RedisUrl> {
        self.url.parse().map_err(anyhow::Error::msg)
    }

    /// Sends one command over a connection of its own.
    pub async fn call<T: FromRedisValue>(&self, words: &[&str]) -> anyhow::Result<T> {
        let mut command = Cmd::new();
        for word in words {
            command.arg(*word);
        }
        let mut connection = connect(&self.url).await?;
        Ok(command.query_async(&mut connection).await?)
    }

    /// Forgets everything.
    pub async fn flush(&self) -> anyhow::Result<()> {
        let command = if self.own.is_some() {
            "FLUSHALL"
        } else {
            "FLUSHDB"
        };
        let _done: String = self.call(&[command]).await?;
        Ok(())
    }

    /// Kills the server; what it held is gone. Only for a private one, as all below.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.own_server()?.running = None;
        Ok(())
    }

    /// Starts the server again where it was, empty.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        let own = self.own_server()?;
        let log = own.folder.path().join("log");
        own.running = Some(Tethered::start(&own.program, &own.args, &log)?);
        let pid = own.folder.path().join("pid");
        crate::eventually("Redis listens", async || {
            let log = std::fs::read_to_string(&log).ok()?;
            let ready = log.contains("Ready to accept connections");
            (ready && pid.is_file()).then_some(())
        })
        .await;
        Ok(())
    }

    /// Stops the process where it stands: connections stay, nothing is answered.
    pub fn freeze(&mut self) -> anyhow::Result<()> {
        self.signal("-STOP")
    }

    /// Lets a frozen process go on.
    pub fn thaw(&mut self) -> anyhow::Result<()> {
        self.signal("-CONT")
    }

    fn signal(&mut self, signal: &str) -> anyhow::Result<()> {
        let pid = std::fs::read_to_string(self.own_server()?.folder.path().join("pid"))?;
        let status = Command::new("kill").args([signal, pid.trim()]).status()?;
        ensure!(status.success(), "kill {signal} failed: {status}");
        Ok(())
    }

    fn own_server(&mut self) -> anyhow::Result<&mut OwnServer> {
        self.own
            .as_mut()
            .context("a shared Redis is nobody's to stop")
    }
}

async fn connect(url: &str) -> anyhow::Result<MultiplexedConnection> {
    let client = Client::open(url)?;
    let connection = client.get_multiplexed_async_connection().await;
    connection.context("the test's Redis is out of reach")
}
