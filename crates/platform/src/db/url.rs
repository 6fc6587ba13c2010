use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

use super::DbError;
use crate::tls::split_ca;
use crate::url_text::{CUT_PASSWORD, cuts_password, take_path, without_password};

/// Where a service's database is: `sqlite://PATH`, relative to the working directory, or
/// `mysql://USER:PASSWORD@HOST:PORT/DATABASE`, to which `?require_ssl=true` adds TLS by a public
/// authority and `?ssl-ca=FILE` TLS by a private one; with `?socket=PATH` the server is on this machine and
/// listens there, whatever its host and port.
///
/// Shown without its password, to people and in logs.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct DatabaseUrl(Place);

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A file.
    Sqlite(PathBuf),
    /// A server.
    Mysql(MysqlUrl),
}

/// A database on a MySQL-protocol server.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct MysqlUrl {
    /// As the driver reads it.
    pub(super) driver: String,
    /// The certificates of the only authority that is trusted; TLS is then required.
    pub(super) ca: Option<PathBuf>,
    /// The Unix socket of a server on this machine, in place of its host and port.
    pub(super) socket: Option<PathBuf>,
}

impl DatabaseUrl {
    /// The SQLite database in the file at `path`.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self(Place::Sqlite(path.into()))
    }

    /// Whether there is a file, for those who are to make none; a server answers for itself.
    ///
    /// # Errors
    /// `Unavailable` where there is none, naming its path.
    pub fn expect_there(&self) -> Result<(), DbError> {
        match &self.0 {
            Place::Sqlite(path) if !path.exists() => Err(DbError::Unavailable(format!(
                "there is no file {}: `bookstore migrate` makes it",
                path.display()
            ))),
            Place::Sqlite(_) | Place::Mysql(_) => Ok(()),
        }
    }

    pub(super) const fn place(&self) -> &Place {
        &self.0
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    // The text itself may hold a password and is not repeated in errors.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            Some(("sqlite", "")) => Err("sqlite:// must be followed by a file's path".to_owned()),
            Some(("sqlite", path)) => Ok(Self::sqlite(path)),
            // The driver would read past them, and a mistake would be told on two lines.
            Some(("mysql", rest)) if rest.contains(char::is_control) => {
                Err("must not hold control characters".to_owned())
            }
            Some(("mysql", _)) => {
                let (driver, ca) = split_ca(text)?;
                let (driver, socket) = take_path(&driver, "socket", "a server's Unix socket")?;
                // The driver would read a part of the password as a port, a name or a parameter, and tell it.
                if driver
                    .split_once("://")
                    .is_some_and(|(_, rest)| cuts_password(rest))
                {
                    return Err(CUT_PASSWORD.to_owned());
                }
                // The driver's mistakes repeat names of parameters, decoded.
                let options = mysql_async::Opts::from_url(&driver)
                    .map_err(|error| error.to_string().replace(char::is_control, " "))?;
                if socket.is_some() && (ca.is_some() || options.ssl_opts().is_some()) {
                    return Err("socket needs no TLS: it does not leave this machine".to_owned());
                }
                match options.db_name() {
                    Some(name) if !name.is_empty() => {
                        Ok(Self(Place::Mysql(MysqlUrl { driver, ca, socket })))
                    }
                    _ => Err(
                        "must name a database: mysql://USER:PASSWORD@HOST:PORT/DATABASE".to_owned(),
                    ),
                }
            }
            _ => {
                Err("must be sqlite://PATH or mysql://USER:PASSWORD@HOST:PORT/DATABASE".to_owned())
            }
        }
    }
}

impl TryFrom<String> for DatabaseUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Place::Mysql(url) => f.write_str(&without_password(&url.driver)),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_never_show_a_password() {
        let cases = [
            ("sqlite://data/order.db", Ok("sqlite://data/order.db")),
            (
                "mysql://root@127.0.0.1:3306/order_db",
                Ok("mysql://root@127.0.0.1:3306/order_db"),
            ),
            (
                "mysql://a:s3cret@h:1/d?require_ssl=true",
                Ok("mysql://a:***@h:1/d"),
            ),
            ("mysql://a:p@ss@h:1/d", Ok("mysql://a:***@h:1/d")),
            (
                "mysql://a:s3cret@h:1/d?ssl-ca=ca.pem",
                Ok("mysql://a:***@h:1/d"),
            ),
            ("mysql://a:s3cret@h:1/d?ssl-ca=", Err("ssl-ca must name")),
            (
                "mysql://a:s3cret@h/d?socket=/run/mysqld/mysqld.sock",
                Ok("mysql://a:***@h/d"),
            ),
            ("mysql://a:s3cret@h/d?socket=", Err("socket must name")),
            (
                "mysql://a:s3cret@h/d?socket=s&ssl-ca=ca.pem",
                Err("socket needs no TLS"),
            ),
            (
                "mysql://a:s3cret@h/d?require_ssl=true&socket=s",
                Err("socket needs no TLS"),
            ),
            ("mysql://a:s3cret@h:1/", Err("must name a database")),
            ("mysql://a:1?s3cret@h/d", Err("must have /, ? and #")),
            ("mysql://a:1/s3cret@h/d", Err("must have /, ? and #")),
            ("mysql://a:1#s3cret@h/d", Err("must have /, ? and #")),
            ("mysql://a:s3cret@h\n/d", Err("must not hold control")),
            (
                "mysql://h/d?a%0Ab",
                Err("Unknown connection URL parameter `a b'"),
            ),
            ("sqlite://", Err("sqlite:// must be followed")),
            ("sqlite://data/a@b.db", Ok("sqlite://data/a@b.db")),
            ("postgres://a:s3cret@h/d", Err("must be sqlite://PATH")),
        ];
        for (text, expected) in cases {
            match (text.parse::<DatabaseUrl>(), expected) {
                (Ok(url), Ok(shown)) => {
                    assert_eq!(url.to_string(), shown);
                    assert!(!format!("{url:?}").contains("s3cret"));
                }
                (Err(error), Err(start)) => {
                    assert!(error.starts_with(start), "{error}");
                    assert!(!error.contains("s3cret"), "{error}");
                }
                (got, wanted) => panic!("{text}: {got:?}, wanted {wanted:?}"),
            }
        }
    }
}
