//! Checks of the river stations: lines that rise, and a device that measures in the same datum.
use std::collections::BTreeMap;

use shouwang_catalog::strict::Step;
use shouwang_core::configuration::DeviceSettings;
use shouwang_message::{Id, StationInfo, Text};

use super::check::{At, Check, Taken};
use super::draft::{Device, Station, StationLines};

impl Check<'_> {
    pub(super) fn stations(
        &mut self,
        drafts: &[Station],
        all_devices: &[Device],
        devices: &[DeviceSettings],
    ) -> Vec<StationInfo> {
        let mut ids = Taken::new();
        let mut stations = Vec::new();
        for (index, draft) in drafts.iter().enumerate() {
            let key = |key| [Step::Key("station"), index.into(), Step::Key(key)];
            if let Some(id) = &draft.id {
                let what = Text::new("站点编号重复", "this station id is taken");
                self.once(&mut ids, id.clone(), &key("id"), &what);
            }
            let id = self.id(&key("id"), draft.id.as_ref());
            let name = self.words(&key("name"), draft.name.as_ref());
            let datum = self.words(&key("datum"), draft.datum.as_ref());
            let lines = draft.lines.as_ref().map(|lines| self.station_lines(&key("lines"), lines));
            let device = self.measured_by(index, draft, all_devices, devices);
            if let (Some(id), Some(name), Some(datum), Some(lines)) = (id, name, datum, lines) {
                let point = device.as_ref().and(draft.point.clone());
                let (rules, interval_s) = (BTreeMap::new(), None);
                stations.push(StationInfo { id, name, device, point, datum, lines, rules, interval_s });
            }
        }
        stations
    }

    /// Rising from line to line, so that a higher colour never comes before a lower one.
    fn station_lines(&mut self, at: At<'_>, draft: &StationLines) -> BTreeMap<String, f64> {
        let mut lines = BTreeMap::new();
        let mut below: Option<(&str, f64)> = None;
        for (name, metres) in [
            ("design", draft.design),
            ("warning", draft.warning),
            ("guarantee", draft.guarantee),
            ("record", draft.record),
        ] {
            let Some(metres) = metres else { continue };
            if let Some((lower, _)) = below.filter(|(_, below)| metres <= *below) {
                self.wrong(
                    &[at, &[Step::Key(name)]].concat(),
                    Text::new(format!("{name} 应高于 {lower}"), format!("{name} must be above {lower}")),
                    Text::new("核对水位线，或去掉没有的", "check the levels, or leave out what there is not"),
                );
            }
            below = Some((name, metres));
            lines.insert(name.to_owned(), metres);
        }
        if lines.is_empty() {
            self.wrong(
                at,
                Text::new("一条水位线也没有", "there is no line"),
                Text::new("至少写 warning（警戒）", "write at least warning"),
            );
        }
        lines
    }

    /// The measuring device: known, with the point, and in the station's datum.
    fn measured_by(
        &mut self,
        index: usize,
        draft: &Station,
        all_devices: &[Device],
        devices: &[DeviceSettings],
    ) -> Option<Id> {
        let key = |key| [Step::Key("station"), index.into(), Step::Key(key)];
        let (name, point) = match (&draft.device, &draft.point) {
            (Some(name), Some(point)) => (name, point),
            (None, None) => return None,
            (device, _) => {
                let (there, lacking) =
                    if device.is_some() { ("device", "point") } else { ("point", "device") };
                self.wrong(
                    &key(there),
                    Text::new(format!("有 {there} 却没有 {lacking}"), format!("{there} without {lacking}")),
                    Text::new(format!("加上 {lacking}"), format!("add {lacking}")),
                );
                return None;
            }
        };
        let device = self.named_device(&key("device"), name, all_devices, devices)?;
        let device = devices.get(device)?;
        let points = device.profile.points.iter().map(|point| point.name.as_str());
        self.known(&key("point"), point, ("点", "point"), points);
        let installed = &device.installed;
        let zero = installed.datum_m.or(installed.mounting_height_m);
        if let Some(datum) = &draft.datum
            && (installed.datum.as_ref() != Some(datum) || zero.is_none())
        {
            self.wrong(
                &key("datum"),
                Text::new(
                    format!("设备 {name} 没有说明它的零点在这个基面里多高"),
                    format!("device {name} does not say how high its zero is in this datum"),
                ),
                Text::new(
                    format!("在设备上写 datum = {datum:?} 和 datum_m（零点高程，米）"),
                    format!("give the device datum = {datum:?} and datum_m (height of its zero, m)"),
                ),
            );
        }
        Some(device.id.clone())
    }
}
