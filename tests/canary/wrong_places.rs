//! Where people and broken clients put secrets that do not belong there.

use crate::harness::{Daemon, Wire};

/// Sends a secret everywhere. Answers go to `said`: none may repeat it.
pub(super) async fn send(daemon: &Daemon, what: &str, secret: &str, said: &mut Vec<Vec<u8>>) {
    for request in requests(secret) {
        let mut wire = Wire::connect(&daemon.base_url).await.expect("a connection");
        // A connection that is closed without an answer is an answer, too.
        if let Ok(reply) = wire.raw(request.as_bytes()).await {
            assert!(reply.status < 500, "{what} at a wrong place: {}\n{request}", reply.shown());
            said.push(reply.head.into_bytes());
            said.push(reply.body);
        }
    }
}

fn requests(secret: &str) -> Vec<String> {
    let escaped =
        percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string();
    let mut requests = Vec::new();
    for path in [
        format!("/v1/sessions/current?token={escaped}"),
        format!("/v1/sites/acme/verify?access_token={escaped}"),
        format!("/v1/sites/acme/tokens?limit={escaped}"),
        format!("/v1/sites/acme/tokens?cursor={escaped}&owner={escaped}"),
        format!("/v1/sites/{escaped}/verify"),
        format!("/v1/sites/{escaped}/tokens"),
        format!("/v1/sites/acme/tokens/{escaped}"),
        format!("/{escaped}"),
        format!("/invitation?invitation={escaped}"),
        format!("/invitation/{escaped}"),
        format!("/api/{escaped}/serverInfo"),
        format!("/api/3.27/sites/{escaped}"),
        format!("/api/3.27/auth/signin?personalAccessTokenSecret={escaped}"),
        format!("/api/3.27/{escaped}"),
    ] {
        requests.push(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"));
        requests.push(format!("DELETE {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n"));
    }
    for header in [
        "x-api-key",
        "api-key",
        "x-auth-token",
        "proxy-authorization",
        "cookie",
        "user-agent",
        "referer",
        "origin",
        "x-request-id",
        "traceparent",
        "x-forwarded-for",
        "x-forwarded-host",
        "accept",
        "accept-language",
        "if-match",
        "content-type",
        "content-encoding",
        "expect",
        "host",
    ] {
        requests.push(format!(
            "GET /v1/sessions/current HTTP/1.1\r\nhost: localhost\r\n{header}: {secret}\r\n\r\n"
        ));
        requests.push(format!(
            "POST /v1/sessions HTTP/1.1\r\nhost: localhost\r\n{header}: {secret}\r\ncontent-length: 2\r\n\r\n{{}}"
        ));
    }
    for scheme in ["", "Token ", "Basic ", "Digest ", "bearer  ", "Bearer patd_"] {
        requests.push(format!(
            "GET /v1/sessions/current HTTP/1.1\r\nhost: localhost\r\nauthorization: {scheme}{secret}\r\n\r\n"
        ));
    }
    requests.push(format!(
        "GET /v1/sessions/current HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {secret}\r\n\
         x-tableau-auth: other\r\n\r\n"
    ));
    // As a header's name, as a method, as a version.
    requests.push(format!("GET /v1/sessions/current HTTP/1.1\r\nhost: localhost\r\n{secret}: 1\r\n\r\n"));
    requests.push(format!("{secret} /v1/sessions HTTP/1.1\r\nhost: localhost\r\n\r\n"));
    requests.push(format!("GET / HTTP/{secret}\r\nhost: localhost\r\n\r\n"));
    for body in bodies(secret) {
        for (path, media) in [
            ("/v1/sessions", "application/json"),
            ("/v1/sessions", "text/plain"),
            ("/v1/invitations/redeem", "application/json"),
            ("/v1/sites/acme/introspect", "application/x-www-form-urlencoded"),
            ("/api/3.27/auth/signin", "application/json"),
            ("/api/3.27/auth/signin", "text/xml"),
        ] {
            requests.push(format!(
                "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {media}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ));
        }
    }
    requests
}

fn bodies(secret: &str) -> Vec<String> {
    vec![
        secret.to_owned(),
        format!("token={secret}"),
        format!(r#"{{"site": "acme", "token_secret": "{secret}"#),
        format!(r#"{{"site": "acme", "token_secret": ["{secret}"]}}"#),
        format!(r#"{{"site": "acme", "{secret}": 1}}"#),
        format!(r#"{{"site": "{secret}", "token_secret": "{secret}x"}}"#),
        format!(r#"{{"site": "acme", "token_secret": "{secret}", "token_name": "{secret}"}}"#),
        format!(r#"{{"site": "acme", "username": "{secret}", "password": "{secret}"}}"#),
        format!(r#"{{"site": "acme", "username": "member", "password": "x", "interactive": "{secret}"}}"#),
        format!(r#"{{"site": "acme", "username": "mfa-member", "password": "x", "totp": "{secret}"}}"#),
        format!(r#"{{"invitation": "{secret}0", "password": "{secret}"}}"#),
        format!(
            r#"{{"credentials": {{"personalAccessTokenName": "{secret}", "personalAccessTokenSecret": "{secret}1"}}}}"#
        ),
        format!(
            r#"{{"credentials": {{"name": "{secret}", "password": "{secret}", "site": {{"contentUrl": "acme"}}}}}}"#
        ),
        format!(
            r#"<tsRequest><credentials personalAccessTokenName="{secret}" personalAccessTokenSecret="{secret}2"#
        ),
        format!(r#"<tsRequest><{secret} a="{secret}"/></tsRequest>"#),
        format!(
            r#"<tsRequest><credentials name="{secret}" password="{secret}"><site contentUrl="acme"/></credentials></tsRequest>"#
        ),
        format!(r#"<!DOCTYPE x [<!ENTITY s "{secret}">]><tsRequest>&s;</tsRequest>"#),
    ]
}
