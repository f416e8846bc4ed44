//! The self-test of a hasher, before it is used: a hasher that ignores the secret, or races, must never meet a real one.
//!
//! Known answers first. Then wrong secrets under the same (cheap) parameters: all digests must differ pairwise. Then a few
//! derivations under the parameters of new digests, which may be slow: so only as many as the question needs. Then eight
//! threads at once, each with another secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use patd_proto::describe::KnownAnswer;

use crate::error::LoadError;
use crate::hasher::HasherHandle;

const THREADS: usize = 8;
/// A made-up secret, long as a token's.
const SECRET: &[u8] = b"patd self-test: a secret as long as a token's, never used";

/// Runs the self-test.
pub(crate) fn run(hasher: &HasherHandle) -> Result<(), LoadError> {
    let answers = &hasher.description().self_test;
    if answers.is_empty() {
        return Err(hasher.refuse("known answers in the description", "none"));
    }
    for answer in answers {
        let secret = known(hasher, answer)?;
        wrong_secrets(hasher, &secret, &answer.params)?;
    }
    new_digests(hasher)?;
    at_once(hasher, &answers[0].params)
}

/// Checks one known answer; gives its secret.
fn known(hasher: &HasherHandle, answer: &KnownAnswer) -> Result<Vec<u8>, LoadError> {
    let decode = |text: &str| {
        URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|error| hasher.refuse("base64url in known answers", error.to_string()))
    };
    let (secret, expected) = (decode(&answer.secret)?, decode(&answer.digest)?);
    if derive(hasher, &secret, &answer.params)? != expected {
        return Err(hasher.refuse("its own known answer", format!("another digest under {}", answer.params)));
    }
    Ok(secret)
}

/// No two of these secrets may have the same digest.
fn wrong_secrets(hasher: &HasherHandle, secret: &[u8], params: &str) -> Result<(), LoadError> {
    let mut secrets = vec![secret.to_vec(), Vec::new(), SECRET.to_vec()];
    if let [_, .., _] = secret {
        let changed = |at: usize| {
            let mut copy = secret.to_vec();
            copy[at] ^= 1;
            copy
        };
        secrets.push(changed(0));
        secrets.push(changed(secret.len() - 1));
        secrets.push(secret[..secret.len() - 1].to_vec());
    }
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for secret in secrets {
        let digest = derive(hasher, &secret, params)?;
        if seen.contains(&digest) {
            return Err(hasher.refuse("a digest that depends on every byte of the secret", "equal digests"));
        }
        seen.push(digest);
    }
    Ok(())
}

/// Under today's parameters: repeatable, dependent on secret and salt, and in no need of a re-hash.
fn new_digests(hasher: &HasherHandle) -> Result<(), LoadError> {
    let params = |salt: &[u8]| hasher.new_params(salt).map_err(|error| failed(hasher, "new_params", &error));
    let (one, two) = (params(b"patd-selftest-01")?, params(b"patd-selftest-02")?);
    let scheme = one.split('$').nth(1).unwrap_or_default();
    if !hasher.description().schemes.iter().any(|known| known == scheme) {
        return Err(hasher.refuse("new digests of a scheme that it describes", format!("scheme {scheme:?}")));
    }
    if hasher.needs_rehash(&one).map_err(|error| failed(hasher, "needs_rehash", &error))? {
        return Err(hasher.refuse("new digests that need no re-hash", "one that does"));
    }
    let right = derive(hasher, SECRET, &one)?;
    let mut wrong = SECRET.to_vec();
    if let Some(last) = wrong.last_mut() {
        *last ^= 1;
    }
    if derive(hasher, &wrong, &one)? == right {
        return Err(hasher.refuse("a digest that depends on every byte of the secret", "equal digests"));
    }
    if one == two || derive(hasher, SECRET, &two)? == right {
        return Err(hasher.refuse("a digest that depends on the salt", "equal digests"));
    }
    Ok(())
}

/// Calls at once must not disturb each other.
fn at_once(hasher: &HasherHandle, params: &str) -> Result<(), LoadError> {
    let secrets: Vec<Vec<u8>> = (0..THREADS as u8).map(|number| [SECRET, &[number]].concat()).collect();
    let alone: Vec<Vec<u8>> =
        secrets.iter().map(|secret| derive(hasher, secret, params)).collect::<Result<_, _>>()?;
    let start = std::sync::Barrier::new(THREADS);
    let steady = std::thread::scope(|scope| {
        let runs: Vec<_> = secrets
            .iter()
            .zip(&alone)
            .map(|(secret, expected)| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    (0..4).all(|_| derive(hasher, secret, params).is_ok_and(|digest| digest == *expected))
                })
            })
            .collect();
        runs.into_iter().all(|run| run.join().unwrap_or(false))
    });
    if steady { Ok(()) } else { Err(hasher.refuse("the same digests from eight threads at once", "others")) }
}

fn derive(hasher: &HasherHandle, secret: &[u8], params: &str) -> Result<Vec<u8>, LoadError> {
    match hasher.derive(secret, params) {
        Ok(digest) => Ok(digest.to_vec()),
        Err(error) => Err(failed(hasher, "derive", &error)),
    }
}

fn failed(hasher: &HasherHandle, function: &str, error: &crate::CallError) -> LoadError {
    hasher.refuse(&format!("an answer from {function}"), error.to_string())
}
