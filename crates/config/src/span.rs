//! Durations with units: `"250ms"`, `"5s"`, `"120m"`, `"24h"`, `"365d"`.
//!
//! Must never accept a bare number: nobody remembers whether it meant seconds.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::text::read_from_text;

read_from_text!(Span);

const DAY: Duration = Duration::from_secs(86_400);

/// Units, largest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A duration that is written as a whole number and one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);

impl Span {
    /// `n` milliseconds.
    #[must_use]
    pub const fn millis(n: u64) -> Self {
        Self(Duration::from_millis(n))
    }

    /// `n` seconds.
    #[must_use]
    pub const fn seconds(n: u64) -> Self {
        Self(Duration::from_secs(n))
    }

    /// `n` minutes.
    #[must_use]
    pub const fn minutes(n: u32) -> Self {
        Self(Duration::from_secs(n as u64 * 60))
    }

    /// `n` days of 24 hours.
    #[must_use]
    pub const fn days(n: u32) -> Self {
        Self(Duration::from_secs(n as u64 * DAY.as_secs()))
    }

    /// The same as the standard library says it.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// Whether nothing is left of it.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

/// Why a text is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no duration; write a whole number and one unit of ms, s, m, h, d, like \"120m\" or \"365d\""
)]
pub struct SpanError;

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let refused = || SpanError;
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(refused)?;
        let number: u64 = number.parse().map_err(|_| refused())?;
        let millis = number.checked_mul(*factor).ok_or_else(refused)?;
        // A century is beyond every use and keeps sums with a date in range.
        if millis > 36_525 * 86_400_000 { Err(refused()) } else { Ok(Self::millis(millis)) }
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;

    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if millis == 0 {
            return f.write_str("0s");
        }
        let exact = UNITS.iter().find(|(_, factor)| millis.is_multiple_of(u128::from(*factor)));
        let (unit, factor) = exact.copied().unwrap_or(("ms", 1));
        write!(f, "{}{unit}", millis / u128::from(factor))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_unit_is_read() {
        for (text, expected) in [
            ("250ms", Duration::from_millis(250)),
            ("5s", Duration::from_secs(5)),
            ("120m", Duration::from_secs(7_200)),
            ("24h", DAY),
            ("365d", 365 * DAY),
        ] {
            assert_eq!(text.parse::<Span>().map(Span::duration), Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "5",
            "s",
            "5 s",
            " 5s",
            "-5s",
            "+5s",
            "1.5h",
            "5S",
            "5w",
            "1h30m",
            "99999999999999999999s",
            "٥s",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text:?}");
        }
        assert!("36526d".parse::<Span>().is_err(), "more than a century");
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(millis in 0u64..3_000_000_000_000) {
            let span = Span::millis(millis);
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }
    }
}
