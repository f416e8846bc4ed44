//! A private rsyslogd on free ports and sockets of its own, without privileges and without the system's log.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rcgen::{CertifiedKey, generate_simple_self_signed};

use crate::until;

/// A running daemon; killed when dropped.
pub(crate) struct Daemon {
    process: Child,
    pub(crate) udp: u16,
    pub(crate) tcp: u16,
    pub(crate) tls: u16,
    folder: PathBuf,
}

/// One message as the daemon has understood it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) priority: String,
    pub(crate) app: String,
    pub(crate) kind: String,
    pub(crate) process: String,
    pub(crate) host: String,
    pub(crate) time: String,
    pub(crate) data: String,
    pub(crate) text: String,
}

impl Daemon {
    /// Starts it with ports of the system's choice.
    pub(crate) fn start(folder: &Path) -> Self {
        let free = || TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
        let udp = UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a port").port();
        Self::start_on(folder, udp, free(), free())
    }

    pub(crate) fn start_on(folder: &Path, udp: u16, tcp: u16, tls: u16) -> Self {
        let folder = folder.to_owned();
        let (certificate, key) = (folder.join("ca.pem"), folder.join("key.pem"));
        if !certificate.exists() {
            let CertifiedKey { cert, signing_key } =
                generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
            std::fs::write(&certificate, cert.pem()).expect("written");
            std::fs::write(&key, signing_key.serialize_pem()).expect("written");
        }
        let place = folder.display();
        let config = format!(
            r#"global(workDirectory="{place}" maxMessageSize="64k" localHostname="receiver" defaultNetstreamDriver="gtls"
  defaultNetstreamDriverCAFile="{place}/ca.pem" defaultNetstreamDriverCertFile="{place}/ca.pem"
  defaultNetstreamDriverKeyFile="{place}/key.pem")
module(load="imudp") module(load="imptcp") module(load="imuxsock" sysSock.use="off")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
template(name="fields" type="string" string="%pri%\t%app-name%\t%msgid%\t%procid%\t%hostname%\t%timereported:::date-rfc3339%\t%structured-data%\t%msg%\n")
input(type="imudp" address="127.0.0.1" port="{udp}")
input(type="imptcp" address="127.0.0.1" port="{tcp}")
input(type="imptcp" path="{place}/stream" unlink="on")
input(type="imuxsock" socket="{place}/datagrams" unlink="on" useSpecialParser="off" parseHostname="on" ignoreTimestamp="off")
input(type="imtcp" address="127.0.0.1" port="{tls}")
*.* action(type="omfile" file="{place}/log" template="fields" asyncWriting="off" flushOnTXEnd="on")
"#
        );
        let file = folder.join("rsyslog.conf");
        std::fs::write(&file, config).expect("written");
        let process = Command::new("rsyslogd")
            .args(["-n", "-iNONE", "-f"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("errors")).expect("a file"))
            .spawn()
            .expect("rsyslogd runs; `cargo xtask test` installs it");
        let daemon = Self { process, udp, tcp, tls, folder };
        let bound = format!(":{udp:04X} ");
        until("rsyslogd listens", || {
            let listens = [tcp, tls].iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
                && ["stream", "datagrams"].iter().all(|name| daemon.folder.join(name).exists())
                && std::fs::read_to_string("/proc/net/udp").is_ok_and(|all| all.contains(&bound));
            listens.then_some(())
        });
        daemon
    }

    /// Waits for as many messages and gives them.
    pub(crate) fn messages(&self, count: usize) -> Vec<Message> {
        until(&format!("{count} messages"), || {
            let text = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            // What rsyslogd says of itself.
            let all: Vec<Message> =
                text.lines().map(message).filter(|message| message.app != "rsyslogd").collect();
            (all.len() >= count).then_some(all)
        })
    }

    /// Ends it, as a crash would.
    pub(crate) fn kill(mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("ended");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn message(line: &str) -> Message {
    let mut parts = line.splitn(8, '\t').map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    Message {
        priority: next(),
        app: next(),
        kind: next(),
        process: next(),
        host: next(),
        time: next(),
        data: next(),
        text: next().trim_start().to_owned(),
    }
}
