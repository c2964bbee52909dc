//! A case as the API and the page see it: what is known of its alarm, and every step.
use alloc::vec::Vec;

use serde::Serialize;
use serde_json::{Value, json};

use crate::case::{Broadcast, Case};
use crate::ladder::Delivery;

/// Its alarm now, as far as it is remembered.
#[derive(Debug, Serialize)]
pub(crate) struct Alarm {
    pub(crate) active: bool,
    pub(crate) acknowledged: bool,
    pub(crate) finished: bool,
    pub(crate) occurrence: u32,
}

pub(crate) fn case_item(case: &Case, alarm: Option<&Alarm>, deliveries: Vec<Value>) -> Value {
    let mut item = serde_json::to_value(case).unwrap_or_default();
    if let Some(fields) = item.as_object_mut() {
        if let Some(Value::Object(about)) = fields.remove("about") {
            fields.extend(about);
        }
        let remembered = u32::try_from(case.steps.len()).unwrap_or(u32::MAX);
        fields.insert("earlier_steps".into(), json!(case.revision.saturating_sub(remembered)));
        let missing = case.departments.iter().filter(|called| called.answered.is_none());
        let missing: Vec<&str> = missing.map(|called| called.name.as_str()).collect();
        fields.insert("missing".into(), json!(missing));
        fields.insert("broadcast".into(), json!(case.broadcast.as_ref().map(Broadcast::item)));
        fields.insert("overdue".into(), json!(case.overdue()));
        fields.insert("alarm".into(), json!(alarm));
        fields.insert("deliveries".into(), Value::Array(deliveries));
    }
    item
}

/// A case that was closed long ago, from what was kept below [`crate::closed_case_key`]; none if that is not one.
pub fn closed_case(kept: &str) -> Option<Value> {
    let case: Case = serde_json::from_str(kept).ok()?;
    let deliveries = case.deliveries.iter().map(Delivery::item).collect();
    Some(case_item(&case, None, deliveries))
}
