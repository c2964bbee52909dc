//! Wrong PINs make the next try of the same address wait, longer each time, a minute at most; and strangers together
//! get so many tries a minute. Where the PIN was right lately, nobody else's tries count. A stranger may have to wait
//! for as long as others go on guessing: for them there is the button at the box.
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use shouwang_core::Instant;

/// Failures without a wait: slips of the finger.
const FREE: u32 = 3;
const LONGEST: Duration = Duration::from_secs(60);
/// A failure is forgotten when none followed it for so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);
/// Addresses remembered; the one that failed longest ago is forgotten first.
const REMEMBERED: usize = 256;
/// Addresses where the PIN was right remembered; the one that came longest ago is forgotten first.
const KNOWN: usize = 16;
/// Wrong tries of all strangers in any minute: a million PINs take five weeks.
const WRONG_A_MINUTE: usize = 20;
const MINUTE: Duration = Duration::from_secs(60);

/// What is remembered of wrong PINs.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    addresses: BTreeMap<IpAddr, Failures>,
    /// Oldest first.
    known: VecDeque<IpAddr>,
    wrong: VecDeque<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Throttle {
    /// A try begins. It counts as wrong until [`Self::proved`], so that many at once gain nothing.
    ///
    /// # Errors
    /// It is too soon: how long to wait. Such a try is not judged and costs nothing.
    pub(crate) fn begin(&mut self, now: Instant, from: IpAddr) -> Result<(), Duration> {
        while self.wrong.front().is_some_and(|at| now.since(*at) >= MINUTE) {
            self.wrong.pop_front();
        }
        let from = network(from);
        let before = self.addresses.get(&from).filter(|before| now.since(before.last) < FORGOTTEN_AFTER);
        let waits =
            before.map_or(Duration::ZERO, |before| before.wait().saturating_sub(now.since(before.last)));
        let is_known = self.known.contains(&from);
        let crowd = self.wrong.front().filter(|_| !is_known && self.wrong.len() >= WRONG_A_MINUTE);
        let waits = waits.max(crowd.map_or(Duration::ZERO, |at| MINUTE.saturating_sub(now.since(*at))));
        if !waits.is_zero() {
            return Err(waits);
        }
        let count = before.map_or(0, |before| before.count).saturating_add(1);
        self.make_room(from);
        self.addresses.insert(from, Failures { count, last: now });
        if !is_known {
            self.wrong.push_back(now);
        }
        Ok(())
    }

    /// The PIN of the try that began last from there was right.
    pub(crate) fn proved(&mut self, from: IpAddr) {
        let from = network(from);
        self.addresses.remove(&from);
        let known = self.known.iter().position(|known| *known == from);
        match known {
            Some(place) => drop(self.known.remove(place)),
            None => drop(self.wrong.pop_back()),
        }
        if self.known.len() >= KNOWN {
            self.known.pop_front();
        }
        self.known.push_back(from);
    }

    fn make_room(&mut self, from: IpAddr) {
        if self.addresses.len() < REMEMBERED || self.addresses.contains_key(&from) {
            return;
        }
        let oldest = self.addresses.iter().min_by_key(|(_, failures)| failures.last);
        if let Some(oldest) = oldest.map(|(address, _)| *address) {
            self.addresses.remove(&oldest);
        }
    }
}

impl Failures {
    fn wait(self) -> Duration {
        match self.count.checked_sub(FREE) {
            None => Duration::ZERO,
            Some(doublings) => Duration::from_secs(1 << doublings.min(10)).min(LONGEST),
        }
    }
}

/// One person may hold a whole IPv6 network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 5));

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn slips_are_free_guessing_is_slow_and_the_right_pin_forgives() {
        let mut throttle = Throttle::default();
        for _ in 0..3 {
            assert_eq!(throttle.begin(at(0), PHONE), Ok(()));
        }
        assert_eq!(throttle.begin(at(0), PHONE), Err(Duration::from_secs(1)));
        let (mut now, mut tries) = (0, 0);
        while now < 3_600 {
            tries += u32::from(throttle.begin(at(now), PHONE).is_ok());
            now += 1;
        }
        assert!((60..=66).contains(&tries), "{tries} in an hour");
        assert_eq!(throttle.begin(at(now + 60), PHONE), Ok(()));
        throttle.proved(PHONE);
        assert_eq!(throttle.begin(at(now + 60), PHONE), Ok(()));
    }

    #[test]
    fn a_crowd_of_strangers_does_not_keep_out_who_knew_the_pin() {
        let mut throttle = Throttle::default();
        let address = |n: u32| IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0A00_0000 + n));
        assert_eq!(throttle.begin(at(0), PHONE), Ok(()));
        throttle.proved(PHONE);
        for n in 0..6_000 {
            let _ = throttle.begin(at(u64::from(n / 10)), address(n));
        }
        assert!(throttle.begin(at(599), address(9_999)).is_err(), "a stranger waits for strangers");
        assert_eq!(throttle.begin(at(599), PHONE), Ok(()));
        throttle.proved(PHONE);
        for _ in 0..4 {
            let _ = throttle.begin(at(599), PHONE);
        }
        assert_eq!(
            throttle.begin(at(599), PHONE),
            Err(Duration::from_secs(1)),
            "who guesses there waits too"
        );
        for n in 0..100 {
            throttle.proved(address(n));
        }
        assert_eq!(throttle.known.len(), KNOWN);
    }

    #[test]
    fn many_addresses_gain_little() {
        let mut throttle = Throttle::default();
        let address = |n: u32| IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0A00_0000 + n));
        let tries =
            (0..36_000).filter(|n| throttle.begin(at(u64::from(n / 10)), address(*n)).is_ok()).count();
        assert!(tries <= 60 * 20 + 20, "{tries} in an hour");
        assert!(throttle.addresses.len() <= REMEMBERED && throttle.wrong.len() <= WRONG_A_MINUTE);
    }
}
