//! The root of the configuration: one section a service.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use platform::config::{ConfigError, ServiceUrl, Source};
use platform::discovery::{self, ConsulConfig, Discovery, Registry};
use platform::telemetry;
use serde::Deserialize;
use types::Locale;

use crate::service::Service;

/// The annotated defaults.
const DEFAULTS: Source<'_> = Source {
    name: "built-in defaults",
    yaml: include_str!("../../../bookstore.yaml"),
};
/// What the names of all our variables start with.
const PREFIX: &str = "BOOKSTORE_";
/// The file that is read where none is named.
const FILE_DEFAULT: &str = "bookstore.yaml";
/// More threads than that are a mistake.
const WORKERS_MAX: usize = 1024;

/// Everything that can be configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    locale: Language,
    workers: usize,
    pub(crate) discovery: Discovery,
    pub(crate) consul: ConsulConfig,
    pub(crate) catalog: catalog::Config,
    pub(crate) inventory: inventory::Config,
    pub(crate) order: order::Config,
    pub(crate) payment: payment::Config,
    #[expect(dead_code, reason = "reserved; read so that mistakes are told")]
    gateway: Gateway,
    pub(crate) telemetry: Telemetry,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Language {
    Zh,
    En,
}

/// The section `gateway`: the address is reserved, the service not part of this release.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gateway {
    #[expect(dead_code, reason = "reserved; read so that mistakes are told")]
    listen: SocketAddr,
}

/// The section `telemetry`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Telemetry {
    /// Where the metrics page is served.
    pub(crate) metrics: SocketAddr,
    otlp: String,
    log: String,
}

impl Config {
    /// Reads the defaults, the file and the environment.
    ///
    /// # Errors
    /// The first mistake, naming the file, the variable or the key.
    pub(crate) fn load(file: Option<&Path>, data_dir: &Path) -> Result<Self, ConfigError> {
        let given = read_file(file)?;
        let file = given.as_ref().map(|(name, yaml)| Source { name, yaml });
        Self::read(file, read_environment(std::env::vars_os())?, data_dir)
    }

    /// Reads the defaults, the text of a file and variables.
    ///
    /// # Errors
    /// The first mistake, naming the file, the variable or the key.
    pub fn read(
        file: Option<Source<'_>>,
        environment: impl IntoIterator<Item = (String, String)>,
        data_dir: &Path,
    ) -> Result<Self, ConfigError> {
        let databases = default_databases(data_dir)?;
        let mut sources = vec![
            Source {
                name: "built-in defaults",
                yaml: &databases,
            },
            DEFAULTS,
        ];
        sources.extend(file);
        let config: Self = platform::config::load(&sources, environment)?;
        config.check()?;
        Ok(config)
    }

    /// The language of messages where a caller names none.
    pub(crate) const fn locale(&self) -> Locale {
        match self.locale {
            Language::Zh => Locale::Zh,
            Language::En => Locale::En,
        }
    }

    /// How many threads serve calls: the number given, or as many as half of `processors`.
    pub(crate) const fn workers(&self, processors: usize) -> usize {
        match self.workers {
            0 => processors.div_ceil(2),
            given => given,
        }
    }

    /// Starts logging: servers tell what they do, other commands only what goes wrong.
    pub(crate) fn start_logs(&self, is_server: bool) -> Result<(), ConfigError> {
        let filter = if is_server {
            self.telemetry.log.as_str()
        } else {
            "warn"
        };
        telemetry::start_logs(filter).map_err(|reason| ConfigError::new("telemetry.log", reason))
    }

    /// How services find each other.
    pub(crate) fn registry(&self) -> Arc<dyn Registry> {
        discovery::open(self.discovery, &self.consul)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.workers > WORKERS_MAX {
            let reason = format!("must be at most {WORKERS_MAX}");
            return Err(ConfigError::new("workers", reason));
        }
        let upstreams = [
            ("order.catalog", &self.order.catalog),
            ("order.inventory", &self.order.inventory),
            ("order.payment", &self.order.payment),
        ];
        for (key, url) in upstreams {
            // Nobody would ever be found under the name.
            if self.discovery == Discovery::Static && matches!(url, ServiceUrl::Named(_)) {
                return Err(ConfigError::new(
                    key,
                    format!("{url} needs discovery: consul"),
                ));
            }
        }
        self.order.check()?;
        self.payment.check()?;
        // Also where a command does not use it: what would stop a start is a mistake for all.
        telemetry::check_filter(&self.telemetry.log)
            .map_err(|reason| ConfigError::new("telemetry.log", reason))?;
        if self.telemetry.otlp.is_empty() {
            return Ok(());
        }
        Err(ConfigError::new(
            "telemetry.otlp",
            "export of traces is not part of this release",
        ))
    }
}

/// The lowest layer: each service's database as a file under `data_dir`.
fn default_databases(data_dir: &Path) -> Result<String, ConfigError> {
    let folder = data_dir
        .to_str()
        .ok_or_else(|| ConfigError::new("--data-dir", "must be a path in UTF-8"))?;
    let line = |service: &str| {
        // Single quotes, doubled inside, take any path in YAML.
        let path = format!("{folder}/{service}.db").replace('\'', "''");
        format!("{service}: {{ database: 'sqlite://{path}' }}\n")
    };
    Ok(Service::ALL.map(|service| line(service.name())).concat())
}

fn read_file(file: Option<&Path>) -> Result<Option<(String, String)>, ConfigError> {
    let path = file.unwrap_or(Path::new(FILE_DEFAULT));
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(yaml) => Ok(Some((name, yaml))),
        Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ConfigError::new(name, error)),
    }
}

/// The variables that can be ours. What other programs put beside them need not be text.
fn read_environment(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, ConfigError> {
    let mut ours = Vec::new();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        let value = value
            .into_string()
            .map_err(|_| ConfigError::new(name, "must be text in UTF-8"))?;
        ours.push((name.to_owned(), value));
    }
    Ok(ours)
}

#[cfg(test)]
mod tests {
    //! Proves that variables which are no text stop the program only where they are its own, what is a mistake
    //! for every command, and how many threads serve calls.

    use super::*;

    #[test]
    fn half_the_processors_serve_calls_where_no_number_is_given() {
        let read = |workers: &str| {
            let given = ("BOOKSTORE_WORKERS".to_owned(), workers.to_owned());
            Config::read(None, [given], Path::new("data"))
        };
        let auto = read("0").unwrap();
        let workers = [1, 2, 3, 8].map(|processors| auto.workers(processors));
        assert_eq!(workers, [1, 1, 2, 4]);
        assert_eq!(read("1024").unwrap().workers(2), 1024);
        let error = read("1025").unwrap_err().to_string();
        assert_eq!(error, "workers: must be at most 1024");
        let error = read("-1").unwrap_err().to_string();
        assert!(error.contains("WORKERS"), "{error}");
    }

    #[test]
    fn a_filter_of_logs_that_is_none_is_a_mistake_for_every_command() {
        let given = (
            "BOOKSTORE_TELEMETRY__LOG".to_owned(),
            "order=nonsense".to_owned(),
        );
        let error = Config::read(None, [given], Path::new("data")).unwrap_err();
        assert!(error.to_string().starts_with("telemetry.log: "), "{error}");
    }

    #[test]
    fn the_file_of_all_keys_can_be_given_again() {
        let Source { name, yaml } = DEFAULTS;
        Config::read(Some(Source { name, yaml }), [], Path::new("data")).unwrap();
        // As people shorten it.
        let yaml = "locale: en\norder:\n  # listen: 127.0.0.1:9005\nconsul: { token: '' }\ntelemetry: { otlp: '' }";
        Config::read(Some(Source { name, yaml }), [], Path::new("data")).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn foreign_variables_need_not_be_text() {
        use std::os::unix::ffi::OsStringExt;

        let broken = || OsString::from_vec(vec![0x66, 0xff]);
        let foreign = [
            ("LS_COLORS".into(), broken()),
            (broken(), broken()),
            ("BOOKSTORE_LOCALE".into(), "en".into()),
        ];
        let read = read_environment(foreign).unwrap();
        assert_eq!(read, [("BOOKSTORE_LOCALE".to_owned(), "en".to_owned())]);
        let ours = [("BOOKSTORE_LOCALE".into(), broken())];
        let error = read_environment(ours).unwrap_err().to_string();
        assert_eq!(error, "BOOKSTORE_LOCALE: must be text in UTF-8");
    }
}
