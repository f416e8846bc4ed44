//! Signatures of Standard Webhooks: `v1,` and the base64 of HMAC-SHA-256 over `id.timestamp.body`, one per secret. Must never
//! show a secret: not in `Debug`, not in a message, not in memory after use.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use patd_sdk::Failure;
use serde::Deserialize;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Begins a secret in its text form.
const PREFIX: &str = "whsec_";
/// As many as a rotation needs, and some.
pub(crate) const MAX_SECRETS: usize = 8;
/// What Standard Webhooks allow, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// `whsec_…` as it came, wiped when dropped.
#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub(crate) struct SecretText(String);

/// The secrets, newest first, wiped when dropped.
pub(crate) struct Secrets(Vec<Zeroizing<Vec<u8>>>);

impl Secrets {
    /// Reads the configured texts.
    pub(crate) fn read(texts: &[SecretText]) -> Result<Self, Failure> {
        let count = texts.len();
        if !(1..=MAX_SECRETS).contains(&count) {
            return Err(Failure::invalid(format!(
                "config: secrets has {count} entries, it must have 1 to {MAX_SECRETS}, the newest first"
            )));
        }
        let mut secrets = Vec::with_capacity(count);
        for (place, text) in texts.iter().enumerate() {
            let secret = decoded(&text.0).ok_or_else(|| {
                Failure::invalid(format!(
                    "config: secrets[{place}] must be {PREFIX} and the base64 of {} to {} random bytes, as `echo {PREFIX}$(openssl rand -base64 32)` writes it",
                    LENGTHS.start(),
                    LENGTHS.end()
                ))
            })?;
            secrets.push(secret);
        }
        Ok(Self(secrets))
    }

    /// The value of `webhook-signature`.
    pub(crate) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> Result<String, Failure> {
        let mut all = String::new();
        for secret in &self.0 {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret)
                .map_err(|_| Failure::internal("HMAC takes keys of any length, yet it refused one"))?;
            mac.update(format!("{id}.{timestamp}.").as_bytes());
            mac.update(body);
            if !all.is_empty() {
                all.push(' ');
            }
            all.push_str("v1,");
            STANDARD.encode_string(mac.finalize().into_bytes(), &mut all);
        }
        Ok(all)
    }
}

fn decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = Zeroizing::new(STANDARD.decode(text.trim().strip_prefix(PREFIX)?).ok()?);
    LENGTHS.contains(&bytes.len()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn secrets(texts: &[&str]) -> Result<Secrets, Failure> {
        Secrets::read(&texts.iter().map(|text| SecretText((*text).to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn the_published_example_is_signed_as_published() {
        let secrets = secrets(&[SECRET]).expect("a good secret");
        let body = br#"{"test": 2432232314}"#;
        let signature = secrets.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body).expect("signed");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_secret_gives_a_signature_in_its_order() {
        let other = format!("whsec_{}", STANDARD.encode([7; 24]));
        let both = secrets(&[SECRET, &other]).expect("good").sign("1", 2, b"3").expect("signed");
        let single = |text: &str| secrets(&[text]).expect("good").sign("1", 2, b"3").expect("signed");
        assert_eq!(both, format!("{} {}", single(SECRET), single(&other)));
    }

    #[test]
    fn a_bad_secret_is_named_by_its_place_and_not_repeated() {
        let short = format!("whsec_{}", STANDARD.encode([1; 23]));
        for bad in [
            "",
            "whsec_",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_ä",
            &short,
            "whsec_MfKQ9r8GKYqr TwjUPD8ILPZIo2LaLaSw",
        ] {
            let Err(failure) = secrets(&[SECRET, bad]) else { panic!("{bad} is taken") };
            assert!(failure.detail().contains("secrets[1]"), "{failure}");
            assert!(bad.len() < 8 || !failure.detail().contains(bad), "{failure}");
        }
        assert!(secrets(&[]).is_err());
        assert!(secrets(&[SECRET; MAX_SECRETS + 1]).is_err());
    }
}
