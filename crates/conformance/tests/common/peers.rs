//! Peers for sinks that deliver over the net: the kit's instances need somebody who takes what they send. They take
//! everything; what is sent is judged by the tests of each plug-in, against real peers.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};

/// A configuration for the plug-in of this name whose peer runs in this process until it ends; `None` where the plug-in's
/// example needs no peer.
pub(crate) fn config(plugin: &str) -> Option<Value> {
    match plugin {
        "audit-webhook" => {
            let secret = "whsec_Y29uZm9ybWFuY2VraXRjb25mb3JtYW5jZWtpdA==";
            Some(json!({ "url": format!("http://127.0.0.1:{}/", serve(http)), "secrets": [secret] }))
        }
        "audit-syslog" => Some(json!({ "address": format!("tcp://127.0.0.1:{}", serve(swallow)) })),
        "audit-email" => {
            let smtp = format!("smtp://127.0.0.1:{}", serve(smtp));
            Some(json!({ "smtp": smtp, "starttls": "off", "from": "patd@example.com" }))
        }
        _ => None,
    }
}

/// Serves each connection on a thread of its own; the port.
fn serve(peer: fn(TcpStream) -> std::io::Result<()>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || peer(stream));
        }
    });
    port
}

fn swallow(mut stream: TcpStream) -> std::io::Result<()> {
    std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
}

/// Answers each request with 204.
fn http(stream: TcpStream) -> std::io::Result<()> {
    let mut answers = stream.try_clone()?;
    let mut requests = BufReader::new(stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        if requests.read_line(&mut line)? == 0 {
            return Ok(());
        }
        while line.trim_end() != "" {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
            requests.read_line(&mut line)?;
        }
        std::io::copy(&mut requests.by_ref().take(length), &mut std::io::sink())?;
        answers.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
    }
}

/// Greets and says yes. No mail is sent, as the kit's events have no recipients.
fn smtp(stream: TcpStream) -> std::io::Result<()> {
    let mut answers = stream.try_clone()?;
    answers.write_all(b"220 kit\r\n")?;
    for line in BufReader::new(stream).lines() {
        line?;
        answers.write_all(b"250 kit\r\n")?;
    }
    Ok(())
}
