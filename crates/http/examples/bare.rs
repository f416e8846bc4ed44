//! What axum itself costs: a bare `axum::serve` that answers 204, for `cargo xtask bench`. Prints its address.
#![expect(clippy::print_stdout, reason = "it says where it listens")]

use axum::Router;
use axum::http::StatusCode;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let router = Router::new().fallback(|| async { StatusCode::NO_CONTENT });
    axum::serve(listener, router).await
}
