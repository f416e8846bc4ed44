//! The control socket: how commands reach a running daemon, so that none bypasses its live table.
//!
//! One JSON request and one JSON answer per connection; only the daemon's own user (and root) may speak. Requests
//! never carry a secret; an answer may carry an invitation or a site's credential, which is shown once.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

use crate::failure::Failure;
use crate::operate::{Operation, operate};
use crate::wiring::Running;

/// Longest request, in bytes.
const MAX_REQUEST: u64 = 64 * 1024;
/// How long a peer may take to ask, and to take its answer. A command takes as long as it takes.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Ok(Value),
    Refused(String),
}

/// Binds the socket, with mode 0600.
pub(crate) fn bind(path: &Path) -> Result<UnixListener, Failure> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(Failure::io("remove the old control socket", path, e));
        }
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(|e| Failure::io("bind the control socket", path, e))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|e| Failure::io("restrict the control socket", path, e))?;
    Ok(listener)
}

/// Serves commands until dropped.
pub(crate) async fn serve(listener: UnixListener, running: Arc<Running>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let running = Arc::clone(&running);
                tokio::spawn(async move {
                    if let Err(e) = answer(stream, &running).await {
                        tracing::warn!(error = %e, "a control connection failed");
                    }
                });
            }
            Err(e) => {
                tracing::warn!(error = %e, "the control socket does not accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(mut stream: tokio::net::UnixStream, running: &Arc<Running>) -> std::io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    let own = rustix::process::geteuid().as_raw();
    let reply = if peer != own && peer != 0 {
        Reply::Refused(format!("the daemon runs as user id {own}; user id {peer} may not operate it"))
    } else {
        let mut line = String::new();
        let (read, _) = stream.split();
        let mut read = tokio::io::BufReader::new(read.take(MAX_REQUEST));
        tokio::time::timeout(PATIENCE, read.read_line(&mut line)).await??;
        match serde_json::from_str::<Operation>(&line) {
            Ok(operation) => match operate(running, operation).await {
                Ok(value) => Reply::Ok(value),
                Err(e) => Reply::Refused(e.to_string()),
            },
            Err(e) => {
                Reply::Refused(format!("the daemon does not understand this command ({e}); same version?"))
            }
        }
    };
    let mut text = serde_json::to_vec(&reply)?;
    text.push(b'\n');
    tokio::time::timeout(PATIENCE, stream.write_all(&text)).await??;
    stream.shutdown().await
}

/// Sends a command to a running daemon.
pub(crate) fn send(path: &Path, operation: &Operation) -> Result<Value, Failure> {
    let io = |e| Failure::io("speak to the daemon over", path, e);
    let mut stream = UnixStream::connect(path).map_err(io)?;
    let mut text = serde_json::to_vec(operation).map_err(|e| io(e.into()))?;
    text.push(b'\n');
    stream.write_all(&text).map_err(io)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(io)?;
    match serde_json::from_str(&line).map_err(|e| io(e.into()))? {
        Reply::Ok(value) => Ok(value),
        Reply::Refused(why) => Err(Failure::Refused(why)),
    }
}
