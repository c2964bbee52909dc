//! What a seed means: the installation, what happens in it, and when. A scenario is a plain list, so that a
//! failing one can be made smaller and lived through again.
use super::chance::Chance;
use super::plan::plan;

pub(super) const SECOND: u64 = 1_000_000;
pub(super) const MS: u64 = 1_000;

/// One world, before anything has happened in it.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    pub lines: Vec<LineShape>,
    pub devices: Vec<DeviceShape>,
    /// Everything heals then, us.
    pub heals_at: u64,
    pub happenings: Vec<Happening>,
    /// The wall clock goes on without power; otherwise a power cut sets it to 1970.
    pub has_clock: bool,
    pub slow_broker: bool,
    /// Events of the log that were heard long before.
    pub history: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct LineShape {
    /// A half-duplex adapter that hears itself.
    pub echoes: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct DeviceShape {
    /// Its name in the world, and part of what its registers hold.
    pub number: u16,
    pub line: usize,
    pub kind: Kind,
    pub unit_id: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Smoke,
    Level,
    CallUnit,
}

#[derive(Clone, Copy, Debug)]
pub struct Happening {
    pub at: u64,
    /// Zero for what has no end.
    pub lasts: u64,
    pub what: What,
}

/// Something that happens: first what the gateway is there for, then what goes wrong meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Flip {
        device: u16,
        smoke: bool,
    },
    Press {
        device: u16,
    },
    Cancel {
        device: u16,
    },
    /// Somebody does something about the alarm that tops the list.
    Act {
        page: u8,
        wish: Wish,
    },
    /// Two pages acknowledge the same alarm in the same moment.
    Race,

    Dead {
        device: u16,
    },
    Late {
        device: u16,
        by_ms: u16,
    },
    Noisy {
        device: u16,
    },
    Busy {
        device: u16,
    },
    Babbles {
        device: u16,
    },
    /// Another device answers to the same unit id.
    Clash {
        device: u16,
    },
    NoPower {
        device: u16,
    },
    Unplugged {
        line: usize,
    },
    /// Nothing gets through, and nobody notices but by silence.
    CableCut {
        line: usize,
    },

    Killed,
    PowerCut,
    /// The event loop stands still.
    Hangs,
    DiskFull,
    /// An fsync fails; what it was to flush may be on disk or not.
    DiskFails,
    DiskStalls,
    ClockSteps {
        seconds: i32,
    },

    BrokerAway {
        forgets: bool,
    },
    /// The gateway's connection breaks, and no new one can be made.
    Partition,
    /// The gateway's connection is dead and neither end knows it.
    HalfOpen,
    /// The broker takes what this connection says and does nothing with it.
    Mute,
    Loses {
        percent: u8,
    },
    Doubles {
        percent: u8,
    },
    Disorder,
    Junk {
        kind: u8,
    },

    DutyRoomKilled,
    DutyRoomDiskFails,
    DutyRoomCutOff,
}

/// What a person wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Acknowledge,
    Reset,
    Silence,
    Shelve,
    OutOfService,
}

impl What {
    /// Every kind of fault, by the name that [`Self::name`] gives it.
    pub const FAULTS: [&'static str; 27] = [
        "dead",
        "late",
        "noisy",
        "busy",
        "babbles",
        "clash",
        "no-power",
        "unplugged",
        "cable-cut",
        "killed",
        "power-cut",
        "hangs",
        "disk-full",
        "disk-fails",
        "disk-stalls",
        "clock-steps",
        "broker-away",
        "partition",
        "half-open",
        "mute",
        "loses",
        "doubles",
        "disorder",
        "junk",
        "duty-room-killed",
        "duty-room-disk",
        "duty-room-away",
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Flip { .. } => "flip",
            Self::Press { .. } => "press",
            Self::Cancel { .. } => "cancel",
            Self::Act { .. } => "act",
            Self::Race => "race",
            Self::Dead { .. } => "dead",
            Self::Late { .. } => "late",
            Self::Noisy { .. } => "noisy",
            Self::Busy { .. } => "busy",
            Self::Babbles { .. } => "babbles",
            Self::Clash { .. } => "clash",
            Self::NoPower { .. } => "no-power",
            Self::Unplugged { .. } => "unplugged",
            Self::CableCut { .. } => "cable-cut",
            Self::Killed => "killed",
            Self::PowerCut => "power-cut",
            Self::Hangs => "hangs",
            Self::DiskFull => "disk-full",
            Self::DiskFails => "disk-fails",
            Self::DiskStalls => "disk-stalls",
            Self::ClockSteps { .. } => "clock-steps",
            Self::BrokerAway { .. } => "broker-away",
            Self::Partition => "partition",
            Self::HalfOpen => "half-open",
            Self::Mute => "mute",
            Self::Loses { .. } => "loses",
            Self::Doubles { .. } => "doubles",
            Self::Disorder => "disorder",
            Self::Junk { .. } => "junk",
            Self::DutyRoomKilled => "duty-room-killed",
            Self::DutyRoomDiskFails => "duty-room-disk",
            Self::DutyRoomCutOff => "duty-room-away",
        }
    }

    /// What it is for, or an ill of something.
    pub fn is_fault(self) -> bool {
        !matches!(
            self,
            Self::Flip { .. } | Self::Press { .. } | Self::Cancel { .. } | Self::Act { .. } | Self::Race
        )
    }

    pub fn device(self) -> Option<u16> {
        match self {
            Self::Flip { device, .. }
            | Self::Press { device }
            | Self::Cancel { device }
            | Self::Dead { device }
            | Self::Late { device, .. }
            | Self::Noisy { device }
            | Self::Busy { device }
            | Self::Babbles { device }
            | Self::Clash { device }
            | Self::NoPower { device } => Some(device),
            _ => None,
        }
    }

    /// Two that have hold of the same thing never overlap.
    pub(super) fn holds(self) -> Option<(u8, usize)> {
        let manners = |device: u16| Some((0, usize::from(device)));
        match self {
            Self::Flip { .. }
            | Self::Press { .. }
            | Self::Cancel { .. }
            | Self::Act { .. }
            | Self::Race
            | Self::ClockSteps { .. }
            | Self::Junk { .. } => None,
            Self::Dead { device }
            | Self::Late { device, .. }
            | Self::Noisy { device }
            | Self::Busy { device }
            | Self::Babbles { device }
            | Self::Clash { device }
            | Self::NoPower { device } => manners(device),
            Self::Unplugged { line } | Self::CableCut { line } => Some((1, line)),
            Self::Killed | Self::PowerCut | Self::Hangs => Some((2, 0)),
            Self::DiskFull | Self::DiskFails | Self::DiskStalls => Some((3, 0)),
            Self::BrokerAway { .. } | Self::Partition | Self::HalfOpen | Self::Mute => Some((4, 0)),
            Self::Loses { .. } => Some((5, 0)),
            Self::Doubles { .. } => Some((6, 0)),
            Self::Disorder => Some((7, 0)),
            Self::DutyRoomKilled | Self::DutyRoomDiskFails | Self::DutyRoomCutOff => Some((8, 0)),
        }
    }
}

impl Scenario {
    /// The scenario of this seed.
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let count = [1, 1, 1, 2, 2, 3, 4][chance.between(0, 7) as usize];
        let lines: Vec<LineShape> = (0..count).map(|_| LineShape { echoes: chance.percent(15) }).collect();
        let mut devices = Vec::new();
        for line in 0..lines.len() {
            for place in 0..chance.between(1, 6) {
                let kind = match chance.between(0, 10) {
                    0..=3 => Kind::Smoke,
                    4..=6 => Kind::Level,
                    _ => Kind::CallUnit,
                };
                // Numbers twenty apart keep every value of every device unlike any other's.
                let number = 20 + 20 * devices.len() as u16;
                devices.push(DeviceShape { number, line, kind, unit_id: place as u8 + 1 });
            }
        }
        let heals_at = chance.between(20, 100) * SECOND;
        let history = if chance.percent(25) { 65_530 - chance.between(0, 20) } else { 0 };
        let mut scenario = Self {
            seed,
            lines,
            devices,
            heals_at,
            happenings: Vec::new(),
            has_clock: chance.percent(60),
            slow_broker: chance.percent(30),
            history,
        };
        scenario.happenings = plan(&scenario, chance);
        scenario
    }
}

impl Scenario {
    /// One world in a hundred does everything on the real store too, and with an engine that was written down, where this
    /// build has them.
    pub fn is_on_real_store(&self) -> bool {
        self.seed % 100 == 99 && self.history == 0
    }

    /// The gateway's wall clock is wrong at times.
    pub(super) fn steps_clock(&self) -> bool {
        let steps = |happening: &Happening| matches!(happening.what, What::ClockSteps { .. });
        !self.has_clock || self.happenings.iter().any(steps)
    }
}
