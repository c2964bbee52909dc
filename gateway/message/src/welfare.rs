//! How a no-activity rule stands: somebody who lives alone is watched by water, a door or movement.
use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

use crate::alarm::words;
use crate::{Id, Timestamp};

words! {
    /// What shows that somebody is well.
    WelfareSign { Water = "water", Door = "door", Motion = "motion" }
}

words! {
    /// What can be said. `learning`: a whole window was not watched yet. `unknown`: nothing is read. `quiet`: the alarm.
    WelfareStanding {
        Watching = "watching", Learning = "learning", Quiet = "quiet", Paused = "paused", Unknown = "unknown",
        ClockUnset = "clock-unset",
    }
}

words! {
    /// Why nobody is expected to be active: 外出, 住院.
    WelfareReason { Away = "away", Hospital = "hospital" }
}

/// One rule, in the `/state` of the device it watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WelfareDocument {
    pub id: Id,
    /// Of the flat; never a resident's.
    pub name: String,
    pub sign: WelfareSign,
    pub standing: WelfareStanding,
    /// Without a sign for so long it is an alarm, seconds.
    pub window_s: u32,
    /// The newest sign of life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_at: Option<Timestamp>,
    /// Water flows without a pause: a leak, which is no sign of life.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub trickles: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<WelfarePause>,
}

/// Ends by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WelfarePause {
    /// Account id.
    pub by: String,
    pub reason: WelfareReason,
    pub until: Timestamp,
}

impl WelfareReason {
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == word)
    }
}
