//! Query strings: the few parameters that this surface knows. Others are ignored, as the vendor's surface does.

use percent_encoding::percent_decode_str;

use super::answer::Element;
use super::error::Failure;

const PAGE_SIZE: u32 = 100;
const MAX_PAGE_SIZE: u32 = 1000;

/// The first value of a parameter.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(key) == name).then(|| decoded(value))
    })
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// A numbered page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PageAsked {
    pub(super) number: u32,
    pub(super) size: u32,
}

impl PageAsked {
    /// Reads `pageNumber` and `pageSize`.
    pub(super) fn of(query: &str) -> Result<Self, Failure> {
        let number = match parameter(query, "pageNumber") {
            None => 1,
            Some(text) => whole(&text).ok_or_else(bad_number)?,
        };
        let size = match parameter(query, "pageSize").map(|text| whole(&text)) {
            None => PAGE_SIZE,
            Some(None) => {
                let detail = "The page size must be a whole number from 1 to 1000.";
                return Err(Failure::new(400_007, "Invalid page size", detail));
            }
            Some(Some(size)) if size > MAX_PAGE_SIZE => {
                let detail = "The page size must not be more than 1000.";
                return Err(Failure::new(403_014, "Page size limit exceeded", detail));
            }
            Some(Some(size)) => size,
        };
        Ok(Self { number, size })
    }

    /// How many items come before this page; where that is beyond counting, the page is beyond the last.
    pub(super) fn offset(self) -> Result<u32, Failure> {
        (self.number - 1).checked_mul(self.size).ok_or_else(bad_number)
    }

    /// The `<pagination/>` of an answer; refuses a page after the last.
    pub(super) fn element(self, total: u64) -> Result<Element, Failure> {
        if self.number > 1 && u64::from(self.offset()?) >= total {
            return Err(bad_number());
        }
        Ok(Element::new("pagination")
            .with("pageNumber", self.number.to_string())
            .with("pageSize", self.size.to_string())
            .with("totalAvailable", total.to_string()))
    }
}

fn whole(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number: Option<u32> = digits.then(|| text.parse().unwrap_or(u32::MAX));
    number.filter(|number| *number > 0)
}

fn bad_number() -> Failure {
    let detail = "The page number must be a whole number from 1 to the last page's.";
    Failure::new(400_006, "Invalid page number", detail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_are_decoded_and_the_first_counts() {
        assert_eq!(parameter("a=1&key=con%74ent+Url&key=2", "key"), Some("content Url".to_owned()));
        assert_eq!(parameter("keys=1&&=", "key"), None);
        assert_eq!(parameter("key", "key"), Some(String::new()));
    }

    #[test]
    fn pages_have_the_vendors_defaults_and_limits() {
        let page = |query| PageAsked::of(query).map(|page| (page.number, page.size));
        assert_eq!(page("fields=_all_"), Ok((1, 100)));
        assert_eq!(page("pageNumber=3&pageSize=1000"), Ok((3, 1000)));
        for (query, summary) in [
            ("pageNumber=0", "Invalid page number"),
            ("pageNumber=-1", "Invalid page number"),
            ("pageNumber=", "Invalid page number"),
            ("pageNumber=1.5", "Invalid page number"),
            ("pageSize=0", "Invalid page size"),
            ("pageSize=x", "Invalid page size"),
            ("pageSize=1001", "Page size limit exceeded"),
            ("pageSize=99999999999999999999", "Page size limit exceeded"),
        ] {
            let failure = PageAsked::of(query).expect_err(query);
            let answer = Failure::new(
                match summary {
                    "Invalid page number" => 400_006,
                    "Invalid page size" => 400_007,
                    _ => 403_014,
                },
                summary,
                "",
            );
            assert_eq!(failure.status(), answer.status(), "{query}");
            assert!(format!("{failure:?}").contains(summary), "{query}");
        }
    }

    #[test]
    fn a_page_after_the_last_is_refused() {
        let page = |number| PageAsked { number, size: 100 };
        assert!(page(1).element(0).is_ok());
        assert!(page(2).element(101).is_ok());
        assert!(page(2).element(100).is_err());
        assert!(page(u32::MAX).element(u64::MAX).is_err());
    }

    proptest! {
        #[test]
        fn no_query_panics(query in "[ -~]{0,60}") {
            let _ = PageAsked::of(&query).and_then(|page| page.element(5));
        }
    }
}
