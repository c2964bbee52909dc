//! What leaves next: documents of alarms, replies, events in sequence, states, then values one at a time, each kind
//! within its own part of the window.
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Bound;

use shouwang_message::{Instant, Leaf, Topic};

use super::{InFlight, Link, Session};
use crate::history::Number;
use crate::outbox::Outbox;
use crate::output::{Output, Publication};
use crate::planted::{self, Bug};

/// Messages in flight altogether; the client's own limit is 100.
const WINDOW: usize = 80;
/// Of these, events: an alarm's document finds room beside them.
pub(super) const EVENT_WINDOW: usize = 64;
/// And events from before the connection: on a slow link an alarm's document waits behind these at most.
const BACKLOG_WINDOW: usize = 4;
/// Of these, documents that are neither alarms nor events.
const STATE_WINDOW: usize = 16;
/// And values: one, so that an alarm waits behind one message at most.
const VALUES_WINDOW: usize = 1;
/// The rank of values among what is to be told.
pub(super) const VALUES: usize = 2;
const FETCH: usize = 64;

impl Session {
    pub(super) fn publish(
        &mut self,
        now: Instant,
        connection: u32,
        outbox: &Outbox,
        out: &mut VecDeque<Output>,
    ) {
        if planted::has(Bug::TelemetryFirst) {
            self.publish_retained(now, connection, VALUES, WINDOW, out);
        }
        self.publish_retained(now, connection, 0, WINDOW, out);
        while self.in_flight.len() < WINDOW
            && let Some((leaf, body)) = self.replies.pop_front()
        {
            self.send(now, connection, leaf, body, InFlight::Reply, out);
        }
        self.publish_events(now, connection, outbox, out);
        self.publish_retained(now, connection, 1, STATE_WINDOW, out);
        // Telemetry waits until nothing more important is under way.
        if self.in_flight.is_empty() {
            self.publish_retained(now, connection, VALUES, VALUES_WINDOW, out);
        }
    }

    fn publish_retained(
        &mut self,
        now: Instant,
        connection: u32,
        rank: usize,
        window: usize,
        out: &mut VecDeque<Output>,
    ) {
        while self.in_flight.len() < window
            && let Some(leaf) = self.take_waiting(rank)
        {
            // Only the newest body is worth telling, and not twice at a time.
            let Some(retained) = self.retained.get(&leaf) else { continue };
            let (body, version) = (retained.body.clone(), retained.version);
            self.send(now, connection, leaf.clone(), body, InFlight::Retained { leaf, version }, out);
        }
    }

    fn has_room_for_event(&self) -> bool {
        let is_event = |told: &&InFlight| matches!(told, InFlight::Event(_));
        self.in_flight.len() < EVENT_WINDOW
            && (self.next > self.backlog || self.in_flight.values().filter(is_event).count() < BACKLOG_WINDOW)
    }

    fn take_waiting(&mut self, rank: usize) -> Option<Leaf> {
        let waiting = &mut self.waiting[rank];
        let after = self.values_last.as_ref().filter(|_| rank == VALUES).and_then(|last| {
            let next = waiting.range((Bound::Excluded(last), Bound::Unbounded)).next();
            next.cloned()
        });
        let leaf = after.or_else(|| waiting.first().cloned())?;
        waiting.remove(&leaf);
        if rank == VALUES {
            self.values_last = Some(leaf.clone());
        }
        Some(leaf)
    }

    fn publish_events(&mut self, now: Instant, connection: u32, outbox: &Outbox, out: &mut VecDeque<Output>) {
        loop {
            if let Some(again) = self.again.take_if(|again| self.next >= again.until) {
                self.next = self.next.max(again.resume);
            }
            if self.next > outbox.committed() || !self.has_room_for_event() {
                return;
            }
            let sequence = self.next;
            let body = if let Some(event) = outbox.cached(sequence) {
                self.fetched.clear();
                event.body.clone()
            } else if self.fetched.front().is_some_and(|event| event.sequence == sequence) {
                self.fetched.pop_front().map(|event| event.body).unwrap_or_default()
            } else {
                self.fetched.clear();
                if self.fetching.is_none() && now >= self.fetch_again_at {
                    self.fetching = Some(sequence);
                    out.push_back(Output::Fetch { from: sequence, limit: FETCH });
                }
                return;
            };
            self.send(now, connection, Leaf::Event, body, InFlight::Event(sequence), out);
            self.next = sequence + 1;
            if self.next > outbox.committed() {
                self.resend_from = now;
            }
        }
    }

    fn send(
        &mut self,
        now: Instant,
        connection: u32,
        leaf: Leaf,
        body: Vec<u8>,
        in_flight: InFlight,
        out: &mut VecDeque<Output>,
    ) {
        if self.in_flight.is_empty() {
            self.progress_at = now;
        }
        let token = self.next_token;
        self.next_token += 1;
        self.in_flight.insert(token, in_flight);
        let publication = self.publication(leaf, body, true);
        out.push_back(Output::Publish { connection, token: Some(token), publication });
    }

    pub(super) fn publication(&self, leaf: Leaf, body: Vec<u8>, at_least_once: bool) -> Publication {
        let retain = leaf.is_retained();
        Publication { topic: Topic::new(&self.site, &self.gateway, leaf), body, retain, at_least_once }
    }

    pub(crate) fn tell_history(
        &mut self,
        now: Instant,
        number: Number,
        leaf: Leaf,
        body: Vec<u8>,
        out: &mut VecDeque<Output>,
    ) {
        if let Link::Up { connection } = self.link {
            self.send(now, connection, leaf, body, InFlight::History { number, since: now }, out);
        }
    }
}

pub(super) fn rank(leaf: &Leaf) -> usize {
    match leaf {
        Leaf::State | Leaf::Alarm(_) => 0,
        Leaf::DeviceValues(_) => VALUES,
        _ => 1,
    }
}
