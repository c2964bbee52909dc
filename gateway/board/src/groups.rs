//! Rows told as one: the devices lost on a line, several gateways lost at a time. What is in a group stays in the list
//! by itself, marked; no alarm that must be seen in full is in any.
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Value, json};
use shouwang_message::{Acknowledged, AlarmId, DeviceState, Id, Mode, Place, Priority, Text, Timestamp};

use crate::board::{Board, Effect, Gateway};
use crate::flood::{building_name, by_class, first_of};
use crate::requests::refused;
use crate::row::{Order, Row, RowKind};
use crate::sounding::Sound;
use crate::trust::shown;
use crate::watching::LINE_DOWN;
use crate::{Asked, GatewayName, Outcome, Request};

/// Lost devices of one line that are told as one.
const DEVICES: usize = 2;
/// Rows of one building that a flood folds.
const ROWS: usize = 2;
/// Gateways lost at a time that are told as one.
const GATEWAYS: usize = 3;
/// Members and devices named with a group's row; the rest is counted.
const NAMED: usize = 100;

/// What makes rows belong together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Line(GatewayName, Id),
    Gateways,
    /// In a flood: a site's building, if the place is in one.
    Building(Id, Option<String>),
}

/// Rows that are told as one.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    pub(crate) id: AlarmId,
    of: Of,
    /// Oldest first.
    members: Vec<&'a Row>,
    /// By the worst of them that nobody acknowledged.
    pub(crate) place: Order,
}

/// All groups of the list, and which row is in which.
#[derive(Debug)]
pub(crate) struct Groups<'a> {
    pub(crate) all: Vec<Group<'a>>,
    of_row: BTreeMap<AlarmId, usize>,
}

impl<'a> Groups<'a> {
    pub(crate) fn of(&self, row: AlarmId) -> Option<&Group<'a>> {
        self.all.get(*self.of_row.get(&row)?)
    }
}

impl Board {
    pub(crate) fn groups(&self) -> Groups<'_> {
        let mut found: BTreeMap<Of, Vec<&Row>> = BTreeMap::new();
        for row in self.rows.values() {
            if let Some(of) = self.belongs_in(row) {
                found.entry(of).or_default().push(row);
            }
        }
        let mut groups = Groups { all: Vec::new(), of_row: BTreeMap::new() };
        for (of, mut members) in found {
            let is_group = match &of {
                Of::Line(whom, line) => self.lost_on(whom, line, &members).len() >= DEVICES,
                Of::Gateways => members.len() >= GATEWAYS,
                Of::Building(..) => members.len() >= ROWS,
            };
            let acknowledged = acknowledged(&members).is_some();
            let worst = members.iter().map(|row| row.order(acknowledged)).min();
            if let Some(worst) = worst.filter(|_| is_group) {
                members.sort_by_key(|row| (row.raised_at(), row.id()));
                groups.of_row.extend(members.iter().map(|row| (row.id(), groups.all.len())));
                let id = of.id();
                groups.all.push(Group { id, of, members, place: worst.of_group(id) });
            }
        }
        groups
    }

    fn belongs_in(&self, row: &Row) -> Option<Of> {
        if row.priority() == Priority::Emergency {
            return None;
        }
        if let Some(document) = row.alarm_document() {
            let building = || Of::Building(row.site.clone(), document.place.building.clone());
            return self.is_flooded(row).then(building);
        }
        let document = row.fault_document().filter(|document| document.active && !row.finished)?;
        match row.kind {
            RowKind::Gateway => (document.code == "gateway_lost").then_some(Of::Gateways),
            RowKind::Fault if row.is_loss() => Some(Of::Line(row.whom(), self.line_of(row)?)),
            _ => None,
        }
    }

    /// The line that a fault is about, or on which its device is.
    pub(crate) fn line_of(&self, row: &Row) -> Option<Id> {
        let document = row.fault_document()?;
        let of_device =
            || self.gateways.get(&row.whom())?.devices.get(document.device.as_ref()?)?.line.clone();
        document.line.clone().or_else(of_device)
    }

    /// The devices of this line that do not answer, by what they are said to be and by their rows.
    fn lost_on<'a>(&'a self, whom: &GatewayName, line: &Id, rows: &[&'a Row]) -> Vec<&'a Id> {
        let devices = self.gateways.get(whom).into_iter().flat_map(|gateway| &gateway.devices);
        let is_lost = |state: DeviceState| state == DeviceState::Lost;
        let said = devices.filter(|(_, device)| {
            device.line.as_ref() == Some(line)
                && device.state.as_ref().is_some_and(|said| is_lost(said.state))
        });
        let mut lost: Vec<&Id> = said.map(|(id, _)| id).collect();
        lost.extend(rows.iter().filter_map(|row| row.device()));
        lost.sort();
        lost.dedup();
        lost
    }

    /// The group's row: the same fields as any other, and what is in it.
    pub(crate) fn group_item(&self, group: &Group<'_>) -> Value {
        let own = self.own_name();
        let whom = match &group.of {
            Of::Line(whom, _) => whom,
            Of::Gateways | Of::Building(..) => &own,
        };
        let line = match &group.of {
            Of::Line(_, line) => Some(line),
            Of::Gateways | Of::Building(..) => None,
        };
        let gateway = self.gateways.get(whom);
        let lost = line.map(|line| self.lost_on(whom, line, &group.members)).unwrap_or_default();
        let count = if line.is_some() { lost.len() } else { group.members.len() };
        let raised_at: Option<Timestamp> = group.members.iter().map(|row| row.raised_at()).min();
        let priority = group.members.iter().map(|row| row.priority()).min().unwrap_or(Priority::Ordinary);
        let members: Vec<AlarmId> = group.members.iter().take(NAMED).map(|row| row.id()).collect();
        let acknowledged = acknowledged(&group.members);
        let sound = match acknowledged {
            Some(_) => Sound::None,
            None => self.at_night(Sound::of(priority, Mode::Live)),
        };
        let mut item = json!({
            "id": group.id, "revision": 0, "gateway": whom.gateway, "device": null, "line": line,
            "condition": group.of.as_str(), "class": null, "priority": priority, "mode": "live", "active": true,
            "acknowledged": acknowledged, "latched": false, "shelved": null,
            "suppressed": null, "out_of_service": null, "occurrence": 1, "raised_at": raised_at,
            "cleared_at": null, "clock": "synced", "value": null, "limit": null, "unit": null,
            "place": Place::default(), "text": group.of.text(count), "unlogged": false,
        });
        let Some(fields) = item.as_object_mut() else { return item };
        let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
        for name in ["device_state", "case", "conclusion", "refused", "in_group", "chatter", "cry"] {
            set(name, Value::Null);
        }
        for name in ["pending", "provisional", "gateway_lost", "explained", "finished"] {
            set(name, json!(false));
        }
        set("kind", json!("group"));
        set("site", json!(whom.site));
        set("gateway_name", json!(gateway.and_then(|gateway| gateway.title.as_deref()).map(shown)));
        set("count", json!(count));
        set("sound", json!(sound.as_str()));
        set("members", json!(members));
        set("devices", json!(gateway.map(|gateway| devices(gateway, &lost))));
        if let Of::Building(site, building) = &group.of {
            let classes = by_class(&group.members);
            // A new class in a building sounds once; the flood itself is no reason to sound without end.
            let cries: Vec<String> =
                classes.keys().map(|class| alloc::format!("{}/{class}", group.id)).collect();
            let name = building.as_deref().map(building_name);
            set("site", json!(site));
            set("place", json!(Place { name, ..Place::default() }));
            set("classes", json!(classes));
            set("first", json!(first_of(&group.members)));
            set("sound_once", json!(true));
            set("cries", json!(cries));
        }
        item
    }

    /// The devices that a lost gateway leaves unwatched, for its row: named, and how many there are.
    pub(crate) fn devices_of(&self, row: &Row) -> Option<(Value, usize)> {
        let gateway = self.gateways.get(&row.whom()).filter(|_| row.kind == RowKind::Gateway)?;
        let all: Vec<&Id> = gateway.devices.keys().collect();
        Some((devices(gateway, &all), all.len()))
    }

    /// A person has seen what a group tells: each of its rows is acknowledged, and logged, by itself.
    pub(crate) fn acknowledge_group(&mut self, ticket: u64, asked: &Asked) -> Result<(), Outcome> {
        let groups = self.groups();
        let group = groups.all.iter().find(|group| group.id == asked.alarm).ok_or(Outcome::Unknown)?;
        if asked.request != Request::Acknowledge {
            return Err(refused("not_an_alarm", "故障和缺口只能确认", "This can only be acknowledged"));
        }
        if matches!(group.of, Of::Building(..)) {
            return Err(refused("one_by_one", "请展开后逐条确认", "Open it and acknowledge one by one"));
        }
        if let Some(acknowledged) = acknowledged(&group.members) {
            return Err(Outcome::AlreadyAcknowledged { acknowledged, row: self.group_item(group).into() });
        }
        if self.room() == 0 {
            return Err(refused("busy", "存储繁忙,请稍后再试", "The disk is behind: try again soon"));
        }
        let unseen = group.members.iter().filter(|row| row.acknowledged().is_none());
        let unseen: Vec<AlarmId> = unseen.map(|row| row.id()).collect();
        for alarm in &unseen {
            let asked = Asked { alarm: *alarm, ..asked.clone() };
            self.log_request(&asked);
            self.acknowledge_here(&asked);
        }
        let member = unseen.first().copied().unwrap_or(asked.alarm);
        self.effects.push(Effect::GroupAnswer { ticket, id: asked.alarm, member });
        Ok(())
    }

    /// The row with this id, or the rows of the group with it.
    pub(crate) fn rows_told_by(&self, id: AlarmId) -> Vec<AlarmId> {
        if self.rows.contains_key(&id) {
            return alloc::vec![id];
        }
        let groups = self.groups();
        let group = groups.all.iter().find(|group| group.id == id);
        group.map(|group| group.members.iter().map(|row| row.id()).collect()).unwrap_or_default()
    }

    /// The row of a group as it is; of one of its members if there is no group any more.
    pub(crate) fn group_or_row(&self, id: AlarmId, member: AlarmId) -> Option<Value> {
        let groups = self.groups();
        match groups.all.iter().find(|group| group.id == id) {
            Some(group) => Some(self.group_item(group)),
            None => self.find(member).map(|row| self.item_in(row, &groups)),
        }
    }
}

/// All of it was seen: by whom last.
fn acknowledged(members: &[&Row]) -> Option<Acknowledged> {
    let all = members.iter().map(|row| row.acknowledged());
    all.reduce(|one, other| if one?.at >= other?.at { one } else { other })?.cloned()
}

fn devices(gateway: &Gateway, ids: &[&Id]) -> Value {
    let named = ids.iter().take(NAMED).map(|id| {
        let device = gateway.devices.get(*id);
        let place = device.map(|device| {
            let short = |text: &Option<alloc::string::String>| text.as_deref().map(shown);
            let place = &device.place;
            json!({"building": short(&place.building), "entrance": short(&place.entrance),
                "room": short(&place.room), "name": short(&place.name)})
        });
        let title = device.and_then(|device| device.title.as_ref());
        let title = title.map(|title| Text::new(shown(&title.zh), shown(&title.en)));
        let class = device.and_then(|device| device.class);
        json!({ "id": id, "class": class, "title": title, "place": place })
    });
    named.collect()
}

impl Of {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Line(..) => "devices_lost",
            Self::Gateways => "gateways_lost",
            Self::Building(..) => "flood",
        }
    }

    fn text(&self, count: usize) -> Text {
        match self {
            Self::Line(_, line) => Text::new(
                alloc::format!("线路 {line} {count} 台失联"),
                alloc::format!("Line {line}: {count} devices lost"),
            ),
            Self::Gateways => {
                Text::new(alloc::format!("{count} 台网关失联"), alloc::format!("{count} gateways lost"))
            }
            Self::Building(..) => {
                Text::new(alloc::format!("{count} 条报警"), alloc::format!("{count} alarms"))
            }
        }
    }

    /// The same group has the same id for as long as it lasts, whoever joins or leaves it: FNV-1a over what it is of.
    /// No alarm has such an id: theirs begin with a time.
    fn id(&self) -> AlarmId {
        let name = match self {
            Self::Line(whom, line) => alloc::format!("line {}/{}/{line}", whom.site, whom.gateway),
            Self::Gateways => "gateways".into(),
            Self::Building(site, Some(building)) => alloc::format!("building {site}/{building}"),
            Self::Building(site, None) => alloc::format!("building {site}"),
        };
        let mut hash: u128 = 0x6C62_272E_07BB_0142_62B8_2175_6295_C58D;
        for byte in name.bytes() {
            hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013B);
        }
        AlarmId::from_parts(0, hash)
    }
}

impl Row {
    /// A device or a line that does not answer.
    pub(crate) fn is_loss(&self) -> bool {
        self.fault_document().is_some_and(|document| match &document.device {
            // Of all faults of a device only that of its silence names the line.
            Some(_) => document.line.is_some() || document.code == "device_lost",
            None => document.line.is_some() && document.code == LINE_DOWN,
        })
    }

    pub(crate) fn raised_at(&self) -> Timestamp {
        match self.alarm_document() {
            Some(document) => document.raised_at,
            None => self.fault_document().map_or(Timestamp::from_unix_ms(0), |document| document.raised_at),
        }
    }
}
