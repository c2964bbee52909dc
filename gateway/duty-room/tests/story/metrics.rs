//! `/metrics`, as Prometheus on the same machine reads it after an alarm was raised, heard and acknowledged; and who
//! else may read it.
use crate::desk::*;
use shouwang_message::*;

/// Name with labels, and value; every line must be one, or a comment that the format knows.
fn samples(text: &str) -> Vec<(String, f64)> {
    let is_comment =
        |line: &&str| ["# HELP ", "# TYPE ", "# EOF"].iter().any(|start| line.starts_with(start));
    let is_name = |name: &str| {
        let (name, labels) = name.split_once('{').map_or((name, ""), |(name, labels)| (name, labels));
        name.starts_with("shouwang_")
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            && (labels.is_empty() || labels.ends_with("\"}") && labels.matches('"').count() % 2 == 0)
    };
    assert!(text.ends_with("# EOF\n"), "{text}");
    let lines = text.lines().filter(|line| !is_comment(line));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(name), "{line}");
            (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("{line}")))
        })
        .collect()
}

#[track_caller]
fn value(samples: &[(String, f64)], name: &str) -> f64 {
    samples.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name} in {samples:?}")).1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_on_this_machine_reads_what_happened() {
    let (_broker, _state, running, mut gateway) = met().await;
    let stranger = Browser { address: running.web.to_string(), cookie: "a=b".into() };

    gateway.event(&raised(1)).await;
    let by = Acknowledged { by: "u-7".into(), at: Timestamp::from_unix_ms(moment().unix_ms() + 42_000) };
    let seen = AlarmDocument { acknowledged: Some(by), ..smoke(2) };
    gateway.event(&event(2, AlarmChange::Acknowledged, seen)).await;
    let drill = AlarmDocument { mode: Mode::Drill, ..smoke(3) };
    gateway.event(&event(3, AlarmChange::Acknowledged, drill)).await;
    gateway.heard(3).await;

    let answer = stranger.get("/metrics").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
    let told = samples(&answer.body);
    assert_eq!(value(&told, "shouwang_events_heard_total"), 3.0);
    assert_eq!(value(&told, "shouwang_alarm_acknowledge_seconds_count"), 1.0, "a drill is not measured");
    assert_eq!(value(&told, "shouwang_alarm_acknowledge_seconds_sum"), 42.0);
    assert_eq!(value(&told, "shouwang_alarm_acknowledge_seconds_bucket{le=\"45.0\"}"), 1.0);
    assert_eq!(value(&told, "shouwang_alarm_acknowledge_seconds_bucket{le=\"30.0\"}"), 0.0);
    assert_eq!(value(&told, "shouwang_boards_armed"), 0.0);
    assert_eq!(value(&told, "shouwang_uplink_connected{dialect=\"mqtt\"}"), 1.0);

    let newer = format!(
        "GET /metrics HTTP/1.1\r\nHost: {}\r\nAccept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n",
        running.web
    );
    let newer = stranger.ask(&newer, "").await;
    assert!(newer.head.contains("content-type: application/openmetrics-text"), "{}", newer.head);
    // Passed on by a proxy on this machine: a stranger is a stranger.
    for head in ["Host: 192.168.1.5\r\n", "Host: localhost\r\nX-Forwarded-For: 10.0.0.9\r\n"] {
        let answer = stranger.ask(&format!("GET /metrics HTTP/1.1\r\n{head}"), "").await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &"login".into()), "{head}");
    }
    let known = Browser::log_in(&running).await;
    let answer = known.ask("GET /metrics HTTP/1.1\r\nHost: 192.168.1.5\r\n", "").await;
    assert_eq!(answer.status, 200, "who has an account may read it from anywhere");
    running.stop().await.unwrap();
}
