//! What the transcript needs to know of each event: the bytes that brought it, and how long it took. The gateway
//! process notes the first half, the duty room's hearing is the second; all clocks here count since the machine's start.
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shouwang_core::Instant;
use shouwang_duty_room::HeardEvent;
use shouwang_message::{EventData, Sequence};

/// Events noted and not heard, or heard and not noted; a demo has a few dozen.
const KEPT: usize = 1024;
/// A gateway that was killed cannot note what it had committed: after this long the event is told without.
const PATIENCE: Duration = Duration::from_millis(200);

/// One committed event, as the gateway process tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) sequence: Sequence,
    /// When the bytes had arrived, or the gateway decided it without any.
    pub(super) since: Instant,
    pub(super) committed: Instant,
    /// Request and answer, in hex.
    pub(super) bytes: Option<(String, String)>,
}

/// One event's way, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Way {
    pub(super) bytes: Option<(String, String)>,
    /// From the answer's last byte to the commit, and to the duty room's own commit.
    pub(super) committed: Option<Duration>,
    pub(super) heard: Option<Duration>,
}

/// Brings the two halves together, in the order of hearing.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    noted: BTreeMap<Sequence, Notice>,
    heard: VecDeque<(Instant, Arc<HeardEvent>)>,
    slowest: Duration,
}

impl Notice {
    pub(super) fn to_json(&self) -> String {
        let (request, answer) = self.bytes.as_ref().map(|(request, answer)| (request, answer)).unzip();
        json!({"sequence": self.sequence, "since": self.since.as_micros(), "committed": self.committed.as_micros(),
            "request": request, "answer": answer})
        .to_string()
    }

    pub(super) fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let number = |name: &str| value.get(name).and_then(Value::as_u64);
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            sequence: number("sequence")?,
            since: Instant::from_micros(number("since")?),
            committed: Instant::from_micros(number("committed")?),
            bytes: text("request").zip(text("answer")),
        })
    }
}

impl Ledger {
    pub(super) fn note(&mut self, notice: Notice) {
        if self.noted.len() >= KEPT {
            self.noted.pop_first();
        }
        self.noted.insert(notice.sequence, notice);
    }

    pub(super) fn hear(&mut self, now: Instant, event: Arc<HeardEvent>) {
        if self.heard.len() >= KEPT {
            self.heard.pop_front();
        }
        self.heard.push_back((now, event));
    }

    /// The next event to be told.
    pub(super) fn next(&mut self, now: Instant) -> Option<(Arc<HeardEvent>, Way)> {
        let (at, event) = self.heard.front()?;
        let noted = self.noted.remove(&event.event.sequence);
        if noted.is_none() && now.since(*at) < PATIENCE {
            return None;
        }
        let (at, event) = self.heard.pop_front()?;
        let Some(noted) = noted else { return Some((event, Way::default())) };
        let took = at.since(noted.since);
        if let EventData::Alarm(..) = event.event.data {
            self.slowest = self.slowest.max(took);
        }
        let committed = Some(noted.committed.since(noted.since));
        Some((event, Way { bytes: noted.bytes, committed, heard: Some(took) }))
    }

    /// From an alarm's bytes on the wire to the duty room's disk.
    pub(super) fn slowest(&self) -> Duration {
        self.slowest
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_reads_back_as_it_is_written_and_anything_else_is_none() {
        let bytes = Some(("0C 03".to_owned(), "0C 03 02".to_owned()));
        let notice = Notice {
            sequence: 7,
            since: Instant::from_micros(1_000),
            committed: Instant::from_micros(2_100),
            bytes,
        };
        assert_eq!(Notice::parse(&notice.to_json()), Some(notice.clone()));
        let without = Notice { bytes: None, ..notice };
        assert_eq!(Notice::parse(&without.to_json()), Some(without));
        assert_eq!(
            [Notice::parse("thread panicked"), Notice::parse("{}"), Notice::parse("7")],
            [None, None, None]
        );
    }
}
