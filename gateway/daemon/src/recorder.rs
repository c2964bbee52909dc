//! A recording: everything that went into the core, so that the same run can be made again anywhere.
//!
//! The first line is the [`Header`]: the configuration's texts, the seed and what the store held. Every
//! further line is one input with its time, as JSON. The file has a size limit; a recording that cannot
//! keep up or is full ends, because one with holes would replay another run.
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use serde::{Deserialize, Serialize};
use shouwang_core::Instant;
use shouwang_core::engine::Start;
use shouwang_core::input::Input;
use shouwang_message::{Clock, Timestamp};

use crate::config::{Config, Problem};
use crate::store::LeftBehind;

/// The file's size, bytes, unless told otherwise.
pub const DEFAULT_LIMIT: u64 = 64 * 1024 * 1024;
/// Inputs waiting for the recording's disk at most.
const QUEUE: usize = 4096;
/// A longer line is not ours.
const LINE_LIMIT: u64 = 64 * 1024 * 1024;
/// This form of file.
const FORMAT: u32 = 1;

/// What the core was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    format: u32,
    /// Version of the program that recorded; its shipped profiles belong to it.
    pub version: String,
    /// `sha256:` of the configuration in force.
    pub configuration: String,
    /// The configuration's text and the profiles' by path, the configuration first. Secrets are in other
    /// files and not recorded.
    sources: Vec<(PathBuf, String)>,
    pub restored: LeftBehind,
    now: Instant,
    wall: Timestamp,
    clock: Clock,
    seed: u64,
}

/// What went into the core at a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Recorded {
    Input(Input),
    /// Another configuration, as the texts it was made from: the configuration first, then the profiles.
    Configured {
        configured: Vec<(PathBuf, String)>,
    },
}

/// Writes a recording on a thread of its own.
#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    inputs: Option<SyncSender<(Instant, Recorded)>>,
    writer: Option<JoinHandle<()>>,
}

/// A recording that is read back.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    pub header: Header,
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
    pub fn new(config: &Config, restored: LeftBehind, start: Start) -> Self {
        let Start { now, wall, clock, seed } = start;
        Self {
            format: FORMAT,
            version: config.core.version.clone(),
            configuration: config.core.digest.clone(),
            sources: config.sources.clone(),
            restored,
            now,
            wall,
            clock,
            seed,
        }
    }

    /// The moment and the chance the run started with.
    pub fn start(&self) -> Start {
        Start { now: self.now, wall: self.wall, clock: self.clock, seed: self.seed }
    }

    /// The configuration as it was, from the recorded texts alone.
    pub fn config(&self) -> Result<Config, Vec<Problem>> {
        Config::from_sources(&self.sources)
    }
}

impl Recorder {
    /// Makes the file, readable by its owner only; it must not exist yet. `limit` is in bytes.
    pub fn create(path: &Path, header: &Header, limit: u64) -> Result<Self, RecordingError> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let failed = |source| RecordingError::Write { path: path.to_owned(), source };
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        let mut sink = Sink { file: BufWriter::new(file), written: 0, limit };
        sink.line(header).map_err(failed)?;
        let (inputs, waiting) = sync_channel(QUEUE);
        let name = path.to_owned();
        let writer = thread::Builder::new()
            .name("recorder".into())
            .spawn(move || write_all(sink, &waiting, &name))
            .map_err(failed)?;
        Ok(Self { path: path.to_owned(), inputs: Some(inputs), writer: Some(writer) })
    }

    /// Takes one input; never blocks. After the first that did not fit, the recording has ended.
    pub fn record(&mut self, at: Instant, input: &Input) {
        if self.inputs.is_some() {
            self.take(at, Recorded::Input(input.clone()));
        }
    }

    /// Takes the texts of another configuration, as [`Recorder::record`] takes an input.
    pub fn configured(&mut self, at: Instant, sources: &[(PathBuf, String)]) {
        self.take(at, Recorded::Configured { configured: sources.to_vec() });
    }

    fn take(&mut self, at: Instant, recorded: Recorded) {
        if let Some(inputs) = &self.inputs
            && inputs.try_send((at, recorded)).is_err()
        {
            tracing::warn!(path = %self.path.display(), "the recording has ended: its file is full or too slow");
            self.inputs = None;
        }
    }

    /// Writes what is waiting and closes the file.
    pub fn finish(mut self) {
        self.inputs = None;
        if let Some(Err(_)) = self.writer.take().map(JoinHandle::join) {
            tracing::error!("the recorder had panicked");
        }
    }
}

impl Recording {
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let read = |source| RecordingError::Read { path: path.to_owned(), source };
        let mut lines = BufReader::new(File::open(path).map_err(read)?);
        let first = next_line(&mut lines).map_err(read)?.unwrap_or_default();
        let line = |source| RecordingError::Line { path: path.to_owned(), line: 1, source };
        let header: Header = serde_json::from_slice(&first).map_err(line)?;
        if header.format != FORMAT {
            let source = serde::de::Error::custom(format_args!("format {} is not {FORMAT}", header.format));
            return Err(line(source));
        }
        Ok(Self { path: path.to_owned(), header, lines, line: 1 })
    }
}

/// The inputs in their order. A last line that was cut off by a crash ends the recording.
impl Iterator for Recording {
    type Item = Result<(Instant, Recorded), RecordingError>;

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
        self.written += bytes.len() as u64;
        if self.written > self.limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "its size limit is reached"));
        }
        self.file.write_all(&bytes)
    }
}

fn write_all(mut sink: Sink, waiting: &Receiver<(Instant, Recorded)>, path: &Path) {
    let mut outcome = Ok(());
    while let Ok(input) = waiting.recv() {
        outcome = sink.line(&input);
        // Whole bursts are buffered; what is there when nothing more waits goes out.
        while outcome.is_ok()
            && let Ok(input) = waiting.try_recv()
        {
            outcome = sink.line(&input);
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
    use shouwang_core::input::{Outcome, StoredEvent};
    use shouwang_message::LogId;

    fn header() -> Header {
        let config =
            Config::from_bytes(Path::new("/etc/gateway.toml"), crate::config::example().as_bytes()).unwrap();
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
        Header::new(&config, restored, start)
    }

    fn inputs() -> Vec<(Instant, Recorded)> {
        let events = vec![StoredEvent { sequence: 1, body: vec![0, 1, 255] }];
        let answered = Outcome::Registers { words: vec![1, 65_535], delay_us: 12 };
        let configured = vec![("/etc/gateway.toml".into(), "site = \"s\"\n".to_owned())];
        [
            Recorded::Input(Input::Answered { line: 0, ask: 7, outcome: answered }),
            Recorded::Input(Input::Fetched { from: 1, events }),
            Recorded::Configured { configured },
            Recorded::Input(Input::Woke),
        ]
        .into_iter()
        .zip(1..)
        .map(|(input, at)| (Instant::from_micros(at), input))
        .collect()
    }

    #[test]
    fn what_was_recorded_is_read_back_and_the_configuration_stands_again() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run.recording");
        let mut recorder = Recorder::create(&path, &header(), DEFAULT_LIMIT).unwrap();
        for (at, recorded) in inputs() {
            match recorded {
                Recorded::Input(input) => recorder.record(at, &input),
                Recorded::Configured { configured } => recorder.configured(at, &configured),
            }
        }
        recorder.finish();
        assert!(matches!(Recorder::create(&path, &header(), 1), Err(RecordingError::Write { .. })));
        // A crash in the middle of a line costs that line only.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"[9,{\"wo").unwrap();

        let recording = Recording::open(&path).unwrap();
        assert_eq!(recording.header, header());
        assert_eq!(recording.header.start().seed, u64::MAX);
        let config = recording.header.config().unwrap();
        assert_eq!(config.core.digest, header().configuration);
        let read: Result<Vec<_>, _> = recording.collect();
        assert_eq!(read.unwrap(), inputs());
    }

    #[test]
    fn a_full_recording_ends_without_a_hole_and_a_damaged_one_says_where() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run.recording");
        let size = serde_json::to_vec(&header()).unwrap().len() as u64;
        let mut recorder = Recorder::create(&path, &header(), size + 100).unwrap();
        for _ in 0..1000 {
            recorder.record(Instant::from_micros(1), &Input::Woke);
        }
        recorder.finish();
        let count = Recording::open(&path).unwrap().map(Result::unwrap).count();
        assert!((1..20).contains(&count), "{count}");
        assert!(std::fs::metadata(&path).unwrap().len() <= size + 100);

        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{}\n").unwrap();
        let error = Recording::open(&path).unwrap().last().unwrap().unwrap_err();
        assert!(matches!(error, RecordingError::Line { line, .. } if line == count as u64 + 2), "{error}");
    }
}
