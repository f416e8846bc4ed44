//! The SMTP client: one connection for the mails of a batch. Must never log in or send before the connection is as protected as
//! it was configured to be.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use patd_sdk::Failure;
use patd_sink_net::Tls;
use zeroize::Zeroizing;

use crate::config::{Password, Protection, Settings};
use crate::mail::Mail;
use crate::socket::Socket;

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);
/// What is longer is no password.
const MAX_PASSWORD: u64 = 4096;
/// Characters of a server's words in a message.
const MAX_WORDS: usize = 300;

/// What a server said to one mail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It takes care of it from now on.
    Taken,
    /// It never will.
    Refused(String),
    /// Not now: this mail, while the server itself works.
    Later(String),
}

/// How connections become as protected as they were configured to be.
#[derive(Clone)]
enum Encryption {
    None,
    Starttls(TlsParameters),
    AtOnce(Tls),
}

/// What is read at START.
#[derive(Clone)]
struct Secured {
    tls: Encryption,
    login: Option<Credentials>,
    hello: ClientId,
}

/// The client of one server.
pub(crate) struct Mailer {
    settings: Settings,
    secured: Option<Secured>,
    connection: Option<AsyncSmtpConnection>,
}

impl Mailer {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, secured: None, connection: None }
    }

    pub(crate) fn from(&self) -> &lettre::message::Mailbox {
        &self.settings.from
    }

    /// Reads password and certificates. Blocks for a moment, on small files.
    pub(crate) fn start(&mut self) -> Result<(), Failure> {
        let settings = &self.settings;
        let ca_file = settings.ca_file.as_deref();
        let tls = match settings.protection {
            Protection::Plain => Encryption::None,
            Protection::Starttls => Encryption::Starttls(starttls(settings.server.host(), ca_file)?),
            Protection::Tls => Encryption::AtOnce(Tls::new(ca_file)?),
        };
        let login = settings.login.as_ref().map(|(username, password)| {
            let password = match password {
                Password::Given(text) => Zeroizing::new(text.0.clone()),
                Password::In(file) => read_password(file)?,
            };
            Ok::<_, Failure>(Credentials::new(
                username.clone(),
                password.trim_end_matches(['\r', '\n']).to_owned(),
            ))
        });
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = name.trim();
        let full =
            name.contains('.') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
        let hello = if full { ClientId::Domain(name.to_owned()) } else { ClientId::default() };
        self.secured = Some(Secured { tls, login: login.transpose()?, hello });
        Ok(())
    }

    /// Connects, protects the connection and logs in, unless that is done.
    pub(crate) async fn connect(&mut self) -> Result<(), Failure> {
        if self.connection.as_ref().is_some_and(|open| !open.has_broken()) {
            return Ok(());
        }
        self.connection = None;
        let Some(secured) = self.secured.clone() else {
            return Err(Failure::unavailable("the sink is not started"));
        };
        let server = &self.settings.server;
        let failed =
            |what: &str, error: &Error| Failure::unavailable(format!("{server}: {what}{}", words(error)));
        let at_once = match &secured.tls {
            Encryption::AtOnce(tls) => Some(tls),
            Encryption::None | Encryption::Starttls(_) => None,
        };
        let socket = Socket::connect(server, at_once).await?;
        let mut connection = AsyncSmtpConnection::connect_with_transport(Box::new(socket), &secured.hello)
            .await
            .map_err(|error| failed("", &error))?;
        if let Encryption::Starttls(tls) = secured.tls {
            connection.starttls(tls, &secured.hello).await.map_err(|error| failed("STARTTLS: ", &error))?;
            if !connection.is_encrypted() {
                return Err(Failure::internal(format!("{server}: the connection is not encrypted")));
            }
        }
        if let Some(login) = &secured.login {
            connection.auth(DEFAULT_MECHANISMS, login).await.map_err(|error| failed("login: ", &error))?;
        }
        self.connection = Some(connection);
        Ok(())
    }

    /// Sends one mail.
    pub(crate) async fn send(&mut self, mail: &Mail) -> Result<Said, Failure> {
        self.connect().await?;
        // Taken out, so that a mail that is given up halfway leaves no connection with an answer still to come.
        let Some(mut connection) = self.connection.take() else {
            return Err(Failure::internal("the connection is gone as soon as it was made"));
        };
        match connection.send(&mail.envelope, &mail.text).await {
            Ok(_) => {
                self.connection = Some(connection);
                Ok(Said::Taken)
            }
            // That is about us, not about the mail.
            Err(error) if error.status().is_some_and(|code| is_about_login(&code.to_string())) => {
                Err(Failure::unavailable(format!("{}: {}", self.settings.server, words(&error))))
            }
            Err(error) if error.is_permanent() || error.is_client() => Ok(Said::Refused(words(&error))),
            Err(error) if error.is_transient() => Ok(Said::Later(words(&error))),
            Err(error) => Err(Failure::unavailable(format!("{}: {}", self.settings.server, words(&error)))),
        }
    }

    /// Says goodbye and closes.
    pub(crate) async fn quit(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            let _ = tokio::time::timeout(GOODBYE, connection.quit()).await;
        }
    }
}

/// Codes with which a server asks for a login, a better one or another protection; 421 closes the connection.
fn is_about_login(code: &str) -> bool {
    matches!(code, "421" | "454" | "530" | "534" | "535" | "538")
}

fn starttls(host: &str, ca_file: Option<&Path>) -> Result<TlsParameters, Failure> {
    let refused = |why: String| {
        Failure::invalid(format!("config: ca_file must name a PEM file of certificates: {why}"))
    };
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = ca_file {
        let pem = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
        let certificates = Certificate::from_pem(&pem).map_err(|error| refused(error.to_string()))?;
        if !pem.windows(5).any(|window| window == b"-----") {
            return Err(refused("there is none in it".into()));
        }
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificates);
    }
    builder.build().map_err(|error| refused(error.to_string()))
}

fn read_password(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let refused = |why: String| Failure::invalid(format!("config: password_file {why}"));
    let file = File::open(path).map_err(|error| refused(format!("cannot be read: {error}")))?;
    let mode = file.metadata().map_err(|error| refused(format!("cannot be read: {error}")))?.mode();
    if mode & 0o077 != 0 {
        return Err(refused(format!("can be read by others (mode {:o}): chmod 600", mode & 0o777)));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_PASSWORD)
        .read_to_string(&mut text)
        .map_err(|error| refused(format!("cannot be read: {error}")))?;
    if text.trim().is_empty() {
        return Err(refused("is empty".into()));
    }
    Ok(text)
}

/// What went wrong, on one line and of bounded length: servers may say anything.
fn words(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_WORDS).collect()
}
