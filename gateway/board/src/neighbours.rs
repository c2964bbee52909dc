//! The devices as people ask for them: all of them, or the two that are nearest to an alarm. Smoke next door is not
//! a coincidence, and a quiet sensor next door is worth knowing too, if it is known to be alive.
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Value, json};
use shouwang_message::{AlarmId, DeviceState, Id, Instant, Place, Text};

use crate::GatewayName;
use crate::board::{Board, Device, Gateway};
use crate::readings::Stale;
use crate::row::RowKind;
use crate::trust::shown;

/// Neighbours of one alarm.
const NEAREST: usize = 2;

/// How one place lies to another of the same building, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Relation {
    SameRoom,
    NextDoor,
    Above,
    Below,
    SameFloor,
    SameEntrance,
    SameBuilding,
}

impl Relation {
    fn as_str(self) -> &'static str {
        match self {
            Self::SameRoom => "same_room",
            Self::NextDoor => "next_door",
            Self::Above => "above",
            Self::Below => "below",
            Self::SameFloor => "same_floor",
            Self::SameEntrance => "same_entrance",
            Self::SameBuilding => "same_building",
        }
    }
}

/// A device and who tells of it.
type Found<'a> = (&'a GatewayName, &'a Gateway, &'a Id, &'a Device);
/// Site, gateway and device of every open alarm.
type Alarmed<'a> = BTreeSet<(&'a Id, &'a Id, &'a Id)>;

impl Board {
    /// Every device that its gateway lists, with its state and its newest readings; ordered by gateway and id.
    pub fn devices(&self, now: Instant) -> Vec<Value> {
        let alarmed = self.alarmed();
        let listed = self.gateways.iter().flat_map(|(whom, gateway)| {
            let devices = gateway.devices.iter().filter(|(_, device)| device.listed);
            devices.map(move |(id, device)| (whom, gateway, id, device))
        });
        listed.map(|found| self.device_item(now, found, &alarmed, None)).collect()
    }

    /// The devices nearest to this alarm in its building, each with its `relation`; none if there is no such alarm.
    pub fn neighbours(&self, now: Instant, alarm: AlarmId) -> Option<Vec<Value>> {
        let row = self.find(alarm)?;
        let own = self
            .gateways
            .get(&row.whom())
            .and_then(|gateway| gateway.devices.get(row.device()?))
            .map(|device| &device.place);
        let place = row.alarm_document().map(|document| &document.place).or(own);
        let Some(place) = place.filter(|place| place.building.is_some()) else { return Some(Vec::new()) };
        let mut near = Vec::new();
        for (whom, gateway) in self.gateways.iter().filter(|(whom, _)| whom.site == row.site) {
            for (id, device) in gateway.devices.iter().filter(|(_, device)| device.listed) {
                let is_own = whom.gateway == row.gateway && row.device() == Some(id);
                if !is_own && let Some(distance) = distance(place, &device.place) {
                    near.push((distance, (whom, gateway, id, device)));
                }
            }
        }
        near.sort_by_key(|(distance, (whom, _, id, _))| (*distance, *whom, *id));
        let alarmed = self.alarmed();
        let nearest = near.into_iter().take(NEAREST);
        Some(
            nearest
                .map(|((relation, _), found)| self.device_item(now, found, &alarmed, Some(relation)))
                .collect(),
        )
    }

    fn alarmed(&self) -> Alarmed<'_> {
        let open = self.rows.values().filter(|row| row.kind == RowKind::Alarm && !row.finished);
        open.filter_map(|row| Some((&row.site, &row.gateway, row.device()?))).collect()
    }

    fn device_item(
        &self,
        now: Instant,
        (whom, gateway, id, device): Found<'_>,
        alarmed: &Alarmed<'_>,
        relation: Option<Relation>,
    ) -> Value {
        let stale = self.stale(now, gateway, device);
        let is_alarmed = alarmed.contains(&(&whom.site, &whom.gateway, id));
        let title = device.title.as_ref();
        let mut item = json!({
            "id": id, "site": whom.site, "gateway": whom.gateway,
            "gateway_name": gateway.title.as_deref().map(shown),
            "class": device.class,
            "title": title.map(|title| Text::new(shown(&title.zh), shown(&title.en))),
            "place": shown_place(&device.place),
            "state": device.state.as_ref().map(|state| state.state),
            "since": device.state.as_ref().map(|state| state.since),
            "why": device.state.as_ref().and_then(|state| state.why.as_deref()).map(shown),
            "standing": standing(device, is_alarmed, stale),
        });
        if let Some(fields) = item.as_object_mut() {
            if let Some(relation) = relation {
                fields.insert("relation".into(), relation.as_str().into());
            }
            for (name, value) in device.readings_item(now, self.wall, stale) {
                fields.insert(name.into(), value);
            }
        }
        item
    }
}

/// The word for a device: `alarm lost fault out_of_service test unknown doubtful normal`. Only what is fresh and
/// good is normal.
fn standing(device: &Device, is_alarmed: bool, stale: Option<Stale>) -> &'static str {
    if is_alarmed {
        return "alarm";
    }
    match device.state.as_ref().map(|state| state.state) {
        Some(DeviceState::Lost) => "lost",
        Some(DeviceState::Fault) => "fault",
        Some(DeviceState::OutOfService) => "out_of_service",
        Some(DeviceState::Test) => "test",
        Some(DeviceState::Online) | None if stale.is_some() => "unknown",
        Some(DeviceState::Online) | None if device.is_good() => "normal",
        Some(DeviceState::Online) | None => "doubtful",
    }
}

fn shown_place(place: &Place) -> Place {
    let text = |text: &Option<String>| text.as_deref().map(shown);
    Place {
        building: text(&place.building),
        entrance: text(&place.entrance),
        room: text(&place.room),
        grid: text(&place.grid),
        name: text(&place.name),
    }
}

/// How near; none in another building.
fn distance(from: &Place, to: &Place) -> Option<(Relation, u32)> {
    if from.building.is_none() || from.building != to.building {
        return None;
    }
    if from.entrance != to.entrance {
        return Some((Relation::SameBuilding, 0));
    }
    if from.room.is_some() && from.room == to.room {
        return Some((Relation::SameRoom, 0));
    }
    let (Some((floor, door)), Some((other_floor, other_door))) = (door(from), door(to)) else {
        return Some((Relation::SameEntrance, u32::MAX));
    };
    let (floors, doors) = (floor.abs_diff(other_floor), door.abs_diff(other_door));
    Some(match (floors, doors) {
        (0, 0 | 1) => (Relation::NextDoor, 0),
        (1, 0) if other_floor > floor => (Relation::Above, 0),
        (1, 0) => (Relation::Below, 0),
        (0, _) => (Relation::SameFloor, doors),
        _ => (Relation::SameEntrance, floors * 100 + doors),
    })
}

/// Floor and door of a room such as 402 or 1203: the last two digits are the door.
fn door(place: &Place) -> Option<(u32, u32)> {
    let room = place.room.as_deref()?;
    if !(3..=4).contains(&room.len()) || !room.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number: u32 = room.parse().ok()?;
    Some((number / 100, number % 100))
}
