//! The format of `duty-room.toml`, for editors and for people: its schema and its commented example.

/// The commented example; it loads as it is.
pub fn example() -> &'static str {
    include_str!("duty-room.default.toml")
}

/// The JSON schema of the file.
pub fn schema() -> serde_json::Value {
    serde_json::json!({
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
                    "hosts": {"type": "array", "items": {"type": "string"}}
                }
            }
        }
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
