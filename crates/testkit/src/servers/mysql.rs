use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, ensure};
use platform::db::{Database, DatabaseUrl};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::process::{Tethered, find_program};
use super::{left_out, tell};
use crate::free_port;

/// The name of a private server's Unix socket in its folder.
const SOCKET: &str = "mysql.sock";
/// How often a data folder is made at the most.
const INSTALL_TRIES: u32 = 3;

/// A MySQL-protocol server for the tests of this process.
pub struct MysqlServer {
    /// The URL up to the database's name, which may hold a password.
    base: String,
    /// What the URL says after the database's name: nothing, or `?name=value…`.
    parameters: String,
    databases: AtomicU32,
    private: Option<Private>,
}

/// A server of our own; it goes when this goes.
struct Private {
    /// None while it is stopped.
    running: Option<Tethered>,
    program: PathBuf,
    port: u16,
    /// What it is told beside the standard arguments.
    arguments: Vec<String>,
    folder: TempDir,
    /// Whether the tests of this process share it: nobody may stop it, and it is never dropped.
    is_shared: bool,
}

impl Private {
    fn run(&mut self) -> anyhow::Result<()> {
        let folder = self.folder.path();
        let goes_too = if self.is_shared {
            folder
        } else {
            Path::new("")
        };
        let arguments = standard_arguments(folder, self.port);
        let arguments = arguments.iter().chain(&self.arguments);
        let log = folder.join("log");
        let running = Tethered::start_in(goes_too, &self.program, arguments, &log)?;
        self.running = Some(running);
        Ok(())
    }
}

/// The process' server: the one that `BOOKSTORE_TEST_MYSQL_URL` names
/// (`mysql://USER:PASSWORD@HOST:PORT`, with `?parameters` where it needs any), else a private MariaDB,
/// started once. `None` where there is none to start.
pub async fn mysql() -> anyhow::Result<Option<&'static MysqlServer>> {
    static SERVER: OnceCell<Option<MysqlServer>> = OnceCell::const_new();
    let server = SERVER
        .get_or_try_init(|| async {
            match platform::config::variable("BOOKSTORE_TEST_MYSQL_URL") {
                Some(url) => Ok(Some(MysqlServer::at(&url))),
                None => MysqlServer::launch(&[], true).await,
            }
        })
        .await?;
    Ok(server.as_ref())
}

impl MysqlServer {
    fn at(url: &str) -> Self {
        let (base, parameters) = match url.split_once('?') {
            Some((base, parameters)) => (base, format!("?{parameters}")),
            None => (url, String::new()),
        };
        Self {
            base: base.trim_end_matches('/').to_owned(),
            parameters,
            databases: AtomicU32::new(0),
            private: None,
        }
    }

    /// A private server of this test alone, to be killed and frozen as it likes.
    pub async fn start() -> anyhow::Result<Option<Self>> {
        Self::start_with(&[]).await
    }

    /// A private server with more `arguments`.
    pub async fn start_with(arguments: &[&str]) -> anyhow::Result<Option<Self>> {
        Self::launch(arguments, false).await
    }

    async fn launch(arguments: &[&str], is_shared: bool) -> anyhow::Result<Option<Self>> {
        let programs = (
            find_program(&["mariadbd"]),
            find_program(&["mariadb-install-db"]),
        );
        let (Some(server), Some(install)) = programs else {
            left_out("MariaDB");
            return Ok(None);
        };
        let folder = crate::temp_dir()?;
        let data = folder.path().join("data");
        install_data(&install, &data)?;
        let port = free_port()?;
        let mut this = Self::at(&format!("mysql://root@127.0.0.1:{port}"));
        this.private = Some(Private {
            running: None,
            program: server,
            port,
            arguments: arguments.iter().map(|&one| one.to_owned()).collect(),
            folder,
            is_shared,
        });
        if let Some(private) = &mut this.private {
            private.run()?;
        }
        this.wait().await;
        Ok(Some(this))
    }

    /// Kills the private server with SIGKILL.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.private()?.running = None;
        Ok(())
    }

    /// Starts the private server on the data and the port that it had, and waits until it answers.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.private()?.run()?;
        self.wait().await;
        Ok(())
    }

    /// Stops the private server in its tracks: connections stay, and nothing answers.
    pub fn freeze(&mut self) -> anyhow::Result<()> {
        self.signal("-STOP")
    }

    /// Lets a frozen server go on.
    pub fn thaw(&mut self) -> anyhow::Result<()> {
        self.signal("-CONT")
    }

    fn signal(&mut self, signal: &str) -> anyhow::Result<()> {
        let pid = std::fs::read_to_string(self.private()?.folder.path().join("pid"))?;
        let status = Command::new("kill").args([signal, pid.trim()]).status()?;
        ensure!(status.success(), "kill {signal} failed: {status}");
        Ok(())
    }

    fn private(&mut self) -> anyhow::Result<&mut Private> {
        let private = self.private.as_mut().filter(|server| !server.is_shared);
        private.context("a shared MariaDB is nobody's to stop")
    }

    async fn wait(&self) {
        crate::eventually("MariaDB answers", || async {
            self.execute("SELECT 1").await.ok()
        })
        .await;
    }

    /// A new empty database.
    pub async fn new_database(&self) -> anyhow::Result<DatabaseUrl> {
        let url = self.new_database_setting().await?;
        url.parse().map_err(anyhow::Error::msg)
    }

    /// The URL of a new empty database as a process has to be told it: with the password, which a
    /// [`DatabaseUrl`] never shows.
    pub async fn new_database_setting(&self) -> anyhow::Result<String> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("bookstore_test_{}_{number}", std::process::id());
        self.execute(&format!("DROP DATABASE IF EXISTS {name}"))
            .await?;
        self.execute(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"))
            .await?;
        Ok(self.setting(&name))
    }

    /// Where it listens, as `127.0.0.1:3306`.
    pub fn address(&self) -> &str {
        let place = self.base.rsplit_once('@');
        place.map_or("", |(_, address)| address)
    }

    /// The Unix socket that it listens at as well; `None` where it is not ours.
    pub fn socket(&self) -> Option<PathBuf> {
        let private = self.private.as_ref()?;
        Some(private.folder.path().join(SOCKET))
    }

    /// The URL of the database `name` on this server.
    pub fn url(&self, name: &str) -> anyhow::Result<DatabaseUrl> {
        self.setting(name).parse().map_err(anyhow::Error::msg)
    }

    fn setting(&self, name: &str) -> String {
        format!("{}/{name}{}", self.base, self.parameters)
    }

    /// Runs a statement outside any transaction of the program's.
    pub async fn execute(&self, sql: &str) -> anyhow::Result<()> {
        let database = Database::open_read_only(&self.url("mysql")?)?;
        let sql = sql.to_owned();
        let done = database
            .read_once("test", move |tx| {
                let sql = sql.clone();
                Box::pin(async move { tx.execute(&sql, Vec::new()).await })
            })
            .await;
        database.close().await;
        done.map(|_| ())
            .context("the test's server refused a statement")
    }
}

/// Makes a data folder. The server that fills it dies now and then where many start at once; another
/// try begins with an empty folder.
fn install_data(install: &Path, data: &Path) -> anyhow::Result<()> {
    for _ in 1..INSTALL_TRIES {
        match try_to_install_data(install, data) {
            Err(error) => tell(&format!("once more: {error:#}")),
            Ok(()) => return Ok(()),
        }
        if data.exists() {
            std::fs::remove_dir_all(data)?;
        }
    }
    try_to_install_data(install, data)
}

fn try_to_install_data(install: &Path, data: &Path) -> anyhow::Result<()> {
    let ran = Command::new(install)
        .args([
            "--no-defaults",
            "--user=root",
            "--auth-root-authentication-method=normal",
        ])
        .arg("--skip-test-db")
        .arg(format!("--datadir={}", data.display()))
        .stdin(Stdio::null())
        .output()
        .context("cannot run mariadb-install-db")?;
    let said = [ran.stderr, ran.stdout].concat();
    ensure!(
        ran.status.success(),
        "mariadb-install-db failed, {}: {}",
        ran.status,
        String::from_utf8_lossy(&said)
    );
    Ok(())
}

fn standard_arguments(folder: &Path, port: u16) -> [String; 10] {
    let in_folder = |name: &str| folder.join(name).display().to_string();
    [
        "--no-defaults".to_owned(),
        "--user=root".to_owned(),
        format!("--datadir={}", in_folder("data")),
        format!("--socket={}", in_folder(SOCKET)),
        format!("--pid-file={}", in_folder("pid")),
        format!("--port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--skip-log-bin".to_owned(),
        "--max-connections=1000".to_owned(),
        "--innodb-buffer-pool-size=128M".to_owned(),
    ]
}
