//! The uplink session: what is told next, what waits for a receipt, when to connect anew.
//!
//! The store's log is the only memory: a connection starts from the first unheard event with a clean
//! session, so nothing depends on what a broker remembers. Alarm documents go first; events keep their
//! sequence; telemetry has one message in flight, so an alarm waits behind one message at most.
mod publishing;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{Id, Instant, Leaf, Sequence};

use crate::chance::Chance;
use crate::history::Number;
use crate::input::{Disconnect, StoredEvent};
use crate::outbox::Outbox;
use crate::output::Output;
use crate::planted::{self, Bug};
use publishing::{EVENT_WINDOW, VALUES, rank};

/// No receipt for this long with something in flight: the client is stuck (contract.md).
const STUCK: Duration = Duration::from_secs(15);
/// A connection attempt that has not ended by now has been lost.
const CONNECT_PATIENCE: Duration = Duration::from_secs(15);
/// An event that was sent but not heard is sent again after this long.
const RESEND: Duration = Duration::from_secs(15);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60);
/// A connection that ended sooner was ended by somebody: by a machine with our client id, or by the broker's rules.
const SETTLED: Duration = Duration::from_secs(10);
/// So often in a row may be a bad network: no longer back-off yet.
const FORGIVEN: u32 = 2;
/// And so often is a fault.
const CONTESTED: u32 = 5;
/// Between two documents of history on a link that is quick.
const HISTORY_APART: Duration = Duration::from_millis(20);
const FETCH_AGAIN: Duration = Duration::from_secs(1);
const MAX_REPLIES: usize = 64;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    site: Id,
    gateway: Id,
    link: Link,
    connections: u32,
    failures: u32,
    /// Since when the connection is up, if it is.
    up_since: Instant,
    /// Connections in a row that did not last.
    thrown_out: u32,
    chance: Chance,
    #[serde(with = "crate::snapshot::pairs")]
    retained: BTreeMap<Leaf, Retained>,
    /// Leaves to be told, by rank: alarms, states, values.
    waiting: [BTreeSet<Leaf>; 3],
    /// The values told last: the next go after them, so that no name waits for ever.
    values_last: Option<Leaf>,
    replies: VecDeque<(Leaf, Vec<u8>)>,
    /// The next event to send on this connection.
    next: Sequence,
    /// The newest event that was committed when this connection was made.
    backlog: Sequence,
    /// A window of old events is being told again.
    again: Option<Again>,
    fetched: VecDeque<StoredEvent>,
    fetching: Option<Sequence>,
    /// The log gave nothing; not before this is it asked again.
    fetch_again_at: Instant,
    in_flight: BTreeMap<u64, InFlight>,
    next_token: u64,
    /// When the broker last moved us forward, or something was put in flight into silence.
    progress_at: Instant,
    /// When the first unheard event was last sent.
    resend_from: Instant,
    resend_after: Duration,
    /// Not before this is the next document of history told.
    history_from: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Link {
    Down { retry_at: Instant, refused: bool },
    Connecting { connection: u32, since: Instant },
    Up { connection: u32 },
    Ended,
}

/// Events that are told again although nobody asked: only a window of them, because a hearer that is there asks
/// for what it lacks, and for one that is away all of them would be in vain.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Again {
    /// Up to before this one...
    until: Sequence,
    /// ...and then on with this one.
    resume: Sequence,
}

#[derive(Debug, Serialize, Deserialize)]
struct Retained {
    #[serde(with = "crate::snapshot::body")]
    body: Vec<u8>,
    version: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum InFlight {
    Event(Sequence),
    History { number: Number, since: Instant },
    Retained { leaf: Leaf, version: u32 },
    Reply,
}

/// A retained document that the broker has now; an emptied one is gone from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) leaf: Leaf,
    pub(crate) emptied: bool,
}

impl Session {
    pub(crate) fn new(site: &Id, gateway: &Id, now: Instant, chance: Chance) -> Self {
        Self {
            site: site.clone(),
            gateway: gateway.clone(),
            link: Link::Down { retry_at: now, refused: false },
            connections: 0,
            failures: 0,
            up_since: now,
            thrown_out: 0,
            chance,
            retained: BTreeMap::new(),
            waiting: Default::default(),
            values_last: None,
            replies: VecDeque::new(),
            next: 1,
            backlog: 0,
            again: None,
            fetched: VecDeque::new(),
            fetching: None,
            fetch_again_at: now,
            in_flight: BTreeMap::new(),
            next_token: 1,
            progress_at: now,
            resend_from: now,
            resend_after: RESEND,
            history_from: now,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.link, Link::Up { .. })
    }

    /// It is let in, and thrown out again and again.
    pub(crate) fn is_contested(&self, now: Instant) -> bool {
        let lasts = self.is_up() && now.since(self.up_since) >= SETTLED;
        self.thrown_out >= CONTESTED && !lasts
    }

    /// The connection in use or being made; 0 before the first.
    pub(crate) fn connection(&self) -> u32 {
        self.connections
    }

    /// Nothing waits to be told but telemetry.
    pub(crate) fn is_quiet(&self) -> bool {
        self.in_flight.is_empty() && self.waiting[0].is_empty() && self.replies.is_empty()
    }

    /// The newest body of a retained document. An empty one takes it away.
    pub(crate) fn retain(&mut self, leaf: Leaf, body: Vec<u8>) {
        let version = self.retained.get(&leaf).map_or(0, |retained| retained.version.wrapping_add(1));
        self.waiting[rank(&leaf)].insert(leaf.clone());
        self.retained.insert(leaf, Retained { body, version });
    }

    /// An answer to a command; told once, on the connection there is.
    pub(crate) fn reply(&mut self, leaf: Leaf, body: Vec<u8>) {
        if self.replies.len() < MAX_REPLIES {
            self.replies.push_back((leaf, body));
        }
    }

    /// A message that is not worth a receipt.
    pub(crate) fn mention(&self, leaf: Leaf, body: Vec<u8>, out: &mut VecDeque<Output>) {
        if let Link::Up { connection } = self.link {
            let publication = self.publication(leaf, body, false);
            out.push_back(Output::Publish { connection, token: None, publication });
        }
    }

    pub(crate) fn connected(&mut self, now: Instant, connection: u32, outbox: &Outbox) -> bool {
        if !matches!(self.link, Link::Connecting { connection: ours, .. } if ours == connection) {
            return false;
        }
        self.link = Link::Up { connection };
        self.failures = self.thrown_out.saturating_sub(FORGIVEN);
        self.up_since = now;
        self.progress_at = now;
        self.resend_after = RESEND;
        self.in_flight.clear();
        self.backlog = outbox.committed();
        for leaf in self.retained.keys().filter(|_| !planted::has(Bug::TrustsBrokerMemory)) {
            self.waiting[rank(leaf)].insert(leaf.clone());
        }
        self.start_from(now, outbox.heard_by_all() + 1, outbox);
        true
    }

    pub(crate) fn disconnected(&mut self, now: Instant, connection: u32, why: Disconnect) {
        let ours = match self.link {
            Link::Connecting { connection: ours, .. } | Link::Up { connection: ours } => ours == connection,
            Link::Down { .. } | Link::Ended => false,
        };
        if ours {
            self.go_down(now, why == Disconnect::Refused);
        }
    }

    /// The broker's PUBACK: the session moves on. Only a duty room's receipt lets the log forget.
    pub(crate) fn receipted(&mut self, now: Instant, connection: u32, token: u64) -> Option<Receipt> {
        if self.link != (Link::Up { connection }) {
            return None;
        }
        // Receipts come in order. One that does not must not hide, behind those that do, for ever.
        let is_oldest = self.in_flight.first_key_value().is_some_and(|(oldest, _)| *oldest == token);
        let told = self.in_flight.remove(&token)?;
        if is_oldest {
            self.progress_at = now;
        }
        match told {
            InFlight::Event(sequence) => Some(Receipt::Event(sequence)),
            InFlight::Reply => None,
            InFlight::History { number, since } => {
                // As long again belongs to others: half the link at most.
                self.history_from = now + now.since(since).max(HISTORY_APART);
                Some(Receipt::History(number))
            }
            InFlight::Retained { leaf, version } => {
                let current = self.retained.get(&leaf).filter(|retained| retained.version == version)?;
                let emptied = current.body.is_empty();
                if emptied {
                    self.retained.remove(&leaf);
                }
                Some(Receipt::Document(Told { leaf, emptied }))
            }
        }
    }

    /// Somebody lacks events from here on, or everything unheard is to be told again.
    pub(crate) fn resend(&mut self, now: Instant, from: Sequence, outbox: &Outbox) {
        let next = self.again.map_or(self.next, |again| again.resume);
        if from < next {
            self.start_from(now, from, outbox);
        }
    }

    /// A hearer moved on: whatever is still unheard gets its full time again.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.resend_from = now;
        self.resend_after = RESEND;
    }

    pub(crate) fn fetched(&mut self, now: Instant, from: Sequence, events: Vec<StoredEvent>) {
        if self.fetching != Some(from) {
            return;
        }
        self.fetching = None;
        self.fetch_again_at = if events.is_empty() { now + FETCH_AGAIN } else { now };
        self.fetched = events.into();
        // What the log has forgotten cannot be sent; whoever listens sees the jump and records a gap.
        if from == self.next
            && let Some(first) = self.fetched.front()
        {
            self.next = self.next.max(first.sequence);
        }
    }

    /// Ends cleanly: no will, no new connection.
    pub(crate) fn end(&mut self, out: &mut VecDeque<Output>) {
        if let Link::Up { connection } | Link::Connecting { connection, .. } = self.link {
            out.push_back(Output::Disconnect { connection });
        }
        self.link = Link::Ended;
    }

    /// Connects, publishes and gives up as the time demands. `will` is made only for a new connection.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        outbox: &Outbox,
        will: impl FnOnce(u32) -> Vec<u8>,
        out: &mut VecDeque<Output>,
    ) {
        if let Link::Connecting { connection, since } = self.link
            && now.since(since) >= CONNECT_PATIENCE
        {
            self.drop_connection(now, connection, out);
        }
        if let Link::Up { connection } = self.link
            && !self.in_flight.is_empty()
            && now.since(self.progress_at) >= STUCK
            && !planted::has(Bug::NeverStuck)
        {
            self.drop_connection(now, connection, out);
        }
        if let Link::Down { retry_at, refused } = self.link {
            let retry_at =
                if outbox.alarm_waits() && !refused { self.hurry(now, retry_at) } else { retry_at };
            self.link = Link::Down { retry_at, refused };
            if now >= retry_at {
                self.connections += 1;
                let connection = self.connections;
                self.link = Link::Connecting { connection, since: now };
                let will = self.publication(Leaf::State, will(connection), true);
                out.push_back(Output::Connect { connection, will });
            }
        }
        if let Link::Up { connection } = self.link {
            self.resend_what_was_not_heard(now, outbox);
            self.publish(now, connection, outbox, out);
        }
    }

    /// From when on history may be told; never while anything else is under way or waits. Events that nobody heard
    /// hold it back; with none of them, a duty room that is away is not noticed, and what the broker takes meanwhile
    /// is a gap in the graph.
    pub(crate) fn history_from(&self, outbox: &Outbox) -> Instant {
        let all_heard = outbox.unheard() == 0 && self.next > outbox.committed();
        let others_wait =
            !self.replies.is_empty() || self.waiting.iter().take(VALUES).any(|waiting| !waiting.is_empty());
        if self.is_up() && self.in_flight.is_empty() && all_heard && !others_wait {
            self.history_from
        } else {
            Instant::NEVER
        }
    }

    pub(crate) fn may_tell_history(&self, now: Instant, outbox: &Outbox) -> bool {
        now >= self.history_from(outbox)
    }

    pub(crate) fn next_deadline(&self, outbox: &Outbox) -> Instant {
        match self.link {
            Link::Down { retry_at, .. } => retry_at,
            Link::Connecting { since, .. } => since + CONNECT_PATIENCE,
            Link::Up { .. } => {
                let waits = !self.in_flight.is_empty() && !planted::has(Bug::NeverStuck);
                let stuck = if waits { self.progress_at + STUCK } else { Instant::NEVER };
                // While something is still to be sent, nothing is due to be sent again.
                let waits = outbox.unheard() > 0 && self.next > outbox.committed();
                let resend = if waits { self.resend_from + self.resend_after } else { Instant::NEVER };
                let lacks =
                    self.next <= outbox.committed() && self.fetching.is_none() && self.in_flight.is_empty();
                stuck.min(resend).min(if lacks { self.fetch_again_at } else { Instant::NEVER })
            }
            Link::Ended => Instant::NEVER,
        }
    }

    fn go_down(&mut self, now: Instant, refused: bool) {
        if self.is_up() {
            let lasted = now.since(self.up_since) >= SETTLED;
            self.thrown_out = if lasted { 0 } else { self.thrown_out.saturating_add(1) };
            self.failures = self.thrown_out.saturating_sub(FORGIVEN);
        }
        let wait = if refused {
            LONGEST_BACK_OFF
        } else {
            let doubled = Duration::from_millis(500).saturating_mul(1 << self.failures.min(7));
            doubled.min(LONGEST_BACK_OFF).mul_f64(0.6 + 0.8 * self.chance.unit()).min(LONGEST_BACK_OFF)
        };
        self.failures = self.failures.saturating_add(1);
        self.in_flight.clear();
        self.fetched.clear();
        self.fetching = None;
        self.link = Link::Down { retry_at: now + wait, refused };
    }

    fn drop_connection(&mut self, now: Instant, connection: u32, out: &mut VecDeque<Output>) {
        out.push_back(Output::Drop { connection });
        self.go_down(now, false);
    }

    /// With an alarm waiting the next attempt is 0.3 to 0.7 s away at most.
    fn hurry(&mut self, now: Instant, retry_at: Instant) -> Instant {
        if retry_at <= now + Duration::from_millis(700) {
            return retry_at;
        }
        now + Duration::from_millis(300) + Duration::from_millis(400).mul_f64(self.chance.unit())
    }

    fn start_from(&mut self, now: Instant, from: Sequence, outbox: &Outbox) {
        self.next = from.max(outbox.first_kept()).max(1);
        self.again = None;
        self.fetched.clear();
        self.fetching = None;
        self.resend_from = now;
    }

    /// A broker may take an event and lose it; the duty room's silence is what shows it.
    fn resend_what_was_not_heard(&mut self, now: Instant, outbox: &Outbox) {
        let due = outbox.unheard() > 0 && now.since(self.resend_from) >= self.resend_after;
        let all_sent = self.next > outbox.committed();
        if due && all_sent {
            let resume = self.next;
            self.start_from(now, outbox.heard_by_all() + 1, outbox);
            self.again = Some(Again { until: self.next + EVENT_WINDOW as Sequence, resume });
            self.resend_after = (self.resend_after * 2).min(4 * RESEND);
        }
    }
}

/// What a PUBACK was for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Receipt {
    Event(Sequence),
    History(Number),
    Document(Told),
}

impl Receipt {
    /// The planted mistake: to take the broker's word for the duty room's.
    pub(crate) fn closes(&self) -> Option<Sequence> {
        match self {
            Self::Event(sequence) if planted::has(Bug::ClosesOnReceipt) => Some(*sequence),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: u64) -> Instant {
        Instant::from_micros(second * 1_000_000)
    }

    /// Connected, and all that is retained is told.
    fn session(outbox: &Outbox) -> Session {
        let id = |name: &str| name.parse().unwrap();
        let mut session = Session::new(&id("demo"), &id("gw-1"), second(0), Chance::new(1));
        let mut out = VecDeque::new();
        session.poll(second(0), outbox, |_| Vec::new(), &mut out);
        assert!(session.connected(second(0), 1, outbox));
        session
    }

    #[test]
    fn history_leaves_half_of_a_slow_link_to_others() {
        let outbox = Outbox::new(Vec::new(), 0, 1);
        let mut session = session(&outbox);
        let mut out = VecDeque::new();
        assert!(session.may_tell_history(second(10), &outbox));
        session.tell_history(second(10), 7, Leaf::History, Vec::new(), &mut out);
        assert!(!session.may_tell_history(second(11), &outbox), "one at a time");
        assert_eq!(session.receipted(second(14), 1, 1), Some(Receipt::History(7)));
        assert_eq!(session.history_from(&outbox), second(18), "it took four seconds: four are others'");
        assert!(!session.may_tell_history(second(17), &outbox));
        assert!(session.may_tell_history(second(18), &outbox));
    }

    #[test]
    fn history_waits_for_whatever_matters_more() {
        let outbox = Outbox::new(Vec::new(), 0, 1);
        let mut session = session(&outbox);
        session.retain(Leaf::Alarm(shouwang_message::AlarmId::from_parts(1, 1)), Vec::new());
        assert_eq!(session.history_from(&outbox), Instant::NEVER, "an alarm's document waits");
        let unheard = Outbox::new(Vec::new(), 3, 1);
        let session = self::session(&unheard);
        assert_eq!(session.history_from(&unheard), Instant::NEVER, "events are not heard yet");
    }
}
