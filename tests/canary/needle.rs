//! What to search for: a secret's telling part, in every form in which it could be written down.

use super::Secrets;

/// Bytes to search for, each with what it is.
pub(super) struct Needles(pub(super) Vec<(String, Vec<u8>)>);

impl Needles {
    pub(super) fn of(secrets: &Secrets) -> Self {
        let mut needles = Vec::new();
        for (what, secret) in secrets {
            let mut add = |form: &str, bytes: Vec<u8>| {
                assert!(bytes.len() >= 8, "{what} is too short to be searched for as {form}");
                needles.push((format!("{what}, {form}"), bytes));
            };
            let part = telling_part(secret);
            add("plain", part.as_bytes().to_vec());
            if part.contains('-') {
                add("without its dashes", part.replace('-', "").into_bytes());
            }
            if part.contains(' ') {
                add("percent-encoded", part.replace(' ', "%20").into_bytes());
                add("form-encoded", part.replace(' ', "+").into_bytes());
            }
            add("hexadecimal", hex(part.as_bytes()));
            add("upper hexadecimal", hex(part.as_bytes()).to_ascii_uppercase());
            for shift in 0..3 {
                add("base64", base64_inside(part.as_bytes(), shift));
            }
            // What the text stands for, where it is a number in base62 or base32.
            let meant = [number(part, BASE62, 43), number(part, BASE32, 32)];
            for bytes in meant.into_iter().flatten() {
                add("its hexadecimal number", hex(&bytes));
                add("its base64 number", base64_inside(&bytes, 0));
                add("its number", bytes);
            }
        }
        Self(needles)
    }
}

const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The secret part of a token or session credential, whose other parts are public; all of anything else.
fn telling_part(secret: &str) -> &str {
    if let Some(session) = secret.split('|').nth(1) {
        return session;
    }
    match secret.strip_prefix("patd_").and_then(|rest| rest.rsplit('_').next()) {
        Some(last) if last.len() == 49 => &last[..43],
        _ => secret,
    }
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes()
}

/// What base64 makes of the bytes at this place in a longer text, without the ends that depend on neighbours.
fn base64_inside(bytes: &[u8], shift: usize) -> Vec<u8> {
    let padded: Vec<u8> = std::iter::repeat_n(0, shift).chain(bytes.iter().copied()).collect();
    let mut text = Vec::new();
    for group in padded.chunks_exact(3) {
        let bits = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        text.extend([18, 12, 6, 0].map(|at| BASE64[(bits >> at & 63) as usize]));
    }
    text.split_off(if shift == 0 { 0 } else { 4 })
}

/// The bytes of a text of exactly so many digits.
fn number(text: &str, alphabet: &[u8], digits: usize) -> Option<Vec<u8>> {
    if text.len() != digits {
        return None;
    }
    let mut bytes = vec![0u8; digits * alphabet.len().ilog2() as usize / 8 + 1];
    for byte in text.bytes() {
        let digit = alphabet.iter().position(|letter| *letter == byte)?;
        let mut carry = digit;
        for place in bytes.iter_mut().rev() {
            carry += usize::from(*place) * alphabet.len();
            *place = u8::try_from(carry & 255).ok()?;
            carry >>= 8;
        }
    }
    let leading = bytes.iter().take_while(|byte| **byte == 0).count();
    Some(bytes.split_off(leading))
}

#[test]
fn needles_have_the_forms_that_would_be_written() {
    assert_eq!(base64_inside(b"Man is", 0), b"TWFuIGlz");
    assert_eq!(base64_inside(b"xMan is", 2), b"TWFuIGlz");
    assert_eq!(number("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB", BASE32, 32), Some(vec![1]));
    assert_eq!(telling_part("a|b|c"), "b");
}
