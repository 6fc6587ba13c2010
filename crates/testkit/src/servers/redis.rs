use tempfile::TempDir;
use tokio::net::TcpStream;

use super::process::{Tethered, find_program};
use super::{free_port, left_out};

/// A Redis server for one test.
pub struct RedisServer {
    url: String,
    _running: Option<(Tethered, TempDir)>,
}

/// A Redis server: the one that `BOOKSTORE_TEST_REDIS_URL` names, else a private one. `None` where there
/// is none to start.
pub async fn redis() -> anyhow::Result<Option<RedisServer>> {
    if let Some(url) = platform::config::variable("BOOKSTORE_TEST_REDIS_URL") {
        return Ok(Some(RedisServer { url, _running: None }));
    }
    let Some(program) = find_program(&["redis-server"]) else {
        left_out("Redis");
        return Ok(None);
    };
    let folder = crate::temp_dir()?;
    let port = free_port()?;
    let (port_text, path) = (port.to_string(), folder.path().display().to_string());
    let args = ["--port", &port_text, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", &path];
    let running = Tethered::start(&program, args, &folder.path().join("log"))?;
    crate::eventually("Redis listens", || async {
        TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;
    Ok(Some(RedisServer {
        url: format!("redis://127.0.0.1:{port}"),
        _running: Some((running, folder)),
    }))
}

impl RedisServer {
    /// Where it listens: `redis://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }
}
