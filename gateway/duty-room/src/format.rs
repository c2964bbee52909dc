//! The format of `duty-room.toml`, for editors and for people: its schema and its commented example.

use serde_json::{Value, json};

/// The commented example; it loads as it is.
pub fn example() -> &'static str {
    include_str!("duty-room.default.toml")
}

/// The JSON schema of the file.
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "duty-room.toml",
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "state_dir", "broker", "web"],
        "properties": {
            "name": {"type": "string", "pattern": "^[a-z0-9-]{1,32}$",
                "description": "值班室编号,网关的 hearers 写它 · the duty room's id, as gateways name it in hearers"},
            "title": {"type": "string", "description": "显示名称 · what people call it"},
            "state_dir": {"type": "string", "description": "数据目录 · where its database is"},
            "broker": {
                "type": "object", "additionalProperties": false, "required": ["url"],
                "properties": {
                    "url": {"type": "string", "pattern": "^mqtts?://"},
                    "username": {"type": "string"},
                    "password_file": {"type": "string"},
                    "allow_plaintext": {"type": "boolean"},
                    "ca_file": {"type": "string"}
                }
            },
            "web": {
                "type": "object", "additionalProperties": false, "required": ["listen"],
                "properties": {
                    "listen": {"type": "string"},
                    "hosts": {"type": "array", "items": {"type": "string"}},
                    "public_url": {"type": "string", "pattern": "^https?://"},
                    "certificate": {"type": "string", "description": "PEM 文件,或 generated:自己做一张 · a PEM file, or generated"},
                    "key": {"type": "string"},
                    "allow_plaintext": {"type": "boolean"}
                }
            },
            "commands": {
                "type": "object", "additionalProperties": false,
                "properties": {
                    "key_file": {"type": "string", "description": "签名命令的密钥 · the key that signs commands"}
                }
            },
            "organisation": sections("组织 · street, community, grid, micro-grid", &["id", "kind"], &json!({
                "id": id(), "name": {"type": "string"}, "parent": id(),
                "kind": {"enum": ["street", "community", "grid", "micro-grid"]}
            })),
            "person": sections("人员 · the people who can be told", &["id"], &json!({
                "id": id(), "name": {"type": "string"}, "phone": {"type": "string"},
                "wecom": {"type": "string"}, "role": id(), "of": id()
            })),
            "responder": sections("责任表 · who answers for what, where and when", &["persons"], &json!({
                "grid": id(), "class": one_or_several(), "hours": one_or_several(), "persons": one_or_several()
            })),
            "escalation": {
                "type": "object", "additionalProperties": false, "required": ["emergency"],
                "description": "升级阶梯 · who is told after how long",
                "properties": {
                    "emergency": steps(), "urgent": steps(), "ordinary": steps(), "advisory": steps(),
                    "watch": steps(), "supervise": steps(), "dispatch": one_or_several()
                }
            },
            "handling": sections("时限和循环 · by when cases are handled, and in which loop", &[], &json!({
                "class": one_or_several(), "priority": one_or_several(), "grid": id(),
                "accept_within_min": {"type": "integer", "minimum": 1, "maximum": 10_080},
                "handle_within_h": {"type": "integer", "minimum": 1, "maximum": 2_160},
                "loop": {"enum": ["small", "large"]}, "departments": one_or_several()
            })),
            "night": {
                "type": "object", "additionalProperties": false,
                "description": "夜间,只有紧急报警出声 · when nothing but emergencies sounds",
                "properties": {"from": time_of_day(), "to": time_of_day()}
            },
            "channel": {
                "type": "array",
                "description": "外呼通道 · the ways out of the house",
                "items": {
                    "type": "object", "required": ["id", "kind"],
                    "properties": {"id": {"type": "string", "pattern": "^[a-z0-9-]{1,32}$"}},
                    "oneOf": [
                        channel("wecom", &["key_file"], &json!({})),
                        channel("dingtalk", &["token_file", "secret_file"], &json!({})),
                        channel("feishu", &["hook_file", "secret_file"], &json!({})),
                        channel("webhook", &["url", "secret_file"], &json!({})),
                        channel("sms-http", &["url", "fields"], &sms_http()),
                        channel("sms-modem", &["path"], &sms_modem()),
                    ]
                }
            }
        }
    })
}

fn id() -> Value {
    json!({"type": "string", "pattern": "^[a-z0-9-]{1,32}$"})
}

fn time_of_day() -> Value {
    json!({"type": "string", "pattern": "^([01]?[0-9]|2[0-3]):[0-5][0-9]$"})
}

fn one_or_several() -> Value {
    json!({"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
}

/// `[[section]]`s with these keys.
fn sections(description: &str, needed: &[&str], properties: &Value) -> Value {
    json!({
        "type": "array", "description": description,
        "items": {"type": "object", "additionalProperties": false, "required": needed, "properties": properties}
    })
}

fn steps() -> Value {
    sections(
        "步骤 · steps in order of time",
        &["after_s", "tell"],
        &json!({
            "after_s": {"type": "integer", "minimum": 0, "maximum": 3600},
            "tell": one_or_several(), "to": one_or_several()
        }),
    )
}

/// One kind of channel: the keys it needs, and those it may have besides an address and a CA.
fn channel(kind: &str, needed: &[&str], more: &Value) -> Value {
    let mut properties = json!({
        "id": {"type": "string"},
        "kind": {"const": kind},
        "url": {"type": "string", "pattern": "^https?://"},
        "ca_file": {"type": "string"},
    });
    if let Some(known) = properties.as_object_mut() {
        known.extend(more.as_object().cloned().unwrap_or_default());
        for key in needed {
            known.entry(*key).or_insert_with(|| json!({"type": "string"}));
        }
    }
    json!({"additionalProperties": false, "required": needed, "properties": properties})
}

fn sms_modem() -> Value {
    json!({
        "baud": {"type": "integer", "minimum": 1_200, "maximum": 921_600},
        "ring_emergencies": {"type": "boolean"},
        "own_number": {"type": "string"}
    })
}

fn sms_http() -> Value {
    json!({
        "body": {"enum": ["json", "form"]},
        "fields": {"type": "object"},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "key_file": {"type": "string"},
        "secret_file": {"type": "string"},
        "signature": {
            "type": "object", "additionalProperties": false, "required": ["over"],
            "properties": {"over": {"type": "string"}, "encoding": {"enum": ["hex", "base64"]}}
        },
        "success": {
            "type": "object", "additionalProperties": false,
            "properties": {
                "status": {"type": "integer", "minimum": 200, "maximum": 599},
                "pointer": {"type": "string", "pattern": "^/"},
                "equals": {"type": "string"}
            }
        },
        "per_minute": {"type": "integer", "minimum": 1, "maximum": 6000}
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_example_loads_and_has_no_key_that_the_schema_lacks() {
        let config = crate::Config::parse(Path::new("duty-room.toml"), example());
        assert!(config.is_ok(), "{config:?}");
        let table: toml::Table = example().parse().unwrap();
        let schema = schema();
        for (key, value) in &table {
            let described = &schema["properties"][key];
            assert!(described.is_object(), "{key}");
            for inner in value.as_table().into_iter().flatten() {
                assert!(described["properties"][inner.0].is_object(), "{key}.{}", inner.0);
            }
        }
    }
}
