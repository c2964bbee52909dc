//! The look at a modem: everything it must know, and everything it must be, from the beginning each time.
use std::time::Duration;

use shouwang_message::Instant;

use super::Conversation;
use super::command::{Command, Ending};
use super::event::{Event, Trouble};

const LOOK_EVERY: Duration = Duration::from_secs(60);
/// After trouble, and while it lasts.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
const STEPS: [Command; 10] = [
    Command::Wake,
    Command::Settle,
    Command::EchoOff,
    Command::NumberedErrors,
    Command::Sim,
    Command::PduMode,
    Command::RepliesAndReports,
    Command::Network,
    Command::LteNetwork,
    Command::Strength,
];
/// Of 0 to 31, as `AT+CSQ` says it; 99 is unknown. Below -97 dBm texts begin to fail; -93 dBm is well again.
const WEAK_BELOW: u8 = 8;
const WELL_FROM: u8 = 10;
const STRENGTH_MOST: u8 = 31;
/// So many looks in a row.
const WEAK_LOOKS: u8 = 3;

#[derive(Debug, Default)]
pub(super) struct Look {
    next_at: Instant,
    /// The step that comes next; none between looks.
    step: Option<usize>,
    sim: String,
    is_registered: bool,
    strength: Option<u8>,
    weak_looks: u8,
    /// It refused to hand over reports; the simpler command comes in the same step.
    asks_simply: bool,
    is_deaf: bool,
    has_reports: bool,
}

impl Look {
    pub(super) fn start_over(&mut self, now: Instant) {
        self.step = None;
        self.next_at = now;
    }

    pub(super) fn next(&self) -> Instant {
        self.next_at
    }

    /// The network says when a phone has a text.
    pub(super) fn has_reports(&self) -> bool {
        self.has_reports
    }

    /// The command that is due, if any.
    pub(super) fn next_command(&mut self, now: Instant) -> Option<Command> {
        if self.step.is_none() && now >= self.next_at {
            self.step = Some(0);
            (self.is_registered, self.strength) = (false, None);
            self.sim.clear();
        }
        let command = self.step.and_then(|step| STEPS.get(step).copied());
        let is_simpler = command == Some(Command::RepliesAndReports) && self.asks_simply;
        if is_simpler { Some(Command::Replies) } else { command }
    }

    /// What the modem says before it ends its answer.
    pub(super) fn note(&mut self, command: Command, line: &str) {
        let numbers = |head: &str| {
            let rest = line.strip_prefix(head)?;
            Some(rest.split(',').map_while(|part| part.trim().parse::<u8>().ok()).collect::<Vec<_>>())
        };
        match command {
            Command::Sim => {
                if let Some(state) = line.strip_prefix("+CPIN:") {
                    state.trim().clone_into(&mut self.sim);
                }
            }
            Command::Network | Command::LteNetwork => {
                // `n,state`, or `state` alone when a change of it is told just then.
                let told = numbers("+CREG:").or_else(|| numbers("+CEREG:")).unwrap_or_default();
                let state = told.get(1).or(told.first());
                // Home or roaming, also for texts only.
                self.is_registered |= state.is_some_and(|state| matches!(state, 1 | 5 | 6 | 7));
            }
            Command::Strength => {
                let told = numbers("+CSQ:").unwrap_or_default();
                self.strength = told.first().copied().filter(|strength| *strength <= STRENGTH_MOST);
            }
            _ => {}
        }
    }

    fn go_on(&mut self) -> bool {
        self.step = self.step.map(|step| step + 1).filter(|step| *step < STEPS.len());
        self.step.is_some()
    }

    fn rest(&mut self, now: Instant, pause: Duration) {
        self.step = None;
        self.next_at = now + pause;
    }

    fn dbm(&self) -> Option<i16> {
        self.strength.map(|strength| -113 + 2 * i16::from(strength))
    }

    fn judge_strength(&mut self) -> Option<Trouble> {
        match self.strength {
            Some(strength) if strength < WEAK_BELOW => {
                self.weak_looks = (self.weak_looks + 1).min(WEAK_LOOKS);
            }
            Some(strength) if strength < WELL_FROM && self.weak_looks == WEAK_LOOKS => {}
            _ => self.weak_looks = 0,
        }
        let dbm = self.dbm()?;
        (self.weak_looks == WEAK_LOOKS).then_some(Trouble::WeakSignal { dbm })
    }
}

impl Conversation {
    pub(super) fn look_ended(&mut self, now: Instant, command: Command, ending: &Ending) {
        let is_ok = *ending == Ending::Ok;
        if *ending == Ending::Silence && command != Command::Settle {
            // It has begun anew.
            return;
        }
        match command {
            Command::Sim => match sim_trouble(&self.look.sim, ending) {
                Some(trouble) => return self.look_found(now, trouble),
                None => self.look.sim.clear(),
            },
            Command::PduMode if !is_ok => return self.look_found(now, Trouble::NoPduMode),
            Command::RepliesAndReports => {
                (self.look.has_reports, self.look.is_deaf) = (is_ok, false);
                if !is_ok {
                    self.look.asks_simply = true;
                    return;
                }
            }
            Command::Replies => {
                (self.look.is_deaf, self.look.asks_simply) = (!is_ok, false);
            }
            Command::LteNetwork if !self.look.is_registered => {
                return self.look_found(now, Trouble::NotRegistered);
            }
            _ => {}
        }
        if !self.look.go_on() {
            self.look_is_over(now);
        }
    }

    fn look_found(&mut self, now: Instant, trouble: Trouble) {
        self.look.rest(now, LOOK_AGAIN);
        self.unready(now, trouble);
    }

    fn look_is_over(&mut self, now: Instant) {
        self.look.rest(now, LOOK_EVERY);
        self.is_ready = true;
        self.tell(Event::Signal { dbm: self.look.dbm() });
        let weak = self.look.judge_strength();
        let deaf = self.look.is_deaf.then_some(Trouble::Deaf);
        self.set_trouble(deaf.or(weak));
    }
}

/// What keeps the card from working; by `+CPIN:`, or by the numbers of `+CME ERROR` (TS 27.007, 9.2).
fn sim_trouble(state: &str, ending: &Ending) -> Option<Trouble> {
    match ending {
        Ending::Ok if state == "READY" => None,
        Ending::Ok if state.contains("PIN") || state.contains("PUK") => Some(Trouble::PinWanted),
        Ending::Refused(words) if words.ends_with(": 11") || words.ends_with(": 12") => {
            Some(Trouble::PinWanted)
        }
        _ => Some(Trouble::NoSim),
    }
}
