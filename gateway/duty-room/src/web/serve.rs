//! Connections: in the clear or over TLS, how long a header may take, and their end.
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::patient::Patient;
use super::seats::Seats;
use super::{Desk, Peer, clear, router};
use crate::certificate::Holder;
use crate::stop::Stopped;

/// A request's header must be complete within this; a connection's encryption too.
const HEADER_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a request's header at most.
const HEADER_BYTES: usize = 8 * 1_024;
/// A reader that takes nothing of what waits for it is cut after so long.
const TAKEN_WITHIN: Duration = Duration::from_secs(20);
/// A peer that confirms nothing for so long is gone: a computer that lost its power does not hold its place, neither
/// while something waits for it nor (by keep-alive probes, once it was quiet for a while) while nothing does.
const GONE_AFTER: Duration = Duration::from_secs(30);
const PROBE_AFTER: Duration = Duration::from_secs(15);
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// How soon a board that fell silent is noticed.
const LOOK_AT_BOARDS_EVERY: Duration = Duration::from_secs(2);
/// After an accept that failed (no file descriptors, say) a moment for things to get better.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// The first byte of a TLS connection (RFC 8446, 5.1: a record of the type handshake); no HTTP method begins with it.
const TLS: u8 = 0x16;

/// What answers on every connection.
struct Pages {
    /// All there is; only this machine's when in the clear and not told otherwise.
    own: Router,
    /// What is answered in the clear while the pages are shown over TLS.
    clear: Router,
    certificate: Option<Holder>,
    seats: Seats,
}

pub(crate) async fn serve(
    listener: TcpListener,
    desk: Desk,
    certificate: Option<Holder>,
    mut stopped: Stopped,
) {
    let (own, clear) = (router(desk.clone()), clear::router(desk.clone()));
    let pages = Pages { own, clear, certificate, seats: Seats::default() };
    let mut looking = tokio::time::interval(LOOK_AT_BOARDS_EVERY);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = looking.tick() => {
                desk.tell_boards();
                desk.tell_refusals();
                continue;
            }
            () = stopped.wait() => break,
        };
        match accepted {
            Ok((stream, peer)) => pages.take(stream, peer, &mut connections),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
    // Live pages never end by themselves: they are cut, and say so to their readers.
    connections.shutdown().await;
}

impl Pages {
    fn take(&self, stream: TcpStream, peer: SocketAddr, connections: &mut JoinSet<()>) {
        let Some(seat) = self.seats.take(peer.ip()) else { return };
        let with =
            |router: &Router| router.clone().layer(Extension(Peer(peer.ip()))).layer(Extension(seat.clone()));
        let (own, clear) = (with(&self.own), with(&self.clear));
        // Open connections keep the certificate they began with.
        let server = self.certificate.as_ref().map(|certificate| certificate.current().server);
        connections.spawn(async move {
            let served = async {
                let _ = stream.set_nodelay(true);
                if let Err(error) = watch_for_its_end(&stream) {
                    tracing::debug!(%error, "a peer that goes away unheard will be noticed late");
                }
                match server {
                    None => http(stream, own).await,
                    Some(server) => encrypted(stream, server, own, clear).await,
                }
            };
            tokio::select! {
                served = served => if let Err(error) = served {
                    tracing::debug!(%error, "a connection ended early");
                },
                () = seat.must_leave() => tracing::debug!("a silent connection made room"),
            }
        });
    }
}

fn watch_for_its_end(stream: &TcpStream) -> rustix::io::Result<()> {
    let gone_ms = u32::try_from(GONE_AFTER.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(stream, gone_ms)?;
    sockopt::set_tcp_keepidle(stream, PROBE_AFTER)?;
    sockopt::set_tcp_keepintvl(stream, PROBE_EVERY)?;
    sockopt::set_socket_keepalive(stream, true)
}

/// TLS, or what is said to whoever speaks in the clear where TLS is spoken.
async fn encrypted(
    stream: TcpStream,
    server: Arc<ServerConfig>,
    own: Router,
    clear: Router,
) -> io::Result<()> {
    let mut first = [0];
    let late = || io::Error::from(io::ErrorKind::TimedOut);
    let read = timeout(HEADER_WITHIN, stream.peek(&mut first)).await.map_err(|_| late())??;
    if read > 0 && first != [TLS] {
        return http(stream, clear).await;
    }
    let accepted = timeout(HEADER_WITHIN, TlsAcceptor::from(server).accept(stream)).await;
    http(accepted.map_err(|_| late())??, own).await
}

async fn http<S>(stream: S, pages: Router) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WITHIN)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(Patient::new(stream, TAKEN_WITHIN)), TowerToHyperService::new(pages))
        .await
        .map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_quiet_connection_is_probed_before_its_peer_counts_as_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        watch_for_its_end(&stream).unwrap();
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        assert_eq!(sockopt::tcp_user_timeout(&stream).unwrap(), 30_000);
        let (after, every) =
            (sockopt::tcp_keepidle(&stream).unwrap(), sockopt::tcp_keepintvl(&stream).unwrap());
        assert!(after + every < GONE_AFTER, "{after:?}, {every:?}");
    }
}
