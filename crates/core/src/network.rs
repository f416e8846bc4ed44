//! The part of the network that an address lies in: coarse enough that a new one means something. Never an address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A /24 of IPv4 or a /64 of IPv6 (what one subscriber has, RFC 6177).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Network {
    /// The first three bytes.
    V4([u8; 3]),
    /// The first four groups.
    V6([u16; 4]),
}

impl Network {
    /// The network of an address as text; `None` for anything else, such as the empty text of a Unix socket's peer.
    /// An IPv4 address in IPv6 clothes (RFC 4291 §2.5.5.2) is an IPv4 address.
    #[must_use]
    pub fn of(address: &str) -> Option<Self> {
        Some(match address.parse::<IpAddr>().ok()?.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Self::V6([a, b, c, d])
            }
        })
    }

    /// Reads what [`Display`](fmt::Display) wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, _) = text.split_once('/')?;
        Self::of(address).filter(|network| network.to_string() == text)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::V4([a, b, c]) => write!(f, "{}/24", Ipv4Addr::new(a, b, c, 0)),
            Self::V6([a, b, c, d]) => write!(f, "{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[test]
    fn addresses_of_one_subscriber_are_one_network() {
        let of = |text| Network::of(text).expect("an address");
        assert_eq!(of("192.0.2.7"), of("192.0.2.250"));
        assert_eq!(of("192.0.2.7"), of("::ffff:192.0.2.9"));
        assert_ne!(of("192.0.2.7"), of("192.0.3.7"));
        assert_eq!(of("2001:db8:1:2::7"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::7"), of("2001:db8:1:3::7"));
        assert_eq!(of("192.0.2.7").to_string(), "192.0.2.0/24");
        assert_eq!(of("2001:db8:1:2::7").to_string(), "2001:db8:1:2::/64");
    }

    #[test]
    fn only_its_own_text_is_read() {
        for text in ["192.0.2.0/24", "2001:db8::/64", "::/64"] {
            assert_eq!(Network::parse(text).map(|n| n.to_string()).as_deref(), Some(text));
        }
        for text in ["", "192.0.2.1/24", "192.0.2.0/25", "192.0.2.0", "2001:db8::1/64", "::ffff:192.0.2.0/64"]
        {
            assert_eq!(Network::parse(text), None, "{text}");
        }
        assert_eq!(Network::of(""), None);
    }
}
