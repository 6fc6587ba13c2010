use std::path::PathBuf;

use anyhow::Context;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::process::Tethered;
use super::tell;
use crate::free_port;

/// A Consul agent for one test, its own cluster, with nothing kept on disk.
pub struct ConsulServer {
    program: PathBuf,
    ports: [u16; 5],
    running: Option<(Tethered, TempDir)>,
}

/// A private Consul agent of the binary that `BOOKSTORE_TEST_CONSUL_BIN` names. Without it `None`, said in
/// a clear line; with `BOOKSTORE_REQUIRE_CONSUL=1` that is a failure.
pub async fn consul() -> anyhow::Result<Option<ConsulServer>> {
    let Some(program) = platform::config::variable("BOOKSTORE_TEST_CONSUL_BIN") else {
        let required =
            platform::config::variable("BOOKSTORE_REQUIRE_CONSUL").is_some_and(|v| v == "1");
        anyhow::ensure!(
            !required,
            "BOOKSTORE_TEST_CONSUL_BIN names no Consul, and BOOKSTORE_REQUIRE_CONSUL=1"
        );
        tell("LEFT OUT: tests on Consul; BOOKSTORE_TEST_CONSUL_BIN names no binary");
        return Ok(None);
    };
    let mut ports = [0; 5];
    for port in &mut ports {
        *port = free_port()?;
    }
    let mut server = ConsulServer {
        program: program.into(),
        ports,
        running: None,
    };
    server.start().await?;
    Ok(Some(server))
}

impl ConsulServer {
    /// Where it answers HTTP: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    /// Starts it on the same ports as before, knowing nothing of what it knew.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let folder = crate::temp_dir()?;
        let [http, dns, grpc, server, serf] = self.ports;
        let args = [
            "agent".to_owned(),
            "-dev".to_owned(),
            "-bind=127.0.0.1".to_owned(),
            "-client=127.0.0.1".to_owned(),
            format!("-http-port={http}"),
            format!("-dns-port={dns}"),
            format!("-grpc-port={grpc}"),
            format!("-server-port={server}"),
            format!("-serf-lan-port={serf}"),
            "-serf-wan-port=-1".to_owned(),
            "-hcl".to_owned(),
            "disable_update_check=true".to_owned(),
        ];
        let log = folder.path().join("log");
        let running = Tethered::start(&self.program, args, &log).context("no Consul")?;
        self.running = Some((running, folder));
        crate::eventually("Consul listens", || async move {
            TcpStream::connect(("127.0.0.1", http)).await.ok()
        })
        .await;
        Ok(())
    }

    /// Kills it.
    pub fn stop(&mut self) {
        self.running = None;
    }
}
