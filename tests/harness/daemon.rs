//! Starting and stopping one daemon.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// How long a daemon may take to become ready or to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// Limits that no test meets by chance.
const WIDE: &str = "attempts_per_account = 1000000
attempts_per_address = 1000000
max_connections = 20000
hash_queue = 4096
leak_reports_per_hour = 1000000
";
/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);

/// The path in one of `cargo xtask test`'s variables.
pub(crate) fn path_of(variable: &str) -> PathBuf {
    std::env::var_os(variable)
        .map(PathBuf::from)
        .unwrap_or_else(|| panic!("{variable} is not set: black-box tests run through `cargo xtask test`"))
}

/// A running daemon; killed when dropped.
pub(crate) struct Daemon {
    folder: TempDir,
    child: Mutex<Child>,
    /// Where the API is.
    pub(crate) base_url: String,
    /// Where health and metrics are.
    pub(crate) management_url: String,
}

impl Daemon {
    /// Starts one with the usual sites, plug-ins and wide limits; `further` is appended to its config file.
    pub(crate) async fn start(further: &str) -> Self {
        Self::start_with_limits(WIDE, further).await
    }

    /// Starts one with these `[limits]`.
    pub(crate) async fn start_with_limits(limits: &str, further: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let (service, management) = two_ports();
        std::fs::write(
            folder.path().join("patd.toml"),
            config(folder.path(), (service, management), limits, further),
        )
        .expect("the config is written");
        let daemon = Self {
            child: Mutex::new(spawn(folder.path())),
            folder,
            base_url: format!("http://127.0.0.1:{service}"),
            management_url: format!("http://127.0.0.1:{management}"),
        };
        daemon.ready().await;
        daemon
    }

    /// Its config file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("patd.toml")
    }

    /// Changes its config file in one place; it reads the file when it starts.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let config = std::fs::read_to_string(self.config()).expect("the config file");
        assert!(config.contains(from), "{from} is in the config");
        std::fs::write(self.config(), config.replacen(from, to, 1)).expect("the config is written");
    }

    /// All that it has logged.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read(self.folder.path().join("patd.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// `kill -9`.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().expect("the child");
        // Fails only for a process that has ended.
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Ends it as a service manager does: what waits is delivered, stores are closed.
    pub(crate) async fn stop(&self) {
        let pid = i32::try_from(self.pid()).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        let ended = async {
            loop {
                if let Some(status) = self.child.lock().expect("the child").try_wait().expect("a state") {
                    return status;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let ended = tokio::time::timeout(PATIENCE, ended).await;
        assert!(ended.is_ok_and(|status| status.success()), "it does not end well; its log:\n{}", self.log());
    }

    /// SIGTERM; it must have ended after so long.
    pub(crate) async fn terminate(&self, patience: Duration) {
        let pid = rustix::process::Pid::from_raw(self.pid().cast_signed()).expect("a process");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("is told");
        let ended = async {
            while self.child.lock().expect("the child").try_wait().expect("a child's state").is_none() {
                tokio::time::sleep(POLL).await;
            }
        };
        let in_time = tokio::time::timeout(patience, ended).await;
        assert!(in_time.is_ok(), "patd does not end; its log:\n{}", self.log());
    }

    /// Starts it again, on its folder and ports, after [`Self::kill`].
    pub(crate) async fn restart(&self) {
        self.kill();
        *self.child.lock().expect("the child") = spawn(self.folder.path());
        self.ready().await;
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.lock().expect("the child").id()
    }

    /// Resident memory in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// The folder of its config file, log and data.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Where its stores and the audit sink's files lie.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs an operator's command against it and reads its JSON.
    pub(crate) fn patd(&self, arguments: &[&str]) -> Value {
        let output = Command::new(path_of("PATD_TEST_PATD"))
            .arg("--config")
            .arg(self.config())
            .args(["--output", "json"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("patd runs");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "patd {arguments:?} failed: {err}{out}");
        serde_json::from_str(&out)
            .unwrap_or_else(|error| panic!("patd {arguments:?} printed no JSON: {error}"))
    }

    async fn ready(&self) {
        let url = format!("{}/readyz", self.management_url);
        let client = client();
        let ready = async {
            while !client.get(&url).send().await.is_ok_and(|answer| answer.status() == 200) {
                let ended = self.child.lock().expect("the child").try_wait().expect("a child's state");
                assert!(ended.is_none(), "patd ended with {ended:?}; its log:\n{}", self.log());
                tokio::time::sleep(POLL).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, ready).await;
        assert!(in_time.is_ok(), "patd is not ready; its log:\n{}", self.log());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln_log(&self.log());
        }
    }
}

#[expect(clippy::print_stderr, reason = "libtest shows it with the failure")]
fn eprintln_log(log: &str) {
    let lines: Vec<&str> = log.lines().collect();
    eprintln!("the end of the daemon's log:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
}

/// A client that uses no proxy and follows nothing.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("an HTTP client")
}

fn spawn(folder: &Path) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("patd.log"));
    let log = log.expect("a log file");
    Command::new(path_of("PATD_TEST_PATD"))
        .arg("--config")
        .arg(folder.join("patd.toml"))
        .arg("serve")
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log)
        .spawn()
        .expect("patd starts")
}

/// Held together, so that they differ.
fn two_ports() -> (u16, u16) {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let (one, two) = (bind(), bind());
    let port = |listener: &TcpListener| listener.local_addr().expect("its address").port();
    (port(&one), port(&two))
}

fn config(folder: &Path, (service, management): (u16, u16), limits: &str, further: &str) -> String {
    let data_dir = folder.join("data");
    let (data_dir, plugins) = (data_dir.display(), path_of("PATD_TEST_PLUGIN_DIR"));
    std::fs::create_dir(folder.join("data")).expect("a data folder");
    format!(
        r#"[server]
listen = ["127.0.0.1:{service}"]
management = "127.0.0.1:{management}"
public_url = "http://127.0.0.1:{service}"
data_dir = "{data_dir}"

[limits]
{limits}
[plugins]
dir = "{plugins}"
allow_unpinned = true

[hashers.tokens]
plugin = "hasher-pbkdf2"
config = {{ iterations = 1000 }}

# Fewer rounds than anybody should have, so that tests spend their time elsewhere.
[hashers.passwords]
plugin = "hasher-pbkdf2"
config = {{ iterations = 1000 }}

[stores.directory]
plugin = "store-sql"
config = {{ url = "sqlite://{{data_dir}}/directory.db" }}

[stores.sites]
plugin = "store-sql"
config = {{ url = "sqlite://{{data_dir}}/sites/{{luid}}.db" }}

[sinks.file]
plugin = "audit-file"
config = {{ path = "{{data_dir}}/audit/{{site}}.jsonl" }}

[defaults]
sinks = ["file"]

[sites.acme]
content_url = "Acme"
name = "Acme"
switch_site = true

[sites.globex]
name = "Globex"
switch_site = true

{further}
"#,
        plugins = plugins.display()
    )
}
