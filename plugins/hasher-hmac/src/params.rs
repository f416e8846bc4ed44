//! The parameters text `$hmac-sha256$kid=<kid>$<salt>`: written and read in exactly one spelling.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use patd_sdk::Failure;

/// PHC scheme name.
pub const SCHEME: &str = "hmac-sha256";
/// The scheme of the known answers; never one of a stored digest.
pub const SELF_TEST_SCHEME: &str = "hmac-sha256-selftest";
/// Bytes of a salt: always as many, so that salt and secret cannot be cut elsewhere.
pub const SALT_LENGTH: usize = 16;
/// Most characters of a `kid`.
pub(crate) const MAX_KID: usize = 32;

/// What a digest was made with; nothing of it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params {
    self_test: bool,
    kid: String,
    salt: Vec<u8>,
}

impl Params {
    /// Parameters of a new digest.
    ///
    /// # Errors
    /// INVALID when the salt has another length.
    pub fn new(kid: &str, salt: &[u8]) -> Result<Self, Failure> {
        if salt.len() != SALT_LENGTH {
            return Err(Failure::invalid(format!(
                "the salt has {} bytes, it must have {SALT_LENGTH}",
                salt.len()
            )));
        }
        Ok(Self { self_test: false, kid: kid.to_owned(), salt: salt.to_vec() })
    }

    /// The key's name.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The salt.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// Whether the key is one of the known answers'.
    #[must_use]
    pub fn is_self_test(&self) -> bool {
        self.self_test
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.self_test { SELF_TEST_SCHEME } else { SCHEME };
        write!(f, "${scheme}$kid={}${}", self.kid, STANDARD_NO_PAD.encode(&self.salt))
    }
}

impl FromStr for Params {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let shape = || Failure::invalid(format!("params must read ${SCHEME}$kid=<kid>$<salt>"));
        if text.len() > 256 {
            return Err(shape());
        }
        let parts: Vec<&str> = text.split('$').collect();
        let ["", scheme, kid, salt] = parts[..] else { return Err(shape()) };
        let self_test = match scheme {
            SCHEME => false,
            SELF_TEST_SCHEME => true,
            _ => return Err(shape()),
        };
        let kid = kid.strip_prefix("kid=").filter(|kid| is_kid(kid)).ok_or_else(shape)?;
        let salt = STANDARD_NO_PAD.decode(salt).map_err(|_| shape())?;
        Ok(Self { self_test, ..Self::new(kid, &salt)? })
    }
}

/// Whether a `kid` survives a column, a log and the text above.
pub(crate) fn is_kid(kid: &str) -> bool {
    (1..=MAX_KID).contains(&kid.len())
        && kid.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
