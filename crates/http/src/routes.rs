//! Every native route, as one table.
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;

use crate::envelope;
use crate::problem::{Kind, Problem};
use crate::state::Http;
use crate::tableau;

/// The public router: the native API, the pages and the Tableau surface, inside the envelope.
pub fn router(http: Arc<Http>) -> Router {
    let router = Router::new().merge(tableau::router(Arc::clone(&http)));
    router
        .fallback(async || Problem::new(Kind::NotFound, "no such address"))
        .method_not_allowed_fallback(async || {
            Problem::new(Kind::MethodNotAllowed, "this address exists, but not for this method")
        })
        .layer(from_fn_with_state(Arc::clone(&http), envelope::wrap))
        .with_state(http)
}
