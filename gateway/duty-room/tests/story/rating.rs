//! 评单: the resident rates a handled case once, by a link without an account; looking changes nothing, and a second word
//! changes nothing either.
use serde_json::json;

use crate::desk::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resident_rates_once_what_was_handled() {
    let (broker, state, running, mut gateway) = met().await;
    gateway.event(&raised(1)).await;
    gateway.heard(1).await;
    let operator = Browser::log_in(&running).await;
    let resident = Browser { address: running.web.to_string(), cookie: String::new() };
    let case = format!("/api/v1/cases/{SMOKE}");
    let link = async || operator.post(&format!("{case}/rating-link"), "{}").await;
    assert_eq!((link().await.status, &link().await.json()["error"]["code"]), (409, &json!("not_handled")));
    assert_eq!(operator.post(&format!("/api/v1/alarms/{SMOKE}/acknowledge"), "{}").await.status, 200);
    let handle = json!({ "conclusion": "real" }).to_string();
    assert_eq!(operator.post(&format!("{case}/handle"), &handle).await.status, 200);
    let path = async || {
        let url = link().await.json()["url"].as_str().unwrap().to_owned();
        url[url.find("/rate/").unwrap()..].to_owned()
    };
    let first = path().await;
    let second = path().await;
    assert_eq!(resident.get(&first).await.status, 410, "a new code, and the old one is none");
    for _ in 0..3 {
        let page = resident.get(&second).await;
        assert!(page.status == 200 && page.body.contains("name=\"stars\""), "{}", page.body);
    }
    assert!(operator.get(&case).await.json()["stars"].is_null(), "looking changes nothing");
    let rate = async |stars: i64, words: &str| {
        resident.post(&second, &json!({ "stars": stars, "words": words }).to_string()).await
    };
    for stars in [0, 6, -1, 300] {
        assert_eq!(rate(stars, "").await.status, 422, "{stars}");
    }
    assert_eq!(rate(4, &"长".repeat(201)).await.status, 422);
    let forged = resident.post("/rate/0123456789abcdef0123456789abcdef", r#"{"stars":1}"#).await;
    assert_eq!(forged.status, 404);
    assert_eq!(rate(4, "来得快").await.json()["stars"], 4);
    let again = rate(1, "改主意").await;
    assert_eq!((again.status, &again.json()["error"]["code"]), (409, &json!("rated")), "{}", again.body);
    assert!(again.body.contains("已评 4 星"));
    let shown = resident.get(&second).await.body;
    assert!(shown.contains("已评 4 星") && !shown.contains("name=\"stars\""));
    assert_eq!((link().await.status, &link().await.json()["error"]["code"]), (409, &json!("rated")));

    running.stop().await.unwrap();
    let running = duty_room(state.path(), &broker).await;
    let operator = Browser::log_in(&running).await;
    let kept = operator.get(&case).await.json();
    assert_eq!(
        (&kept["stars"], &kept["state"], &kept["rated"]["by"]),
        (&json!(4), &json!("rated"), &json!("resident"))
    );
    let sheet = operator.get(&format!("/cases/{SMOKE}/print")).await.body;
    assert!(sheet.contains("来得快") && sheet.contains("★★★★☆"), "{sheet}");
    assert!(operator.get("/api/v1/logbook?limit=50").await.body.contains("case.rate"));
    running.stop().await.unwrap();
}
