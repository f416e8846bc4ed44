//! The environment's mail server and webhook receiver: both take everything and keep it in files for people and scripts to
//! look at. They listen on this machine only and must never pass anything on.
//!
//! They run as a process of their own (`cargo xtask env catch`, which `env up` starts), so that a detached environment has
//! them too.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::failure::{Context, Failure};

/// A webhook's body or a mail that is longer is cut off.
const MAX_BYTES: u64 = 16 << 20;

/// What `env catch` is told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Where mails go, one file each.
    #[arg(long)]
    mails: PathBuf,
    /// Where webhooks go, one line each.
    #[arg(long)]
    hooks: PathBuf,
    /// The port of the mail server.
    #[arg(long)]
    smtp: u16,
    /// The port of the webhook receiver.
    #[arg(long)]
    http: u16,
}

/// Serves until it is killed.
pub(crate) fn serve(args: &Args) -> Result<(), Failure> {
    let listen = |port| {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).context(format_args!("cannot listen on port {port}"))
    };
    let (smtp, http) = (listen(args.smtp)?, listen(args.http)?);
    fs::create_dir_all(&args.mails).context(format_args!("cannot make {}", args.mails.display()))?;
    let (line, next) = (Mutex::new(()), AtomicU32::new(1));
    thread::scope(|scope| {
        let (mails, hooks, line, next) = (&args.mails, &args.hooks, &line, &next);
        scope.spawn(move || {
            for stream in smtp.incoming().flatten() {
                // A client that breaks off is no failure of ours.
                scope.spawn(move || mail(stream, mails, next).ok());
            }
        });
        for stream in http.incoming().flatten() {
            scope.spawn(move || hook(stream, hooks, line).ok());
        }
    });
    Ok(())
}

/// One SMTP session.
fn mail(stream: TcpStream, folder: &Path, next: &AtomicU32) -> io::Result<()> {
    let mut answers = stream.try_clone()?;
    let mut lines = BufReader::new(stream).take(MAX_BYTES);
    answers.write_all(b"220 catcher\r\n")?;
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "DATA" => {
                answers.write_all(b"354 go on\r\n")?;
                keep(&message(&mut lines)?, folder, next)?;
                answers.write_all(b"250 kept\r\n")?;
            }
            "QUIT" => return answers.write_all(b"221 goodbye\r\n"),
            "EHLO" | "HELO" | "MAIL" | "RCPT" | "RSET" | "NOOP" => answers.write_all(b"250 good\r\n")?,
            _ => answers.write_all(b"502 not here\r\n")?,
        }
        line.clear();
        lines.set_limit(MAX_BYTES);
    }
    Ok(())
}

/// The lines up to the one that is a full stop.
fn message(lines: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    loop {
        let begin = text.len();
        if lines.read_until(b'\n', &mut text)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match &text[begin..] {
            b".\r\n" | b".\n" => {
                text.truncate(begin);
                return Ok(text);
            }
            [b'.', ..] => drop(text.remove(begin)),
            _ => {}
        }
    }
}

/// In the next file that is not there yet.
fn keep(mail: &[u8], folder: &Path, next: &AtomicU32) -> io::Result<()> {
    loop {
        let path = folder.join(format!("{:05}.eml", next.fetch_add(1, Ordering::Relaxed)));
        match OpenOptions::new().create_new(true).write(true).mode(0o600).open(path) {
            Ok(mut file) => return file.write_all(mail),
            // Of an earlier run.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// The requests of one HTTP connection.
fn hook(stream: TcpStream, file: &Path, line: &Mutex<()>) -> io::Result<()> {
    let mut answers = stream.try_clone()?;
    let mut requests = BufReader::new(stream);
    while let Some(entry) = request(&mut requests)? {
        {
            let _turn = line.lock();
            let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(file)?;
            file.write_all(format!("{entry}\n").as_bytes())?;
        }
        answers.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
    }
    Ok(())
}

/// A request's headers and body; none at the end.
fn request(requests: &mut impl BufRead) -> io::Result<Option<Value>> {
    let (mut headers, mut length, mut line) = (serde_json::Map::new(), 0_u64, String::new());
    if requests.by_ref().take(MAX_BYTES).read_line(&mut line)? == 0 {
        return Ok(None);
    }
    loop {
        line.clear();
        requests.by_ref().take(MAX_BYTES).read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        if name == "content-length" {
            length = value.parse().unwrap_or(0).min(MAX_BYTES);
        }
        headers.insert(name, value.into());
    }
    let mut body = String::new();
    requests.by_ref().take(length).read_to_string(&mut body)?;
    // The body as it came: a signature is over its bytes.
    Ok(Some(json!({ "headers": headers, "body": body })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_at_the_full_stop_and_loses_the_stops_that_were_put_before_others() {
        let mut lines: &[u8] = b"a: b\r\n\r\n..c\r\n.\r\nNOOP\r\n";
        assert_eq!(message(&mut lines).expect("a message"), b"a: b\r\n\r\n.c\r\n");
        assert_eq!(lines, b"NOOP\r\n");
        assert!(message(&mut lines).is_err(), "cut off");
    }

    #[test]
    fn requests_come_one_after_the_other_with_their_bodies_as_they_were() {
        let mut bytes: &[u8] =
            b"POST / HTTP/1.1\r\nWebhook-Id: 1\r\nContent-Length: 4\r\n\r\n{ 1}POST / HTTP/1.1\r\n\r\n";
        let first = request(&mut bytes).expect("reads").expect("a request");
        assert_eq!((&first["headers"]["webhook-id"], &first["body"]), (&json!("1"), &json!("{ 1}")));
        assert_eq!(request(&mut bytes).expect("reads").expect("another")["body"], "");
        assert_eq!(request(&mut bytes).expect("reads"), None);
    }

    #[test]
    fn mails_are_kept_side_by_side() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("00001.eml"), "of an earlier run").expect("written");
        let next = AtomicU32::new(1);
        for text in ["one", "two"] {
            keep(text.as_bytes(), folder.path(), &next).expect("kept");
        }
        assert_eq!(fs::read(folder.path().join("00003.eml")).expect("reads"), b"two");
    }
}
