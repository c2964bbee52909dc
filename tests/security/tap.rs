//! A wire that is listened to: it carries bytes between programs and one port, and keeps all that the programs send.
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use shouwang_tests::{clock, port};

/// What one connection sent.
pub(crate) type Sent = Vec<u8>;

/// Dropping it takes no new connections; those it carries end with their sides.
pub(crate) struct Tap {
    pub(crate) port: u16,
    sent: Arc<Mutex<Vec<Sent>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tap {
    /// A new port that leads to this one.
    pub(crate) fn to(target: u16) -> Self {
        let own = port::free();
        let listener = TcpListener::bind(("127.0.0.1", own)).expect("a port for the tap");
        listener.set_nonblocking(true).expect("a listener that does not wait");
        let (sent, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (kept, stopped) = (Arc::clone(&sent), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                match listener.accept() {
                    Ok((near, _)) => carry(near, target, &kept),
                    Err(_) => clock::pause(std::time::Duration::from_millis(5)),
                }
            }
        });
        Self { port: own, sent, stop, thread: Some(thread) }
    }

    /// Of every connection so far, in order.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fails unless every byte belongs to a record of TLS: then nothing of ours was readable on the way, however a
    /// connection ended. Returns how many connections there were.
    pub(crate) fn assert_only_tls(&self) -> usize {
        let all = self.sent();
        for bytes in &all {
            let mut rest = bytes.as_slice();
            while let [kind, 3, _, high, low, after @ ..] = rest {
                // change cipher spec, alert, handshake, application data
                assert!((20..=23).contains(kind), "a record of TLS, not {:?}", shown(bytes));
                let length = usize::from(*high) << 8 | usize::from(*low);
                rest = after.get(length..).unwrap_or_default();
            }
            assert!(rest.len() < 5, "something that is no TLS: {:?}", shown(bytes));
        }
        all.len()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..200).unwrap_or(bytes)).into_owned()
}

fn carry(near: TcpStream, target: u16, kept: &Arc<Mutex<Vec<Sent>>>) {
    let Ok(far) = TcpStream::connect(("127.0.0.1", target)) else { return };
    let (Ok(()), Ok(near_too), Ok(far_too)) =
        (near.set_nonblocking(false), near.try_clone(), far.try_clone())
    else {
        return;
    };
    let number = {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(Vec::new());
        kept.len() - 1
    };
    let kept = Arc::clone(kept);
    let keep = move |bytes: &[u8]| {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sent) = kept.get_mut(number) {
            sent.extend_from_slice(bytes);
        }
    };
    std::thread::spawn(move || pass(near, far, keep));
    std::thread::spawn(move || pass(far_too, near_too, |_| {}));
}

fn pass(mut from: TcpStream, mut to: TcpStream, keep: impl Fn(&[u8])) {
    let mut buffer = [0; 4096];
    while let Ok(count) = from.read(&mut buffer) {
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        keep(bytes);
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
