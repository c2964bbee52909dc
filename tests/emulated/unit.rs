//! One call button in QEMU: its serial port and its machine protocol (QMP) are sockets.
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use shouwang_tests::program::Program;
use shouwang_tests::{clock, wait_for};
use tempfile::TempDir;

use crate::image::image;

const LIMIT: Duration = Duration::from_secs(20);
/// Eight times the 50 ms from which a press counts: the emulator may stand still for a while.
const HOLD: Duration = Duration::from_millis(400);
/// Between two presses, for the same reason.
const LET_GO: Duration = Duration::from_millis(300);
/// Port F, pin 0: the data register under a mask of this pin alone.
const LAMP: &str = "xp /1wx 0x40025004";

/// What can be pressed, as the board wires it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Button,
    Cancel,
}

/// A running unit. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct EmulatedUnit {
    qmp: BufReader<UnixStream>,
    /// Told of by QEMU; it may do so before or after it answers the command.
    resets: u32,
    _program: Program,
    directory: TempDir,
}

impl EmulatedUnit {
    /// Starts a unit whose serial number is `0x00123400 + last`.
    pub(crate) fn start(last: u8) -> Self {
        let directory = TempDir::with_prefix("shouwang-unit-").expect("a directory for the unit");
        let socket =
            |name: &str| format!("unix:{},server=on,wait=off", directory.path().join(name).display());
        let mut command = Command::new("qemu-system-arm");
        command
            .args(["-M", "lm3s6965evb", "-display", "none", "-monitor", "none"])
            .args(["-serial", &socket("serial"), "-qmp", &socket("qmp")])
            .args(["-nic", &format!("user,mac=52:54:00:12:34:{last:02x}")])
            .arg("-kernel")
            .arg(image());
        let program = Program::start("qemu", &mut command, directory.path());
        let qmp = BufReader::new(connect(&directory.path().join("qmp")));
        let mut unit = Self { qmp, resets: 0, _program: program, directory };
        unit.order("qmp_capabilities", &json!({}));
        unit.let_go_of_all();
        unit
    }

    /// Its end of the line.
    pub(crate) fn serial_port(&self) -> UnixStream {
        connect(&self.directory.path().join("serial"))
    }

    /// Presses, holds and lets go.
    pub(crate) fn press(&mut self, key: Key) {
        self.set(key, true);
        clock::pause(HOLD);
        self.set(key, false);
        clock::pause(LET_GO);
    }

    /// Presses the buttons of several units in the same moment.
    pub(crate) fn press_together(units: &mut [Self]) {
        units.iter_mut().for_each(|unit| unit.set(Key::Button, true));
        clock::pause(HOLD);
        units.iter_mut().for_each(|unit| unit.set(Key::Button, false));
    }

    /// As the reset pin does: what the unit keeps is kept.
    pub(crate) fn reset(&mut self) {
        self.resets = 0;
        self.order("system_reset", &json!({}));
        while self.resets == 0 {
            self.read();
        }
        self.let_go_of_all();
    }

    /// Whether the lamp is lit now.
    pub(crate) fn is_lit(&mut self) -> bool {
        let said = self.order("human-monitor-command", &json!({ "command-line": LAMP }));
        let word = said.as_str().and_then(|text| text.trim().rsplit_once("0x"));
        let (_, word) = word.unwrap_or_else(|| panic!("QEMU reads no register: {said}"));
        u32::from_str_radix(word, 16).expect("a register in hexadecimal") != 0
    }

    /// QEMU has every key pressed from a start on until it was pressed and released once; the firmware takes
    /// no key for pressed that it has not seen released.
    fn let_go_of_all(&mut self) {
        for key in [Key::Button, Key::Cancel] {
            self.set(key, true);
            self.set(key, false);
        }
    }

    fn set(&mut self, key: Key, down: bool) {
        let name = if key == Key::Button { "up" } else { "down" };
        let key = json!({ "down": down, "key": { "type": "qcode", "data": name } });
        self.order("input-send-event", &json!({ "events": [{ "type": "key", "data": key }] }));
    }

    /// Carries out a QMP command and returns what it brought.
    fn order(&mut self, command: &str, arguments: &Value) -> Value {
        let line = json!({ "execute": command, "arguments": arguments, "id": command });
        writeln!(self.qmp.get_mut(), "{line}").expect("QEMU takes a command");
        loop {
            let mut answer = self.read();
            if answer["id"] == command {
                assert!(answer.get("error").is_none(), "QEMU refuses {line}: {answer}");
                return answer["return"].take();
            }
        }
    }

    /// The next message, of whatever kind.
    fn read(&mut self) -> Value {
        let mut line = String::new();
        let read = self.qmp.read_line(&mut line).expect("QEMU speaks in time");
        assert!(read > 0, "QEMU has ended");
        let message: Value = serde_json::from_str(&line).expect("QMP is JSON");
        self.resets += u32::from(message["event"] == "RESET");
        message
    }
}

fn connect(path: &Path) -> UnixStream {
    let stream = wait_for(LIMIT, &format!("QEMU should listen at {}", path.display()), || {
        UnixStream::connect(path).ok()
    });
    stream.set_read_timeout(Some(LIMIT)).expect("a limit for an answer");
    stream
}
