//! The hands of an RTU line: a thread that waits for bytes, for the exact moment of the next character, or
//! for an order, in one `ppoll` each time.
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::clock::{Clock, Nanos};
use crate::port::{Place, Port};
use crate::pty::{Pty, write_lossy};
use crate::rtu_line::RtuLine;

/// A running RTU line.
#[derive(Debug)]
pub(crate) struct RtuPort {
    orders: SyncSender<Order>,
    bell: Arc<OwnedFd>,
    place: Arc<Mutex<Option<Place>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the client's end of a line is made of.
#[derive(Clone, Debug)]
pub(crate) enum Socket {
    Pty {
        link: Option<PathBuf>,
        heeds_baud: bool,
    },
    /// RTU frames over TCP. The port is fixed once it has been bound.
    Tcp {
        listen: SocketAddr,
    },
}

#[derive(Debug)]
struct Order {
    what: What,
    done: SyncSender<io::Result<()>>,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Unplug,
    Replug,
    Stop,
}

/// A converter serves so many clients; more are turned away.
const MOST_CLIENTS: usize = 8;

impl RtuPort {
    pub(crate) fn start(name: &str, mut socket: Socket, line: RtuLine, clock: Clock) -> io::Result<Self> {
        let end = End::open(&mut socket)?;
        let (orders, inbox) = sync_channel(1);
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let place = Arc::new(Mutex::new(Some(end.place())));
        let driver = Driver {
            line,
            clock,
            socket,
            end: Some(end),
            inbox,
            bell: Arc::clone(&bell),
            place: Arc::clone(&place),
        };
        let thread = std::thread::Builder::new().name(format!("field-{name}")).spawn(|| driver.run())?;
        Ok(Self { orders, bell, place, thread: Mutex::new(Some(thread)) })
    }

    fn order(&self, what: What) -> io::Result<()> {
        let gone = || io::Error::new(io::ErrorKind::BrokenPipe, "the line has been stopped");
        let (done, outcome) = sync_channel(1);
        self.orders.send(Order { what, done }).map_err(|_| gone())?;
        self.wake();
        outcome.recv().map_err(|_| gone())?
    }
}

impl Port for RtuPort {
    fn place(&self) -> Option<Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn unplug(&self) -> io::Result<()> {
        self.order(What::Unplug)
    }

    fn replug(&self) -> io::Result<()> {
        self.order(What::Replug)
    }

    fn wake(&self) {
        // The bell can only fail to ring when it is ringing already.
        let _ = rustix::io::write(&*self.bell, &1_u64.to_ne_bytes());
    }

    fn stop(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // Both fail only if the thread has ended already.
            let _ = self.order(What::Stop);
            let _ = thread.join();
        }
    }
}

impl Drop for RtuPort {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Driver {
    line: RtuLine,
    clock: Clock,
    socket: Socket,
    end: Option<End>,
    inbox: Receiver<Order>,
    bell: Arc<OwnedFd>,
    place: Arc<Mutex<Option<Place>>>,
}

impl Driver {
    fn run(mut self) {
        // The default slack of 50 us would be half a character at 115200 baud. Without the right to set it
        // the line is only a little less exact.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            self.line.due(self.clock.now(), &mut bytes);
            if let Some(end) = &mut self.end {
                end.write(&bytes);
            }
            self.wait();
            bytes.clear();
            if let Some(end) = &mut self.end {
                end.read(&mut bytes);
            }
            if !bytes.is_empty() {
                if let Some(baud) = self.end.as_ref().and_then(End::client_baud) {
                    self.line.client_speaks(baud);
                }
                self.line.heard(self.clock.now(), &bytes);
            }
            while let Ok(order) = self.inbox.try_recv() {
                let outcome = self.carry_out(order.what);
                // Whoever asked may have stopped waiting.
                let _ = order.done.send(outcome);
                if matches!(order.what, What::Stop) {
                    return;
                }
            }
        }
    }

    /// Until bytes or an order come, or the next character is due.
    fn wait(&self) {
        let now = self.clock.now();
        let timeout = self.line.next().map(|at| timespec(at.saturating_sub(now)));
        let ends = self.end.iter().flat_map(End::handles);
        let mut handles: Vec<PollFd<'_>> = std::iter::once(self.bell.as_fd())
            .chain(ends)
            .map(|handle| PollFd::from_borrowed_fd(handle, PollFlags::IN))
            .collect();
        // Interrupted or not, the loop looks at everything again.
        let _ = poll(&mut handles, timeout.as_ref());
        let _ = rustix::io::read(&*self.bell, &mut [0; 8]);
    }

    fn carry_out(&mut self, what: What) -> io::Result<()> {
        match what {
            What::Replug if self.end.is_some() => return Ok(()),
            What::Replug => self.end = Some(End::open(&mut self.socket)?),
            What::Unplug | What::Stop => self.end = None,
        }
        self.line.clear();
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = self.end.as_ref().map(End::place);
        Ok(())
    }
}

fn timespec(nanos: Nanos) -> Timespec {
    let part = |nanos: u64| i64::try_from(nanos).unwrap_or(i64::MAX);
    Timespec { tv_sec: part(nanos / 1_000_000_000), tv_nsec: part(nanos % 1_000_000_000) }
}

/// The client's end while it is plugged in.
enum End {
    Pty { pty: Pty, link: Option<PathBuf>, heeds_baud: bool },
    Tcp { listener: TcpListener, address: SocketAddr, clients: Vec<TcpStream>, asked: usize },
}

impl End {
    fn open(socket: &mut Socket) -> io::Result<Self> {
        match socket {
            Socket::Pty { link, heeds_baud } => {
                let pty = Pty::open(link.as_deref())?;
                Ok(Self::Pty { pty, link: link.clone(), heeds_baud: *heeds_baud })
            }
            Socket::Tcp { listen } => {
                let listener = TcpListener::bind(*listen)?;
                listener.set_nonblocking(true)?;
                let address = listener.local_addr()?;
                *listen = address;
                Ok(Self::Tcp { listener, address, clients: Vec::new(), asked: 0 })
            }
        }
    }

    fn place(&self) -> Place {
        match self {
            Self::Pty { pty, link, .. } => Place::Pty { path: pty.path().to_path_buf(), link: link.clone() },
            Self::Tcp { address, .. } => Place::Tcp(*address),
        }
    }

    /// What the client has set its port to, where that matters.
    fn client_baud(&self) -> Option<u32> {
        match self {
            Self::Pty { pty, heeds_baud: true, .. } => pty.client_baud(),
            _ => None,
        }
    }

    fn handles(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Self::Pty { pty, .. } => vec![pty.our_end(), pty.closings()],
            Self::Tcp { listener, clients, .. } => {
                clients.iter().map(AsFd::as_fd).chain([listener.as_fd()]).collect()
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        match self {
            _ if bytes.is_empty() => {}
            Self::Pty { pty, .. } => write_lossy(pty.our_end(), bytes),
            // A converter answers whoever asked last.
            Self::Tcp { clients, asked, .. } => {
                if let Some(client) = clients.get(*asked) {
                    write_lossy(client.as_fd(), bytes);
                }
            }
        }
    }

    /// Whatever is there to read now, at most a buffer from each client.
    fn read(&mut self, bytes: &mut Vec<u8>) {
        let mut buffer = [0; 1024];
        match self {
            Self::Pty { pty, .. } => {
                pty.forget_client_that_left();
                let count = rustix::io::read(pty.our_end(), &mut buffer).unwrap_or(0);
                bytes.extend(buffer.iter().take(count));
            }
            Self::Tcp { listener, clients, asked, .. } => {
                while let Ok((client, _)) = listener.accept() {
                    let ready = client.set_nonblocking(true).and_then(|()| client.set_nodelay(true));
                    if ready.is_ok() && clients.len() < MOST_CLIENTS {
                        clients.push(client);
                    }
                }
                let mut index = 0;
                clients.retain(|client| {
                    let open = match rustix::io::read(client, &mut buffer) {
                        Ok(0) => false,
                        Ok(count) => {
                            bytes.extend(buffer.iter().take(count));
                            *asked = index;
                            true
                        }
                        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => true,
                        Err(_) => false,
                    };
                    index += usize::from(open);
                    open
                });
            }
        }
    }
}
