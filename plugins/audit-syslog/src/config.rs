//! The configuration: which daemon, over what, and how messages are marked.

use std::path::PathBuf;

use patd_sdk::Failure;
use patd_sink_net::Address;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::message::{DEFAULT_FACILITY, FACILITIES};

/// Every receiver takes so much (RFC 5424).
const LEAST_SIZE: usize = 480;
/// The most that fits a UDP datagram.
const MOST_SIZE: usize = 65_507;
/// What daemons take without being told to; rsyslog cuts what is longer.
const DEFAULT_SIZE: usize = 8192;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    address: String,
    #[serde(default)]
    facility: Option<String>,
    #[serde(default = "default_size")]
    max_size: usize,
    #[serde(default)]
    ca_file: Option<PathBuf>,
}

const fn default_size() -> usize {
    DEFAULT_SIZE
}

/// How the daemon is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Udp(Address),
    Tcp(Address),
    /// With the certificates to trust instead of the public ones.
    Tls(Address, Option<PathBuf>),
    Unix(PathBuf),
}

/// What was configured.
pub(crate) struct Settings {
    pub(crate) place: Place,
    pub(crate) facility: u8,
    /// Longest message, in bytes.
    pub(crate) max_size: usize,
}

impl Config {
    /// Checks everything.
    pub(crate) fn read(self) -> Result<Settings, Failure> {
        let facility = match &self.facility {
            None => DEFAULT_FACILITY,
            Some(name) => FACILITIES
                .iter()
                .position(|known| known == name)
                .and_then(|at| u8::try_from(at).ok())
                .ok_or_else(|| {
                    Failure::invalid(format!("config: facility must be one of {}", FACILITIES.join(", ")))
                })?,
        };
        if !(LEAST_SIZE..=MOST_SIZE).contains(&self.max_size) {
            return Err(Failure::invalid(format!(
                "config: max_size is {}, it must be {LEAST_SIZE} to {MOST_SIZE} bytes",
                self.max_size
            )));
        }
        let place = self.place()?;
        if self.ca_file.is_some() && !matches!(place, Place::Tls(..)) {
            return Err(Failure::invalid("config: ca_file is of use with a tls:// address only"));
        }
        Ok(Settings { place, facility, max_size: self.max_size })
    }

    fn place(&self) -> Result<Place, Failure> {
        let refused = || {
            Failure::invalid(
                "config: address must be udp://host[:514], tcp://host[:601], tls://host[:6514] or unix:///path",
            )
        };
        let url = Url::parse(&self.address).map_err(|_| refused())?;
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        let host = url.host_str().filter(|host| !host.is_empty());
        let address = |port| {
            let host = host.filter(|_| bare && matches!(url.path(), "" | "/")).ok_or_else(refused)?;
            Ok(Address::new(host, url.port().unwrap_or(port)))
        };
        match url.scheme() {
            "udp" => Ok(Place::Udp(address(514)?)),
            "tcp" => Ok(Place::Tcp(address(601)?)),
            "tls" => Ok(Place::Tls(address(6514)?, self.ca_file.clone())),
            // As it is written: a path is no URL, and a blank in it no %20.
            "unix" => match self.address.strip_prefix("unix://") {
                Some(path) if path.starts_with('/') && path.len() > 1 => Ok(Place::Unix(path.into())),
                _ => Err(refused()),
            },
            _ => Err(refused()),
        }
    }
}

pub(crate) fn schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["address"],
        "properties": {
            "address": {
                "type": "string",
                "description": "udp://host[:514], tcp://host[:601], tls://host[:6514] or unix:///path, such as unix:///dev/log"
            },
            "facility": { "type": "string", "enum": FACILITIES, "default": "authpriv", "description": "which of the daemon's logs" },
            "max_size": {
                "type": "integer", "minimum": LEAST_SIZE, "maximum": MOST_SIZE, "default": DEFAULT_SIZE,
                "description": "longest message in bytes; an event that needs more is rejected. No more than the daemon takes"
            },
            "ca_file": {
                "type": "string",
                "description": "for tls: PEM file of the certificates to trust instead of the public authorities"
            }
        }
    })
}

pub(crate) fn example() -> Value {
    json!({ "address": "udp://127.0.0.1:514", "facility": "authpriv" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(config: Value) -> Result<Settings, Failure> {
        serde_json::from_value::<Config>(config).expect("well-formed").read()
    }

    #[test]
    fn each_transport_has_its_form_and_port() {
        let place = |address: &str| read(json!({ "address": address })).expect("good").place;
        assert_eq!(place("udp://log.example"), Place::Udp(Address::new("log.example", 514)));
        assert_eq!(place("tcp://[::1]:1601"), Place::Tcp(Address::new("::1", 1601)));
        assert_eq!(place("tls://log.example/"), Place::Tls(Address::new("log.example", 6514), None));
        assert_eq!(place("unix:///run/a b"), Place::Unix("/run/a b".into()));
    }

    #[test]
    fn facilities_have_syslog_s_numbers() {
        let facility =
            |name: &str| read(json!({ "address": "udp://h", "facility": name })).map(|s| s.facility);
        assert_eq!((facility("kern"), facility("authpriv"), facility("local7")), (Ok(0), Ok(10), Ok(23)));
        assert!(facility("canary").expect_err("unknown").detail().contains("facility"));
    }

    #[test]
    fn what_is_no_destination_is_refused_by_the_key_s_name() {
        for (key, value) in [
            ("address", json!("log.example")),
            ("address", json!("http://h")),
            ("address", json!("unix://")),
            ("address", json!("unix://relative")),
            ("address", json!("udp://u:p@h")),
            ("address", json!("udp://h/path")),
            ("max_size", json!(479)),
            ("max_size", json!(65508)),
            ("ca_file", json!("/ca.pem")),
        ] {
            let mut config = json!({ "address": "udp://h" });
            config[key] = value.clone();
            let Err(failure) = read(config) else { panic!("{key} = {value} is taken") };
            assert!(failure.detail().starts_with(&format!("config: {key}")), "{failure}");
        }
    }
}
