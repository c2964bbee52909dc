//! Connections: how many, how long a header may take, and their end.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Extension;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{Desk, Peer, router};
use crate::stop::Stopped;

/// Connections at a time, in all and of one address (loopback, where a proxy may sit, has no own bound).
const CONNECTIONS: usize = 64;
const CONNECTIONS_PER_ADDRESS: usize = 8;
/// A request's header must be complete within this.
const HEADER_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a request's header at most.
const HEADER_BYTES: usize = 8 * 1_024;
/// How soon a board that fell silent is noticed.
const LOOK_AT_BOARDS_EVERY: Duration = Duration::from_secs(2);
/// After an accept that failed (no file descriptors, say) a moment for things to get better.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

pub(crate) async fn serve(listener: TcpListener, desk: Desk, mut stopped: Stopped) {
    let service = router(desk.clone());
    let mut looking = tokio::time::interval(LOOK_AT_BOARDS_EVERY);
    let seats = Seats::default();
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
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                continue;
            }
        };
        let Some(seat) = seats.take(peer.ip()) else { continue };
        let service = service.clone().layer(Extension(Peer(peer.ip())));
        let service = TowerToHyperService::new(service);
        connections.spawn(async move {
            connection(stream, service).await;
            drop(seat);
        });
    }
    // Live pages never end by themselves: they are cut, and say so to their readers.
    connections.shutdown().await;
}

async fn connection(stream: TcpStream, service: TowerToHyperService<axum::Router>) {
    let _ = stream.set_nodelay(true);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WITHIN)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Who is connected.
#[derive(Clone, Debug, Default)]
struct Seats {
    taken: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

/// One connection's place, given back when dropped.
struct Seat {
    seats: Seats,
    address: IpAddr,
}

impl Seats {
    fn take(&self, address: IpAddr) -> Option<Seat> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.get(&address).copied().unwrap_or_default();
        let bound = if address.is_loopback() { CONNECTIONS } else { CONNECTIONS_PER_ADDRESS };
        if own >= bound || taken.values().sum::<usize>() >= CONNECTIONS {
            return None;
        }
        taken.insert(address, own + 1);
        Some(Seat { seats: self.clone(), address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.address);
            }
        }
    }
}
