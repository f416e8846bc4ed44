//! HTTP to the daemon: one request, one JSON answer or one [`Failure`].
//!
//! Follows no redirect, so that a credential goes to the named server and nowhere else. Whatever secret was sent is struck
//! out of a refusal before anybody sees it.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use crate::failure::Failure;
use crate::problem::Problem;
use crate::secret::Secret;

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// More than any page of the API has.
const LARGEST_ANSWER: u64 = 64 * 1024 * 1024;

/// The methods that the API knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Patch,
    Delete,
}

/// A server, and perhaps the session there.
pub(crate) struct Api {
    agent: Agent,
    server: String,
    credential: Option<Secret>,
}

/// A text as one segment of a path, whatever it contains.
pub(crate) fn segment(text: &str) -> String {
    match text {
        // Dots alone would be resolved as folders.
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => utf8_percent_encode(text, SEGMENT).to_string(),
    }
}

impl Api {
    pub(crate) fn new(server: String, credential: Option<Secret>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(Duration::from_secs(60)))
            .user_agent(concat!("patctl/", env!("CARGO_PKG_VERSION")))
            .accept("application/json, application/problem+json")
            .build();
        Self { agent: config.new_agent(), server, credential }
    }

    /// Sends one request; an answer without a body is `Null`.
    pub(crate) fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        secrets: &[&Secret],
    ) -> Result<Value, Failure> {
        self.call_with_query(method, path, &[], body, secrets)
    }

    /// [`Api::call`] with a query, which must not hold a secret.
    pub(crate) fn call_with_query(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<Value>,
        secrets: &[&Secret],
    ) -> Result<Value, Failure> {
        let answer = self.send(method, path, query, body).and_then(|answer| self.read(answer));
        answer.map_err(|failure| self.without_secrets(failure, secrets))
    }

    /// Opens a stream of events, which has no end of its own.
    pub(crate) fn stream(
        &self,
        path: &str,
        query: &[(&str, String)],
        after: Option<&str>,
    ) -> Result<Box<dyn BufRead>, Failure> {
        let mut request = self.agent.get(format!("{}{path}", self.server));
        for (key, value) in query {
            request = request.query(*key, value);
        }
        request = request.header("accept", "text/event-stream");
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        if let Some(credential) = &self.credential {
            request = request.header("authorization", format!("Bearer {}", credential.expose()));
        }
        let request = request.config().timeout_global(None).build();
        let answer = request.call().map_err(|error| self.unreachable(&error))?;
        let kind =
            answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if answer.status() == StatusCode::OK && kind.starts_with("text/event-stream") {
            return Ok(Box::new(BufReader::new(answer.into_body().into_reader())));
        }
        let read = self.read(answer).map_err(|failure| self.without_secrets(failure, &[]));
        read.and_then(|_| Err(self.unlike_patd("a stream was asked for and something else came")))
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<Value>,
    ) -> Result<Response<Body>, Failure> {
        let uri = format!("{}{path}", self.server);
        let body = body.map(|value| zeroize::Zeroizing::new(value.to_string()));
        let bearer = self.credential.as_ref().map(|credential| format!("Bearer {}", credential.expose()));
        // The two kinds of builder are different types with the same methods.
        macro_rules! prepared {
            ($builder:expr) => {{
                let mut builder = $builder;
                for (key, value) in query {
                    builder = builder.query(*key, value);
                }
                match &bearer {
                    Some(bearer) => builder.header("authorization", bearer),
                    None => builder,
                }
            }};
        }
        let answer = match (method, &body) {
            (Method::Get, _) => prepared!(self.agent.get(&uri)).call(),
            (Method::Delete, None) => prepared!(self.agent.delete(&uri)).call(),
            (Method::Delete, Some(text)) => prepared!(self.agent.delete(&uri))
                .force_send_body()
                .content_type("application/json")
                .send(text.as_str()),
            (Method::Post, None) => prepared!(self.agent.post(&uri)).send_empty(),
            (Method::Post, Some(text)) => {
                prepared!(self.agent.post(&uri)).content_type("application/json").send(text.as_str())
            }
            (Method::Patch, None) => prepared!(self.agent.patch(&uri)).send_empty(),
            (Method::Patch, Some(text)) => {
                prepared!(self.agent.patch(&uri)).content_type("application/json").send(text.as_str())
            }
        };
        answer.map_err(|error| self.unreachable(&error))
    }

    fn read(&self, mut answer: Response<Body>) -> Result<Value, Failure> {
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_string();
        let text = text.map_err(|error| self.unreachable(&error))?;
        if status.is_success() {
            if status == StatusCode::NO_CONTENT || text.is_empty() {
                return Ok(Value::Null);
            }
            return serde_json::from_str(&text)
                .map_err(|_| self.not_patd(format!("status {status} with a body that is not JSON")));
        }
        match Problem::read(status.as_u16(), &text) {
            Some(problem) if status.is_client_error() || status.is_server_error() => {
                Err(Failure::Refused(Box::new(problem)))
            }
            _ if status.is_redirection() => {
                Err(self
                    .not_patd(format!("status {status}: redirects are not followed, name the final address")))
            }
            _ => Err(self.not_patd(format!("status {status} without a problem document"))),
        }
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        Failure::Unreachable { server: self.server.clone(), cause: error.to_string() }
    }

    /// For answers whose form is not the API's.
    pub(crate) fn unlike_patd(&self, what: &str) -> Failure {
        self.not_patd(what.to_owned())
    }

    fn not_patd(&self, what: String) -> Failure {
        Failure::NotPatd { server: self.server.clone(), what }
    }

    /// Strikes out everything secret that was part of the request.
    fn without_secrets(&self, failure: Failure, secrets: &[&Secret]) -> Failure {
        let Failure::Refused(mut problem) = failure else { return failure };
        let hidden: Vec<&str> = secrets
            .iter()
            .copied()
            .chain(&self.credential)
            .map(Secret::expose)
            .filter(|text| !text.is_empty())
            .collect();
        problem.map_texts(&|text| {
            hidden.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "[secret]"))
        });
        Failure::Refused(problem)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_server::{Answer, TestServer};

    #[test]
    fn a_path_segment_cannot_leave_its_place() {
        assert_eq!(segment("a/../b?c#d e"), "a%2F..%2Fb%3Fc%23d%20e");
        assert_eq!((&*segment("."), &*segment("..")), ("%2E", "%2E%2E"));
        assert_eq!(segment("Acme_1-2"), "Acme_1-2");
    }

    #[test]
    fn the_credential_and_the_body_are_sent_as_the_api_wants_them() {
        let server = TestServer::answering([Answer::json(201, json!({"id": "1"})), Answer::empty(204)]);
        let api = Api::new(server.url(), Some(Secret::new("cred|ential".to_owned())));
        let made = api.call(Method::Post, "/v1/x", Some(json!({"name": "n"})), &[]).expect("made");
        assert_eq!(made, json!({"id": "1"}));
        let removed = api.call(Method::Delete, "/v1/x", Some(json!({"code": "1"})), &[]).expect("removed");
        assert_eq!(removed, Value::Null);
        let [post, delete] = &server.requests()[..] else { panic!("two requests") };
        assert!(post.starts_with("POST /v1/x HTTP/1.1\r\n"), "{post}");
        assert!(post.contains("authorization: Bearer cred|ential\r\n"), "{post}");
        assert!(
            post.contains("content-type: application/json\r\n") && post.ends_with(r#"{"name":"n"}"#),
            "{post}"
        );
        assert!(
            delete.starts_with("DELETE /v1/x HTTP/1.1\r\n") && delete.ends_with(r#"{"code":"1"}"#),
            "{delete}"
        );
    }

    #[test]
    fn a_refusal_comes_back_without_the_secrets_that_were_sent() {
        let echo = json!({"type": "urn:patd:problem:bad-value", "title": "hunter2", "detail": "hunter2 and cred", "x": ["hunter2"]});
        let server = TestServer::answering([Answer::json(422, echo)]);
        let api = Api::new(server.url(), Some(Secret::new("cred".to_owned())));
        let failure = api
            .call(Method::Post, "/v1/x", None, &[&Secret::new("hunter2".to_owned())])
            .expect_err("refused");
        assert_eq!(failure.exit_code(), 1);
        let shown = format!("{failure:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("cred"), "{shown}");
    }

    #[test]
    fn a_redirect_is_not_followed() {
        let elsewhere = TestServer::answering([]);
        let server = TestServer::answering([Answer::redirect(&elsewhere.url())]);
        let failure =
            Api::new(server.url(), None).call(Method::Get, "/v1/x", None, &[]).expect_err("refused");
        assert!(matches!(&failure, Failure::NotPatd { what, .. } if what.contains("redirect")), "{failure}");
        assert_eq!((failure.exit_code(), elsewhere.requests().len()), (3, 0));
    }

    #[test]
    fn whatever_is_not_patd_is_told_apart_from_a_refusal() {
        for (status, body) in [(404, "<html>"), (200, "<html>"), (502, "{}")] {
            let server = TestServer::answering([Answer::text(status, body)]);
            let failure =
                Api::new(server.url(), None).call(Method::Get, "/v1/x", None, &[]).expect_err("not patd");
            assert!(matches!(failure, Failure::NotPatd { .. }), "{status}: {failure}");
        }
    }

    #[test]
    fn a_server_that_does_not_listen_cannot_be_reached() {
        let url = TestServer::answering([]).closed();
        let failure =
            Api::new(url.clone(), None).call(Method::Get, "/v1/x", None, &[]).expect_err("nobody there");
        assert_eq!(failure.exit_code(), 3);
        assert!(failure.to_string().contains(&url), "{failure}");
    }
}
