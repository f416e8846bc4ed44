//! The site's audit events as a live stream (`text/event-stream`, WHATWG HTML §9.2).
//!
//! Pulled by the connection: what a slow reader does not take is not read from the stores either, and a write that waits
//! too long ends the connection. The credential is judged again around every reading: a caller that may not see events any
//! more must not get another one.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response};
use bytes::Bytes;
use futures_util::stream;
use patd_core::event::Event;
use patd_core::id::{EventId, SiteLuid};
use patd_core::secret::PlainText;
use patd_service::cloud_event::event_json;
use patd_service::error::Error;
use patd_service::events::EventStream;
use patd_service::view::Caller;
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::params::Query;
use crate::envelope::log_cause;
use crate::problem::Problem;
use crate::state::Http;

/// How often a quiet stream says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often a quiet stream asks whether its caller still may.
const JUDGE: Duration = Duration::from_millis(250);
/// The shortest time between two readings of a busy stream.
const BREATH: Duration = Duration::from_millis(20);
/// When a client should come back, in milliseconds.
const RETRY: &str = "retry: 1000\n\n";

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Cancelled when the server drains: whatever answers without end has to end then.
#[derive(Clone, Debug)]
pub(crate) struct Draining(pub(crate) CancellationToken);

/// Whether the client asks for a stream and not for a page.
pub(crate) fn is_asked_for(headers: &HeaderMap) -> bool {
    let types = headers.get_all(ACCEPT).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    let essences = types.map(|range| range.split(|b| *b == b';').next().unwrap_or_default().trim_ascii());
    let (mut stream, mut page) = (false, false);
    for essence in essences {
        stream |= essence.eq_ignore_ascii_case(b"text/event-stream");
        page |= essence.eq_ignore_ascii_case(b"application/json");
    }
    stream && !page
}

/// The event after which the client wants to go on: the header that browsers send, or the parameter.
pub(crate) fn resume_point(headers: &HeaderMap, query: &Query) -> Result<Option<EventId>, Problem> {
    let header = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?"));
    let text = match header.filter(|text| !text.is_empty()) {
        Some(text) => Some(text),
        None => query.one("last_event_id")?,
    };
    let bad = || Error::BadRequest {
        field: "last_event_id",
        reason: "is not the id of an event: send the `id` of the last event that came, or none at all"
            .to_owned(),
    };
    text.map(|text| Uuid::try_parse(text).map(EventId).map_err(|_| bad().into())).transpose()
}

/// One open stream.
struct Tail {
    http: Arc<Http>,
    credential: PlainText,
    site: SiteLuid,
    events: EventStream,
    draining: CancellationToken,
    /// When the next sign of life is due.
    beat: Instant,
    /// Before this nothing is read again.
    breath: Instant,
    ended: bool,
}

/// The answer. `caller` was judged by `credential`.
pub(crate) fn answer(
    http: Arc<Http>,
    caller: &Caller,
    credential: &str,
    events: EventStream,
    draining: Option<Draining>,
) -> Response<Body> {
    let tail = Tail {
        credential: PlainText::new(credential.to_owned()),
        site: caller.site,
        events,
        draining: draining.map(|draining| draining.0).unwrap_or_default(),
        beat: Instant::now() + HEARTBEAT,
        breath: Instant::now(),
        ended: false,
        http,
    };
    let head = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(RETRY.as_bytes())) });
    let rest = stream::unfold(tail, |mut tail| async move {
        let chunk = tail.next().await?;
        Some((Ok::<_, Infallible>(chunk), tail))
    });
    let mut response = Response::new(Body::from_stream(futures_util::StreamExt::chain(head, rest)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that collect an answer before they pass it on are asked not to.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

impl Tail {
    /// What is to be written next; nothing after the end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        loop {
            if self.draining.is_cancelled() {
                return Some(self.end(&Problem::unavailable()));
            }
            sleep_until(self.breath).await;
            if let Err(problem) = self.judge().await {
                return Some(self.end(&problem));
            }
            self.breath = Instant::now() + BREATH;
            match self.events.take().await {
                Ok(events) if events.is_empty() => {}
                Ok(events) => {
                    // Its caller's own end may be among them.
                    if let Err(problem) = self.judge().await {
                        return Some(self.end(&problem));
                    }
                    self.beat = Instant::now() + HEARTBEAT;
                    return Some(render(&events));
                }
                Err(error) => return Some(self.end(&error.into())),
            }
            if Instant::now() >= self.beat {
                self.beat = Instant::now() + HEARTBEAT;
                return Some(Bytes::from_static(b": quiet\n\n"));
            }
            let pause = sleep(JUDGE);
            tokio::select! {
                () = self.draining.cancelled() => {}
                () = pause => {}
                () = sleep_until(self.beat) => {}
                () = self.events.news() => {}
            }
        }
    }

    /// Whether the caller still is an admin of the site.
    async fn judge(&self) -> Result<(), Problem> {
        let service = &self.http.service;
        let caller = match service.authenticate_live(self.credential.expose()) {
            Some(caller) => caller,
            None => service.authenticate(self.credential.expose()).await?,
        };
        if caller.site != self.site || service.site_view(self.site).is_none() {
            return Err(Error::NotFound("site").into());
        }
        if caller.role.is_admin() {
            Ok(())
        } else {
            Err(Error::NotPermitted("only a site admin may do this").into())
        }
    }

    /// The last event: why it is the last. The client may come back with the id of the one before.
    fn end(&mut self, problem: &Problem) -> Bytes {
        self.ended = true;
        log_cause(problem);
        let entry = problem.kind.entry();
        let data = json!({
            "type": format!("urn:patd:problem:{}", entry.name),
            "title": entry.title,
            "status": entry.status,
            "detail": format!("{}. {}", problem.detail, entry.remedy),
        });
        format!("event: end\ndata: {data}\n\n").into()
    }
}

fn render(events: &[Event]) -> Bytes {
    let mut text = String::new();
    for event in events {
        // JSON escapes line breaks: the data is one line.
        text.push_str(&format!(
            "id: {}\nevent: {}\ndata: {}\n\n",
            event.id,
            event.kind.as_str(),
            event_json(event)
        ));
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn a_stream_is_for_those_who_ask_for_it() {
        for (accept, wanted) in [
            ("text/event-stream", true),
            ("Text/Event-Stream; q=0.9", true),
            ("text/event-stream, */*", true),
            ("application/json, text/event-stream", false),
            ("*/*", false),
            ("text/event-streams", false),
        ] {
            assert_eq!(is_asked_for(&headers(&[("accept", accept)])), wanted, "{accept}");
        }
        assert!(!is_asked_for(&headers(&[])));
    }

    #[test]
    fn the_resume_point_is_in_the_header_or_the_query() {
        let id = "0190f5fe-7c00-7a00-8000-000000000001";
        let at = |lines: &[(&'static str, &'static str)], query: &str| {
            let query = Query::parse(query).expect("it decodes");
            resume_point(&headers(lines), &query).map(|id| id.map(|id| id.to_string())).map_err(|p| p.kind)
        };
        assert_eq!(at(&[], ""), Ok(None));
        assert_eq!(at(&[("last-event-id", "")], ""), Ok(None));
        assert_eq!(
            at(&[("last-event-id", "0190f5fe-7c00-7a00-8000-000000000001")], "last_event_id=x"),
            Ok(Some(id.to_owned()))
        );
        assert_eq!(at(&[], &format!("last_event_id={id}")), Ok(Some(id.to_owned())));
        assert!(at(&[], "last_event_id=7").is_err());
        assert!(at(&[("last-event-id", "7")], "").is_err());
    }
}
