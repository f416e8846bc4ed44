//! The configuration: which server, how to speak to it, and in whose name. Must never show a password.

use std::path::PathBuf;

use lettre::message::Mailbox;
use patd_sdk::Failure;
use patd_sink_net::{Address, is_loopback};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use zeroize::{Zeroize, ZeroizeOnDrop};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    smtp: String,
    #[serde(default)]
    starttls: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<PasswordText>,
    #[serde(default)]
    password_file: Option<PathBuf>,
    from: String,
    #[serde(default)]
    ca_file: Option<PathBuf>,
}

/// A password as it came, wiped when dropped.
#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub(crate) struct PasswordText(pub(crate) String);

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protection {
    /// TLS from the first byte.
    Tls,
    /// TLS after STARTTLS, or no mail.
    Starttls,
    /// None.
    Plain,
}

/// Where a password is.
pub(crate) enum Password {
    Given(PasswordText),
    /// In a file that is read at START.
    In(PathBuf),
}

/// What was configured.
pub(crate) struct Settings {
    pub(crate) server: Address,
    pub(crate) protection: Protection,
    pub(crate) login: Option<(String, Password)>,
    pub(crate) from: Mailbox,
    /// The certificates to trust instead of the public ones.
    pub(crate) ca_file: Option<PathBuf>,
}

impl Config {
    /// Checks everything.
    pub(crate) fn read(self) -> Result<Settings, Failure> {
        let refused = |what: &str| Failure::invalid(format!("config: {what}"));
        let url = Url::parse(&self.smtp).ok().filter(|url| {
            let bare = url.username().is_empty() && url.password().is_none();
            bare && url.query().is_none() && url.fragment().is_none() && matches!(url.path(), "" | "/")
        });
        let form = "smtp must be smtp://host[:25] or smtps://host[:465], without a user name";
        let url = url.ok_or_else(|| refused(form))?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| refused(form))?;
        let (protection, port) = match (url.scheme(), self.starttls.as_deref()) {
            ("smtps", None) => (Protection::Tls, 465),
            ("smtps", Some(_)) => {
                return Err(refused("starttls has no place with smtps://, which is TLS from the start"));
            }
            ("smtp", None | Some("require")) => (Protection::Starttls, 25),
            ("smtp", Some("off")) => (Protection::Plain, 25),
            ("smtp", Some(_)) => return Err(refused("starttls must be \"require\" or \"off\"")),
            _ => return Err(refused(form)),
        };
        let server = Address::new(host, url.port().unwrap_or(port));
        if self.ca_file.is_some() && protection == Protection::Plain {
            return Err(refused("ca_file is of no use with starttls = \"off\""));
        }
        let login = match (self.username, self.password, self.password_file) {
            (None, None, None) => None,
            (Some(username), Some(password), None) => Some((username, Password::Given(password))),
            (Some(username), None, Some(file)) => Some((username, Password::In(file))),
            (Some(_), Some(_), Some(_)) => {
                return Err(refused("password and password_file exclude each other"));
            }
            (Some(_), None, None) => return Err(refused("username needs password or password_file")),
            (None, ..) => return Err(refused("username is missing, a password is there")),
        };
        if login.is_some() && protection == Protection::Plain && !is_loopback(server.host()) {
            return Err(refused(
                "starttls is off, so the password would cross the net for everybody to read: require it, or use smtps://",
            ));
        }
        let from = self.from.parse::<Mailbox>().ok().filter(|_| !self.from.chars().any(char::is_control));
        let from = from.ok_or_else(|| {
            refused("from must be an address, as patd@example.com or patd <patd@example.com>")
        })?;
        Ok(Settings { server, protection, login, from, ca_file: self.ca_file })
    }
}

pub(crate) fn schema() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let mut properties = json!({
        "smtp": text("the server: smtp://host[:25] or smtps://host[:465]"),
        "from": text("the sender: patd@example.com or patd <patd@example.com>"),
        "username": text("for servers that ask who sends"),
        "password_file": text("file with the password, readable by the daemon's user alone"),
        "ca_file": text("PEM file of the certificates to trust instead of the public authorities"),
    });
    properties["starttls"] = json!({
        "type": "string", "enum": ["require", "off"], "default": "require",
        "description": "with smtp://: no mail without TLS, or no TLS"
    });
    properties["password"] =
        json!({ "type": "string", "writeOnly": true, "description": "best as { from_file = \"…\" }" });
    json!({
        "type": "object", "additionalProperties": false, "required": ["smtp", "from"], "properties": properties,
    })
}

pub(crate) fn example() -> Value {
    json!({ "smtp": "smtp://127.0.0.1:25", "starttls": "off", "from": "patd <patd@example.com>" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(change: Value) -> Result<Settings, Failure> {
        let mut config = json!({ "smtp": "smtp://mail.example", "from": "patd@example.com" });
        for (key, value) in change.as_object().expect("a table") {
            config[key] = value.clone();
        }
        serde_json::from_value::<Config>(config).expect("well-formed").read()
    }

    #[test]
    fn tls_is_required_unless_it_is_switched_off() {
        let of = |change| read(change).map(|settings| (settings.server.to_string(), settings.protection));
        assert_eq!(of(json!({})), Ok(("mail.example:25".into(), Protection::Starttls)));
        assert_eq!(of(json!({ "smtp": "smtps://[::1]" })), Ok(("[::1]:465".into(), Protection::Tls)));
        assert_eq!(
            of(json!({ "smtp": "smtp://h:2525", "starttls": "off" })),
            Ok(("h:2525".into(), Protection::Plain))
        );
    }

    #[test]
    fn a_password_leaves_the_machine_only_under_tls() {
        let login = |smtp: &str, starttls: &str| {
            read(json!({ "smtp": smtp, "starttls": starttls, "username": "u", "password": "canary" }))
                .map(|_| ())
        };
        assert!(login("smtp://mail.example", "off").expect_err("refused").detail().contains("starttls"));
        assert_eq!(login("smtp://127.0.0.1", "off"), Ok(()));
        assert_eq!(login("smtp://mail.example", "require"), Ok(()));
    }

    #[test]
    fn what_does_not_fit_is_refused_by_the_key_s_name_without_its_value() {
        for (key, change) in [
            ("smtp", json!({ "smtp": "canary" })),
            ("smtp", json!({ "smtp": "http://canary" })),
            ("smtp", json!({ "smtp": "smtp://user:canary@host" })),
            ("smtp", json!({ "smtp": "smtp://host/canary" })),
            ("starttls", json!({ "starttls": "canary" })),
            ("starttls", json!({ "smtp": "smtps://h", "starttls": "require" })),
            ("from", json!({ "from": "canary" })),
            ("from", json!({ "from": "a\r\nBcc: canary <a@example.com>" })),
            ("username", json!({ "username": "canary" })),
            ("username", json!({ "password": "canary" })),
            ("password", json!({ "username": "u", "password": "canary", "password_file": "/canary" })),
            ("ca_file", json!({ "starttls": "off", "ca_file": "/canary" })),
        ] {
            let Err(failure) = read(change.clone()) else { panic!("{change} is taken") };
            assert!(failure.detail().starts_with(&format!("config: {key}")), "{change}: {failure}");
            assert!(!failure.detail().contains("canary"), "{failure}");
        }
    }
}
