//! The web pages: so far the one on which an invitation is redeemed.
//!
//! Static, with no outside asset. The invitation stays in the URL's fragment, which browsers never send; only the
//! script puts it into the body of the redemption.

use std::sync::LazyLock;

use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("invitation.css");
const SCRIPT: &str = include_str!("invitation.js");
const BODY: &str = include_str!("invitation.html");

/// The page, with style and script in place.
static PAGE: LazyLock<String> =
    LazyLock::new(|| BODY.replace("/*STYLE*/", STYLE).replace("/*SCRIPT*/", SCRIPT));

/// Nothing but this very style and script, and calls to this daemon.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// The page on which an invitation is redeemed.
#[utoipa::path(get, path = "/invitation", tag = "pages",
    responses((status = 200, description = "The page", content_type = "text/html")))]
pub(crate) async fn invitation() -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, POLICY.clone()),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, PAGE.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_page_holds_the_style_and_script_that_its_policy_allows() {
        let page = invitation().await;
        let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().expect("ASCII").to_owned();
        for part in [STYLE, SCRIPT] {
            assert!(PAGE.contains(&format!(">{part}</")));
            assert!(policy.contains(&STANDARD.encode(Sha256::digest(part))));
        }
        assert!(!PAGE.contains("http://") && !PAGE.contains("https://") && !PAGE.contains("src="));
        assert!(!policy.contains("unsafe"));
    }
}
