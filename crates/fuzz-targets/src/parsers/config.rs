//! The configuration: a file over the defaults, and variables over both.

use std::path::Path;

use anyhow::ensure;
use bookstore::Config;
use platform::config::{ConfigError, Source};

use super::Parser;

const YAML_WORDS: &[&str] = &[
    "locale: en\n",
    "catalog: { listen: 127.0.0.1:9003, cache: memory }\n",
    "order:\n  payment_timeout: 15m\n  delay_queue: embedded\n",
    "  catalog: \"http://127.0.0.1:9003\"\n",
    "payment:\n  mock: { success_rate: 0.7, seed: 42, latency: 0ms }\n",
    "inventory: { database: \"mysql://root:s3cret@h/d\" }\n",
    "discovery: consul\nconsul: { token: s3cret }\n",
    "telemetry: { metrics: 127.0.0.1:9100, otlp: \"\", log: info }\n",
    "&a ",
    "*a",
    "<<: *a\n",
    "- ",
    "? ",
    "|\n ",
    ">-\n ",
    "!!str ",
    "---\n",
    "...\n",
    "# ",
    "'",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ": ",
    ",",
    "~",
    "null",
    "true",
    ".inf",
    "0x1f",
    "1e9",
    "\\u0000",
    "\u{feff}",
    "\t",
    "\r\n",
    "%YAML 1.2\n",
];

pub(super) const ALL: &[Parser] = &[
    Parser {
        name: "config_file",
        read: config_file,
        words: YAML_WORDS,
    },
    Parser {
        name: "config_variables",
        read: config_variables,
        words: &[
            "LOCALE=en\n",
            "ORDER__PAYMENT_TIMEOUT=5s\n",
            "PAYMENT__MOCK__SUCCESS_RATE=0.5\n",
            "CATALOG__LISTEN=127.0.0.1:0\n",
            "CONSUL__TOKEN=s3cret\n",
            "ORDER__CATALOG=consul://catalog\n",
            "TEST_X=1\n",
            "ORDER=",
            "__",
            "=",
            "{a: 1}",
            "[1, 2]",
            "~",
            "*a",
            "\n",
        ],
    },
];

fn config_file(input: &[u8]) -> anyhow::Result<()> {
    // What is not UTF-8 is refused before it is parsed.
    let Ok(yaml) = std::str::from_utf8(input) else {
        return Ok(());
    };
    let file = Source { name: "file", yaml };
    read(Some(file), Vec::new())
}

fn config_variables(input: &[u8]) -> anyhow::Result<()> {
    let text = String::from_utf8_lossy(input);
    let variables = text.lines().take(8).filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        Some((format!("BOOKSTORE_{name}"), value.to_owned()))
    });
    read(None, variables.collect())
}

fn read(file: Option<Source<'_>>, variables: Vec<(String, String)>) -> anyhow::Result<()> {
    match Config::read(file, variables, Path::new("data")) {
        Ok(config) => {
            let shown = format!("{config:?}");
            ensure!(!shown.contains("token: \"s3cret"), "{shown}");
        }
        Err(mistake) => check_mistake(&mistake)?,
    }
    Ok(())
}

/// A mistake is one line that names a place.
pub(super) fn check_mistake(mistake: &ConfigError) -> anyhow::Result<()> {
    let told = mistake.to_string();
    ensure!(!told.contains('\n'), "more than one line: {told:?}");
    ensure!(
        !mistake.place.is_empty() && !mistake.reason.is_empty(),
        "names nothing: {told:?}"
    );
    Ok(())
}
