//! A line that carries RTU frames, as time and bytes: when a request has fully arrived, when each character
//! of the answer is there. It has no hands; a pty or a TCP connection drives it.
use std::sync::{Arc, Mutex, PoisonError};

use modbus_wire::{MAX_RTU_FRAME, Timing};

use crate::clock::Nanos;
use crate::fault::Fault;
use crate::street::Street;
use crate::wire::Wire;

#[derive(Debug)]
pub(crate) struct RtuLine {
    street: Arc<Mutex<Street>>,
    wire: Wire,
    bits: u8,
    silence: Nanos,
    request: Vec<u8>,
    /// When the last character of the request has been sent.
    request_end: Nanos,
    collided: bool,
}

impl RtuLine {
    pub(crate) fn new(street: Arc<Mutex<Street>>, baud: u32, bits: u8) -> Self {
        Self {
            street,
            wire: Wire::new(baud, bits),
            bits,
            silence: silence(baud, bits),
            request: Vec::new(),
            request_end: 0,
            collided: false,
        }
    }

    /// The client speaks at this speed from now on, and only who has the same understands it.
    pub(crate) fn client_speaks(&mut self, baud: u32) {
        if self.lock().client_baud.replace(baud) != Some(baud) {
            self.clear();
            self.wire = Wire::new(baud, self.bits);
            self.silence = silence(baud, self.bits);
        }
    }

    /// The client handed these bytes over at `now`; they take their time on the wire, after any before them.
    pub(crate) fn heard(&mut self, now: Nanos, bytes: &[u8]) {
        let start = now.max(self.request_end);
        self.request_end = start + self.wire.time_of(bytes.len());
        self.collided |= self.wire.collide(start, bytes);
        // One byte too many is enough to know that it is no frame.
        let room = (MAX_RTU_FRAME + 1).saturating_sub(self.request.len());
        self.request.extend(bytes.iter().take(room));
        if self.lock().faults.has(Fault::Echo) {
            self.wire.send(start, bytes);
        }
    }

    /// What has reached the client by `now`.
    pub(crate) fn due(&mut self, now: Nanos, out: &mut Vec<u8>) {
        if !self.request.is_empty() && now >= self.request_end + self.silence {
            self.end_request();
        }
        let noise = self.lock().babble(now);
        if let Some(noise) = noise {
            self.collided |= !self.request.is_empty() && now < self.request_end;
            self.wire.send(now, &noise);
        }
        self.wire.arrived(now, out);
    }

    /// When [`Self::due`] has something to do next, if nothing is heard before.
    pub(crate) fn next(&self) -> Option<Nanos> {
        let end = (!self.request.is_empty()).then_some(self.request_end + self.silence);
        [end, self.wire.next_arrival(), self.lock().next_babble()].into_iter().flatten().min()
    }

    /// The client is gone: nothing that was under way reaches anybody.
    pub(crate) fn clear(&mut self) {
        self.request.clear();
        self.collided = false;
        self.wire.clear();
    }

    /// Silence has ended the request. Nobody answers before this silence is over, however fast he is.
    fn end_request(&mut self) {
        let request = std::mem::take(&mut self.request);
        if std::mem::take(&mut self.collided) {
            return;
        }
        let replies = self.lock().hear(self.request_end, &request);
        for reply in replies {
            self.wire.send(self.request_end + reply.delay.max(self.silence), &reply.bytes);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Street> {
        self.street.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn silence(baud: u32, bits: u8) -> Nanos {
    Nanos::from(Timing::serial(baud, u32::from(bits)).silence_us) * 1000
}

#[cfg(test)]
mod tests;
