//! How a command reaches the service: through the running daemon, or by holding its data folder when none runs.
//!
//! Never opens a store beside a running daemon.

use std::path::PathBuf;
use std::sync::Arc;

use patd_config::Config;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::control;
use crate::data_dir::{DataDir, control_socket};
use crate::failure::Failure;
use crate::operate::{Operation, operate};
use crate::serve;
use crate::wiring::Running;

/// A service that carries out operations.
pub(crate) enum Connection {
    /// In the daemon behind this control socket.
    Daemon(PathBuf),
    /// In this process, which holds the data folder as long as this lives.
    Own {
        /// Where it runs.
        runtime: Runtime,
        /// The service.
        running: Arc<Running>,
        /// The lock.
        data_dir: DataDir,
    },
}

impl Connection {
    /// Finds the daemon, or starts the service here.
    pub(crate) fn open(config: &Config) -> Result<Self, Failure> {
        let Some(data_dir) = DataDir::lock(&config.server.data_dir)? else {
            return Ok(Self::Daemon(control_socket(&config.server.data_dir)));
        };
        let runtime = serve::runtime()?;
        let running = runtime.block_on(Running::start(config, &data_dir))?;
        Ok(Self::Own { runtime, running: Arc::new(running), data_dir })
    }

    /// The running daemon; refused when there is none.
    pub(crate) fn daemon(config: &Config) -> Result<Self, Failure> {
        match DataDir::lock(&config.server.data_dir)? {
            None => Ok(Self::Daemon(control_socket(&config.server.data_dir))),
            Some(_) => Err(Failure::Refused(format!(
                "no daemon runs on {}: start one, or put server.data_dir back if it was changed",
                config.server.data_dir.display()
            ))),
        }
    }

    /// Whether a daemon answers.
    pub(crate) fn is_daemon(&self) -> bool {
        matches!(self, Self::Daemon(_))
    }

    /// Carries out an operation.
    pub(crate) fn operate(&self, operation: Operation) -> Result<Value, Failure> {
        match self {
            Self::Daemon(socket) => control::send(socket, &operation),
            Self::Own { runtime, running, .. } => runtime.block_on(operate(running, operation)),
        }
    }

    /// Stops what was started here; the data folder is free afterwards.
    pub(crate) fn close(self) {
        if let Self::Own { runtime, running, data_dir } = self {
            runtime.block_on(running.stop());
            drop(running);
            // A plug-in's call that hangs must not hold up the end.
            runtime.shutdown_timeout(serve::LEFT_BEHIND);
            drop(data_dir);
        }
    }
}
