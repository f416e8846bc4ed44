//! Numbers as fixed-width base62 (`0-9A-Za-z`, big-endian, left-padded with `0`), in both directions.
//!
//! Allocates only where a `String` is asked for, never panics on input, and accepts exactly one text per number.

/// The alphabet, in order of value.
pub const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A text is not of the form that it should have. Says nothing about the text: it may hold a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the text is not a well-formed credential; copy it whole, without blanks")]
pub struct Malformed;

/// Digits that fit a `u64` at once: 62^10 < 2^60.
const CHUNK: usize = 10;
const CHUNK_POWER: u64 = 62u64.pow(CHUNK as u32);
/// Enough limbs for the longest number here (a secret of 32 bytes).
const LIMBS: usize = 4;

const VALUES: [u8; 256] = {
    let mut table = [0xff; 256];
    let mut i = 0;
    while i < ALPHABET.len() {
        table[ALPHABET[i] as usize] = i as u8;
        i += 1;
    }
    table
};

/// Reads digits as one number of `N` bytes (at most 32), big-endian.
///
/// # Errors
/// [`Malformed`] when a character is not a digit or the number needs more than `N` bytes.
pub fn decode<const N: usize>(digits: &[u8]) -> Result<[u8; N], Malformed> {
    const { assert!(N <= LIMBS * 8) };
    let mut limbs = [0u64; LIMBS]; // least significant first
    for chunk in digits.chunks(CHUNK) {
        let mut power = 1u64;
        let mut value = 0u64;
        for digit in chunk {
            let digit = VALUES[usize::from(*digit)];
            if digit == 0xff {
                return Err(Malformed);
            }
            value = value * 62 + u64::from(digit);
            power *= 62;
        }
        let mut carry = u128::from(value);
        for limb in &mut limbs[..N.div_ceil(8)] {
            carry += u128::from(*limb) * u128::from(power);
            *limb = carry as u64;
            carry >>= 64;
        }
        if carry != 0 {
            return Err(Malformed);
        }
    }
    let mut out = [0u8; N];
    for (i, byte) in limbs.iter().flat_map(|limb| limb.to_le_bytes()).enumerate() {
        if i < N {
            out[N - 1 - i] = byte;
        } else if byte != 0 {
            return Err(Malformed);
        }
    }
    Ok(out)
}

/// Writes a number of `N` bytes (at most 32, big-endian) as the last digits of `width` into `out`.
///
/// The width must be enough for `N` bytes; the callers' widths are constants.
pub fn encode<const N: usize>(bytes: &[u8; N], width: usize, out: &mut String) {
    const { assert!(N <= LIMBS * 8) };
    let mut limbs = [0u64; LIMBS]; // most significant first
    for (i, byte) in bytes.iter().rev().enumerate() {
        limbs[LIMBS - 1 - i / 8] |= u64::from(*byte) << (8 * (i % 8));
    }
    let mut digits = [b'0'; LIMBS * CHUNK + CHUNK];
    let mut at = digits.len();
    while at > 0 {
        let mut rest = 0u128;
        for limb in &mut limbs {
            rest = (rest << 64) | u128::from(*limb);
            *limb = (rest / u128::from(CHUNK_POWER)) as u64;
            rest %= u128::from(CHUNK_POWER);
        }
        let mut value = rest as u64;
        for _ in 0..CHUNK {
            at -= 1;
            digits[at] = ALPHABET[(value % 62) as usize];
            value /= 62;
        }
    }
    out.extend(digits[digits.len().saturating_sub(width)..].iter().map(|d| char::from(*d)));
}

/// Writes a number without leading zeros (`0` is `0`).
pub fn encode_short(number: u32, out: &mut String) {
    let mut width = 1;
    let mut rest = number / 62;
    while rest > 0 {
        width += 1;
        rest /= 62;
    }
    encode(&number.to_be_bytes(), width, out);
}

/// Reads a number without leading zeros.
///
/// # Errors
/// [`Malformed`] when it is empty, has leading zeros, a foreign character, or needs more than 32 bits.
pub fn decode_short(digits: &[u8]) -> Result<u32, Malformed> {
    if digits.is_empty() || digits.len() > 6 || (digits.len() > 1 && digits[0] == b'0') {
        return Err(Malformed);
    }
    Ok(u32::from_be_bytes(decode(digits)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_number_comes_back(bytes: [u8; 32], small: u32) {
            let mut text = String::new();
            encode(&bytes, 43, &mut text);
            prop_assert_eq!(decode::<32>(text.as_bytes()), Ok(bytes));
            let mut text = String::new();
            encode_short(small, &mut text);
            prop_assert_eq!(decode_short(text.as_bytes()), Ok(small));
        }

        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            let _ = decode::<4>(&bytes);
            let _ = decode::<32>(&bytes);
            let _ = decode_short(&bytes);
        }
    }

    #[test]
    fn one_more_than_fits_is_refused() {
        assert_eq!(decode::<4>(b"4gfFC3"), Ok([0xff; 4]));
        assert_eq!(decode::<4>(b"4gfFC4"), Err(Malformed));
        assert_eq!(decode_short(b"00"), Err(Malformed));
        assert_eq!(decode_short(b""), Err(Malformed));
    }
}
