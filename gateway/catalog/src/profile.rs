//! One profile file: read, checked as a whole, and turned into what the core works with.
use std::path::Path;
use std::time::Duration;

use shouwang_core::configuration::Installed;
use shouwang_core::profile::{
    BlockRules, CallUnit, DeviceReset, DeviceTiming, EndOfLife, ForbiddenValue, IdentityCheck, Kind,
    Measures, Point, Profile, SerialDefaults, StatusBit, WarmUp,
};
use shouwang_core::units;
use shouwang_message::Text;

use crate::conditions::conditions;
use crate::examples::{self, Example};
use crate::points::{named, points};
use crate::problem::{Complaint, Problem, closest};
use crate::strict::{Document, Step, read};
use crate::writes::{no_overlap, provisioning};
use crate::written::ProfileFile;

/// Reads a profile; its name is the file's, without `.toml`. All problems are told, not only the first.
pub fn parse(path: &Path, bytes: &[u8]) -> Result<(Profile, Vec<Example>), Vec<Problem>> {
    let (mut document, written) = read::<ProfileFile>(&path.display().to_string(), bytes);
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
    file_name(&mut document, stem);
    let Some(written) = written else { return Err(document.into_problems()) };
    let profile = profile(&mut document, stem, &written);
    let examples = examples::examples(&mut document, &profile, &written.examples);
    if document.is_sound() { Ok((profile, examples)) } else { Err(document.into_problems()) }
}

/// What is missing or wrong in a device's own settings for this profile: without them, its values
/// would be `config_mismatch` for ever.
pub fn installed_complaints(profile: &Profile, installed: &Installed) -> Vec<Complaint> {
    let mut found = Vec::new();
    let needs_unit = profile.points.iter().find(|point| point.scale.unit_from_device);
    match (needs_unit, &installed.unit) {
        (Some(point), None) => found.push(Complaint {
            key: "unit",
            what: Text::new(
                format!("{} 的单位取决于现场", point.title.zh),
                format!("the unit of {} depends on the installed device", point.name),
            ),
            remedy: Text::new(
                "请写 unit = \"mm\" 之类,并用尺子核对",
                "write unit = \"mm\" or the like, and check it with a ruler",
            ),
        }),
        (Some(point), Some(unit)) if units::factor(unit, point.unit.as_deref().unwrap_or("")).is_none() => {
            let all = units::names().collect::<Vec<_>>().join(", ");
            let near = closest(unit, units::names()).unwrap_or("");
            found.push(Complaint {
                key: "unit",
                what: Text::new(format!("不认识的单位 `{unit}`"), format!("unknown unit `{unit}`")),
                remedy: Text::new(
                    format!("是不是 `{near}`?可用:{all}"),
                    format!("did you mean `{near}`? allowed: {all}"),
                ),
            });
        }
        (None, Some(_)) => found.push(Complaint {
            key: "unit",
            what: Text::new("这个型号的单位是固定的", "this model's units are fixed"),
            remedy: Text::new("请删除 unit", "delete `unit`"),
        }),
        _ => {}
    }
    let measures = |kind| profile.points.iter().any(|point| point.measures == kind);
    if measures(Measures::Distance) && installed.mounting_height_m.is_none() {
        found.push(Complaint {
            key: "mounting_height_m",
            what: Text::new("它测的是到水面的距离", "it measures the distance down to the water"),
            remedy: Text::new(
                "请写 mounting_height_m:探头在基准面以上的高度",
                "write mounting_height_m: the sensor's height above the datum",
            ),
        });
    }
    for (key, there, fits) in [
        ("mounting_height_m", installed.mounting_height_m.is_some(), Measures::Distance),
        ("dry_offset_m", installed.dry_offset_m.is_some(), Measures::Depth),
        ("datum_m", installed.datum_m.is_some(), Measures::Depth),
    ] {
        if there && !measures(fits) {
            found.push(Complaint {
                key,
                what: Text::new(
                    format!("这个型号用不上 `{key}`"),
                    format!("`{key}` does nothing for this model"),
                ),
                remedy: Text::new("请删除它", "delete it"),
            });
        }
    }
    found
}

fn file_name(document: &mut Document, stem: &str) {
    let sound = !stem.is_empty()
        && stem.len() <= 48
        && stem.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !sound {
        document.problem(
            &[],
            Text::new("文件名不能当档案名", "the file's name cannot be a profile's name"),
            Text::new(
                "文件名请写成 <厂家>-<型号>.toml,只用小写字母、数字和 -",
                "name it <vendor>-<model>.toml, in small letters, digits and -",
            ),
        );
    }
}

fn profile(document: &mut Document, name: &str, written: &ProfileFile) -> Profile {
    if written.points.is_empty() && !document.has(&["point".into()]) {
        document.problem(
            &[],
            Text::new("没有任何数据点", "there is not one point"),
            Text::new("请写至少一个 [[point]]", "write at least one [[point]]"),
        );
    }
    let points = points(document, &written.points);
    let conditions = conditions(document, written.class, &points, &written.conditions);
    let blocks = BlockRules {
        even_counts: written.blocks.even_counts,
        no_joining_over_holes: written.blocks.no_joining_over_holes,
        write_multiple_only: written.blocks.write_multiple_only,
        max_registers: written.blocks.max_registers.unwrap_or(125),
        max_bits: written.blocks.max_bits.unwrap_or(2000),
    };
    too_wide(document, &points, &blocks);
    let serial = serial(document, written);
    let status_bits = status_bits(document, written, &points);
    let call = call(document, written, &points);
    let warm_up = warm_up(document, written, &points);
    let end_of_life = written.end_of_life.as_ref().and_then(|life| {
        let mut days = |key, name: &str| {
            let point = named(document, &["end_of_life".into(), Step::Key(key)], &points, name)?;
            let whole = points
                .get(point)
                .is_some_and(|point| !matches!(point.kind, Kind::Bool { .. } | Kind::Ascii { .. }));
            expect(
                document,
                &["end_of_life".into(), Step::Key(key)],
                whole,
                "天数必须是数值",
                "days must be a number",
            );
            Some(point)
        };
        Some(EndOfLife {
            days_used: days("days_used", &life.days_used)?,
            days_allowed: days("days_allowed", &life.days_allowed)?,
        })
    });
    let provisioning = provisioning(document, &written.provisioning);
    let profile = Profile {
        name: name.to_owned(),
        vendor: written.vendor.clone(),
        model: written.model.clone(),
        variant: written.variant.clone(),
        title: (&written.title).into(),
        class: written.class,
        verified: written.verified.into(),
        source: written.source.clone(),
        serial,
        high_unit_ids: written.unit_id_opt_in,
        timing: timing(document, written),
        blocks,
        points,
        status_bits,
        conditions,
        identity: written
            .identity
            .iter()
            .map(|check| IdentityCheck {
                table: check.table.into(),
                address: check.address,
                expected: check.expected.clone(),
            })
            .collect(),
        call,
        warm_up,
        end_of_life,
        provisioning,
        reset: written.reset.as_ref().map(|reset| DeviceReset {
            table: reset.table.into(),
            address: reset.address,
            value: reset.value,
        }),
        forbidden: written
            .forbidden
            .iter()
            .map(|forbidden| ForbiddenValue { address: forbidden.address, values: forbidden.values.clone() })
            .collect(),
        lacks: written.lacks.clone(),
    };
    no_overlap(document, &profile);
    profile
}

/// Notes a problem where something is not sound.
pub(crate) fn expect(document: &mut Document, path: &[Step<'_>], sound: bool, zh: &str, en: &str) {
    if !sound {
        document.problem(path, Text::new(zh, en), Text::new("请改正", "correct it"));
    }
}

fn timing(document: &mut Document, written: &ProfileFile) -> DeviceTiming {
    let ms = |ms: u32| Duration::from_millis(u64::from(ms));
    let part = &written.timing;
    let typical = part.reply_typical_ms.map(ms);
    let longest = part.reply_longest_ms.map(ms);
    if longest.zip(typical).is_some_and(|(longest, typical)| longest < typical) {
        document.problem(
            &["timing".into(), "reply_longest_ms".into()],
            Text::new("最长应答时间比通常的还短", "the longest reply is shorter than the typical one"),
            Text::new("请对调或改正", "exchange or correct them"),
        );
    }
    DeviceTiming {
        reply_typical: typical,
        reply_longest: longest,
        turnaround: ms(part.turnaround_ms),
        settle_after_write: ms(part.settle_after_write_ms),
    }
}

fn serial(document: &mut Document, written: &ProfileFile) -> Option<SerialDefaults> {
    let part = written.serial.as_ref()?;
    if part.unit_id > 247 && !written.unit_id_opt_in {
        document.problem(
            &["serial".into(), "unit_id".into()],
            Text::new("站号 248 到 255 是标准保留的", "the unit ids 248 to 255 are reserved by the standard"),
            Text::new(
                "确实如此请写 unit_id_opt_in = true",
                "if it is really so, write unit_id_opt_in = true",
            ),
        );
    }
    Some(SerialDefaults {
        baud: part.baud,
        parity: part.parity.into(),
        stop_bits: part.stop_bits,
        unit_id: part.unit_id,
    })
}

/// A point that one read cannot hold could never be asked for.
fn too_wide(document: &mut Document, points: &[Point], rules: &BlockRules) {
    for (index, point) in points.iter().enumerate().filter(|(_, point)| !point.table.is_bits()) {
        let width = point.kind.width();
        let asked = if rules.even_counts { width.next_multiple_of(2) } else { width };
        if asked > rules.max_registers.min(125) {
            document.problem(
                &["point".into(), index.into(), "registers".into()],
                Text::new(
                    format!("一次读不完:需要 {asked} 个寄存器"),
                    format!("one read cannot hold it: it needs {asked} registers"),
                ),
                Text::new(
                    format!("一次最多 {}", rules.max_registers),
                    format!("one read holds at most {}", rules.max_registers),
                ),
            );
        }
    }
}

fn status_bits(document: &mut Document, written: &ProfileFile, points: &[Point]) -> Vec<StatusBit> {
    let mut found = Vec::new();
    for (index, part) in written.statuses.iter().enumerate() {
        let at = |key| [Step::Key("status"), Step::Index(index), Step::Key(key)];
        let Some(point) = named(document, &at("point"), points, &part.point) else { continue };
        let is_bool = points.get(point).is_some_and(|point| matches!(point.kind, Kind::Bool { .. }));
        expect(document, &at("point"), is_bool, "状态位必须是 bool", "a status must be a bool point");
        let spoils = match &part.spoils {
            None => (0..points.len()).filter(|other| *other != point).collect(),
            Some(names) => names
                .iter()
                .filter_map(|name| named(document, &at("spoils"), points, name))
                .collect::<Vec<_>>(),
        };
        expect(
            document,
            &at("spoils"),
            !spoils.contains(&point),
            "状态位不能作废自己",
            "a status cannot spoil itself",
        );
        found.push(StatusBit { point, spoils, why: part.why.into() });
    }
    found
}

fn call(document: &mut Document, written: &ProfileFile, points: &[Point]) -> Option<CallUnit> {
    let part = written.call.as_ref()?;
    let mut point = |key: &'static str, name: &str, fits: fn(Kind) -> bool, zh: &str, en: &str| {
        let path = [Step::Key("call"), Step::Key(key)];
        let point = named(document, &path, points, name)?;
        let sound = points.get(point).is_some_and(|point| fits(point.kind));
        expect(document, &path, sound, zh, en);
        Some(point)
    };
    let u16_too = |kind| matches!(kind, Kind::U16);
    let u32_too = |kind| matches!(kind, Kind::U32(_));
    let press_count =
        point("press_count", &part.press_count, u16_too, "必须是 u16 计数器", "it must be a u16 counter");
    let latched = point(
        "latched",
        &part.latched,
        |kind| matches!(kind, Kind::Bool { .. }),
        "必须是 bool",
        "it must be a bool point",
    );
    let mut optional = |key, name: &Option<String>, fits, zh, en| {
        name.as_ref().and_then(|name| point(key, name, fits, zh, en))
    };
    let cancel_count = optional(
        "cancel_count",
        &part.cancel_count,
        u16_too,
        "必须是 u16 计数器",
        "it must be a u16 counter",
    );
    let boot_count =
        optional("boot_count", &part.boot_count, u16_too, "必须是 u16 计数器", "it must be a u16 counter");
    let serial = optional("serial", &part.serial, u32_too, "必须是 u32", "it must be u32");
    let since_press = optional("since_press", &part.since_press, u32_too, "必须是 u32", "it must be u32");
    // Echo and indicator are written unasked; another model at this unit id may keep its unit id there.
    expect(
        document,
        &["call".into()],
        !written.identity.is_empty(),
        "呼叫器必须有 [[identity]]:写错型号会改掉别的设备的站号",
        "a call unit needs [[identity]]: writing to another model could change its unit id",
    );
    Some(CallUnit {
        press_count: press_count?,
        latched: latched?,
        cancel_count,
        boot_count,
        serial,
        since_press,
        echo: part.echo,
        indicator: part.indicator,
    })
}

fn warm_up(document: &mut Document, written: &ProfileFile, points: &[Point]) -> Option<WarmUp> {
    let part = written.warm_up.as_ref()?;
    match (part.after_return_s, &part.flag, &part.seconds_left) {
        (Some(seconds), None, None) => Some(WarmUp::AfterReturn(Duration::from_secs(u64::from(seconds)))),
        (None, Some(flag), None) => {
            let path = ["warm_up".into(), "flag".into()];
            let point = named(document, &path, points, flag)?;
            let is_bool = points.get(point).is_some_and(|point| matches!(point.kind, Kind::Bool { .. }));
            expect(document, &path, is_bool, "必须是 bool", "it must be a bool point");
            Some(WarmUp::Flag(point))
        }
        (None, None, Some(left)) => {
            let path = ["warm_up".into(), "seconds_left".into()];
            let point = named(document, &path, points, left)?;
            let counts =
                points.get(point).is_some_and(|point| matches!(point.kind, Kind::U16 | Kind::U32(_)));
            expect(document, &path, counts, "必须是 u16 或 u32", "it must be u16 or u32");
            Some(WarmUp::SecondsLeft(point))
        }
        _ => {
            document.problem(
                &["warm_up".into()],
                Text::new("warm_up 只能有一种", "there is exactly one kind of warm-up"),
                Text::new(
                    "请只写 after_return_s、flag、seconds_left 之一",
                    "write one of after_return_s, flag and seconds_left",
                ),
            );
            None
        }
    }
}
