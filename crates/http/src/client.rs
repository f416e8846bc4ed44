//! Who is at the other end: the client's address and `User-Agent`, for limits and audit events.
//!
//! `X-Forwarded-For` is believed from trusted proxies only. A secret that a client put into its `User-Agent` by
//! mistake goes no further than this module.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use ipnet::IpNet;
use patd_core::event::Origin;
use patd_core::session_text::SessionText;

use crate::state::Http;

/// The longest `User-Agent` that is kept, in characters.
const USER_AGENT_MAX: usize = 256;

/// The other end of a connection; the server puts it into each request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Over TCP.
    Tcp(IpAddr),
    /// Over a Unix socket: as trusted as `127.0.0.1`, and without an address of its own.
    Unix,
}

/// The client's address: the peer, or behind trusted proxies the last untrusted hop that they report.
///
/// `None` only for a Unix socket's peer that is not a trusted proxy or reports nothing. A hop that is not an
/// address ends the walk at the proxy that reported it, so that nobody can hide behind garbage.
#[must_use]
pub fn address(peer: Peer, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|net| net.contains(&ip));
    let (mut found, trust) = match peer {
        Peer::Tcp(ip) => (Some(ip.to_canonical()), is_trusted(ip.to_canonical())),
        Peer::Unix => (None, is_trusted(IpAddr::V4(Ipv4Addr::LOCALHOST))),
    };
    if !trust {
        return found;
    }
    let hops = headers.get_all("x-forwarded-for").iter().rev();
    let hops = hops.flat_map(|value| value.as_bytes().rsplit(|b| *b == b','));
    for hop in hops.map(parse_hop) {
        let Some(ip) = hop else { break };
        found = Some(ip);
        if !is_trusted(ip) {
            break;
        }
    }
    found
}

/// An address, with or without a port and brackets.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|a| a.ip()))?;
    Some(ip.to_canonical())
}

/// The `User-Agent` as it may be kept: printable, bounded, words that are patd secrets blotted out.
fn user_agent(headers: &HeaderMap) -> String {
    let Some(value) = headers.get(USER_AGENT) else { return String::new() };
    let text = String::from_utf8_lossy(value.as_bytes());
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).map(|word| {
        let secret = word.contains("patd_") || word.contains("patdi_") || SessionText::parse(word).is_ok();
        if secret { "(removed)" } else { word }
    });
    words.collect::<Vec<_>>().join(" ").chars().take(USER_AGENT_MAX).collect()
}

/// Where a request came from; an extractor that never fails.
#[derive(Clone, Debug)]
pub struct Client(pub Origin);

impl Client {
    /// Reads it off a request's parts.
    #[must_use]
    pub fn of(parts: &Parts, http: &Http) -> Self {
        let peer = parts.extensions.get::<Peer>().copied().unwrap_or(Peer::Unix);
        let address = address(peer, &parts.headers, &http.trusted_proxies);
        Self(Origin {
            address: address.map(|ip| ip.to_string()).unwrap_or_default(),
            user_agent: user_agent(&parts.headers),
        })
    }
}

impl FromRequestParts<Arc<Http>> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http>) -> Result<Self, Infallible> {
        Ok(Self::of(parts, http))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn forwarded(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_str(line).expect("a header"));
        }
        headers
    }

    fn check(peer: &str, lines: &[&str], trusted: &[&str], expected: &str) {
        let peer = if peer == "unix" { Peer::Unix } else { Peer::Tcp(peer.parse().expect("an address")) };
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().expect("a network")).collect();
        let found = address(peer, &forwarded(lines), &trusted);
        assert_eq!(found.map(|ip| ip.to_string()).unwrap_or_default(), expected, "{peer:?} {lines:?}");
    }

    #[test]
    fn a_stranger_cannot_choose_an_address() {
        check("203.0.113.9", &["192.0.2.1"], &[], "203.0.113.9");
        check("203.0.113.9", &["192.0.2.1"], &["10.0.0.0/8"], "203.0.113.9");
    }

    #[test]
    fn behind_trusted_proxies_the_last_untrusted_hop_counts() {
        let net = &["10.0.0.0/8"];
        check("10.0.0.1", &["192.0.2.1"], net, "192.0.2.1");
        check("10.0.0.1", &["6.6.6.6, 192.0.2.1, 10.0.0.2"], net, "192.0.2.1");
        check("10.0.0.1", &["6.6.6.6", "192.0.2.1", "10.0.0.2"], net, "192.0.2.1");
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], net, "10.0.0.3");
        check("10.0.0.1", &[], net, "10.0.0.1");
    }

    #[test]
    fn garbage_ends_the_walk_at_whoever_passed_it_on() {
        let net = &["10.0.0.0/8"];
        check("10.0.0.1", &["192.0.2.1, unknown"], net, "10.0.0.1");
        check("10.0.0.1", &["192.0.2.1, , 10.0.0.2"], net, "10.0.0.2");
    }

    #[test]
    fn addresses_come_in_all_spellings() {
        let net = &["10.0.0.0/8", "::1/128"];
        check("10.0.0.1", &["192.0.2.1:4711"], net, "192.0.2.1");
        check("10.0.0.1", &["[2001:db8::1]:4711"], net, "2001:db8::1");
        check("10.0.0.1", &["[2001:db8::1]"], net, "2001:db8::1");
        check("::1", &["2001:db8::1"], net, "2001:db8::1");
        check("::ffff:10.0.0.1", &["::ffff:192.0.2.1"], net, "192.0.2.1");
    }

    #[test]
    fn a_unix_sockets_peer_is_as_trusted_as_the_loopback() {
        check("unix", &["192.0.2.1"], &["127.0.0.0/8"], "192.0.2.1");
        check("unix", &["192.0.2.1"], &[], "");
        check("unix", &[], &["127.0.0.0/8"], "");
    }

    #[test]
    fn a_user_agent_is_bounded_and_keeps_no_secret() {
        let agent = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(USER_AGENT, HeaderValue::from_bytes(text.as_bytes()).expect("a header"));
            user_agent(&headers)
        };
        assert_eq!(agent("curl/8.5 (x)"), "curl/8.5 (x)");
        assert_eq!(agent("x patd_1_2 y"), "x (removed) y");
        assert_eq!(agent("token=patdi_1_2"), "(removed)");
        assert_eq!(agent(&"a".repeat(9000)).len(), 256);
        assert_eq!(agent(&"ä".repeat(300)).chars().count(), 256);
        assert_eq!(user_agent(&HeaderMap::new()), "");
    }

    proptest! {
        #[test]
        fn no_header_panics(bytes: Vec<u8>) {
            let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", value.clone());
            headers.insert(USER_AGENT, value);
            let _ = address(Peer::Unix, &headers, &["0.0.0.0/0".parse().expect("a network")]);
            prop_assert!(user_agent(&headers).chars().count() <= 256);
        }
    }
}
