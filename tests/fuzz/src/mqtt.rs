//! What a broker may deliver, to the gateway and to the duty room.
//!
//! The input is a list of messages between zero bytes, each a topic's last part, a line's end and the payload.
use std::path::PathBuf;
use std::time::Duration;

use shouwang_board::{Board, Input as BoardInput, ListState, Output as BoardOutput, Settings};
use shouwang_core::input::Input;
use shouwang_core::output::Output;
use shouwang_core::{Instant, Timestamp};
use shouwang_gateway::config::Config;
use shouwang_message::{Command, HeardDocument, Leaf, Sequence, Topic, from_bytes};

const SITE: &str = r#"
site = "heping"
gateway = "gw-1"
name = "gateway"
state_dir = "/var/lib/shouwang"
[uplink]
url = "mqtt://127.0.0.1:1883"
[[line]]
name = "hall"
tcp = { address = "127.0.0.1:1502" }
[[device]]
id = "smoke-1"
line = "hall"
unit_id = 12
profile = "renke-rs-yg-n01"
place = { name = "hall" }
"#;

fn messages(data: &[u8]) -> impl Iterator<Item = (String, &[u8])> {
    data.split(|byte| *byte == 0).filter_map(|message| {
        let end = message.iter().position(|byte| *byte == b'\n')?;
        let (leaf, payload) = (message.get(..end)?, message.get(end + 1..)?);
        Some((format!("shouwang/v1/heping/gw-1/{}", std::str::from_utf8(leaf).ok()?), payload))
    })
}

pub(crate) fn to_gateway(data: &[u8]) {
    let config = Config::from_sources(&[(PathBuf::from("gateway.toml"), SITE.to_owned())]);
    let mut engine = crate::configuration::engine(&config.expect("the site above is sound"));
    let mut now = Instant::from_micros(1);
    let mut newest: Sequence = 0;
    let mut take = |now: Instant, input: Input| {
        let mut inputs = vec![input];
        let mut orders = 0;
        while let Some(input) = inputs.pop() {
            for output in engine.handle(now, input) {
                orders += 1;
                assert!(orders < 10_000, "orders without end");
                if let Output::Commit(commit) = output {
                    for event in &commit.events {
                        assert_eq!(event.sequence, newest + 1, "a gap in the sequence");
                        newest = event.sequence;
                    }
                    inputs.push(Input::Committed { commit: commit.id });
                }
            }
        }
    };
    take(now, Input::Connected { connection: 1 });
    for (topic, payload) in messages(data) {
        now = now + Duration::from_millis(10);
        let Ok(topic) = topic.parse::<Topic>() else { continue };
        let input = match topic.leaf {
            Leaf::Heard(duty_room) => {
                let Ok(document) = from_bytes::<HeardDocument>(payload) else { continue };
                Input::Heard { duty_room, document }
            }
            Leaf::Command(name) => {
                let Ok(command) = from_bytes::<Command>(payload) else { continue };
                Input::Commanded { name, payload: command.payload, signed_by: None, retained: false }
            }
            _ => continue,
        };
        take(now, input);
    }
}

pub(crate) fn to_duty_room(data: &[u8]) {
    let mut now = Instant::from_micros(1);
    let wall = Timestamp::from_unix_ms(1_800_000_000_000);
    let settings = Settings::new("duty-1".parse().expect("an id"));
    let mut board = Board::restore(settings, 7, now, wall, []);
    let mut take = |now: Instant, input: BoardInput| {
        let mut inputs = vec![input];
        let mut orders = 0;
        while let Some(input) = inputs.pop() {
            for output in board.handle(now, wall, input) {
                orders += 1;
                assert!(orders < 10_000, "orders without end");
                if let BoardOutput::Commit(transaction) = output {
                    inputs.push(BoardInput::Committed { transaction: transaction.number });
                }
            }
        }
    };
    take(now, BoardInput::LinkUp);
    for (topic, payload) in messages(data) {
        now = now + Duration::from_millis(10);
        take(
            now,
            BoardInput::Arrived {
                topic,
                payload: payload.to_vec(),
                retained: now.as_micros().is_multiple_of(3),
            },
        );
    }
    take(now + Duration::from_secs(60), BoardInput::Woke);
    let _ = (board.list(ListState::All), board.open_hash());
}
