//! Logging: text or JSON on standard error. The request id comes from the request's span.

use anstream::stream::IsTerminal as _;
use patd_config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

/// Installs the subscriber. `PATD_LOG` overrides the level, in tracing's filter syntax.
pub(crate) fn install(log: &Log) {
    let filter = EnvFilter::try_from_env("PATD_LOG")
        .unwrap_or_else(|_| EnvFilter::new(format!("{},sqlx=warn,sea_orm=warn", log.level.as_str())));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let result = match log.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    if result.is_err() {
        tracing::debug!("logging was installed before");
    }
}
