//! How cases are to be handled: by when somebody has accepted one and it is handled, and whether it stays in the small
//! loop of its grid (小循环) or goes to departments (大循环). A table by kind, grid and priority; what it leaves open is as usual.
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{Class, Id, Priority, Timestamp};

use crate::case::Case;
use crate::organisation::Organisation;

/// One line of the table. Of several that fit, the first one that says something about a thing counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handling {
    /// Empty: every class.
    pub classes: Vec<Class>,
    /// Empty: every priority.
    pub priorities: Vec<Priority>,
    /// This unit and what is below it; none: everywhere.
    pub grid: Option<Id>,
    /// From when this room knew of it until somebody has accepted it.
    pub accept_within: Option<Duration>,
    /// From when this room knew of it until it is handled.
    pub handle_within: Option<Duration>,
    pub way: Option<Loop>,
    /// Whom the large loop calls.
    pub departments: Vec<String>,
}

/// Which way a case takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loop {
    /// 小循环: straight to whoever answers for its grid.
    Small,
    /// 大循环: departments are called, and each reports in.
    Large,
}

/// What the table says about one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    accept_within: Duration,
    handle_within: Duration,
    way: Option<Loop>,
    pub(crate) departments: Vec<String>,
}

/// Our own defaults, not a standard's; what the figures of older cases are measured by, too.
pub(crate) const fn usually_accepted_within(priority: Priority) -> Duration {
    match priority {
        Priority::Emergency => Duration::from_secs(5 * 60),
        Priority::Urgent => Duration::from_secs(30 * 60),
        Priority::Ordinary | Priority::Advisory => Duration::from_secs(8 * 3_600),
    }
}

/// The same, until it is handled.
pub(crate) const fn usually_handled_within(priority: Priority) -> Duration {
    match priority {
        Priority::Emergency => Duration::from_secs(4 * 3_600),
        Priority::Urgent => Duration::from_secs(24 * 3_600),
        Priority::Ordinary | Priority::Advisory => Duration::from_secs(72 * 3_600),
    }
}

impl Wanted {
    pub(crate) fn of(case: &Case, table: &[Handling], organisation: &Organisation) -> Self {
        let about = &case.about;
        let grid = about.place.grid.as_deref();
        let fitting = || {
            table.iter().filter(|line| {
                (line.classes.is_empty() || line.classes.contains(&about.class))
                    && (line.priorities.is_empty() || line.priorities.contains(&about.priority))
                    && line
                        .grid
                        .as_ref()
                        .is_none_or(|unit| grid.is_some_and(|grid| organisation.holds(unit, grid)))
            })
        };
        let departments = fitting().find(|line| !line.departments.is_empty());
        Self {
            accept_within: fitting()
                .find_map(|line| line.accept_within)
                .unwrap_or(usually_accepted_within(about.priority)),
            handle_within: fitting()
                .find_map(|line| line.handle_within)
                .unwrap_or(usually_handled_within(about.priority)),
            way: fitting().find_map(|line| line.way),
            departments: departments.map(|line| line.departments.clone()).unwrap_or_default(),
        }
    }

    /// Writes down by when, counted from `known`: what the table says later changes nothing of this case.
    pub(crate) fn set(&self, case: &mut Case, known: Timestamp) {
        case.accept_by = Some(later(known, self.accept_within));
        case.handle_by = Some(later(known, self.handle_within));
        case.way = case.way.or(self.way);
    }
}

pub(crate) fn later(from: Timestamp, by: Duration) -> Timestamp {
    let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_unix_ms(from.unix_ms().saturating_add(ms))
}
