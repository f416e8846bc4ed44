//! Scalars of the payloads: numbers that survive JSON, bytes, and digests that never show in `Debug`.
//!
//! Numbers of 2^53 and beyond travel as strings, because many JSON readers keep a double only.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// The first number that a double cannot tell from its neighbours.
const LIMIT: u64 = 1 << 53;

/// A number that is never negative: versions, epochs, positions, counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Nat(pub u64);

/// A signed number: times and spans in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Micros(pub i64);

impl Serialize for Nat {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if self.0 < LIMIT { s.serialize_u64(self.0) } else { s.collect_str(&self.0) }
    }
}

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if self.0.unsigned_abs() < LIMIT { s.serialize_i64(self.0) } else { s.collect_str(&self.0) }
    }
}

struct NatVisitor;

impl Visitor<'_> for NatVisitor {
    type Value = Nat;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 0 to 2^64-1, as a string from 2^53 on")
    }

    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Nat, E> {
        Ok(Nat(v))
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<Nat, E> {
        v.parse().map(Nat).map_err(|_| E::invalid_value(de::Unexpected::Str(v), &self))
    }
}

impl<'de> Deserialize<'de> for Nat {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(NatVisitor)
    }
}

struct MicrosVisitor;

impl Visitor<'_> for MicrosVisitor {
    type Value = Micros;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of 64 bits, as a string from 2^53 on")
    }

    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Micros, E> {
        i64::try_from(v).map(Micros).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(v), &self))
    }

    fn visit_i64<E: de::Error>(self, v: i64) -> Result<Micros, E> {
        Ok(Micros(v))
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<Micros, E> {
        v.parse().map(Micros).map_err(|_| E::invalid_value(de::Unexpected::Str(v), &self))
    }
}

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(MicrosVisitor)
    }
}

/// Bytes, as base64url without padding: sealed secrets and fast digests. `Debug` shows their number only.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// The text form.
    #[must_use]
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0)
    }

    /// Reads the text form; `None` when it is not base64url without padding.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok().map(Self)
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({} bytes)", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.to_text())
    }
}

struct BytesVisitor;

impl Visitor<'_> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64url text without padding")
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<Bytes, E> {
        // The text itself may be a digest, so it is not repeated.
        Bytes::from_text(v).ok_or_else(|| E::custom("this is not base64url text without padding"))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_str(BytesVisitor)
    }
}

/// A stored digest in PHC form. `Debug` never shows it.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Phc(pub String);

impl fmt::Debug for Phc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phc(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_from_two_to_the_53_on_travel_as_strings() {
        for (n, text) in [(0, "0"), (LIMIT - 1, "9007199254740991"), (LIMIT, "\"9007199254740992\"")] {
            assert_eq!(serde_json::to_string(&Nat(n)).expect("serializes"), text);
            assert_eq!(serde_json::from_str::<Nat>(text).expect("reads"), Nat(n));
        }
        for n in [i64::MIN, -1, 0, 1_763_000_000_000_000, i64::MAX] {
            let text = serde_json::to_string(&Micros(n)).expect("serializes");
            assert_eq!(serde_json::from_str::<Micros>(&text).expect("reads"), Micros(n));
        }
        assert!(serde_json::from_str::<Nat>("-1").is_err());
        assert!(serde_json::from_str::<Micros>("1.5").is_err());
    }

    #[test]
    fn bytes_are_base64url_and_never_repeated_in_errors() {
        let bytes = Bytes(vec![0xff, 0xfe, 0x00]);
        assert_eq!(serde_json::to_string(&bytes).expect("serializes"), "\"__4A\"");
        assert_eq!(serde_json::from_str::<Bytes>("\"__4A\"").expect("reads"), bytes);
        let error = serde_json::from_str::<Bytes>("\"canary==\"").expect_err("is padded").to_string();
        assert!(!error.contains("canary"), "{error}");
        assert_eq!(format!("{bytes:?} {:?}", Phc("canary".into())), "Bytes(3 bytes) Phc(…)");
    }
}
