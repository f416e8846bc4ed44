//! A server for the tests: answers each connection once, in order, and keeps what was asked.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::Value;

pub(crate) struct Answer {
    status: u16,
    headers: String,
    body: String,
}

impl Answer {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        let kind = if status < 400 { "application/json" } else { "application/problem+json" };
        Self { status, headers: format!("content-type: {kind}\r\n"), body: body.to_string() }
    }

    pub(crate) fn problem(status: u16, name: &str) -> Self {
        let body =
            serde_json::json!({"type": format!("urn:patd:problem:{name}"), "title": name, "status": status});
        Self::json(status, body)
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self { status, headers: "content-type: text/html\r\n".to_owned(), body: body.to_owned() }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: String::new(), body: String::new() }
    }

    pub(crate) fn stream(body: String) -> Self {
        Self { status: 200, headers: "content-type: text/event-stream\r\n".to_owned(), body }
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Self { status: 307, headers: format!("location: {to}/v1/x\r\n"), body: String::new() }
    }
}

pub(crate) struct TestServer {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl TestServer {
    pub(crate) fn answering(answers: impl IntoIterator<Item = Answer> + Send + 'static) -> Self {
        let answers: Vec<Answer> = answers.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for answer in answers {
                let Ok((mut stream, _)) = listener.accept() else { return };
                let request = read_request(&mut stream);
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                let Answer { status, headers, body } = answer;
                let length =
                    if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
                let text =
                    format!("HTTP/1.1 {status} Said\r\n{headers}{length}connection: close\r\n\r\n{body}");
                // A client that went away has seen enough.
                let _ = stream.write_all(text.as_bytes());
            }
        });
        Self { url, requests }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// The address, once nobody listens there any more.
    pub(crate) fn closed(self) -> String {
        let address = self.url.trim_start_matches("http://");
        while TcpStream::connect(address).is_ok() {
            thread::yield_now();
        }
        self.url
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned)
            });
            let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
            if body.len() >= length {
                return text;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return text,
            Ok(read) => request.extend_from_slice(&buffer[..read]),
        }
    }
}
