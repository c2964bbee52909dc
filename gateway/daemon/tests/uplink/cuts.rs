//! 20,000 messages through a network that keeps breaking: nothing that was receipted is missing.
use std::collections::BTreeSet;

use shouwang_core::input::Input;
use shouwang_gateway::config::{Security, TrustedKeys};
use shouwang_gateway::uplink::Uplink;
use shouwang_message::Leaf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::broker::{Broker, heard, next, publication, settings, uplink, will};

const ROWS: u64 = 20_000;
/// As the core's.
const WINDOW: usize = 80;

/// Forwards to the broker and cuts every connection after a while, half of them in the middle of a packet.
async fn rough_network(broker: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut chance = 0x2545_F491_4F6C_DD1D_u64;
        while let Ok((inside, _)) = listener.accept().await {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            let outside = TcpStream::connect(("127.0.0.1", broker)).await.unwrap();
            tokio::spawn(carry(inside, outside, usize::try_from(chance % 40_000).unwrap()));
        }
    });
    port
}

async fn carry(mut inside: TcpStream, mut outside: TcpStream, mut left: usize) {
    let (mut up, mut down) = ([0; 512], [0; 512]);
    while left > 0 {
        let (count, there) = tokio::select! {
            read = inside.read(&mut up) => match read {
                Ok(count) if count > 0 => (count, outside.write_all(&up[..count.min(left)]).await),
                _ => break,
            },
            read = outside.read(&mut down) => match read {
                Ok(count) if count > 0 => (count, inside.write_all(&down[..count.min(left)]).await),
                _ => break,
            },
        };
        if there.is_err() {
            break;
        }
        left = left.saturating_sub(count);
    }
}

/// What the core does with the hands, as short as it can be: a window over rows, sent again from the
/// first row without a receipt after every reconnection.
struct Sender {
    uplink: Uplink,
    connection: u32,
    up: bool,
    next: u64,
    in_flight: BTreeSet<u64>,
    receipted: BTreeSet<u64>,
}

impl Sender {
    fn take(&mut self, input: &Input) {
        match input {
            Input::Connected { connection } if *connection == self.connection => {
                self.up = true;
                self.in_flight.clear();
                self.next = (1..=ROWS).find(|row| !self.receipted.contains(row)).unwrap_or(ROWS + 1);
            }
            Input::Receipted { connection, token } if *connection == self.connection => {
                assert!(self.in_flight.remove(token), "a receipt for a row that is not in flight");
                self.receipted.insert(*token);
            }
            Input::Disconnected { connection, .. } if *connection == self.connection => {
                self.up = false;
                self.connection += 1;
                self.uplink.connect(self.connection, will());
            }
            _ => {}
        }
        while self.up && self.in_flight.len() < WINDOW && self.next <= ROWS {
            let row = self.next;
            self.next += 1;
            if self.in_flight.insert(row) {
                let body = format!("{row:>100}");
                self.uplink.publish(self.connection, Some(row), publication(Leaf::Event, body));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_receipted_message_is_missing_after_many_cuts() {
    let broker = Broker::start("").await;
    let mut hearing = broker.listen().await;
    let port = rough_network(broker.port).await;
    let (uplink, mut told) = uplink(settings(port, Security::Plain), TrustedKeys::default());
    let mut sender = Sender {
        uplink,
        connection: 1,
        up: false,
        next: 1,
        in_flight: BTreeSet::new(),
        receipted: BTreeSet::new(),
    };
    sender.uplink.connect(1, will());
    while sender.receipted.len() < usize::try_from(ROWS).unwrap() {
        let input = next(&mut told).await;
        sender.take(&input);
    }
    assert!(sender.connection > 30, "only {} connections: the network was too kind", sender.connection);
    let mut missing: BTreeSet<u64> = (1..=ROWS).collect();
    while !missing.is_empty() {
        let publish = heard(&mut hearing).await;
        if let Ok(row) = std::str::from_utf8(&publish.payload).unwrap().trim().parse() {
            missing.remove(&row);
        }
    }
}
