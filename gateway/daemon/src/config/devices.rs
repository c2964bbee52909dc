//! Checks of the devices against the lines and the profiles, and of the lines against all their devices.
use std::time::Duration;

use shouwang_catalog::strict::Step;
use shouwang_catalog::{Complaint, installed_complaints, tune};
use shouwang_core::configuration::{DeviceSettings, Installed, LineKind, LineSettings};
use shouwang_core::plan::{Plan, alarm_round};
use shouwang_core::profile::{Condition, Profile};
use shouwang_message::{DeviceCode, Place, Text};
use toml::value::Datetime;

use super::check::{At, Check, Taken};
use super::draft::{self, Device};
use super::profiles::Profiles;

/// A line on which an alarm could wait longer is refused (contract.md).
const LONGEST_ALARM_ROUND: Duration = Duration::from_secs(4);

impl Check<'_> {
    /// Those that are sound so far as to be judged further; the others are told.
    pub(super) fn devices(
        &mut self,
        drafts: &[Device],
        lines: &[LineSettings],
        profiles: &Profiles,
    ) -> Vec<DeviceSettings> {
        let (mut ids, mut unit_ids) = (Taken::new(), Taken::new());
        let mut devices = Vec::new();
        for (index, draft) in drafts.iter().enumerate() {
            let key = |key| [Step::Key("device"), index.into(), Step::Key(key)];
            if let Some(id) = &draft.id {
                let what = Text::new("设备编号重复", "this device id is taken");
                self.once(&mut ids, id.clone(), &key("id"), &what);
            }
            let line = draft.line.as_ref().and_then(|name| {
                let names = lines.iter().map(|line| line.name.as_str());
                self.known(&key("line"), name, ("线", "line"), names)
            });
            if let (Some(line), Some(unit_id)) = (line, draft.unit_id) {
                let what = Text::new("同一条线上设备地址重复", "this unit id is taken on its line");
                self.once(&mut unit_ids, (line, unit_id), &key("unit_id"), &what);
            }
            devices.extend(self.device(index, draft, line, lines, profiles));
        }
        devices
    }

    fn device(
        &mut self,
        index: usize,
        draft: &Device,
        line: Option<usize>,
        lines: &[LineSettings],
        profiles: &Profiles,
    ) -> Option<DeviceSettings> {
        let device: At<'_> = &[Step::Key("device"), index.into()];
        let key = |key| [device[0], device[1], Step::Key(key)];
        let id = self.id(&key("id"), draft.id.as_ref());
        let place = self.place(device, &draft.place);
        let name = draft.profile.as_ref()?;
        let Some(profile) = profiles.get(name) else {
            self.unknown(&key("profile"), name, ("型号", "profile"), profiles.closest(name));
            return None;
        };
        if let (Some(unit_id), Some(line)) = (draft.unit_id, line.and_then(|line| lines.get(line))) {
            self.unit_id(&key("unit_id"), unit_id, line.kind, profile);
        }
        let conditions = self.conditions(device, draft, profile);
        let installed = self.installed(device, draft, profile);
        Some(DeviceSettings {
            id: id?,
            line: line?,
            unit_id: draft.unit_id?,
            profile: profile.clone(),
            conditions,
            place,
            installed,
        })
    }

    /// What each device's label says, by the device's index.
    pub(super) fn codes(&mut self, drafts: &[Device]) -> Vec<Option<DeviceCode>> {
        let mut taken = Taken::new();
        let codes = drafts.iter().enumerate().map(|(index, draft)| {
            let at = [Step::Key("device"), index.into(), Step::Key("code")];
            let written = draft.code.as_ref()?;
            let code: Result<DeviceCode, _> = written.parse();
            match &code {
                Ok(code) => {
                    self.once(&mut taken, *code, &at, &Text::new("标签码重复", "this label's code is taken"));
                }
                Err(error) => self.wrong(
                    &at,
                    Text::new(format!("{written:?} 不是标签码"), error.to_string()),
                    Text::new(
                        "照标签重抄;没有标签就删掉这一行,再用 shouwang label --assign",
                        "copy it from the label; without one delete the line, then shouwang label --assign",
                    ),
                ),
            }
            code.ok()
        });
        codes.collect()
    }

    /// 1 to 247. The reserved 248 to 255 only where somebody opted in: native Modbus TCP, where 255 means
    /// the server itself, or a profile whose maker uses them.
    fn unit_id(&mut self, at: At<'_>, unit_id: u8, line: LineKind, profile: &Profile) {
        let native_tcp = line == LineKind::Tcp { rtu_frames: false };
        if !(1..=247).contains(&unit_id) && !native_tcp && !profile.high_unit_ids {
            self.wrong(
                at,
                Text::new(
                    format!("设备地址 {unit_id} 是保留的"),
                    format!("the unit id {unit_id} is reserved"),
                ),
                Text::new("用 1 到 247", "use 1 to 247"),
            );
        }
    }

    fn conditions(&mut self, device: At<'_>, draft: &Device, profile: &Profile) -> Vec<Condition> {
        let mut conditions = profile.conditions.clone();
        for (name, tuning) in &draft.condition {
            let at = [device, &["condition".into(), Step::Key(name)]].concat();
            let names = profile.conditions.iter().map(|condition| condition.name.as_str());
            let Some(index) = self.known(&at, name, ("条件", "condition"), names) else { continue };
            if let Some(condition) = conditions.get_mut(index) {
                let complaints = tune(profile, condition, tuning);
                self.complain(&at, complaints);
            }
        }
        conditions
    }

    fn installed(&mut self, device: At<'_>, draft: &Device, profile: &Profile) -> Installed {
        let key = |key| [device, &[Step::Key(key)]].concat();
        let installed = Installed {
            datum: self.words(&key("datum"), draft.datum.as_ref()),
            datum_m: draft.datum_m,
            dry_offset_m: draft.dry_offset_m,
            mounting_height_m: draft.mounting_height_m,
            unit: draft.unit.clone(),
            frozen: draft.frozen.clone(),
            installed: self.date(&key("installed"), draft.installed),
            serial_no: self.words(&key("serial_no"), draft.serial_no.as_ref()),
        };
        self.complain(device, installed_complaints(profile, &installed));
        installed
    }

    fn complain(&mut self, table: At<'_>, complaints: Vec<Complaint>) {
        for Complaint { key, what, remedy } in complaints {
            self.wrong(&[table, &[Step::Key(key)]].concat(), what, remedy);
        }
    }

    fn date(&mut self, at: At<'_>, written: Option<Datetime>) -> Option<String> {
        match written? {
            Datetime { date: Some(date), time: None, offset: None } => Some(date.to_string()),
            _ => {
                self.wrong(
                    at,
                    Text::new("这里只要日期", "only a date belongs here"),
                    Text::new("写成 2026-05-01", "write it as 2026-05-01"),
                );
                None
            }
        }
    }

    pub(super) fn place(&mut self, device: At<'_>, draft: &draft::Place) -> Place {
        let mut words = |key, text: &Option<String>| {
            self.words(&[device, &["place".into(), Step::Key(key)]].concat(), text.as_ref())
        };
        Place {
            building: words("building", &draft.building),
            entrance: words("entrance", &draft.entrance),
            room: words("room", &draft.room),
            grid: words("grid", &draft.grid),
            name: words("name", &draft.name),
        }
    }

    pub(super) fn alarm_rounds(&mut self, lines: &[LineSettings], devices: &[DeviceSettings]) {
        for (index, round) in alarm_rounds(lines, devices).into_iter().enumerate() {
            if round > LONGEST_ALARM_ROUND {
                let seconds = round.as_secs_f64();
                self.wrong(
                    &[Step::Key("line"), index.into()],
                    Text::new(
                        format!("问一遍报警点要 {seconds:.1} s，超过 4 s"),
                        format!("one round over its alarm points takes {seconds:.1} s, more than 4 s"),
                    ),
                    Text::new(
                        "提高波特率，或把设备分到几条线上",
                        "raise the baud rate, or divide the devices between several lines",
                    ),
                );
            }
        }
    }
}

/// The contract's alarm round of each line: how long it takes at worst to ask every alarm point once.
pub(super) fn alarm_rounds(lines: &[LineSettings], devices: &[DeviceSettings]) -> Vec<Duration> {
    let rounds = lines.iter().enumerate().map(|(index, line)| {
        let planned: Vec<_> = devices
            .iter()
            .filter(|device| device.line == index)
            .map(|device| (device, Plan::new(device, line)))
            .collect();
        alarm_round(line, planned.iter().map(|(device, plan)| (*device, plan)))
    });
    rounds.collect()
}
