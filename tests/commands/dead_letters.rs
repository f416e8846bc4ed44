//! `patd audit dead-letters`: what a receiver refuses for good is kept, and is delivered again or given up as the operator says,
//! with the daemon and without it; and no `kill -9` loses any.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use super::refusals::patd;
use crate::harness::{Daemon, Person, Stage, Token, client, path_of, until};
use crate::sinks::{Hook, webhook, with_sink};

const LIST: [&str; 5] = ["audit", "dead-letters", "list", "--sink", "hook"];
const REPLAY: [&str; 5] = ["audit", "dead-letters", "replay", "--sink", "hook"];
const DROP: [&str; 5] = ["audit", "dead-letters", "drop", "--sink", "hook"];

/// Somebody of whom the receiver takes nothing when it is told so.
struct House {
    stage: Stage,
    hook: Hook,
    person: Person,
    token: Token,
    /// What the operator has given up.
    dropped: Mutex<Vec<String>>,
}

impl House {
    async fn start() -> Self {
        let (hook, url) = Hook::serve(204).await;
        let stage = with_sink("hook", &webhook(&url)).await;
        let person = stage.person("acme", "Creator").await;
        let token = stage.mint(&person, "acme").await;
        let house = Self { stage, hook, person, token, dropped: Mutex::default() };
        house.all_is_told().await;
        house
    }

    fn daemon(&self) -> &Daemon {
        &self.stage.daemon
    }

    /// Ids of all events of acme about the person.
    async fn committed(&self) -> BTreeSet<String> {
        let path = format!("/v1/sites/acme/events?limit=1000&user={}", self.person.luid);
        let page =
            self.stage.call("GET", &path, Some(self.stage.admin("acme")), None).await.expect(200).json();
        ids(&page["items"]).into_iter().collect()
    }

    fn letters(&self) -> Vec<String> {
        ids(&self.daemon().patd(&LIST))
    }

    /// Waits until the receiver has taken or refused everything.
    async fn all_is_told(&self) {
        until("everything is taken or refused", async || {
            let mut told: BTreeSet<String> = self.hook.taken().into_iter().collect();
            told.extend(self.letters());
            told.extend(self.dropped.lock().expect("sound").clone());
            self.committed().await.is_subset(&told)
        })
        .await;
    }

    /// So many sign-ins that the receiver refuses to be told of; ids of the letters, which are those and no others.
    async fn refused(&self, sign_ins: usize) -> Vec<String> {
        let before = self.committed().await;
        self.hook.refuse(&[&self.person.luid]);
        for _ in 0..sign_ins {
            self.stage.use_token(&self.token, "acme").await.expect(201);
        }
        self.all_is_told().await;
        self.hook.refuse(&[]);
        let letters = self.letters();
        let new: BTreeSet<String> = self.committed().await.difference(&before).cloned().collect();
        assert_eq!(letters.iter().cloned().collect::<BTreeSet<_>>(), new);
        assert!(letters.len() >= sign_ins, "{letters:?}");
        letters
    }

    /// One more sign-in, after whose arrival nothing from before can come any more.
    async fn afterwards(&self) {
        let signed_in = self.stage.use_token(&self.token, "acme").await.expect(201).at("/session/id");
        let path = format!("/v1/sites/acme/events?session={signed_in}");
        let page =
            self.stage.call("GET", &path, Some(self.stage.admin("acme")), None).await.expect(200).json();
        let wanted = ids(&page["items"]);
        until("it has come", async || wanted.iter().all(|id| self.hook.taken().contains(id))).await;
    }
}

fn ids(events: &Value) -> Vec<String> {
    let events = events.as_array().expect("a list").iter();
    events.map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receiver_refuses_is_listed_and_comes_once_when_it_is_replayed_and_never_when_it_is_dropped() {
    let house = House::start().await;
    let daemon = house.daemon();
    for runs in [true, false] {
        // Whether the daemon runs while the operator acts.
        let pause = async || {
            if !runs {
                daemon.stop().await;
            }
        };
        let go_on = async || {
            if !runs {
                daemon.restart().await;
            }
        };
        let letters = house.refused(3).await;
        pause().await;
        let listed = daemon.patd(&LIST);
        assert_eq!(ids(&listed), letters);
        let first = &listed[0];
        assert_eq!((&first["sink"], &first["event"]["id"]), (&json!("hook"), &json!(letters[0])), "{first}");
        assert!(first["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{first}");
        let shown = patd(daemon).run(&LIST, "").with_code(0).out;
        assert!(letters.iter().all(|id| shown.contains(id)) && shown.contains("hook"), "{shown}");

        // Not mended yet: they stay.
        house.hook.refuse(&[&house.person.luid]);
        let left = format!("rejects {} letters", letters.len());
        patd(daemon).run(&REPLAY, "").with_code(1).says(&[&left]);
        assert_eq!(house.letters(), letters);

        house.hook.refuse(&[]);
        let before = house.hook.taken().len();
        let none = json!({"sink": "hook", "delivered": 0, "rejected": 0, "failed": null});
        let mut all = none.clone();
        all["delivered"] = json!(letters.len());
        assert_eq!(daemon.patd(&REPLAY), all);
        assert_eq!(daemon.patd(&REPLAY), none);
        go_on().await;
        assert_eq!(house.letters(), [""; 0]);
        house.afterwards().await;
        let came: Vec<String> = house.hook.taken()[before..].to_vec();
        let again: Vec<&String> = came.iter().filter(|id| letters.contains(id)).collect();
        assert_eq!(again, letters.iter().collect::<Vec<_>>(), "each once, in order");

        let letters = house.refused(2).await;
        house.dropped.lock().expect("sound").extend(letters.clone());
        pause().await;
        assert_eq!(daemon.patd(&DROP), json!({"sink": "hook", "dropped": letters.len()}));
        assert_eq!(daemon.patd(&REPLAY), none);
        go_on().await;
        house.afterwards().await;
        assert!(house.hook.taken().iter().all(|id| !letters.contains(id)), "dropped and delivered");
        let metrics =
            client().get(format!("{}/metrics", daemon.management_url)).send().await.expect("answers");
        let metrics = metrics.text().await.expect("a page");
        assert!(metrics.contains("patd_sink_dead_letters{sink=\"hook\",site=\"Acme\"} 0"), "{metrics}");

        // Nobody has such a sink, and there are these.
        pause().await;
        for verb in ["list", "replay", "drop"] {
            let asked = ["audit", "dead-letters", verb, "--sink", "hok"];
            patd(daemon).run(&asked, "").with_code(1).says(&["`hok`", "file, hook"]);
        }
        go_on().await;
    }
}

/// A replay under way.
fn replay(daemon: &Daemon) -> Child {
    let mut command = Command::new(path_of("PATD_TEST_PATD"));
    command.arg("--config").arg(daemon.config()).args(REPLAY);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("patd runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_a_replay_loses_no_letter() {
    let house = House::start().await;
    let daemon = house.daemon();
    let letters = house.refused(12).await;
    house.hook.pause(Duration::from_millis(60));
    // First the daemon is killed, then the command itself, which replays while no daemon runs.
    for (runs, after) in [(true, 2), (true, 5), (false, 3)] {
        if !runs {
            daemon.stop().await;
        }
        let before = house.hook.taken().len();
        let mut replay = replay(daemon);
        until("some have come", async || house.hook.taken().len() >= before + after).await;
        if runs {
            daemon.kill();
        } else {
            replay.kill().expect("it runs");
        }
        replay.wait().expect("it ends");
        daemon.restart().await;
        let (taken, left) = (house.hook.taken(), house.letters());
        let lost: Vec<_> = letters.iter().filter(|id| !taken.contains(id) && !left.contains(id)).collect();
        assert_eq!(lost, [""; 0], "neither delivered nor kept");
        assert!(!left.is_empty(), "the replay was over before");
    }
    house.hook.pause(Duration::ZERO);
    let done = daemon.patd(&REPLAY);
    assert_eq!((&done["rejected"], &done["failed"]), (&json!(0), &Value::Null), "{done}");
    assert_eq!(house.letters(), [""; 0]);
    let taken = house.hook.taken();
    assert!(letters.iter().all(|id| taken.contains(id)), "all have come");
}
