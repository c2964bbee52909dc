//! Log-ins that fail make the next one wait: longer each time, by account and by address. Nobody is ever locked out:
//! an attempt waits and is then judged, and from an address where somebody logged in before no stranger's failures count.
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use shouwang_message::Instant;

/// Failures without a wait: slips of the finger.
const FREE: u32 = 3;
/// The longest wait for an account's sake, and for an address's.
pub(crate) const ACCOUNT_AT_MOST: Duration = Duration::from_secs(15);
pub(crate) const ADDRESS_AT_MOST: Duration = Duration::from_secs(30);
/// A failure is forgotten when none followed it for so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(900);
/// Accounts and addresses remembered, each; the one that failed longest ago is forgotten first.
const REMEMBERED: usize = 512;
/// Addresses where somebody logged in.
const KNOWN: usize = 64;
/// Attempts that wait at a time: of one address, and of all unknown ones.
const WAITING_OF_ONE: usize = 4;
const WAITING: usize = 24;

/// What is remembered of failures.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    accounts: BTreeMap<String, Failures>,
    addresses: BTreeMap<IpAddr, Failures>,
    known: BTreeMap<IpAddr, Instant>,
    waiting: BTreeMap<IpAddr, usize>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

/// Too many attempts wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

impl Throttle {
    /// An attempt begins: how long it must wait before it is judged. It counts as failed until [`Self::proved`],
    /// so that many at once gain nothing. [`Self::ended`] must follow.
    pub(crate) fn begin(&mut self, now: Instant, account: &str, from: IpAddr) -> Result<Duration, Busy> {
        let from = network(from);
        let is_known = self.known.contains_key(&from);
        let strangers = self.waiting.iter().filter(|(address, _)| !self.known.contains_key(address));
        let strangers: usize = strangers.map(|(_, count)| count).sum();
        let own = self.waiting.get(&from).copied().unwrap_or_default();
        if own >= WAITING_OF_ONE || (!is_known && strangers >= WAITING) {
            return Err(Busy);
        }
        self.waiting.insert(from, own + 1);
        let account = failed(&mut self.accounts, now, account.to_owned(), ACCOUNT_AT_MOST);
        let address = failed(&mut self.addresses, now, from, ADDRESS_AT_MOST);
        Ok(if is_known { address } else { address.max(account) })
    }

    /// The attempt was judged, or its person went away.
    pub(crate) fn ended(&mut self, from: IpAddr) {
        let from = network(from);
        if let Some(count) = self.waiting.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                self.waiting.remove(&from);
            }
        }
    }

    /// The password was right: all is forgiven, and the address is known.
    pub(crate) fn proved(&mut self, now: Instant, account: &str, from: IpAddr) {
        let from = network(from);
        self.accounts.remove(account);
        self.addresses.remove(&from);
        make_room(&mut self.known, KNOWN, &from, |at| *at);
        self.known.insert(from, now);
    }
}

/// Notes one more failure; how long the attempt waits for those before it.
fn failed<K: Ord + Clone>(
    of: &mut BTreeMap<K, Failures>,
    now: Instant,
    key: K,
    at_most: Duration,
) -> Duration {
    let before = of.get(&key).filter(|before| now.since(before.last) < FORGOTTEN_AFTER);
    let count = before.map_or(0, |before| before.count);
    make_room(of, REMEMBERED, &key, |failures| failures.last);
    of.insert(key, Failures { count: count.saturating_add(1), last: now });
    match count.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(doublings) => Duration::from_secs(1 << doublings.min(10)).min(at_most),
    }
}

fn make_room<K: Ord + Clone, V>(of: &mut BTreeMap<K, V>, bound: usize, key: &K, at: impl Fn(&V) -> Instant) {
    if of.len() < bound || of.contains_key(key) {
        return;
    }
    if let Some(oldest) = of.iter().min_by_key(|(_, value)| at(value)).map(|(key, _)| key.clone()) {
        of.remove(&oldest);
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

    const DESK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 5));

    fn at(seconds: u64) -> Instant {
        Instant::default() + Duration::from_secs(10_000 + seconds)
    }

    fn stranger(n: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n))
    }

    fn once(throttle: &mut Throttle, now: Instant, account: &str, from: IpAddr) -> u64 {
        let wait = throttle.begin(now, account, from).unwrap();
        throttle.ended(from);
        wait.as_secs()
    }

    #[test]
    fn the_wait_grows_to_half_a_minute_and_is_forgotten_in_a_quarter_hour() {
        let mut throttle = Throttle::default();
        let waits: Vec<_> = (0..10).map(|n| once(&mut throttle, at(n), "lead", DESK)).collect();
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(once(&mut throttle, at(9 + 900), "lead", DESK), 0);
    }

    #[test]
    fn many_addresses_slow_each_other_by_the_account() {
        let mut throttle = Throttle::default();
        let waits: Vec<_> = (0..9).map(|n| once(&mut throttle, at(0), "lead", stranger(n))).collect();
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 15, 15]);
        assert_eq!(once(&mut throttle, at(0), "operator", stranger(99)), 0, "another account's person");
    }

    #[test]
    fn attempts_at_once_wait_as_if_one_after_the_other_and_are_few() {
        let mut throttle = Throttle::default();
        let waits: Vec<_> =
            (0..5).map(|_| throttle.begin(at(0), "lead", DESK).map(|w| w.as_secs())).collect();
        assert_eq!(waits, [Ok(0), Ok(0), Ok(0), Ok(1), Err(Busy)]);
        throttle.ended(DESK);
        assert_eq!(throttle.begin(at(0), "lead", DESK).map(|wait| wait.as_secs()), Ok(2));
    }

    /// A night of guessing at the only operator's account, from everywhere; the operator is let in all the same.
    #[test]
    fn the_last_operator_is_never_locked_out() {
        let mut throttle = Throttle::default();
        throttle.proved(at(0), "operator", DESK);
        for n in 0..5_000 {
            let _ = throttle.begin(at(u64::from(n / 10)), "operator", stranger(n % 2_000));
        }
        assert_eq!(once(&mut throttle, at(501), "operator", DESK), 0, "where somebody logged in before");
        assert_eq!(
            throttle.begin(at(501), "operator", stranger(3_000)),
            Err(Busy),
            "strangers wait for strangers"
        );
        for n in 0..2_000 {
            throttle.ended(stranger(n));
        }
        let wait = once(&mut throttle, at(502), "operator", stranger(3_000));
        assert!(wait <= ACCOUNT_AT_MOST.as_secs(), "from a new place after at most 15 s: {wait}");
        throttle.proved(at(520), "operator", stranger(3_000));
        assert_eq!(once(&mut throttle, at(521), "operator", stranger(3_001)), 0, "all is forgiven");
    }

    #[test]
    fn memory_is_bounded_and_an_ipv6_network_is_one_address() {
        let mut throttle = Throttle::default();
        for n in 0..3_000_u32 {
            once(&mut throttle, at(u64::from(n)), &format!("a{n}"), stranger(n));
            throttle.proved(at(u64::from(n)), "x", stranger(10_000 + n));
        }
        let Throttle { accounts, addresses, known, waiting } = &throttle;
        assert!(accounts.len() <= REMEMBERED && addresses.len() <= REMEMBERED);
        assert!(known.len() <= KNOWN && waiting.is_empty());
        let host = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(network(host("2001:db8:1:2::1")), network(host("2001:db8:1:2:ffff::9")));
        assert_ne!(network(host("2001:db8:1:2::1")), network(host("2001:db8:1:3::1")));
        assert_eq!(network(host("::ffff:192.168.1.5")), DESK);
    }
}
