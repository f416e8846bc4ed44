//! Reports of leaked secrets. The answer says how many were received and nothing else: it is the same for real ones.

use std::sync::Arc;

use axum::Json as Answer;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use patd_service::error::Error;
use patd_service::leaks::Leak;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::openapi::Refusals;
use super::wire::Secret;
use crate::body::{parse, read, takes};
use crate::client::Client;
use crate::leak_signature::{Sender, sender};
use crate::problem::{Kind, Problem};
use crate::state::Http;

/// Where reports go.
pub(crate) const PATH: &str = "/v1/leaks";
/// Bytes of a report: a thousand secrets with where they were found.
pub(crate) const MAX_BODY: usize = 1 << 20;
/// Secrets of a report.
const MAX_SECRETS: usize = 1000;

/// A report of anybody.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Report {
    /// The texts that were found, at most 1,000.
    tokens: Vec<Secret>,
}

/// One entry of GitHub's report. GitHub may add members.
#[derive(Deserialize)]
struct Found {
    token: Secret,
    #[serde(default)]
    url: Option<String>,
}

/// That a report was received.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Received {
    /// How many texts it had.
    received: usize,
}

/// Report leaked token secrets. Those that are real are revoked and their owners told; the answer does not say which.
///
/// Anybody may send the plain form. GitHub's secret scanning sends its own, a list signed by a key that the config names.
#[utoipa::path(post, path = "/v1/leaks", tag = "leaks", request_body = Report,
    responses((status = 202, description = "Received", body = Received), Refusals))]
pub(crate) async fn report(
    State(http): State<Arc<Http>>,
    Client(from): Client,
    request: Request,
) -> Result<(StatusCode, Answer<Received>), Problem> {
    let (parts, body) = request.into_parts();
    takes(&parts.headers, "application/json")?;
    let body = read(body, &http).await?;
    let sender = sender(&parts.headers, &body, &http.leak_keys);
    if sender != Sender::Known {
        http.service.count_leak_report(&from)?;
    }
    let leaks = match sender {
        Sender::Pretender => {
            return Err(Problem::new(
                Kind::LeakSignatureRejected,
                "no configured key has made this signature over this body",
            ));
        }
        Sender::Known => of_github(&body)?,
        Sender::Anybody => of_anybody(&body)?,
    };
    let received = leaks.len();
    if received > MAX_SECRETS {
        return Err(Problem::invalid_value(
            "tokens",
            format!("must be at most {MAX_SECRETS}: send several reports"),
        ));
    }
    http.service.report_leaks(leaks)?;
    Ok((StatusCode::ACCEPTED, Answer(Received { received })))
}

fn of_anybody(body: &Bytes) -> Result<Vec<Leak>, Problem> {
    if body.trim_ascii_start().first() == Some(&b'[') {
        let detail =
            "a list is GitHub's form, which must be signed; the plain form is an object with `tokens`";
        return Err(Problem::new(Kind::LeakSignatureRejected, detail));
    }
    let report: Report = parse(body)?;
    Ok(report.tokens.into_iter().map(|token| Leak { text: token.0, found_at: None }).collect())
}

fn of_github(body: &Bytes) -> Result<Vec<Leak>, Problem> {
    let bad = || Error::BadRequest {
        field: "body",
        reason: "is not a list of objects with `token`, as GitHub's secret scanning sends it".to_owned(),
    };
    let found: Vec<Found> = serde_json::from_slice(body).map_err(|_| Problem::from(bad()))?;
    Ok(found.into_iter().map(|found| Leak { text: found.token.0, found_at: found.url }).collect())
}
