//! The answers, as data. `{…}` in a path and `$…` in a body are filled with objects made for the one request.

/// What callers of one role are answered, by the kind of their session: token, password, interactive.
pub(super) type Answers = [&'static str; 3];

/// Which member, and which token, a path names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Target {
    /// Somebody else of site acme.
    Other,
    /// The caller; nobody's own is somebody else.
    Own,
}

/// What has to be there before the request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Given {
    /// Nothing more.
    Plain,
    /// The caller, if present in person, has begun with one-time codes.
    TotpBegun,
    /// The caller, if present in person, has enrolled one-time codes.
    TotpEnrolled,
    /// The caller is a member of both sites.
    BothSites,
    /// The request carries the site's own credential.
    SiteCredential,
}

/// One request, and what everybody is answered.
pub(super) struct Row {
    pub(super) request: &'static str,
    pub(super) target: Target,
    pub(super) given: Given,
    pub(super) body: &'static str,
    pub(super) nobody: &'static str,
    pub(super) member: Answers,
    pub(super) admin: Answers,
    pub(super) other_admin: Answers,
}

const fn row(
    request: &'static str,
    (target, given): (Target, Given),
    body: &'static str,
    nobody: &'static str,
    [member, admin, other_admin]: [Answers; 3],
) -> Row {
    Row { request, target, given, body, nobody, member, admin, other_admin }
}

const OTHER: (Target, Given) = (Target::Other, Given::Plain);
const OWN: (Target, Given) = (Target::Own, Given::Plain);

const fn all(answer: &'static str) -> Answers {
    [answer; 3]
}

/// What only a person who is present may do.
const fn in_person(answer: &'static str) -> Answers {
    ["403 interactive-required", "403 interactive-required", answer]
}

const REQUIRED: &str = "401 credentials-required";
const REJECTED: &str = "401 credentials-rejected";
const DENIED: Answers = all("403 not-permitted");
const UNKNOWN: Answers = all("404 not-found");

/// The Tableau surface takes no interactive session.
const fn programs(answer: &'static str) -> Answers {
    [answer, answer, "401002"]
}

const T_REQUIRED: &str = "401000";
const T_FORBIDDEN: Answers = programs("403004");
const T_UNKNOWN: Answers = programs("404000");

/// Every route; several rows where the answer depends on whose things the path names.
pub(super) static TABLE: &[Row] = &[
    row(
        "POST /v1/sessions",
        OTHER,
        r#"{"site": "acme", "username": "$target", "password": "$password"}"#,
        "201",
        [all("201"); 3],
    ),
    row(
        "POST /v1/sessions",
        OTHER,
        r#"{"site": "acme", "token_secret": "$token_secret"}"#,
        "201",
        [all("201"); 3],
    ),
    row("GET /v1/sessions/current", OWN, "", REQUIRED, [all("200"); 3]),
    row("DELETE /v1/sessions/current", OWN, "", REQUIRED, [all("204"); 3]),
    row(
        "POST /v1/sites/{site}/tokens",
        OWN,
        r#"{"name": "$fresh"}"#,
        REQUIRED,
        [in_person("201"), in_person("201"), UNKNOWN],
    ),
    row("GET /v1/sites/{site}/tokens", OWN, "", REQUIRED, [all("200"), all("200"), UNKNOWN]),
    row("GET /v1/sites/{site}/tokens?owner=all", OTHER, "", REQUIRED, [DENIED, all("200"), UNKNOWN]),
    row("DELETE /v1/sites/{site}/tokens/{id}", OTHER, "", REQUIRED, [UNKNOWN, all("204"), UNKNOWN]),
    row("DELETE /v1/sites/{site}/tokens/{id}", OWN, "", REQUIRED, [all("204"), all("204"), UNKNOWN]),
    row("GET /v1/sites/{site}/users", OTHER, "", REQUIRED, [DENIED, all("200"), UNKNOWN]),
    row(
        "POST /v1/sites/{site}/users",
        OTHER,
        r#"{"username": "$fresh", "site_role": "Viewer"}"#,
        REQUIRED,
        [DENIED, all("201"), UNKNOWN],
    ),
    row("GET /v1/sites/{site}/users/{luid}", OTHER, "", REQUIRED, [DENIED, all("200"), UNKNOWN]),
    row("GET /v1/sites/{site}/users/{luid}", OWN, "", REQUIRED, [all("200"), all("200"), UNKNOWN]),
    row(
        "PATCH /v1/sites/{site}/users/{luid}",
        OTHER,
        r#"{"site_role": "Viewer", "disabled": true}"#,
        REQUIRED,
        [DENIED, all("200"), UNKNOWN],
    ),
    row(
        "PATCH /v1/sites/{site}/users/{luid}",
        OWN,
        r#"{"site_role": "SiteAdministratorExplorer"}"#,
        REQUIRED,
        [DENIED, DENIED, UNKNOWN],
    ),
    row("DELETE /v1/sites/{site}/users/{luid}", OTHER, "", REQUIRED, [DENIED, all("204"), UNKNOWN]),
    row("DELETE /v1/sites/{site}/users/{luid}", OWN, "", REQUIRED, [DENIED, DENIED, UNKNOWN]),
    row("GET /v1/sites/{site}/users/{luid}/tokens", OTHER, "", REQUIRED, [DENIED, all("200"), UNKNOWN]),
    row("GET /v1/sites/{site}/users/{luid}/tokens", OWN, "", REQUIRED, [all("200"), all("200"), UNKNOWN]),
    row("DELETE /v1/sites/{site}/users/{luid}/tokens", OTHER, "", REQUIRED, [DENIED, all("204"), UNKNOWN]),
    row("DELETE /v1/sites/{site}/users/{luid}/tokens", OWN, "", REQUIRED, [all("204"), all("204"), UNKNOWN]),
    row(
        "POST /v1/invitations/redeem",
        OTHER,
        r#"{"invitation": "$invitation", "password": "$password"}"#,
        "200",
        [all("200"); 3],
    ),
    row(
        "POST /v1/invitations/redeem",
        OTHER,
        r#"{"invitation": "patdi_no", "password": "$password"}"#,
        REJECTED,
        [all(REJECTED); 3],
    ),
    row("GET /v1/me", OWN, "", REQUIRED, [all("200"); 3]),
    row("PATCH /v1/me", OWN, r#"{"full_name": "A. Person"}"#, REQUIRED, [in_person("200"); 3]),
    row(
        "POST /v1/me/password",
        OWN,
        r#"{"current_password": "$password", "new_password": "another horse and staple"}"#,
        REQUIRED,
        [in_person("204"); 3],
    ),
    row("POST /v1/me/totp", OWN, "", REQUIRED, [in_person("201"); 3]),
    row(
        "DELETE /v1/me/totp",
        (Target::Own, Given::TotpEnrolled),
        r#"{"code": "$code"}"#,
        REQUIRED,
        [in_person("204"); 3],
    ),
    row("DELETE /v1/me/totp", OWN, r#"{"code": "123456"}"#, REQUIRED, [in_person("409 totp-state"); 3]),
    row("POST /v1/me/totp/confirm", OWN, r#"{"code": "123456"}"#, REQUIRED, [in_person("409 totp-state"); 3]),
    row(
        "POST /v1/me/totp/confirm",
        (Target::Own, Given::TotpBegun),
        r#"{"code": "$code"}"#,
        REQUIRED,
        [in_person("200"); 3],
    ),
    row(
        "POST /v1/sites/{site}/revocations",
        OTHER,
        r#"{"issued_before": "2020-01-01T00:00:00Z", "dry_run": false}"#,
        REQUIRED,
        [DENIED, all("200"), UNKNOWN],
    ),
    row("GET /v1/sites/{site}/events", OTHER, "", REQUIRED, [DENIED, all("200"), UNKNOWN]),
    // No session gets in here; the site's own credential does, whoever else comes with it.
    row("POST /v1/leaks", OTHER, r#"{"tokens": ["patd_1_2_3"]}"#, "202", [all("202"); 3]),
    row("POST /v1/sites/{site}/introspect", OTHER, "token=$session", REQUIRED, [all(REQUIRED); 3]),
    row(
        "POST /v1/sites/{site}/introspect",
        (Target::Other, Given::SiteCredential),
        "token=$session",
        "200",
        [all("200"); 3],
    ),
    row(
        "GET /v1/sites/{site}/verify",
        OTHER,
        "",
        REQUIRED,
        [
            ["204", "204", REJECTED],
            ["204", "204", REJECTED],
            ["403 session-of-another-site", "403 session-of-another-site", REJECTED],
        ],
    ),
    row("GET /v1/openapi.json", OTHER, "", "200", [all("200"); 3]),
    row("GET /.well-known/patd", OTHER, "", "200", [all("200"); 3]),
    row("GET /invitation", OTHER, "", "200", [all("200"); 3]),
    row("GET /api/{version}/serverInfo", OTHER, "", "200", [all("200"); 3]),
    row(
        "POST /api/{version}/auth/signin",
        OTHER,
        r#"{"credentials": {"name": "$target", "password": "$password", "site": {"contentUrl": "acme"}}}"#,
        "200",
        [all("200"); 3],
    ),
    row(
        "POST /api/{version}/auth/signin",
        OTHER,
        r#"{"credentials": {"personalAccessTokenName": "$token_name", "personalAccessTokenSecret": "$token_secret",
            "site": {"contentUrl": "acme"}}}"#,
        "200",
        [all("200"); 3],
    ),
    row("POST /api/{version}/auth/signout", OWN, "", T_REQUIRED, [programs("204"); 3]),
    row(
        "POST /api/{version}/auth/switchSite",
        (Target::Own, Given::BothSites),
        r#"{"site": {"contentUrl": "globex"}}"#,
        T_REQUIRED,
        [programs("200"), programs("200"), programs("403070")],
    ),
    row(
        "POST /api/{version}/auth/switchSite",
        OWN,
        r#"{"site": {"contentUrl": "globex"}}"#,
        T_REQUIRED,
        [programs("401003"), programs("401003"), programs("403070")],
    ),
    row("POST /api/{version}/auth/revokeAllServerAdminTokens", OWN, "", T_REQUIRED, [T_FORBIDDEN; 3]),
    row("DELETE /api/{version}/auth/serverAdminAccessTokens", OWN, "", T_REQUIRED, [T_FORBIDDEN; 3]),
    row("GET /api/{version}/sessions/current", OWN, "", T_REQUIRED, [programs("200"); 3]),
    row("GET /api/{version}/sites", OWN, "", T_REQUIRED, [programs("403069"); 3]),
    row(
        "GET /api/{version}/sites/{site}",
        OWN,
        "",
        T_REQUIRED,
        [programs("200"), programs("200"), T_UNKNOWN],
    ),
    row(
        "GET /api/{version}/sites/{site}/users",
        OTHER,
        "",
        T_REQUIRED,
        [programs("403133"), programs("200"), T_UNKNOWN],
    ),
    row(
        "POST /api/{version}/sites/{site}/users",
        OTHER,
        r#"{"user": {"name": "$fresh", "siteRole": "Viewer"}}"#,
        T_REQUIRED,
        [T_FORBIDDEN, programs("201"), T_UNKNOWN],
    ),
    row(
        "GET /api/{version}/sites/{site}/users/{user}",
        OTHER,
        "",
        T_REQUIRED,
        [programs("403133"), programs("200"), T_UNKNOWN],
    ),
    row(
        "GET /api/{version}/sites/{site}/users/{user}",
        OWN,
        "",
        T_REQUIRED,
        [programs("200"), programs("200"), T_UNKNOWN],
    ),
    row(
        "PUT /api/{version}/sites/{site}/users/{user}",
        OTHER,
        r#"{"user": {"siteRole": "Viewer"}}"#,
        T_REQUIRED,
        [T_FORBIDDEN, programs("200"), T_UNKNOWN],
    ),
    row(
        "PUT /api/{version}/sites/{site}/users/{user}",
        OWN,
        r#"{"user": {"siteRole": "SiteAdministratorExplorer"}}"#,
        T_REQUIRED,
        [programs("403009"), programs("403009"), T_UNKNOWN],
    ),
    row(
        "DELETE /api/{version}/sites/{site}/users/{user}",
        OTHER,
        "",
        T_REQUIRED,
        [T_FORBIDDEN, programs("204"), T_UNKNOWN],
    ),
    row(
        "DELETE /api/{version}/sites/{site}/users/{user}",
        OWN,
        "",
        T_REQUIRED,
        [T_FORBIDDEN, T_FORBIDDEN, T_UNKNOWN],
    ),
    row(
        "GET /api/{version}/sites/{site}/users/{user}/personal-access-tokens",
        OTHER,
        "",
        T_REQUIRED,
        [T_FORBIDDEN, programs("200"), T_UNKNOWN],
    ),
    row(
        "GET /api/{version}/sites/{site}/users/{user}/personal-access-tokens",
        OWN,
        "",
        T_REQUIRED,
        [programs("200"), programs("200"), T_UNKNOWN],
    ),
    row(
        "DELETE /api/{version}/sites/{site}/users/{user}/personal-access-tokens/{token}",
        OTHER,
        "",
        T_REQUIRED,
        [T_FORBIDDEN, programs("204"), T_UNKNOWN],
    ),
    row(
        "DELETE /api/{version}/sites/{site}/users/{user}/personal-access-tokens/{token}",
        OWN,
        "",
        T_REQUIRED,
        [programs("204"), programs("204"), T_UNKNOWN],
    ),
];
