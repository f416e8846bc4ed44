//! The HTTP client: one keep-alive connection, one request at a time. Must never follow a redirect.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::RETRY_AFTER;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use patd_sdk::Failure;
use patd_sink_net::{Address, Stream, Tls};
use tokio::task::JoinHandle;

/// A body longer than this is not read to its end; the connection is closed instead.
const MAX_BODY: usize = 64 << 10;

/// What a receiver said.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// `Retry-After` in its form of seconds.
    pub(crate) retry_after: Option<Duration>,
}

/// A connection to the receiver.
struct Connection {
    requests: SendRequest<Full<Bytes>>,
    /// Moves the bytes; ends with the connection.
    driver: JoinHandle<()>,
    /// Whether an answer came over it.
    used: bool,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The client of one receiver.
#[derive(Default)]
pub(crate) struct Client {
    connection: Option<Connection>,
}

impl Client {
    /// Connects unless it is connected.
    pub(crate) async fn connect(&mut self, address: &Address, tls: Option<&Tls>) -> Result<(), Failure> {
        if self.connection.as_ref().is_some_and(|open| !open.requests.is_closed()) {
            return Ok(());
        }
        self.connection = None;
        let plain = address.connect().await?;
        let stream: Stream = match tls {
            Some(tls) => tls.wrap(address, plain).await?,
            None => Box::new(plain),
        };
        let (requests, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Failure::unavailable(format!("{address}: {error}")))?;
        let driver = tokio::spawn(async move {
            // What goes wrong here is told to whoever waits for the answer.
            let _ = connection.await;
        });
        self.connection = Some(Connection { requests, driver, used: false });
        Ok(())
    }

    /// Sends a request. Over a kept connection that the receiver has closed meanwhile it is sent once more, over a new one.
    pub(crate) async fn send(
        &mut self,
        address: &Address,
        tls: Option<&Tls>,
        request: &Request<Full<Bytes>>,
    ) -> Result<Answer, Failure> {
        loop {
            self.connect(address, tls).await?;
            // Taken out, so that a request that is given up halfway leaves no connection with an answer still to come.
            let Some(mut connection) = self.connection.take() else {
                return Err(Failure::internal("the connection is gone as soon as it was made"));
            };
            match connection.exchange(request.clone()).await {
                Ok((answer, keep)) => {
                    connection.used = true;
                    self.connection = keep.then_some(connection);
                    return Ok(answer);
                }
                Err(_) if connection.used => {}
                Err(error) => return Err(Failure::unavailable(format!("{address}: {error}"))),
            }
        }
    }

    /// Closes the connection.
    pub(crate) fn close(&mut self) {
        self.connection = None;
    }
}

impl Connection {
    /// One request and its answer; whether the connection can be kept.
    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<(Answer, bool)> {
        self.requests.ready().await?;
        let response = self.requests.send_request(request).await?;
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let answer = Answer { status: response.status(), retry_after };
        // The status has decided; the body only has to be out of the way of the next answer.
        let keep = Limited::new(response.into_body(), MAX_BODY).collect().await.is_ok();
        Ok((answer, keep))
    }
}
