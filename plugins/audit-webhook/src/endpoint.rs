//! The endpoint: makes an event a signed request, and a receiver's answer a decision. Must never send anything once the
//! receiver said that it is gone.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use patd_sdk::abi::metric;
use patd_sdk::{Event, Failure, HostHandle, OneByOne, Taken, time_left};
use patd_sink_net::Tls;
use tokio::time::Instant;

use crate::client::{Answer, Client};
use crate::config::Target;

/// A receiver that asks for more time than this is asked again after this.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// The gauge that is 1 while the endpoint is disabled.
const DISABLED: &str = "webhook_disabled";

/// One receiver and what is known of it.
pub(crate) struct Endpoint {
    target: Target,
    host: HostHandle,
    tls: Option<Tls>,
    client: Client,
    /// The receiver answered 410.
    gone: bool,
    /// The receiver asked to be left alone until then.
    not_before: Option<Instant>,
}

impl Endpoint {
    pub(crate) fn new(target: Target, host: HostHandle) -> Self {
        Self { target, host, tls: None, client: Client::default(), gone: false, not_before: None }
    }

    /// The certificates to read at START.
    pub(crate) fn ca_file(&self) -> Option<Option<std::path::PathBuf>> {
        self.target.tls.then(|| self.target.ca_file.clone())
    }

    pub(crate) fn start(&mut self, tls: Option<Tls>) {
        self.tls = tls;
        self.host.metric(metric::GAUGE, DISABLED, 0.0);
    }

    pub(crate) fn stop(&mut self) {
        self.client.close();
    }

    /// Whether an event could be sent now.
    pub(crate) async fn health(&mut self) -> Result<(), Failure> {
        self.may_send()?;
        self.client.connect(&self.target.address, self.tls.as_ref()).await
    }

    fn refusal(&self) -> Failure {
        Failure::unavailable(format!(
            "{} answered 410 Gone, so nothing is sent any more and events wait: mend `url`, or the receiver, then `patd reload`",
            self.target.address
        ))
    }

    fn may_send(&self) -> Result<(), Failure> {
        if self.gone {
            return Err(self.refusal());
        }
        let address = &self.target.address;
        let wait = self.not_before.map(|until| until.saturating_duration_since(Instant::now()));
        match wait.filter(|wait| !wait.is_zero()) {
            Some(wait) => {
                Err(Failure::unavailable(format!("{address} asked for {} s of rest", wait.as_secs() + 1)))
            }
            None => Ok(()),
        }
    }

    /// The signed request; `None` for an event whose id can be in no header.
    fn request(&self, event: Event<'_>) -> Result<Option<Request<Full<Bytes>>>, Failure> {
        // A full stop separates what is signed.
        if event.id.is_empty()
            || !event.id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        {
            return Ok(None);
        }
        let body = serde_json::to_vec(event.json).map_err(|error| Failure::internal(error.to_string()))?;
        let timestamp = self.host.now_unix_ms().div_euclid(1000);
        let mut signature = HeaderValue::try_from(self.target.secrets.sign(event.id, timestamp, &body)?)
            .map_err(|error| Failure::internal(error.to_string()))?;
        signature.set_sensitive(true);
        let request = Request::post(self.target.path.as_str())
            .header(HOST, self.target.host.as_str())
            .header(USER_AGENT, concat!("patd/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/cloudevents+json")
            .header("webhook-id", event.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Failure::internal(error.to_string()))?;
        Ok(Some(request))
    }

    fn judge(&mut self, event: Event<'_>, answer: &Answer) -> Result<Taken, Failure> {
        let (address, status) = (&self.target.address, answer.status);
        match status {
            _ if status.is_success() => return Ok(Taken::Accepted),
            StatusCode::GONE => {
                self.gone = true;
                self.client.close();
                self.host.metric(metric::GAUGE, DISABLED, 1.0);
                tracing::error!(receiver = %address, "the receiver is gone for good (410): the endpoint is disabled, events wait until it is mended and the configuration reloaded");
                return Err(self.refusal());
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {}
            _ if status.is_client_error() => {
                tracing::error!(receiver = %address, status = status.as_u16(), event = event.id, "the receiver refuses the event");
                return Ok(Taken::Rejected);
            }
            _ => {}
        }
        if let Some(pause) = answer.retry_after {
            self.not_before = Some(Instant::now() + pause.min(MAX_PAUSE));
        }
        let hint = if status.is_redirection() {
            "; redirects are not followed, set `url` to the new place"
        } else {
            ""
        };
        Err(Failure::unavailable(format!("{address} answered {}{hint}", status.as_u16())))
    }
}

impl OneByOne for Endpoint {
    async fn take(&mut self, event: Event<'_>) -> Result<Taken, Failure> {
        self.may_send()?;
        let Some(request) = self.request(event)? else { return Ok(Taken::Rejected) };
        // A little less than there is, so that the log tells who was slow.
        let patience = time_left().mul_f32(0.9);
        let sent = self.client.send(&self.target.address, self.tls.as_ref(), &request);
        let Ok(answer) = tokio::time::timeout(patience, sent).await else {
            let address = &self.target.address;
            return Err(Failure::unavailable(format!("{address} did not answer within {patience:.1?}")));
        };
        self.judge(event, &answer?)
    }
}
