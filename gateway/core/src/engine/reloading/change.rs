//! Two configurations side by side: what goes on, what begins anew, and what must not change while it runs.
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use shouwang_message::{Id, StationInfo, Text};

use super::super::Engine;
use super::No;
use crate::alarm::Alarm;
use crate::configuration::{Configuration, DeviceIndex, DeviceSettings, LineIndex, OutputIndex};

/// Where a device of the new configuration comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is asked and judged as before; at most its place is another.
    Same(DeviceIndex),
    /// It is asked as before, and judged or calibrated otherwise.
    Tuned(DeviceIndex),
    /// Another line, unit id, model or unit under the same id.
    Renewed(DeviceIndex),
    New,
}

/// How the new configuration follows from the one in force, by the new one's indexes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) lines: Vec<Option<LineIndex>>,
    pub(super) devices: Vec<Origin>,
    pub(super) outputs: Vec<Option<OutputIndex>>,
}

impl Origin {
    pub(super) fn before(self) -> Option<DeviceIndex> {
        match self {
            Self::Same(before) | Self::Tuned(before) | Self::Renewed(before) => Some(before),
            Self::New => None,
        }
    }

    /// The device before, if it is still the same to its line.
    pub(super) fn asked_before(self) -> Option<DeviceIndex> {
        match self {
            Self::Same(before) | Self::Tuned(before) => Some(before),
            Self::Renewed(_) | Self::New => None,
        }
    }
}

impl Change {
    pub(super) fn between(old: &Configuration, new: &Configuration) -> Self {
        let lines = new.lines.iter().map(|line| old.lines.iter().position(|known| known == line));
        let devices = new.devices.iter().map(|device| {
            let Some(before) = old.devices.iter().position(|known| known.id == device.id) else {
                return Origin::New;
            };
            match old.devices.get(before) {
                Some(known) if is_asked_alike(old, known, new, device) => {
                    let is_judged_alike = known.conditions == device.conditions
                        && known.installed == device.installed
                        && stations_of(old, &device.id).eq(stations_of(new, &device.id));
                    if is_judged_alike { Origin::Same(before) } else { Origin::Tuned(before) }
                }
                _ => Origin::Renewed(before),
            }
        });
        let outputs = new.outputs.iter().map(|output| {
            old.outputs.iter().position(|known| {
                let names = [(old, known.device), (new, output.device)]
                    .map(|(all, device)| all.devices.get(device).map(|device| &device.id));
                let points = [(old, known), (new, output)].map(|(all, output)| {
                    let device = all.devices.get(output.device)?;
                    device.profile.points.get(output.point)
                });
                known.name == output.name && names[0] == names[1] && points[0] == points[1]
            })
        });
        Self { lines: lines.collect(), devices: devices.collect(), outputs: outputs.collect() }
    }

    /// The line's index in the new configuration, if it goes on.
    pub(super) fn line_after(&self, before: LineIndex) -> Option<LineIndex> {
        self.lines.iter().position(|line| *line == Some(before))
    }

    pub(super) fn is_kept(&self, before: LineIndex) -> bool {
        self.line_after(before).is_some()
    }
}

/// The stations that this device measures for.
fn stations_of<'a>(all: &'a Configuration, device: &'a Id) -> impl Iterator<Item = &'a StationInfo> {
    all.stations.iter().filter(move |station| station.device.as_ref() == Some(device))
}

/// Both are known by their numbers, and these differ.
fn is_another_unit(known: &DeviceSettings, device: &DeviceSettings) -> bool {
    let numbers = (&known.installed.serial_no, &device.installed.serial_no);
    matches!(numbers, (Some(before), Some(own)) if before != own)
}

/// The line that both are on has the same name, and they are asked the same by the same unit id. The line itself
/// may be opened anew.
fn is_asked_alike(
    old: &Configuration,
    known: &DeviceSettings,
    new: &Configuration,
    device: &DeviceSettings,
) -> bool {
    let lines = (old.lines.get(known.line), new.lines.get(device.line));
    matches!(lines, (Some(one), Some(other)) if one.name == other.name)
        && known.unit_id == device.unit_id
        && !is_another_unit(known, device)
        && known.profile == device.profile
}

impl Engine {
    /// Why this configuration cannot follow the one in force: all of it is refused then.
    pub(super) fn find_obstacle(&self, new: &Configuration, change: &Change) -> Option<No> {
        let old = &self.configuration;
        let fixed = [
            ("site", old.site == new.site),
            ("gateway", old.gateway == new.gateway),
            ("[sms]", old.sms == new.sms),
            ("[uplink] / [commands]", old.uplink == new.uplink),
        ];
        let changed = fixed.iter().filter(|(_, is_same)| !is_same).map(|(key, _)| String::from(*key));
        let changed: Vec<String> = changed.collect();
        if !changed.is_empty() {
            return Some(needs_restart(&changed));
        }
        self.alarms.iter().find_map(|alarm| self.vanishes(alarm, new)).or_else(|| self.stays_on(new, change))
    }

    /// An open alarm that nobody would judge any more.
    fn vanishes(&self, alarm: &Alarm, new: &Configuration) -> Option<No> {
        let document = &alarm.document;
        let judges = |all: &Configuration| {
            all.devices.iter().any(|settings| {
                settings.id == document.device && settings.condition(&document.condition).is_some()
            })
        };
        // What is watched by nobody already loses nothing.
        if judges(new) || !judges(&self.configuration) {
            return None;
        }
        let (device, condition) = (&document.device, &document.condition);
        Some(No::new(
            "open_alarm",
            format!(
                "设备 {device} 有未办结的报警({condition}:{}),配置未更换;请先办结报警,再删除或更换该设备",
                document.text.zh
            ),
            format!(
                "device {device} has an open alarm ({condition}: {}), so the old configuration stays; finish the alarm first, then take the device away",
                document.text.en
            ),
        ))
    }

    /// An output that is on and would be nobody's: it would sound for ever.
    fn stays_on(&self, new: &Configuration, change: &Change) -> Option<No> {
        let old = &self.configuration;
        let (index, _) = self.switches.iter().enumerate().find(|(index, switch)| {
            let device = old.outputs.get(*index).and_then(|output| old.devices.get(output.device));
            let goes_on =
                change.outputs.iter().position(|output| *output == Some(*index)).is_some_and(|after| {
                    // Another wire to the same device would leave what is at the old one as it is.
                    let device_after = new.outputs.get(after).map(|output| output.device);
                    let origin = device_after.and_then(|device| change.devices.get(device));
                    origin.is_some_and(|origin| origin.asked_before().is_some())
                });
            device.is_some() && switch.may_be_on() && !goes_on
        })?;
        let name = &old.outputs.get(index)?.name;
        Some(No::new(
            "output_on",
            format!("输出 {name} 正开着,配置未更换;请先消音或关闭它,再更换配置"),
            format!("output {name} is on, so the old configuration stays; silence it or switch it off first"),
        ))
    }
}

pub(super) fn needs_restart(keys: &[String]) -> No {
    let (zh, en) = (keys.join("、"), keys.join(", "));
    No {
        code: "needs_restart",
        text: Text::new(
            format!("{zh} 只能在重启后更改,配置未更换;请改回去,或重启网关"),
            format!(
                "{en} can only change by a restart, so the old configuration stays; change it back or restart the gateway"
            ),
        ),
    }
}
