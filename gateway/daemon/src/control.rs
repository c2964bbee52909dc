//! The control socket: an installer on the box itself borrows a line of the running gateway, or has it record.
//!
//! One JSON object a line: first which line is wanted, then questions, each answered before the next. Only reads
//! can be asked, and the socket belongs to the gateway's user and group. Or the walk test is wanted: then each object is
//! a look at it, or one of its steps.
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_core::profile::{Parity, Table};
use shouwang_core::walk::WalkStep;
use shouwang_installer::{Heard, Question};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::installing::{Counter, WalkTold};
use crate::line::{Lender, Link};
use crate::recordings::{self, Begun};

/// The lines as they are now.
pub type Lenders = watch::Receiver<Arc<[Lender]>>;

/// Where the service has it: systemd makes the folder, and names it to the program.
pub const DEFAULT_SOCKET: &str = "/run/shouwang/control.sock";
pub(crate) const FILE_NAME: &str = "control.sock";

const CONNECTIONS: usize = 4;
/// No object is longer, in bytes.
const LINE_LIMIT: u64 = 4096;
/// Who borrows a line and then says nothing for this long has gone away.
const SILENT_FOR: Duration = Duration::from_secs(120);
/// The slowest devices answer in 0.4 s; nobody may hold a line with one question for longer.
const WAIT_MOST: Duration = Duration::from_secs(5);

/// What is said first: a line's serial path, `tcp://host:port`, or `rtu-tcp://host:port` with RTU frames.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    pub line: String,
}

/// Instead of a line: a recording of so many minutes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordWish {
    pub record: u32,
}

/// Instead of a line: the walk test, and its next step if there is one. Answered by a [`crate::installing::WalkTold`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalkWish {
    pub walk_test: Option<WalkStep>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum First {
    Line(Wish),
    Record(RecordWish),
    Walk(WalkWish),
}

/// What it gets.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// A serial line, and how it speaks.
    Serial {
        baud: u32,
        parity: char,
        stop_bits: u8,
    },
    /// A TCP line: two conversations through one converter could mix, so it is lent like a serial one.
    Tcp {
        rtu_frames: bool,
    },
    Recording(Begun),
    Refused(String),
}

/// A read.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    pub unit_id: u8,
    /// 1 to 4.
    pub function: u8,
    pub address: u16,
    pub count: u16,
    pub wait_ms: u16,
}

/// What the line heard that was no answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedTraffic {
    /// Always true.
    pub traffic: bool,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    Words(Vec<u16>, u64),
    Bits(Vec<bool>, u64),
    Exception(u8, u64),
    Silence,
    Garbled,
    Other(u8),
    /// Bytes that were nobody's answer and own requests heard back, since the line was started.
    Traffic(u32, u32),
    /// The line is down, or another installer asks on it.
    Gone,
    Refused(String),
}

/// The open socket. Dropping it closes it and removes its file.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Control {
    fn drop(&mut self) {
        self.serving.abort();
        // The folder may have gone with the service.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Control {
    /// Serves these lines. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The socket cannot be made there, or another gateway serves it.
    pub async fn serve(
        path: &Path,
        lenders: Lenders,
        counter: Counter,
        recordings: mpsc::Sender<recordings::Wish>,
    ) -> io::Result<Self> {
        if UnixStream::connect(path).await.is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        // What a gateway before this one left; anything else that stands there is not ours to take away.
        match std::fs::symlink_metadata(path) {
            Ok(there) if there.file_type().is_socket() => std::fs::remove_file(path)?,
            Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        let serving = tokio::spawn(accept(listener, lenders, counter, recordings));
        Ok(Self { path: path.to_owned(), serving })
    }
}

async fn accept(
    listener: UnixListener,
    lenders: Lenders,
    counter: Counter,
    recordings: mpsc::Sender<recordings::Wish>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(seat) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let lenders = Arc::clone(&lenders.borrow());
                let (counter, recordings) = (counter.clone(), recordings.clone());
                tokio::spawn(async move {
                    // Whoever went away in the middle needs no answer.
                    let _ = converse(stream, &lenders, &counter, &recordings).await;
                    drop(seat);
                });
            }
            // No descriptors left: others are about to close theirs.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn converse(
    stream: UnixStream,
    lenders: &[Lender],
    counter: &Counter,
    recordings: &mpsc::Sender<recordings::Wish>,
) -> io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    let Some(text) = line(&mut reading).await? else { return Ok(()) };
    let lender = match serde_json::from_str::<First>(&text) {
        Ok(First::Walk(wish)) => return walk(reading, writing, wish, counter).await,
        Ok(First::Record(wish)) => return say(&mut writing, &begin(recordings, wish.record).await).await,
        Ok(First::Line(wish)) => named(lenders, &wish.line),
        Err(_) => Err("say which line is wanted, or record, or walk_test".into()),
    };
    let lender = match lender {
        Ok(lender) => lender,
        Err(why) => return say(&mut writing, &Grant::Refused(why)).await,
    };
    say(&mut writing, &grant(lender.link())).await?;
    while let Some(text) = line(&mut reading).await? {
        say(&mut writing, &told(lender, &text).await).await?;
    }
    Ok(())
}

/// The walk test, step by step.
async fn walk(
    mut reading: BufReader<tokio::net::unix::OwnedReadHalf>,
    mut writing: tokio::net::unix::OwnedWriteHalf,
    first: WalkWish,
    counter: &Counter,
) -> io::Result<()> {
    let mut wish = first;
    loop {
        let is_step = wish.walk_test.is_some();
        let sight = match wish.walk_test {
            Some(step) => counter.walk(step).await,
            None => counter.look(None).await,
        };
        let Some(sight) = sight else { return Ok(()) };
        say(&mut writing, &WalkTold::of(sight, is_step)).await?;
        let Some(text) = line(&mut reading).await? else { return Ok(()) };
        let Ok(next) = serde_json::from_str(&text) else { return Ok(()) };
        wish = next;
    }
}

async fn told(lender: &Lender, text: &str) -> Told {
    if let Ok(AskedTraffic { traffic: true }) = serde_json::from_str(text) {
        return lender
            .traffic()
            .map_or(Told::Gone, |heard| Told::Traffic(heard.stray_bytes, heard.own_echoes));
    }
    match serde_json::from_str(text).map_err(|error| error.to_string()).and_then(|asked| question(&asked)) {
        Ok(question) => lender.ask(question).await.map_or(Told::Gone, Told::from),
        Err(why) => Told::Refused(why),
    }
}

async fn begin(recordings: &mpsc::Sender<recordings::Wish>, minutes: u32) -> Grant {
    let (answer, answered) = oneshot::channel();
    let sent = recordings.send(recordings::Wish { minutes, answer }).await;
    match answered.await {
        Ok(Ok(begun)) if sent.is_ok() => Grant::Recording(begun),
        Ok(Err(why)) => Grant::Refused(why),
        _ => Grant::Refused("网关正在结束 · the gateway ends".into()),
    }
}

/// One object's text; none at the end, or from somebody who has gone silent.
async fn line(reading: &mut BufReader<tokio::net::unix::OwnedReadHalf>) -> io::Result<Option<String>> {
    let mut text = String::new();
    let reading = async { reading.take(LINE_LIMIT).read_line(&mut text).await };
    match tokio::time::timeout(SILENT_FOR, reading).await {
        Ok(Ok(_)) if text.ends_with('\n') => Ok(Some(text)),
        Ok(Err(error)) => Err(error),
        Ok(Ok(_)) | Err(_) => Ok(None),
    }
}

async fn say(writing: &mut tokio::net::unix::OwnedWriteHalf, said: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string(said)?;
    text.push('\n');
    writing.write_all(text.as_bytes()).await
}

fn named<'a>(lenders: &'a [Lender], wanted: &str) -> Result<&'a Lender, String> {
    let is_it = |lender: &&Lender| match lender.link() {
        Link::Serial { path, .. } => is_same_file(path, Path::new(wanted)),
        Link::Tcp { address, rtu_frames, .. } => {
            let scheme = if *rtu_frames { "rtu-tcp://" } else { "tcp://" };
            wanted.strip_prefix(scheme) == Some(address)
        }
    };
    lenders.iter().find(is_it).ok_or_else(|| format!("this gateway has no line on {wanted}"))
}

/// A port has several names: by its number, by its place, by the adapter's own number.
fn is_same_file(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn grant(link: &Link) -> Grant {
    match link {
        Link::Serial { baud, parity, stop_bits, .. } => {
            let parity = match parity {
                Parity::None => 'N',
                Parity::Even => 'E',
                Parity::Odd => 'O',
            };
            Grant::Serial { baud: *baud, parity, stop_bits: *stop_bits }
        }
        Link::Tcp { rtu_frames, .. } => Grant::Tcp { rtu_frames: *rtu_frames },
    }
}

fn question(asked: &Asked) -> Result<Question, String> {
    let table = match asked.function {
        1 => Table::Coil,
        2 => Table::DiscreteInput,
        3 => Table::HoldingRegister,
        4 => Table::InputRegister,
        other => return Err(format!("function {other}: a lent line is only read, with functions 1 to 4")),
    };
    if asked.unit_id == 0 {
        return Err("unit id 0 is broadcast: nobody answers".into());
    }
    let wait = Duration::from_millis(asked.wait_ms.into()).min(WAIT_MOST);
    let Asked { unit_id, address, count, .. } = *asked;
    Ok(Question { unit_id, table, address, count, wait, known: true })
}

impl From<Heard> for Told {
    fn from(heard: Heard) -> Self {
        let us = |delay: Duration| u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        match heard {
            Heard::Words(words, delay) => Self::Words(words, us(delay)),
            Heard::Bits(bits, delay) => Self::Bits(bits, us(delay)),
            Heard::Exception(code, delay) => Self::Exception(code, us(delay)),
            Heard::Silence => Self::Silence,
            Heard::Garbled => Self::Garbled,
            Heard::Other(other) => Self::Other(other),
        }
    }
}

impl Told {
    /// As the installer's own line would have heard it.
    ///
    /// # Errors
    /// Why there is no answer at all, in words.
    pub fn heard(self) -> Result<Heard, String> {
        let delay = Duration::from_micros;
        Ok(match self {
            Self::Words(words, us) => Heard::Words(words, delay(us)),
            Self::Bits(bits, us) => Heard::Bits(bits, delay(us)),
            Self::Exception(code, us) => Heard::Exception(code, delay(us)),
            Self::Silence => Heard::Silence,
            Self::Garbled => Heard::Garbled,
            Self::Other(other) => Heard::Other(other),
            Self::Gone => {
                return Err(
                    "线路断了,或另一位安装员正在用 · the line is down, or another installer is asking".into(),
                );
            }
            Self::Traffic(..) => return Err("that is no answer of a device".into()),
            Self::Refused(why) => return Err(why),
        })
    }
}
