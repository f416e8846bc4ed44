//! Logging: text or JSON on standard error. The request id comes from the request's span. Never a panic's text.

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
    std::panic::set_hook(Box::new(log_place));
}

/// Logs where a thread panicked, and not why: the text may quote what it was about, a secret perhaps.
fn log_place(info: &std::panic::PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "a thread panicked");
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::log_place;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no poison").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_logged_with_its_place_and_without_its_text() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(log_place));
            let caught = std::panic::catch_unwind(|| panic!("patd_1_canary"));
            std::panic::set_hook(before);
            assert!(caught.is_err());
        });
        let text = String::from_utf8_lossy(&lines.0.lock().expect("no poison")).into_owned();
        assert!(text.contains("crates/patd/src/log.rs:") && !text.contains("canary"), "{text}");
    }
}
