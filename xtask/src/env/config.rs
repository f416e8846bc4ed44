//! The config file of an environment: pinned plug-ins, free ports, limits wide enough to fail on purpose.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use super::plan::Plan;
use super::state::{Catchers, Mail, Webhook};
use crate::failure::{Context, Failure};
use crate::plugins::Plugin;

/// Where a daemon listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) service: SocketAddr,
    pub(crate) management: SocketAddr,
}

impl Ports {
    /// The given ones if they are free (addresses stay the same over restarts), else new ones.
    pub(crate) fn choose(before: Option<Self>) -> Result<Self, Failure> {
        if let Some(ports) = before
            && TcpListener::bind(ports.service).is_ok()
            && TcpListener::bind(ports.management).is_ok()
        {
            return Ok(ports);
        }
        // Both are held until both are known, so that they differ.
        let (one, two) = (any()?, any()?);
        let address = |listener: &TcpListener| listener.local_addr().context("cannot find a free port");
        Ok(Self { service: address(&one)?, management: address(&two)? })
    }

    /// From the URLs of an earlier run.
    pub(crate) fn from_urls(service: &str, management: &str) -> Option<Self> {
        let parse = |url: &str| url.strip_prefix("http://")?.parse().ok();
        Some(Self { service: parse(service)?, management: parse(management)? })
    }
}

fn any() -> Result<TcpListener, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot find a free port")
}

/// The text of the config file.
pub(crate) fn text(
    plan: &Plan,
    ports: Ports,
    data_dir: &Path,
    plugin_dir: &Path,
    plugins: &[Plugin],
    catchers: Option<&Catchers>,
) -> Result<String, Failure> {
    let pin = |name: &str| {
        plugins
            .iter()
            .find(|plugin| plugin.name == name)
            .map(|plugin| format!("plugin = \"{name}\"\nsha256 = \"{}\"", plugin.sha256))
            .ok_or_else(|| Failure::new(format!("the plug-in {name} is not among those that were built")))
    };
    let (hasher, store, sink) = (pin("hasher-pbkdf2")?, pin("store-sql")?, pin("audit-file")?);
    let Ports { service, management } = ports;
    let (data_dir, plugin_dir) = (quoted(data_dir), quoted(plugin_dir));
    let mut text = format!(
        r#"# Written by `cargo xtask env up` at each start: changes here are lost.

[server]
listen = ["{service}"]
management = "{management}"
public_url = "http://{service}"
data_dir = {data_dir}

[log]
format = "text"
level = "info"

# Wide, so that scripts can fail on purpose.
[limits]
attempts_per_account = 1000000
attempts_per_address = 1000000
max_connections = 20000
hash_queue = 4096

[plugins]
dir = {plugin_dir}

[hashers.tokens]
{hasher}
config = {{ iterations = 1000 }}

[hashers.passwords]
{hasher}
config = {{ iterations = 600000 }}

[stores.directory]
{store}
config = {{ url = "sqlite://{{data_dir}}/directory.db" }}

[stores.sites]
{store}
config = {{ url = "sqlite://{{data_dir}}/sites/{{luid}}.db" }}

[sinks.file]
{sink}
config = {{ path = "{{data_dir}}/audit/{{site}}.jsonl" }}

[defaults]
token_hasher = "tokens"
password_hasher = "passwords"
store = "sites"
sinks = [{sinks}]
"#,
        sinks = if catchers.is_some() { r#""file", "mail", "hook""# } else { r#""file""# }
    );
    if let Some(Catchers { mail: Mail { smtp, .. }, webhook: Webhook { url, secret, .. } }) = catchers {
        let (email, webhook) = (pin("audit-email")?, pin("audit-webhook")?);
        text.push_str(&format!(
            r#"
[sinks.mail]
{email}
config = {{ smtp = "{smtp}", starttls = "off", from = "patd <patd@patd.example>" }}

[sinks.hook]
{webhook}
config = {{ url = "{url}", secrets = ["{secret}"] }}
"#
        ));
    }
    for site in plan.sites {
        text.push_str(&format!(
            "\n[sites.{}]\ncontent_url = \"{}\"\nname = \"{}\"\n{}",
            site.key, site.content_url, site.name, site.policy
        ));
    }
    Ok(text)
}

fn quoted(path: &Path) -> String {
    toml::Value::String(path.display().to_string()).to_string()
}

#[cfg(test)]
mod tests {
    use super::{Ports, text};
    use crate::env::plan::DEMO;
    use crate::env::state::{Catchers, Mail, Webhook};
    use crate::plugins::Plugin;

    fn plugins() -> [Plugin; 5] {
        ["hasher-pbkdf2", "store-sql", "audit-file", "audit-email", "audit-webhook"].map(|name| Plugin {
            name: name.to_owned(),
            path: "/p".into(),
            sha256: "ab".repeat(32),
        })
    }

    #[test]
    fn the_config_is_toml_with_every_plugin_pinned_and_every_site() {
        let ports = Ports::from_urls("http://127.0.0.1:1", "http://127.0.0.1:2").expect("two addresses");
        let text =
            text(&DEMO, ports, "/a \"b\"".as_ref(), "/p".as_ref(), &plugins(), None).expect("a config");
        let config: toml::Table = text.parse().expect("TOML");
        assert_eq!(config["server"]["data_dir"].as_str(), Some("/a \"b\""));
        for (section, name) in [("hashers", "tokens"), ("stores", "sites"), ("sinks", "file")] {
            assert_eq!(config[section][name]["sha256"].as_str().map(str::len), Some(64), "{section}.{name}");
        }
        assert_eq!(config["sites"]["acme"]["content_url"].as_str(), Some("Acme"));
        assert_eq!(config["sites"]["brief"]["pat"]["max_lifetime"].as_str(), Some("4s"));
    }

    #[test]
    fn patd_accepts_the_config() {
        let ports = Ports::from_urls("http://127.0.0.1:1", "http://127.0.0.1:2").expect("two addresses");
        let (mails, hooks) = ("/m".into(), "/h".into());
        let catchers = Catchers {
            mail: Mail { smtp: "smtp://127.0.0.1:3".to_owned(), folder: mails },
            webhook: Webhook {
                url: "http://127.0.0.1:4/patd".to_owned(),
                secret: "whsec_x".to_owned(),
                file: hooks,
            },
        };
        for catchers in [None, Some(&catchers)] {
            let text =
                text(&DEMO, ports, "/data".as_ref(), "/p".as_ref(), &plugins(), catchers).expect("a config");
            let config = patd_config::Config::parse(&text, "patd.toml").expect("a config that patd accepts");
            assert_eq!(config.sinks.len(), if catchers.is_some() { 3 } else { 1 });
        }
    }

    #[test]
    fn addresses_stay_when_they_are_free_and_change_when_they_are_not() {
        let first = Ports::choose(None).expect("free ports");
        assert_ne!(first.service, first.management);
        assert_eq!(Ports::choose(Some(first)).expect("the same ports"), first);
        let _taken = std::net::TcpListener::bind(first.service).expect("a free port");
        assert_ne!(Ports::choose(Some(first)).expect("other ports"), first);
    }
}
