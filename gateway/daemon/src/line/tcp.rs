//! A TCP connection to a Modbus server or a converter, given up in time when the other end is gone.
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with, sockopt};
use socket2::SockRef;

use crate::clock;

const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// What was sent and is not confirmed by the other machine for this long means it is gone.
const UNCONFIRMED_MS: u32 = 10_000;
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Connects, by this network interface only if one is named; a word on `wake` ends the attempt.
///
/// # Errors
/// The name is unknown, or nobody accepts within 3 s; the interface is not there, or may not be bound to.
pub(super) fn connect_to(
    address: &str,
    interface: Option<&str>,
    wake: BorrowedFd<'_>,
) -> io::Result<OwnedFd> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match connect_one(address, interface, wake) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn connect_one(address: SocketAddr, interface: Option<&str>, wake: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    if let Some(interface) = interface {
        bind_to(&socket, interface)?;
    }
    sockopt::set_tcp_nodelay(&socket, true)?;
    // Not every kernel has all of these; a dead connection is then found by time-outs alone.
    let _ = sockopt::set_tcp_user_timeout(&socket, UNCONFIRMED_MS);
    let _ = sockopt::set_socket_keepalive(&socket, true);
    let _ = sockopt::set_tcp_keepidle(&socket, KEEP_ALIVE);
    let _ = sockopt::set_tcp_keepintvl(&socket, KEEP_ALIVE);
    match connect(&socket, &address) {
        Ok(()) => return Ok(socket),
        Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    await_connection(socket.as_fd(), wake)?;
    sockopt::socket_error(&socket)??;
    Ok(socket)
}

/// What comes and goes on this socket does so by this interface only. Since Linux 5.7 everybody may do that.
fn bind_to(socket: &OwnedFd, interface: &str) -> io::Result<()> {
    SockRef::from(socket).bind_device(Some(interface.as_bytes())).map_err(|error| {
        let next = match Errno::from_io_error(&error) {
            Some(Errno::NODEV) => "there is no such interface: ip -brief link",
            Some(Errno::PERM) => "before Linux 5.7 this needs AmbientCapabilities=CAP_NET_RAW in the service",
            _ => "look at: ip -brief link",
        };
        io::Error::new(error.kind(), format!("binding to the interface {interface}: {error}; {next}"))
    })
}

fn await_connection(socket: BorrowedFd<'_>, wake: BorrowedFd<'_>) -> io::Result<()> {
    let deadline = clock::now() + CONNECT_WITHIN;
    loop {
        let mut fds =
            [PollFd::from_borrowed_fd(socket, PollFlags::OUT), PollFd::from_borrowed_fd(wake, PollFlags::IN)];
        match poll(&mut fds, clock::wait(clock::now(), deadline).as_ref()) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) if !fds[1].revents().is_empty() => return Err(io::ErrorKind::Interrupted.into()),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
