//! The same on a real file system: ext4 in a file, shut down under a process that commits, without its
//! journal being flushed, as a power cut does it. And a small ext4 that is full.
//!
//! The writer is stopped first (SIGSTOP): otherwise it may be told that a write was done by a file system
//! that is being shut down, which a machine without power tells nobody. Needs root and loop devices, so it
//! belongs to `tests/long`; without them it fails and says so.
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use shouwang_core::output::{Commit, NewEvent};
use shouwang_gateway::store::{ROOM_EVENT_BYTES, ROOM_EVENTS, Store};
use shouwang_message::{Sequence, Timestamp};

use crate::figures::Figures;
use shouwang_tests::chance::Chance;

/// Where the writer finds its database; without it the writer has nothing to do.
const DATABASE: &str = "SHOUWANG_TEST_DATABASE";
/// The control: commits go to a plain SQLite table with `synchronous=NORMAL`.
const CARELESS: &str = "SHOUWANG_TEST_CARELESS";

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed (needs root and loop devices): {said}");
}

/// An ext4 of its own in a file; taken away at the end.
struct Ext4 {
    home: tempfile::TempDir,
}

impl Ext4 {
    fn new(mebibytes: u64) -> Self {
        let home = tempfile::tempdir().unwrap();
        let image = home.path().join("image");
        File::create(&image).unwrap().set_len(mebibytes * 1024 * 1024).unwrap();
        // No blocks reserved for root, so that full is full.
        run(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image));
        fs::create_dir(home.path().join("mount")).unwrap();
        let ext4 = Self { home };
        ext4.mount();
        ext4
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("mount")
    }

    fn mount(&self) {
        run(Command::new("mount").args(["-o", "loop"]).arg(self.home.path().join("image")).arg(self.path()));
    }

    fn unmount(&self) {
        run(Command::new("umount").arg(self.path()));
    }

    /// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`: nothing more reaches the image.
    fn shut_down(&self) {
        let script = "import fcntl, os, struct, sys\n\
                      fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";
        run(Command::new("python3").args(["-c", script]).arg(self.path()));
    }
}

impl Drop for Ext4 {
    fn drop(&mut self) {
        // Already unmounted after a trial that went well.
        let _ = Command::new("umount").arg(self.path()).stderr(Stdio::null()).status();
    }
}

fn open(path: &Path) -> (Store, shouwang_gateway::store::LeftBehind) {
    Store::open(path, Timestamp::from_unix_ms(1_795_330_800_000)).unwrap()
}

fn body(sequence: Sequence) -> Vec<u8> {
    sequence.to_le_bytes().into_iter().cycle().take(ROOM_EVENT_BYTES).collect()
}

fn alarm(sequence: Sequence) -> Commit {
    let kept = vec![(format!("alarm/{}", sequence % 50), Some(body(sequence)))];
    Commit { events: vec![NewEvent { sequence, body: body(sequence) }], kept, ..Commit::default() }
}

#[test]
#[ignore = "the other process of the test below"]
fn commits_until_its_power_is_cut() {
    let Some(path) = std::env::var_os(DATABASE).map(PathBuf::from) else { return };
    let mut told = File::from(rustix::io::dup(rustix::stdio::stdout()).unwrap());
    if std::env::var_os(CARELESS).is_some() {
        let plain = Connection::open(&path).unwrap();
        plain.pragma_update(None, "journal_mode", "WAL").unwrap();
        plain.pragma_update(None, "synchronous", "NORMAL").unwrap();
        plain.execute_batch("CREATE TABLE event (sequence INTEGER PRIMARY KEY, body BLOB NOT NULL)").unwrap();
        for sequence in 1_u64.. {
            plain.execute("INSERT INTO event VALUES (?1, ?2)", (sequence, body(sequence))).unwrap();
            writeln!(told, "committed {sequence}").unwrap();
        }
    }
    let (mut store, restored) = open(&path);
    for sequence in restored.next_sequence.. {
        store.commit(&[alarm(sequence)]).unwrap();
        writeln!(told, "committed {sequence}").unwrap();
    }
}

fn writer(database: &Path, is_careless: bool) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "--nocapture", "power::commits_until_its_power_is_cut"]);
    command.env(DATABASE, database).stdout(Stdio::piped()).stderr(Stdio::null());
    if is_careless {
        command.env(CARELESS, "yes");
    }
    command.spawn().unwrap()
}

/// The sequence that the line tells of, if it tells of one.
fn told(line: &str) -> Option<Sequence> {
    line.rsplit_once("committed ")?.1.trim().parse().ok()
}

/// One cut after so many commits; how many of those that were said to be on disk are gone.
fn trial(is_careless: bool, commits: Sequence) -> Sequence {
    let ext4 = Ext4::new(64);
    let database = ext4.path().join("gateway.db");
    let mut child = writer(&database, is_careless);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut claimed = lines.by_ref().find_map(|line| told(&line).filter(|sequence| *sequence >= commits));
    assert!(claimed.is_some(), "the writer ended before its power was cut");
    kill_process(Pid::from_child(&child), Signal::STOP).unwrap();
    ext4.shut_down();
    child.kill().unwrap();
    child.wait().unwrap();
    // What stood in the pipe was said before it was stopped.
    claimed = lines.filter_map(|line| told(&line)).last().or(claimed);
    let claimed = claimed.unwrap();
    ext4.unmount();
    ext4.mount();
    let held = if is_careless {
        let plain = Connection::open(&database).unwrap();
        plain.query_row("SELECT max(sequence) FROM event", [], |row| row.get(0)).unwrap_or(0)
    } else {
        let (store, restored) = open(&database);
        let reader = store.reader().unwrap();
        assert_eq!(reader.quick_check(), Ok(()));
        let mut sequence = restored.first_kept;
        while sequence < restored.next_sequence {
            for event in reader.fetch(sequence, 1_000).unwrap() {
                assert_eq!((event.sequence, event.body), (sequence, body(sequence)));
                sequence += 1;
            }
        }
        restored.next_sequence - 1
    };
    ext4.unmount();
    claimed.saturating_sub(held)
}

fn losses(what: &'static str, is_careless: bool, trials: u64) -> u64 {
    let figures = Figures::begin(what);
    let mut chance = Chance::new(1);
    let lost = (0..trials).filter(|_| trial(is_careless, 1 + chance.below(400)) > 0).count();
    figures.tell(trials, lost);
    lost as u64
}

#[test]
#[ignore = "tests/long"]
fn ext4_without_power_keeps_what_was_committed() {
    assert_eq!(losses("ext4, power cut", false, 30), 0);
}

#[test]
#[ignore = "tests/long"]
fn ext4_without_power_loses_what_was_not_flushed() {
    let trials = 10;
    let lost = losses("ext4, power cut, NORMAL", true, trials);
    assert!(lost * 100 > trials * 30, "{lost} of {trials}: the trials would not see a lost commit");
}

/// Somebody else writes the disk full, to the last block.
fn fill_up(directory: &Path) {
    let mut hog = File::create(directory.join("somebody's.log")).unwrap();
    for size in [65_536, 4_096, 1] {
        while hog.write_all(&vec![1; size]).is_ok() {}
        let _ = hog.sync_all();
    }
}

#[test]
#[ignore = "tests/long"]
fn a_full_ext4_takes_ten_thousand_more_alarm_events() {
    let ext4 = Ext4::new(64);
    let database = ext4.path().join("gateway.db");
    let (mut store, restored) = open(&database);
    while store.wants_room() && store.lay_by() {}
    assert!(!store.is_short(), "there is space enough");
    let reader = store.reader().unwrap();
    let mut sequence = restored.next_sequence;
    let mut commit = |store: &mut Store, most: usize| {
        let taken = (0..most).take_while(|_| {
            let taken = store.commit(&[alarm(sequence)]).is_ok();
            sequence += u64::from(taken);
            taken
        });
        taken.count()
    };
    assert_eq!(commit(&mut store, 500), 500);
    reader.fetch(1, 10).unwrap();
    fill_up(&ext4.path());
    assert_eq!(commit(&mut store, ROOM_EVENTS / 2), ROOM_EVENTS / 2);
    // A start on the full disk, and on.
    drop((store, reader));
    fill_up(&ext4.path());
    let (mut store, _) = open(&database);
    assert_eq!(commit(&mut store, ROOM_EVENTS / 2), ROOM_EVENTS / 2);
    assert!(store.is_short());
    let more = commit(&mut store, ROOM_EVENTS);
    println!("full ext4: {} alarm events of {ROOM_EVENT_BYTES} B after it was full", ROOM_EVENTS + more);
    assert!(more < ROOM_EVENTS, "it was not full");
    drop(store);
    let (store, restored) = open(&database);
    assert_eq!(restored.next_sequence, 500 + ROOM_EVENTS as u64 + more as u64 + 1);
    assert_eq!(store.reader().unwrap().quick_check(), Ok(()));
    drop(store);
    ext4.unmount();
}
