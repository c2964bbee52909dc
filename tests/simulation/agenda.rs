//! What will happen when: everything of a world that is not a line, the broker or somebody's deadline.
use std::collections::BTreeMap;

use shouwang_message::AlarmId;

use super::scenario::Wish;

#[derive(Debug, Default)]
pub(super) struct Agenda {
    things: BTreeMap<(u64, u64), Thing>,
    entries: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Thing {
    /// A happening of the scenario, by its place in it.
    Begins(usize),
    Ends(usize),
    Heals,
    /// A commit of this boot has ended.
    Stored {
        boot: u32,
    },
    /// A call unit looks at its inputs.
    Ticks {
        device: u16,
    },
    /// The gateway compares its clock.
    ComparesClock,
    /// The gateway of this boot has found out what time it is.
    ClockFound {
        boot: u32,
    },
    /// The gateway's client notices that this connection has long been dead.
    FindsDead {
        boot: u32,
        connection: u32,
    },
    /// A person does something about what a page showed a moment ago.
    Clicks(Click),
    /// The oracle looks at what should have been told by now.
    Looks,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Click {
    pub(super) page: u8,
    pub(super) wish: Wish,
    pub(super) alarm: AlarmId,
    pub(super) occurrence: u32,
}

impl Agenda {
    pub(super) fn enter(&mut self, at: u64, thing: Thing) {
        self.entries += 1;
        self.things.insert((at, self.entries), thing);
    }

    pub(super) fn next(&self) -> u64 {
        self.things.first_key_value().map_or(u64::MAX, |((at, _), _)| *at)
    }

    pub(super) fn take(&mut self, now: u64) -> Option<Thing> {
        self.things.first_entry().filter(|first| first.key().0 <= now).map(|first| first.remove())
    }

    /// The unit looks at once, and not when it last wanted to.
    pub(super) fn tick_now(&mut self, now: u64, device: u16) {
        self.things.retain(|_, thing| !matches!(thing, Thing::Ticks { device: of } if *of == device));
        self.enter(now, Thing::Ticks { device });
    }
}
