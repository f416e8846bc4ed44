//! The HTTP client of the tasks: JSON in and out, every status an answer rather than an error.
//!
//! Failures name the call and the problem that came back, never a request body or a credential.

use std::time::Duration;

use serde_json::Value;
use ureq::http::Request;

use crate::failure::{Context, Failure};

/// Talks to one base URL.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    agent: ureq::Agent,
    base: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    call: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// Response headers.
    pub(crate) headers: ureq::http::HeaderMap,
    /// The JSON body; `Null` where there is none.
    pub(crate) body: Value,
}

impl Client {
    /// A client that follows no redirect and uses no proxy.
    pub(crate) fn new(base: impl Into<String>) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(30)))
            .build();
        Self { agent: config.into(), base: base.into() }
    }

    /// `GET`.
    pub(crate) fn get(&self, path: &str, credential: Option<&str>) -> Result<Answer, Failure> {
        self.call("GET", path, credential, None)
    }

    /// `POST` with a JSON body.
    pub(crate) fn post(&self, path: &str, credential: Option<&str>, body: &Value) -> Result<Answer, Failure> {
        self.call("POST", path, credential, Some(body))
    }

    /// `PATCH` with a JSON body.
    pub(crate) fn patch(&self, path: &str, credential: &str, body: &Value) -> Result<Answer, Failure> {
        self.call("PATCH", path, Some(credential), Some(body))
    }

    /// `DELETE`.
    pub(crate) fn delete(&self, path: &str, credential: &str) -> Result<Answer, Failure> {
        self.call("DELETE", path, Some(credential), None)
    }

    fn call(
        &self,
        method: &str,
        path: &str,
        credential: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let call = format!("{method} {path}");
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(credential) = credential {
            request = request.header("authorization", format!("Bearer {credential}"));
        }
        let answer = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json").body(body.to_string());
                self.agent.run(request.context(&call)?)
            }
            None => self.agent.run(request.body(()).context(&call)?),
        };
        let mut answer = answer.context(&call)?;
        let text = answer.body_mut().read_to_string().context(&call)?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { call, status: answer.status().as_u16(), headers: answer.headers().clone(), body })
    }
}

impl Answer {
    /// The answer, if it has the status that the caller counts on.
    pub(crate) fn expect(self, status: u16) -> Result<Self, Failure> {
        if self.status == status {
            Ok(self)
        } else {
            Err(Failure::new(format!("{}: expected {status}, got {}", self.call, self.shown())))
        }
    }

    /// The answer, if it is the problem that the caller counts on.
    pub(crate) fn expect_problem(self, status: u16, problem: &str) -> Result<Self, Failure> {
        if self.status == status && self.is_problem(problem) {
            Ok(self)
        } else {
            Err(Failure::new(format!("{}: expected {status} {problem}, got {}", self.call, self.shown())))
        }
    }

    /// Whether the body is the problem of this name.
    pub(crate) fn is_problem(&self, name: &str) -> bool {
        self.body["type"].as_str().and_then(|text| text.strip_prefix("urn:patd:problem:")) == Some(name)
    }

    /// A text member of the body by JSON pointer.
    pub(crate) fn text(&self, pointer: &str) -> Result<String, Failure> {
        match self.body.pointer(pointer).and_then(Value::as_str) {
            Some(text) => Ok(text.to_owned()),
            None => Err(Failure::new(format!("{}: the answer has no text at {pointer}", self.call))),
        }
    }

    /// A response header, empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Status and problem in one line.
    pub(crate) fn shown(&self) -> String {
        let mut shown = self.status.to_string();
        for member in ["type", "detail"] {
            if let Some(text) = self.body[member].as_str() {
                shown.push(' ');
                shown.push_str(text);
            }
        }
        shown
    }
}
