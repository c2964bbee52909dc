//! What a happening does to the world when it begins and when it ends.
use shouwang_board::Input as BoardInput;
use shouwang_core::input::{Disconnect, Input};
use shouwang_message::{Clock, Timestamp};

use super::agenda::Thing;
use super::device::{Body, Manners};
use super::people;
use super::scenario::{MS, SECOND, What};
use super::store::Mood;
use super::unit::Unit;
use super::world::World;

/// A board that was switched on without a clock thinks that it is this time.
const NO_CLOCK_MS: i64 = 0;

impl World<'_> {
    pub(super) fn happens(&mut self, thing: Thing) {
        match thing {
            Thing::Begins(place) => {
                let what = self.scenario.happenings[place].what;
                if what.is_fault() {
                    let states = self.states();
                    self.coverage.strike(what.name(), &states);
                }
                self.note(|| format!("BEGINS {what:?}"));
                self.begins(place, what);
            }
            Thing::Ends(place) => {
                let happening = self.scenario.happenings[place];
                if happening.lasts > 0 {
                    self.note(|| format!("ENDS {:?}", happening.what));
                    self.ends(happening.what);
                }
            }
            Thing::Heals => self.heals(),
            Thing::Stored { boot } if boot == self.gateway.boot => self.stored(),
            Thing::Ticks { device } => self.ticks(device),
            Thing::ComparesClock => {
                self.agenda.enter(self.now + 10 * SECOND, Thing::ComparesClock);
                self.compare_clock();
            }
            Thing::ClockFound { boot } if boot == self.gateway.boot => {
                self.gateway.wall_error_ms = 0;
                self.gateway.clock = Some(Clock::Synced);
                self.compare_clock();
            }
            Thing::FindsDead { boot, connection }
                if boot == self.gateway.boot && self.gateway.connection.is_none() =>
            {
                self.give(Input::Disconnected { connection, why: Disconnect::Lost });
                self.broker.gateway_gone(self.now);
            }
            Thing::Clicks(click) => self.clicks(click),
            Thing::Looks => self.looks(),
            Thing::Stored { .. } | Thing::ClockFound { .. } | Thing::FindsDead { .. } => {}
        }
    }

    fn begins(&mut self, place: usize, what: What) {
        let until = self.now + self.scenario.happenings[place].lasts;
        match what {
            What::Flip { device, smoke } => {
                let now = self.now;
                if let Some(Body::Detector(detector)) = self.body(device) {
                    let truth = if smoke { &mut detector.smoke } else { &mut detector.level };
                    truth.flip(now);
                }
            }
            What::Press { device } => self.with_unit(device, |unit| unit.hold_button(until)),
            What::Cancel { device } => self.with_unit(device, |unit| unit.hold_cancel(until)),
            What::Act { page, wish } => {
                let click = self.duty_room.board.as_ref().and_then(|board| people::looks(board, page, wish));
                if let Some(click) = click {
                    let at = self.now + self.chance.between(100 * MS, 3 * SECOND);
                    self.agenda.enter(at, Thing::Clicks(click));
                }
            }
            What::Race => self.race(),
            What::Dead { device } => self.set_manners(device, Manners::Dead),
            What::Late { device, by_ms } => self.set_manners(device, Manners::Late(u64::from(by_ms) * MS)),
            What::Noisy { device } => self.set_manners(device, Manners::Noisy),
            What::Busy { device } => self.set_manners(device, Manners::Busy),
            What::Babbles { device } => self.set_manners(device, Manners::Babbles),
            What::Clash { device } => self.set_manners(device, Manners::Clash),
            What::NoPower { device } => {
                self.with_unit(device, |unit| unit.power_off());
                self.set_manners(device, Manners::Dead);
            }
            What::Unplugged { line } => {
                self.lines[line].is_open = false;
                self.lines[line].closed_since = Some(self.now);
                self.lines[line].reopen(self.now);
                self.give(Input::LineDown { line, why: "unplugged".into() });
            }
            What::CableCut { line } => self.lines[line].is_whole = false,
            What::Killed => self.end_gateway(false),
            What::PowerCut => self.end_gateway(true),
            What::Hangs => self.gateway.is_hung = true,
            What::DiskFull => self.store.mood = Mood::Full,
            What::DiskFails => self.store.mood = Mood::Fails,
            What::DiskStalls => self.store.mood = Mood::Stalls,
            What::ClockSteps { seconds } => {
                self.gateway.wall_error_ms += i64::from(seconds) * 1000;
                self.compare_clock();
            }
            What::BrokerAway { forgets } => {
                self.broker.go_down(forgets);
                self.disconnect();
                self.unlink_duty_room();
            }
            What::Partition => {
                self.broker.is_cut_off = true;
                self.broker.silence_connection();
                self.disconnect();
                self.broker.gateway_gone(self.now);
            }
            What::HalfOpen => {
                let found_at = self.now + self.chance.between(20 * SECOND, 40 * SECOND);
                if let Some(connection) = self.gateway.connection {
                    self.agenda.enter(found_at, Thing::FindsDead { boot: self.gateway.boot, connection });
                }
                self.silence();
            }
            What::Mute => self.silence(),
            What::Loses { percent } => self.broker.loses_percent = percent.into(),
            What::Doubles { percent } => self.broker.doubles_percent = percent.into(),
            What::Disorder => self.broker.is_disorderly = true,
            What::Junk { kind } => {
                let command = self.intruders_command();
                self.broker.junk(self.now, kind, self.store.newest(), command);
            }
            What::DutyRoomKilled => {
                self.unlink_duty_room();
                self.duty_room.kill();
                self.tickets.clear();
            }
            What::DutyRoomDiskFails => self.duty_room.disk_fails = true,
            What::DutyRoomCutOff => {
                self.is_duty_room_cut_off = true;
                self.unlink_duty_room();
            }
        }
    }

    fn ends(&mut self, what: What) {
        match what {
            What::Press { .. } | What::Cancel { .. } => {}
            What::NoPower { device } => {
                let now = self.now;
                self.with_unit(device, |unit| unit.power_on(now));
                self.set_manners(device, Manners::Good);
            }
            What::Unplugged { line } => {
                self.lines[line].is_open = true;
                self.lines[line].closed_since = None;
                self.lines[line].reopen(self.now);
                self.give(Input::LineUp { line });
            }
            What::CableCut { line } => self.lines[line].is_whole = true,
            What::Killed => self.start_gateway(),
            What::PowerCut => self.power_on(),
            What::Hangs => {
                self.gateway.is_hung = false;
                self.give(Input::Woke);
            }
            What::DiskFull | What::DiskFails | What::DiskStalls => self.store.mood = Mood::Good,
            What::BrokerAway { .. } => {
                self.broker.is_up = true;
                self.link_duty_room();
            }
            What::Partition => self.broker.is_cut_off = false,
            What::Loses { .. } => self.broker.loses_percent = 0,
            What::Doubles { .. } => self.broker.doubles_percent = 0,
            What::Disorder => self.broker.is_disorderly = false,
            What::DutyRoomKilled => self.start_duty_room(),
            What::DutyRoomDiskFails => self.duty_room.disk_fails = false,
            What::DutyRoomCutOff => {
                self.is_duty_room_cut_off = false;
                self.link_duty_room();
            }
            _ => {
                if let Some(device) = what.device() {
                    self.set_manners(device, Manners::Good);
                }
            }
        }
    }

    /// Whatever was wrong has ended by itself; what somebody left behind is cleared away.
    fn heals(&mut self) {
        self.note(|| "HEALS".into());
        self.healed_at = Some(self.now);
        self.broker.clean();
        self.gateway.wall_error_ms = 0;
        self.gateway.clock = Some(Clock::Synced);
        self.compare_clock();
    }

    /// The process ends: it is killed, or the power is gone and with it all that was not flushed.
    fn end_gateway(&mut self, power_is_gone: bool) {
        let stored = if power_is_gone { self.store.power_cut(self.now) } else { self.store.killed(self.now) };
        self.store_is_right(stored);
        self.gateway.end();
        self.commits.clear();
        self.expected.clear();
        if power_is_gone {
            self.broker.silence_connection();
        }
        self.broker.gateway_gone(self.now);
        for line in &mut self.lines {
            line.reopen(self.now);
        }
        for truth in self.truths.values_mut() {
            truth.gateway_died();
        }
    }

    fn power_on(&mut self) {
        self.gateway.power_on(self.now);
        if !self.scenario.has_clock {
            self.gateway.wall_error_ms = NO_CLOCK_MS - self.wall().unix_ms();
            self.gateway.clock = Some(Clock::Unset);
        }
        self.start_gateway();
        if !self.scenario.has_clock {
            let found_at = self.now + self.chance.between(5 * SECOND, 40 * SECOND);
            self.agenda.enter(found_at, Thing::ClockFound { boot: self.gateway.boot });
        }
    }

    pub(super) fn start_gateway(&mut self) {
        let restored = match self.store.open() {
            Ok(restored) => restored,
            Err(what) => return self.store_is_right(Err(what)),
        };
        self.note_durable();
        let wall = self.gateway_wall();
        self.reading.start();
        self.gateway.start(self.now, wall, restored, &self.scenario, self.site, &mut self.chance);
        for line in 0..self.lines.len() {
            self.lines[line].reopen(self.now);
            if self.lines[line].is_open {
                self.give(Input::LineUp { line });
            }
        }
        self.give(Input::Woke);
    }

    pub(super) fn start_duty_room(&mut self) {
        let wall = self.wall();
        self.duty_room.start(self.now, wall);
        self.life.board_starts();
        self.care.board_starts();
        // Both pages are open and can sound.
        self.tell_board(BoardInput::Armed { boards: 2 });
        self.link_duty_room();
    }

    fn link_duty_room(&mut self) {
        if self.broker.is_up && !self.is_duty_room_cut_off && self.duty_room.board.is_some() {
            self.duty_room.links += 1;
            self.broker.link_duty_room(self.now, self.duty_room.links);
            self.tell_board(BoardInput::LinkUp);
        }
    }

    fn unlink_duty_room(&mut self) {
        self.broker.duty_room = None;
        self.tell_board(BoardInput::LinkDown);
    }

    /// The gateway's client learns that its connection is gone.
    fn disconnect(&mut self) {
        if let Some(connection) = self.gateway.connection.take() {
            self.give(Input::Disconnected { connection, why: Disconnect::Lost });
        }
    }

    /// The connection is dead and its client does not know it.
    fn silence(&mut self) {
        self.gateway.connection = None;
        self.broker.silence_connection();
    }

    fn compare_clock(&mut self) {
        let (wall, clock) = (self.gateway_wall(), self.gateway.clock.unwrap_or(Clock::Synced));
        self.give(Input::ClockSet { wall, clock });
    }

    fn body(&mut self, number: u16) -> Option<&mut Body> {
        let mut devices = self.lines.iter_mut().flat_map(|line| &mut line.devices);
        devices.find(|device| device.shape.number == number).map(|device| &mut device.body)
    }

    fn with_unit(&mut self, number: u16, act: impl FnOnce(&mut Unit)) {
        if let Some(Body::CallUnit(unit)) = self.body(number) {
            act(unit);
            self.agenda.tick_now(self.now, number);
            self.look_at_unit(number);
        }
    }

    fn set_manners(&mut self, number: u16, manners: Manners) {
        for line in &mut self.lines {
            line.set_manners(self.now, number, manners);
        }
    }

    /// Somebody without a name among the duty room's people acknowledges what is open.
    fn intruders_command(&mut self) -> Option<Vec<u8>> {
        let alarm = self.gateway.engine.as_ref()?.alarms().next()?;
        let (id, occurrence) = (alarm.id, alarm.occurrence);
        let expires = Timestamp::from_unix_ms(self.wall().unix_ms() + 600_000);
        let payload = serde_json::json!({
            "txn": "x-1", "alarm": id.to_string(), "occurrence": occurrence, "by": "u-9",
            "at": self.wall().to_string(), "nonce": format!("x-{}", self.now), "expires": expires.to_string(),
        });
        let command = serde_json::json!({ "payload": payload.to_string(), "key": null, "signature": null });
        Some(command.to_string().into_bytes())
    }
}
