//! The answer table. Columns: nobody, another member, admin, admin of the other site, token session of an admin, password
//! session of an admin, interactive session (native: of the person named; Tableau: of an admin).

/// One route.
pub(super) struct Row {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) body: &'static str,
    pub(super) answers: [&'static str; 7],
}

const fn row(
    method: &'static str,
    path: &'static str,
    body: &'static str,
    answers: [&'static str; 7],
) -> Row {
    Row { method, path, body, answers }
}

const NONE: &str = "401 credentials-required";
const WRONG: &str = "401 credentials-rejected";
const NOT_YOU: &str = "403 not-permitted";
const PERSON: &str = "403 interactive-required";
const UNKNOWN: &str = "404 not-found";

pub(super) const NATIVE: &[Row] = &[
    row(
        "POST",
        "/v1/sessions",
        r#"{"site": "acme", "token_secret": "{secret}"}"#,
        ["201", "201", "201", "201", "201", "201", "201"],
    ),
    row("GET", "/v1/sessions/current", "", [NONE, "200", "200", "200", "200", "200", "200"]),
    row("DELETE", "/v1/sessions/current", "", [NONE, "204", "204", "204", "204", "204", "204"]),
    row(
        "POST",
        "/v1/sites/{site}/tokens",
        r#"{"name": "of the cell"}"#,
        [NONE, "201", "201", UNKNOWN, PERSON, PERSON, "201"],
    ),
    row("GET", "/v1/sites/{site}/tokens", "", [NONE, "200", "200", UNKNOWN, "200", "200", "200"]),
    row("DELETE", "/v1/sites/{site}/tokens/{id}", "", [NONE, UNKNOWN, "204", UNKNOWN, "204", "204", "204"]),
    row("GET", "/v1/sites/{site}/users", "", [NONE, NOT_YOU, "200", UNKNOWN, "200", "200", NOT_YOU]),
    row(
        "POST",
        "/v1/sites/{site}/users",
        r#"{"username": "{fresh}", "site_role": "Viewer"}"#,
        [NONE, NOT_YOU, "201", UNKNOWN, "201", "201", NOT_YOU],
    ),
    row("GET", "/v1/sites/{site}/users/{luid}", "", [NONE, NOT_YOU, "200", UNKNOWN, "200", "200", "200"]),
    row(
        "PATCH",
        "/v1/sites/{site}/users/{luid}",
        r#"{"site_role": "Viewer"}"#,
        [NONE, NOT_YOU, "200", UNKNOWN, "200", "200", NOT_YOU],
    ),
    row(
        "DELETE",
        "/v1/sites/{site}/users/{luid}",
        "",
        [NONE, NOT_YOU, "204", UNKNOWN, "204", "204", NOT_YOU],
    ),
    row(
        "GET",
        "/v1/sites/{site}/users/{luid}/tokens",
        "",
        [NONE, NOT_YOU, "200", UNKNOWN, "200", "200", "200"],
    ),
    row(
        "DELETE",
        "/v1/sites/{site}/users/{luid}/tokens",
        "",
        [NONE, NOT_YOU, "204", UNKNOWN, "204", "204", "204"],
    ),
    row(
        "POST",
        "/v1/invitations/redeem",
        r#"{"invitation": "patdi_no", "password": "a long password"}"#,
        [WRONG, WRONG, WRONG, WRONG, WRONG, WRONG, WRONG],
    ),
    row("PATCH", "/v1/me", r#"{"full_name": "Ann"}"#, [NONE, "200", "200", "200", PERSON, PERSON, "200"]),
    row(
        "POST",
        "/v1/me/password",
        r#"{"current_password": "a long password", "new_password": "another long one"}"#,
        [NONE, "204", "204", "204", PERSON, PERSON, "204"],
    ),
    row("POST", "/v1/me/totp", "{}", [NONE, "201", "201", "201", PERSON, PERSON, "201"]),
    row(
        "DELETE",
        "/v1/me/totp",
        r#"{"code": "000000"}"#,
        [NONE, "409 totp-state", "409 totp-state", "409 totp-state", PERSON, PERSON, "409 totp-state"],
    ),
    row(
        "POST",
        "/v1/me/totp/confirm",
        r#"{"code": "000000"}"#,
        [NONE, "409 totp-state", "409 totp-state", "409 totp-state", PERSON, PERSON, "409 totp-state"],
    ),
    row(
        "POST",
        "/v1/sites/{site}/revocations",
        r#"{"issued_before": "2026-01-01T00:00:00Z", "dry_run": true}"#,
        [NONE, NOT_YOU, "200", UNKNOWN, "200", "200", NOT_YOU],
    ),
    row("GET", "/v1/sites/{site}/events", "", [NONE, NOT_YOU, "200", UNKNOWN, "200", "200", NOT_YOU]),
    row("POST", "/v1/sites/{site}/introspect", "token=x", [NONE, NONE, NONE, NONE, NONE, NONE, NONE]),
    row("GET", "/v1/sites/{site}/verify", "", [NONE, WRONG, WRONG, WRONG, "204", "204", WRONG]),
    row("GET", "/v1/openapi.json", "", ["200", "200", "200", "200", "200", "200", "200"]),
    row("GET", "/.well-known/patd", "", ["200", "200", "200", "200", "200", "200", "200"]),
    row("GET", "/invitation", "", ["200", "200", "200", "200", "200", "200", "200"]),
];

const NO_CREDENTIAL: &str = "401 401000";
const DEAD: &str = "401 401002";
const REFUSED: &str = "403 403004";
const NO_SITE: &str = "404 404000";

pub(super) const TABLEAU: &[Row] = &[
    row("GET", "/api/{version}/serverInfo", "", ["200", "200", "200", "200", "200", "200", "200"]),
    row(
        "POST",
        "/api/{version}/auth/signin",
        r#"{"credentials": {"personalAccessTokenName": "cell", "personalAccessTokenSecret": "{secret}", "site": {"contentUrl": "acme"}}}"#,
        ["200", "200", "200", "200", "200", "200", "200"],
    ),
    row("POST", "/api/{version}/auth/signout", "", [NO_CREDENTIAL, "204", "204", "204", "204", "204", DEAD]),
    row(
        "POST",
        "/api/{version}/auth/switchSite",
        r#"{"site": {"contentUrl": "acme"}}"#,
        [NO_CREDENTIAL, "403 403070", "403 403070", "401 401003", "403 403070", "403 403070", DEAD],
    ),
    row(
        "POST",
        "/api/{version}/auth/revokeAllServerAdminTokens",
        "",
        [NO_CREDENTIAL, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, DEAD],
    ),
    row(
        "DELETE",
        "/api/{version}/auth/serverAdminAccessTokens",
        "",
        [NO_CREDENTIAL, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, DEAD],
    ),
    row(
        "GET",
        "/api/{version}/sessions/current",
        "",
        [NO_CREDENTIAL, "200", "200", "200", "200", "200", DEAD],
    ),
    row(
        "GET",
        "/api/{version}/sites",
        "",
        [NO_CREDENTIAL, "403 403069", "403 403069", "403 403069", "403 403069", "403 403069", DEAD],
    ),
    row("GET", "/api/{version}/sites/{site}", "", [NO_CREDENTIAL, "200", "200", NO_SITE, "200", "200", DEAD]),
    row(
        "GET",
        "/api/{version}/sites/{site}/users",
        "",
        [NO_CREDENTIAL, "403 403133", "200", NO_SITE, "200", "200", DEAD],
    ),
    row(
        "POST",
        "/api/{version}/sites/{site}/users",
        r#"{"user": {"name": "{fresh}-t", "siteRole": "Viewer"}}"#,
        [NO_CREDENTIAL, REFUSED, "201", NO_SITE, "201", "201", DEAD],
    ),
    row(
        "GET",
        "/api/{version}/sites/{site}/users/{user}",
        "",
        [NO_CREDENTIAL, "403 403133", "200", NO_SITE, "200", "200", DEAD],
    ),
    row(
        "PUT",
        "/api/{version}/sites/{site}/users/{user}",
        r#"{"user": {"siteRole": "Viewer"}}"#,
        [NO_CREDENTIAL, REFUSED, "200", NO_SITE, "200", "200", DEAD],
    ),
    row(
        "DELETE",
        "/api/{version}/sites/{site}/users/{user}",
        "",
        [NO_CREDENTIAL, REFUSED, "204", NO_SITE, "204", "204", DEAD],
    ),
    row(
        "GET",
        "/api/{version}/sites/{site}/users/{user}/personal-access-tokens",
        "",
        [NO_CREDENTIAL, REFUSED, "200", NO_SITE, "200", "200", DEAD],
    ),
    row(
        "DELETE",
        "/api/{version}/sites/{site}/users/{user}/personal-access-tokens/{token}",
        "",
        [NO_CREDENTIAL, REFUSED, "204", NO_SITE, "204", "204", DEAD],
    ),
];
