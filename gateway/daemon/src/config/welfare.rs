//! Checks of pulse meters and of the no-activity rules: counters that count, contacts that open and close, and a day
//! that has a beginning and an end.
use std::time::Duration;

use shouwang_catalog::strict::Step;
use shouwang_core::configuration::{DeviceIndex, DeviceSettings};
use shouwang_core::meter::{Measured, MeterSettings, counter_bits};
use shouwang_core::profile::{Kind, Point};
use shouwang_core::welfare::{Daytime, Sign, WelfareSettings};
use shouwang_message::{Place, Text};

use super::check::{At, Check, Taken};
use super::draft::{self, Day, Device, Meter, Welfare};

/// The design's: water < 0.01 m3 in 12 h, door < 1 in 24 h; movement is our own default.
const LEAST_M3: f64 = 0.01;
const WATER_S: u32 = 12 * 3600;
const DOOR_S: u32 = 24 * 3600;
const MOTION_S: u32 = 12 * 3600;
/// What is no night of the duty room's, in China's one time zone.
const DAY: Daytime = Daytime { from: 6 * 60, to: 22 * 60, utc_offset: 8 * 60 };

impl Check<'_> {
    pub(super) fn meters(
        &mut self,
        drafts: &[Meter],
        all_devices: &[Device],
        devices: &[DeviceSettings],
    ) -> Vec<MeterSettings> {
        let (mut ids, mut points) = (Taken::new(), Taken::new());
        let mut meters = Vec::new();
        for (index, draft) in drafts.iter().enumerate() {
            let key = |key| [Step::Key("meter"), index.into(), Step::Key(key)];
            if let Some(id) = &draft.id {
                self.once(
                    &mut ids,
                    id.clone(),
                    &key("id"),
                    &Text::new("表的编号重复", "this meter's id is taken"),
                );
            }
            let id = self.id(&key("id"), draft.id.as_ref());
            let name = self.words(&key("name"), draft.name.as_ref());
            let place = self.sensed(
                &[Step::Key("meter"), index.into()],
                (&draft.device, &draft.point),
                all_devices,
                devices,
            );
            let Some((device, point)) = place else { continue };
            let what = Text::new("这个点已经是另一块表", "this point is another meter already");
            self.once(&mut points, (device, point), &key("point"), &what);
            let profile = devices.get(device).map(|device| &device.profile);
            if profile.is_some_and(|profile| counter_bits(profile, point).is_none()) {
                self.no_counter(&key("point"), devices.get(device));
                continue;
            }
            if let (Some(id), Some(name), Some(measured), Some(per_pulse)) =
                (id, name, draft.measures, draft.per_pulse)
            {
                let measured = match measured {
                    draft::Measures::Rain => Measured::Rain,
                    draft::Measures::Water => Measured::Water,
                };
                meters.push(MeterSettings { id, name, device, point, measured, per_pulse });
            }
        }
        meters
    }

    fn no_counter(&mut self, at: At<'_>, device: Option<&DeviceSettings>) {
        let is_counter =
            |point: &&Point| matches!(point.kind, Kind::U16 | Kind::U32(_)) && point.unit.is_none();
        let counters =
            device.map(|device| device.profile.points.iter().filter(is_counter)).into_iter().flatten();
        let counters: Vec<&str> = counters.map(|point| point.name.as_str()).collect();
        let remedy = if counters.is_empty() {
            Text::new(
                "换一个带脉冲计数的输入模块(如 wirenboard-wb-mcm8 的 pulse_count_0)",
                "use an input module that counts pulses (pulse_count_0 of wirenboard-wb-mcm8, say)",
            )
        } else {
            let names = counters.join(" ");
            Text::new(format!("写计数的点:{names}"), format!("name a point that counts: {names}"))
        };
        self.wrong(
            at,
            Text::new(
                "这个点不是脉冲计数(16 或 32 位整数)",
                "this point is no pulse counter of 16 or 32 bits",
            ),
            remedy,
        );
    }

    /// The device and the point of a meter or a rule; what lacks is told by the schema.
    fn sensed(
        &mut self,
        table: At<'_>,
        (device, point): (&Option<String>, &Option<String>),
        all_devices: &[Device],
        devices: &[DeviceSettings],
    ) -> Option<(DeviceIndex, usize)> {
        let key = |key| [table, &[Step::Key(key)]].concat();
        let device = self.named_device(&key("device"), device.as_ref()?, all_devices, devices)?;
        let points = &devices.get(device)?.profile.points;
        let names = points.iter().map(|point| point.name.as_str());
        let point = self.known(&key("point"), point.as_ref()?, ("点", "point"), names)?;
        Some((device, point))
    }

    pub(super) fn welfare(
        &mut self,
        drafts: &[Welfare],
        all_meters: &[Meter],
        meters: &[MeterSettings],
        all_devices: &[Device],
        devices: &[DeviceSettings],
    ) -> Vec<WelfareSettings> {
        let mut ids = Taken::new();
        let mut rules = Vec::new();
        for (index, draft) in drafts.iter().enumerate() {
            let table: At<'_> = &[Step::Key("welfare"), index.into()];
            let key = |key| [table[0], table[1], Step::Key(key)];
            if let Some(id) = &draft.id {
                self.once(
                    &mut ids,
                    id.clone(),
                    &key("id"),
                    &Text::new("规则编号重复", "this rule's id is taken"),
                );
            }
            let id = self.id(&key("id"), draft.id.as_ref());
            let name = self.words(&key("name"), draft.name.as_ref());
            let place = self.place(table, &draft.place);
            let day = self.day(&key("day"), &draft.day);
            let sensed = match draft.sign {
                Some(draft::Sign::Water) => self.by_water(table, draft, all_meters, meters),
                Some(sign) => self.by_movement(table, draft, sign, all_devices, devices),
                None => None,
            };
            let (Some(id), Some(name), Some(day), Some(sensed)) = (id, name, day, sensed) else { continue };
            let place = if place == Place::default() {
                devices.get(sensed.device).map(|device| device.place.clone()).unwrap_or_default()
            } else {
                place
            };
            let Sensed { device, point, sign, least, usual_s, per_pulse } = sensed;
            let window = Duration::from_secs(draft.window_s.unwrap_or(usual_s).into());
            rules.push(WelfareSettings {
                id,
                name,
                place,
                device,
                point,
                sign,
                least,
                window,
                per_pulse,
                day,
            });
        }
        rules
    }

    fn by_water(
        &mut self,
        table: At<'_>,
        draft: &Welfare,
        all_meters: &[Meter],
        meters: &[MeterSettings],
    ) -> Option<Sensed> {
        let key = |key| [table, &[Step::Key(key)]].concat();
        for (there, name) in [
            (draft.device.is_some(), "device"),
            (draft.point.is_some(), "point"),
            (draft.least.is_some(), "least"),
        ] {
            if there {
                self.belongs_to(
                    &key(name),
                    name,
                    "door motion",
                    "用 meter 写明水表,least_m3 写用水量",
                    "name the water meter with meter, and the amount with least_m3",
                );
            }
        }
        let Some(name) = &draft.meter else {
            self.wrong(
                table,
                Text::new("按用水判断却没有写 meter(水表)", "judged by water, but no meter is named"),
                Text::new(
                    "加上 meter = \"水表的编号\",并用 [[meter]] 写明每个脉冲多少立方米",
                    "add meter = \"its id\", and a [[meter]] that says how many m3 a pulse is",
                ),
            );
            return None;
        };
        let names = all_meters.iter().filter_map(|meter| meter.id.as_deref());
        self.known(&key("meter"), name, ("表", "meter"), names)?;
        let meter = meters.iter().find(|meter| meter.id.as_str() == name)?;
        if meter.measured != Measured::Water {
            self.wrong(
                &key("meter"),
                Text::new(format!("{name} 是雨量筒"), format!("{name} is a rain gauge")),
                Text::new("写一块水表", "name a water meter"),
            );
            return None;
        }
        let least_m3 = draft.least_m3.unwrap_or(LEAST_M3);
        if meter.per_pulse > least_m3 {
            self.wrong(
                &key(if draft.least_m3.is_some() { "least_m3" } else { "meter" }),
                Text::new(
                    format!("{name} 每个脉冲 {} m³,看不出 {least_m3} m³ 的用水", meter.per_pulse),
                    format!(
                        "a pulse of {name} is {} m3: {least_m3} m3 cannot be told from none",
                        meter.per_pulse
                    ),
                ),
                Text::new(
                    "换脉冲更细的水表,或提高 least_m3",
                    "use a meter with finer pulses, or raise least_m3",
                ),
            );
            return None;
        }
        // A hair less than a whole number of pulses is that number.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates; positive by the schema"
        )]
        let least = ((least_m3 / meter.per_pulse - 1e-6).ceil() as u32).max(1);
        Some(Sensed {
            device: meter.device,
            point: meter.point,
            sign: Sign::Water,
            least,
            usual_s: WATER_S,
            per_pulse: Some(meter.per_pulse),
        })
    }

    fn by_movement(
        &mut self,
        table: At<'_>,
        draft: &Welfare,
        sign: draft::Sign,
        all_devices: &[Device],
        devices: &[DeviceSettings],
    ) -> Option<Sensed> {
        let key = |key| [table, &[Step::Key(key)]].concat();
        for (there, name) in [(draft.meter.is_some(), "meter"), (draft.least_m3.is_some(), "least_m3")] {
            if there {
                self.belongs_to(
                    &key(name),
                    name,
                    "water",
                    "写 device 和 point,次数用 least",
                    "name the contact with device and point, and how often with least",
                );
            }
        }
        for (lacks, name) in [(draft.device.is_none(), "device"), (draft.point.is_none(), "point")] {
            if lacks {
                self.wrong(
                    table,
                    Text::new(format!("没有写 {name}"), format!("{name} is missing")),
                    Text::new(
                        "写明门磁或人体感应接在哪个设备的哪个点",
                        "say at which device and point the contact or detector is",
                    ),
                );
            }
        }
        let (device, point) = self.sensed(table, (&draft.device, &draft.point), all_devices, devices)?;
        let profile = &devices.get(device)?.profile;
        let is_bool = matches!(profile.points.get(point)?.kind, Kind::Bool { .. });
        if !is_bool && counter_bits(profile, point).is_none() {
            self.wrong(
                &key("point"),
                Text::new("这个点既不是开关量也不是计数", "this point neither opens and closes nor counts"),
                Text::new(
                    "写门磁或人体感应所接的输入(如 input_0)",
                    "name the input of the contact or the detector (input_0, say)",
                ),
            );
            return None;
        }
        let (sign, usual_s) = match sign {
            draft::Sign::Motion => (Sign::Motion, MOTION_S),
            _ => (Sign::Door, DOOR_S),
        };
        Some(Sensed { device, point, sign, least: draft.least.unwrap_or(1), usual_s, per_pulse: None })
    }

    fn belongs_to(&mut self, at: At<'_>, key: &str, sign: &str, zh: &str, en: &str) {
        self.wrong(
            at,
            Text::new(format!("{key} 只用于 sign = {sign}"), format!("{key} is for sign = {sign}")),
            Text::new(zh, en),
        );
    }

    fn day(&mut self, at: At<'_>, draft: &Day) -> Option<Daytime> {
        let mut minute = |key, text: &Option<String>, usual| match text {
            None => Some(usual),
            Some(text) => {
                let minute = minute_of_day(text);
                if minute.is_none() {
                    self.wrong(
                        &[at, &[Step::Key(key)]].concat(),
                        Text::new(format!("{text:?} 不是时刻"), format!("{text:?} is no time of day")),
                        Text::new("写成 06:00", "write it like 06:00"),
                    );
                }
                minute
            }
        };
        let from = minute("from", &draft.from, DAY.from);
        let to = minute("to", &draft.to, DAY.to);
        let utc_offset = draft.utc_offset.as_ref().map_or(Some(DAY.utc_offset), |text| offset_minutes(text));
        if utc_offset.is_none() {
            self.wrong(
                &[at, &[Step::Key("utc_offset")]].concat(),
                Text::new("这不是时差", "this is no offset from UTC"),
                Text::new("写成 +08:00", "write it like +08:00"),
            );
        }
        let (from, to, utc_offset) = (from?, to?, utc_offset?);
        if from >= to {
            self.wrong(
                at,
                Text::new(
                    "白天要从早到晚:from 应早于 to",
                    "a day goes from morning to evening: from must be before to",
                ),
                Text::new("写成 from = \"06:00\", to = \"22:00\"", "write from = \"06:00\", to = \"22:00\""),
            );
            return None;
        }
        Some(Daytime { from, to, utc_offset })
    }
}

/// What a rule's sign makes of the file.
struct Sensed {
    device: DeviceIndex,
    point: usize,
    sign: Sign,
    least: u32,
    usual_s: u32,
    per_pulse: Option<f64>,
}

/// A rule is a condition of its device; of a contact or a counter that shows whether somebody is well, nothing else is
/// judged.
pub(super) fn judge_welfare(rules: &[WelfareSettings], devices: &mut [DeviceSettings]) {
    for rule in rules {
        if let Some(device) = devices.get_mut(rule.device) {
            let is_rule = |name: &str| rules.iter().any(|rule| rule.condition_name() == name);
            device.conditions.retain(|known| known.point != rule.point || is_rule(&known.name));
            device.conditions.push(rule.condition());
        }
    }
}

fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, most: u16| {
        let is_digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|number| is_digits && *number <= most)
    };
    let minute = number(hour, 24)? * 60 + number(minute, 59)?;
    (minute <= 24 * 60).then_some(minute)
}

/// `+08:00`, up to 14 hours either way.
fn offset_minutes(text: &str) -> Option<i16> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let minutes = i16::try_from(minute_of_day(rest)?).ok()?;
    (minutes <= 14 * 60).then_some(sign * minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_offsets() {
        assert_eq!(minute_of_day("06:30"), Some(390));
        assert_eq!(minute_of_day("24:00"), Some(1_440));
        assert_eq!(
            (minute_of_day("24:01"), minute_of_day("6:00"), minute_of_day("+6:00")),
            (None, None, None)
        );
        assert_eq!((offset_minutes("+08:00"), offset_minutes("-03:30")), (Some(480), Some(-210)));
        assert_eq!(
            (offset_minutes("08:00"), offset_minutes("+15:00"), offset_minutes("")),
            (None, None, None)
        );
    }
}
