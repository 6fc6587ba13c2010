//! The whole system as processes on a folder of its own: start, kill, restart, ask.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use platform::clock::pause;
use platform::db::DatabaseUrl;
use platform::telemetry::fetch_metrics;
use tempfile::TempDir;

use crate::clients::Clients;
use crate::command::{Ran, run_to_end};
use crate::ports::Ports;
use crate::process::Process;
use crate::program::program;

/// How the services are spread over processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `bookstore up`: one process.
    Together,
    /// Four `bookstore serve`: a process a service.
    Apart,
}

/// The four services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Port 9003 by default.
    Catalog,
    /// Port 9004 by default.
    Inventory,
    /// Port 9005 by default.
    Order,
    /// Port 9006 by default.
    Payment,
}

impl Service {
    /// All four, those first that others call.
    pub const ALL: [Self; 4] = [Self::Catalog, Self::Inventory, Self::Payment, Self::Order];

    /// The name on the command line and in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Catalog => "catalog",
            Self::Inventory => "inventory",
            Self::Order => "order",
            Self::Payment => "payment",
        }
    }
}

/// What a shop is started with.
#[derive(Debug, Default)]
pub struct ShopPlan {
    settings: Vec<(String, String)>,
    program: Option<PathBuf>,
    is_quiet: bool,
}

impl ShopPlan {
    /// Sets a variable of the configuration: `ORDER__PAYMENT_TIMEOUT` to `1s`.
    #[must_use]
    pub fn set(mut self, path: &str, value: &str) -> Self {
        self.settings
            .push((format!("BOOKSTORE_{path}"), value.to_owned()));
        self
    }

    /// Runs this program in place of the usual one.
    #[must_use]
    pub fn program(mut self, path: PathBuf) -> Self {
        self.program = Some(path);
        self
    }

    /// Keeps the log to itself: for tests with many shops, that show what matters themselves.
    #[must_use]
    pub const fn quiet(mut self) -> Self {
        self.is_quiet = true;
        self
    }

    /// Starts it on a fresh folder and waits until it is ready.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn start(self, layout: Layout) -> anyhow::Result<Shop> {
        let mut shop = Shop::closed(self, layout)?;
        shop.start().await?;
        Ok(shop)
    }
}

/// A running system; its processes die with this value, and its log is shown if the test failed.
pub struct Shop {
    folder: TempDir,
    layout: Layout,
    settings: Vec<(String, String)>,
    program: Option<PathBuf>,
    is_quiet: bool,
    ports: Ports,
    processes: Vec<(Option<Service>, Process)>,
    announced: Vec<String>,
}

impl Shop {
    /// A plan with nothing but defaults.
    pub fn plan() -> ShopPlan {
        ShopPlan::default()
    }

    /// A fresh system with defaults, in one process.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn open() -> anyhow::Result<Self> {
        Self::plan().start(Layout::Together).await
    }

    /// A folder and ports for a system that is not started yet.
    ///
    /// # Errors
    /// Where there is no folder to be had, or no ports.
    pub fn closed(plan: ShopPlan, layout: Layout) -> anyhow::Result<Self> {
        Ok(Self {
            folder: testkit::temp_dir()?,
            layout,
            settings: plan.settings,
            program: plan.program,
            is_quiet: plan.is_quiet,
            ports: Ports::pick()?,
            processes: Vec::new(),
            announced: Vec::new(),
        })
    }

    /// Starts what is not running, on the same folder and ports as before.
    ///
    /// # Errors
    /// Where a process ends before it is ready.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let tries = 5;
        for attempt in 1..=tries {
            let error = match self.start_missing().await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            // A neighbour on this machine may hold a port for a moment.
            let log = self.log();
            if attempt == tries || !log.contains("cannot listen") {
                return Err(error.context(log));
            }
            pause(Duration::from_millis(300)).await;
        }
        bail!("unreachable: the last try answers");
    }

    async fn start_missing(&mut self) -> anyhow::Result<()> {
        let mut started = Vec::new();
        for (service, arguments) in self.missing() {
            let name = service.map_or("up", Service::name);
            let stdout = self.folder.path().join(format!("{name}.out"));
            let mut command = self.command(&arguments)?;
            started.push((
                service,
                Process::spawn(&mut command, &stdout, &self.log_path())?,
            ));
        }
        for (service, process) in &mut started {
            let name = service.map_or("up", Service::name);
            let said = process
                .ready()
                .await
                .with_context(|| format!("`bookstore {name}`"))?;
            self.announced.push(said);
        }
        self.processes.append(&mut started);
        Ok(())
    }

    fn missing(&self) -> Vec<(Option<Service>, Vec<&'static str>)> {
        let running = |service| self.processes.iter().any(|(who, _)| *who == service);
        let wanted: Vec<_> = match self.layout {
            Layout::Together => vec![(None, vec!["up"])],
            Layout::Apart => Service::ALL
                .map(|service| (Some(service), vec!["serve", service.name()]))
                .into(),
        };
        wanted
            .into_iter()
            .filter(|(service, _)| !running(*service))
            .collect()
    }

    /// `bookstore` with this shop's folder, ports and settings.
    ///
    /// # Errors
    /// Where there is no program to test.
    pub fn command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = match &self.program {
            Some(path) => Command::new(path),
            None => Command::new(program()?),
        };
        for (name, _) in std::env::vars_os() {
            let is_ours = name.to_string_lossy().starts_with("BOOKSTORE_");
            if is_ours {
                command.env_remove(name);
            }
        }
        let Ports {
            catalog,
            inventory,
            order,
            payment,
        } = self.ports;
        let ports = [
            ("CATALOG", catalog),
            ("INVENTORY", inventory),
            ("ORDER", order),
            ("PAYMENT", payment),
        ];
        for (name, port) in ports {
            command.env(
                format!("BOOKSTORE_{name}__LISTEN"),
                format!("127.0.0.1:{port}"),
            );
            if name != "ORDER" {
                let url = format!("http://127.0.0.1:{port}");
                command.env(format!("BOOKSTORE_ORDER__{name}"), url);
            }
        }
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(self.data())
            // A bookstore.yaml where the tests were started must not reach in.
            .current_dir(self.folder.path())
            .env("BOOKSTORE_GATEWAY__LISTEN", "127.0.0.1:0")
            .env("BOOKSTORE_TELEMETRY__METRICS", "127.0.0.1:0")
            .envs(self.settings.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// Runs a subcommand against this shop.
    ///
    /// # Errors
    /// Where it cannot be started, or does not end.
    pub async fn run(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        run_to_end(self.command(arguments)?).await
    }

    /// Runs the auditor, which must find nothing wrong within 30 s.
    ///
    /// # Errors
    /// What it found.
    pub async fn expect_clean(&self) -> anyhow::Result<()> {
        self.run(&["check", "--wait", "30s"])
            .await?
            .expect_code(0)?;
        Ok(())
    }

    /// Clients of all four services.
    ///
    /// # Errors
    /// Where an address is none.
    pub fn clients(&self) -> anyhow::Result<Clients> {
        let Ports {
            catalog,
            inventory,
            order,
            payment,
        } = self.ports;
        Clients::connect(catalog, inventory, order, payment)
    }

    /// Sets a variable of the configuration, as [`ShopPlan::set`] does, for what is started from now on.
    pub fn set(&mut self, path: &str, value: &str) {
        self.settings
            .push((format!("BOOKSTORE_{path}"), value.to_owned()));
    }

    /// The port of a service.
    pub const fn port(&self, service: Service) -> u16 {
        match service {
            Service::Catalog => self.ports.catalog,
            Service::Inventory => self.ports.inventory,
            Service::Order => self.ports.order,
            Service::Payment => self.ports.payment,
        }
    }

    /// What every process printed when it was ready, the latest last.
    pub fn announced(&self) -> &[String] {
        &self.announced
    }

    /// The metrics page of a service's own process.
    ///
    /// # Errors
    /// Where it never said where its page is, or the page does not answer.
    pub async fn metrics(&self, service: Service) -> anyhow::Result<String> {
        let title = format!(" {} is ready", service.name());
        let mut latest_first = self.announced.iter().rev();
        let said = latest_first.find(|said| said.contains(&title));
        let address = said
            .and_then(|said| page_in(said))
            .context("no metrics page")?;
        let page = fetch_metrics(address).await;
        page.map_err(anyhow::Error::msg)
    }

    /// Where the metrics page is of the process that was started last.
    ///
    /// # Errors
    /// Where it never said so.
    pub fn metrics_page(&self) -> anyhow::Result<&str> {
        let said = self.announced.last().context("nothing was started")?;
        page_in(said).context("no metrics page")
    }

    /// The folder of the databases.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The database of a service.
    ///
    /// # Errors
    /// Where the folder has a name that is no text.
    pub fn database(&self, service: Service) -> anyhow::Result<DatabaseUrl> {
        let path = self.data().join(format!("{}.db", service.name()));
        let url = format!("sqlite://{}", path.display());
        url.parse().map_err(anyhow::Error::msg)
    }

    /// A folder for the test's own files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the processes wrote on stderr so far.
    pub fn log(&self) -> String {
        std::fs::read(self.log_path())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Kills every process with SIGKILL.
    ///
    /// # Errors
    /// Where one could not be killed.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        for (_, process) in &mut self.processes {
            process.kill()?;
        }
        self.processes.clear();
        Ok(())
    }

    /// Kills one service's process with SIGKILL; the others go on.
    ///
    /// # Errors
    /// Where it has no process of its own.
    pub fn kill_one(&mut self, service: Service) -> anyhow::Result<()> {
        let place = self
            .processes
            .iter()
            .position(|(who, _)| *who == Some(service));
        let (_, mut process) = self.processes.remove(place.context("no such process")?);
        process.kill()
    }

    /// The memory that all processes hold, in KiB.
    ///
    /// # Errors
    /// Where the system does not tell, as outside Linux.
    pub fn resident_kib(&self) -> anyhow::Result<u64> {
        let each = self.processes.iter();
        each.map(|(_, process)| process.resident_kib()).sum()
    }

    /// Sends a signal by its name, as `STOP`, to the process of a service.
    ///
    /// # Errors
    /// Where it has no process of its own.
    pub fn signal(&self, service: Service, name: &str) -> anyhow::Result<()> {
        let of_service = |(who, _): &&(Option<Service>, Process)| *who == Some(service);
        let (_, process) = self
            .processes
            .iter()
            .find(of_service)
            .context("no such process")?;
        process.signal(name)
    }

    /// Takes out the processes that have ended by themselves, and tells how; [`Self::start`] starts
    /// them again.
    ///
    /// # Errors
    /// Where the system does not tell.
    pub fn take_ended(&mut self) -> anyhow::Result<Vec<(Option<Service>, ExitStatus)>> {
        let mut ended = Vec::new();
        for (service, process) in &mut self.processes {
            if let Some(status) = process.status()? {
                ended.push((*service, status));
            }
        }
        let has_ended = |service| ended.iter().any(|(who, _)| *who == service);
        self.processes.retain(|(service, _)| !has_ended(*service));
        Ok(ended)
    }

    /// Sends SIGTERM to the process of a service, or (`None`) to the one that runs them all, and waits
    /// until it has drained and ended.
    ///
    /// # Errors
    /// Where it does not end by itself, or with another code than 0.
    pub async fn terminate(&mut self, service: Option<Service>) -> anyhow::Result<()> {
        let place = self.processes.iter().position(|(who, _)| *who == service);
        let (_, mut process) = self.processes.remove(place.context("no such process")?);
        process.signal("TERM")?;
        let status = process.ended().await?;
        ensure!(status.success(), "{service:?} ended with {status}");
        Ok(())
    }
}

/// The address of the metrics page in an announcement.
fn page_in(said: &str) -> Option<&str> {
    let mut lines = said.lines();
    lines.find_map(|line| line.split_once("http://")?.1.strip_suffix("/metrics"))
}

impl Drop for Shop {
    /// Shows the end of the log; the test runner keeps it to itself where the test passed.
    #[expect(
        clippy::print_stderr,
        reason = "the runner shows it where the test failed"
    )]
    fn drop(&mut self) {
        if self.is_quiet {
            return;
        }
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let tail = lines.len().saturating_sub(80);
        eprintln!(
            "--- the end of the log\n{}",
            lines.get(tail..).unwrap_or_default().join("\n")
        );
    }
}
