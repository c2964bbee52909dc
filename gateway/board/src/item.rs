//! A row as the API and the page see it: the alarm document's fields, with what the duty room adds.
use alloc::string::String;

use serde_json::{Map, Value, json};
use shouwang_message::{Acknowledged, AlarmId, OutOfService, Shelved, Text, Timestamp};

use crate::case::{CaseState, Conclusion};
use crate::row::{Matter, Row};
use crate::sounding::Sound;
use crate::trust::shown;

/// What the board knows about a row beyond the row itself. Hashed as a whole: nothing that is shown may be missing.
#[derive(Debug, Default, Hash)]
pub(crate) struct Surroundings<'a> {
    pub(crate) gateway_name: Option<&'a str>,
    pub(crate) gateway_lost: bool,
    /// Suppressed, and what explains it is in the list.
    pub(crate) explained: bool,
    pub(crate) device_state: Option<&'static str>,
    pub(crate) sound: Sound,
    /// It only speaks until then.
    pub(crate) speaks_until: Option<Timestamp>,
    /// Changes, if it chatters; and what all its cries are one by.
    pub(crate) chatter: Option<u64>,
    pub(crate) cry: Option<String>,
    /// The group that tells of it.
    pub(crate) in_group: Option<AlarmId>,
    /// The devices of a lost gateway, and how many they are.
    pub(crate) devices: Option<(Value, usize)>,
    /// Alarms have a case, what is no alarm has none.
    pub(crate) case: Option<(CaseState, Option<Conclusion>)>,
    /// 督办: what was not done in its time.
    pub(crate) overdue: Option<&'static str>,
    /// How far up the ladder it is.
    pub(crate) escalation: Option<Value>,
    /// How far the calling of people is.
    pub(crate) answering: Option<Value>,
    /// Requests not confirmed yet: shown as done, marked pending.
    pub(crate) pending: bool,
    pub(crate) acknowledged: Option<Acknowledged>,
    pub(crate) shelved: Option<Shelved>,
    pub(crate) out_of_service: Option<OutOfService>,
}

/// The row as JSON. Rows that are no alarms have the same fields, null where they have no meaning.
pub(crate) fn item(row: &Row, around: &Surroundings<'_>) -> Value {
    let mut fields = match &row.matter {
        Matter::Alarm(document) => match serde_json::to_value(document) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        },
        Matter::Other(document) => {
            let fields = json!({
                "id": document.id, "revision": 0, "gateway": row.gateway, "device": document.device,
                "line": document.line, "condition": document.code, "class": document.class,
                "priority": row.priority(), "mode": "live", "active": document.active,
                "acknowledged": row.acknowledged, "latched": false, "shelved": null, "suppressed": null,
                "out_of_service": null, "occurrence": 1, "raised_at": document.raised_at,
                "cleared_at": document.cleared_at, "clock": document.clock, "value": null, "limit": null,
                "unit": null, "place": document.place, "text": row.words(), "unlogged": false,
                "after_alarm": row.after_alarm,
            });
            match fields {
                Value::Object(fields) => fields,
                _ => Map::new(),
            }
        }
    };
    let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
    set("acknowledged", json!(row.acknowledged()));
    set("taken_back", json!(row.own_word()));
    if let Some(acknowledged) = &around.acknowledged {
        set("acknowledged", json!(acknowledged));
    }
    if let Some(shelved) = &around.shelved {
        set("shelved", json!(shelved));
    }
    if let Some(out_of_service) = &around.out_of_service {
        set("out_of_service", json!(out_of_service));
    }
    set("kind", json!(row.kind));
    set("site", json!(row.site));
    set("gateway_name", json!(around.gateway_name));
    set("count", json!(row.count));
    set("pending", json!(around.pending));
    set("provisional", json!(row.provisional()));
    set("gateway_lost", json!(around.gateway_lost));
    set("explained", json!(around.explained));
    set("device_state", json!(around.device_state));
    set("finished", json!(row.finished));
    set("late_s", json!(row.late_s()));
    set("in_group", json!(around.in_group));
    set("sound", json!(around.sound.as_str()));
    set("voice_until", json!(around.speaks_until));
    set("chatter", json!(around.chatter));
    set("cry", json!(around.cry));
    if let Some((devices, count)) = &around.devices {
        set("devices", devices.clone());
        set("devices_count", json!(count));
    }
    set("case", json!(around.case.map(|(state, _)| state)));
    set("conclusion", json!(around.case.and_then(|(_, what)| what)));
    set("overdue", json!(around.overdue));
    set("escalation", json!(around.escalation));
    set("answering", json!(around.answering));
    let refused = row.refused.as_ref().map(|(name, error)| {
        json!({"name": name, "code": error.code,
            "text": Text::new(error.text.zh.as_str(), error.text.en.as_str())})
    });
    set("refused", json!(refused));
    let mut item = Value::Object(fields);
    clean(&mut item);
    item
}

/// Texts from outside become safe to show. Documents are a few levels deep, so the recursion is bounded.
pub fn clean(value: &mut Value) {
    match value {
        Value::String(text) => *text = shown(text),
        Value::Array(items) => items.iter_mut().for_each(clean),
        Value::Object(fields) => fields.values_mut().for_each(clean),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
