//! What `patd doctor` says of things that are wrong, one by one.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use super::Program;
use super::refusals::patd;
use crate::harness::{Daemon, found, sample, say};

/// The lines of a check that did not end well, and the exit code.
fn bad(patd: &mut Program, check: &str) -> (Vec<Value>, Option<i32>) {
    let ended = patd.run(&["doctor", "--output", "json"], "");
    let doctor = ended.json();
    let lines = doctor["lines"].as_array().expect("lines").iter();
    let bad: Vec<_> =
        lines.filter(|line| line["check"] == check && line["outcome"] != "ok").cloned().collect();
    for line in &bad {
        assert!(line["do"].as_str().is_some_and(|todo| todo.len() > 5), "nothing to do: {line}");
    }
    assert_eq!(doctor["healthy"], ended.code == Some(0), "{doctor}");
    (bad, ended.code)
}

fn chmod(path: &std::path::Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("its mode");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_tells_of_modes_and_pins_beside_a_daemon_and_without_one() {
    let daemon = Daemon::start("").await;
    let mut patd = patd(&daemon);
    let config = std::fs::read_to_string(daemon.config()).expect("the config file");
    chmod(&daemon.data_dir(), 0o700);
    for runs in [true, false] {
        if !runs {
            daemon.stop().await;
        }
        assert_eq!(bad(&mut patd, "data folder"), (vec![], Some(0)));
        chmod(&daemon.data_dir(), 0o755);
        let (lines, code) = bad(&mut patd, "data folder");
        assert_eq!((lines[0]["outcome"].as_str(), code), (Some("warn"), Some(0)));
        chmod(&daemon.data_dir(), 0o777);
        let (lines, code) = bad(&mut patd, "data folder");
        assert_eq!((lines[0]["outcome"].as_str(), code), (Some("fail"), Some(1)));
        chmod(&daemon.data_dir(), 0o700);

        for file in ["patd.key", "audit.key", "directory.db"] {
            let path = daemon.data_dir().join(file);
            chmod(&path, 0o640);
            let (lines, code) = bad(&mut patd, "secrets");
            assert_eq!((lines.len(), code), (1, Some(1)), "{lines:?}");
            assert!(
                lines[0].to_string().contains(&format!("{file} can be used by others (mode 0640)")),
                "{lines:?}"
            );
            chmod(&path, 0o600);
        }

        let (lines, _) = bad(&mut patd, "plug-ins");
        assert!(
            lines.len() == 5 && lines.iter().all(|line| line.to_string().contains("has no pin")),
            "{lines:?}"
        );
        let pin = format!("[hashers.tokens]\nsha256 = \"{}\"\n", "0".repeat(64));
        daemon.edit("[hashers.tokens]\n", &pin);
        let (lines, code) = bad(&mut patd, "plug-ins");
        let failed: Vec<_> = lines.iter().filter(|line| line["outcome"] == "fail").collect();
        assert_eq!((failed.len(), code), (1, Some(1)), "{lines:?}");
        assert!(failed[0].to_string().contains(&"0".repeat(64)), "{failed:?}");
        // The other lines are there all the same.
        assert!(bad(&mut patd, "disk").0.iter().all(|line| line["outcome"] == "warn"));
        std::fs::write(daemon.config(), &config).expect("the config is written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_tells_by_how_much_the_clock_is_behind_though_no_start_is_possible() {
    let daemon = Daemon::start("").await;
    sample(&daemon).await;
    daemon.stop().await;
    let store = daemon.data_dir().join("directory.db");
    let later =
        "UPDATE events SET time = time + 900000000 WHERE position = (SELECT max(position) FROM events)";
    match Command::new("sqlite3").arg(&store).arg(later).status() {
        Ok(status) => assert!(status.success(), "sqlite3 changes the event"),
        Err(error) => return say(&format!("the clock test is skipped: sqlite3 does not run: {error}")),
    }
    let mut patd = patd(&daemon);
    patd.run(&["serve"], "").with_code(3).says(&["behind"]);
    let (lines, code) = bad(&mut patd, "clock");
    assert_eq!((lines.len(), code), (1, Some(1)), "{lines:?}");
    let what = super::text(&lines[0], "/what");
    let seconds: f64 = what.split(' ').next().and_then(|text| text.parse().ok()).expect("a number");
    assert!((600.0..=900.0).contains(&seconds) && what.contains("store directory"), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_counts_what_waits_for_a_sink_beside_a_daemon_and_without_one() {
    // Nobody listens there.
    let hook = "[sinks.hook]\nplugin = \"audit-webhook\"\nconfig = { url = \"http://127.0.0.1:9/\", secrets = \
                [\"whsec_YmxhY2sgYm94IGJsYWNrIGJveCBibGFjayBib3g=\"] }\nmax_backlog = 2\n";
    let daemon = Daemon::start(hook).await;
    daemon.edit("sinks = [\"file\"]", "sinks = [\"file\", \"hook\"]");
    daemon.restart().await;
    sample(&daemon).await;
    let mut patd = patd(&daemon);
    for runs in [true, false] {
        if !runs {
            daemon.stop().await;
        }
        let (lines, code) = bad(&mut patd, "sinks");
        assert_eq!((lines.len(), code), (1, Some(0)), "{lines:?}");
        let what = super::text(&lines[0], "/what");
        let waiting =
            what.strip_prefix("hook: ").and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
        assert!(waiting.is_some_and(|waiting| waiting > 2) && what.contains("0 dead letters"), "{what}");
        assert!(super::text(&lines[0], "/do").contains("max_backlog"), "{lines:?}");
    }
    // One that wants changes to be refused then is a failure.
    daemon.edit("max_backlog = 2", "max_backlog = 2\non_full = \"deny\"");
    let (lines, code) = bad(&mut patd, "sinks");
    assert_eq!((lines[0]["outcome"].as_str(), code), (Some("fail"), Some(1)), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_tells_of_dead_letters_beside_a_daemon_and_without_one() {
    // No event fits into its messages.
    let log = "[sinks.log]\nplugin = \"audit-syslog\"\nconfig = { address = \"udp://127.0.0.1:9\", max_size = 480 }\n";
    let daemon = Daemon::start(log).await;
    daemon.edit("sinks = [\"file\"]", "sinks = [\"file\", \"log\"]");
    daemon.restart().await;
    sample(&daemon).await;
    let mut patd = patd(&daemon);
    let dead = |patd: &mut Program| {
        let (lines, code) = bad(patd, "sinks");
        assert_eq!(code, Some(0), "{lines:?}");
        let line = lines.into_iter().next()?;
        assert_eq!(line["outcome"], "warn");
        assert!(super::text(&line, "/do").contains("dead-letters list --sink log"), "{line}");
        let what = super::text(&line, "/what");
        what.rsplit(", ").next()?.strip_suffix(" dead letters")?.parse::<u64>().ok()
    };
    let count = found("a dead letter", async || dead(&mut patd)).await;
    assert!(count > 0);
    daemon.stop().await;
    assert!(dead(&mut patd) >= Some(count), "fewer than {count} without a daemon");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_tells_of_files_and_folders_that_belong_to_somebody_else() {
    if !rustix::process::geteuid().is_root() {
        return say("foreign owners are not tested: this is not root");
    }
    let daemon = Daemon::start("").await;
    daemon.stop().await;
    let mut patd = patd(&daemon);
    let give = |path: &std::path::Path, owner: u32| {
        std::os::unix::fs::chown(path, Some(owner), None).expect("it is given away");
    };
    for file in ["patd.key", "audit.key", "directory.db"] {
        let path = daemon.data_dir().join(file);
        give(&path, 4711);
        let (lines, code) = bad(&mut patd, "secrets");
        assert_eq!((lines.len(), code), (1, Some(1)), "{lines:?}");
        let what = super::text(&lines[0], "/what");
        assert!(what.contains(&format!("{file} belongs to user id 4711, the data folder to 0")), "{what}");
        give(&path, 0);
    }
    // A folder of the daemon's user, with files that root made in it.
    give(&daemon.data_dir(), 4711);
    let (lines, code) = bad(&mut patd, "secrets");
    assert!(lines.len() >= 3 && code == Some(1), "{lines:?}");
    assert!(
        lines.iter().all(|line| super::text(line, "/do").contains("chown it to user id 4711")),
        "{lines:?}"
    );
    give(&daemon.data_dir(), 0);
    assert_eq!(bad(&mut patd, "secrets"), (vec![], Some(0)));
}
