//! Conditions as written, and the limits that neither a profile nor a device's own tuning may pass.
use std::time::Duration;

use shouwang_core::profile::{Condition, Kind, Measures, Point, Raises, Test};
use shouwang_message::{Class, Priority, Text};

use crate::points::{is_plain, name, named};
use crate::problem::{Complaint, instead};
use crate::strict::{Document, Step};
use crate::written::{ConditionPart, TestWord};

/// All conditions whose point is known.
pub(crate) fn conditions(
    document: &mut Document,
    class: Class,
    points: &[Point],
    written: &[ConditionPart],
) -> Vec<Condition> {
    let mut conditions: Vec<Condition> = Vec::new();
    for (index, part) in written.iter().enumerate() {
        let at = |key| [Step::Key("condition"), Step::Index(index), Step::Key(key)];
        name(document, &at("name"), &part.name);
        if written.iter().take(index).any(|earlier| earlier.name == part.name) {
            let name = &part.name;
            document.problem(
                &at("name"),
                Text::new(
                    format!("条件 `{name}` 写了两次"),
                    format!("the condition `{name}` is there twice"),
                ),
                Text::new("请给它另一个名字", "give it another name"),
            );
        }
        if let Some(by) = &part.suppressed_by {
            let others =
                written.iter().filter(|other| other.name != part.name).map(|other| other.name.as_str());
            if !others.clone().any(|other| other == by) {
                document.problem(
                    &at("suppressed_by"),
                    Text::new("没有这个条件", "there is no other condition of this name"),
                    instead(by, others),
                );
            }
        }
        let point = named(document, &at("point"), points, &part.point);
        let wide = point.and_then(|point| points.get(point)).is_some_and(|point| point.kind.width() == 2);
        let test = test(document, index, part, if wide { 32 } else { 16 });
        let (Some(point), Some(test)) = (point, test) else { continue };
        let condition = condition(part, point, test);
        for complaint in points.get(point).into_iter().flat_map(|point| complaints(class, point, &condition))
        {
            document.problem(&at(complaint.key), complaint.what, complaint.remedy);
        }
        conditions.push(condition);
    }
    conditions
}

/// What is wrong with a condition on this point, whoever chose its numbers.
pub(crate) fn complaints(class: Class, point: &Point, condition: &Condition) -> Vec<Complaint> {
    let mut found = Vec::new();
    found.extend(misfit(point, condition));
    found.extend(gas_limit(class, point, condition));
    if condition.median.is_multiple_of(2) {
        found.push(Complaint {
            key: "median",
            what: Text::new("中值的个数必须是奇数", "a median needs an odd number of readings"),
            remedy: Text::new("请写 1、3、5、7 或 9", "write 1, 3, 5, 7 or 9"),
        });
    }
    let limit = match condition.test {
        Test::High { limit } | Test::Low { limit } => Some(limit),
        _ => None,
    };
    if let (Some(limit), Some((low, high))) = (limit, point.range.filter(|_| is_itself(point)))
        && !(low..=high).contains(&limit)
    {
        found.push(Complaint {
            key: "limit",
            what: Text::new(
                format!("限值 {limit} 在数据点的范围 {low} 到 {high} 之外"),
                format!("the limit {limit} is outside the point's range, {low} to {high}"),
            ),
            remedy: Text::new(
                "这个条件永远不会成立;请改限值",
                "it would never (or always) hold; change the limit",
            ),
        });
    }
    found
}

fn is_itself(point: &Point) -> bool {
    point.measures == Measures::Itself
}

/// A test must fit what the point can say.
fn misfit(point: &Point, condition: &Condition) -> Option<Complaint> {
    let is_bool = matches!(point.kind, Kind::Bool { .. });
    let is_number = !is_bool && !matches!(point.kind, Kind::Ascii { .. });
    let whole = matches!(
        point.kind,
        Kind::U16 | Kind::U32(_) | Kind::HighByte | Kind::LowByte | Kind::Bits { .. } | Kind::Bcd
    ) && is_plain(&point.scale);
    let (fits, zh, en) = match condition.test {
        Test::Active => (is_bool, "active 只用于 bool", "`active` is for bool points"),
        Test::Equal { .. } => (is_number, "equal 只用于数值", "`equal` is for numbers"),
        Test::Difference { .. } => (
            whole && matches!(point.kind, Kind::U16 | Kind::U32(_)),
            "difference 只用于未换算的 u16 或 u32 计数器",
            "`difference` is for unscaled u16 or u32 counters",
        ),
        Test::High { .. } | Test::Low { .. } | Test::RateOfRise { .. } => {
            (is_number && point.meanings.is_empty(), "这种判断只用于数值", "this test is for quantities")
        }
        // A gateway's rule; no profile says it.
        Test::NoActivity => return None,
    };
    (!fits).then(|| Complaint {
        key: "test",
        what: Text::new(zh, en),
        remedy: Text::new("请换一种判断或数据点", "choose another test or point"),
    })
}

/// GB/T 50493: the first alarm of combustible gas at no more than 25 %LEL, the second at 50. An
/// emergency is the second; everything milder is the first.
fn gas_limit(class: Class, point: &Point, condition: &Condition) -> Option<Complaint> {
    let Test::High { limit } = condition.test else { return None };
    let is_lel = point.unit.as_deref() == Some("%LEL");
    if class != Class::Gas || !is_lel || condition.raises != Raises::Alarm {
        return None;
    }
    let most = if condition.priority == Priority::Emergency { 50.0 } else { 25.0 };
    (limit > most && condition.override_reason.is_none()).then(|| Complaint {
        key: "limit",
        what: Text::new(
            format!("燃气限值 {limit} %LEL 高于 {most} %LEL"),
            format!("a gas limit of {limit} %LEL is above {most} %LEL"),
        ),
        remedy: Text::new(
            format!("请写至多 {most},或写明 override_reason"),
            format!("write at most {most}, or say why in `override_reason`"),
        ),
    })
}

/// `width` is that of the point's counter, in bits.
fn test(document: &mut Document, index: usize, part: &ConditionPart, width: u8) -> Option<Test> {
    let is = |word: TestWord| part.test == word;
    let level = is(TestWord::High) || is(TestWord::Low);
    let mut sound = true;
    for (key, there, needed) in [
        ("limit", part.limit.is_some(), level || is(TestWord::RateOfRise)),
        ("values", part.values.is_some(), is(TestWord::Equal)),
        ("window_s", part.window_s.is_some(), is(TestWord::RateOfRise)),
    ] {
        if there == needed {
            continue;
        }
        sound = false;
        let at = [Step::Key("condition"), Step::Index(index), Step::Key(if there { key } else { "test" })];
        let (what, remedy) = if needed {
            (
                Text::new(format!("缺少 `{key}`"), format!("`{key}` is missing")),
                Text::new(format!("请写 {key} = ..."), format!("write {key} = ...")),
            )
        } else {
            (
                Text::new(format!("这种判断没有 `{key}`"), format!("this test has no `{key}`")),
                Text::new("请删除它", "delete it"),
            )
        };
        document.problem(&at, what, remedy);
    }
    if !sound {
        return None;
    }
    let limit = part.limit.unwrap_or_default();
    Some(match part.test {
        TestWord::High => Test::High { limit },
        TestWord::Low => Test::Low { limit },
        TestWord::Equal => Test::Equal { values: part.values.clone()? },
        TestWord::Active => Test::Active,
        TestWord::Difference => Test::Difference { bits: width },
        TestWord::RateOfRise => {
            Test::RateOfRise { limit_per_hour: limit, window: Duration::from_secs(u64::from(part.window_s?)) }
        }
    })
}

fn condition(part: &ConditionPart, point: usize, test: Test) -> Condition {
    Condition {
        name: part.name.clone(),
        text: (&part.text).into(),
        point,
        test,
        raises: part.raises.fault().map_or(Raises::Alarm, Raises::Fault),
        priority: part.priority,
        latched: part.latched,
        deadband: part.deadband,
        on_delay: seconds(part.on_delay_s),
        off_delay: seconds(part.off_delay_s),
        median: part.median,
        in_a_row: part.in_a_row,
        confirm: part.confirm,
        suppressed_by: part.suppressed_by.clone(),
        override_reason: part.override_reason.clone(),
    }
}

/// Seconds as written, already known to be within 0 to 86,400.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
