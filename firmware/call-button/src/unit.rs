//! The unit as a whole. Order matters in one place: a press is counted and latched in flash, and only then
//! does the lamp say so.

use modbus_wire::MAX_RTU_FRAME;

use crate::button::Button;
use crate::framer::Framer;
use crate::kept::{Counters, Kept};
use crate::log::{Log, What};
use crate::planted::{self, Bug};
use crate::{Display, Flash, Micros, Settings};

/// Nobody asked for so long: the gateway calls a device lost in this time, and so does the device.
const UNASKED_US: Micros = 30_000_000;
/// Flash that refused is tried again.
const SAVE_AGAIN_US: Micros = 10_000_000;
/// Two primary cells of 1.5 V with about a tenth of their charge left, by the usual discharge curves: weeks
/// of warning. Full again only well above, so that a load step does not make it chatter.
const BATTERY_LOW_MV: u16 = 2_600;
const BATTERY_GOOD_MV: u16 = 2_700;
/// The longest answer: unit id, function, byte count, 13 registers, CRC.
pub(crate) const LONGEST_ANSWER: usize = 31;
const _: () = assert!(LONGEST_ANSWER <= MAX_RTU_FRAME);

/// What the board sees at one moment. `true` means pressed, open, on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    pub button: bool,
    /// The local cancel input, where there is one.
    pub cancel: bool,
    /// The housing is open.
    pub tamper: bool,
    pub test_mode: bool,
    /// The supply detector says that the voltage is about to fail.
    pub supply_low: bool,
    /// The board's own check found something broken.
    pub hardware_fault: bool,
    /// `None` without a battery.
    pub battery_mv: Option<u16>,
}

/// The one-button call unit.
///
/// Call [`tick`](Self::tick) every 1 to 10 ms, [`received`](Self::received) for every byte with the time it
/// came, [`poll`](Self::poll) at least every millisecond, and show [`lamp`](Self::lamp) and
/// [`buzzer`](Self::buzzer). Time never goes back.
#[derive(Debug)]
pub struct CallButton<F> {
    pub(crate) kept: Kept<F>,
    serial: u32,
    started_at: Micros,
    inputs: Inputs,
    button: Button,
    cancel: Button,
    pub(crate) counters: Counters,
    /// What the flash holds.
    pub(crate) stored: Settings,
    /// What the unit answers to; follows `stored` when an answer has gone out.
    pub(crate) active: Settings,
    pressed_at: Option<Micros>,
    pub(crate) echo: u16,
    pub(crate) indicator: u16,
    /// The gateway has not said how the newest press stands since it took it.
    pub(crate) waiting: bool,
    /// The unit was reset while a call may have been open.
    pub(crate) unsure: bool,
    /// A request for this unit was understood then.
    pub(crate) asked_at: Micros,
    display: Display,
    display_since: Micros,
    battery_low: bool,
    was_stuck: bool,
    pub(crate) settings_lost: bool,
    /// The settings did not go into flash.
    pub(crate) settings_failed: bool,
    /// The counters are not in flash; try again then.
    save_again_at: Option<Micros>,
    pub(crate) log: Log,
    pub(crate) framer: Framer,
    pub(crate) out: [u8; LONGEST_ANSWER],
    /// How much of `out` is being sent.
    pub(crate) sending: Option<usize>,
    ticked: bool,
    pub(crate) polled: bool,
}

impl<F: Flash> CallButton<F> {
    /// Starts with what the flash holds. The start is counted and kept.
    // Apart from its caller and with the unit as its last expression, so that the unit is made in its place:
    // copies of it would be half of a small processor's stack.
    #[inline(never)]
    pub fn start(flash: F, serial: u32, now: Micros) -> Self {
        let (mut kept, loaded) = Kept::open(flash);
        let counters = Counters { boots: loaded.counters.boots.wrapping_add(1), ..loaded.counters };
        // From now on a power cut leaves either these settings or new ones, never nothing.
        let settings_failed = loaded.blank && kept.save_settings(loaded.settings).is_err();
        let counters_failed = kept.save_counters(counters).is_err();
        // A call that was open before the reset may still be: until it is told, the unit does not say "idle".
        let display = match (counters.latched, counters.open) {
            (true, _) => Display::Calling,
            (false, true) => Display::Fault,
            (false, false) => Display::Idle,
        };
        Self {
            kept,
            serial,
            started_at: now,
            inputs: Inputs::default(),
            button: Button::default(),
            cancel: Button::default(),
            counters,
            stored: loaded.settings,
            active: loaded.settings,
            pressed_at: None,
            echo: 0,
            indicator: 0,
            waiting: counters.latched,
            unsure: counters.open && !counters.latched,
            asked_at: now,
            display,
            display_since: now,
            battery_low: false,
            was_stuck: false,
            settings_lost: loaded.lost,
            settings_failed,
            save_again_at: counters_failed.then(|| now.saturating_add(SAVE_AGAIN_US)),
            log: Log::starting(now, [What::Started { boots: counters.boots }, What::Shows(display)]),
            framer: Framer::new(loaded.settings.baud()),
            out: [0; LONGEST_ANSWER],
            sending: None,
            ticked: false,
            polled: false,
        }
    }

    /// Looks at the inputs.
    pub fn tick(&mut self, now: Micros, inputs: Inputs) {
        self.ticked = true;
        self.inputs = inputs;
        // Not when a request is coming in: its answer may not wait so long.
        if self.frame_ends_at().is_none() && self.sending.is_none() {
            self.kept.turn_ahead();
        }
        self.battery_low = inputs
            .battery_mv
            .is_some_and(|mv| mv < if self.battery_low { BATTERY_GOOD_MV } else { BATTERY_LOW_MV });
        let pressed = self.button.tick(now, inputs.button);
        if self.cancel.tick(now, inputs.cancel) {
            self.cancelled(now);
        }
        // After the cancel: whoever does both at once is calling.
        if pressed {
            self.pressed(now);
        }
        let stuck = self.button.is_stuck(now);
        if stuck && !self.was_stuck {
            self.log.push(now, What::Stuck);
        }
        self.was_stuck = stuck;
        if self.save_again_at.is_some_and(|at| now >= at) {
            self.save(now);
        }
        self.refresh(now);
    }

    /// What lamp and buzzer say.
    #[must_use]
    pub fn display(&self) -> Display {
        self.display
    }

    /// Whether the lamp is lit.
    #[must_use]
    pub fn lamp(&self, now: Micros) -> bool {
        self.display.lamp().is_on(now.saturating_sub(self.display_since))
    }

    /// Whether the buzzer sounds.
    #[must_use]
    pub fn buzzer(&self, now: Micros) -> bool {
        self.display.buzzer().is_on(now.saturating_sub(self.display_since))
    }

    /// What happened since the start.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// What is kept in flash (and in memory only, while fault bit 1 is set).
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// What the unit answers to now.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.active
    }

    #[must_use]
    pub fn flash(&self) -> &F {
        self.kept.flash()
    }

    /// Takes the unit apart, as a reset does; [`start`](Self::start) it again with the flash.
    #[must_use]
    pub fn into_flash(self) -> F {
        self.kept.into_flash()
    }

    /// Whether the unit was ticked and polled since this was last asked: only then may a watchdog be fed.
    /// While an answer is being sent a unit is not polled, so a transmitter that hangs is noticed too.
    pub fn is_alive(&mut self) -> bool {
        let alive = self.ticked && self.polled;
        if alive {
            (self.ticked, self.polled) = (false, false);
        }
        alive
    }

    fn pressed(&mut self, now: Micros) {
        let presses = self.counters.presses.wrapping_add(1);
        self.counters = Counters { presses, latched: true, open: true, ..self.counters };
        self.pressed_at = Some(now);
        self.waiting = true;
        self.unsure = false;
        if !planted::has(Bug::LampBeforeFlash) {
            self.save(now);
        }
        self.log.push(now, What::Pressed { presses });
    }

    /// The call is taken back here; what the gateway last said about it stands.
    fn cancelled(&mut self, now: Micros) {
        let cancels = self.counters.cancels.wrapping_add(1);
        self.counters = Counters { cancels, latched: false, open: false, ..self.counters };
        self.waiting = false;
        self.unsure = false;
        self.save(now);
        self.log.push(now, What::Cancelled { cancels });
    }

    /// Puts the counters into flash. If it refuses, the call goes on in memory, and the fault is told.
    pub(crate) fn save(&mut self, now: Micros) {
        match self.kept.save_counters(self.counters) {
            Ok(()) => self.save_again_at = None,
            Err(_) => {
                if self.save_again_at.is_none() {
                    self.log.push(now, What::FlashFailed);
                }
                self.save_again_at = Some(now.saturating_add(SAVE_AGAIN_US));
            }
        }
    }

    /// Makes lamp and buzzer follow.
    pub(crate) fn refresh(&mut self, now: Micros) {
        let display = self.wanted(now);
        if display != self.display {
            self.display = display;
            self.display_since = now;
            self.log.push(now, What::Shows(display));
        }
    }

    /// A press that the gateway has not taken, or has not said anything about since, is calling, whatever was
    /// said about an older one.
    fn wanted(&self, now: Micros) -> Display {
        if self.counters.latched || self.waiting {
            return Display::Calling;
        }
        let unasked = now.saturating_sub(self.asked_at) > UNASKED_US;
        match self.indicator {
            1 => Display::Heard,
            2 => Display::Seen,
            3 => Display::Coming,
            _ if self.unsure || unasked || self.is_faulty(now) => Display::Fault,
            _ => Display::Idle,
        }
    }

    pub(crate) fn is_faulty(&self, now: Micros) -> bool {
        self.inputs.hardware_fault || self.faults(now) != 0
    }

    pub(crate) fn faults(&self, now: Micros) -> u16 {
        u16::from(self.button.is_stuck(now))
            | u16::from(self.settings_failed || self.save_again_at.is_some()) << 1
            | u16::from(self.inputs.supply_low) << 2
            | u16::from(self.settings_lost) << 3
    }

    pub(crate) fn is_pressed(&self) -> bool {
        self.button.is_pressed()
    }

    pub(crate) fn is_battery_low(&self) -> bool {
        self.battery_low
    }

    pub(crate) fn inputs(&self) -> Inputs {
        self.inputs
    }

    pub(crate) fn serial(&self) -> u32 {
        self.serial
    }

    pub(crate) fn since_press_ms(&self, now: Micros) -> u32 {
        let since = self.pressed_at.map(|at| now.saturating_sub(at) / 1000);
        since.and_then(|ms| u32::try_from(ms).ok()).unwrap_or(u32::MAX)
    }

    pub(crate) fn uptime_s(&self, now: Micros) -> u32 {
        u32::try_from(now.saturating_sub(self.started_at) / 1_000_000).unwrap_or(u32::MAX)
    }
}
