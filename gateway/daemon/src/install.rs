//! The installer's pages: whoever stands before the box sets it up and walks its devices from a phone.
//!
//! They are there for an hour after a press on the box, or at its first start; on one network that the configuration
//! names; behind the PIN on the label. What they show is made here, without a framework; what they do, the core decides.
mod bench;
mod device;
mod door;
mod entry;
mod page;
mod papers;
mod pin;
mod scan;
mod setting;
#[cfg(test)]
mod tests;
mod visit;
mod walk;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::config::Config;
use crate::control::Lenders;
use crate::installing::Counter;
use crate::web::{Bounded, hosts};
use door::Door;
pub use visit::{Signature, signed};

/// The address may not be there yet when the box starts; the gateway does not wait for it.
const LISTEN_AGAIN: Duration = Duration::from_secs(10);
/// A form with the names of a walk's devices is far smaller.
const BODY_BYTES: usize = 16 * 1024;
/// A photo that the page made small, or a list of a large site.
const UPLOAD_BYTES: usize = 2 * 1024 * 1024;
/// Connections that nobody has accepted yet.
const WAITING: u32 = 64;
const CONNECTION_LIMIT: Duration = Duration::from_secs(60);
const CONNECTION_BYTES: usize = UPLOAD_BYTES + 256 * 1024;

/// Where the pages are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    pub listen: SocketAddr,
    /// By this network interface only. A machine takes what is for one of its addresses by any of its interfaces.
    pub interface: Option<String>,
}

/// What the pages work with.
#[derive(Clone, Debug)]
pub struct Settings {
    pub listening: Listening,
    /// Where the PIN and the visit are kept.
    pub state_dir: PathBuf,
    /// The gateway's configuration, to which devices are added.
    pub config_file: PathBuf,
    /// Device profiles besides the shipped ones.
    pub profile_dirs: Vec<PathBuf>,
}

impl Settings {
    pub(crate) fn of(config: &Config, listening: Listening) -> Self {
        let file = config.sources.first().map(|(file, _)| file.clone());
        Self {
            listening,
            state_dir: config.state_dir.clone(),
            config_file: file.unwrap_or_default(),
            profile_dirs: config.profile_dirs.clone(),
        }
    }
}

/// Running pages; they end when this is dropped.
#[derive(Debug)]
pub struct InstallPages {
    task: JoinHandle<()>,
}

impl InstallPages {
    /// Listens as soon as the address is there, and goes on trying until then. Makes the PIN if there is none.
    pub fn start(settings: Settings, counter: Counter, lenders: Lenders) -> Self {
        match pin::made(&settings.state_dir) {
            Ok(file) => {
                tracing::info!(file = %file.display(), "the installer's pages: their PIN for the label");
            }
            Err(error) => {
                tracing::warn!(%error, "no PIN could be kept for the installer's pages: they let nobody in");
            }
        }
        let task = tokio::spawn(async move {
            loop {
                match settings.listening.bind() {
                    Ok(listener) => serve(listener, &settings, counter.clone(), lenders.clone()).await,
                    Err(error) => {
                        let Listening { listen, interface } = &settings.listening;
                        tracing::warn!(%listen, interface, %error, "the installer's pages are not there yet");
                    }
                }
                sleep(LISTEN_AGAIN).await;
            }
        });
        Self { task }
    }
}

impl Listening {
    /// Must be called within a tokio runtime.
    fn bind(&self) -> io::Result<TcpListener> {
        let socket = match self.listen {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // As after a restart: connections of before may linger.
        socket.set_reuseaddr(true)?;
        if let Some(interface) = &self.interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        socket.bind(self.listen)?;
        socket.listen(WAITING)
    }
}

impl Drop for InstallPages {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The file with the PIN of a gateway that keeps its state there.
pub fn pin_file(state_dir: &Path) -> PathBuf {
    pin::file(state_dir)
}

async fn serve(listener: TcpListener, settings: &Settings, counter: Counter, lenders: Lenders) {
    let Ok(address) = listener.local_addr() else { return };
    tracing::info!(%address, "the installer's pages are there");
    let door = Arc::new(Door::new(settings, hosts(address), counter, lenders));
    let uploads = Router::new()
        .route("/install/list", post(papers::list))
        .route("/install/photo", get(papers::photo).post(papers::put_photo))
        .layer(DefaultBodyLimit::max(UPLOAD_BYTES));
    let routes = Router::new()
        .route("/install", get(page::home))
        .route("/install/scan", get(scan::show).post(scan::begin))
        .route("/install/device", get(device::show).post(device::step))
        .route("/install/values.json", get(device::values))
        .route("/install/sign", get(papers::show).post(papers::sign))
        .route("/install/enter", post(door::enter))
        .route("/install/leave", post(door::leave))
        .route("/install/walk", get(walk::show).post(walk::step))
        .route("/install/walk.json", get(walk::told))
        .route("/install/install.js", get(page::script))
        .route("/install/upload.js", get(page::upload))
        .route("/install/install.css", get(page::style))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .merge(uploads)
        .with_state(door);
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    let bounded = Bounded::new(listener, CONNECTION_LIMIT).with_most_sent(CONNECTION_BYTES).tap_io(|_| {});
    let ended: Result<(), io::Error> = axum::serve(bounded, service).await;
    if let Err(error) = ended {
        tracing::warn!(%error, "the installer's pages ended; they are started again");
    }
}
