//! Which rows of the open list look different than before, without drawing them: ten thousand of them are looked at
//! several times a second while pages are told only of the few that changed.
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::ops::Deref;

use serde_json::Value;
use shouwang_message::AlarmId;

use crate::board::Board;
use crate::groups::{Group, Groups};
use crate::row::Row;

/// The rows that are not finished, each marked whenever somebody could have changed it.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: BTreeMap<AlarmId, Row>,
    marks: u64,
}

impl Rows {
    pub(crate) fn get_mut(&mut self, id: &AlarmId) -> Option<&mut Row> {
        let row = self.rows.get_mut(id)?;
        self.marks += 1;
        row.mark = self.marks;
        Some(row)
    }

    /// The first row that is such a one.
    pub(crate) fn find_mut(&mut self, is_it: impl FnMut(&&Row) -> bool) -> Option<&mut Row> {
        let id = self.rows.values().find(is_it)?.id();
        self.get_mut(&id)
    }

    /// Every row that is such a one.
    pub(crate) fn all_mut(&mut self, mut is_it: impl FnMut(&Row) -> bool) -> impl Iterator<Item = &mut Row> {
        let marks = &mut self.marks;
        self.rows.values_mut().filter_map(move |row| {
            let wanted = is_it(row);
            *marks += u64::from(wanted);
            row.mark = if wanted { *marks } else { row.mark };
            wanted.then_some(row)
        })
    }

    pub(crate) fn insert(&mut self, id: AlarmId, row: Row) {
        self.marks += 1;
        self.rows.insert(id, Row { mark: self.marks, ..row });
    }

    pub(crate) fn remove(&mut self, id: &AlarmId) -> Option<Row> {
        self.rows.remove(id)
    }
}

impl Deref for Rows {
    type Target = BTreeMap<AlarmId, Row>;

    fn deref(&self) -> &Self::Target {
        &self.rows
    }
}

/// The open list as it stands, not drawn yet.
#[derive(Debug)]
pub struct Listing<'a> {
    board: &'a Board,
    groups: Groups<'a>,
    faces: Vec<(AlarmId, u64)>,
}

impl Board {
    /// What [`Self::list`] would show of the open rows.
    pub fn listing(&self) -> Listing<'_> {
        let groups = self.groups();
        let place = |row| self.place_in_list(row, &groups);
        let mut rows: Vec<_> = self.rows.values().map(|row| (place(row), Ok(row))).collect();
        rows.extend(groups.all.iter().map(|group| ((group.place, 0, group.place), Err(group))));
        rows.sort_by_key(|(place, _)| *place);
        let face = |(place, what): (_, Result<&Row, &Group<'_>>)| {
            let mut face = Fnv::default();
            match what {
                Ok(row) => (row.mark, place, self.surroundings(row, &groups)).hash(&mut face),
                Err(group) => (place, self.group_item(group)).hash(&mut face),
            }
            (what.map_or_else(|group| group.id, Row::id), face.finish())
        };
        let faces = rows.into_iter().map(face).collect();
        Listing { board: self, groups, faces }
    }

    /// The finished rows that are remembered, the newest first.
    pub fn finished_rows(&self) -> impl Iterator<Item = Value> {
        let groups = self.groups();
        self.finished.iter().rev().map(move |row| self.item_in(row, &groups))
    }
}

impl Listing<'_> {
    /// Every row in the order of the list, each with a number: as long as that stays the same, the row looks the same
    /// and has not moved past others that look the same.
    pub fn faces(&self) -> &[(AlarmId, u64)] {
        &self.faces
    }

    /// One of them as the list has it.
    pub fn row(&self, id: AlarmId) -> Option<Value> {
        match self.board.rows.get(&id) {
            Some(row) => Some(self.board.item_in(row, &self.groups)),
            None => {
                let group = self.groups.all.iter().find(|group| group.id == id)?;
                Some(self.board.group_item(group))
            }
        }
    }
}

/// FNV-1a, 64 bits.
#[derive(Debug)]
pub(crate) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
