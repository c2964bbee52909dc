//! A gateway and a duty room meet over a real broker: heard after the commit, gaps repaired, requests told,
//! nothing lost by a kill, a broker that forgets, or a disk that refuses.
use std::time::Duration;

use shouwang_message::*;

use crate::desk::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_heard_and_shown() {
    let broker = Mosquitto::start().await;
    let state = tempfile::tempdir().unwrap();
    let running = duty_room(&state.path().join("new"), &broker).await;
    let mut gateway = Gateway::connect(&broker).await;
    let mut heard = running.heard();
    gateway.event(&raised(1)).await;
    let document = gateway.heard(1).await;
    assert_eq!((document.log.to_string().as_str(), document.armed), (LOG, 0));
    assert_eq!(heard.recv().await.unwrap().event, raised(1));

    let browser = Browser::log_in(&running).await;
    let alarms = browser.alarms_when(|alarms| !alarms.is_empty()).await;
    assert_eq!(alarms.len(), 1);
    assert_eq!((&alarms[0]["id"], &alarms[0]["provisional"]), (&SMOKE.into(), &false.into()));
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_is_asked_for_and_closed() {
    let (_broker, _state, running, mut gateway) = met().await;
    gateway.event(&raised(1)).await;
    gateway.heard(1).await;
    gateway.event(&raised(3)).await;
    assert_eq!(gateway.command(CommandName::Resend).await.from, Some(2));
    gateway.event(&raised(2)).await;
    gateway.heard(3).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_hostile_changes_nothing() {
    let broker = Mosquitto::start().await;
    let mut gateway = Gateway::connect(&broker).await;
    // Retained before the duty room comes: a leftover that must not be taken for news.
    gateway.say("event", true, to_bytes(&raised(1))).await;
    gateway.say("state", true, vec![b'['; 2 << 20]).await;
    let state = tempfile::tempdir().unwrap();
    let running = duty_room(state.path(), &broker).await;
    for leaf in
        ["event", "heartbeat", "info", "alarm/01KANEXAMP0000000000000001", "device/x/state", "reply/reset"]
    {
        for payload in
            [b"".to_vec(), vec![0xff; 100], vec![b'{'; 60_000], vec![b'['; 1 << 20], b"null".to_vec()]
        {
            gateway.say(leaf, false, payload).await;
        }
    }
    gateway.say("alarm/nonsense/x", false, b"{}".to_vec()).await;
    let browser = Browser::log_in(&running).await;
    gateway.event(&event(1, AlarmChange::Raised, AlarmDocument { revision: 2, ..smoke(1) })).await;
    gateway.heard(1).await;
    let alarms = browser.alarms_when(|alarms| !alarms.is_empty()).await;
    assert_eq!((alarms.len(), &alarms[0]["revision"]), (1, &2.into()));
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledgement_goes_to_the_gateway_and_comes_back() {
    let (_broker, _state, running, mut gateway) = met().await;
    gateway.event(&raised(1)).await;
    gateway.heard(1).await;
    let browser = Browser::log_in(&running).await;
    let path = format!("/api/v1/alarms/{SMOKE}/acknowledge");
    let answer = browser.post(&path, "{}").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let row = answer.json();
    assert_eq!((&row["pending"], &row["acknowledged"]["by"]), (&true.into(), &"operator".into()));
    assert_eq!(browser.alarms().await[0], row, "the list shows it at once");

    let command = gateway.command(CommandName::Acknowledge).await;
    assert_eq!((command.alarm.unwrap().to_string().as_str(), command.by.as_str()), (SMOKE, "operator"));
    let acknowledged = Some(Acknowledged { by: command.by, at: command.at });
    let document = AlarmDocument { acknowledged, ..smoke(2) };
    gateway.event(&event(2, AlarmChange::Acknowledged, document)).await;
    gateway.heard(2).await;
    eventually("confirmed", async || browser.alarms().await[0]["pending"] == false).await;

    let second = browser.post(&path, "{}").await;
    assert_eq!(second.status, 200);
    assert_eq!(second.json()["already_acknowledged"]["by"], "operator");
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_page_acknowledges_no_newer_cry() {
    let (_broker, _state, running, mut gateway) = met().await;
    gateway.event(&raised(1)).await;
    gateway.event(&event(2, AlarmChange::Repeated, AlarmDocument { occurrence: 2, ..smoke(2) })).await;
    gateway.heard(2).await;
    let browser = Browser::log_in(&running).await;
    let path = format!("/api/v1/alarms/{SMOKE}/acknowledge");
    let answer = browser.post(&path, r#"{"occurrence":1}"#).await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (409, &"newer_cry".into()));
    assert_eq!(browser.alarms().await[0]["acknowledged"], serde_json::Value::Null);
    assert_eq!(browser.post(&path, r#"{"occurrence":2}"#).await.status, 200);
    let command = gateway.command(CommandName::Acknowledge).await;
    assert_eq!(command.occurrence, Some(2));
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_forgets_nothing() {
    let (broker, state, running, mut gateway) = met().await;
    gateway.event(&raised(1)).await;
    gateway
        .event(&event(2, AlarmChange::Raised, AlarmDocument { id: AlarmId::from_parts(9, 9), ..smoke(1) }))
        .await;
    gateway.heard(2).await;
    let browser = Browser::log_in(&running).await;
    browser.post(&format!("/api/v1/alarms/{SMOKE}/acknowledge"), "{}").await;
    gateway.command(CommandName::Acknowledge).await;
    drop(running);

    let running = duty_room(state.path(), &broker).await;
    gateway.command(CommandName::Acknowledge).await;
    let browser = Browser::log_in(&running).await;
    let alarms = browser.alarms_when(|alarms| alarms.len() == 2).await;
    assert_eq!(alarms.iter().filter(|alarm| alarm["pending"] == true).count(), 1);
    let mut heard = running.heard();
    gateway.event(&raised(2)).await;
    gateway.event(&raised(3)).await;
    gateway.heard(3).await;
    assert_eq!(heard.recv().await.unwrap().event.sequence, 3, "2 is not heard twice");
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_forgets_is_told_again() {
    let (mut broker, _state, running, mut gateway) = met().await;
    gateway.event(&raised(1)).await;
    gateway.heard(1).await;
    drop(gateway);
    broker.restart().await;
    eventually("link down noticed or up again", async || running.is_linked()).await;
    let mut gateway = Gateway::connect(&broker).await;
    gateway.heard(1).await;
    gateway.event(&raised(2)).await;
    gateway.heard(2).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_heard_while_the_disk_refuses() {
    let (_broker, state, running, mut gateway) = met().await;
    let browser = Browser::log_in(&running).await;
    let other = rusqlite::Connection::open(state.path().join("duty-room.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    gateway.event(&raised(1)).await;
    eventually("shown before it is on disk", async || browser.alarms().await.len() == 1).await;
    assert_eq!(browser.alarms().await[0]["provisional"], true);
    eventually("not ready", async || browser.get("/readyz").await.status == 503).await;
    assert_eq!(browser.get("/healthz").await.json()["store"], "failing");
    other.execute_batch("ROLLBACK").unwrap();
    gateway.heard(1).await;
    eventually("ready", async || browser.get("/readyz").await.status == 200).await;
    let alarms = browser.alarms_when(|alarms| alarms.iter().all(|row| row["provisional"] == false)).await;
    assert_eq!(alarms.len(), 1);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_is_heard_in_order_and_quickly() {
    const MANY: u64 = 500;
    let (_broker, _state, running, mut gateway) = met().await;
    let mut heard = running.heard();
    let clock = shouwang_duty_room::Clock::system();
    let begin = clock.now();
    for sequence in 1..=MANY {
        let document = AlarmDocument { id: AlarmId::from_parts(sequence, 0), ..smoke(1) };
        gateway.event(&event(sequence, AlarmChange::Raised, document)).await;
    }
    gateway.heard(MANY).await;
    let took = clock.now().since(begin);
    for sequence in 1..=MANY {
        assert_eq!(heard.recv().await.unwrap().event.sequence, sequence);
    }
    assert!(took < Duration::from_secs(10), "{MANY} alarms took {took:?}");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn two_duty_rooms_do_not_share_a_directory() {
    let state = tempfile::tempdir().unwrap();
    let running =
        shouwang_duty_room::start(config(state.path(), 1), shouwang_duty_room::Clock::system()).await;
    let second =
        shouwang_duty_room::start(config(state.path(), 1), shouwang_duty_room::Clock::system()).await;
    assert!(matches!(second, Err(shouwang_duty_room::StartError::InUse(_))), "{second:?}");
    running.unwrap().stop().await.unwrap();
}
