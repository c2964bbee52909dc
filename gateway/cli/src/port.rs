//! A line in an installer's hands: opened for one verb, asked through the same wire as a gateway's line, and
//! given back on Ctrl-C.
mod lent;

use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use shouwang_core::Instant;
use shouwang_core::profile::Parity;
use shouwang_gateway::clock;
use shouwang_gateway::control::DEFAULT_SOCKET;
use shouwang_gateway::line::Link;
use shouwang_gateway::line::wire::{self, Attention, End, Wire};
use shouwang_installer::{Bus, Heard, Lost, Order, Question, Setting, Traffic, Writing, Wrote};

use crate::exit::{Code, Exit};
use crate::{serve, signal};
use lent::Lent;

/// Nobody types a longer line, in bytes.
const LONGEST_TYPED: usize = 1024;
const STOP: &str = "sudo systemctl stop shouwang-gateway";

/// Where the line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    Serial(PathBuf),
    Tcp { address: String, rtu_frames: bool },
}

/// How a serial line speaks, where one setting is meant.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Speech {
    /// 波特率 · Baud rate of a serial line
    #[arg(long, default_value_t = 9600)]
    baud: u32,
    #[command(flatten)]
    frame: Frame,
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// 校验 · Parity
    #[arg(long, value_enum, default_value = "none")]
    parity: ParityName,
    /// 停止位 · Stop bits
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    stop_bits: u8,
}

/// The way to a running gateway that holds the line.
#[derive(Args, Clone, Debug)]
pub(crate) struct Lending {
    /// 运行中的网关占着线路时,从这里借 · Where a running gateway lends the line it holds
    #[arg(long = "control", value_name = "SOCKET", default_value = DEFAULT_SOCKET)]
    pub(crate) socket: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ParityName {
    None,
    Even,
    Odd,
}

impl Frame {
    pub(crate) fn at(self, baud: u32) -> Setting {
        let parity = match self.parity {
            ParityName::None => Parity::None,
            ParityName::Even => Parity::Even,
            ParityName::Odd => Parity::Odd,
        };
        Setting::Serial { baud, parity, stop_bits: self.stop_bits }
    }
}

impl Where {
    /// A path, `tcp://host:port`, or `rtu-tcp://host:port` for a converter that carries RTU frames.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let tcp = |address: &str, rtu_frames| match address.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Self::Tcp { address: address.to_owned(), rtu_frames })
            }
            _ => Err(format!("{text}:写成 tcp://主机:502 · write tcp://host:502")),
        };
        match text.split_once("://") {
            Some(("tcp", address)) => tcp(address, false),
            Some(("rtu-tcp", address)) => tcp(address, true),
            Some(_) => Err(format!(
                "{text}:只有串口路径、tcp://、rtu-tcp:// · only a serial path, tcp:// and rtu-tcp:// are known"
            )),
            None => Ok(Self::Serial(text.into())),
        }
    }

    /// The one setting to speak at.
    pub(crate) fn setting(&self, speech: Speech) -> Setting {
        match self {
            Self::Serial(_) => speech.frame.at(speech.baud),
            Self::Tcp { rtu_frames, .. } => Setting::Tcp { rtu_frames: *rtu_frames },
        }
    }

    fn link(&self, setting: Setting) -> Link {
        match (self, setting) {
            (Self::Serial(path), Setting::Serial { baud, parity, stop_bits }) => {
                Link::Serial { path: path.clone(), baud, parity, stop_bits }
            }
            (Self::Serial(path), Setting::Tcp { .. }) => {
                Link::Serial { path: path.clone(), baud: 9600, parity: Parity::None, stop_bits: 1 }
            }
            (Self::Tcp { address, rtu_frames }, _) => {
                Link::Tcp { address: address.clone(), rtu_frames: *rtu_frames, interface: None }
            }
        }
    }
}

impl std::fmt::Display for Where {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Serial(path) => path.display().fmt(f),
            Self::Tcp { address, rtu_frames: false } => write!(f, "tcp://{address}"),
            Self::Tcp { address, rtu_frames: true } => write!(f, "rtu-tcp://{address}"),
        }
    }
}

/// Does `work` with the line on a thread of its own; Ctrl-C ends its waits with [`Lost::Interrupted`].
pub(crate) fn with_port<T: Send + 'static>(
    place: &Where,
    control: &Path,
    work: impl FnOnce(&mut Port) -> Result<T, Exit> + Send + 'static,
) -> Result<T, Exit> {
    let stop = Stop::new().map_err(|error| Exit::failed(&error))?;
    let never = Stop::new().map_err(|error| Exit::failed(&error))?;
    let mut port = Port {
        never,
        sees_through: false,
        place: place.clone(),
        control: control.to_owned(),
        stop: stop.clone(),
        begun: clock::now(),
        open: None,
        lent: None,
        past: Traffic::default(),
    };
    serve::runtime()?.block_on(async {
        let asked = signal::asked().map_err(|error| Exit::failed(&error))?;
        let mut work = tokio::task::spawn_blocking(move || work(&mut port));
        let done = tokio::select! {
            done = &mut work => done,
            _ = asked => {
                stop.raise();
                work.await
            }
        };
        done.map_err(|error| Exit::failed(&error))?
    })
}

/// A line that is lost, as a verb says it.
pub(crate) fn lost(lost: &Lost) -> Exit {
    match lost {
        Lost::Interrupted => Exit::Said(Code::Interrupted),
        Lost::Line(why) => Exit::Because(Code::Unreached, why.clone()),
    }
}

/// Whether to draw progress for a person.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Raised by Ctrl-C; ends every wait on the line.
#[derive(Clone, Debug)]
pub(crate) struct Stop(Arc<OwnedFd>);

impl Stop {
    fn descriptor(&self) -> &OwnedFd {
        &self.0
    }

    fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    fn raise(&self) {
        // It can only fail when it is full: then it is raised already.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }

    fn wait(&self, until: Instant) -> Result<(), Lost> {
        while clock::now() < until {
            let mut fds = [PollFd::new(&*self.0, PollFlags::IN)];
            let left = rustix::event::Timespec::try_from(until.since(clock::now())).ok();
            match poll(&mut fds, left.as_ref()) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Err(Lost::Interrupted),
                Err(error) => return Err(Lost::Line(error.to_string())),
            }
        }
        Ok(())
    }

    /// Waits for a line on standard input.
    pub(crate) fn until_enter(&self) -> Result<(), Lost> {
        self.typed().map(drop)
    }

    /// The next line on standard input. What is typed behind it stays there.
    pub(crate) fn typed(&self) -> Result<String, Lost> {
        let stdin = io::stdin();
        let mut typed = Vec::new();
        while typed.last() != Some(&b'\n') && typed.len() < LONGEST_TYPED {
            let mut fds = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(&*self.0, PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(Lost::Line(error.to_string())),
            }
            if !fds[1].revents().is_empty() {
                return Err(Lost::Interrupted);
            }
            let mut byte = [0];
            match rustix::io::read(&stdin, &mut byte) {
                Ok(0) => return Err(Lost::Interrupted),
                Ok(_) => typed.extend(byte),
                Err(Errno::INTR) => {}
                Err(error) => return Err(Lost::Line(error.to_string())),
            }
        }
        Ok(String::from_utf8_lossy(&typed).into_owned())
    }
}

impl Attention for Stop {
    fn wake(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn is_over(&self, woken: bool) -> bool {
        woken
    }
}

/// The line. It is opened by [`Bus::set`]; if a running gateway holds it, it is borrowed for reading.
pub(crate) struct Port {
    place: Where,
    /// The running gateway's socket.
    control: PathBuf,
    stop: Stop,
    /// Nobody raises it: what is seen through listens to it instead.
    never: Stop,
    sees_through: bool,
    begun: Instant,
    open: Option<Open>,
    /// A running gateway holds the line.
    lent: Option<Lent>,
    /// Of settings that were given up.
    past: Traffic,
}

struct Open {
    port: OwnedFd,
    /// For ids that nobody was heard at yet: an answer names its id, so late ones need not be waited out.
    seeking: Wire,
    /// For devices that were heard.
    known: Wire,
}

impl Bus for Port {
    fn set(&mut self, setting: Setting) -> Result<(), Lost> {
        self.past = Traffic::default();
        if let Some(lent) = &self.lent {
            return lent.must_be_at(setting);
        }
        // A TCP line can be opened twice, so it must be asked whether a gateway has it; a serial one tells by itself.
        if let (Where::Tcp { .. }, Ok(lent)) = (&self.place, Lent::from_gateway(&self.control, &self.place)) {
            return self.lent.insert(lent).must_be_at(setting);
        }
        // A serial port is ours alone: it must be closed before it is opened again.
        self.open = None;
        let link = self.place.link(setting);
        let port = match wire::open(&link, self.stop.wake()) {
            Ok(port) => port,
            Err(error) if is_held(&error) => return self.borrow(&error)?.must_be_at(setting),
            Err(error) => return Err(self.not_open(&error)),
        };
        let kind = wire::kind(&link);
        let timing = wire::timing(kind);
        let seeking = Wire::new(kind, modbus_wire::Timing { late_window_us: 0, ..timing });
        let mut known = Wire::new(kind, timing);
        known.conversation.reset(clock::now().as_micros());
        self.open = Some(Open { port, seeking, known });
        Ok(())
    }

    fn ask(&mut self, question: &Question) -> Result<Heard, Lost> {
        if let Some(lent) = &mut self.lent {
            return lent.ask(question, &self.stop);
        }
        let place = self.place.to_string();
        let heard = self.exchange(&wire::request(question), question.known)?.heard();
        heard.ok_or_else(|| {
            Lost::Line(format!("{place}: 回来的不是 Modbus TCP · what came back is not Modbus TCP"))
        })
    }

    fn traffic(&self) -> Traffic {
        if let Some(lent) = &self.lent {
            return lent.traffic();
        }
        let wires = self.open.iter().flat_map(|open| [&open.seeking, &open.known]);
        wires.fold(self.past, |sum, wire| {
            let counts = wire.conversation.counts();
            let unjudged = u32::try_from(wire.conversation.unjudged_bytes()).unwrap_or(u32::MAX);
            Traffic {
                stray_bytes: sum.stray_bytes.saturating_add(counts.stray_bytes).saturating_add(unjudged),
                own_echoes: sum.own_echoes.saturating_add(counts.own_echoes),
            }
        })
    }

    fn elapsed(&self) -> Duration {
        clock::now().since(self.begun)
    }
}

impl Writing for Port {
    fn write(&mut self, order: &Order) -> Result<Wrote, Lost> {
        if self.lent.is_some() {
            return Err(Lost::Line(self.only_for_reading()));
        }
        Ok(self.exchange(&wire::order(order), true)?.wrote())
    }

    fn rest(&mut self, time: Duration) -> Result<(), Lost> {
        let until = clock::now() + time;
        if let Some(lent) = &mut self.lent {
            self.stop.wait(until)?;
            return lent.refresh();
        }
        let place = self.place.to_string();
        let stop = self.heeded();
        let open = self.opened()?;
        while clock::now() < until {
            let waited = open.known.wait(open.port.as_fd(), &stop, until);
            waited.map_err(|end| ended(&place, end))?;
        }
        Ok(())
    }

    fn see_through(&mut self, through: bool) {
        self.sees_through = through;
    }
}

impl Port {
    /// How the line speaks, if a running gateway holds it; it is borrowed then.
    pub(crate) fn lent_setting(&mut self) -> Result<Option<Setting>, Lost> {
        if let Where::Tcp { .. } = self.place {
            self.lent = Lent::from_gateway(&self.control, &self.place).ok();
            return Ok(self.lent.as_ref().map(|lent| lent.setting));
        }
        let link = self.place.link(Setting::usual(9600));
        match wire::open(&link, self.stop.wake()) {
            Err(error) if is_held(&error) => Ok(Some(self.borrow(&error)?.setting)),
            // What else is wrong is told when it is really opened.
            _ => Ok(None),
        }
    }

    /// Why nothing is written to a line that is lent.
    pub(crate) fn only_for_reading(&self) -> String {
        format!(
            "{}: 运行中的网关只借出来读;要写先 {STOP} · a running gateway lends its line only for reading; to write: {STOP}",
            self.place
        )
    }

    fn borrow(&mut self, held: &io::Error) -> Result<&Lent, Lost> {
        match Lent::from_gateway(&self.control, &self.place) {
            Ok(lent) => Ok(self.lent.insert(lent)),
            Err(why) => {
                let Lost::Line(held) = self.not_open(held) else { return Err(Lost::Interrupted) };
                Err(Lost::Line(format!("{held}\n  {why}")))
            }
        }
    }

    /// What ends a wait at present.
    fn heeded(&self) -> Stop {
        if self.sees_through { self.never.clone() } else { self.stop.clone() }
    }

    /// Raised by Ctrl-C.
    pub(crate) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    fn opened(&mut self) -> Result<&mut Open, Lost> {
        self.open.as_mut().ok_or_else(|| Lost::Line("the line is not open".into()))
    }

    /// One exchange with what hears best what is asked for.
    fn exchange(&mut self, ask: &modbus_wire::Ask<'_>, known: bool) -> Result<&Wire, Lost> {
        let place = self.place.to_string();
        let stop = self.heeded();
        let open = self.opened()?;
        let wire = if known { &mut open.known } else { &mut open.seeking };
        let now = clock::now();
        wire.conversation.begin(now.as_micros(), ask).map_err(|cannot| Lost::Line(cannot.to_string()))?;
        wire.carry_out(open.port.as_fd(), &stop, now).map_err(|end| ended(&place, end))?;
        Ok(wire)
    }

    fn not_open(&self, error: &io::Error) -> Lost {
        use io::ErrorKind::{Interrupted, NotFound, PermissionDenied, ResourceBusy, WouldBlock};
        if error.kind() == Interrupted {
            return Lost::Interrupted;
        }
        let remedy = match (&self.place, error.kind()) {
            (Where::Serial(_), NotFound) => {
                "没有这个串口:插上转换器,再看 ls /dev/ttyRS485-* /dev/ttyUSB* · there is no such port: plug the adapter \
                 in, and look with ls /dev/ttyRS485-* /dev/ttyUSB*"
            }
            (Where::Serial(_), PermissionDenied) => {
                "没有权限:sudo usermod -aG dialout $USER,再重新登录 · no right to it: sudo usermod -aG dialout $USER, \
                 and log in again"
            }
            (Where::Serial(_), WouldBlock | ResourceBusy) => {
                "被别的程序占着,也许是运行中的网关:先 sudo systemctl stop shouwang-gateway,完后再 start · another \
                 program holds it, perhaps a gateway: sudo systemctl stop shouwang-gateway first, and start it afterwards"
            }
            (Where::Serial(_), _) => {
                "打不开,或不支持这个波特率 · it cannot be opened, or does not know this baud rate"
            }
            (Where::Tcp { .. }, _) => {
                "连不上:检查地址、端口和网线 · not reached: check the address, the port and the cable"
            }
        };
        Lost::Line(format!("{}: {error}\n  {remedy}", self.place))
    }
}

fn is_held(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ResourceBusy)
}

fn ended(place: &str, end: End) -> Lost {
    match end {
        End::Stopped => Lost::Interrupted,
        End::Lost(why) => Lost::Line(format!("{place}: {why}")),
    }
}
