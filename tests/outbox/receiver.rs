//! A webhook receiver in a process of its own, which is stopped (SIGSTOP) and killed while people sign in.

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::{Pid, Signal, kill_process};

use super::{DEADLINE, all_come, at, committed, number, sign_ins, tokens};
use crate::harness::{Daemon, interactive, sample, say};

/// Killed when dropped.
struct Receiver {
    child: Child,
    port: u16,
    notes: PathBuf,
}

impl Receiver {
    fn start(port: u16, notes: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/hook.py");
        let child = Command::new("python3")
            .arg(script)
            .arg(port.to_string())
            .arg(notes)
            .stdin(Stdio::null())
            .spawn()
            .expect("python3 runs");
        Self { child, port, notes: notes.to_owned() }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a pid");
        kill_process(pid, signal).expect("it runs");
    }

    fn kill(&mut self) {
        // Fails only for a process that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// How often it was told of each event.
    fn ids(&self) -> HashMap<String, usize> {
        let mut all = HashMap::new();
        for id in std::fs::read_to_string(&self.notes).unwrap_or_default().lines() {
            *all.entry(id.to_owned()).or_default() += 1;
        }
        all
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_receiver_that_is_stopped_and_killed_half_of_the_time_misses_nothing_and_holds_up_nobody() {
    let port = {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        free.local_addr().expect("its address").port()
    };
    let daemon = Daemon::start(&format!(
        r#"[sinks.hook]
plugin = "audit-webhook"
deadline = "1s"
retry = {{ first = "20ms", max = "100ms" }}
config = {{ url = "http://127.0.0.1:{port}/", secrets = ["whsec_bmV2ZXIgdXNlIHRoaXMsIGl0IGlzIHB1Ymxpc2hlZA=="] }}
"#
    ))
    .await;
    let facts = sample(&daemon).await;
    daemon.edit("[sites.acme]\n", "[sites.acme]\nsinks = [\"file\", \"hook\"]\n");
    daemon.restart().await;
    let secrets = tokens(&daemon, &facts).await;
    let admin = interactive(&daemon, &facts.0["users"]["acme-admin"], "acme").await;
    let mut receiver = Receiver::start(port, &daemon.folder().join("notes"));
    // Two events each; each is a request of its own here.
    let most = number("PATD_TEST_EVENTS", 3000) / 4;

    let over = AtomicBool::new(false);
    let faults = async {
        let (mut random, mut stops, mut kills) = (StdRng::seed_from_u64(7), 0, 0);
        while !over.load(Ordering::Relaxed) {
            let mut wait = || Duration::from_millis(random.random_range(50..300));
            let (down, up) = (wait(), wait());
            if stops <= kills {
                receiver.signal(Signal::STOP);
                tokio::time::sleep(down).await;
                receiver.signal(Signal::CONT);
                stops += 1;
            } else {
                receiver.kill();
                tokio::time::sleep(down).await;
                receiver = Receiver::start(receiver.port, &receiver.notes);
                kills += 1;
            }
            tokio::time::sleep(up).await;
        }
        (receiver, stops, kills)
    };
    let work = async {
        let took = sign_ins(&daemon, &secrets, most).await;
        over.store(true, Ordering::Relaxed);
        took
    };
    let (took, (receiver, stops, kills)) = futures_util::future::join(work, faults).await;
    let slowest = took.last().copied().unwrap_or_default();
    assert!(slowest < DEADLINE, "a request took {slowest:?}");

    let events = committed(&daemon, &admin).await;
    let there = all_come(|| receiver.ids(), &events).await;
    let requests: usize = there.values().sum();
    say(&format!(
        "outbox: a receiver stopped {stops} and killed {kills} times; {} events committed, {} told after de-duplication \
         ({requests} requests); sign-in p50 {:?}, p99 {:?}, slowest {slowest:?}",
        events.len(),
        events.keys().filter(|id| there.contains_key(*id)).count(),
        at(&took, 50),
        at(&took, 99),
    ));
}
