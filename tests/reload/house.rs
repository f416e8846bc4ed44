//! A daemon with a plug-in folder of its own, so that files in it can be exchanged.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Daemon, Stage, client, path_of};

/// The plug-ins of the usual config.
const PLUGINS: [&str; 3] = ["hasher-pbkdf2", "store-sql", "audit-file"];

/// The daemon with people, and its plug-ins' folder.
pub(super) struct House {
    pub(super) stage: Stage,
}

/// A reload that was refused.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) code: Option<i32>,
    pub(super) text: String,
}

impl House {
    /// Starts a daemon; `further` is appended to its config.
    pub(super) async fn start(further: &str) -> Self {
        let daemon = Daemon::start(further).await;
        let folder = daemon.folder().join("plugins");
        std::fs::create_dir(&folder).expect("a folder");
        let text = std::fs::read_to_string(daemon.config()).expect("the config");
        let usual = format!("dir = \"{}\"", path_of("PATD_TEST_PLUGIN_DIR").display());
        let own = format!("dir = \"{}\"\nstart_timeout = \"3s\"\ndrain_timeout = \"5s\"", folder.display());
        assert!(text.contains(&usual), "{text}");
        std::fs::write(daemon.config(), text.replace(&usual, &own)).expect("the config is written");
        for name in PLUGINS {
            put(&daemon, name, b"");
        }
        put(&daemon, "faulty", b"");
        daemon.restart().await;
        Self { stage: Stage::on(daemon).await }
    }

    pub(super) fn daemon(&self) -> &Daemon {
        &self.stage.daemon
    }

    /// Puts another build of a plug-in in its place: the same code in a file with other bytes.
    pub(super) fn build(&self, name: &str, tag: &str) {
        put(self.daemon(), name, tag.as_bytes());
    }

    /// Changes the config file.
    pub(super) fn edit(&self, change: impl FnOnce(&str) -> String) {
        let text = std::fs::read_to_string(self.daemon().config()).expect("the config");
        std::fs::write(self.daemon().config(), change(&text)).expect("the config is written");
    }

    /// Replaces a text that the config file has.
    pub(super) fn replace(&self, old: &str, new: &str) {
        self.edit(|text| {
            assert!(text.contains(old), "no {old:?} in {text}");
            text.replacen(old, new, 1)
        });
    }

    /// Appends to the config file.
    pub(super) fn append(&self, further: &str) {
        self.edit(|text| format!("{text}\n{further}\n"));
    }

    /// `patd reload`.
    pub(super) fn reload(&self) -> Result<Value, Refused> {
        reload(self.daemon())
    }

    /// What `patd plugin list` says of an instance.
    pub(super) fn plugin(&self, kind: &str, instance: &str) -> Value {
        let list = self.daemon().patd(&["plugin", "list"]);
        let mut own = list.as_array().expect("a list").iter();
        own.find(|one| one["kind"] == kind && one["instance"].as_str().is_some_and(|name| name == instance))
            .unwrap_or_else(|| panic!("no {kind} {instance} in {list}"))
            .clone()
    }

    /// What runs, without what changes by itself.
    pub(super) fn running(&self) -> Vec<Value> {
        let mut list = self.daemon().patd(&["plugin", "list"]);
        for one in list.as_array_mut().expect("a list") {
            one.as_object_mut().expect("an object").remove("in_flight");
        }
        list.as_array().expect("a list").clone()
    }

    /// An address of the management listener: status and body.
    pub(super) async fn management(&self, path: &str) -> (u16, Value) {
        let url = format!("{}{path}", self.daemon().management_url);
        let answer = client().get(url).send().await.expect("an answer");
        let (status, text) = (answer.status().as_u16(), answer.text().await.expect("a body"));
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Waits until readiness of a site is as wanted; the whole daemon's with an empty name.
    pub(super) async fn becomes(&self, site: &str, status: u16) {
        let path = if site.is_empty() { "/readyz".to_owned() } else { format!("/readyz/{site}") };
        let wait = async {
            while self.management(&path).await.0 != status {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(30), wait).await;
        assert!(in_time.is_ok(), "{path} never becomes {status}: {:?}", self.management(&path).await);
    }
}

/// `patd reload` of a daemon.
pub(super) fn command(daemon: &Daemon) -> Command {
    let mut command = Command::new(path_of("PATD_TEST_PATD"));
    command.arg("--config").arg(daemon.config()).args(["--output", "json", "reload"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn reload(daemon: &Daemon) -> Result<Value, Refused> {
    let output = command(daemon).output().expect("patd runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(serde_json::from_str(&text(&output.stdout)).expect("a report"));
    }
    Err(Refused { code: output.status.code(), text: text(&output.stderr) })
}

fn put(daemon: &Daemon, name: &str, tag: &[u8]) {
    let folder = daemon.folder().join("plugins");
    let from = match name {
        "faulty" => path_of("PATD_TEST_PATD").with_file_name("libfaulty.so"),
        name => path_of("PATD_TEST_PLUGIN_DIR").join(format!("lib{name}.so")),
    };
    let mut bytes = std::fs::read(&from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    bytes.extend_from_slice(tag);
    let (fresh, place): (PathBuf, PathBuf) = (folder.join(".new"), folder.join(format!("lib{name}.so")));
    std::fs::write(&fresh, bytes).expect("a plug-in is written");
    std::fs::set_permissions(&fresh, PermissionsExt::from_mode(0o644)).expect("mode");
    std::fs::rename(&fresh, &place).expect("a plug-in is put in place");
}
