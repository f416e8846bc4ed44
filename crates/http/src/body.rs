//! Reading bodies: bounded in size and time, strict in form.
//!
//! No answer repeats what a body held: a client may have put a secret into the wrong member.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError};
use serde::de::DeserializeOwned;

use crate::envelope::body_too_large;
use crate::problem::{Kind, Problem};
use crate::state::Http;

/// The whole body.
///
/// # Errors
/// 413 above the limit, 408 when it comes too slowly, 400 when the client breaks off.
pub async fn read(body: Body, http: &Http) -> Result<Bytes, Problem> {
    let limit = http.limits.body_time();
    match tokio::time::timeout(limit, body.collect()).await {
        Err(_) => {
            let seconds = limit.as_secs_f64();
            Err(Problem::new(Kind::RequestTimeout, format!("the body took longer than {seconds} s")))
        }
        Ok(Err(error)) if is_too_large(&error) => Err(body_too_large()),
        Ok(Err(_)) => Err(Problem::invalid_request("the body broke off or is framed wrongly")),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether `Content-Type` is this media type, parameters aside.
#[must_use]
pub fn has_media_type(headers: &HeaderMap, media_type: &str) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let essence = value.as_bytes().split(|b| *b == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(media_type.as_bytes())
}

/// Whether the body comes as it is: nothing here takes one apart that is compressed.
#[must_use]
pub fn is_plain(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

pub(crate) fn takes(headers: &HeaderMap, media_type: &str) -> Result<(), Problem> {
    let refuse = |detail: String| Err(Problem::new(Kind::UnsupportedMediaType, detail));
    if !has_media_type(headers, media_type) {
        return refuse(format!("this call takes a body of media type {media_type}"));
    }
    if !is_plain(headers) {
        return refuse("this call takes no compressed body".to_owned());
    }
    Ok(())
}

/// A JSON body, strictly: media type 415, anything that is not `T` 400. The target type denies unknown members.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Http>> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, http: &Arc<Http>) -> Result<Self, Problem> {
        takes(request.headers(), "application/json")?;
        let body = read(request.into_body(), http).await?;
        parse(&body).map(Self)
    }
}

/// Reads the one object that a body has to be (serde would take an array for a struct as well).
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::invalid_request(
            "the body is not what this call takes: it is not a JSON object",
        ));
    }
    serde_json::from_slice(body).map_err(|error| malformed(&error))
}

/// Says what is wrong with a body without repeating any of it.
fn malformed(error: &serde_json::Error) -> Problem {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    // serde's texts: only the parts that name *our* members and types are passed on.
    let what = if text.starts_with("missing field `") || text.starts_with("duplicate field `") {
        text.split(" at line ").next().unwrap_or_default().replace("field", "member")
    } else if text.starts_with("unknown field `") {
        let known = text.rsplit_once(", expected ").map_or("", |(_, known)| known);
        let known = known.split(" at line ").next().unwrap_or_default();
        format!(
            "it has a member that this call does not know (known: {})",
            known.trim_start_matches("one of ")
        )
    } else if error.is_data() {
        "a member has the wrong type".to_owned()
    } else {
        "it is not well-formed JSON".to_owned()
    };
    Problem::invalid_request(format!(
        "the body is not what this call takes: {what}, at line {line} column {column}"
    ))
}

/// A form body (`application/x-www-form-urlencoded`) as pairs.
#[derive(Debug)]
pub struct Form(pub Vec<(String, String)>);

impl FromRequest<Arc<Http>> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, http: &Arc<Http>) -> Result<Self, Problem> {
        takes(request.headers(), "application/x-www-form-urlencoded")?;
        let body = read(request.into_body(), http).await?;
        let malformed = || Problem::invalid_request("the body is not a well-formed form");
        let body = std::str::from_utf8(&body).map_err(|_| malformed())?;
        pairs(body).map(Self).ok_or_else(malformed)
    }
}

/// The pairs of a form or a query string; `None` when they do not decode to UTF-8.
pub(crate) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let decode = |part: &str| {
        let part = part.replace('+', " ");
        percent_encoding::percent_decode_str(&part).decode_utf8().ok().map(std::borrow::Cow::into_owned)
    };
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Shape {
        name: String,
        flag: Option<bool>,
    }

    fn refused(body: &str) -> String {
        let problem = parse::<Shape>(body.as_bytes()).expect_err("a refusal");
        assert_eq!(problem.kind, Kind::InvalidRequest);
        problem.detail
    }

    #[test]
    fn a_body_of_the_right_shape_passes() {
        assert!(parse::<Shape>(br#" {"name": "x"} "#).is_ok());
        assert!(parse::<Shape>(br#"{"name": "x", "flag": null}"#).is_ok());
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(refused("").contains("not a JSON object"));
        assert!(refused(r#"["x", true]"#).contains("not a JSON object"));
        assert!(refused(r#"{"name": "x""#).contains("not well-formed JSON"));
        assert!(refused(r#"{"name": "x"} x"#).contains("not well-formed JSON"));
        assert!(refused("{}").contains("missing member `name`"));
        assert!(refused(r#"{"name": "x", "name": "y"}"#).contains("duplicate member `name`"));
        assert!(refused(r#"{"name": 1}"#).contains("wrong type"));
        assert!(
            refused(r#"{"name": "x", "nmae": 1}"#).contains("(known: `name`, `flag`)")
                || refused(r#"{"name": "x", "nmae": 1}"#).contains("(known: `name` or `flag`)")
        );
    }

    #[test]
    fn no_refusal_repeats_what_the_body_held() {
        for body in [
            r#"{"name": "x", "flag": "patd_secret"}"#,
            r#"{"patd_secret": 1}"#,
            r#"{"name": {"patd_secret": 1}}"#,
            r#"{"name": patd_secret}"#,
            r#"{"name": "x", "patd_secret, expected `name": 1}"#,
            r#""patd_secret""#,
        ] {
            assert!(!refused(body).contains("patd_secret"), "{body}");
        }
    }

    #[test]
    fn a_deep_body_is_refused() {
        let deep = format!("{{\"name\": {}{}}}", "[".repeat(50_000), "]".repeat(50_000));
        refused(&deep);
        refused(&deep.replace("name", "other"));
    }

    #[test]
    fn media_types_match_without_case_and_parameters() {
        let has = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_TYPE, axum::http::HeaderValue::from_static(value));
            }
            has_media_type(&headers, "application/json")
        };
        assert!(has(&["application/json"]) && has(&["Application/JSON; charset=utf-8"]));
        assert!(!has(&[]) && !has(&["text/json"]) && !has(&["application/jsonx"]) && !has(&[""]));
        assert!(!has(&["application/json", "text/plain"]));
    }

    #[test]
    fn forms_decode_to_pairs() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(pairs("a=1+2&b=%7C&&c"), Some(vec![pair("a", "1 2"), pair("b", "|"), pair("c", "")]));
        assert_eq!(pairs("a=%ff"), None);
        assert_eq!(pairs("a=%zz"), Some(vec![pair("a", "%zz")]));
    }

    proptest! {
        #[test]
        fn no_body_panics(bytes: Vec<u8>, text: String) {
            let _ = parse::<Shape>(&bytes);
            let _ = parse::<Shape>(format!("{{{text}").as_bytes());
            let _ = pairs(&text);
        }
    }
}
