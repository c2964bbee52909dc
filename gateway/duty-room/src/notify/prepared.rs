//! Channels as they can be used: what is trusted is read from the disk before the loop hears of them.
use std::io::Read as _;
use std::path::Path;

use super::client;
use super::http::{Client, Trust};
use crate::config::channels::{Channel, ChannelKind};

/// Longer is no file with certificates.
const LONGEST: u64 = 256 * 1_024;

/// A channel and what it needs to begin.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) channel: Channel,
    /// What its `ca_file` says: another one at the same place is another channel.
    pub(crate) ca: Option<Vec<u8>>,
    /// None for a modem.
    pub(crate) client: Option<Client>,
}

/// All of them, or which cannot be used and why. Reads files.
pub(crate) fn prepare(channels: &[Channel]) -> Result<Vec<Prepared>, String> {
    let mut trust = Trust::default();
    let mut prepared = Vec::new();
    for channel in channels {
        let address = match &channel.kind {
            ChannelKind::Service(service) => Some(service.address()),
            ChannelKind::Webhook { url, .. } => Some(url),
            ChannelKind::Modem(_) => None,
        };
        let client = address.map(|address| client(address, channel, &mut trust)).transpose();
        let client = client.map_err(|why| format!("channel {}: {why}", channel.id))?;
        let ca = channel.ca_file.as_deref().and_then(read);
        prepared.push(Prepared { channel: channel.clone(), ca, client });
    }
    Ok(prepared)
}

fn read(file: &Path) -> Option<Vec<u8>> {
    let mut said = Vec::new();
    std::fs::File::open(file).ok()?.take(LONGEST).read_to_end(&mut said).ok()?;
    Some(said)
}
