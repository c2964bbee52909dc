//! Commands to a gateway as a duty room sends them over MQTT, and the gateway's replies.
use std::time::Duration;

use serde_json::{Value, json};
use shouwang_message::Timestamp;

use crate::{Listener, clock, wait_for};

const LIMIT: Duration = Duration::from_secs(10);

/// What `u-7` asks about this alarm; already expired if `expires_in_s` is negative.
pub fn payload(txn: &str, nonce: &str, alarm: &str, expires_in_s: i64) -> Value {
    let now = clock::wall();
    let expires = Timestamp::from_unix_ms(now.unix_ms() + expires_in_s * 1000);
    json!({
        "txn": txn, "alarm": alarm, "by": "u-7", "at": now, "expires": expires, "nonce": nonce, "reason": null,
    })
}

/// The unsigned envelope.
pub fn envelope(payload: &Value) -> Vec<u8> {
    json!({ "payload": payload.to_string() }).to_string().into_bytes()
}

pub fn send(listener: &Listener, command: &str, payload: &Value) {
    listener.publish(&format!("command/{command}"), false, envelope(payload));
}

/// Waits for the reply to this transaction.
pub fn reply(listener: &Listener, command: &str, txn: &str) -> Value {
    wait_for(LIMIT, &format!("{command} {txn} should be answered"), || {
        replies(listener, command).into_iter().find(|reply| reply["txn"] == txn)
    })
}

/// All replies to commands of this name so far.
pub fn replies(listener: &Listener, command: &str) -> Vec<Value> {
    let leaf = format!("reply/{command}");
    let messages = listener.messages().into_iter().filter(|message| message.leaf == leaf);
    messages.map(|message| serde_json::from_slice(&message.payload).expect("a reply is JSON")).collect()
}
