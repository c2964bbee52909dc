//! Answers that may still come. RTU answers carry no transaction number and no address, so after a time-out
//! the late answer to one block looks exactly like the answer to the next block of the same size.

use crate::Micros;
use crate::expected::Expected;

/// More requests than this can only be owed if time-outs are much shorter than the late window.
const MOST_OWED: usize = 8;

/// One request that was given up while its answer may still come.
#[derive(Clone, Copy, Debug)]
struct Owed {
    unit_id: u8,
    function: u8,
    frame_len: usize,
    /// The whole request, if the eight bytes of a read or a single write hold it.
    request: Option<[u8; 8]>,
    until: Micros,
}

impl Owed {
    fn looks_like(&self, expected: &Expected) -> bool {
        self.same_function(expected) && self.frame_len == expected.frame_len
    }

    fn same_function(&self, expected: &Expected) -> bool {
        self.unit_id == expected.unit_id && self.function == expected.function
    }

    fn same_request(&self, request: &[u8]) -> bool {
        self.request.is_some_and(|owed| owed == *request)
    }
}

/// Everything that is owed on this line.
#[derive(Debug)]
pub(crate) struct LateAnswers {
    owed: [Option<Owed>; MOST_OWED],
    /// If more was owed than there is room for: until then every request is held.
    forgotten_until: Micros,
}

impl LateAnswers {
    pub(crate) const fn none() -> Self {
        Self { owed: [None; MOST_OWED], forgotten_until: 0 }
    }

    /// Whoever used the line before us may have asked anything: until then every request is held.
    pub(crate) const fn unknown(until: Micros) -> Self {
        Self { owed: [None; MOST_OWED], forgotten_until: until }
    }

    /// The answer to `request` may come until then.
    pub(crate) fn owe(&mut self, now: Micros, expected: &Expected, request: &[u8], until: Micros) {
        let owed = Owed {
            unit_id: expected.unit_id,
            function: expected.function,
            frame_len: expected.frame_len,
            request: request.try_into().ok(),
            until,
        };
        // An entry of the same look is the same request: anything else was held until that had expired.
        let free =
            |place: &Option<Owed>| place.is_none_or(|other| other.until <= now || other.looks_like(expected));
        let until_of = |place: &Option<Owed>| place.map_or(0, |owed| owed.until);
        let place = match self.owed.iter().position(free) {
            Some(index) => self.owed.get_mut(index),
            None => self.owed.iter_mut().min_by_key(|place| until_of(place)),
        };
        if let Some(place) = place {
            if !free(place) {
                self.forgotten_until = self.forgotten_until.max(until_of(place));
            }
            *place = Some(owed);
        }
    }

    /// Until when a request must be held so that no late answer can be taken for its own; 0 if not at all.
    pub(crate) fn hold_until(&self, now: Micros, expected: &Expected, request: &[u8]) -> Micros {
        let owed = self.live(now).filter(|owed| owed.looks_like(expected) && !owed.same_request(request));
        owed.map(|owed| owed.until).max().unwrap_or(0).max(self.forgotten_until)
    }

    /// Whether this very request was given up a moment ago, so that two answers may come.
    pub(crate) fn is_retry(&self, now: Micros, expected: &Expected, request: &[u8]) -> bool {
        self.live(now).any(|owed| owed.looks_like(expected) && owed.same_request(request))
    }

    /// Whether an exception to this request could be meant for another one: an exception has no size.
    pub(crate) fn blurs_exception(&self, now: Micros, expected: &Expected, request: &[u8]) -> bool {
        self.live(now).any(|owed| owed.same_function(expected) && !owed.same_request(request))
    }

    /// Whether a valid frame is an answer we had given up.
    pub(crate) fn explain(&self, now: Micros, frame: &[u8]) -> bool {
        let (Some(&unit_id), Some(&function)) = (frame.first(), frame.get(1)) else { return false };
        self.live(now).filter(|owed| owed.unit_id == unit_id).any(|owed| {
            owed.function | 0x80 == function || (owed.function == function && owed.frame_len == frame.len())
        })
    }

    fn live(&self, now: Micros) -> impl Iterator<Item = &Owed> {
        self.owed.iter().flatten().filter(move |owed| now < owed.until)
    }
}
