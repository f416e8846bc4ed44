//! `patd serve`: listeners, signals, the order of start and stop. SIGHUP reloads (see [`crate::reload`]).
//!
//! The first SIGTERM or SIGINT drains: no new connections, requests in flight end, the outbox gets a last pass, stores
//! close. The second stops at once; what was answered is durable either way (R6).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use patd_config::{Config, KeyText};
use patd_http::leak_signature::LeakKey;
use patd_http::listen::{Listen, Listener};
use patd_http::management;
use patd_http::server::Server;
use patd_http::state::{Http, Limits};
use patd_service::pump::SinkStatus;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::control;
use crate::data_dir::{self, DataDir, control_socket};
use crate::failure::Failure;
use crate::log;
use crate::reload::reload;
use crate::seal_files::SealFiles;
use crate::system::OsRandom;
use crate::wiring::{Running, span};

/// How long threads that hang in a plug-in may hold up the end.
pub(crate) const LEFT_BEHIND: Duration = Duration::from_secs(5);

/// The daemon's async runtime.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("patd-http")
        .build()
        .map_err(|e| Failure::Start(format!("the async runtime does not start: {e}")))
}

/// Runs the daemon until it is told to stop.
pub(crate) fn serve(path: &Path, config: &Config) -> Result<(), Failure> {
    log::install(&config.log);
    let data_dir = DataDir::lock(&config.server.data_dir)?.ok_or_else(|| {
        Failure::Start(format!(
            "another patd holds {}; stop it first, or use another data_dir",
            config.server.data_dir.join(data_dir::LOCK).display()
        ))
    })?;
    let path = std::fs::canonicalize(path).map_err(|e| Failure::io("find", path, e))?;
    let runtime = runtime()?;
    let ended = runtime.block_on(run(config, path, &data_dir));
    // A plug-in's call that hangs must not hold up the end.
    runtime.shutdown_timeout(LEFT_BEHIND);
    ended
}

async fn run(config: &Config, path: PathBuf, data_dir: &DataDir) -> Result<(), Failure> {
    // From the first moment on it must not end the daemon.
    let hup = signal(SignalKind::hangup()).map_err(no_signals)?;
    let metrics = PrometheusBuilder::new()
        .install_recorder()
        .map_err(|e| Failure::Start(format!("metrics cannot be collected: {e}")))?;
    let mut listeners = Vec::new();
    for at in &config.server.listen {
        listeners.push(bind(at).await?);
    }
    let for_management = bind(&config.server.management).await?;

    let mut running = Running::start(config, data_dir).await?;
    running.config_path = Some(path);
    let seal = SealFiles::of(config);
    running.service.start_sealing(seal.signer(&OsRandom)?, Arc::new(seal));
    if let Some(keep) = config.audit.keep {
        running.service.keep_events_for(span(keep));
    }
    let running = Arc::new(running);
    let limits = limits(config);
    let http = Arc::new(Http {
        service: Arc::clone(&running.service),
        limits: limits.clone(),
        trusted_proxies: config.server.trusted_proxies.iter().map(patd_config::Network::net).collect(),
        public_url: running.public_url.trim_end_matches('/').to_owned(),
        leak_keys: leak_keys(config)?,
    });
    let socket = control_socket(data_dir.path());
    let control = tokio::spawn(control::serve(control::bind(&socket)?, Arc::clone(&running)));

    let (stop, stop_management) = (CancellationToken::new(), CancellationToken::new());
    let service = Arc::clone(&running.service);
    let render = Arc::new(move || {
        let live = f64::from(u32::try_from(service.live_sessions()).unwrap_or(u32::MAX));
        metrics::gauge!("patd_live_sessions").set(live);
        for site in service.sites_out_of_service() {
            let out = u32::try_from(site.reasons.len()).unwrap_or(u32::MAX);
            metrics::gauge!("patd_site_instances_out_of_service", "site" => site.content_url).set(out);
        }
        for sink in service.sinks_status() {
            tell(&sink);
        }
        metrics.render()
    });
    let management = Server::plain(management::router(Arc::clone(&running.service), render), limits);
    let management = tokio::spawn(management.serve(vec![for_management], stop_management.clone()));
    for listener in &listeners {
        if let Ok(address) = listener.address() {
            tracing::info!(%address, "patd serves");
        }
    }
    let public = tokio::spawn(Server::public(http).serve(listeners, stop.clone()));

    let reloads = tokio::spawn(reload_on_signal(hup, Arc::clone(&running)));
    wait_for_stop().await?;
    reloads.abort();
    tracing::info!("stopping: requests in flight may end; a second signal stops at once");
    stop.cancel();
    tokio::spawn(async {
        if wait_for_stop().await.is_ok() {
            std::process::exit(130);
        }
    });
    ended(public.await);
    control.abort();
    running.stop().await;
    stop_management.cancel();
    ended(management.await);
    if let Err(e) = std::fs::remove_file(&socket) {
        tracing::debug!(error = %e, "the control socket could not be removed");
    }
    tracing::info!("stopped");
    Ok(())
}

/// A sink's gauges.
#[expect(clippy::cast_precision_loss, reason = "a metric is a double")]
fn tell(status: &SinkStatus) {
    let labels = [("sink", status.sink.clone()), ("site", status.site.clone())];
    metrics::gauge!("patd_sink_backlog", &labels).set(status.backlog as f64);
    metrics::gauge!("patd_sink_lag_seconds", &labels).set(status.lag_us as f64 / 1e6);
    metrics::gauge!("patd_sink_dead_letters", &labels).set(status.dead_letters as f64);
    metrics::gauge!("patd_sink_full", &labels).set(u8::from(status.full));
}

fn ended(result: Result<(), tokio::task::JoinError>) {
    // What a panic says stays in the panic: nobody knows what is in it.
    if result.is_err() {
        tracing::error!("a server ended badly: it panicked");
    }
}

async fn bind(at: &patd_config::Listen) -> Result<Listener, Failure> {
    let at = match at {
        patd_config::Listen::Tcp(address) => Listen::Tcp(*address),
        patd_config::Listen::Unix(path) => Listen::Unix(path.clone()),
    };
    Listener::bind(&at).await.map_err(|e| Failure::Start(format!("cannot listen on {at}: {e}")))
}

fn limits(config: &Config) -> Limits {
    let from = &config.limits;
    Limits {
        max_connections: from.max_connections as usize,
        max_body_bytes: usize::try_from(from.max_body).unwrap_or(usize::MAX),
        header_time: from.header_timeout.duration(),
        request_time: from.request_timeout.duration(),
        ..Limits::default()
    }
}

/// The keys by which reports of leaked secrets are believed.
fn leak_keys(config: &Config) -> Result<Vec<LeakKey>, Failure> {
    let read = |known: &patd_config::LeakKey| {
        let pem = match &known.key {
            KeyText::Pem(text) => text.clone(),
            KeyText::File(file) => std::fs::read_to_string(&file.from_file)
                .map_err(|e| Failure::io("read the public key", &file.from_file, e))?,
        };
        LeakKey::new(known.id.as_str(), &pem)
            .map_err(|e| Failure::Start(format!("leaks.github_keys: the key of `{}` {e}", known.id)))
    };
    config.leaks.github_keys.iter().map(read).collect()
}

/// Waits for SIGTERM or SIGINT.
async fn wait_for_stop() -> Result<(), Failure> {
    let mut term = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut int = signal(SignalKind::interrupt()).map_err(no_signals)?;
    tokio::select! {
        _ = term.recv() => Ok(()),
        _ = int.recv() => Ok(()),
    }
}

/// Reloads at each SIGHUP; what came of it is in the log.
async fn reload_on_signal(mut hup: Signal, running: Arc<Running>) {
    while hup.recv().await.is_some() {
        if let Some(path) = &running.config_path {
            // Told by the reload itself.
            let _logged = reload(&running, path).await;
        }
    }
}

fn no_signals(e: std::io::Error) -> Failure {
    Failure::Start(format!("signals cannot be received: {e}"))
}
