//! What is said over MQTT: topics, documents, events, commands and receipts.
//!
//! Every type here is one document of the public contract and serialises to pinned bytes; nothing in
//! this crate decides or acts. Deserialising is strict about meaning (ids, enumerations, times) and
//! lenient about unknown fields, so that an older duty room can hear a newer gateway.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod alarm;
pub mod code;
pub mod command;
pub mod device;
pub mod event;
pub mod gateway;
pub mod heard;
pub mod history;
pub mod id;
pub mod text;
pub mod time;
pub mod topic;
pub mod value;
pub mod welfare;

pub use alarm::{
    Acknowledged, AlarmDocument, Class, Mode, OutOfService, Priority, Shelved, Suppressed, Texted,
};
pub use code::{BadCode, DeviceCode};
pub use command::{Command, CommandError, CommandName, CommandPayload, Reply};
pub use device::{DeviceState, DeviceStateDocument, PointValue, Quality, ValuesDocument};
pub use event::{
    AlarmChange, BootRecord, ClockRecord, CommandRecord, Event, EventData, EventKind, FaultDocument,
    GapRecord,
};
pub use gateway::{
    DeviceInfo, GatewayState, Heartbeat, InfoDocument, LineHealth, LineInfo, LineRule, OutboxHealth,
    RainGauge, StateDocument, StationInfo, StoreHealth, WalkInfo,
};
pub use heard::HeardDocument;
pub use history::HistoryDocument;
pub use id::{AlarmId, BadId, Id, LogId, Sequence};
pub use text::{Place, Text};
pub use time::{Clock, Instant, Timestamp};
pub use topic::{BadTopic, Leaf, Topic};
pub use value::Value;
pub use welfare::{WelfareDocument, WelfarePause, WelfareReason, WelfareSign, WelfareStanding};

use alloc::vec::Vec;

/// The document as the bytes that travel. All documents here serialise without fail: their maps have
/// string keys and their numbers are finite, so an error could only be ours; it becomes an empty body.
pub fn to_bytes<T: serde::Serialize>(document: &T) -> Vec<u8> {
    serde_json::to_vec(document).unwrap_or_default()
}

/// Reads a document that came from outside; the error says where the JSON went wrong.
pub fn from_bytes<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(bytes)
}
