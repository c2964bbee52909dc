//! No-activity rules: whom to watch over, by which point, and what is said when nothing shows that they are well.
//!
//! A rule is a condition of the device that it watches, judged by its [`crate::vigil::Vigil`] and not by single
//! readings. Its alarm is of the class `welfare`, at the rule's own place.
use alloc::format;
use alloc::string::String;
use core::time::Duration;

use serde::{Deserialize, Serialize};
pub use shouwang_message::WelfareSign as Sign;
use shouwang_message::{Id, Place, Priority, Text, Timestamp};

use crate::configuration::DeviceIndex;
use crate::profile::{Condition, Raises, Test};

const DAY_MINUTES: i64 = 24 * 60;

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WelfareSettings {
    pub id: Id,
    /// What people call the flat; never a resident's name, for it travels.
    pub name: String,
    pub place: Place,
    pub device: DeviceIndex,
    /// Index into the device's profile's points: a boolean, or a counter of 16 or 32 bits.
    pub point: usize,
    pub sign: Sign,
    /// Fewer signs than this within the window is an alarm: pulses of water, or how often a door or a person moved.
    pub least: u32,
    pub window: Duration,
    /// Of water: m3.
    pub per_pulse: Option<f64>,
    pub day: Daytime,
}

/// When a rule is judged: minutes of the local day, `from` before `to`; and minutes from UTC to local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Daytime {
    pub from: u16,
    pub to: u16,
    pub utc_offset: i16,
}

impl Daytime {
    pub fn is_at(self, at: Timestamp) -> bool {
        let minute = at.unix_ms().div_euclid(60_000).saturating_add(self.utc_offset.into());
        (i64::from(self.from)..i64::from(self.to)).contains(&minute.rem_euclid(DAY_MINUTES))
    }
}

impl WelfareSettings {
    /// Its condition of the device that it watches.
    pub fn condition(&self) -> Condition {
        Condition {
            name: self.condition_name(),
            text: self.words(),
            point: self.point,
            test: Test::NoActivity,
            raises: Raises::Alarm,
            priority: Priority::Urgent,
            latched: false,
            deadband: 0.0,
            on_delay: Duration::ZERO,
            off_delay: Duration::ZERO,
            median: 1,
            in_a_row: 1,
            confirm: false,
            suppressed_by: None,
            override_reason: None,
        }
    }

    pub fn condition_name(&self) -> String {
        format!("no_activity_{}", self.id)
    }

    fn words(&self) -> Text {
        let (zh, en) = in_words(self.window);
        match self.sign {
            Sign::Water => Text::new(
                format!("{zh}没有用水,请联系或上门看看"),
                format!("No water drawn for {en}: call, or go and look"),
            ),
            Sign::Door => Text::new(
                format!("{zh}没有开门,请联系或上门看看"),
                format!("The door has not moved for {en}: call, or go and look"),
            ),
            Sign::Motion => Text::new(
                format!("{zh}没有活动,请联系或上门看看"),
                format!("Nobody has moved for {en}: call, or go and look"),
            ),
        }
    }
}

/// Hours, as a rule.
fn in_words(window: Duration) -> (String, String) {
    let seconds = window.as_secs();
    if seconds.is_multiple_of(3600) {
        (format!("{} 小时", seconds / 3600), format!("{} h", seconds / 3600))
    } else if seconds.is_multiple_of(60) {
        (format!("{} 分钟", seconds / 60), format!("{} min", seconds / 60))
    } else {
        (format!("{seconds} 秒"), format!("{seconds} s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_day_by_the_clock_of_the_place() {
        let china = Daytime { from: 6 * 60, to: 22 * 60, utc_offset: 8 * 60 };
        let is_day = |text: &str| china.is_at(text.parse().unwrap());
        assert!(!is_day("2026-11-21T21:59:59.999Z"), "05:59 in China");
        assert!(is_day("2026-11-21T22:00:00.000Z"));
        assert!(is_day("2026-11-22T13:59:59.999Z"));
        assert!(!is_day("2026-11-22T14:00:00.000Z"), "22:00 in China");
        let west = Daytime { utc_offset: -12 * 60, ..china };
        assert!(west.is_at("1970-01-01T18:00:00.000Z".parse().unwrap()));
    }
}
