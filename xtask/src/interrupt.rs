//! Waiting in the foreground until a person has had enough.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{Context, Failure};

/// Listens for Ctrl-C and friends from the moment it is made, so that one during a bootstrap is not lost.
pub(crate) struct Interrupt {
    runtime: tokio::runtime::Runtime,
    signals: [Signal; 3],
}

impl Interrupt {
    /// Starts to listen; the default action of these signals is off from here on.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot listen for signals")?;
        let signals = {
            let _guard = runtime.enter();
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
                .map(signal)
                .into_iter()
                .collect::<Result<Vec<_>, _>>()
                .context("cannot listen for signals")?
                .try_into()
                .map_err(|_| Failure::new("cannot listen for signals"))?
        };
        Ok(Self { runtime, signals })
    }

    /// Returns `true` at a signal, `false` as soon as `alive` says no.
    pub(crate) fn wait_while(&mut self, alive: impl Fn() -> bool) -> bool {
        let [interrupt, terminate, hangup] = &mut self.signals;
        self.runtime.block_on(async {
            let mut tick = tokio::time::interval(Duration::from_millis(200));
            loop {
                tokio::select! {
                    _ = interrupt.recv() => return true,
                    _ = terminate.recv() => return true,
                    _ = hangup.recv() => return true,
                    _ = tick.tick() => if !alive() { return false },
                }
            }
        })
    }

    /// Whether a signal has come since the last look.
    pub(crate) fn came(&mut self) -> bool {
        let [interrupt, terminate, hangup] = &mut self.signals;
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                _ = interrupt.recv() => true,
                _ = terminate.recv() => true,
                _ = hangup.recv() => true,
                () = tokio::task::yield_now() => false,
            }
        })
    }
}
