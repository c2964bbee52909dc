//! The duty room's own receipt.
use serde::{Deserialize, Serialize};

use crate::{LogId, Sequence, Timestamp};

/// `/heard/{duty-room}`, retained: every event of `log` up to and including `up_to` is committed on the
/// duty room's own disk, with no gap below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardDocument {
    pub log: LogId,
    pub up_to: Sequence,
    /// Boards that are live and can sound.
    pub armed: u32,
    pub at: Timestamp,
}
