//! Readers of the live stream that do not read, hardly read or break off: they cost the daemon little, hold up nobody, are let
//! go when they take nothing for as long as a request may take, and miss nothing when they come back.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::{Live, PATIENCE, Told, ask, told};
use crate::harness::{Daemon, Stage, say};
use crate::outbox::{at, sign_ins};

/// After so long without taking anything a reader is let go.
const LIMIT: Duration = Duration::from_secs(3);
const WORKERS: usize = 4;
/// Places for streams of a site.
const PLACES: usize = 8;
/// Sign-ins before the slow readers come: each is to get more than all buffers on the way hold.
const BEFORE: usize = 1500;
const MEANWHILE: usize = 600;

/// A reader with a small window.
struct Slow {
    stream: TcpStream,
    got: Vec<u8>,
}

impl Slow {
    async fn open(daemon: &Daemon, credential: &str, after: &str) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("is set");
        let address = daemon.base_url.trim_start_matches("http://").parse().expect("an address");
        let mut stream = socket.connect(address).await.expect("a connection");
        // The older version has no chunks: what comes is the stream itself.
        let request = format!(
            "GET /v1/sites/acme/events HTTP/1.0\r\naccept: text/event-stream\r\nlast-event-id: {after}\r\nauthorization: \
             Bearer {credential}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("is sent");
        let mut slow = Self { stream, got: Vec::new() };
        slow.read(15).await;
        assert_eq!(String::from_utf8_lossy(&slow.got), "HTTP/1.0 200 OK", "at once, however much waits");
        slow
    }

    /// Takes up to so many bytes more; whether the stream goes on.
    async fn read(&mut self, most: usize) -> bool {
        let (until, mut part) = (self.got.len() + most, [0; 4096]);
        while self.got.len() < until {
            let room = part.len().min(until - self.got.len());
            let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut part[..room]));
            match read.await.expect("something in time") {
                Ok(0) | Err(_) => return false,
                Ok(read) => self.got.extend(&part[..read]),
            }
        }
        true
    }

    /// The events that have come as a whole.
    fn told(&self) -> Vec<Told> {
        let text = String::from_utf8_lossy(&self.got);
        let Some((_, body)) = text.split_once("\r\n\r\n") else { return Vec::new() };
        let whole = body.rfind("\n\n").map_or("", |end| &body[..end + 2]);
        whole.split_inclusive("\n\n").filter_map(told).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_readers_cost_little_hold_up_nobody_are_let_go_and_miss_nothing() {
    let limits = format!(
        "attempts_per_account = 1000000\nhash_queue = 4096\nrequest_timeout = \"{}s\"\n",
        LIMIT.as_secs()
    );
    let stage = Arc::new(Stage::on(Daemon::start_with_limits(&limits, "").await).await);
    let (daemon, admin) = (&stage.daemon, stage.admin("acme"));
    let person = stage.person("acme", "Creator").await;
    let mut secrets = Vec::new();
    for _ in 0..WORKERS {
        secrets.push(json!(stage.mint(&person, "acme").await.secret));
    }
    let mut first = Live::open(&stage, admin, "", None).await;
    sign_ins(daemon, &secrets, 1).await;
    let begin = first.next().await.expect("an event").id;
    drop(first);
    let alone = sign_ins(daemon, &secrets, BEFORE).await;
    let memory = daemon.resident();

    // One reads as it should; of the others some never read, some a byte a second, some break off in the middle.
    let mut good = Live::open(&stage, admin, "", Some(&begin)).await;
    let good = tokio::spawn(async move {
        let mut seen = Vec::new();
        loop {
            seen.push(good.next().await.expect("the stream goes on"));
            if seen.last().is_some_and(|told| told.kind == "patd.user.invited") {
                return seen;
            }
        }
    });
    let mut slow = Vec::new();
    for number in 1..PLACES {
        let mut reader = Slow::open(daemon, admin, &begin).await;
        if number % 3 == 0 {
            // Half a kibibyte is within an event.
            assert!(reader.read(20_000 + number * 512).await);
            reader.stream.shutdown().await.expect("breaks off");
        }
        slow.push((number, reader));
    }
    let dribbling = slow.extract_if(.., |(number, _)| *number % 3 == 1).map(|(number, mut reader)| {
        tokio::spawn(async move {
            // Longer than the daemon bears it. What its kernel holds by then would last for days.
            for _ in 0..3 * LIMIT.as_secs() {
                assert!(reader.read(1).await);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            (number, reader)
        })
    });
    let dribbling: Vec<_> = dribbling.collect();
    let beside = sign_ins(daemon, &secrets, MEANWHILE).await;
    let most = daemon.resident();
    let slowest = beside.last().copied().unwrap_or_default();
    assert!(slowest < PATIENCE, "a sign-in took {slowest:?}");

    // Their places are free again soon after the limit, though none of them has said anything.
    let free = async {
        let mut open = Vec::new();
        while open.len() < PLACES - 1 {
            let answer = ask(&stage, admin, "", None).await;
            match answer.status().as_u16() {
                200 => open.push(answer),
                429 => tokio::time::sleep(Duration::from_millis(100)).await,
                other => panic!("{other}"),
            }
        }
    };
    tokio::time::timeout(LIMIT * 4, free).await.expect("slow readers are let go");
    stage.invite(&stage.fresh_name(), "acme", "Viewer").await.expect(201);
    let all = tokio::time::timeout(PATIENCE, good)
        .await
        .expect("the good reader has it all")
        .expect("it ends well");
    assert!(all.len() > 2 * (BEFORE + MEANWHILE), "{}", all.len());

    for reader in dribbling {
        slow.push(reader.await.expect("it ends well"));
    }
    for (number, mut reader) in slow {
        // What was under way still comes, and then the end.
        while reader.read(65_536).await {}
        let mut seen = reader.told();
        assert!(seen.len() < all.len(), "reader {number} was not slow");
        let last = seen.last().map_or(begin.clone(), |told| told.id.clone());
        let mut rest = Live::open(&stage, admin, "", Some(&last)).await;
        seen.extend(rest.take(all.len() - seen.len()).await);
        assert!(seen == all, "reader {number} has seen something else");
    }
    let ratio = most as f64 / memory as f64;
    assert!(ratio < 1.5, "{memory} KiB before, {most} KiB with slow readers");

    // Nor do they hold up the end.
    let _stuck = Slow::open(daemon, admin, &begin).await;
    daemon.terminate(Duration::from_secs(8)).await;
    say(&format!(
        "live: {} events, {} slow readers; memory {memory} KiB before and {most} KiB with them, ratio {ratio:.2}; sign-in p50 \
         {:?}, p99 {:?} before, p50 {:?}, p99 {:?}, slowest {slowest:?} with them",
        all.len(),
        PLACES - 1,
        at(&alone, 50),
        at(&alone, 99),
        at(&beside, 50),
        at(&beside, 99),
    ));
}
