//! The OpenAPI document, from the handlers' own types; security comes from the route table.
//!
//! Never written by hand beside the code: a test compares it with the table in both directions.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http as HttpScheme, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, OpenApi, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, OpenApi as _, PartialSchema, ToSchema};

use super::{events, introspect, invitations, leaks, me, meta, revocations, sessions, tokens, users};
use crate::routes;
use crate::{pages, verify};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "patd", description = "Personal access tokens for any number of sites"),
    paths(
        sessions::open,
        sessions::current,
        sessions::sign_out,
        tokens::mint,
        tokens::list,
        tokens::revoke,
        users::list,
        users::invite,
        users::read,
        users::change,
        users::remove,
        users::tokens,
        users::revoke_tokens,
        invitations::redeem,
        me::read,
        me::change,
        me::set_password,
        me::begin_totp,
        me::remove_totp,
        me::confirm_totp,
        revocations::revoke_before,
        events::list,
        leaks::report,
        introspect::introspect,
        verify::routed,
        meta::openapi,
        meta::well_known,
        pages::invitation,
    ),
    components(schemas(ProblemBody))
)]
struct Annotated;

/// A refusal (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
struct ProblemBody {
    /// `urn:patd:problem:` and the name of the type.
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    /// `urn:uuid:` and the request id.
    instance: String,
    /// When the session or token ended.
    ended_at: Option<String>,
    /// The public id of the session that took over.
    successor: Option<String>,
    /// The site of that session; only at `/v1/sessions/current`.
    successor_site: Option<super::wire::Site>,
    /// Seconds to wait.
    retry_after: Option<u64>,
}

/// The refusals that every call may answer with.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let content = ContentBuilder::new().schema(Some(ProblemBody::schema())).build();
        let response = ResponseBuilder::new()
            .description("Refused: the problem says why and what to do")
            .content("application/problem+json", content)
            .build();
        BTreeMap::from([("default".to_owned(), RefOr::T(response))])
    }
}

/// The document.
pub(crate) fn document() -> OpenApi {
    let mut document = Annotated::openapi();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let components = document.components.get_or_insert_with(Components::new);
    for (name, scheme) in [("session", HttpAuthScheme::Bearer), ("site", HttpAuthScheme::Basic)] {
        components.add_security_scheme(name, SecurityScheme::Http(HttpScheme::new(scheme)));
    }
    for route in routes::table() {
        let item = document.paths.paths.get_mut(route.path);
        if let Some(operation) = item.and_then(|item| operation(item, route.method))
            && let Some(scheme) = route.who.scheme()
        {
            operation.security = Some(vec![SecurityRequirement::new(scheme, Vec::<String>::new())]);
        }
    }
    document
}

fn operation<'a>(item: &'a mut PathItem, method: &str) -> Option<&'a mut Operation> {
    match method {
        "GET" => item.get.as_mut(),
        "POST" => item.post.as_mut(),
        "PATCH" => item.patch.as_mut(),
        "DELETE" => item.delete.as_mut(),
        _ => None,
    }
}
