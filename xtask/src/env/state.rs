//! `env.json`: where everything is and how to get in, for scripts and other projects' tests.
//!
//! Members are a contract: add, never rename. Its file is the environment's memory too, so `env up` after an
//! interrupted one goes on where that stopped.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The whole file.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) base_url: String,
    pub(crate) management_url: String,
    pub(crate) store: String,
    pub(crate) daemons: Vec<Daemon>,
    pub(crate) config: PathBuf,
    pub(crate) data_dir: PathBuf,
    pub(crate) bin: Bin,
    pub(crate) plugin_dir: PathBuf,
    pub(crate) sites: BTreeMap<String, Site>,
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) tokens: BTreeMap<String, Token>,
    #[serde(flatten)]
    pub(crate) catchers: Option<Catchers>,
}

/// Where mails and webhooks of the daemon go.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Catchers {
    pub(crate) mail: Mail,
    pub(crate) webhook: Webhook,
}

/// The mail catcher: each mail is a file in the folder.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Mail {
    pub(crate) smtp: String,
    pub(crate) folder: PathBuf,
}

/// The webhook catcher: each request is a line of JSON in the file, with its headers and its body as text.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    pub(crate) secret: String,
    pub(crate) file: PathBuf,
}

/// One daemon.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Daemon {
    pub(crate) base_url: String,
    pub(crate) management_url: String,
    pub(crate) pid: u32,
    pub(crate) log: PathBuf,
    pub(crate) config: PathBuf,
    pub(crate) data_dir: PathBuf,
}

/// The binaries.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Bin {
    pub(crate) patd: PathBuf,
    pub(crate) patctl: PathBuf,
}

/// A sample site; the client id and secret are for `introspect`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Site {
    pub(crate) luid: String,
    pub(crate) content_url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
}

/// A sample account; `sites` are its memberships with their roles.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) username: String,
    pub(crate) password: String,
    #[serde(default)]
    pub(crate) luid: String,
    pub(crate) sites: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) totp_secret: Option<String>,
}

/// A sample token.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) home: String,
    pub(crate) secret: String,
}

impl State {
    /// What a person wants on the screen: addresses and sample accounts.
    pub(crate) fn summary(&self) -> Vec<String> {
        let mut lines = vec![
            format!("address     {}", self.base_url),
            format!("management  {}", self.management_url),
            format!("config      {}", self.config.display()),
            format!("data        {}", self.data_dir.display()),
        ];
        for daemon in &self.daemons {
            lines.push(format!("log         {}", daemon.log.display()));
        }
        if let Some(Catchers { mail, webhook }) = &self.catchers {
            lines.push(format!("mails       {}", mail.folder.display()));
            lines.push(format!("webhooks    {}", webhook.file.display()));
        }
        for (key, site) in &self.sites {
            lines.push(format!("site        {key}: content URL {}, LUID {}", site.content_url, site.luid));
        }
        for user in self.users.values() {
            let sites: Vec<String> =
                user.sites.iter().map(|(site, role)| format!("{site}: {role}")).collect();
            let mfa = user.totp_secret.as_ref().map(|secret| format!(", TOTP {secret}")).unwrap_or_default();
            lines.push(format!(
                "account     {} / {}{mfa} ({})",
                user.username,
                user.password,
                sites.join(", ")
            ));
        }
        lines
    }
}
