//! Every native route, as one table: it builds the router, is compared with the OpenAPI document, and tells tests who
//! may call what. A route that is not in the table does not exist.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, patch, post};
use serde::Serialize;

use crate::native::{events, introspect, invitations, leaks, me, meta, revocations, sessions, tokens, users};
use crate::problem::{Kind, Problem};
use crate::state::Http;
use crate::{envelope, pages, tableau, verify};

/// Who may call a route. Whoever else does is refused: without a credential by 401, else by 401, 403 or 404.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// Everybody.
    Anyone,
    /// The holder of an unspent invitation.
    InvitationHolder,
    /// Any live session.
    Session,
    /// An interactive session.
    Interactive,
    /// An interactive session at the site in the path.
    InteractiveMember,
    /// Any session at the site in the path; some queries need a site admin.
    Member,
    /// The token's owner, or an admin of its home site, at that site.
    OwnerOrAdmin,
    /// An admin of the site in the path.
    SiteAdmin,
    /// An admin of the site in the path, or the member that the path names.
    SiteAdminOrSelf,
    /// A `token` or `password` session at the site in the path.
    ForwardAuth,
    /// The site's own credential (HTTP Basic).
    SiteCredential,
}

impl Who {
    /// The security scheme in the OpenAPI document; `None` where no credential is needed.
    #[must_use]
    pub const fn scheme(self) -> Option<&'static str> {
        match self {
            Self::Anyone | Self::InvitationHolder => None,
            Self::SiteCredential => Some("site"),
            _ => Some("session"),
        }
    }

    /// Who that is, for people.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Anyone => "everybody, without a credential",
            Self::InvitationHolder => "the holder of an unspent invitation",
            Self::Session => "any live session",
            Self::Interactive => "an interactive session",
            Self::InteractiveMember => "an interactive session at the site in the path",
            Self::Member => "any session at the site in the path; some queries need a site admin",
            Self::OwnerOrAdmin => "the token's owner, or an admin of its home site, at that site",
            Self::SiteAdmin => "an admin of the site in the path",
            Self::SiteAdminOrSelf => "an admin of the site in the path, or the member that the path names",
            Self::ForwardAuth => "a `token` or `password` session at the site in the path",
            Self::SiteCredential => "the site's own credential (HTTP Basic)",
        }
    }
}

/// One route.
#[derive(Clone, Copy, Serialize)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The pattern, as axum and OpenAPI write it.
    pub path: &'static str,
    /// Who may call it.
    pub who: Who,
    #[serde(skip)]
    serve: fn() -> MethodRouter<Arc<Http>>,
}

type Serve = fn() -> MethodRouter<Arc<Http>>;

const fn row(method: &'static str, path: &'static str, who: Who, serve: Serve) -> Route {
    Route { method, path, who, serve }
}

const TOKENS: &str = "/v1/sites/{site}/tokens";
const TOKEN: &str = "/v1/sites/{site}/tokens/{id}";
const USERS: &str = "/v1/sites/{site}/users";
const USER: &str = "/v1/sites/{site}/users/{luid}";
const USER_TOKENS: &str = "/v1/sites/{site}/users/{luid}/tokens";

static TABLE: &[Route] = &[
    row("POST", "/v1/sessions", Who::Anyone, || post(sessions::open)),
    row("GET", "/v1/sessions/current", Who::Session, || get(sessions::current)),
    row("DELETE", "/v1/sessions/current", Who::Session, || delete(sessions::sign_out)),
    row("POST", TOKENS, Who::InteractiveMember, || post(tokens::mint)),
    row("GET", TOKENS, Who::Member, || get(tokens::list)),
    row("DELETE", TOKEN, Who::OwnerOrAdmin, || delete(tokens::revoke)),
    row("GET", USERS, Who::SiteAdmin, || get(users::list)),
    row("POST", USERS, Who::SiteAdmin, || post(users::invite)),
    row("GET", USER, Who::SiteAdminOrSelf, || get(users::read)),
    row("PATCH", USER, Who::SiteAdmin, || patch(users::change)),
    row("DELETE", USER, Who::SiteAdmin, || delete(users::remove)),
    row("GET", USER_TOKENS, Who::SiteAdminOrSelf, || get(users::tokens)),
    row("DELETE", USER_TOKENS, Who::SiteAdminOrSelf, || delete(users::revoke_tokens)),
    row("POST", "/v1/invitations/redeem", Who::InvitationHolder, || post(invitations::redeem)),
    row("GET", "/v1/me", Who::Session, || get(me::read)),
    row("PATCH", "/v1/me", Who::Interactive, || patch(me::change)),
    row("POST", "/v1/me/password", Who::Interactive, || post(me::set_password)),
    row("POST", "/v1/me/totp", Who::Interactive, || post(me::begin_totp)),
    row("DELETE", "/v1/me/totp", Who::Interactive, || delete(me::remove_totp)),
    row("POST", "/v1/me/totp/confirm", Who::Interactive, || post(me::confirm_totp)),
    row("POST", "/v1/sites/{site}/revocations", Who::SiteAdmin, || post(revocations::revoke_before)),
    row("GET", "/v1/sites/{site}/events", Who::SiteAdmin, || get(events::list)),
    row("POST", leaks::PATH, Who::Anyone, || post(leaks::report)),
    row("POST", "/v1/sites/{site}/introspect", Who::SiteCredential, || post(introspect::introspect)),
    row("GET", "/v1/sites/{site}/verify", Who::ForwardAuth, || get(verify::routed)),
    row("GET", "/v1/openapi.json", Who::Anyone, || get(meta::openapi)),
    row("GET", "/.well-known/patd", Who::Anyone, || get(meta::well_known)),
    row("GET", "/invitation", Who::Anyone, || get(pages::invitation)),
];

/// The table.
#[must_use]
pub fn table() -> &'static [Route] {
    TABLE
}

/// The OpenAPI document of the native API, as the daemon serves it.
#[must_use]
pub fn openapi() -> impl Serialize {
    crate::native::openapi::document()
}

/// The public router: the native API, the pages and the Tableau surface, inside the envelope.
pub fn router(http: Arc<Http>) -> Router {
    let native = TABLE.iter().fold(Router::new(), |router, row| router.route(row.path, (row.serve)()));
    native
        .merge(tableau::router(Arc::clone(&http)))
        .fallback(async || Problem::new(Kind::NotFound, "no such address"))
        .method_not_allowed_fallback(async || {
            Problem::new(Kind::MethodNotAllowed, "this address exists, but not for this method")
        })
        .layer(from_fn_with_state(Arc::clone(&http), envelope::wrap))
        .with_state(http)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::native::openapi::document;

    type Rows = BTreeSet<(String, String)>;

    fn documented() -> Rows {
        let document = serde_json::to_value(document()).expect("the document");
        let paths = document["paths"].as_object().expect("paths").clone();
        let operations = paths.into_iter().flat_map(|(path, item)| {
            let methods: Vec<String> = item.as_object().expect("an item").keys().cloned().collect();
            methods.into_iter().map(move |method| (method.to_ascii_uppercase(), path.clone()))
        });
        operations.collect()
    }

    #[test]
    fn the_table_and_the_document_hold_the_same_routes() {
        let table: Rows = table().iter().map(|r| (r.method.to_owned(), r.path.to_owned())).collect();
        assert_eq!(table.len(), TABLE.len(), "a route is listed twice");
        assert_eq!(documented(), table);
    }

    #[test]
    fn the_document_asks_for_a_credential_exactly_where_the_table_does() {
        let document = serde_json::to_value(document()).expect("the document");
        for route in table() {
            let operation = &document["paths"][route.path][route.method.to_ascii_lowercase()];
            let asked = operation["security"][0].as_object().and_then(|s| s.keys().next().cloned());
            assert_eq!(asked.as_deref(), route.who.scheme(), "{} {}", route.method, route.path);
        }
    }

    #[test]
    fn every_schema_that_the_document_names_is_in_it() {
        let document = serde_json::to_value(document()).expect("the document");
        let text = document.to_string();
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().expect("a name");
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
        }
    }
}
