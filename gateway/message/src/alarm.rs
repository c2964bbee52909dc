//! The alarm document: everything about one occurrence of one condition, in one retained message.
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

use crate::{AlarmId, Clock, Id, Place, Text, Timestamp, Value};

/// The document behind `/alarm/{alarm}` and inside every alarm event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmDocument {
    pub id: AlarmId,
    /// Grows by one with every change of this document; a lower one never overrides a higher one.
    pub revision: u32,
    pub gateway: Id,
    pub device: Id,
    /// The condition's name in the device's profile.
    pub condition: String,
    pub class: Class,
    pub priority: Priority,
    pub mode: Mode,
    /// The condition holds now, as far as the last good reading tells.
    pub active: bool,
    pub acknowledged: Option<Acknowledged>,
    /// The condition asks for a person's reset before the alarm can finish.
    pub latched: bool,
    pub shelved: Option<Shelved>,
    pub suppressed: Option<Suppressed>,
    pub out_of_service: Option<OutOfService>,
    /// 1, plus one for every further cry while unfinished.
    pub occurrence: u32,
    pub raised_at: Timestamp,
    pub cleared_at: Option<Timestamp>,
    pub clock: Clock,
    pub value: Option<Value>,
    #[serde(serialize_with = "crate::value::serialize_optional_number")]
    pub limit: Option<f64>,
    pub unit: Option<String>,
    pub place: Place,
    pub text: Text,
    /// True only while the gateway cannot write to its disk: told before it was committed.
    pub unlogged: bool,
    /// Whom the gateway itself texted, because no duty room heard; left out while it is nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texted: Vec<Texted>,
}

impl AlarmDocument {
    /// A new alarm of which nothing else is known: active since then by a clock that is right, in earnest, seen by nobody.
    pub fn new(
        id: AlarmId,
        gateway: Id,
        device: Id,
        condition: String,
        class: Class,
        priority: Priority,
        raised_at: Timestamp,
    ) -> Self {
        Self {
            id,
            revision: 1,
            gateway,
            device,
            condition,
            class,
            priority,
            mode: Mode::Live,
            active: true,
            acknowledged: None,
            latched: false,
            shelved: None,
            suppressed: None,
            out_of_service: None,
            occurrence: 1,
            raised_at,
            cleared_at: None,
            clock: Clock::Synced,
            value: None,
            limit: None,
            unit: None,
            place: Place::default(),
            text: Text::default(),
            unlogged: false,
            texted: Vec::new(),
        }
    }
}

/// A network took the gateway's text for this person's phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Texted {
    /// Account id, never a name or a number.
    pub to: String,
    pub at: Timestamp,
}

/// A named person saw it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Account id, never a name.
    pub by: String,
    pub at: Timestamp,
}

/// A person put it aside for a time; it always comes back by itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shelved {
    pub by: String,
    pub until: Timestamp,
    pub reason: String,
}

/// The system keeps it quiet because another alarm explains it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppressed {
    /// The explaining alarm's or fault's id.
    pub by: AlarmId,
}

/// The device is out of service by a person's decision.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OutOfService {
    pub by: String,
    pub until: Timestamp,
    pub reason: String,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word used in documents, configurations and profiles.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// What kind of thing a device watches for; the last one is what a person tells, and no device's.
    Class {
        Smoke = "smoke", Gas = "gas", Co = "co", WaterLevel = "water_level", Call = "call", Leak = "leak",
        Electrical = "electrical", Air = "air", DigitalInput = "digital_input", Welfare = "welfare",
        Siren = "siren", Report = "report",
    }
}

words! {
    /// How fast a person must act; the first is the worst.
    Priority { Emergency = "emergency", Urgent = "urgent", Ordinary = "ordinary", Advisory = "advisory" }
}

words! {
    /// Whether the world or an exercise speaks.
    Mode { Live = "live", Test = "test", Drill = "drill", Simulated = "simulated" }
}

impl Mode {
    /// What stands before everything that is said of such an alarm: nothing that is not live goes without it.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Live => "",
            Self::Test => "【测试】",
            Self::Drill => "【演练】",
            Self::Simulated => "【模拟】",
        }
    }
}

impl Class {
    /// Smoke, gas, CO and calls: never shelved, polled first, lost is never trivial.
    pub fn is_life_safety(self) -> bool {
        matches!(self, Self::Smoke | Self::Gas | Self::Co | Self::Call)
    }
}

impl AlarmDocument {
    /// Finished: the source is normal, a person acknowledged it and, if latched, it was reset
    /// (a reset turns `latched` off).
    pub fn is_finished(&self) -> bool {
        !self.active && self.cleared_at.is_some() && self.acknowledged.is_some() && !self.latched
    }
}
