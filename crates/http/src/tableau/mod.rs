//! The Tableau REST sign-in surface: `/api/{version}/…`, as real Tableau clients use it.
//!
//! A request is read in a fixed order: path and method, then the credential, then the body, then the call itself, so
//! that strangers learn nothing of sites and cost little. It takes `token` and `password` sessions only (R1), mints
//! nothing, sets nobody's name, e-mail or password (R2), and answers everything, refusals of the transport included,
//! in the vendor's format. Decides no rule: the use-cases do.
//!
//! A new call is a row in [`path`]'s table, a variant of its `Action` and a function in the file of its subject.

mod accept;
mod answer;
mod auth;
mod body;
mod error;
mod path;
mod query;
mod server_info;
mod sessions;
mod sites;
mod tokens;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use patd_core::record::SessionKind;
use patd_service::service::Service;
use patd_service::view::{Caller, From as Origin};

use crate::client::Client;
use crate::credential::presented;
use crate::problem::Problem;
use crate::state::Http;

pub use path::{Access, Route, table};

use accept::{Format, preferred};
use answer::Reply;
use error::{Failure, Place};
use path::{Action, Matched};

/// The routes of this surface; merged into the daemon's router, inside the envelope. One handler for all of them:
/// fixed words match in any case, which axum's router cannot do.
pub fn router(_state: Arc<Http>) -> Router<Arc<Http>> {
    ["/api/", "/api/{*call}", "/API/{*call}", "/Api/{*call}"]
        .into_iter()
        .fold(Router::new(), |router, path| router.route(path, any(serve)))
}

/// Renders, in this surface's words, a problem that arose outside its handlers (413, 408, a time-out, a panic) or
/// that a shared extractor answered with.
pub(crate) fn fault(problem: &Problem, request: &FaultOf) -> Response {
    Failure::from(problem).render(request.format)
}

/// What of the request matters for rendering a fault.
pub(crate) struct FaultOf {
    format: Format,
}

impl FaultOf {
    /// Reads it off the request.
    pub(crate) fn new(parts: &Parts) -> Self {
        Self { format: preferred(&parts.headers) }
    }
}

/// A request whose path, credential and body have been read.
struct Call<'a> {
    service: &'a Service,
    from: Origin,
    matched: Matched,
    query: &'a str,
    body: Bytes,
}

impl Call<'_> {
    /// The path's parameter at this place.
    fn parameter(&self, place: usize) -> &str {
        self.matched.parameter(place)
    }

    fn body(&self) -> Result<body::Node, Failure> {
        Ok(body::parse(&self.body)?)
    }
}

/// Serves one request of this surface: what goes wrong becomes the surface's error body.
async fn serve(State(http): State<Arc<Http>>, Client(from): Client, request: Request) -> Response {
    let format = preferred(request.headers());
    match answer(&http, from, request).await {
        Ok(reply) => reply.render(format),
        Err(failure) => failure.render(format),
    }
}

async fn answer(http: &Http, from: Origin, request: Request) -> Result<Reply, Failure> {
    let (head, body) = request.into_parts();
    let matched = path::find(&head.method, head.uri.path())?;
    let caller = match matched.route.access {
        Access::Anyone => None,
        _ => Some(authenticate(&http.service, &head.headers).await?),
    };
    let body = read(http, &head.headers, body).await?;
    let query = head.uri.query().unwrap_or_default();
    let call = Call { service: &http.service, from, matched, query, body };
    match &caller {
        None => anonymous(&call).await,
        Some(caller) => signed_in(&call, caller).await,
    }
}

async fn anonymous(call: &Call<'_>) -> Result<Reply, Failure> {
    match call.matched.route.action {
        Action::ServerInfo => Ok(server_info::get()),
        Action::SignIn => auth::sign_in(call).await,
        // A route that needs a session and has none: refused, whatever the table says.
        _ => Err(Failure::no_credential()),
    }
}

async fn signed_in(call: &Call<'_>, caller: &Caller) -> Result<Reply, Failure> {
    match call.matched.route.action {
        Action::ServerInfo | Action::SignIn => anonymous(call).await,
        Action::SignOut => auth::sign_out(call, caller).await,
        Action::SwitchSite => auth::switch_site(call, caller).await,
        Action::ServerOnly => Err(auth::server_only()),
        Action::Sites => Err(sites::list()),
        Action::Site => sites::get(call, caller),
        Action::CurrentSession => sessions::current(call, caller).await,
        Action::Users => users::list(call, caller).await,
        Action::AddUser => users::add(call, caller).await,
        Action::User => users::get(call, caller).await,
        Action::UpdateUser => users::update(call, caller).await,
        Action::RemoveUser => users::remove(call, caller).await,
        Action::Tokens => tokens::list(call, caller).await,
        Action::RevokeToken => tokens::revoke(call, caller).await,
    }
}

async fn authenticate(service: &Service, headers: &HeaderMap) -> Result<Caller, Failure> {
    let fail = |error| Failure::of(&error, Place::Session);
    let credential = presented(headers).map_err(fail)?;
    let caller = match service.authenticate_live(credential) {
        Some(caller) => caller,
        None => service.authenticate(credential).await.map_err(fail)?,
    };
    match caller.kind {
        SessionKind::Token | SessionKind::Password => Ok(caller),
        SessionKind::Interactive => Err(Failure::interactive()),
    }
}

/// Whether a request body reads; for fuzzers, which have no server.
#[doc(hidden)]
#[must_use]
pub fn body_reads(body: &[u8]) -> bool {
    body::parse(body).is_ok()
}

/// Reads the body, whatever its type says.
async fn read(http: &Http, headers: &HeaderMap, body: Body) -> Result<Bytes, Failure> {
    if !crate::body::is_plain(headers) {
        let detail = "Request bodies are not taken compressed.";
        return Err(Failure::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    crate::body::read(body, http).await.map_err(|problem| Failure::from(&problem))
}
