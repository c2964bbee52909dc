//! The uplink against a real broker: receipts, wills, refusals, commands, cuts and TLS.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]
mod broker;
mod commands;
mod cuts;
mod tls;

use std::process::Command;
use std::time::Duration;

use broker::{Broker, heard, next, publication, settings, uplink, will, write};
use shouwang_core::input::{Disconnect, Input};
use shouwang_gateway::config::{Security, TrustedKeys};
use shouwang_message::Leaf;

#[tokio::test]
async fn publications_are_receipted_and_a_dropped_connection_sends_the_will() {
    let broker = Broker::start("").await;
    let mut hearing = broker.listen().await;
    let (mut uplink, mut told) = uplink(broker.plain(), TrustedKeys::default());
    uplink.connect(1, will());
    assert_eq!(next(&mut told).await, Input::Connected { connection: 1 });
    uplink.publish(1, Some(7), publication(Leaf::Event, "first"));
    uplink.publish(1, None, publication(Leaf::Event, "nobody asks"));
    uplink.publish(1, Some(8), publication(Leaf::State, "ready"));
    uplink.publish(9, Some(9), publication(Leaf::Event, "another connection's"));
    assert_eq!(next(&mut told).await, Input::Receipted { connection: 1, token: 7 });
    assert_eq!(next(&mut told).await, Input::Receipted { connection: 1, token: 8 });
    let mut bodies = Vec::new();
    for _ in 0..3 {
        bodies.push(heard(&mut hearing).await.payload);
    }
    assert_eq!(bodies, ["first", "nobody asks", "ready"]);

    uplink.drop_connection(1);
    let last = heard(&mut hearing).await;
    assert_eq!((last.topic.as_str(), &last.payload[..]), ("shouwang/v1/heping/gw-0007/state", &b"gone"[..]));
    // It would have been kept for who comes later, and the dropped connection says nothing more.
    assert!(broker.listen().await.recv().await.unwrap().retain);
    assert!(told.try_recv().is_err());
}

#[tokio::test]
async fn a_clean_end_tells_everything_and_sends_no_will() {
    let broker = Broker::start("").await;
    let mut hearing = broker.listen().await;
    let (mut uplink, mut told) = uplink(broker.plain(), TrustedKeys::default());
    uplink.connect(1, will());
    assert_eq!(next(&mut told).await, Input::Connected { connection: 1 });
    uplink.publish(1, Some(1), publication(Leaf::State, "stopped"));
    uplink.disconnect(1);
    assert_eq!(next(&mut told).await, Input::Receipted { connection: 1, token: 1 });
    assert_eq!(next(&mut told).await, Input::Disconnected { connection: 1, why: Disconnect::Lost });
    assert_eq!(heard(&mut hearing).await.payload, "stopped");
    uplink.connect(2, will());
    assert_eq!(next(&mut told).await, Input::Connected { connection: 2 });
    uplink.publish(2, None, publication(Leaf::Event, "after"));
    assert_eq!(heard(&mut hearing).await.payload, "after", "no will in between");

    // At the end of the process nobody listens to the uplink any more.
    uplink.publish(2, Some(2), publication(Leaf::State, "last"));
    uplink.disconnect(2);
    drop(told);
    uplink.finish().await;
    let late = broker.listen().await.recv().await.unwrap();
    assert_eq!(late.payload, "last", "kept, and no will after it");
}

#[tokio::test]
async fn a_broker_that_goes_away_is_told_and_found_again() {
    let broker = Broker::start("").await;
    let port = broker.port;
    let (mut uplink, mut told) = uplink(broker.plain(), TrustedKeys::default());
    uplink.connect(1, will());
    assert_eq!(next(&mut told).await, Input::Connected { connection: 1 });
    let home = broker.kill();
    assert_eq!(next(&mut told).await, Input::Disconnected { connection: 1, why: Disconnect::Lost });
    uplink.connect(2, will());
    assert_eq!(next(&mut told).await, Input::Disconnected { connection: 2, why: Disconnect::Lost });
    let _broker = Broker::start_at(port, home, "").await;
    uplink.connect(3, will());
    assert_eq!(next(&mut told).await, Input::Connected { connection: 3 });
    uplink.publish(3, Some(1), publication(Leaf::Event, "again"));
    assert_eq!(next(&mut told).await, Input::Receipted { connection: 3, token: 1 });
}

#[tokio::test]
async fn a_broker_that_says_nothing_is_given_up_after_some_seconds() {
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port();
    let (mut uplink, mut told) = uplink(settings(port, Security::Plain), TrustedKeys::default());
    uplink.connect(1, will());
    let answer = tokio::time::timeout(Duration::from_secs(7), told.recv()).await.unwrap();
    assert_eq!(answer, Some(Input::Disconnected { connection: 1, why: Disconnect::Lost }));
}

#[tokio::test]
async fn a_wrong_password_is_refused_not_lost() {
    let home = tempfile::tempdir().unwrap();
    let passwords = home.path().join("passwords");
    let made = Command::new("mosquitto_passwd")
        .args(["-b", "-c"])
        .arg(&passwords)
        .args(["gw-0007", "right"])
        .status()
        .unwrap();
    assert!(made.success());
    let broker = Broker::start(&format!("password_file {}", passwords.display())).await;
    for (password, expected) in [
        ("wrong\n", Input::Disconnected { connection: 1, why: Disconnect::Refused }),
        ("right\n", Input::Connected { connection: 1 }),
    ] {
        let mut settings = broker.plain();
        settings.username = Some("gw-0007".into());
        settings.password_file = Some(write(home.path(), "password", password));
        let (mut uplink, mut told) = uplink(settings, TrustedKeys::default());
        uplink.connect(1, will());
        assert_eq!(next(&mut told).await, expected);
    }
}
