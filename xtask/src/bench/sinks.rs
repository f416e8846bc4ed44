//! Events a second through each audit sink, each with a peer on this machine that takes everything: files, the environment's
//! mail and webhook catchers, and a listener that reads and drops what syslog sends.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::thread;

use serde_json::{Value, json};

use super::program::{Programs, emptied};
use super::report::Figures;
use crate::env::{Folder, catchers};
use crate::failure::{Context, Failure};
use crate::out;

/// Adds the figure of each sink.
pub(crate) fn measure(
    args: &super::Args,
    folder: &Folder,
    programs: &Programs,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let caught = catchers::start(folder, None)?;
    let measured = (|| {
        let syslog = drain()?;
        let scratch = folder.path().join("deliveries");
        let all = [
            ("audit-file", json!({"path": scratch.join("{site}.jsonl")})),
            ("audit-syslog", json!({"address": format!("tcp://{syslog}")})),
            ("audit-webhook", json!({"url": caught.webhook.url, "secrets": [caught.webhook.secret]})),
            (
                "audit-email",
                json!({"smtp": caught.mail.smtp, "starttls": "off", "from": "patd@patd.example"}),
            ),
        ];
        for (plugin, config) in all {
            out::step(format_args!("events through {plugin}"));
            figures.sinks.push((plugin, rate(args, programs, &scratch, plugin, &config)?));
        }
        Ok(())
    })();
    catchers::stop(folder)?;
    measured
}

/// Events a second.
fn rate(
    args: &super::Args,
    programs: &Programs,
    scratch: &Path,
    plugin: &str,
    config: &Value,
) -> Result<f64, Failure> {
    emptied(scratch)?;
    let (library, config, seconds) = (programs.library(plugin), config.to_string(), args.seconds.to_string());
    let arguments = [plugin.as_ref(), library.as_os_str(), config.as_ref(), seconds.as_ref()];
    let [rate] = programs.figures("deliver", &arguments)?;
    Ok(rate)
}

/// Takes connections and drops what comes.
fn drain() -> Result<std::net::SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen")?;
    let address = listener.local_addr().context("cannot listen")?;
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // A client that breaks off is no failure of ours.
            thread::spawn(move || io::copy(&mut stream, &mut io::sink()).ok());
        }
    });
    Ok(address)
}
