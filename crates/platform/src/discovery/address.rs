use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use http::uri::Authority;

/// Where one instance answers: `HOST:PORT`, the port above 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(Arc<str>);

impl Address {
    /// The address of `port` on `host`: a name, an IPv4 or an IPv6 address.
    pub fn new(host: &str, port: u16) -> Option<Self> {
        let is_bare_v6 = host.contains(':') && !host.starts_with('[');
        let text = if is_bare_v6 {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        text.parse().ok()
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not HOST:PORT");
        let authority: Authority = text.parse().map_err(|_| wrong())?;
        let has_port = authority.port_u16().is_some_and(|port| port > 0);
        if has_port && !authority.host().is_empty() && !text.contains('@') {
            Ok(Self(text.into()))
        } else {
            Err(wrong())
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self(address.to_string().into())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port_and_nothing_else() {
        for good in ["127.0.0.1:9003", "catalog:9003", "[::1]:1", "a.b-c.d:65535"] {
            assert_eq!(good.parse::<Address>().unwrap().as_str(), good);
        }
        let bad = [
            "",
            "catalog",
            ":9003",
            "catalog:0",
            "catalog:65536",
            "u@h:1",
            "h:1/x",
            "::1:9003x",
        ];
        for bad in bad {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bare_ipv6_host_gets_its_brackets() {
        assert_eq!(Address::new("::1", 9003).unwrap().as_str(), "[::1]:9003");
        assert_eq!(Address::new("[::1]", 9003).unwrap().as_str(), "[::1]:9003");
        assert_eq!(
            Address::new("10.0.0.7", 9003).unwrap().as_str(),
            "10.0.0.7:9003"
        );
        assert_eq!(Address::new("", 9003), None);
    }
}
