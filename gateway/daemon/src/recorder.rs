//! A recording: everything that went into the core, so that the same run can be made again anywhere.
//!
//! The first line is the [`Header`]: what the core began with, or the engine whole if the recording begins in the
//! middle of a run. Every further line is one input with its time and a digest of all that was ordered until then, as
//! JSON, so that a replay can say whether it orders the same. The file has a size limit; a recording that cannot
//! keep up or is full ends, because one with holes would replay another run.
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use shouwang_core::Instant;
use shouwang_core::configuration::Configuration;
use shouwang_core::engine::{Engine, Start};
use shouwang_core::input::Input;
use shouwang_core::output::Output;
use shouwang_message::{Clock, Timestamp};

use crate::store::LeftBehind;

/// The file's size, bytes, unless told otherwise.
pub const DEFAULT_LIMIT: u64 = 64 * 1024 * 1024;
/// Inputs waiting for the recording's disk at most.
const QUEUE: usize = 4096;
/// A longer line is not ours.
const LINE_LIMIT: u64 = 64 * 1024 * 1024;
/// This form of file.
const FORMAT: u32 = 2;

/// What the core went on from. No secret is in it and no phone number: those are the hands' to know.
#[derive(Debug, Serialize, Deserialize)]
pub struct Header {
    format: u32,
    /// Version of the program that recorded.
    pub version: String,
    /// When the recording began.
    pub now: Instant,
    pub wall: Timestamp,
    pub began: Beginning,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Beginning {
    /// With the process.
    Start { configuration: Box<Configuration>, restored: Box<LeftBehind>, clock: Clock, seed: u64 },
    /// In the middle of a run: the engine as it was.
    Midway { engine: Box<Engine> },
}

/// As [`Beginning::Midway`], of an engine that goes on.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Borrowed<'a> {
    Midway { engine: &'a Engine },
}

#[derive(Serialize)]
struct BorrowedHeader<'a> {
    format: u32,
    version: &'a str,
    now: Instant,
    wall: Timestamp,
    began: Borrowed<'a>,
}

/// One line of a recording.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub at: Instant,
    /// Of all that the core had ordered before this.
    pub ordered: String,
    pub what: Recorded,
}

/// What went into the core at a moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recorded {
    Input(Input),
    /// Another configuration.
    Configured(Box<Configuration>),
    /// The recording ends here, because of this.
    Ended(String),
}

/// A digest of orders, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Orders(Sha256);

/// Writes a recording on a thread of its own.
#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    orders: Orders,
    entries: Option<SyncSender<Entry>>,
    writer: Option<JoinHandle<()>>,
}

/// A recording that is read back.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    lines: BufReader<File>,
    line: u64,
}

/// Why a recording cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error("writing the recording {path}: {source}; choose another file")]
    Write { path: PathBuf, source: io::Error },
    #[error("reading the recording {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "reading the recording {path}, line {line}: {source}; it is damaged, or another version wrote it"
    )]
    Line { path: PathBuf, line: u64, source: serde_json::Error },
}

impl Header {
    pub fn new(configuration: &Configuration, restored: LeftBehind, start: Start) -> Self {
        let Start { now, wall, clock, seed } = start;
        let (configuration, restored) = (Box::new(configuration.clone()), Box::new(restored));
        let version = configuration.version.clone();
        let began = Beginning::Start { configuration, restored, clock, seed };
        Self { format: FORMAT, version, now, wall, began }
    }

    /// The engine as it was before the first entry.
    pub fn engine(self) -> Engine {
        let Self { now, wall, began, .. } = self;
        match began {
            Beginning::Start { configuration, restored, clock, seed } => {
                Engine::new(*configuration, (*restored).into(), Start { now, wall, clock, seed })
            }
            Beginning::Midway { engine } => *engine,
        }
    }
}

impl Orders {
    pub fn add(&mut self, output: &Output) {
        // What could not be written as JSON would have no digest, on either side.
        self.0.update(serde_json::to_vec(output).unwrap_or_default());
    }

    /// 16 hexadecimal digits.
    pub fn digest(&self) -> String {
        let digest = self.0.clone().finalize();
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Recorder {
    /// Makes the file, readable by its owner only; it must not exist yet. `limit` is in bytes.
    pub fn create(path: &Path, header: &Header, limit: u64) -> Result<Self, RecordingError> {
        let failed = |source| RecordingError::Write { path: path.to_owned(), source };
        let mut sink = Sink { file: make(path).map_err(failed)?, written: 0, limit };
        sink.line(header).map_err(failed)?;
        let name = path.to_owned();
        Self::writing(path, move |waiting| write_all(sink, &waiting, &name)).map_err(failed)
    }

    /// A recording that begins in the middle of a run, with the engine as it is. `before` and the making of the file
    /// are done on the recording's own thread; what goes wrong there is told in the log, and nothing is recorded.
    pub(crate) fn midway(
        path: &Path,
        version: &str,
        (now, wall): (Instant, Timestamp),
        engine: &Engine,
        limit: u64,
        before: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let began = Borrowed::Midway { engine };
        let mut first = serde_json::to_vec(&BorrowedHeader { format: FORMAT, version, now, wall, began })?;
        first.push(b'\n');
        let name = path.to_owned();
        Self::writing(path, move |waiting| {
            let made = before().and_then(|()| make(&name)).and_then(|file| {
                let mut sink = Sink { file, written: 0, limit };
                sink.bytes(&first).map(|()| sink)
            });
            match made {
                Ok(sink) => write_all(sink, &waiting, &name),
                Err(error) => tracing::warn!(path = %name.display(), %error, "the recording could not begin"),
            }
        })
    }

    fn writing(path: &Path, write: impl FnOnce(Receiver<Entry>) + Send + 'static) -> io::Result<Self> {
        let (entries, waiting) = sync_channel(QUEUE);
        let writer = thread::Builder::new().name("recorder".into()).spawn(move || write(waiting))?;
        let orders = Orders::default();
        Ok(Self { path: path.to_owned(), orders, entries: Some(entries), writer: Some(writer) })
    }

    /// Takes one input; never blocks. After the first that did not fit, the recording has ended.
    pub fn record(&mut self, at: Instant, input: &Input) {
        if self.entries.is_some() {
            self.take(at, Recorded::Input(input.clone()));
        }
    }

    /// Takes another configuration, as [`Recorder::record`] takes an input.
    pub fn configured(&mut self, at: Instant, configuration: &Configuration) {
        if self.entries.is_some() {
            self.take(at, Recorded::Configured(Box::new(configuration.clone())));
        }
    }

    /// Takes what the core ordered on the last input.
    pub fn ordered(&mut self, output: &Output) {
        if self.entries.is_some() {
            self.orders.add(output);
        }
    }

    fn take(&mut self, at: Instant, what: Recorded) {
        let ordered = self.orders.digest();
        if let Some(entries) = &self.entries
            && entries.try_send(Entry { at, ordered, what }).is_err()
        {
            tracing::warn!(path = %self.path.display(), "the recording has ended: its file is full or too slow");
            self.entries = None;
        }
    }

    /// Ends it without waiting for the disk: its thread writes what is waiting, closes the file and says so.
    pub fn end(&mut self, at: Instant, why: &str) {
        self.take(at, Recorded::Ended(why.to_owned()));
        self.entries = None;
    }

    /// It takes no more.
    pub fn has_ended(&self) -> bool {
        self.entries.is_none()
    }

    /// Writes what is waiting and closes the file.
    pub fn finish(mut self) {
        self.entries = None;
        if let Some(Err(_)) = self.writer.take().map(JoinHandle::join) {
            tracing::error!("the recorder had panicked");
        }
    }
}

/// For its owner only, and never over another file.
fn make(path: &Path) -> io::Result<BufWriter<File>> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(BufWriter::new)
}

impl Recording {
    /// What it begins with, and the entries.
    pub fn open(path: &Path) -> Result<(Header, Self), RecordingError> {
        #[derive(Deserialize)]
        struct Form {
            format: u32,
        }
        let read = |source| RecordingError::Read { path: path.to_owned(), source };
        let mut lines = BufReader::new(File::open(path).map_err(read)?);
        let first = next_line(&mut lines).map_err(read)?.unwrap_or_default();
        let line = |source| RecordingError::Line { path: path.to_owned(), line: 1, source };
        let Form { format } = serde_json::from_slice(&first).map_err(line)?;
        if format != FORMAT {
            return Err(line(serde::de::Error::custom(format_args!("format {format} is not {FORMAT}"))));
        }
        let header = serde_json::from_slice(&first).map_err(line)?;
        Ok((header, Self { path: path.to_owned(), lines, line: 1 }))
    }
}

/// The entries in their order. A last line that was cut off by a crash ends the recording.
impl Iterator for Recording {
    type Item = Result<Entry, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.line += 1;
        let (path, line) = (self.path.clone(), self.line);
        match next_line(&mut self.lines) {
            Err(source) => Some(Err(RecordingError::Read { path, source })),
            Ok(None) => None,
            Ok(Some(bytes)) if !bytes.ends_with(b"\n") => None,
            Ok(Some(bytes)) => Some(serde_json::from_slice(&bytes).map_err(|source| RecordingError::Line {
                path,
                line,
                source,
            })),
        }
    }
}

fn next_line(lines: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = lines.take(LINE_LIMIT).read_until(b'\n', &mut line)?;
    Ok((read > 0).then_some(line))
}

struct Sink {
    file: BufWriter<File>,
    written: u64,
    limit: u64,
}

impl Sink {
    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.bytes(&bytes)
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        if self.written > self.limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "its size limit is reached"));
        }
        self.file.write_all(bytes)
    }
}

fn write_all(mut sink: Sink, waiting: &Receiver<Entry>, path: &Path) {
    let mut outcome = Ok(());
    while let Ok(entry) = waiting.recv() {
        outcome = sink.line(&entry);
        // Whole bursts are buffered; what is there when nothing more waits goes out.
        while outcome.is_ok()
            && let Ok(entry) = waiting.try_recv()
        {
            outcome = sink.line(&entry);
        }
        outcome = outcome.and_then(|()| sink.file.flush());
        if outcome.is_err() {
            break;
        }
    }
    match outcome.and(sink.file.flush()) {
        Ok(()) => tracing::info!(path = %path.display(), bytes = sink.written, "the recording is complete"),
        Err(error) => tracing::warn!(path = %path.display(), %error, "the recording has ended early"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Config};
    use shouwang_message::LogId;

    fn configuration() -> Configuration {
        Config::from_bytes(Path::new("/etc/gateway.toml"), config::example().as_bytes()).unwrap().core
    }

    fn header() -> Header {
        let restored = LeftBehind {
            log: LogId::from_parts(1, 2),
            boot: 3,
            next_sequence: 10,
            heard_up_to: 4,
            first_kept: 1,
            kept: vec![("alarm/a".into(), vec![0, 255])],
            replaced: false,
        };
        let start = Start {
            now: Instant::from_micros(5),
            wall: Timestamp::from_unix_ms(6),
            clock: Clock::Held,
            seed: u64::MAX,
        };
        Header::new(&configuration(), restored, start)
    }

    fn inputs() -> Vec<(Instant, Input)> {
        let seconds = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
        (1..60)
            .flat_map(|at| [(seconds(at), Input::LineUp { line: 0 }), (seconds(at), Input::Woke)])
            .collect()
    }

    /// Gives them to the engine and to the recorder, as the event loop does.
    fn run(engine: &mut Engine, recorder: &mut Recorder, inputs: &[(Instant, Input)]) -> Orders {
        let mut orders = Orders::default();
        for (at, input) in inputs {
            recorder.record(*at, input);
            for output in engine.handle(*at, input.clone()) {
                recorder.ordered(&output);
                orders.add(&output);
            }
        }
        orders
    }

    /// The digest of what the recording orders when it is made again, having agreed at every entry.
    fn replayed(path: &Path) -> (Orders, Option<String>) {
        let (header, entries) = Recording::open(path).unwrap();
        let (mut engine, mut orders) = (header.engine(), Orders::default());
        for entry in entries {
            let Entry { at, ordered, what } = entry.unwrap();
            assert_eq!(orders.digest(), ordered, "at {at:?}");
            match what {
                Recorded::Input(input) => engine.handle(at, input).for_each(|output| orders.add(&output)),
                Recorded::Configured(other) => {
                    engine.configure(at, *other).for_each(|output| orders.add(&output));
                }
                Recorded::Ended(why) => return (orders, Some(why)),
            }
        }
        (orders, None)
    }

    #[test]
    fn what_was_recorded_orders_the_same_again_from_the_start_and_from_the_middle() {
        let home = tempfile::tempdir().unwrap();
        let (whole, middle) = (home.path().join("whole"), home.path().join("middle"));
        let mut recorder = Recorder::create(&whole, &header(), DEFAULT_LIMIT).unwrap();
        let mut engine = header().engine();
        let inputs = inputs();
        let (before, after) = inputs.split_at(40);
        run(&mut engine, &mut recorder, before);
        let now = (Instant::from_micros(20_500_000), Timestamp::from_unix_ms(7));
        let mut second = Recorder::midway(&middle, "1", now, &engine, DEFAULT_LIMIT, || Ok(())).unwrap();
        let ordered = run(&mut engine, &mut second, after);
        second.end(Instant::from_micros(60_000_000), "after its time");
        second.finish();
        recorder.finish();
        assert_eq!(replayed(&middle).0.digest(), ordered.digest());
        assert_eq!(replayed(&middle).1.as_deref(), Some("after its time"));
        assert_eq!(replayed(&whole).1, None);
        assert!(matches!(Recorder::create(&whole, &header(), 1), Err(RecordingError::Write { .. })));

        // A crash in the middle of a line costs that line only.
        OpenOptions::new().append(true).open(&whole).unwrap().write_all(b"{\"at\":9,\"wo").unwrap();
        assert_eq!(replayed(&whole).1, None);
    }

    #[test]
    fn a_full_recording_ends_without_a_hole_and_a_damaged_one_says_where() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run.recording");
        let size = serde_json::to_vec(&header()).unwrap().len() as u64;
        let mut recorder = Recorder::create(&path, &header(), size + 500).unwrap();
        for _ in 0..1000 {
            recorder.record(Instant::from_micros(1), &Input::Woke);
        }
        recorder.finish();
        let count = Recording::open(&path).unwrap().1.map(Result::unwrap).count();
        assert!((1..20).contains(&count), "{count}");
        assert!(std::fs::metadata(&path).unwrap().len() <= size + 500);

        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{}\n").unwrap();
        let error = Recording::open(&path).unwrap().1.last().unwrap().unwrap_err();
        assert!(matches!(error, RecordingError::Line { line, .. } if line == count as u64 + 2), "{error}");
    }
}
