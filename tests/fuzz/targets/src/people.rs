//! What people, their clients and operators write: secrets, request bodies, stored digests, the config file.

use hasher_argon2id::Params;
use patd_config::Config;
use patd_core::id::{HomeNumber, TokenId};
use patd_core::invitation_text::InvitationText;
use patd_core::secret::{PhcDigest, Secret256};
use patd_core::session_text::SessionText;
use patd_core::token_text::TokenText;
use uuid::Uuid;

use crate::readable;

/// A stored digest: its parts are what was written, and its params are read as a hasher reads them.
pub(crate) fn phc(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let digest = PhcDigest(text.to_owned());
    if let Some(parts) = digest.parts() {
        assert_eq!(PhcDigest::of(parts.params, &parts.hash).0, text);
        assert!(parts.params.starts_with(&format!("${}", parts.scheme)));
    }
    if let Ok(params) = text.parse::<Params>() {
        assert_eq!(params.to_string(), text, "one spelling");
    }
}

/// Secrets that a client shows: each value has one text.
pub(crate) fn secrets(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(token) = TokenText::parse(text) {
        assert_eq!(token.render().expose(), text);
    }
    if let Ok(session) = SessionText::parse(text) {
        assert_eq!(session.render().expose(), text);
    }
    if let Ok(invitation) = InvitationText::parse(text) {
        assert_eq!(invitation.render().expose(), text);
    }
    // The check digits keep a fuzzer's texts out; its bytes make whole ones.
    let Some((home, rest)) = data.split_first_chunk() else { return };
    let Some((secret, rest)) = rest.split_first_chunk() else { return };
    let Some(id) = rest.first_chunk() else { return };
    let (home, secret) = (HomeNumber(u32::from_le_bytes(*home)), Secret256::new(*secret));
    let made = TokenText { home, id: TokenId(Uuid::from_bytes(*id)), secret };
    let read = TokenText::parse(made.render().expose()).expect("what was rendered parses");
    assert_eq!((read.home, read.id, read.secret.expose()), (made.home, made.id, made.secret.expose()));
}

/// A request body of the Tableau surface, XML or JSON.
pub(crate) fn tableau(data: &[u8]) {
    let reads = patd_http::tableau::body_reads(data);
    assert!(!reads || data.len() <= 64 << 10, "a body of {} bytes is read", data.len());
}

/// A config file: a mistake is told with a line that the file has.
pub(crate) fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
    match Config::parse(text, "patd.toml") {
        Ok(config) => {
            // As at a start, but for the files that settings name: a fuzzer may name any.
            assert_eq!(config.resolved_sites().len(), config.sites.len());
            let named = config.hashers.len() + config.stores.len() + config.sinks.len();
            assert!(config.unpinned().len() <= named);
            readable(&config.problem(&["hashers"], String::new()).to_string(), 200);
        }
        Err(error) => {
            assert!(!error.problems().is_empty(), "no mistake is told");
            for problem in error.problems() {
                assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)), "{problem}");
                assert!(!problem.message.is_empty());
            }
        }
    }
}
