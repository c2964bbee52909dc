//! Free loopback ports, outside the range from which the system takes ports for outgoing connections, so
//! that a server may stop and come back to the same port.
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port on which nobody listens and which no other test of this process was given. Different processes
/// start at different places.
pub fn free() -> u16 {
    free_block(1)
}

/// The first of `count` such ports in a row.
pub fn free_block(count: u16) -> u16 {
    let start = (std::process::id() % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(count, Ordering::Relaxed);
        let first = FIRST + (start.wrapping_mul(37) % COUNT + step % COUNT) % COUNT;
        if (first..first + count).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return first;
        }
    }
    panic!("no {count} free loopback ports in a row from {FIRST} to {}", FIRST + COUNT);
}
