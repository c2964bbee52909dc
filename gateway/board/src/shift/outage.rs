//! 失联时段核查单: after a gateway, line or device was lost, the places that nobody watched meanwhile, each to be ticked by
//! somebody who looked. What is not ticked is handed over.
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shouwang_message::{AlarmId, FaultDocument, Id, Place, Text, Timestamp};

use super::ShiftAsked;
use crate::board::Board;
use crate::logbook::LogLine;
use crate::requests::refused;
use crate::trust::shown;
use crate::{GatewayName, Outcome, kept};

/// A shorter one is covered by what the gateway caught up with.
const SHORTEST_MS: i64 = 60_000;
/// Sheets that wait; beyond it the oldest goes, and the logbook says so.
const WAITING: usize = 50;
/// Places of one sheet; beyond it the last box stands for the rest.
const PLACES: usize = 200;

/// One time of being lost, over, with what was not watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outage {
    id: AlarmId,
    /// `gateway_lost gateway_stopped line_down device_lost timeout`.
    code: String,
    site: Id,
    gateway: Id,
    line: Option<Id>,
    device: Option<Id>,
    text: Text,
    from: Timestamp,
    to: Timestamp,
    /// How often, if it came again before anybody looked.
    times: u32,
    boxes: Vec<Box>,
}

/// One place to look at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Box {
    place: String,
    by: Option<String>,
    at: Option<Timestamp>,
}

impl Outage {
    fn is_same(&self, other: &Self) -> bool {
        let who = |one: &Self| (one.code.clone(), one.site.clone(), one.gateway.clone());
        who(self) == who(other) && self.line == other.line && self.device == other.device
    }

    fn is_untouched(&self) -> bool {
        self.boxes.iter().all(|one| one.by.is_none())
    }
}

fn covers(code: &str) -> bool {
    matches!(code, "gateway_lost" | "gateway_stopped" | "line_down" | "device_lost" | "timeout")
}

/// 3号楼2单元402, or 3-2-402, or the device's id.
fn name_of(place: &Place, device: &Id) -> String {
    let parts = [&place.building, &place.entrance, &place.room];
    let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    match &place.name {
        Some(name) if !name.is_empty() => shown(name),
        _ if !parts.is_empty() => shown(&parts.join("-")),
        _ => device.to_string(),
    }
}

impl Board {
    /// Something that was lost is back: what it did not watch is a sheet, if that was long.
    pub(crate) fn outage_over(&mut self, whom: &GatewayName, fault: &FaultDocument) {
        let to = fault.cleared_at.unwrap_or(self.wall);
        if !covers(&fault.code) || to.unix_ms() - fault.raised_at.unix_ms() < SHORTEST_MS {
            return;
        }
        let mut boxes = self.unwatched(whom, fault);
        if boxes.is_empty() {
            return;
        }
        if boxes.len() > PLACES {
            let more = boxes.len() - PLACES + 1;
            boxes.truncate(PLACES - 1);
            boxes.push(alloc::format!("其余 {more} 处 · {more} more"));
        }
        let boxes = boxes.into_iter().map(|place| Box { place, by: None, at: None }).collect();
        let mut outage = Outage {
            id: self.new_id(),
            code: fault.code.clone(),
            site: whom.site.clone(),
            gateway: whom.gateway.clone(),
            line: fault.line.clone(),
            device: fault.device.clone(),
            text: Text::new(shown(&fault.text.zh), shown(&fault.text.en)),
            from: fault.raised_at,
            to,
            times: 1,
            boxes,
        };
        let known = self.shift.outages.values().find(|known| known.is_same(&outage) && known.is_untouched());
        if let Some(known) = known {
            (outage.id, outage.from, outage.times) = (known.id, known.from, known.times + 1);
        } else if self.shift.outages.len() >= WAITING {
            self.drop_oldest_outage();
        }
        self.put_outage(outage);
    }

    /// The places of its devices, each once.
    fn unwatched(&self, whom: &GatewayName, fault: &FaultDocument) -> Vec<String> {
        let Some(gateway) = self.gateways.get(whom) else { return Vec::new() };
        let mut places = BTreeMap::new();
        for (id, device) in &gateway.devices {
            let with_line = fault.line.is_none() || device.line.as_ref() == fault.line.as_ref();
            let itself = fault.device.as_ref().is_none_or(|lost| lost == id);
            if with_line && itself {
                places.insert(name_of(&device.place, id), ());
            }
        }
        places.into_keys().collect()
    }

    fn put_outage(&mut self, outage: Outage) {
        let text = serde_json::to_string(&outage).unwrap_or_default();
        self.keep.push((kept::outage(outage.id), Some(text)));
        self.shift.outages.insert(outage.id, outage);
        self.shift.revision += 1;
    }

    fn drop_oldest_outage(&mut self) {
        let Some((id, outage)) = self.shift.outages.pop_first() else { return };
        self.keep.push((kept::outage(id), None));
        let open = outage.boxes.iter().filter(|one| one.by.is_none()).count();
        let mut line =
            self.own_line("outage.dropped", None, Some(alloc::format!("{open} places not looked at")));
        line.about = Some(id.to_string());
        self.log.push(line);
    }

    /// Somebody looked at this place.
    pub(super) fn tick(&mut self, asked: &ShiftAsked, id: AlarmId, place: usize) -> Result<(), Outcome> {
        let unknown = || refused("unknown_place", "没有这一项", "There is no such box");
        let mut outage = self.shift.outages.get(&id).cloned().ok_or_else(unknown)?;
        let wall = self.wall;
        let looked = outage.boxes.get_mut(place).ok_or_else(unknown)?;
        if looked.by.is_some() {
            return Ok(());
        }
        (looked.by, looked.at) = (Some(asked.by.clone()), Some(wall));
        let name = looked.place.clone();
        let left = outage.boxes.iter().filter(|one| one.by.is_none()).count();
        self.log.push(LogLine {
            at: wall,
            by: asked.by.clone(),
            from: asked.from.clone(),
            what: "outage.looked".into(),
            about: Some(id.to_string()),
            old: None,
            new: Some(name),
            note: Some(alloc::format!("{left} left")),
        });
        if left == 0 {
            self.shift.outages.remove(&id);
            self.keep.push((kept::outage(id), None));
            self.shift.revision += 1;
        } else {
            self.put_outage(outage);
        }
        Ok(())
    }

    /// Newest first.
    pub(super) fn outages(&self) -> Value {
        json!(self.shift.outages.values().rev().collect::<Vec<_>>())
    }
}
