//! The listening side: commands and the duty rooms' receipts of this gateway, on a client of its own, so
//! that no flood of them can block what the gateway has to say.
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, Packet, Publish, QoS, SubscribeFilter,
    SubscribeReasonCode,
};
use shouwang_core::input::{Disconnect, Input};
use shouwang_message::topic::ROOT;
use shouwang_message::{Command, HeardDocument, Leaf, Topic, from_bytes};
use tokio::time::sleep;

use super::{Link, transport};

/// Without a subscription for this long the whole connection is given up and made again.
const DEAF_LIMIT: Duration = Duration::from_secs(10);
/// Between two attempts to subscribe.
const RETRY: Duration = Duration::from_millis(300);
/// A longer command or receipt is ignored.
const PAYLOAD_LIMIT: usize = 64 * 1024;
/// Acknowledgements waiting to be written at most: the broker's own window is far smaller.
const REQUESTS: usize = 256;

/// Listens until it has been deaf for 10 s; returns why.
pub(super) async fn run(link: Arc<Link>) -> Disconnect {
    let mut deaf = pin!(sleep(DEAF_LIMIT));
    let mut why = Disconnect::Lost;
    loop {
        match subscribe(&link) {
            Ok((client, mut events)) => {
                let opened = tokio::select! {
                    opened = until_subscribed(&client, &mut events, &link) => opened,
                    () = &mut deaf => return why,
                };
                let error = match opened {
                    Ok(()) => {
                        let error = listen(&client, &mut events, &link).await;
                        deaf.set(sleep(DEAF_LIMIT));
                        error
                    }
                    Err(error) => error,
                };
                if error.as_ref().is_some_and(transport::is_oversized) {
                    // Somebody left a giant on our topics. Telling alarms must go on all the same.
                    link.ignore("", "a message of more than 2 MiB");
                    deaf.set(sleep(DEAF_LIMIT));
                }
                why = error.as_ref().map_or(Disconnect::Lost, transport::why);
                let error = error.map_or_else(|| "a subscription was refused".to_owned(), |e| e.to_string());
                tracing::info!(error, "not listening for commands and receipts; trying again");
            }
            Err(error) => tracing::warn!(%error, "the listening side could not be prepared"),
        }
        tokio::select! {
            () = sleep(RETRY) => {}
            () = &mut deaf => return why,
        }
    }
}

/// None as the error: the broker refused the subscription.
type Ended = Option<ConnectionError>;

fn subscribe(link: &Link) -> Result<(AsyncClient, EventLoop), transport::TransportError> {
    let mut options = transport::options(link, "-commands")?;
    options.set_manual_acks(true);
    let (client, mut events) = AsyncClient::new(options, REQUESTS);
    transport::tune(&mut events);
    Ok((client, events))
}

async fn until_subscribed(client: &AsyncClient, events: &mut EventLoop, link: &Link) -> Result<(), Ended> {
    events.poll().await.map_err(Some)?;
    let filter = |leaf: &str| {
        SubscribeFilter::new(format!("{ROOT}/{}/{}/{leaf}/+", link.site, link.gateway), QoS::AtLeastOnce)
    };
    client.try_subscribe_many([filter("command"), filter("heard")]).map_err(|_| None)?;
    loop {
        match events.poll().await.map_err(Some)? {
            Event::Incoming(Packet::SubAck(ack)) => {
                let refused = ack.return_codes.contains(&SubscribeReasonCode::Failure);
                return if refused { Err(None) } else { Ok(()) };
            }
            // Retained receipts may overtake the broker's answer to the subscription.
            Event::Incoming(Packet::Publish(publish)) => hear(client, &publish, link).await?,
            _ => {}
        }
    }
}

async fn listen(client: &AsyncClient, events: &mut EventLoop, link: &Link) -> Ended {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                if let Err(ended) = hear(client, &publish, link).await {
                    return ended;
                }
            }
            Ok(_) => {}
            Err(error) => return Some(error),
        }
    }
}

/// Hands one message to the event loop and acknowledges it after the loop has taken it.
async fn hear(client: &AsyncClient, publish: &Publish, link: &Link) -> Result<(), Ended> {
    match read(publish, link) {
        Ok(input) => link.tell(input).await,
        Err(why) => link.ignore(&publish.topic, &why),
    }
    client.try_ack(publish).map_err(|_| None)
}

fn read(publish: &Publish, link: &Link) -> Result<Input, String> {
    if publish.payload.len() > PAYLOAD_LIMIT {
        return Err(format!("{} bytes are more than {PAYLOAD_LIMIT}", publish.payload.len()));
    }
    let topic: Topic = publish.topic.parse().map_err(|error| format!("{error}"))?;
    if (&topic.site, &topic.gateway) != (&link.site, &link.gateway) {
        return Err("it is for another gateway".into());
    }
    match topic.leaf {
        Leaf::Heard(duty_room) => {
            let document: HeardDocument = from_bytes(&publish.payload).map_err(|error| error.to_string())?;
            Ok(Input::Heard { duty_room, document })
        }
        Leaf::Command(name) => {
            let command: Command = from_bytes(&publish.payload).map_err(|error| error.to_string())?;
            let signed_by = link.keys.signer(&command);
            if command.signature.is_some() && signed_by.is_none() {
                tracing::info!(%name, key = ?command.key, "a command's signature is not valid");
            }
            Ok(Input::Commanded { name, payload: command.payload, signed_by, retained: publish.retain })
        }
        _ => Err("neither a command nor a receipt".into()),
    }
}
