//! Checks of the river stations: lines that rise, and a device that measures in the same datum.
use std::collections::BTreeMap;

use shouwang_catalog::strict::Step;
use shouwang_core::configuration::DeviceSettings;
use shouwang_core::meter::{Measured, MeterSettings};
use shouwang_core::profile::Measures;
use shouwang_message::{Id, LineRule, RainGauge, StationInfo, Text};

use super::check::{At, Check, Taken};
use super::draft::{Device, Meter, Station, StationLines, StationRange, StationRule};

/// As they are written, and those that are sound.
type Meters<'a> = (&'a [Meter], &'a [MeterSettings]);

/// How a line is held and left unless its rule says otherwise (the filter table of rules.md, level).
const USUAL: LineRule = LineRule { deadband_m: 0.03, on_delay_s: 60, off_delay_s: 600 };

/// A device in another datum than its station is read in the station's: its zero stands so much higher there.
pub(super) fn raise_to_datum(drafts: &[Station], devices: &mut [DeviceSettings]) {
    for draft in drafts {
        let (Some(name), Some(offset_m)) = (&draft.device, draft.datum_offset_m) else { continue };
        let Some(device) = devices.iter_mut().find(|device| device.id.as_str() == name) else { continue };
        let installed = &mut device.installed;
        for zero_m in [&mut installed.datum_m, &mut installed.mounting_height_m] {
            *zero_m = zero_m.map(|zero_m| zero_m + offset_m);
        }
        installed.datum.clone_from(&draft.datum);
    }
}

impl Check<'_> {
    pub(super) fn stations(
        &mut self,
        drafts: &[Station],
        all_devices: &[Device],
        devices: &[DeviceSettings],
        meters: Meters<'_>,
    ) -> Vec<StationInfo> {
        let (mut ids, mut measured) = (Taken::new(), Taken::new());
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
            if let (Some(device), Some(point)) = (&device, &draft.point) {
                let what = Text::new("这个点已经属于一个站", "this point belongs to a station already");
                self.once(&mut measured, (device.clone(), point.clone()), &key("point"), &what);
            }
            let rules = self.station_rules(&key("rule"), draft);
            let range_m = draft.range_m.as_ref().and_then(|range| self.station_range(&key("range_m"), range));
            if let (Some(lines), Some(range)) = (&lines, range_m) {
                self.lines_within(&key("lines"), lines, range);
            }
            let rain = draft.rain.as_ref().and_then(|name| self.rain(&key("rain"), name, meters, devices));
            if let (Some(id), Some(name), Some(datum), Some(lines)) = (id, name, datum, lines) {
                let point = device.as_ref().and(draft.point.clone());
                stations.push(StationInfo {
                    id,
                    name,
                    device,
                    point,
                    datum,
                    lines,
                    rules,
                    interval_s: draft.interval_s,
                    range_m,
                    flat_after_s: draft.flat_after_s,
                    rain,
                });
            }
        }
        stations
    }

    fn rain(
        &mut self,
        at: At<'_>,
        name: &str,
        (all_meters, meters): Meters<'_>,
        devices: &[DeviceSettings],
    ) -> Option<RainGauge> {
        let names = all_meters.iter().filter_map(|meter| meter.id.as_deref());
        self.known(at, name, ("表", "meter"), names)?;
        let meter = meters.iter().find(|meter| meter.id.as_str() == name)?;
        if meter.measured != Measured::Rain {
            self.wrong(
                at,
                Text::new(format!("{name} 是水表"), format!("{name} is a water meter")),
                Text::new("写一个雨量筒", "name a rain gauge"),
            );
            return None;
        }
        Some(RainGauge { device: devices.get(meter.device)?.id.clone(), meter: meter.id.clone() })
    }

    /// Rising from line to line, so that a higher colour never comes before a lower one.
    fn station_lines(&mut self, at: At<'_>, draft: &StationLines) -> BTreeMap<String, f64> {
        let mut lines = BTreeMap::new();
        let ladders: [&[(&'static str, Option<f64>)]; 3] = [
            &[
                ("design", draft.design),
                ("warning", draft.warning),
                ("guarantee", draft.guarantee),
                ("record", draft.record),
            ],
            &[("near", draft.near), ("warning", draft.warning)],
            &[("prepare", draft.prepare), ("evacuate", draft.evacuate)],
        ];
        for ladder in ladders {
            let mut below: Option<(&str, f64)> = None;
            for (name, metres) in ladder {
                let Some(metres) = *metres else { continue };
                if let Some((lower, _)) = below.filter(|(_, below)| metres <= *below) {
                    self.wrong(
                        &[at, &[Step::Key(name)]].concat(),
                        Text::new(format!("{name} 应高于 {lower}"), format!("{name} must be above {lower}")),
                        Text::new(
                            "核对水位线，或去掉没有的",
                            "check the levels, or leave out what there is not",
                        ),
                    );
                }
                below = Some((name, metres));
                lines.insert((*name).to_owned(), metres);
            }
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

    /// Of lines that the station has.
    fn station_rules(&mut self, at: At<'_>, draft: &Station) -> BTreeMap<String, LineRule> {
        let of = |lines: &StationLines| {
            [
                ("design", lines.design),
                ("warning", lines.warning),
                ("guarantee", lines.guarantee),
                ("record", lines.record),
                ("near", lines.near),
                ("prepare", lines.prepare),
                ("evacuate", lines.evacuate),
            ]
        };
        let lines = draft.lines.as_ref().map(of).unwrap_or_default();
        let there = lines.iter().filter(|(_, metres)| metres.is_some()).map(|(name, _)| *name);
        let mut rules = BTreeMap::new();
        for (name, rule) in &draft.rule {
            let at = [at, &[Step::Key(name)]].concat();
            if self.known(&at, name, ("水位线", "line"), there.clone()).is_some() {
                let StationRule { deadband_m, on_delay_s, off_delay_s } = rule;
                let rule = LineRule {
                    deadband_m: deadband_m.unwrap_or(USUAL.deadband_m),
                    on_delay_s: on_delay_s.unwrap_or(USUAL.on_delay_s),
                    off_delay_s: off_delay_s.unwrap_or(USUAL.off_delay_s),
                };
                rules.insert(name.clone(), rule);
            }
        }
        rules
    }

    fn station_range(&mut self, at: At<'_>, draft: &StationRange) -> Option<(f64, f64)> {
        let range = draft.low.zip(draft.high)?;
        if range.0 >= range.1 {
            self.wrong(
                &[at, &[Step::Key("high")]].concat(),
                Text::new("high 应高于 low", "high must be above low"),
                Text::new(
                    "写本站可能的最低和最高水位",
                    "write the lowest and the highest stage that can be here",
                ),
            );
            return None;
        }
        Some(range)
    }

    /// A reading outside the range counts for nothing, so a line out there could never be reached.
    fn lines_within(&mut self, at: At<'_>, lines: &BTreeMap<String, f64>, (low, high): (f64, f64)) {
        for (name, metres) in lines {
            if !(low..=high).contains(metres) {
                self.wrong(
                    &[at, &[Step::Key(name)]].concat(),
                    Text::new(
                        format!("{name} 在 range_m 之外，永远报不了警"),
                        format!("{name} lies outside range_m and could never be told"),
                    ),
                    Text::new("放宽 range_m，或核对水位线", "widen range_m, or check the line"),
                );
            }
        }
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
        let is_other = draft.datum.is_some() && installed.datum != draft.datum;
        if draft.datum_offset_m.is_some() && draft.datum.is_some() && !is_other {
            self.wrong(
                &key("datum_offset_m"),
                Text::new(
                    format!("设备 {name} 已经在这个基面里"),
                    format!("device {name} is in this datum already"),
                ),
                Text::new("去掉 datum_offset_m", "take out datum_offset_m"),
            );
        }
        let point = device.profile.points.iter().find(|known| known.name == *point);
        if draft.datum_offset_m.is_some() && point.is_some_and(|point| point.measures == Measures::Itself) {
            self.wrong(
                &key("datum_offset_m"),
                Text::new(
                    format!("设备 {name} 自己报高程，加不上高差"),
                    format!("device {name} tells a height of its own, to which none can be added"),
                ),
                Text::new(
                    "在设备上设好零点，去掉 datum_offset_m",
                    "set its zero in the device, and take out datum_offset_m",
                ),
            );
        }
        if let Some(datum) = &draft.datum
            && ((is_other && draft.datum_offset_m.is_none()) || zero.is_none())
        {
            self.wrong(
                &key("datum"),
                Text::new(
                    format!("设备 {name} 没有说明它的零点在这个基面里多高"),
                    format!("device {name} does not say how high its zero is in this datum"),
                ),
                Text::new(
                    format!(
                        "在设备上写 datum = {datum:?} 和 datum_m（零点高程，米），或给本站写 datum_offset_m（加到它的读数上，米）"
                    ),
                    format!(
                        "give the device datum = {datum:?} and datum_m (height of its zero, m), or the station a \
                         datum_offset_m (added to its readings, m)"
                    ),
                ),
            );
        }
        Some(device.id.clone())
    }
}
