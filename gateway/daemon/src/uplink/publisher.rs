//! One connection: connects, publishes in the order given, and passes on the broker's receipts.
use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop, LastWill, Outgoing, Packet, QoS};
use shouwang_core::input::{Disconnect, Input};
use shouwang_core::output::Publication;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{END_LIMIT, Link, ORDERS, listener, transport};

/// Packet ids in use at most. Far above the core's window, so that a broker that acknowledges out of
/// order never makes the library reuse an id that is still awaited.
const IN_FLIGHT: u16 = 1000;

#[derive(Debug)]
pub(super) enum Order {
    Publish { token: Option<u64>, publication: Publication },
    End,
}

/// Returns why the connection ended.
pub(super) async fn run(
    link: Arc<Link>,
    connection: u32,
    will: Publication,
    orders: mpsc::Receiver<Order>,
) -> Disconnect {
    let (client, mut events) = match client(&link, &will) {
        Ok(made) => made,
        Err(error) => {
            tracing::warn!(connection, %error, "the connection could not be prepared");
            return Disconnect::Lost;
        }
    };
    if let Err(error) = events.poll().await {
        match transport::advice(&link, &error) {
            Some(advice) => {
                tracing::warn!(connection, %error, "{} · {}", advice.zh, advice.en);
            }
            None => tracing::info!(connection, %error, "no connection to the broker"),
        }
        return transport::why(&error);
    }
    link.tell(Input::Connected { connection }).await;
    let mut listening = JoinSet::new();
    listening.spawn(listener::run(Arc::clone(&link)));
    let mut session = Session {
        link,
        connection,
        client,
        handed_over: VecDeque::new(),
        awaited: BTreeMap::new(),
        ending: false,
        said_goodbye: false,
    };
    session.run(&mut events, orders, listening).await
}

struct Session {
    link: Arc<Link>,
    connection: u32,
    client: AsyncClient,
    /// Tokens of publications that the library has, but has not numbered yet, in order.
    handed_over: VecDeque<Option<u64>>,
    /// Tokens by the packet id under which the broker will acknowledge them.
    awaited: BTreeMap<u16, Option<u64>>,
    /// Asked to end: nothing more is ordered.
    ending: bool,
    said_goodbye: bool,
}

impl Session {
    async fn run(
        &mut self,
        events: &mut EventLoop,
        mut orders: mpsc::Receiver<Order>,
        mut listening: JoinSet<Disconnect>,
    ) -> Disconnect {
        let mut end_limit = pin!(tokio::time::sleep(Duration::MAX));
        loop {
            let event = {
                // One poll is finished before the next begins: a cancelled one could tear a packet.
                let mut poll = pin!(events.poll());
                loop {
                    tokio::select! {
                        event = &mut poll => break event,
                        order = orders.recv(), if !self.ending => {
                            let Some(order) = order else { return Disconnect::Lost };
                            if let Err(why) = self.obey(order).and_then(|()| self.end_when_quiet()) {
                                return why;
                            }
                            if self.ending {
                                end_limit.set(tokio::time::sleep(END_LIMIT));
                            }
                        }
                        gone = listening.join_next(), if !self.ending => {
                            tracing::info!(connection = self.connection, "the listening side is gone");
                            return gone.and_then(Result::ok).unwrap_or(Disconnect::Lost);
                        }
                        () = &mut end_limit, if self.ending => {
                            // Without the last receipts after all, but still without a will.
                            if self.said_goodbye || self.say_goodbye().is_err() {
                                return Disconnect::Lost;
                            }
                            end_limit.set(tokio::time::sleep(END_LIMIT));
                        }
                    }
                }
            };
            match event {
                Ok(event) => {
                    if let Err(why) = self.note(event).await.and_then(|()| self.end_when_quiet()) {
                        return why;
                    }
                }
                Err(error) => return self.last_words(events, &error).await,
            }
        }
    }

    /// Receipts that were read together with the end of the connection still count.
    async fn last_words(&mut self, events: &mut EventLoop, error: &ConnectionError) -> Disconnect {
        tracing::info!(connection = self.connection, %error, "the connection is gone");
        while let Some(event) = events.state.events.pop_front() {
            if self.note(event).await.is_err() {
                break;
            }
        }
        transport::why(error)
    }

    fn obey(&mut self, order: Order) -> Result<(), Disconnect> {
        match order {
            Order::Publish { token, publication } => {
                let qos = qos(&publication);
                if qos == QoS::AtLeastOnce {
                    self.handed_over.push_back(token);
                }
                let Publication { topic, retain, body, .. } = publication;
                self.client.try_publish(topic.to_string(), qos, retain, body).map_err(|_| self.too_slow())
            }
            Order::End => {
                self.ending = true;
                Ok(())
            }
        }
    }

    /// Asked to end, goes as soon as every receipt is there.
    fn end_when_quiet(&mut self) -> Result<(), Disconnect> {
        let quiet = self.handed_over.is_empty() && self.awaited.is_empty();
        if self.ending && quiet && !self.said_goodbye { self.say_goodbye() } else { Ok(()) }
    }

    fn say_goodbye(&mut self) -> Result<(), Disconnect> {
        self.said_goodbye = true;
        self.client.try_disconnect().map_err(|_| self.too_slow())
    }

    fn too_slow(&self) -> Disconnect {
        tracing::warn!(connection = self.connection, "the broker takes messages too slowly");
        Disconnect::Lost
    }

    /// Follows packet ids: anything that does not fit could confirm the wrong event, so it ends the
    /// connection, and the core sends again.
    async fn note(&mut self, event: Event) -> Result<(), Disconnect> {
        match event {
            Event::Outgoing(Outgoing::Publish(id)) if id != 0 => {
                let token = self.handed_over.pop_front().ok_or(Disconnect::Lost)?;
                if self.awaited.insert(id, token).is_some() {
                    return Err(self.confused(id));
                }
            }
            Event::Incoming(Packet::PubAck(ack)) => match self.awaited.remove(&ack.pkid) {
                Some(Some(token)) => {
                    let connection = self.connection;
                    self.link.tell(Input::Receipted { connection, token }).await;
                }
                Some(None) => {}
                None => return Err(self.confused(ack.pkid)),
            },
            Event::Outgoing(Outgoing::AwaitAck(id)) => return Err(self.confused(id)),
            Event::Outgoing(Outgoing::Disconnect) => return Err(Disconnect::Lost),
            Event::Incoming(_) | Event::Outgoing(_) => {}
        }
        Ok(())
    }

    fn confused(&self, id: u16) -> Disconnect {
        tracing::warn!(connection = self.connection, id, "receipts and messages do not fit together");
        Disconnect::Lost
    }
}

fn client(link: &Link, will: &Publication) -> Result<(AsyncClient, EventLoop), transport::TransportError> {
    let mut options = transport::options(link, "")?;
    options.set_inflight(IN_FLIGHT).set_last_will(LastWill::new(
        will.topic.to_string(),
        will.body.clone(),
        qos(will),
        will.retain,
    ));
    let (client, mut events) = AsyncClient::new(options, ORDERS);
    transport::tune(&mut events);
    Ok((client, events))
}

fn qos(publication: &Publication) -> QoS {
    if publication.at_least_once { QoS::AtLeastOnce } else { QoS::AtMostOnce }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Broker, Security, TrustedKeys};
    use rumqttc::{MqttOptions, PubAck};
    use std::sync::atomic::AtomicU64;

    fn session() -> (Session, mpsc::Receiver<Input>) {
        let (tell, told) = mpsc::channel(16);
        let broker = Broker {
            host: "localhost".into(),
            port: 1883,
            security: Security::Plain,
            username: None,
            password_file: None,
        };
        let link = Link {
            site: "heping".parse().unwrap(),
            gateway: "gw-0007".parse().unwrap(),
            broker,
            keys: TrustedKeys::default(),
            floor: shouwang_trust::Floor::of_the_build(),
            tell,
            ignored: AtomicU64::new(0),
        };
        let session = Session {
            link: Arc::new(link),
            connection: 3,
            client: AsyncClient::new(MqttOptions::new("x", "localhost", 1883), 10).0,
            handed_over: VecDeque::from([Some(70), None, Some(71)]),
            awaited: BTreeMap::new(),
            ending: false,
            said_goodbye: false,
        };
        (session, told)
    }

    fn sent(id: u16) -> Event {
        Event::Outgoing(Outgoing::Publish(id))
    }

    fn acknowledged(id: u16) -> Event {
        Event::Incoming(Packet::PubAck(PubAck::new(id)))
    }

    #[tokio::test]
    async fn a_receipt_names_its_own_message_whatever_the_order() {
        let (mut session, mut told) = session();
        for event in [sent(1), sent(0), sent(2), sent(3), acknowledged(3), acknowledged(2), acknowledged(1)] {
            session.note(event).await.unwrap();
        }
        assert_eq!(told.recv().await, Some(Input::Receipted { connection: 3, token: 71 }));
        assert_eq!(told.recv().await, Some(Input::Receipted { connection: 3, token: 70 }));
        assert!(told.try_recv().is_err());
    }

    #[tokio::test]
    async fn what_does_not_fit_ends_the_connection() {
        for strange in [acknowledged(2), sent(1), Event::Outgoing(Outgoing::AwaitAck(1))] {
            let (mut session, _told) = session();
            session.note(sent(1)).await.unwrap();
            assert_eq!(session.note(strange).await, Err(Disconnect::Lost));
        }
        let (mut session, _told) = session();
        session.handed_over.clear();
        assert_eq!(session.note(sent(1)).await, Err(Disconnect::Lost), "nobody handed it over");
    }
}
