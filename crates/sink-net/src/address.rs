//! Host and port, and how to get there.

use std::fmt;
use std::net::IpAddr;

use patd_sdk::Failure;
use tokio::net::TcpStream;

/// A host, by name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// An IPv6 address may stand in brackets.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Self { host: host.to_owned(), port }
    }

    /// The host, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Connects over TCP. How long that may take is the caller's to say.
    ///
    /// # Errors
    /// UNAVAILABLE, naming host and port.
    pub async fn connect(&self) -> Result<TcpStream, Failure> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(|error| Failure::unavailable(format!("{self}: {error}")))?;
        // Messages are small and each is waited for; a kernel that cannot send them at once sends them later.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Whether the host is this machine by its very spelling: nobody on the net can listen in.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_they_are_typed() {
        assert_eq!(Address::new("[::1]", 25).to_string(), "[::1]:25");
        assert_eq!(Address::new("mail.example", 25).to_string(), "mail.example:25");
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "[::1]", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "127.0.0.1.example", "10.0.0.1", "::2", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
