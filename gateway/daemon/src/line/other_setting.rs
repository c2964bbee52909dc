//! A guest's exchange at another speed or parity than the line's own: the port changes over for this one exchange and
//! back, with a silence before and after, in which whoever heard noise comes to rest.
use std::os::fd::BorrowedFd;
use std::time::Duration;

use modbus_wire::Timing;
use shouwang_core::Instant;
use shouwang_core::input::Input;
use shouwang_installer::Setting;
use shouwang_serial::{Speech, speak};

use super::guest::Guest;
use super::wire::{self, End, Wire};
use super::{Hands, Link};
use crate::clock;

/// More than 3.5 characters from 9600 baud on; at lower speeds the conversation waits for the rest.
const SILENCE: Duration = Duration::from_millis(5);

impl<T: FnMut(Instant, Input)> Hands<T> {
    /// One exchange at this setting. A port that does not know it leaves the guest without an answer.
    pub(super) fn serve_at(
        &mut self,
        port: BorrowedFd<'_>,
        guest: Guest,
        at: Setting,
    ) -> Result<Instant, End> {
        let began = clock::now();
        let Some((own, other)) = speeches(&self.link, at) else { return Ok(began) };
        self.stay_silent(port)?;
        let mut asked = None;
        if speak(port, other).is_ok() {
            let kind = at.kind();
            let mut wire = Wire::new(kind, Timing { late_window_us: 0, ..wire::timing(kind) });
            let now = clock::now();
            wire.conversation.reset(now.as_micros());
            if wire.conversation.begin(now.as_micros(), &guest.ask()).is_ok() {
                wire.carry_out(port, &*self.shared, now)?;
                asked = Some(wire);
            }
        }
        speak(port, own).map_err(|error| End::Lost(error.to_string()))?;
        let now = self.stay_silent(port)?;
        self.turns.guests(now.since(began));
        if let Some(wire) = asked {
            guest.tell(&wire);
        }
        Ok(now)
    }

    fn stay_silent(&mut self, port: BorrowedFd<'_>) -> Result<Instant, End> {
        let mut now = clock::now();
        let until = now + SILENCE;
        while now < until {
            now = self.wire.wait(port, &*self.shared, until)?;
        }
        Ok(now)
    }
}

/// The port's two ways to speak; none on TCP, which has no other.
fn speeches(link: &Link, at: Setting) -> Option<(Speech, Speech)> {
    match (link, at) {
        (
            Link::Serial { baud, parity, stop_bits, .. },
            Setting::Serial { baud: other, parity: with, stop_bits: stops },
        ) => Some((wire::speech(*baud, *parity, *stop_bits), wire::speech(other, with, stops))),
        _ => None,
    }
}
