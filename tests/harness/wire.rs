//! A bare HTTP/1.1 client on one kept connection: cheap enough for tens of thousands of requests in a debug build, and
//! able to send what a proper client would not. Never follows, retries or reconnects.

use std::io::{Error, ErrorKind, Result};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// One connection.
pub(crate) struct Wire(BufReader<TcpStream>);

/// An answer, body read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The header section as it came, names in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The body as JSON, null where it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The value of a header (name in lower case).
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    }

    /// The whole answer, for messages.
    pub(crate) fn shown(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(&self.body))
    }
}

impl Wire {
    /// Connects to a base URL of `http://host:port`.
    pub(crate) async fn connect(base_url: &str) -> Result<Self> {
        let stream = TcpStream::connect(base_url.trim_start_matches("http://")).await?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a native call, with a JSON body where one is given.
    pub(crate) async fn call(
        &mut self,
        method: &str,
        path: &str,
        credential: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Reply> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
        if let Some(credential) = credential {
            request.push_str(&format!("authorization: Bearer {credential}\r\n"));
        }
        match body {
            Some(body) => {
                let body = body.to_string();
                let length = body.len();
                request.push_str(&format!(
                    "content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
                ));
            }
            None => request.push_str("content-length: 0\r\n\r\n"),
        }
        self.raw(request.as_bytes()).await
    }

    /// Sends bytes as they stand and reads one answer.
    pub(crate) async fn raw(&mut self, request: &[u8]) -> Result<Reply> {
        self.0.get_mut().write_all(request).await?;
        let mut line = String::new();
        self.line(&mut line).await?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| Error::new(ErrorKind::InvalidData, line.clone()))?;
        let (mut head, mut length) = (String::new(), 0);
        loop {
            line.clear();
            self.line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            let name = name.to_ascii_lowercase();
            if name == "content-length" {
                length =
                    value.trim().parse().map_err(|_| Error::new(ErrorKind::InvalidData, line.clone()))?;
            }
            head.push_str(&format!("{name}:{value}\n"));
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        Ok(Reply { status, head, body })
    }

    async fn line(&mut self, line: &mut String) -> Result<()> {
        match self.0.read_line(line).await? {
            0 => Err(Error::from(ErrorKind::UnexpectedEof)),
            _ => Ok(()),
        }
    }
}
