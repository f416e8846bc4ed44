//! Starting the catchers (`catcher.rs`), and telling the daemon and scripts where they are.

use std::process::Command;

use super::Folder;
use super::config::Ports;
use super::daemon::{self, Process};
use super::state::{Catchers, Mail, Webhook};
use crate::failure::{Context, Failure};
use crate::out;

/// Of the sample environment alone: everybody may know it.
const SECRET: &str = "whsec_c2FtcGxlIHNlY3JldCBvZiB0aGUgZW52aXJvbm1lbnQ=";

/// Starts them unless they run, on the ports of an earlier run where those are free.
pub(crate) fn start(folder: &Folder, before: Option<&Catchers>) -> Result<Catchers, Failure> {
    if let (Some(before), Some(_)) = (before, folder.catchers().filter(Process::is_alive)) {
        return Ok(before.clone());
    }
    let http = |url: &str, scheme: &str| url.replacen(scheme, "http://", 1).replacen("/patd", "", 1);
    let before = before.and_then(|before| {
        Ports::from_urls(&http(&before.mail.smtp, "smtp://"), &http(&before.webhook.url, "http://"))
    });
    let ports = Ports::choose(before)?;
    let (mails, hooks) = (folder.path().join("mails"), folder.path().join("webhooks.jsonl"));
    out::step("starting the mail and webhook catchers");
    let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
    command.args(["env", "catch", "--smtp", &ports.service.port().to_string()]);
    command.args(["--http", &ports.management.port().to_string()]);
    command.arg("--mails").arg(&mails).arg("--hooks").arg(&hooks);
    let process = daemon::spawn(&mut command, &folder.path().join("catchers.log"))?;
    let process = process.ok_or_else(|| Failure::new("the catchers ended at once; see catchers.log"))?;
    folder.save_catchers(&process)?;
    Ok(Catchers {
        mail: Mail { smtp: format!("smtp://{}", ports.service), folder: mails },
        webhook: Webhook {
            url: format!("http://{}/patd", ports.management),
            secret: SECRET.to_owned(),
            file: hooks,
        },
    })
}

/// Ends them, where they run.
pub(crate) fn stop(folder: &Folder) -> Result<(), Failure> {
    if let Some(process) = folder.catchers() {
        process.stop()?;
    }
    folder.forget_catchers()
}
