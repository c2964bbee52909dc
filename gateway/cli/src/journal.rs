//! The service's words in systemd's journal, by its own protocol: one datagram an entry, with the line, the device and the
//! alarm it is about as fields, so that `journalctl DEVICE=smoke-3-2-402` finds them.
//!
//! A journal that does not take an entry at once misses it: nobody who watches over alarms waits for a log.
use std::fmt::{Debug, Write as _};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use rustix::fs::fstat;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Where the journal listens (systemd's Native Journal Protocol).
const SOCKET: &str = "/run/systemd/journal/socket";
/// What an event can be about, by the names of our own fields; each is a field of the entry.
const ABOUT: [&str; 3] = ["line", "device", "alarm"];
/// A longer entry would need a file of its own; ours are lines.
const LONGEST: usize = 32 * 1024;

/// Writes to the journal, never waiting for it.
#[derive(Debug)]
pub(crate) struct Journal {
    socket: UnixDatagram,
    name: &'static str,
}

impl Journal {
    /// If our standard error is the journal's: then it would have the same lines without their fields.
    pub(crate) fn from_environment(name: &'static str) -> Option<Self> {
        let stream = std::env::var("JOURNAL_STREAM").ok()?;
        let (device, inode) = stream.split_once(':')?;
        let ours = fstat(io::stderr()).ok()?;
        let is_journal = device.parse() == Ok(ours.st_dev) && inode.parse() == Ok(ours.st_ino);
        is_journal.then(|| Self::to(Path::new(SOCKET), name).ok())?
    }

    fn to(socket: &Path, name: &'static str) -> io::Result<Self> {
        let ours = UnixDatagram::unbound()?;
        ours.set_nonblocking(true)?;
        ours.connect(socket)?;
        Ok(Self { socket: ours, name })
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        let mut entry = Vec::new();
        field(&mut entry, "MESSAGE", &words.message());
        field(&mut entry, "PRIORITY", priority(event.metadata().level()));
        field(&mut entry, "SYSLOG_IDENTIFIER", self.name);
        field(&mut entry, "TARGET", event.metadata().target());
        for (name, value) in &words.about {
            field(&mut entry, &name.to_uppercase(), value);
        }
        if entry.len() <= LONGEST {
            // A full or absent journal: the entry is missed, the service goes on.
            let _ = self.socket.send(&entry);
        }
    }
}

/// syslog's numbers (RFC 5424, 6.2.1).
fn priority(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    }
}

/// One line as it is, several with their length before them.
fn field(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

/// What an event says.
#[derive(Debug, Default)]
struct Words {
    message: String,
    more: String,
    about: Vec<(&'static str, String)>,
}

impl Words {
    /// As on a terminal: the words, then what belongs to them.
    fn message(&self) -> String {
        format!("{}{}", self.message, self.more)
    }

    fn take(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
            return;
        }
        // Writing to a String cannot fail.
        let _ = write!(self.more, " {}={value}", field.name());
        if ABOUT.contains(&field.name()) {
            self.about.push((field.name(), value));
        }
    }
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt as _;

    fn entries(say: impl FnOnce()) -> Vec<String> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        journal.set_nonblocking(true).unwrap();
        let layer = Journal::to(&path, "shouwang").unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), say);
        let mut heard = [0; LONGEST];
        let mut next = || {
            journal.recv(&mut heard).ok().map(|count| String::from_utf8_lossy(&heard[..count]).into_owned())
        };
        std::iter::from_fn(&mut next).collect()
    }

    #[test]
    fn an_entry_has_its_line_device_and_alarm_as_fields() {
        let said = entries(|| {
            tracing::warn!(line = %"b3-rs485", why = "gone", "line is down");
            tracing::info!(device = %"smoke-1", alarm = %"01J0", "alarm raised");
        });
        assert_eq!(
            said,
            [
                "MESSAGE=line is down line=b3-rs485 why=gone\nPRIORITY=4\nSYSLOG_IDENTIFIER=shouwang\n\
                 TARGET=shouwang::journal::tests\nLINE=b3-rs485\n",
                "MESSAGE=alarm raised device=smoke-1 alarm=01J0\nPRIORITY=6\nSYSLOG_IDENTIFIER=shouwang\n\
                 TARGET=shouwang::journal::tests\nDEVICE=smoke-1\nALARM=01J0\n",
            ]
        );
    }

    #[test]
    fn words_of_several_lines_are_one_field_and_no_other_can_be_smuggled_in() {
        let said = entries(|| tracing::error!("two\nPRIORITY=0"));
        let length = char::from(14_u8);
        assert_eq!(said.len(), 1);
        assert!(
            said[0].starts_with(&format!("MESSAGE\n{length}\0\0\0\0\0\0\0two\nPRIORITY=0\nPRIORITY=3\n")),
            "{said:?}"
        );
    }

    #[test]
    fn a_journal_that_takes_nothing_holds_nobody_up() {
        // Nobody reads: the socket is full after some.
        let said = entries(|| (0..10_000).for_each(|n| tracing::info!(n, "a flood")));
        assert!(!said.is_empty() && said.len() < 10_000, "{}", said.len());
        assert!(Journal::to(Path::new("/nowhere/at/all"), "shouwang").is_err());
    }
}
