//! The peer: nginx that answers 204 to everything, one process, no log, a config and a port of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::cpu::Cores;
use crate::env::{Folder, write_private};
use crate::failure::{Context, Failure};

const PATIENCE: Duration = Duration::from_secs(10);

/// A running nginx; it ends when this is dropped.
pub(crate) struct Nginx {
    child: Child,
    address: SocketAddr,
}

impl Nginx {
    /// Starts it on the server's core and waits until it listens.
    pub(crate) fn start(folder: &Folder, cores: Cores) -> Result<Self, Failure> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .context("cannot find a free port")?;
        let path = folder.path().join("nginx.conf");
        write_private(&path, config(folder, address).as_bytes())?;
        let child = cores
            .server("nginx")
            .arg("-c")
            .arg(&path)
            .arg("-e")
            .arg(folder.path().join("nginx.log"))
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start nginx")?;
        let mut nginx = Self { child, address };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            let ended = nginx.child.try_wait().context("cannot look after nginx")?;
            if ended.is_some() || Instant::now() > deadline {
                return Err(Failure::new(format!(
                    "nginx does not listen on {address}; see {}",
                    folder.path().join("nginx.log").display()
                )));
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        Ok(nginx)
    }

    /// taskset becomes nginx, and without a master process that is the one that answers.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It holds nothing worth an orderly end; a failure means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(folder: &Folder, address: SocketAddr) -> String {
    let folder = folder.path().display();
    format!(
        r#"daemon off;
master_process off;
pid "{folder}/nginx.pid";
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path "{folder}/nginx-body";
    proxy_temp_path "{folder}/nginx-proxy";
    fastcgi_temp_path "{folder}/nginx-fastcgi";
    uwsgi_temp_path "{folder}/nginx-uwsgi";
    scgi_temp_path "{folder}/nginx-scgi";
    server {{ listen {address}; return 204; }}
}}
"#
    )
}
