//! What the disk kept from before, piece by piece.
use shouwang_message::Instant;

use super::Board;
use crate::asking::Pending;
use crate::hearing::Cursor;
use crate::kept;
use crate::row::Row;

impl Board {
    /// One piece; none if it cannot be read.
    pub(super) fn remember(&mut self, now: Instant, key: &str, value: &str) -> Option<()> {
        let (prefix, rest) = key.split_once('/')?;
        match prefix {
            "cursor" => {
                let (whom, log) = kept::parse_cursor(rest)?;
                let up_to = value.parse().ok()?;
                let gateway = self.gateway(&whom)?;
                gateway.add_log(log, Cursor::restored(up_to));
                gateway.current = Some(log);
            }
            "row" => {
                let mut row: Row = serde_json::from_str(value).ok()?;
                // What this room tells of itself is no gateway's.
                if row.whom() != self.own_name() {
                    self.gateway(&row.whom())?;
                }
                self.link_kept_loss(&mut row);
                self.link_kept_takeover(&mut row);
                self.rows.insert(row.id(), row);
            }
            "finished" => {
                let row: Row = serde_json::from_str(value).ok()?;
                self.add_finished(row);
            }
            "asked" => {
                let pending: Pending = serde_json::from_str(value).ok()?;
                self.pending.insert(rest.into(), pending.restored(now));
            }
            "case" | "closed" => self.remember_case(serde_json::from_str(value).ok()?),
            "ladder" => self.remember_ladder(now, rest.parse().ok()?, serde_json::from_str(value).ok()?),
            "cooking" => self.remember_cooking(rest, value)?,
            "taken-back" => {
                let taken = serde_json::from_str(value).ok()?;
                self.taken_back.insert(rest.parse().ok()?, taken);
            }
            "list" if key == kept::DRILL => self.remember_drill(value)?,
            "list" if key == kept::FLOOD => self.flood.remember(now, value)?,
            "list" if key == kept::NIGHT => self.night.remember(value)?,
            "list" if key == kept::SELF_TEST => self.self_tests.remember(now, self.wall, value)?,
            "count" if key == kept::OWN_LOG => self.own_log.remember(value)?,
            "count" => self.counts.heard = value.parse().ok()?,
            "shift" => self.shift.remember(rest, value)?,
            "tip" => self.remember_tip(value)?,
            "tipped" => self.remember_decided(value)?,
            "calling" | "called" => self.remember_round(value)?,
            "station" => self.remember_station(value)?,
            "outage" => self.shift.remember_outage(rest, value)?,
            _ => return None,
        }
        Some(())
    }
}
