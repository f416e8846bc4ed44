//! Opening a library runs code of it and trusts its bytes, and the system's loader holds a lock of the whole process meanwhile:
//! one that hangs or crashes there takes the process along. So each is opened in a process of its own first.
//!
//! Must never judge more than whether opening comes to an end; what a library is and does is found out where it is used.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

/// How long opening may take; what keeps to the rules takes milliseconds.
const LIMIT: Duration = Duration::from_secs(10);
/// What the other process says when it has opened the library, or was told by the loader why not.
pub const OVER: &str = "over";

static PROGRAM: OnceLock<fn(&Path) -> Command> = OnceLock::new();

/// From now on libraries are tried by this command: it opens the file with [`crate::probe::Library::open`], and then prints
/// [`OVER`] on a line, whatever came of it.
pub fn by(command: fn(&Path) -> Command) {
    // The first one stays.
    let _ = PROGRAM.set(command);
}

/// Tries it; the error says what was found.
pub(crate) fn check(copy: &Path) -> Result<(), String> {
    let Some(program) = PROGRAM.get() else { return Ok(()) };
    let mut command = program(copy);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            tracing::warn!(%error, "a plug-in cannot be tried in a process of its own; it is opened all the same");
            return Ok(());
        }
    };
    let Some(output) = child.stdout.take() else { return Ok(()) };
    let (tell, told) = mpsc::channel();
    // Ends with the child.
    std::thread::spawn(move || {
        let over = BufReader::new(output).lines().map_while(Result::ok).any(|line| line == OVER);
        let _nobody_waits = tell.send(over);
    });
    let over = told.recv_timeout(LIMIT);
    // Fails only for a process that has ended.
    let _ = child.kill();
    let ended = child.wait();
    match over {
        Ok(true) => Ok(()),
        Ok(false) => Err(match ended {
            Ok(status) => match status.signal() {
                Some(signal) => format!("one that kills the process that opens it (signal {signal})"),
                None => "one that ends the process that opens it".to_owned(),
            },
            Err(error) => format!("one that ends the process that opens it ({error})"),
        }),
        Err(_) => Err(format!("one that hangs while it is opened, for {} s", LIMIT.as_secs())),
    }
}
