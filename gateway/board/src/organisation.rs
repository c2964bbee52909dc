//! Who there is to tell: units and people, and who answers for which class of alarm in which grid at which hour.
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use shouwang_message::{AlarmDocument, Class, Id, Timestamp};

/// Minutes from UTC to the clock on the wall: China has one time zone, without summer time.
const LOCAL_MINUTES: i64 = 8 * 60;
const DAY: u16 = 24 * 60;
/// Minutes of a week.
pub const WEEK: u16 = 7 * DAY;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Everybody that this duty room knows by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Organisation {
    pub units: Vec<Unit>,
    pub persons: Vec<Person>,
    /// Several may answer for the same; they are asked in this order.
    pub responders: Vec<Responder>,
}

/// A street, a community, a grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    pub id: Id,
    pub name: String,
    pub kind: UnitKind,
    pub parent: Option<Id>,
}

/// From the top down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnitKind {
    Street,
    Community,
    Grid,
    MicroGrid,
}

impl UnitKind {
    pub const ALL: [Self; 4] = [Self::Street, Self::Community, Self::Grid, Self::MicroGrid];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Street => "street",
            Self::Community => "community",
            Self::Grid => "grid",
            Self::MicroGrid => "micro-grid",
        }
    }
}

/// One person who can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub id: Id,
    pub name: String,
    pub phone: Option<String>,
    /// The user id in WeCom.
    pub wecom: Option<String>,
    /// `grid-worker`, `on-duty`, `leader`...: the ladder names roles.
    pub role: Option<Id>,
    /// The unit they belong to; none: all of it.
    pub of: Option<Id>,
}

/// Who answers for these classes in this grid at these hours; the first one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Responder {
    /// None: every grid.
    pub grid: Option<Id>,
    /// Empty: every class.
    pub classes: Vec<Class>,
    pub hours: Hours,
    pub persons: Vec<Id>,
}

/// Spans of the week, in minutes since Monday 00:00 local time, each `[from, to)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours(Vec<(u16, u16)>);

/// Whom a step of the ladder is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The first who answers for the alarm's class and grid at this hour.
    Responder,
    Person(Id),
    /// Everybody with this role whose unit holds the alarm's grid.
    Role(Id),
}

impl Organisation {
    pub fn person(&self, id: &Id) -> Option<&Person> {
        self.persons.iter().find(|person| person.id == *id)
    }

    /// By id or by name, as people write it.
    pub(crate) fn named(&self, name: &str) -> Option<&Person> {
        self.persons.iter().find(|person| person.id.as_str() == name || person.name == name)
    }

    pub(crate) fn by_phone(&self, phone: &str) -> Option<&Person> {
        let number = subscriber(phone);
        let same = |person: &&Person| person.phone.as_deref().is_some_and(|own| subscriber(own) == number);
        self.persons.iter().find(same).filter(|_| !number.is_empty())
    }

    /// Everybody who answers for this class in this grid at this minute of the week, in order. A grid that nobody
    /// named is answered for by whoever answers for the class anywhere: rather the wrong person than nobody.
    pub fn responsible(&self, class: Class, grid: Option<&str>, minute: u16) -> Vec<&Person> {
        let persons = self.named_for(class, grid, minute);
        if persons.is_empty() { self.persons_of(self.fitting(class, minute)) } else { persons }
    }

    /// Who answers for this class in this grid through the week: spans `[from, to)` in minutes since Monday 00:00, in
    /// order and without a hole; nobody where nobody is named.
    pub fn schedule(&self, class: Class, grid: Option<&str>) -> Vec<(u16, u16, Vec<&Person>)> {
        let mut edges: Vec<u16> =
            self.responders.iter().flat_map(|responder| responder.hours.edges()).collect();
        edges.push(0);
        edges.sort_unstable();
        edges.dedup();
        let mut spans: Vec<(u16, u16, Vec<&Person>)> = Vec::new();
        for (place, from) in edges.iter().enumerate() {
            let to = edges.get(place + 1).copied().unwrap_or(WEEK);
            let persons = self.named_for(class, grid, *from);
            match spans.last_mut() {
                Some((_, end, same)) if *same == persons => *end = to,
                _ => spans.push((*from, to, persons)),
            }
        }
        spans
    }

    fn fitting(&self, class: Class, minute: u16) -> impl Iterator<Item = &Responder> {
        self.responders.iter().filter(move |responder| {
            (responder.classes.is_empty() || responder.classes.contains(&class))
                && responder.hours.contains(minute)
        })
    }

    fn named_for(&self, class: Class, grid: Option<&str>, minute: u16) -> Vec<&Person> {
        let here = |responder: &&Responder| match &responder.grid {
            None => true,
            Some(named) => grid.is_some_and(|grid| self.holds(named, grid)),
        };
        self.persons_of(self.fitting(class, minute).filter(here))
    }

    fn persons_of<'o>(&'o self, responders: impl Iterator<Item = &'o Responder>) -> Vec<&'o Person> {
        let mut found: Vec<&Person> = Vec::new();
        for person in responders.flat_map(|responder| &responder.persons).filter_map(|id| self.person(id)) {
            if !found.iter().any(|known| known.id == person.id) {
                found.push(person);
            }
        }
        found
    }

    /// Whom these targets mean for this alarm, each person once.
    pub(crate) fn meant(&self, targets: &[Target], alarm: &AlarmDocument, wall: Timestamp) -> Vec<&Person> {
        let grid = alarm.place.grid.as_deref();
        let mut found: Vec<&Person> = Vec::new();
        for target in targets {
            let persons: Vec<&Person> = match target {
                Target::Responder => {
                    self.responsible(alarm.class, grid, minute_of_week(wall)).into_iter().take(1).collect()
                }
                Target::Person(id) => self.person(id).into_iter().collect(),
                Target::Role(role) => self.with_role(role, grid),
            };
            for person in persons {
                if !found.iter().any(|known| known.id == person.id) {
                    found.push(person);
                }
            }
        }
        found
    }

    fn with_role(&self, role: &Id, grid: Option<&str>) -> Vec<&Person> {
        let all = || self.persons.iter().filter(|person| person.role.as_ref() == Some(role));
        let here = |person: &&Person| match (&person.of, grid) {
            (Some(of), Some(grid)) => self.holds(of, grid),
            _ => true,
        };
        let found: Vec<&Person> = all().filter(here).collect();
        if found.is_empty() { all().collect() } else { found }
    }

    /// Whether this grid is the unit, or below it. Devices write their grid in capitals too.
    pub(crate) fn holds(&self, unit: &Id, grid: &str) -> bool {
        let mut at = grid.to_lowercase();
        for _ in 0..=UnitKind::ALL.len() {
            if at == unit.as_str() {
                return true;
            }
            let parent = self.units.iter().find(|unit| unit.id.as_str() == at);
            let Some(parent) = parent.and_then(|unit| unit.parent.as_ref()) else { return false };
            at = parent.to_string();
        }
        false
    }
}

impl Hours {
    /// Every hour of the week.
    pub fn always() -> Self {
        Self([(0, WEEK)].into())
    }

    /// Whether this minute of the week is within.
    pub fn contains(&self, minute: u16) -> bool {
        self.0.iter().any(|(from, to)| (*from..*to).contains(&minute))
    }

    /// The minutes at which something begins or ends.
    pub fn edges(&self) -> impl Iterator<Item = u16> {
        self.0.iter().flat_map(|(from, to)| [*from, *to % WEEK])
    }

    /// These and those.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

/// `08:00-20:00`, `mon-fri 08:00-20:00`, `sat,sun 20:00-08:00`: over midnight belongs to the day it begins.
impl FromStr for Hours {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = text.split_whitespace();
        let (days, span) = match (words.next(), words.next(), words.next()) {
            (Some(span), None, _) => ([true; 7], span),
            (Some(days), Some(span), None) => (days_of(days)?, span),
            _ => return Err("hours are written like mon-fri 08:00-20:00"),
        };
        let (from, to) = span.split_once('-').ok_or("hours are written like 08:00-20:00")?;
        let (from, to) = (minute_of_day(from)?, minute_of_day(to)?);
        if from == to || from == DAY {
            return Err("hours that are empty: from and to must differ");
        }
        let mut spans = Vec::new();
        for (day, _) in days.iter().enumerate().filter(|(_, meant)| **meant) {
            let midnight = DAY.saturating_mul(u16::try_from(day).unwrap_or_default());
            let end = midnight + if from < to { to } else { DAY + to };
            if end > WEEK {
                spans.push((0, end - WEEK));
            }
            spans.push((midnight + from, end.min(WEEK)));
        }
        Ok(Self(spans))
    }
}

fn days_of(text: &str) -> Result<[bool; 7], &'static str> {
    const WRONG: &str = "days are written mon tue wed thu fri sat sun, like mon-fri or sat,sun";
    let day = |name: &str| DAYS.iter().position(|day| *day == name.to_lowercase()).ok_or(WRONG);
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        for (place, meant) in days.iter_mut().enumerate() {
            // fri-mon goes over Sunday.
            let within =
                if first <= last { (first..=last).contains(&place) } else { place >= first || place <= last };
            *meant |= within;
        }
    }
    Ok(days)
}

fn minute_of_day(text: &str) -> Result<u16, &'static str> {
    const WRONG: &str = "a time is written 00:00 to 24:00";
    let (hour, minute) = text.split_once(':').ok_or(WRONG)?;
    let number = |text: &str| match text.len() {
        1 | 2 => text.parse::<u16>().map_err(|_| WRONG),
        _ => Err(WRONG),
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let of_day = hour * 60 + minute;
    if minute < 60 && of_day <= DAY { Ok(of_day) } else { Err(WRONG) }
}

/// Minutes since Monday 00:00 on the clock on the wall.
pub fn minute_of_week(wall: Timestamp) -> u16 {
    // 1970-01-01 was a Thursday.
    let minutes = wall.unix_ms().div_euclid(60_000) + LOCAL_MINUTES + 3 * i64::from(DAY);
    u16::try_from(minutes.rem_euclid(i64::from(WEEK))).unwrap_or_default()
}

/// `mon 08:00`, for people.
pub fn week_words(minute: u16) -> String {
    struct Words(u16);
    impl fmt::Display for Words {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            // The end of the week is not its beginning.
            let (day, minute) = if self.0 == WEEK { (6, DAY) } else { (self.0 / DAY % 7, self.0 % DAY) };
            let day = DAYS.get(usize::from(day)).copied().unwrap_or_default();
            write!(f, "{day} {:02}:{:02}", minute / 60, minute % 60)
        }
    }
    Words(minute).to_string()
}

/// `03:12:07` on the clock on the wall.
pub(crate) fn local_time(at: Timestamp) -> String {
    let seconds = (at.unix_ms().div_euclid(1_000) + LOCAL_MINUTES * 60).rem_euclid(86_400);
    alloc::format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// `11-22` on the calendar on the wall.
pub(crate) fn local_day(at: Timestamp) -> String {
    let there = Timestamp::from_unix_ms(at.unix_ms() + LOCAL_MINUTES * 60_000).to_string();
    there.chars().skip(5).take(5).collect()
}

/// The digits that tell one phone from another, without a country in front.
pub(crate) fn subscriber(phone: &str) -> String {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_start_matches('0');
    match digits.strip_prefix("86") {
        Some(rest) if rest.len() >= 10 => rest.to_string(),
        _ => digits.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(text: &str) -> Hours {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn at(day: u16, hour: u16) -> u16 {
        day * DAY + hour * 60
    }

    #[test]
    fn hours_of_the_week() {
        assert_eq!(hours("00:00-24:00").0.len(), 7);
        let office = hours("mon-fri 08:00-20:00");
        assert!(office.contains(at(0, 8)) && office.contains(at(4, 19)));
        assert!(!office.contains(at(0, 20)) && !office.contains(at(5, 9)));
        let night = hours("sat,sun 20:00-08:00");
        assert!(night.contains(at(5, 23)) && night.contains(at(6, 3)) && night.contains(at(0, 7)));
        assert!(!night.contains(at(0, 8)) && !night.contains(at(1, 3)));
        assert!(hours("fri-mon 8:00-9:00").contains(at(6, 8)));
        for wrong in
            ["", "8-9", "08:00", "mon 08:00-08:00", "24:00-25:00", "mo 1:00-2:00", "a b c", "1:60-2:00"]
        {
            assert!(wrong.parse::<Hours>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_wall_clock_of_china() {
        // 2026-11-22T19:12:07Z is Monday 03:12:07 there.
        let wall = Timestamp::from_unix_ms(1_795_374_727_000);
        assert_eq!(
            (local_time(wall).as_str(), week_words(minute_of_week(wall)).as_str()),
            ("03:12:07", "mon 03:12")
        );
    }

    #[test]
    fn phones_are_the_same_with_and_without_a_country() {
        assert_eq!(subscriber("+86 138-0013-8000"), subscriber("13800138000"));
        assert_eq!(subscriber("008613800138000"), subscriber("13800138000"));
        assert_ne!(subscriber("13800138000"), subscriber("13800138001"));
    }
}
