//! `[server]`: addresses and folders of the daemon.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;

use crate::source::Check;
use crate::text::read_from_text;

/// `[server]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Where the API, the Tableau surface and the web pages are served.
    pub listen: Vec<Listen>,
    /// Where health, readiness and metrics are served; never to be reachable from outside.
    pub management: Listen,
    /// What people and clients type; links in invitations begin with it.
    pub public_url: PublicUrl,
    /// The daemon's own folder: key file, embedded stores, `control.sock`.
    pub data_dir: PathBuf,
    /// Only these may set `X-Forwarded-*`.
    pub trusted_proxies: Vec<Network>,
}

impl Default for Server {
    fn default() -> Self {
        let local = |port| Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], port)));
        Self {
            listen: vec![local(8420)],
            management: local(8421),
            public_url: PublicUrl("http://127.0.0.1:8420".to_owned()),
            data_dir: PathBuf::from("/var/lib/patd"),
            trusted_proxies: Vec::new(),
        }
    }
}

impl Server {
    pub(crate) fn check(&self, check: &mut Check<'_>) {
        check.require(!self.listen.is_empty(), &["server", "listen"], "needs at least one address");
        let absolute = self.data_dir.is_absolute() && self.data_dir.to_str().is_some();
        check.require(absolute, &["server", "data_dir"], "must be an absolute path");
        let mut seen = HashSet::new();
        for (index, address) in self.listen.iter().enumerate() {
            if !address.is_any_port() && !seen.insert(address) {
                check.refuse(
                    &["server", "listen", &format!("[{index}]")],
                    format!("{address} is given twice"),
                );
            }
        }
        if seen.contains(&self.management) {
            check.refuse(
                &["server", "management"],
                "must differ from every address of `listen`: it is for the operator alone",
            );
        }
    }
}

read_from_text!(Listen, PublicUrl, Network);

/// An address to listen on: `127.0.0.1:8420`, `[::1]:8420` or `unix:/run/patd/patd.sock`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Listen {
    /// An IP address with a port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// The absolute path of a Unix socket.
    Unix(PathBuf),
}

impl Listen {
    fn is_any_port(&self) -> bool {
        matches!(self, Self::Tcp(address) if address.port() == 0)
    }
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:").map(PathBuf::from) {
            return if path.is_absolute() {
                Ok(Self::Unix(path))
            } else {
                Err("a Unix socket needs an absolute path".to_owned())
            };
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            "this is no address; write \"127.0.0.1:8420\", \"[::1]:8420\" or \"unix:/run/patd/patd.sock\""
                .to_owned()
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The daemon's address as its users see it: `http` or `https`, without a final slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// The text, without a final slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it begins with `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let hint = "must be http://HOST or https://HOST, with a port and a path if need be, without user, query or fragment";
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or(hint)?;
        let host = rest.split('/').next().unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"?#@\\\"<>`{}|^%".contains(&byte);
        let port_is_fine = match host.rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') => port.parse::<u16>().is_ok(),
            _ => true,
        };
        if host.is_empty() || host.starts_with(':') || !port_is_fine || !rest.bytes().all(plain) {
            return Err(hint);
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A network of proxies, `10.0.0.0/8`, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// Whether `address` lies within.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    /// The network itself.
    #[must_use]
    pub const fn net(&self) -> IpNet {
        self.0
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let single = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>()
            .or_else(|_| single())
            .map(Self)
            .map_err(|_| "this is neither a network like \"10.0.0.0/8\" nor an address".to_owned())
    }
}
