//! The devices of one line: who hears a frame, who answers what and when, and what faults make of it.
use crate::chance::Chance;
use crate::clock::Nanos;
use crate::fault::{Fault, Faults};
use crate::server::{Micros, Server};
use modbus_wire::{MAX_RTU_FRAME, rtu, server};

/// Everything that can answer on one line.
#[derive(Debug)]
pub(crate) struct Street {
    pub(crate) residents: Vec<Resident>,
    pub(crate) faults: Faults,
    /// The line's own baud rate; none on Modbus TCP.
    pub(crate) baud: Option<u32>,
    /// What the client speaks at present, where that matters.
    pub(crate) client_baud: Option<u32>,
    chance: Chance,
    next_babble: Option<Nanos>,
}

/// One installed device.
pub(crate) struct Resident {
    pub(crate) server: Box<dyn Server>,
    pub(crate) faults: Faults,
    /// From the end of a request to the first byte of the answer.
    pub(crate) usual_delay: Nanos,
    /// The longest the profile allows.
    pub(crate) longest_delay: Nanos,
    /// What it is set to, if not its line's speed.
    pub(crate) baud: Option<u32>,
    chance: Chance,
    next_babble: Option<Nanos>,
}

/// Bytes for the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// After the end of the request.
    pub(crate) delay: Nanos,
    pub(crate) bytes: Vec<u8>,
}

/// Longest burst of babble, in bytes.
const BABBLE_BYTES: u64 = 16;

impl Street {
    pub(crate) fn new(name: &str, baud: Option<u32>, seed: u64) -> Self {
        Self {
            residents: Vec::new(),
            faults: Faults::default(),
            baud,
            client_baud: None,
            chance: Chance::new(seed, name),
            next_babble: None,
        }
    }

    /// Lets every device hear the frame that ended at `now`. Two devices with one unit id both answer.
    pub(crate) fn hear(&mut self, now: Nanos, frame: &[u8]) -> Vec<Reply> {
        if self.faults.is_deaf(now) {
            return Vec::new();
        }
        let Self { residents, faults, baud, client_baud, chance, .. } = self;
        let hearing = residents.iter_mut().filter(|one| match *client_baud {
            Some(client) => one.server.baud().or(one.baud).or(*baud) == Some(client),
            None => baud.is_none_or(|baud| one.server.hears(baud)),
        });
        hearing
            .filter_map(|one| {
                let answer = one.answer(now, frame, faults)?;
                let delay =
                    faults.delay(one.faults.delay(one.usual_delay, one.longest_delay), one.longest_delay);
                let bytes = one.faults.spoil(frame, answer, &mut one.chance);
                // A line's own echo was heard while the request was sent.
                let bytes = faults.without_echo().spoil(frame, bytes, chance);
                Some(Reply { delay, bytes })
            })
            .collect()
    }

    /// Noise that is due, sent by whoever babbles.
    pub(crate) fn babble(&mut self, now: Nanos) -> Option<Vec<u8>> {
        let line = babble_of(&self.faults, &mut self.chance, &mut self.next_babble, now);
        self.residents.iter_mut().fold(line, |noise, one| {
            let more = babble_of(&one.faults, &mut one.chance, &mut one.next_babble, now);
            match (noise, more) {
                (Some(noise), Some(more)) => Some([noise, more].concat()),
                (noise, more) => noise.or(more),
            }
        })
    }

    pub(crate) fn next_babble(&self) -> Option<Nanos> {
        self.residents.iter().map(|one| one.next_babble).chain([self.next_babble]).flatten().min()
    }

    /// Whether anybody here answers to this unit id when alive.
    pub(crate) fn has_unit_id(&self, unit_id: u8) -> bool {
        self.residents.iter().any(|one| one.server.unit_id() == unit_id)
    }

    /// Whether a TCP connection is to be closed on a request for this unit id.
    pub(crate) fn closes(&self, unit_id: u8) -> bool {
        let mut asked = self.residents.iter().filter(|one| one.server.unit_id() == unit_id);
        self.faults.has(Fault::Close) || asked.any(|one| one.faults.has(Fault::Close))
    }
}

fn babble_of(faults: &Faults, chance: &mut Chance, next: &mut Option<Nanos>, now: Nanos) -> Option<Vec<u8>> {
    let Some(every) = faults.babble() else {
        *next = None;
        return None;
    };
    let due = next.is_some_and(|at| at <= now);
    if due || next.is_none() {
        *next = Some(now + every / 2 + chance.below(every));
    }
    due.then(|| chance.noise(1, BABBLE_BYTES))
}

impl Resident {
    pub(crate) fn new(server: Box<dyn Server>, delays: (Nanos, Nanos), name: &str, seed: u64) -> Self {
        Self {
            server,
            faults: Faults::default(),
            usual_delay: delays.0,
            longest_delay: delays.1,
            baud: None,
            chance: Chance::new(seed, name),
            next_babble: None,
        }
    }

    fn answer(&mut self, now: Nanos, frame: &[u8], line: &Faults) -> Option<Vec<u8>> {
        if self.faults.is_deaf(now) {
            return None;
        }
        match self.faults.exception().or(line.exception()) {
            Some(code) => {
                // Refused, so nothing is carried out.
                let (unit_id, request) = server::decode(frame).ok()?;
                let function = request.map_or_else(|error| error.function, |request| request.function());
                let mut out = [0; MAX_RTU_FRAME];
                let len = server::exception(unit_id, function, code, &mut out).ok()?;
                (unit_id == self.server.unit_id()).then(|| out.get(..len).map(<[u8]>::to_vec))?
            }
            None => self.server.answer(micros(now), frame),
        }
    }
}

impl std::fmt::Debug for Resident {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resident")
            .field("unit_id", &self.server.unit_id())
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

pub(crate) fn micros(now: Nanos) -> Micros {
    now / 1000
}

/// The PDU of a frame that is known to be right.
pub(crate) fn pdu(frame: &[u8]) -> Option<&[u8]> {
    rtu::decode(frame).ok().map(|(_, pdu)| pdu)
}
