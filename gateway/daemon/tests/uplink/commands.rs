//! Commands and receipts from duty rooms: believed by signature, flagged when retained, ignored when broken.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use rumqttc::{AsyncClient, MqttOptions, QoS};
use shouwang_core::input::Input;
use shouwang_gateway::config::TrustedKeys;
use shouwang_message::{Command, CommandName, HeardDocument, LogId, Timestamp, to_bytes};

use crate::broker::{Broker, next, uplink, will};

const ROOT: &str = "shouwang/v1/heping/gw-0007";
const PAYLOAD: &str = r#"{"txn":"t-1","alarm":null,"by":"u-7"}"#;

fn signed(key: &SigningKey, payload: &str) -> Command {
    let signature = STANDARD.encode(key.sign(payload.as_bytes()).to_bytes());
    Command { payload: payload.into(), key: Some("duty-1".into()), signature: Some(signature) }
}

#[tokio::test]
async fn only_a_valid_signature_of_a_trusted_key_names_its_signer() {
    let ours = SigningKey::from_bytes(&[7; 32]);
    let stranger = SigningKey::from_bytes(&[8; 32]);
    let mut keys = TrustedKeys::default();
    keys.trust("duty-1", ours.verifying_key().as_bytes()).unwrap();

    let good = signed(&ours, PAYLOAD);
    assert_eq!(keys.signer(&good).as_deref(), Some("duty-1"));
    let forgeries = [
        signed(&stranger, PAYLOAD),
        Command { payload: PAYLOAD.replace("u-7", "u-8"), ..good.clone() },
        Command { key: Some("duty-2".into()), ..good.clone() },
        Command { signature: Some("AAAA".into()), ..good.clone() },
        Command { signature: Some("no base64!".into()), ..good.clone() },
        Command { signature: None, ..good.clone() },
        Command { key: None, ..good.clone() },
    ];
    for forged in &forgeries {
        assert_eq!(keys.signer(forged), None, "{forged:?}");
    }
}

#[tokio::test]
async fn what_duty_rooms_say_arrives_once_and_what_is_broken_is_counted() {
    let broker = Broker::start("").await;
    let ours = SigningKey::from_bytes(&[7; 32]);
    let mut keys = TrustedKeys::default();
    keys.trust("duty-1", ours.verifying_key().as_bytes()).unwrap();

    let (duty_room, mut events) = AsyncClient::new(duty_room(broker.port), 100);
    tokio::spawn(async move { while events.poll().await.is_ok() {} });
    let log = LogId::from_parts(1, 2);
    let receipt = HeardDocument { log, up_to: 88_410, armed: 2, at: Timestamp::from_unix_ms(0) };
    let say = |leaf: &str, retain, body: Vec<u8>| {
        duty_room.publish(format!("{ROOT}/{leaf}"), QoS::AtLeastOnce, retain, body)
    };
    let retained = signed(&ours, PAYLOAD);
    say("heard/duty-1", true, to_bytes(&receipt)).await.unwrap();
    say("command/silence", true, to_bytes(&retained)).await.unwrap();

    let (mut uplink, mut told) = uplink(broker.plain(), keys);
    uplink.connect(1, will());
    assert_eq!(next(&mut told).await, Input::Connected { connection: 1 });
    let mut first = [next(&mut told).await, next(&mut told).await];
    first.sort_by_key(|input| matches!(input, Input::Commanded { .. }));
    assert_eq!(first[0], Input::Heard { duty_room: "duty-1".parse().unwrap(), document: receipt });
    let commanded = |name, signed_by: Option<&str>, retained| Input::Commanded {
        name,
        payload: PAYLOAD.into(),
        signed_by: signed_by.map(str::to_owned),
        retained,
    };
    assert_eq!(first[1], commanded(CommandName::Silence, Some("duty-1"), true));

    let unsigned = Command { payload: PAYLOAD.into(), key: None, signature: None };
    say("command/reset", false, to_bytes(&unsigned)).await.unwrap();
    assert_eq!(next(&mut told).await, commanded(CommandName::Reset, None, false));

    let deep = [b"{\"payload\":".to_vec(), vec![b'['; 20_000]].concat();
    let junk = [
        ("command/reset", b"{".to_vec()),
        ("command/reset", b"\xff\xfe".to_vec()),
        ("command/reset", vec![b'x'; 65 * 1024]),
        ("command/reset", deep),
        ("command/explode", to_bytes(&unsigned)),
        ("heard/duty-1", b"{}".to_vec()),
        ("heard/D%20R", b"{}".to_vec()),
    ];
    let broken = junk.len() as u64;
    for (leaf, body) in junk {
        say(leaf, false, body).await.unwrap();
    }
    say("command/acknowledge", false, to_bytes(&signed(&ours, PAYLOAD))).await.unwrap();
    assert_eq!(next(&mut told).await, commanded(CommandName::Acknowledge, Some("duty-1"), false));
    assert_eq!(uplink.ignored(), broken);

    // A giant ends the listening for a moment only, and the counting goes on.
    say("heard/giant", false, vec![b'x'; 3 << 20]).await.unwrap();
    while uplink.ignored() == broken {
        tokio::task::yield_now().await;
    }
    let mut deaf = true;
    while deaf {
        say("command/unshelve", false, to_bytes(&unsigned)).await.unwrap();
        let heard = tokio::time::timeout(std::time::Duration::from_millis(200), told.recv()).await;
        deaf = heard != Ok(Some(commanded(CommandName::Unshelve, None, false)));
    }
}

fn duty_room(port: u16) -> MqttOptions {
    let mut options = MqttOptions::new("duty-1", "127.0.0.1", port);
    options.set_max_packet_size(1 << 20, 4 << 20);
    options
}
