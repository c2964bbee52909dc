//! A TCP proxy that is a bad network: it delays, stalls, loses, throttles, resets and cuts what it carries.
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use shouwang_tests::clock;

/// How soon a change of the network is felt.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
const CHUNK: usize = 16 * 1024;

/// What the network does with what it carries. "Up" is from the client to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    /// Every piece arrives this much later.
    Delay {
        ms: u64,
    },
    /// Nothing moves; nothing is lost.
    Stall,
    /// What is sent is lost without a word. A connection that lost something stays dead in that direction
    /// after the network has healed, and neither end is told: half-open.
    Lose {
        up: bool,
        down: bool,
    },
    Throttle {
        bytes_per_s: u64,
    },
    /// Connections are reset and new ones refused.
    Cut,
}

/// A running proxy on a loopback port. Dropping it cuts everything.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    target: u16,
    mode: Mutex<Mode>,
    connections: Mutex<Vec<Arc<Connection>>>,
    stop: AtomicBool,
}

#[derive(Debug, Default)]
struct Connection {
    /// To be reset.
    doomed: AtomicBool,
    dead_up: AtomicBool,
    dead_down: AtomicBool,
}

impl Proxy {
    /// Carries connections to `target` on this machine.
    pub(crate) fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port for the proxy");
        let port = listener.local_addr().expect("the proxy's port").port();
        listener.set_nonblocking(true).expect("a listener that can be asked");
        let shared = Arc::new(Shared {
            target,
            mode: Mutex::new(Mode::Pass),
            connections: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        let accepting = std::thread::spawn(move || accept(&listener, &theirs));
        Self { port, shared, accepting: Some(accepting) }
    }

    pub(crate) fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
        if mode == Mode::Cut {
            self.reset();
        }
    }

    /// Every connection that stands now is reset.
    pub(crate) fn reset(&self) {
        for connection in self.shared.connections().iter() {
            connection.doomed.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl Shared {
    fn mode(&self) -> Mode {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Connection>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self, connection: &Connection) -> bool {
        self.stop.load(Ordering::Relaxed) || connection.doomed.load(Ordering::Relaxed)
    }
}

impl Connection {
    fn dead(&self, up: bool) -> &AtomicBool {
        if up { &self.dead_up } else { &self.dead_down }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while !shared.stop.load(Ordering::Relaxed) {
        let Ok((client, _)) = listener.accept() else {
            clock::pause(LOOK_AGAIN);
            continue;
        };
        let _ = client.set_nonblocking(false);
        let mode = shared.mode();
        if mode == Mode::Cut {
            refuse(&client);
            continue;
        }
        let connection = Arc::new(Connection::default());
        let server = match mode {
            // Whose first word is lost reaches nobody.
            Mode::Lose { .. } => None,
            _ => match TcpStream::connect(("127.0.0.1", shared.target)) {
                Ok(server) => Some(server),
                Err(_) => {
                    refuse(&client);
                    continue;
                }
            },
        };
        let mut connections = shared.connections();
        connections.retain(|connection| Arc::strong_count(connection) > 1);
        connections.push(Arc::clone(&connection));
        drop(connections);
        carry_both_ways(client, server, shared, &connection);
    }
}

fn carry_both_ways(
    client: TcpStream,
    server: Option<TcpStream>,
    shared: &Arc<Shared>,
    connection: &Arc<Connection>,
) {
    for stream in std::iter::once(&client).chain(&server) {
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(LOOK_AGAIN));
        let _ = stream.set_write_timeout(Some(LOOK_AGAIN));
    }
    let twin = |stream: &TcpStream| stream.try_clone().expect("a second handle of a socket");
    let spawn = |from: TcpStream, to: Option<TcpStream>, up: bool| {
        let (shared, connection) = (Arc::clone(shared), Arc::clone(connection));
        std::thread::spawn(move || carry(&from, to.as_ref(), up, &shared, &connection));
    };
    match server {
        Some(server) => {
            spawn(twin(&client), Some(twin(&server)), true);
            spawn(server, Some(client), false);
        }
        None => spawn(client, None, true),
    }
}

/// One direction, until it ends.
fn carry(mut from: &TcpStream, to: Option<&TcpStream>, up: bool, shared: &Shared, connection: &Connection) {
    let mut bytes = [0; CHUNK];
    while !shared.is_over(connection) {
        let room = match shared.mode() {
            Mode::Stall => {
                clock::pause(LOOK_AGAIN);
                continue;
            }
            Mode::Throttle { .. } => 1,
            _ => CHUNK,
        };
        let read = match from.read(&mut bytes[..room]) {
            Ok(read) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => 0,
        };
        // The network may have changed while nothing came.
        let mode = shared.mode();
        let loses = matches!(mode, Mode::Lose { up: true, .. } if up)
            || matches!(mode, Mode::Lose { down: true, .. } if !up);
        if loses {
            connection.dead(up).store(true, Ordering::Relaxed);
        }
        let dead = to.is_none() || connection.dead(up).load(Ordering::Relaxed);
        let Some(to) = to.filter(|_| !dead) else {
            if read == 0 {
                return;
            }
            continue;
        };
        if read == 0 {
            let _ = to.shutdown(Shutdown::Write);
            return;
        }
        match mode {
            Mode::Delay { ms } => clock::pause(Duration::from_millis(ms)),
            Mode::Throttle { bytes_per_s } => {
                clock::pause(Duration::from_secs(1) / bytes_per_s.max(1) as u32);
            }
            _ => {}
        }
        if !hand_over(to, &bytes[..read], shared, connection) {
            connection.doomed.store(true, Ordering::Relaxed);
        }
    }
    for stream in std::iter::once(from).chain(to) {
        reset_on_close(stream);
    }
}

/// False if the other end is gone.
fn hand_over(mut to: &TcpStream, mut bytes: &[u8], shared: &Shared, connection: &Connection) -> bool {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if shared.is_over(connection) {
                    return true;
                }
            }
            Err(_) => return false,
        }
    }
    true
}

fn refuse(client: &TcpStream) {
    reset_on_close(client);
}

/// The peer sees a reset instead of a goodbye.
fn reset_on_close(stream: &TcpStream) {
    // A socket that is gone needs no reset.
    let _ = set_socket_linger(stream, Some(Duration::ZERO));
}

#[cfg(test)]
mod tests {
    use super::*;
    use shouwang_tests::wait_until;

    const LIMIT: Duration = Duration::from_secs(5);

    /// A server that says everything back.
    fn echo() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || std::io::copy(&mut stream.try_clone().unwrap(), &mut &stream));
            }
        });
        port
    }

    fn client(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", proxy.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        stream
    }

    /// What comes back within the timeout, or how it went wrong.
    fn ask(stream: &mut TcpStream, words: &str) -> Result<String, ErrorKind> {
        stream.write_all(words.as_bytes()).map_err(|error| error.kind())?;
        let mut answer = vec![0; words.len()];
        stream.read_exact(&mut answer).map_err(|error| error.kind())?;
        Ok(String::from_utf8(answer).unwrap())
    }

    #[test]
    fn what_is_lost_leaves_its_connection_dead_and_new_ones_well() {
        let proxy = Proxy::start(echo());
        for mode in [Mode::Lose { up: true, down: false }, Mode::Lose { up: false, down: true }] {
            let (mut busy, mut idle) = (client(&proxy), client(&proxy));
            assert_eq!(ask(&mut busy, "one").as_deref(), Ok("one"));
            assert_eq!(ask(&mut idle, "one").as_deref(), Ok("one"));
            proxy.set(mode);
            assert_eq!(ask(&mut busy, "two"), Err(ErrorKind::WouldBlock));
            proxy.set(Mode::Pass);
            assert_eq!(ask(&mut busy, "three"), Err(ErrorKind::WouldBlock), "half-open");
            assert_eq!(ask(&mut idle, "three").as_deref(), Ok("three"));
            assert_eq!(ask(&mut client(&proxy), "four").as_deref(), Ok("four"));
        }
    }

    #[test]
    fn it_stalls_throttles_delays_resets_and_cuts() {
        let proxy = Proxy::start(echo());
        let mut stream = client(&proxy);
        proxy.set(Mode::Stall);
        assert_eq!(ask(&mut stream, "a"), Err(ErrorKind::WouldBlock));
        proxy.set(Mode::Pass);
        let mut late = [0];
        wait_until(LIMIT, "what stalled should move on", || stream.read_exact(&mut late).is_ok());
        for (mode, at_least) in [(Mode::Throttle { bytes_per_s: 50 }, 100), (Mode::Delay { ms: 60 }, 120)] {
            proxy.set(mode);
            let began = clock::now();
            assert_eq!(ask(&mut stream, "12345").as_deref(), Ok("12345"));
            assert!(began.elapsed() >= Duration::from_millis(at_least), "{mode:?}: {:?}", began.elapsed());
        }
        proxy.set(Mode::Pass);
        proxy.reset();
        wait_until(LIMIT, "a reset should be felt", || {
            ask(&mut stream, "b") == Err(ErrorKind::ConnectionReset)
                || ask(&mut stream, "b") == Err(ErrorKind::BrokenPipe)
        });
        proxy.set(Mode::Cut);
        assert!(ask(&mut client(&proxy), "c").is_err());
        proxy.set(Mode::Pass);
        assert_eq!(ask(&mut client(&proxy), "d").as_deref(), Ok("d"));
    }
}
