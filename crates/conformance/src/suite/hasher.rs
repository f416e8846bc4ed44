//! What a hasher promises: the digest depends on every byte of the secret and on the parameters, on nothing else, and
//! nothing of the secret is anywhere but in the digest.

use std::sync::Barrier;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use patd_abi::status;
use patd_plugin_host::probe::{Hasher, Host, Reply};
use patd_proto::describe::HasherDescription;

use super::HASHER;
use crate::case::{Case, Outcome, Verdict, ensure, pass, pass_with};
use crate::subject::{Subject, status_name};

pub(crate) const CASES: &[Case] = &[
    Case::of(HASHER, "hasher.known-answers", "its own known answers hold", known_answers),
    Case::of(
        HASHER,
        "hasher.round-trip",
        "new parameters give the same digest twice and need no re-hash",
        round_trip,
    ),
    Case::of(HASHER, "hasher.wrong-secrets", "the digest depends on every byte of the secret", wrong_secrets),
    Case::of(HASHER, "hasher.odd-secrets", "empty, long and binary secrets are taken, whole", odd_secrets),
    Case::of(HASHER, "hasher.salts", "the digest depends on the salt", salts),
    Case::of(
        HASHER,
        "hasher.foreign-params",
        "parameters of others, and cut ones, are refused",
        foreign_params,
    ),
    Case::of(HASHER, "hasher.hostile-params", "absurd costs are refused, not computed", hostile_params),
    Case::of(HASHER, "hasher.threads", "eight threads at once do not disturb each other", threads),
    Case::of(HASHER, "hasher.refusals", "a refusal has a detail and no output", refusals),
    Case::of(HASHER, "hasher.secrecy", "the secret is in no detail, parameter or log line", secrecy),
    Case::of(HASHER, "hasher.cost", "a new digest takes no longer than a sign-in may", cost),
];

const SECRET: &[u8] = b"patd conformance: a secret as long as a token's, never used";
const SALT: &[u8] = b"patd-selftest-01";
/// A sign-in waits for one digest.
const LONGEST: Duration = Duration::from_secs(3);

/// A hasher and parameters of its own that are cheap.
struct Bench {
    hasher: Hasher,
    host: &'static Host,
    description: HasherDescription,
    cheap: Vec<u8>,
}

impl Bench {
    fn new(subject: &Subject) -> Result<Self, String> {
        let description: HasherDescription = serde_json::from_value(subject.description()?)
            .map_err(|error| format!("its description does not read: {error}"))?;
        let (hasher, host) = subject.hasher()?;
        let answer = description.self_test.first().ok_or("it has no known answers")?;
        let cheap = answer.params.clone().into_bytes();
        Ok(Self { hasher, host, description, cheap })
    }

    fn params(&self, salt: &[u8]) -> Result<Vec<u8>, String> {
        let reply = self.hasher.new_params(salt);
        ensure(reply.is_ok(), || {
            format!("new_params answers {}: {}", status_name(reply.status), reply.detail_text())
        })?;
        let text = std::str::from_utf8(&reply.output).map_err(|_| "new_params gives no text")?;
        let shaped = text.starts_with('$')
            && !text.ends_with('$')
            && (3..=1024).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        ensure(shaped, || format!("new_params gives {text:?}, no PHC text"))?;
        Ok(reply.output)
    }

    fn derive(&self, secret: &[u8], params: &[u8]) -> Result<Vec<u8>, String> {
        digest(&self.hasher.derive(secret, params))
    }

    fn done(self) -> Outcome {
        self.hasher.destroy();
        pass()
    }
}

fn digest(reply: &Reply) -> Result<Vec<u8>, String> {
    ensure(reply.is_ok(), || {
        format!("derive answers {}: {}", status_name(reply.status), reply.detail_text())
    })?;
    ensure(reply.detail.is_empty(), || "derive answers OK together with a detail".into())?;
    ensure((16..=1024).contains(&reply.written), || {
        format!("derive gives {} bytes, 16 to 1024 are asked for", reply.written)
    })?;
    Ok(reply.output.clone())
}

fn known_answers(subject: &Subject) -> Outcome {
    let bench = Bench::new(subject)?;
    for answer in &bench.description.self_test {
        let decode = |text: &str| {
            URL_SAFE_NO_PAD.decode(text).map_err(|error| format!("a known answer is no base64url: {error}"))
        };
        let (secret, expected) = (decode(&answer.secret)?, decode(&answer.digest)?);
        ensure(bench.derive(&secret, answer.params.as_bytes())? == expected, || {
            format!("another digest than its own known answer under {}", answer.params)
        })?;
    }
    let count = bench.description.self_test.len();
    bench.done()?;
    pass_with(format!("{count} answers"))
}

fn round_trip(subject: &Subject) -> Outcome {
    let bench = Bench::new(subject)?;
    let params = bench.params(SALT)?;
    let scheme = String::from_utf8_lossy(&params).split('$').nth(1).unwrap_or_default().to_owned();
    ensure(bench.description.schemes.contains(&scheme), || {
        format!("new digests have the undescribed scheme {scheme}")
    })?;
    let first = bench.derive(SECRET, &params)?;
    ensure(bench.derive(SECRET, &params)? == first, || "the same call gives another digest".into())?;
    let (status, answer) = bench.hasher.needs_rehash(&params);
    ensure(status == status::OK, || format!("needs_rehash answers {}", status_name(status)))?;
    ensure(answer == 0, || format!("needs_rehash says {answer} of new parameters"))?;
    bench.done()
}

/// Fails when two of these secrets have the same digest.
fn all_differ(bench: &Bench, secrets: &[Vec<u8>]) -> Result<(), String> {
    let mut seen: Vec<(Vec<u8>, usize)> = Vec::new();
    for (number, secret) in secrets.iter().enumerate() {
        let digest = bench.derive(secret, &bench.cheap)?;
        if let Some((_, other)) = seen.iter().find(|(known, _)| *known == digest) {
            return Err(format!("secrets {other} and {number} of this case have the same digest"));
        }
        seen.push((digest, number));
    }
    Ok(())
}

fn wrong_secrets(subject: &Subject) -> Outcome {
    let bench = Bench::new(subject)?;
    let mut secrets = vec![SECRET.to_vec()];
    for at in 0..SECRET.len() {
        let mut other = SECRET.to_vec();
        // A bit that changes no letter's case, and the one that does.
        other[at] ^= if at % 2 == 0 { 1 } else { 0x20 };
        secrets.push(other);
    }
    secrets.push(SECRET[..SECRET.len() - 1].to_vec());
    secrets.push(SECRET[1..].to_vec());
    secrets.push([SECRET, b" "].concat());
    all_differ(&bench, &secrets)?;
    bench.done()
}

fn odd_secrets(subject: &Subject) -> Outcome {
    let bench = Bench::new(subject)?;
    let long = vec![b'x'; 4096];
    let mut end = long.clone();
    end[4095] = b'y';
    all_differ(
        &bench,
        &[
            Vec::new(),
            b"a".to_vec(),
            // No secret ends in zero bytes: HMAC, and so PBKDF2, fills up short keys with them.
            b"a\0b".to_vec(),
            b"a\0c".to_vec(),
            b"\xff\xfe".to_vec(),
            vec![b'x'; 72],
            vec![b'x'; 73],
            vec![b'x'; 255],
            vec![b'x'; 256],
            long,
            end,
        ],
    )?;
    bench.done()
}

fn salts(subject: &Subject) -> Outcome {
    let bench = Bench::new(subject)?;
    let (one, two) = (bench.params(SALT)?, bench.params(b"patd-selftest-02")?);
    ensure(one != two, || "different salts give the same parameters".into())?;
    ensure(bench.derive(SECRET, &one)? != bench.derive(SECRET, &two)?, || {
        "different salts give the same digest".into()
    })?;
    bench.done()
}

/// Calls `derive` on a thread that is given up when it takes too long.
fn derive_in_time(hasher: &'static Hasher, params: &[u8], limit: Duration) -> Result<Reply, String> {
    let (send, receive) = mpsc::channel();
    let params = params.to_vec();
    std::thread::spawn(move || {
        let _ = send.send(hasher.derive(SECRET, &params));
    });
    receive.recv_timeout(limit).map_err(|_| format!("derive did not end within {} ms", limit.as_millis()))
}

fn refuses(hasher: &'static Hasher, params: &[u8], limit: Duration) -> Result<(), String> {
    let shown: String = String::from_utf8_lossy(params).chars().take(80).collect();
    let reply = derive_in_time(hasher, params, limit).map_err(|error| format!("{error} under {shown:?}"))?;
    ensure(reply.status == status::INVALID, || {
        format!("derive answers {} under {shown:?}, INVALID is asked for", status_name(reply.status))
    })?;
    let (status, _) = hasher.needs_rehash(params);
    ensure(status == status::INVALID, || {
        format!("needs_rehash answers {} about {shown:?}, INVALID is asked for", status_name(status))
    })
}

/// Parameters that a hasher of its own would keep, split at their signs.
fn own(bench: &Bench) -> Result<Vec<String>, String> {
    let mut own = vec![String::from_utf8_lossy(&bench.params(SALT)?).into_owned()];
    own.extend(bench.description.self_test.first().map(|answer| answer.params.clone()));
    Ok(own)
}

fn foreign_params(subject: &Subject) -> Outcome {
    let bench = Bench::new(subject)?;
    let own = own(&bench)?;
    let hasher: &'static Hasher = Box::leak(Box::new(bench.hasher));
    let long = format!("${}", "a".repeat(1 << 20));
    let mut tries: Vec<Vec<u8>> = ["", "$", "$$", "nonsense", "$no-such-scheme$v=1$c2FsdA", "\0", &long]
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .collect();
    tries.push(b"$\xff\xfe$".to_vec());
    for params in &own {
        let mut rest = params.as_str();
        while let Some((shorter, _)) = rest.rsplit_once('$') {
            tries.push(shorter.as_bytes().to_vec());
            rest = shorter;
        }
        tries.push(format!("x{params}").into_bytes());
        tries.push(params.replacen('$', "$x", 1).into_bytes());
        tries.push([params.as_bytes(), b"\0"].concat());
    }
    for params in &tries {
        refuses(hasher, params, subject.patience)?;
    }
    pass_with(format!("{} tries", tries.len()))
}

fn hostile_params(subject: &Subject) -> Outcome {
    let bench = Bench::new(subject)?;
    let own = own(&bench)?;
    let hasher: &'static Hasher = Box::leak(Box::new(bench.hasher));
    let mut tried = 0;
    for params in &own {
        for (begin, end) in numbers(params) {
            for absurd in
                ["4294967295", "1000000000", "18446744073709551616", "-1", "99999999999999999999999"]
            {
                let hostile = format!("{}{absurd}{}", &params[..begin], &params[end..]);
                refuses(hasher, hostile.as_bytes(), subject.patience)?;
                tried += 1;
            }
        }
    }
    if tried == 0 {
        return Ok(Verdict::Skipped("its parameters hold no number".into()));
    }
    pass_with(format!("{tried} tries"))
}

/// Where the decimal numbers of the cost stand: behind a `=`, between the scheme and the salt.
fn numbers(params: &str) -> Vec<(usize, usize)> {
    let salt = params.rfind('$').unwrap_or(0);
    let bytes = params.as_bytes();
    let mut found = Vec::new();
    for (at, _) in params.match_indices('=').filter(|(at, _)| *at < salt) {
        let end = (at + 1..salt).find(|index| !bytes[*index].is_ascii_digit()).unwrap_or(salt);
        // A name that begins with a digit is no number.
        if end > at + 1 && (end == salt || b",$".contains(&bytes[end])) {
            found.push((at + 1, end));
        }
    }
    found
}

fn threads(subject: &Subject) -> Outcome {
    const THREADS: usize = 8;
    const ROUNDS: usize = 32;
    let bench = Bench::new(subject)?;
    let secrets: Vec<Vec<u8>> = (0..THREADS as u8).map(|number| [SECRET, &[number]].concat()).collect();
    let alone =
        secrets.iter().map(|secret| bench.derive(secret, &bench.cheap)).collect::<Result<Vec<_>, _>>()?;
    let start = Barrier::new(THREADS);
    let steady = std::thread::scope(|scope| {
        let (bench, start) = (&bench, &start);
        let runs: Vec<_> = secrets
            .iter()
            .zip(&alone)
            .map(|(secret, expected)| {
                scope.spawn(move || {
                    start.wait();
                    #[expect(clippy::disallowed_methods, reason = "a measured duration")]
                    let begin = Instant::now();
                    (0..ROUNDS)
                        .take_while(|round| *round < 2 || begin.elapsed() < Duration::from_secs(2))
                        .all(|_| bench.derive(secret, &bench.cheap).is_ok_and(|digest| digest == *expected))
                })
            })
            .collect();
        runs.into_iter().all(|run| run.join().unwrap_or(false))
    });
    ensure(steady, || "digests from eight threads at once are not those of one thread".into())?;
    bench.done()
}

fn refusals(subject: &Subject) -> Outcome {
    let bench = Bench::new(subject)?;
    for params in ["", "$no-such-scheme$v=1$c2FsdA"] {
        let reply = bench.hasher.derive(SECRET, params.as_bytes());
        ensure(!reply.is_ok(), || format!("derive answers OK under {params:?}"))?;
        ensure(reply.written == 0, || "derive gives a digest together with a refusal".into())?;
        ensure(!reply.detail.is_empty(), || "derive refuses without a detail".into())?;
        ensure(reply.detail.len() <= 4096, || {
            format!("the detail of a refusal has {} bytes", reply.detail.len())
        })?;
    }
    bench.done()
}

fn secrecy(subject: &Subject) -> Outcome {
    let bench = Bench::new(subject)?;
    let params = bench.params(SALT)?;
    let mut outputs = vec![("its parameters", params.clone())];
    for tried in [params.as_slice(), &bench.cheap, b"", b"$no-such-scheme$v=1$c2FsdA", b"\xff"] {
        let reply = bench.hasher.derive(SECRET, tried);
        outputs.push(("a detail", reply.detail));
        outputs.push(("a digest", reply.output));
    }
    for line in bench.host.lines() {
        outputs.push(("a log line", line.message));
        outputs.push(("a log line", line.fields));
    }
    let needles = spellings(SECRET);
    for (place, bytes) in &outputs {
        let found =
            needles.iter().any(|needle| bytes.windows(needle.len()).any(|window| window == &needle[..]));
        ensure(!found, || format!("the secret stands in {place}"))?;
    }
    bench.done()
}

/// The secret as it is, a part of it, and as people write bytes.
fn spellings(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        secret[..16].to_vec(),
        secret[secret.len() - 16..].to_vec(),
        hex.as_bytes()[..32].to_vec(),
        STANDARD_NO_PAD.encode(secret).as_bytes()[..20].to_vec(),
        format!("{}, {}, {}, {}", secret[0], secret[1], secret[2], secret[3]).into_bytes(),
    ]
}

fn cost(subject: &Subject) -> Outcome {
    let bench = Bench::new(subject)?;
    let params = bench.params(SALT)?;
    let hasher: &'static Hasher = Box::leak(Box::new(bench.hasher));
    #[expect(clippy::disallowed_methods, reason = "a measured duration")]
    let begin = Instant::now();
    digest(&derive_in_time(hasher, &params, LONGEST)?)?;
    pass_with(format!("{:.1} ms", begin.elapsed().as_secs_f64() * 1000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_cost_are_found_and_names_let_be() {
        let found =
            |text: &str| numbers(text).iter().map(|(a, b)| text[*a..*b].to_owned()).collect::<Vec<_>>();
        assert_eq!(found("$pbkdf2-sha256$i=1000,l=32$c2FsdA"), ["1000", "32"]);
        assert_eq!(found("$argon2id$v=19$m=19456,t=2,p=1$c2=FsdA"), ["19", "19456", "2", "1"]);
        assert_eq!(found("$hmac-sha256$kid=2024a$c2FsdA"), Vec::<String>::new());
    }
}
