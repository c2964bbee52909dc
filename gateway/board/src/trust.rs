//! What is refused before anything is decided, each kind counted: nothing from the wire is trusted because
//! it arrived.

use alloc::string::String;
use serde::de::DeserializeOwned;
use shouwang_message::{Leaf, Topic};

use crate::bounds;

/// Why a message was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refusal {
    /// Not a topic of ours, or one that only a duty room publishes.
    Topic,
    /// Over the bound of its kind.
    TooLong,
    /// Not the document that belongs on its topic.
    Unreadable,
    /// Retained where the contract says never: a leftover or a forgery.
    Retained,
    /// The content names another gateway, site or alarm than its topic.
    Contradiction,
    /// More gateways than the board has room for.
    TooManyGateways,
}

/// The topic of a message that may be looked at.
pub(crate) fn topic(topic: &str, payload: &[u8], retained: bool) -> Result<Topic, Refusal> {
    let topic: Topic = topic.parse().map_err(|_| Refusal::Topic)?;
    let bound = if topic.leaf == Leaf::Info { bounds::INFO_BYTES } else { bounds::PAYLOAD_BYTES };
    if payload.len() > bound {
        return Err(Refusal::TooLong);
    }
    match topic.leaf {
        Leaf::State | Leaf::Info | Leaf::DeviceState(_) | Leaf::DeviceValues(_) | Leaf::Alarm(_) => Ok(topic),
        Leaf::Event | Leaf::Heartbeat | Leaf::Reply(_) | Leaf::History if retained => Err(Refusal::Retained),
        Leaf::Event | Leaf::Heartbeat | Leaf::Reply(_) | Leaf::History => Ok(topic),
        Leaf::Heard(_) | Leaf::Command(_) => Err(Refusal::Topic),
    }
}

pub(crate) fn document<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Refusal> {
    shouwang_message::from_bytes(payload).map_err(|_| Refusal::Unreadable)
}

/// Longest text shown of any field, in characters.
const SHOWN_CHARACTERS: usize = 200;

/// A text from outside as people may see it: bounded, without control and direction-changing characters.
pub fn shown(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().filter(|c| !hidden(*c)).take(SHOWN_CHARACTERS).collect()
}
