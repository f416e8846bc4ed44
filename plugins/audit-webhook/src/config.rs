//! The configuration: where events go and how they are signed. Must never repeat a value in a message but for the host.

use std::path::PathBuf;

use patd_sdk::Failure;
use patd_sink_net::{Address, is_loopback};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::sign::{MAX_SECRETS, SecretText, Secrets};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    url: String,
    secrets: Vec<SecretText>,
    #[serde(default)]
    ca_file: Option<PathBuf>,
    #[serde(default)]
    allow_http: bool,
}

/// Where events go.
pub(crate) struct Target {
    pub(crate) address: Address,
    /// Whether the connection is encrypted.
    pub(crate) tls: bool,
    /// The certificates to trust instead of the public ones.
    pub(crate) ca_file: Option<PathBuf>,
    /// The value of `host`.
    pub(crate) host: String,
    /// Path and query; may be secret.
    pub(crate) path: String,
    pub(crate) secrets: Secrets,
}

impl Config {
    /// Checks everything.
    pub(crate) fn read(self) -> Result<Target, Failure> {
        let refused = |why: &str| Failure::invalid(format!("config: url {why}"));
        let url = Url::parse(&self.url).map_err(|error| refused(&format!("is no URL: {error}")))?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| refused("names no host"))?;
        let tls = match url.scheme() {
            "https" => true,
            "http" if self.allow_http || is_loopback(host) => false,
            "http" => {
                return Err(refused(
                    "is plain HTTP to another machine, where anybody on the way reads the events: use https, or set allow_http = true",
                ));
            }
            _ => return Err(refused("must begin with https:// or http://")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused(
                "must hold no user name or password: receivers check the signature, which `secrets` makes",
            ));
        }
        if url.fragment().is_some() {
            return Err(refused("must have no fragment (`#…`): it is never sent"));
        }
        if !tls && self.ca_file.is_some() {
            return Err(Failure::invalid("config: ca_file is of no use with an http:// url"));
        }
        let address = Address::new(host, url.port_or_known_default().unwrap_or(443));
        let header = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let path = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
        let secrets = Secrets::read(&self.secrets)?;
        Ok(Target { address, tls, ca_file: self.ca_file, host: header, path, secrets })
    }
}

pub(crate) fn schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["url", "secrets"],
        "properties": {
            "url": {
                "type": "string", "writeOnly": true,
                "description": "where events are posted: https://…, or http:// on this machine"
            },
            "secrets": {
                "type": "array", "minItems": 1, "maxItems": MAX_SECRETS, "writeOnly": true,
                "description": "the newest first, one signature each; to rotate, put a new one first and take the old one out when every receiver knows the new one",
                "items": {
                    "type": "string", "writeOnly": true,
                    "description": "whsec_ and the base64 of 24 to 64 random bytes, best as { from_file = \"…\" }"
                }
            },
            "ca_file": {
                "type": "string",
                "description": "PEM file of the certificates to trust instead of the public authorities"
            },
            "allow_http": {
                "type": "boolean", "default": false,
                "description": "allow plain HTTP to another machine"
            }
        }
    })
}

pub(crate) fn example() -> Value {
    json!({ "url": "http://127.0.0.1:8080/patd", "secrets": ["whsec_bmV2ZXIgdXNlIHRoaXMsIGl0IGlzIHB1Ymxpc2hlZA=="] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(change: Value) -> Result<Target, Failure> {
        let mut config = example();
        for (key, value) in change.as_object().expect("a table") {
            config[key] = value.clone();
        }
        serde_json::from_value::<Config>(config).expect("well-formed").read()
    }

    #[test]
    fn host_port_and_path_come_from_the_url() {
        let target = read(json!({ "url": "https://hooks.example/a%20b?c=d" })).expect("good");
        assert_eq!(
            (target.address.to_string().as_str(), target.host.as_str()),
            ("hooks.example:443", "hooks.example")
        );
        assert_eq!((target.path.as_str(), target.tls), ("/a%20b?c=d", true));
        let target = read(json!({ "url": "http://[::1]:81" })).expect("good");
        assert_eq!(
            (target.address.host(), target.host.as_str(), target.path.as_str()),
            ("::1", "[::1]:81", "/")
        );
    }

    #[test]
    fn plain_http_leaves_the_machine_only_when_told_to() {
        assert!(read(json!({ "url": "http://hooks.example/" })).is_err());
        assert!(!read(json!({ "url": "http://hooks.example/", "allow_http": true })).expect("told to").tls);
    }

    #[test]
    fn what_is_no_destination_is_refused_by_the_key_s_name_without_its_value() {
        for url in [
            "canary",
            "ftp://canary/",
            "https://canary@host/",
            "https://:canary@host/",
            "https://host/#canary",
            "https://",
        ] {
            let Err(failure) = read(json!({ "url": url })) else { panic!("{url} is taken") };
            assert!(
                failure.detail().starts_with("config: url ") && !failure.detail().contains("canary"),
                "{failure}"
            );
        }
        assert!(read(json!({ "ca_file": "/etc/ca.pem" })).is_err());
    }
}
