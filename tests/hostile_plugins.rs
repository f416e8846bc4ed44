//! R8 and R9 with plug-ins that sin: every answer of a site whose plug-in misbehaves is a success or a refusal that says so,
//! none is a pass, a crash or a hang, and the other sites are at full service all the while.
//!
//! The plug-in `faulty` keeps its promises until a file appears, so people and tokens can be made first, and sins while the
//! file is there. When it goes, the site must come back by itself.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Answer, Daemon, Kind, Person, Stage, Token, path_of};

/// No answer may take longer, whatever a plug-in does.
const LONGEST: Duration = Duration::from_secs(30);
/// A neighbour's answer never takes longer than this, on two shared cores and without optimisation.
const FULL_SERVICE: Duration = Duration::from_secs(10);
/// How long a site may take to come back.
const RECOVERY: Duration = Duration::from_secs(90);

/// Sins of a site's store, and whether a request may succeed all the same.
const STORES: [(&str, bool); 11] = [
    ("panic_in_call", false),
    ("panic_in_submit", false),
    ("never_completes", false),
    ("garbage", false),
    ("unknown_status", false),
    ("flood", false),
    ("ok_with_error", false),
    ("error_with_payload", false),
    ("silent", false),
    ("completes_twice", true),
    ("blocks_in_submit", true),
];
/// Sins of a site's hasher, and whether a sign-in may succeed all the same.
const HASHERS: [(&str, bool); 6] = [
    ("panic_in_derive", false),
    ("panic_in_new_params", true),
    ("empty_digest", false),
    ("flood_digest", false),
    ("not_repeatable", false),
    ("hangs", false),
];
/// Sins of sinks, all at one site: its people must not notice.
const SINKS: [&str; 20] = [
    "panic_in_call",
    "panic_in_submit",
    "panic_in_cancel",
    "never_completes",
    "completes_twice",
    "completes_foreign",
    "completes_on_cancel",
    "late",
    "blocks_in_submit",
    "garbage",
    "unknown_status",
    "flood",
    "ok_with_error",
    "error_with_payload",
    "silent",
    "leaks_thread",
    "prints_stdout",
    "accepts_nothing",
    "accepts_forged",
    "refuses_duplicates",
];

/// A site with somebody in it.
struct Site {
    name: String,
    person: Person,
    present: String,
    token: Token,
    session: String,
}

/// The daemon's config with a plug-in folder of its own and the hostile sites.
fn hostile(daemon: &Daemon, trigger: &Path) {
    let usual = path_of("PATD_TEST_PLUGIN_DIR");
    let own = daemon.folder().join("plugins");
    std::fs::create_dir(&own).expect("a folder");
    let built = usual.parent().expect("the build's folder").join("libfaulty.so");
    let put = |from: &Path, name: &str| {
        let to = own.join(format!("lib{name}.so"));
        std::fs::copy(from, &to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        std::fs::set_permissions(&to, PermissionsExt::from_mode(0o755)).expect("its mode");
    };
    put(&built, "faulty");
    for name in ["hasher-pbkdf2", "store-sql", "audit-file"] {
        put(&usual.join(format!("lib{name}.so")), name);
    }
    let when = trigger.display();
    let mut further = String::new();
    for (sin, _) in STORES {
        further.push_str(&format!(
            "[stores.{sin}]\nplugin = \"faulty\"\nconfig = {{ sin = \"{sin}\", when = \"{when}\", path = \"{{data_dir}}/{sin}.journal\" }}\n\
             [sites.store-{sin}]\nname = \"{sin}\"\nstore = \"{sin}\"\n"
        ));
    }
    for (sin, _) in HASHERS {
        further.push_str(&format!(
            "[hashers.{sin}]\nplugin = \"faulty\"\nconfig = {{ sin = \"{sin}\", when = \"{when}\" }}\n\
             [sites.hasher-{sin}]\nname = \"{sin}\"\ntoken_hasher = \"{sin}\"\n"
        ));
    }
    for sin in SINKS {
        further.push_str(&format!(
            "[sinks.{sin}]\nplugin = \"faulty\"\ndeadline = \"2s\"\nconfig = {{ sin = \"{sin}\", when = \"{when}\", reach = 1000 }}\n"
        ));
    }
    let sinks: Vec<String> = SINKS.iter().map(|sin| format!("\"{sin}\"")).collect();
    further.push_str(&format!("[sites.sinks]\nname = \"Sinks\"\nsinks = [\"file\", {}]\n", sinks.join(", ")));
    let text = std::fs::read_to_string(daemon.config()).expect("the config");
    let dir = |folder: &PathBuf| format!("dir = \"{}\"", folder.display());
    assert!(text.contains(&dir(&usual)), "{text}");
    let text = text.replace(&dir(&usual), &dir(&own));
    // What hangs is answered then.
    let text = text.replace("[limits]\n", "[limits]\nrequest_timeout = \"10s\"\n");
    std::fs::write(daemon.config(), format!("{text}\n{further}")).expect("the config is written");
}

/// Somebody with a token, a session of it, and one as a person who is present.
async fn inhabit(stage: &Stage, site: &str) -> Site {
    let username = stage.fresh_name();
    let added = stage.daemon.patd(&["user", "add", &username, "--site", site, "--role", "Creator"]);
    stage.redeem(added["invitation"].as_str().expect("an invitation")).await.expect(200);
    let person = Person { username, luid: added["luid"].as_str().expect("a luid").to_owned() };
    let present = stage.session(&person, site, Kind::Interactive).await;
    let token = stage.mint(&person, site).await;
    let session = stage.use_token(&token, site).await.expect(201).at("/credential");
    Site { name: site.to_owned(), person, present, token, session }
}

/// Waits for an answer, but not for ever.
async fn in_time(what: &str, limit: Duration, answer: impl Future<Output = Answer>) -> Answer {
    let in_time = tokio::time::timeout(limit, answer).await;
    in_time.unwrap_or_else(|_| panic!("{what}: no answer within {} s", limit.as_secs()))
}

/// Fails unless the answer is one of these statuses; a 5xx must be the problem that says so.
#[track_caller]
fn one_of(what: &str, answer: &Answer, statuses: &[u16]) {
    assert!(statuses.contains(&answer.status), "{what}: {answer}\n{}", answer.text);
    if answer.status >= 500 {
        let kind = answer.json()["type"].clone();
        assert!(
            kind.as_str().is_some_and(|kind| kind.starts_with("urn:patd:problem:")),
            "{what}: {}",
            answer.text
        );
    }
}

/// Everything that somebody does at a site whose plug-in sins. `may_pass` says whether a good sign-in may succeed.
async fn suffer(stage: &Stage, site: &Site, may_pass: bool) {
    let name = &site.name;
    let path = format!("/v1/sites/{name}/tokens");
    // A digest that is another each time is a wrong secret, for all that anybody can tell.
    let refused: &[u16] = if name.ends_with("not_repeatable") { &[401, 503] } else { &[503] };
    // Waiting for what hangs teaches nothing the second time.
    let rounds = if name.ends_with("hangs") { 1 } else { 3 };
    for round in 0..rounds {
        let what = |what: &str| format!("{name}, round {round}: {what}");
        let wrong = json!({"site": name, "token_secret": flipped(&site.token.secret)});
        let answer = in_time(&what("a wrong secret"), LONGEST, stage.sign_in(&wrong)).await;
        one_of(&what("a wrong secret"), &answer, &[401, 503]);
        let answer = in_time(&what("a sign-in"), LONGEST, stage.use_token(&site.token, name)).await;
        one_of(&what("a sign-in"), &answer, if may_pass { &[201, 503] } else { refused });
        let body = json!({"name": stage.fresh_name()});
        let mint = stage.call("POST", &path, Some(&site.present), Some(&body));
        let answer = in_time(&what("a mint"), LONGEST, mint).await;
        one_of(&what("a mint"), &answer, &[201, 503]);
        let list = stage.call("GET", &path, Some(&site.present), None);
        let answer = in_time(&what("a list"), LONGEST, list).await;
        one_of(&what("a list"), &answer, &[200, 503]);
        let verify = format!("/v1/sites/{name}/verify");
        let verify = stage.call("GET", &verify, Some(&site.session), None);
        let answer = in_time(&what("a validation"), LONGEST, verify).await;
        // A session may have been superseded by a sign-in whose outcome nobody could tell.
        one_of(&what("a validation"), &answer, &[204, 401, 503]);
    }
}

/// A secret of the same shape and check that is not the token's: another token's would be, so one digit is changed.
fn flipped(secret: &str) -> String {
    let mut bytes = secret.as_bytes().to_vec();
    let at = bytes.len() - 20;
    bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
    let body = bytes.len() - 6;
    let check = base62(crc32(&bytes[..body]));
    bytes[body..].copy_from_slice(&check);
    String::from_utf8(bytes).expect("ASCII")
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(
            sum ^ u32::from(*byte),
            |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 },
        )
    })
}

fn base62(mut number: u32) -> [u8; 6] {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = [b'0'; 6];
    for place in text.iter_mut().rev() {
        *place = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    text
}

/// Sign-ins, validations, mints and lists of a good site, until `over` is done; how many rounds and the slowest answer.
async fn neighbour(stage: &Stage, site: &Site, over: &tokio::sync::Notify) -> (u32, Duration) {
    let (mut rounds, mut slowest) = (0, Duration::ZERO);
    let path = format!("/v1/sites/{}/tokens", site.name);
    let done = over.notified();
    tokio::pin!(done);
    loop {
        let mut timed =
            async |what: &str, status: u16, answer: &mut (dyn Future<Output = Answer> + Unpin)| {
                #[expect(clippy::disallowed_methods, reason = "a measured duration")]
                let begin = Instant::now();
                let answer = in_time(&format!("{}: {what}", site.name), FULL_SERVICE, answer).await;
                assert_eq!(answer.status, status, "{}: {what}: {answer}\n{}", site.name, answer.text);
                slowest = slowest.max(begin.elapsed());
                answer
            };
        let signed_in =
            timed("a sign-in", 201, &mut Box::pin(stage.use_token(&site.token, &site.name))).await;
        let credential = signed_in.at("/credential");
        let verify = format!("/v1/sites/{}/verify", site.name);
        timed("a validation", 204, &mut Box::pin(stage.call("GET", &verify, Some(&credential), None))).await;
        timed("a list", 200, &mut Box::pin(stage.call("GET", &path, Some(&site.present), None))).await;
        if rounds < 50 {
            let body = json!({"name": stage.fresh_name()});
            timed("a mint", 201, &mut Box::pin(stage.call("POST", &path, Some(&site.present), Some(&body))))
                .await;
        }
        rounds += 1;
        tokio::select! {
            () = &mut done => return (rounds, slowest),
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }
}

/// Waits until a sign-in succeeds again.
async fn recover(stage: &Stage, site: &Site) {
    let mut last = String::new();
    let back = async {
        loop {
            let answer = stage.use_token(&site.token, &site.name).await;
            if answer.status == 201 {
                break;
            }
            last = format!("{answer} {}", answer.text);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let back = tokio::time::timeout(RECOVERY, back).await.is_ok();
    assert!(back, "{} does not come back: {last}", site.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_r9_every_containable_sin_costs_its_own_site_refusals_and_nobody_else_anything() {
    let daemon = Daemon::start("").await;
    let trigger = daemon.folder().join("sin-now");
    hostile(&daemon, &trigger);
    daemon.restart().await;
    let stage = Stage::on(daemon).await;

    let mut sites = Vec::new();
    for (sin, may_pass) in STORES {
        sites.push((inhabit(&stage, &format!("store-{sin}")).await, may_pass));
    }
    for (sin, may_pass) in HASHERS {
        sites.push((inhabit(&stage, &format!("hasher-{sin}")).await, may_pass));
    }
    let neighbours =
        [inhabit(&stage, "acme").await, inhabit(&stage, "globex").await, inhabit(&stage, "sinks").await];

    std::fs::write(&trigger, "").expect("the trigger");
    let over = tokio::sync::Notify::new();
    let suffering = async {
        join_all(sites.iter().map(|(site, may_pass)| suffer(&stage, site, *may_pass))).await;
        over.notify_waiters();
    };
    let service = join_all(neighbours.iter().map(|site| neighbour(&stage, site, &over)));
    let (_, service) = tokio::join!(suffering, service);
    for ((rounds, slowest), site) in service.into_iter().zip(&neighbours) {
        crate::harness::say(&format!(
            "{}: {rounds} rounds, slowest answer {} ms",
            site.name,
            slowest.as_millis()
        ));
    }

    std::fs::remove_file(&trigger).expect("the trigger goes");
    join_all(sites.iter().map(|(site, _)| recover(&stage, site))).await;
    // Everybody is who they were, with what they had.
    for (site, _) in &sites {
        let me = stage.who_am_i(&site.present).await.expect(200).json();
        assert_eq!(me.pointer("/user/luid").and_then(Value::as_str), Some(site.person.luid.as_str()));
    }
    let log = stage.daemon.log();
    assert!(!log.contains("panicked at"), "the daemon itself panicked");
    stage.daemon.stop().await;
}
