//! Who is connected. Strangers have few places, and the one that has waited longest with nothing asked makes room for the
//! next, so that slow visitors lock nobody out. Whoever showed a log-in has a place that no stranger can take: twenty
//! pages behind one address are twenty people's.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Connections of strangers at a time, in all and of one address (loopback, where a proxy may sit, has no own bound).
const STRANGERS: usize = 64;
const STRANGERS_PER_ADDRESS: usize = 8;
/// Connections on which somebody showed a log-in: each page keeps one open, and asks by two or three more.
const KNOWN: usize = 192;

/// All places.
#[derive(Clone, Debug, Default)]
pub(super) struct Seats {
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    /// Oldest first.
    places: BTreeMap<u64, Place>,
    next: u64,
}

#[derive(Debug)]
struct Place {
    address: IpAddr,
    is_known: bool,
    /// A request is being answered.
    is_busy: bool,
    leave: Arc<Notify>,
}

/// One connection's place, given back with its last clone.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    own: Arc<Own>,
}

#[derive(Debug)]
struct Own {
    seats: Seats,
    number: u64,
    leave: Arc<Notify>,
}

/// While it lives, a request is being answered.
#[derive(Debug)]
pub(super) struct Busy {
    seat: Seat,
}

impl Seats {
    /// A place for a stranger from here; none if all are being served.
    pub(super) fn take(&self, address: IpAddr) -> Option<Seat> {
        let address = address.to_canonical();
        let mut taken = self.taken();
        let own = |place: &Place| place.address == address;
        if !address.is_loopback() && taken.strangers(own) >= STRANGERS_PER_ADDRESS {
            taken.show_out(own)?;
        }
        if taken.strangers(|_| true) >= STRANGERS {
            taken.show_out(|_| true)?;
        }
        let (number, leave) = (taken.next, Arc::new(Notify::new()));
        taken.next += 1;
        let place = Place { address, is_known: false, is_busy: false, leave: Arc::clone(&leave) };
        taken.places.insert(number, place);
        drop(taken);
        Some(Seat { own: Arc::new(Own { seats: self.clone(), number, leave }) })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn strangers(&self, which: impl Fn(&Place) -> bool) -> usize {
        self.places.values().filter(|place| !place.is_known && which(place)).count()
    }

    /// Ends the oldest stranger's connection on which nothing is asked; none if there is none.
    fn show_out(&mut self, which: impl Fn(&Place) -> bool) -> Option<()> {
        let mut waiting = self.places.iter().filter(|(_, place)| !place.is_known && !place.is_busy);
        let number = waiting.find(|(_, place)| which(place)).map(|(number, _)| *number)?;
        self.places.remove(&number)?.leave.notify_one();
        Some(())
    }
}

impl Seat {
    /// Returns when somebody else needs the place.
    pub(super) async fn must_leave(&self) {
        self.own.leave.notified().await;
    }

    /// Whoever is here showed a log-in.
    pub(super) fn is_known(&self) {
        let mut taken = self.own.seats.taken();
        let known = taken.places.values().filter(|place| place.is_known).count();
        if let Some(place) = taken.places.get_mut(&self.own.number) {
            place.is_known |= known < KNOWN;
        }
    }

    /// A request came whole as far as its header.
    pub(super) fn busy(&self) -> Busy {
        self.set_busy(true);
        Busy { seat: self.clone() }
    }

    fn set_busy(&self, is_busy: bool) {
        if let Some(place) = self.own.seats.taken().places.get_mut(&self.own.number) {
            place.is_busy = is_busy;
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.seat.set_busy(false);
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.seats.taken().places.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::FutureExt as _;

    use super::*;

    fn from(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(192, 168, 1, last))
    }

    fn is_shown_out(seat: &Seat) -> bool {
        seat.must_leave().now_or_never().is_some()
    }

    #[test]
    fn the_one_that_waited_longest_makes_room_and_nobody_who_is_served() {
        let seats = Seats::default();
        let held: Vec<Seat> = (0..8).map(|_| seats.take(from(1)).unwrap()).collect();
        let busy = held[0].busy();
        let ninth = seats.take(from(1)).unwrap();
        assert!(!is_shown_out(&held[0]) && is_shown_out(&held[1]) && !is_shown_out(&held[2]));
        let all: Vec<Busy> = held.iter().skip(2).chain([&ninth]).map(Seat::busy).collect();
        assert!(seats.take(from(1)).is_none(), "each of them is being answered");
        assert!(seats.take(from(2)).is_some(), "another address");
        drop((busy, all));
        assert!(seats.take(from(1)).is_some());
    }

    #[test]
    fn pages_behind_one_address_and_strangers_leave_each_other_alone() {
        let seats = Seats::default();
        let pages: Vec<Seat> = (0..100)
            .map(|_| {
                let seat = seats.take(from(1)).unwrap();
                seat.is_known();
                seat
            })
            .collect();
        let strangers: Vec<Seat> = (0..1_000).map(|n| seats.take(from((n % 250) as u8)).unwrap()).collect();
        assert!(pages.iter().all(|page| !is_shown_out(page)));
        let left = strangers.iter().filter(|stranger| !is_shown_out(stranger)).count();
        assert_eq!(left, STRANGERS);
        drop((pages, strangers));
        assert!(seats.taken().places.is_empty());
    }

    #[test]
    fn there_is_an_end_to_people_too() {
        let seats = Seats::default();
        let mut held = Vec::new();
        for _ in 0..1_000 {
            let seat = seats.take(Ipv4Addr::LOCALHOST.into()).unwrap();
            seat.is_known();
            held.push(seat);
        }
        assert_eq!(seats.taken().places.len(), KNOWN + STRANGERS);
    }
}
