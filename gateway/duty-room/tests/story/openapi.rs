//! `/api/openapi.json` held against a duty room at work: what is answered is what the document says, no field more, no
//! field less, nothing of another kind.
use serde_json::{Value, json};
use shouwang_message::{AlarmChange, AlarmDocument, WelfareStanding, to_bytes};

use crate::desk::*;
use crate::devices::{info, place, values};

/// The schema's objections to a value. As much of JSON Schema as the document uses.
fn objections(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(place) = schema["$ref"].as_str().and_then(|place| place.strip_prefix('#')) {
        return objections(
            document,
            document.pointer(place).expect("the reference leads somewhere"),
            value,
            at,
        );
    }
    if let Some(ways) = schema["oneOf"].as_array() {
        let tried: Vec<_> = ways.iter().map(|way| objections(document, way, value, at)).collect();
        // The one that nearly fits tells most.
        return tried.into_iter().min_by_key(Vec::len).unwrap_or_default();
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return Vec::new(),
    };
    let is = |kind: &&str| match *kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        _ => value.is_object(),
    };
    if !kinds.iter().any(is) {
        return vec![format!("{at}: {value} is no {kinds:?}")];
    }
    let mut found = Vec::new();
    if let Some(known) = schema["enum"].as_array()
        && !known.contains(value)
    {
        found.push(format!("{at}: {value} is none of {known:?}"));
    }
    for (place, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(objections(document, &schema["items"], item, &format!("{at}[{place}]")));
    }
    let Some(fields) = value.as_object() else { return found };
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    found.extend(required.filter(|name| !fields.contains_key(*name)).map(|name| format!("{at}: no {name}")));
    for (name, inner) in fields {
        match &schema["properties"][name] {
            Value::Null if schema["additionalProperties"] == false => {
                found.push(format!("{at}: {name} is not written down: {inner}"));
            }
            Value::Null => {}
            known => found.extend(objections(document, known, inner, &format!("{at}.{name}"))),
        }
    }
    found
}

#[test]
fn a_schema_objects_to_what_it_does_not_say() {
    let schema = json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": { "a": { "type": ["integer", "null"] }, "b": { "type": "string", "enum": ["x"] } },
    });
    for (value, count) in [
        (json!({ "a": 1 }), 0),
        (json!({ "a": null, "b": "x" }), 0),
        (json!({ "a": 1.5 }), 1),
        (json!({ "b": "y" }), 2),
        (json!({ "a": 1, "c": 1 }), 1),
        (json!([]), 1),
    ] {
        assert_eq!(objections(&Value::Null, &schema, &value, "it").len(), count, "{value}");
    }
}

struct Checked<'a> {
    document: Value,
    browser: &'a Browser,
    wrong: Vec<String>,
}

impl Checked<'_> {
    /// The operation's schema of this status; the last part of the address may be a verb.
    fn hold(&mut self, method: &str, path: &str, template: &str, answer: &Answer) {
        let responses = &self.document["paths"][template][method]["responses"];
        let said = &responses[&answer.status.to_string()];
        let refused = self.document["components"]["responses"]["Refused"].clone();
        let response = if said.is_object() { said } else { &refused };
        let schema = &response["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {template} answers JSON");
        self.wrong.extend(objections(&self.document, schema, &answer.json(), &format!("{method} {path}")));
    }

    async fn get(&mut self, path: &str, template: &str) -> Value {
        let answer = self.browser.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        self.hold("get", path, template, &answer);
        answer.json()
    }

    async fn post(&mut self, path: &str, template: &str, body: &Value, status: u16) {
        let answer = self.browser.post(path, &body.to_string()).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        self.hold("post", path, template, &answer);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_answered_is_what_is_written_down() {
    let (_broker, _state, running, mut gateway) = met().await;
    gateway.say("info", true, to_bytes(&info())).await;
    let document = AlarmDocument { place: place("402"), ..smoke(1) };
    gateway.event(&event(1, AlarmChange::Raised, document)).await;
    gateway.say("device/smoke-3-2-403/values", true, values()).await;
    gateway.heard(1).await;
    let browser = Browser::first_lead(&running, "三号楼二单元四零二").await;
    let stranger = Browser { address: running.web.to_string(), cookie: "a=b".into() };
    let answer = stranger.get("/api/openapi.json").await;
    assert_eq!(answer.status, 200, "it is no secret");
    let stations = vec![crate::stations::station("qingshi-bridge", Some("level-1"))];
    gateway.say("info", true, crate::stations::info(stations)).await;
    gateway.say("device/level-1/values", true, crate::stations::level(crate::stations::ago(1), 3.41)).await;
    let watched = crate::welfare::inputs(WelfareStanding::Watching, None);
    gateway.say("device/inputs-1/state", true, watched).await;
    let readings = "/api/v1/stations/{id}/readings";
    let mut checked = Checked { document: answer.json(), browser: &browser, wrong: Vec::new() };

    let alarm = format!("/api/v1/alarms/{SMOKE}");
    let case = format!("/api/v1/cases/{SMOKE}");
    checked.get("/api/v1/alarms", "/api/v1/alarms").await;
    let (asks, steps) = ("/api/v1/alarms/{id}/{request}", "/api/v1/cases/{id}/{step}");
    let shift = "/api/v1/shift/{step}";
    checked.post("/api/v1/shift/begin", shift, &json!({}), 200).await;
    checked.post("/api/v1/shift/note", shift, &json!({ "text": "电梯停运" }), 200).await;
    checked.post(&format!("{alarm}/acknowledge"), asks, &json!({}), 200).await;
    checked.post(&format!("{alarm}/acknowledge"), asks, &json!({ "occurrence": 1 }), 200).await;
    for (step, body, status) in [
        ("accept", json!({ "call_back": "safe" }), 200),
        ("dispatch", json!({ "to": "网格员王" }), 200),
        ("arrive", json!({ "person": "网格员王" }), 200),
        ("whistle", json!({ "departments": ["消防"] }), 200),
        ("rate", json!({ "stars": 9 }), 422),
        ("handle", json!({ "conclusion": "false_alarm", "note": "油烟" }), 200),
    ] {
        checked.post(&format!("{case}/{step}"), steps, &body, status).await;
    }
    checked.post(&format!("{case}/rating-link"), "/api/v1/cases/{id}/rating-link", &json!({}), 200).await;
    let courier = json!({ "name": "美团小李" });
    checked.post("/api/v1/couriers", "/api/v1/couriers", &courier, 200).await;
    checked.get("/api/v1/couriers", "/api/v1/couriers").await;
    checked.post("/api/v1/couriers/revoke", "/api/v1/couriers/revoke", &courier, 200).await;
    checked.get("/api/v1/triage", "/api/v1/triage").await;
    for (step, body, status) in [("rate", json!({ "stars": 5 }), 200), ("close", json!({}), 200)] {
        checked.post(&format!("{case}/{step}"), steps, &body, status).await;
    }
    let card = json!({
        "building": "3", "entrance": "2", "room": "402", "name": "王秀英", "phone": "13812348000", "born": 1941,
        "contacts": [{ "name": "王小红", "phone": "13700000002" }], "key_holder": { "name": "李师傅", "phone": "13900000001" },
        "consent": "2026-01-05", "keep_until": "2099-01-05",
    });
    let drill = json!({ "script": [{ "after_s": 0, "device": "smoke-3-2-403", "condition": "smoke" }] });
    let test = json!({ "minutes": 10, "reason": "年检" });
    let nothing = json!({});
    checked.get("/api/v1/welfare", "/api/v1/welfare").await;
    let back = json!({ "reason": "away", "until": null });
    let pause = "/api/v1/welfare/{rule}/pause";
    checked.post("/api/v1/welfare/flat-402/pause", pause, &back, 200).await;
    for (path, template, body, status) in [
        ("/api/v1/residents", "/api/v1/residents", &card, 200),
        ("/api/v1/residents", "/api/v1/residents", &nothing, 422),
        (&format!("{alarm}/resident"), "/api/v1/alarms/{id}/resident", &nothing, 200),
        ("/api/v1/residents/1/remove", "/api/v1/residents/{number}/remove", &nothing, 200),
        ("/api/v1/drill", "/api/v1/drill", &drill, 200),
        ("/api/v1/drill/stop", "/api/v1/drill/stop", &nothing, 200),
        ("/api/v1/devices/smoke-3-2-403/test", "/api/v1/devices/{id}/test", &test, 200),
        ("/api/v1/sounder/silence", "/api/v1/sounder/silence", &nothing, 200),
        ("/api/v1/boards/page-0001", "/api/v1/boards/{page}", &json!({ "armed": false }), 200),
        ("/api/v1/handover", "/api/v1/handover", &json!({ "to": "wang" }), 401),
    ] {
        checked.post(path, template, body, status).await;
    }
    let reading = json!({ "id": "phone-0001", "stage_m": 3.4, "at": crate::stations::ago(1) });
    for status in [201, 200] {
        checked.post("/api/v1/stations/qingshi-bridge/readings", readings, &reading, status).await;
    }
    checked.get("/api/v1/stations/qingshi-bridge/readings", readings).await;
    let bridge = "/api/v1/stations/qingshi-bridge";
    let about = json!({ "phone": "0571-1234", "datum_checked": "2026-01-05T00:00:00.000Z",
        "homes": ["3"] });
    checked.post(&format!("{bridge}/about"), "/api/v1/stations/{id}/about", &about, 200).await;
    checked.get(&format!("{bridge}/warning"), "/api/v1/stations/{id}/warning").await;
    let told = json!({ "text": "【水情提醒】", "to": "青石桥村群" });
    checked.post(&format!("{bridge}/warning"), "/api/v1/stations/{id}/warning", &told, 200).await;
    let (rounds, reason) = ("/api/v1/rounds", json!({ "reason": "镇里通知" }));
    checked.post(&format!("{bridge}/round"), "/api/v1/stations/{id}/round", &reason, 200).await;
    let round = checked.get(rounds, rounds).await["items"][0]["id"].as_str().unwrap().to_owned();
    let round = format!("{rounds}/{round}");
    let call = json!({ "id": "phone-0002", "card": 7, "outcome": "answered", "at": crate::stations::ago(1) });
    checked.post(&format!("{round}/called"), "/api/v1/rounds/{id}/called", &call, 422).await;
    checked.post(&format!("{round}/end"), "/api/v1/rounds/{id}/end", &reason, 200).await;
    checked.get(&round, "/api/v1/rounds/{id}").await;
    eventually("the devices are known", async || {
        browser.get("/api/v1/devices").await.json()["items"].as_array().is_some_and(|items| items.len() == 4)
    })
    .await;
    let near = format!("/api/v1/devices?near={SMOKE}");
    for (path, template) in [
        (near.as_str(), "/api/v1/devices"),
        (&format!("{alarm}/resident"), "/api/v1/alarms/{id}/resident"),
        ("/api/v1/alarms?state=all", "/api/v1/alarms"),
        ("/api/v1/alarms?device=smoke-3-2-402", "/api/v1/alarms"),
        ("/api/v1/cases?state=all", "/api/v1/cases"),
        (case.as_str(), "/api/v1/cases/{id}"),
        ("/api/v1/session", "/api/v1/session"),
        ("/api/v1/accounts", "/api/v1/accounts"),
        ("/api/v1/devices", "/api/v1/devices"),
        ("/api/v1/drill", "/api/v1/drill"),
        ("/api/v1/figures?month=2026-11", "/api/v1/figures"),
        ("/api/v1/logbook", "/api/v1/logbook"),
        ("/api/v1/shift", "/api/v1/shift"),
        ("/api/v1/stations", "/api/v1/stations"),
        ("/healthz", "/healthz"),
        ("/readyz", "/readyz"),
    ] {
        checked.get(path, template).await;
    }
    let wanted =
        json!({ "id": "li", "name": "李师傅", "role": "operator", "password": "四号楼一单元一零一" });
    checked.post("/api/v1/accounts", "/api/v1/accounts", &wanted, 201).await;
    let refused = stranger.get("/api/v1/cases").await;
    assert_eq!(refused.status, 401);
    checked.hold("get", "/api/v1/cases as a stranger", "/api/v1/cases", &refused);
    let wrong = &checked.wrong;
    assert!(wrong.is_empty(), "assets/openapi.json says otherwise:\n{}", wrong.join("\n"));
    running.stop().await.unwrap();
}
