//! Proofs of a person: passwords and one-time codes. Equal time for known and unknown people.

use patd_core::id::UserLuid;
use patd_core::record::{Password, Totp};
use patd_core::rules::password::Code;
use patd_core::secret::{FastDigest, PhcDigest, PlainText};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::facts::{ask, nonsense};
use crate::hash_pool::Verdict;
use crate::ports::{Found, Query};
use crate::service::Service;

/// Shortest and longest password, in characters and bytes (NIST SP 800-63B §5.1.1.2).
const PASSWORD_CHARS: usize = 8;
const PASSWORD_BYTES: usize = 1024;
/// Letters of recovery codes: no look-alikes.
const RECOVERY_ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Recovery codes of one enrolment.
pub(crate) const RECOVERY_CODES: usize = 10;
/// Letters of a recovery code: 100 bits.
const RECOVERY_LETTERS: usize = 20;

impl Service {
    /// Whether `password` is the person's; hashes the same for somebody unknown. With the digest that should be
    /// replaced, if it is stale.
    pub(crate) async fn check_password(
        &self,
        user: UserLuid,
        hasher: &str,
        password: &PlainText,
    ) -> Result<(bool, Option<PhcDigest>)> {
        let known = self.password_of(user).await?;
        let secret = Zeroizing::new(password.expose().as_bytes().to_vec());
        if secret.len() > PASSWORD_BYTES {
            return Ok((false, None));
        }
        // Made for known people too, so that the first unknown one is not the one who waits for it.
        let dummy = self.dummy_digest(hasher).await?;
        let digest = known.as_ref().map_or(dummy, |known| known.digest.clone());
        let verdict = self.world.hashers.verify(hasher, &digest, secret).await?;
        match (verdict, known) {
            (Verdict::Right, Some(_)) => Ok((true, None)),
            (Verdict::RightButStale, Some(known)) => Ok((true, Some(known.digest))),
            _ => Ok((false, None)),
        }
    }

    /// A digest of nothing anybody knows, for people who do not exist: one per hasher, whose time it takes to check.
    pub(crate) async fn dummy_digest(&self, hasher: &str) -> Result<PhcDigest> {
        let mut dummies = self.dummies.lock().await;
        if let Some(digest) = dummies.get(hasher) {
            return Ok(digest.clone());
        }
        let secret = Zeroizing::new(self.fresh_secret().expose().to_vec());
        let digest = self.world.hashers.create(&*self.random, hasher, secret).await?;
        dummies.insert(hasher.to_owned(), digest.clone());
        Ok(digest)
    }

    /// Digest of a new password, if it keeps the rules.
    pub(crate) async fn hash_password(
        &self,
        hasher: &str,
        field: &'static str,
        password: &PlainText,
    ) -> Result<PhcDigest> {
        let text = password.expose();
        if text.chars().count() < PASSWORD_CHARS || text.len() > PASSWORD_BYTES {
            return Err(Error::BadValue {
                field,
                reason: format!(
                    "must have at least {PASSWORD_CHARS} characters and at most {PASSWORD_BYTES} bytes"
                ),
            });
        }
        self.world.hashers.create(&*self.random, hasher, Zeroizing::new(text.as_bytes().to_vec())).await
    }

    pub(crate) async fn password_of(&self, user: UserLuid) -> Result<Option<Password>> {
        let directory = &*self.world.directory;
        match ask(directory, Query::Password(user)).await? {
            Found::Passwords(rows) => Ok(rows.into_iter().next()),
            _ => Err(nonsense(directory)),
        }
    }

    pub(crate) async fn totp_of(&self, user: UserLuid) -> Result<Option<Totp>> {
        let directory = &*self.world.directory;
        match ask(directory, Query::Totp(user)).await? {
            Found::Totps(rows) => Ok(rows.into_iter().next()),
            _ => Err(nonsense(directory)),
        }
    }

    /// What a code is: of a time step, a recovery code, or wrong. Whether it is spent already is the rule's to say.
    pub(crate) fn judge_code(&self, totp: Option<&Totp>, code: &PlainText) -> Code {
        let Some(totp) = totp else { return Code::Wrong };
        if let Some(step) = self.code_step(totp, code) {
            return Code::Step(step);
        }
        let digest = recovery_digest(code.expose());
        let held = totp.recovery.iter().find(|held| bool::from(held.0.ct_eq(&digest.0)));
        held.map_or(Code::Wrong, |digest| Code::Recovery(*digest))
    }

    /// The time step of a code of now, or of one step before or after (RFC 6238 §5.2).
    pub(crate) fn code_step(&self, totp: &Totp, code: &PlainText) -> Option<u64> {
        let code = code.expose();
        if code.len() != 6 || !code.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let secret = self.keys.open(totp.user, &totp.sealed_secret)?;
        let seconds = u64::try_from(self.now().0 / 1_000_000).ok()?;
        let checker = totp_rs::Builder::new().with_secret(secret.to_vec()).build().ok()?;
        checker.check(code, seconds)
    }

    /// Fresh recovery codes with their digests.
    pub(crate) fn fresh_recovery_codes(&self) -> (Vec<PlainText>, Vec<FastDigest>) {
        let codes: Vec<_> = (0..RECOVERY_CODES)
            .map(|_| {
                let mut bytes = Zeroizing::new([0; RECOVERY_LETTERS]);
                self.random.fill(&mut *bytes);
                let mut code = String::with_capacity(RECOVERY_LETTERS + 3);
                for (i, byte) in bytes.iter().enumerate() {
                    if i > 0 && i % 5 == 0 {
                        code.push('-');
                    }
                    code.push(char::from(RECOVERY_ALPHABET[usize::from(*byte) % RECOVERY_ALPHABET.len()]));
                }
                code
            })
            .collect();
        let digests = codes.iter().map(|code| recovery_digest(code)).collect();
        (codes.into_iter().map(PlainText::new).collect(), digests)
    }
}

/// SHA-256 of a recovery code without its dashes and case: 100 random bits need no stretching.
fn recovery_digest(code: &str) -> FastDigest {
    let plain: Zeroizing<String> =
        Zeroizing::new(code.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect());
    FastDigest(Sha256::digest(plain.as_bytes()).into())
}
