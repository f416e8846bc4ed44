//! The text of a session credential: `key|secret|site LUID`.
//!
//! Key and secret are base64url without padding. The key says which store and which token, so that nothing is searched, and carries a MAC that the caller
//! computes and checks (core holds no key). Parsing is on the hottest path: it never allocates and never panics.
//! Nothing here shows a secret.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;
use zeroize::Zeroize;

pub use crate::base62::Malformed;
use crate::id::{HomeNumber, SessionId, SiteLuid, TokenId};
use crate::secret::{PlainText, Secret256};

/// Bytes that the MAC covers.
pub const MAC_INPUT: usize = 37;
/// Bytes of the MAC.
pub const MAC: usize = 16;
const KEY: usize = MAC_INPUT + MAC;
const SECRET: usize = 32;
const KEY_DIGITS: usize = 71;
const SECRET_DIGITS: usize = 43;
const LUID: usize = 36;
const TEXT: usize = KEY_DIGITS + 1 + SECRET_DIGITS + 1 + LUID;

/// First byte of the key: a session in a site store.
const IN_SITE: u8 = 0x01;
/// First byte of the key: a session in the directory store.
const IN_DIRECTORY: u8 = 0x81;

/// Where a session's row is, and which token it came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SessionKey {
    /// The home site's number; `None` for a session of the directory.
    pub home: Option<HomeNumber>,
    /// The session.
    pub session: SessionId,
    /// Its token (never the nil id); `None` without one.
    pub token: Option<TokenId>,
}

impl SessionKey {
    /// The bytes that the MAC covers.
    #[must_use]
    pub fn mac_input(&self) -> [u8; MAC_INPUT] {
        let mut out = [0; MAC_INPUT];
        out[0] = if self.home.is_some() { IN_SITE } else { IN_DIRECTORY };
        out[1..5].copy_from_slice(&self.home.map_or(0, |home| home.0).to_be_bytes());
        out[5..21].copy_from_slice(self.session.0.as_bytes());
        out[21..].copy_from_slice(self.token.map_or(Uuid::nil(), |token| token.0).as_bytes());
        out
    }

    fn read(bytes: &[u8; KEY]) -> Result<(Self, [u8; MAC]), Malformed> {
        let home = u32::from_be_bytes(part(bytes, 1));
        let home = match (bytes[0], home) {
            (IN_SITE, home) => Some(HomeNumber(home)),
            (IN_DIRECTORY, 0) => None,
            _ => return Err(Malformed),
        };
        let token = Uuid::from_bytes(part(bytes, 21));
        let token = (!token.is_nil()).then_some(TokenId(token));
        let session = SessionId(Uuid::from_bytes(part(bytes, 5)));
        Ok((Self { home, session, token }, part(bytes, MAC_INPUT)))
    }
}

/// Reads base64url without padding; exactly one text per value (the engine refuses stray bits at the end).
fn decode<const N: usize>(digits: &[u8]) -> Result<[u8; N], Malformed> {
    let mut buffer = [0; KEY + 3]; // the engine wants whole groups of three
    let length = URL_SAFE_NO_PAD.decode_slice(digits, &mut buffer).map_err(|_| Malformed)?;
    let bytes = buffer.get(..length).and_then(|bytes| bytes.try_into().ok()).ok_or(Malformed);
    buffer.zeroize();
    bytes
}

fn part<const N: usize>(bytes: &[u8; KEY], from: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[from..from + N]);
    out
}

/// A parsed session credential. The MAC is not checked yet.
#[derive(Clone)]
pub struct SessionText {
    /// Where the session is.
    pub key: SessionKey,
    /// What the text claims to be the MAC of [`SessionKey::mac_input`].
    pub mac: [u8; MAC],
    /// The secret itself.
    pub secret: Secret256,
    /// The site the text names; the session's row says whether that is true.
    pub site: SiteLuid,
}

impl fmt::Debug for SessionText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionText")
            .field("key", &self.key)
            .field("site", &self.site)
            .finish_non_exhaustive()
    }
}

impl SessionText {
    /// Reads the text.
    ///
    /// # Errors
    /// [`Malformed`] for anything that [`SessionText::render`] would not write.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let text: &[u8; TEXT] = text.as_bytes().try_into().map_err(|_| Malformed)?;
        let (key, rest) = text.split_at(KEY_DIGITS);
        let (secret, site) = rest[1..].split_at(SECRET_DIGITS);
        if rest[0] != b'|' || site[0] != b'|' {
            return Err(Malformed);
        }
        let site = &site[1..];
        if site.iter().any(u8::is_ascii_uppercase) {
            return Err(Malformed);
        }
        let site = SiteLuid(Uuid::try_parse_ascii(site).map_err(|_| Malformed)?);
        let (key, mac) = SessionKey::read(&decode(key)?)?;
        Ok(Self { key, mac, secret: Secret256::new(decode::<SECRET>(secret)?), site })
    }

    /// Writes the text.
    #[must_use]
    pub fn render(&self) -> PlainText {
        let mut key = [0; KEY];
        key[..MAC_INPUT].copy_from_slice(&self.key.mac_input());
        key[MAC_INPUT..].copy_from_slice(&self.mac);
        let mut text = String::with_capacity(TEXT);
        URL_SAFE_NO_PAD.encode_string(key, &mut text);
        text.push('|');
        URL_SAFE_NO_PAD.encode_string(self.secret.expose(), &mut text);
        text.push('|');
        let mut luid = [0; LUID];
        text.push_str(self.site.0.hyphenated().encode_lower(&mut luid));
        PlainText::new(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts() -> impl Strategy<Value = SessionText> {
        (
            any::<Option<u32>>(),
            any::<u128>(),
            any::<Option<u128>>(),
            any::<[u8; 16]>(),
            any::<[u8; 32]>(),
            any::<u128>(),
        )
            .prop_map(|(home, session, token, mac, secret, site)| SessionText {
                key: SessionKey {
                    home: home.map(HomeNumber),
                    session: SessionId(Uuid::from_u128(session)),
                    token: token.filter(|t| *t != 0).map(|t| TokenId(Uuid::from_u128(t))),
                },
                mac,
                secret: Secret256::new(secret),
                site: SiteLuid(Uuid::from_u128(site)),
            })
    }

    proptest! {
        #[test]
        fn every_session_comes_back(session in texts()) {
            let text = session.render();
            let read = SessionText::parse(text.expose())?;
            prop_assert_eq!((read.key, read.mac, read.site), (session.key, session.mac, session.site));
            prop_assert_eq!(read.secret.expose(), session.secret.expose());
        }

        /// Core sees no key: what it cannot refuse itself must at least read as something else, for the MAC, the
        /// digest or the row's site to refuse.
        #[test]
        fn a_changed_character_is_refused_or_reads_as_another_credential(
            session in texts(), at: prop::sample::Index, to in any::<char>(),
        ) {
            let mut chars: Vec<char> = session.render().expose().chars().collect();
            let at = at.index(chars.len());
            prop_assume!(chars[at] != to);
            chars[at] = to;
            if let Ok(read) = SessionText::parse(&chars.into_iter().collect::<String>()) {
                let same = read.key.mac_input() == session.key.mac_input()
                    && read.mac == session.mac
                    && read.secret.expose() == session.secret.expose()
                    && read.site == session.site;
                prop_assert!(!same);
            }
        }

        #[test]
        fn no_text_panics(text: String, tail in "[-_0-9A-Za-z]{71}\\|[-_0-9A-Za-z]{43}\\|[-{}0-9a-fA-F:]{36}") {
            let _ = SessionText::parse(&text);
            let _ = SessionText::parse(&tail);
        }
    }
}
