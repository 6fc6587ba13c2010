use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{bail, ensure};
use tempfile::TempDir;

use super::left_out;

/// What `openssl` is to put into certificates: whose they are, and what they may do.
const CONFIG: &str = "[req]\ndistinguished_name=name\nprompt=no\n[name]\nCN=bookstore test\n\
    [authority]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n\
    [server]\nbasicConstraints=critical,CA:FALSE\nsubjectAltName=DNS:localhost\n";

/// A certificate authority of one test's own, and a certificate for `localhost` that it signed.
pub struct Authority {
    folder: TempDir,
}

impl Authority {
    /// A new one, unlike any other; `None` where `openssl` is not installed.
    pub fn new() -> anyhow::Result<Option<Self>> {
        let this = Self {
            folder: crate::temp_dir()?,
        };
        std::fs::write(this.file("config"), CONFIG)?;
        let make_key = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -config config";
        for step in [
            format!("{make_key} -x509 -extensions authority -days 2 -keyout ca.key -out ca.pem"),
            format!("{make_key} -keyout server.key -out server.csr"),
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
             -extfile config -extensions server -out server.pem"
                .to_owned(),
        ] {
            if !run_openssl(this.folder.path(), &step)? {
                return Ok(None);
            }
        }
        Ok(Some(this))
    }

    /// The authority's own certificate: who names it trusts the server's.
    pub fn ca(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// The server's certificate.
    pub fn certificate(&self) -> PathBuf {
        self.file("server.pem")
    }

    /// The key to the server's certificate.
    pub fn key(&self) -> PathBuf {
        self.file("server.key")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn run_openssl(folder: &Path, step: &str) -> anyhow::Result<bool> {
    let made = Command::new("openssl")
        .args(step.split_whitespace())
        .current_dir(folder)
        .output();
    match made {
        Ok(made) => {
            let told = String::from_utf8_lossy(&made.stderr);
            ensure!(made.status.success(), "openssl {step}: {told}");
            Ok(true)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            left_out("openssl");
            Ok(false)
        }
        Err(error) => bail!("openssl: {error}"),
    }
}
