//! Which format an answer has: decided by `Accept` alone, never by the request's own format.
//!
//! JSON when `application/json` is what the client likes best (axios sends `application/json, text/plain, */*`), else
//! XML: most clients send `*/*` or nothing and read XML.

use http::HeaderMap;
use http::header::ACCEPT;

/// The two formats of this surface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// `tsResponse` in the vendor's namespace.
    Xml,
    /// The same tree under the vendor's JSON mapping.
    Json,
}

/// The format that the client likes best.
pub(crate) fn preferred(headers: &HeaderMap) -> Format {
    // (liking in thousandths, how late it was named)
    let mut json = None;
    let mut xml = None;
    let mut wild = 0;
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for (place, range) in values.flat_map(|value| value.split(',')).enumerate() {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let liking = parts.find_map(quality).unwrap_or(1000);
        let named = (liking, usize::MAX - place);
        match media.as_str() {
            "application/json" => json = json.max(Some(named)),
            "application/xml" | "text/xml" => xml = xml.max(Some(named)),
            _ if media.contains('*') => wild = wild.max(liking),
            _ => {}
        }
    }
    match json {
        Some((liking, _)) if liking > 0 && liking >= wild && json > xml => Format::Json,
        _ => Format::Xml,
    }
}

fn quality(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let value: f32 = value.trim().parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=1000")]
    let thousandths = (value.clamp(0.0, 1.0) * 1000.0) as u16;
    Some(thousandths)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[&str]) -> Format {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT, HeaderValue::from_str(value).expect("a header value"));
        }
        preferred(&headers)
    }

    #[test]
    fn json_is_answered_where_it_is_liked_best() {
        for likes_json in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/json, text/plain, */*",
            "application/json, application/xml",
            "application/xml;q=0.5, application/json",
            "text/html, application/json;q=0.5, */*;q=0.1",
        ] {
            assert_eq!(of(&[likes_json]), Format::Json, "{likes_json}");
        }
        assert_eq!(of(&["text/plain", "application/json"]), Format::Json);
    }

    #[test]
    fn xml_is_answered_to_everybody_else() {
        assert_eq!(of(&[]), Format::Xml);
        for likes_xml in [
            "*/*",
            "application/*",
            "application/xml",
            "text/xml, application/json",
            "application/xml, application/json",
            "application/json;q=0.2, application/xml;q=0.9",
            "application/json;q=0",
            "application/json;q=0.5, */*",
            "image/png",
            ";;;,,,=q",
            "",
        ] {
            assert_eq!(of(&[likes_xml]), Format::Xml, "{likes_xml}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(text in "[ -~]{0,60}", q in "q=[-+.0-9a-zA-Z]{0,12}") {
            of(&[&text]);
            of(&[&format!("application/json;{q}, {text}")]);
        }
    }
}
