//! A device's own limits and delays: `[device.condition.NAME]` of the gateway's configuration.
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use shouwang_core::profile::{Condition, Profile, Test};
use shouwang_message::{Priority, Text};

use crate::conditions::{complaints, seconds};
use crate::problem::Complaint;

/// What an installer may change about a profile's condition; what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tuning {
    /// For `high` and `low`, the point's unit; for `rate_of_rise` that per hour.
    pub limit: Option<f64>,
    #[schemars(range(min = 0, max = 1_000_000))]
    pub deadband: Option<f64>,
    #[schemars(range(min = 0, max = 86_400))]
    pub on_delay_s: Option<f64>,
    #[schemars(range(min = 0, max = 86_400))]
    pub off_delay_s: Option<f64>,
    /// 1 (none), 3, 5, 7 or 9 readings.
    #[schemars(range(min = 1, max = 9))]
    pub median: Option<u8>,
    #[schemars(range(min = 1, max = 9))]
    pub in_a_row: Option<u8>,
    /// Only a stricter one than the profile's.
    #[schemars(schema_with = "priorities")]
    pub priority: Option<Priority>,
    /// Why a gas limit above 25 (emergency: 50) %LEL is right here.
    #[schemars(length(min = 4, max = 200))]
    pub override_reason: Option<String>,
}

fn priorities(_: &mut SchemaGenerator) -> Schema {
    let words: Vec<&str> = Priority::ALL.iter().map(|priority| priority.as_str()).collect();
    json_schema!({ "type": "string", "enum": words })
}

/// Applies a tuning with the checks that hold for profiles. With complaints, nothing has changed.
pub fn tune(profile: &Profile, condition: &mut Condition, tuning: &Tuning) -> Vec<Complaint> {
    let mut found = Vec::new();
    let mut tuned = condition.clone();
    for (key, value, most) in [
        ("deadband", tuning.deadband, 1_000_000.0),
        ("on_delay_s", tuning.on_delay_s, 86_400.0),
        ("off_delay_s", tuning.off_delay_s, 86_400.0),
    ] {
        if value.is_some_and(|value| !(0.0..=most).contains(&value)) {
            found.push(beyond(key, &format!("0-{most}")));
        }
    }
    for (key, value) in [("median", tuning.median), ("in_a_row", tuning.in_a_row)] {
        if value.is_some_and(|value| !(1..=9).contains(&value)) {
            found.push(beyond(key, "1-9"));
        }
    }
    if let Some(limit) = tuning.limit {
        found.extend(set_limit(&mut tuned, limit));
    }
    if let Some(priority) = tuning.priority {
        // The first word is the worst, so stricter is smaller.
        if priority > condition.priority {
            found.push(Complaint {
                key: "priority",
                what: Text::new(
                    format!("优先级不能从 {} 降为 {priority}", condition.priority),
                    format!("the priority cannot be lowered from {} to {priority}", condition.priority),
                ),
                remedy: Text::new("请写同级或更高的", "write the same or a higher one"),
            });
        }
        tuned.priority = priority;
    }
    tuned.deadband = tuning.deadband.unwrap_or(tuned.deadband);
    tuned.on_delay = tuning.on_delay_s.map_or(tuned.on_delay, seconds);
    tuned.off_delay = tuning.off_delay_s.map_or(tuned.off_delay, seconds);
    tuned.median = tuning.median.unwrap_or(tuned.median);
    tuned.in_a_row = tuning.in_a_row.unwrap_or(tuned.in_a_row);
    if tuning.override_reason.is_some() {
        tuned.override_reason.clone_from(&tuning.override_reason);
    }
    if let Some(point) = profile.points.get(condition.point) {
        found.extend(complaints(profile.class, point, &tuned));
    }
    if found.is_empty() {
        *condition = tuned;
    }
    found
}

fn set_limit(condition: &mut Condition, new: f64) -> Option<Complaint> {
    if !new.is_finite() {
        return Some(beyond("limit", "finite"));
    }
    match &mut condition.test {
        Test::High { limit } | Test::Low { limit } | Test::RateOfRise { limit_per_hour: limit, .. } => {
            *limit = new;
            None
        }
        Test::Equal { .. } | Test::Active | Test::Difference { .. } | Test::NoActivity => Some(Complaint {
            key: "limit",
            what: Text::new("这个条件没有限值", "this condition has no limit"),
            remedy: Text::new("请删除 limit", "delete `limit`"),
        }),
    }
}

fn beyond(key: &'static str, allowed: &str) -> Complaint {
    Complaint {
        key,
        what: Text::new(format!("`{key}` 超出范围"), format!("`{key}` is out of its range")),
        remedy: Text::new(format!("可以是 {allowed}"), format!("it can be {allowed}")),
    }
}
