//! The embedded broker: for the demo, and for a gateway that stands alone with its duty room.
//!
//! It keeps everything in memory: whatever it forgets, the gateway's log and the duty room's gap repair
//! bring back, and a flash disk is spared. A town uses a broker of its own, such as mosquitto or EMQX.
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use mqtt5::broker::MqttBroker;
use mqtt5::broker::config::{AuthConfig, BrokerConfig, StorageBackend, StorageConfig};
use mqtt5::broker::server::BrokerShutdownHandle;
use tokio::task::JoinHandle;

/// Gateways, duty rooms and their second connections.
const MAX_CLIENTS: usize = 64;
/// Documents are a few KiB; `/info` of a full gateway is the largest.
const MAX_PACKET: usize = 1024 * 1024;
/// Alarms, devices and gateways that may have a retained document.
const MAX_RETAINED: usize = 100_000;
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// A broker that runs until it is stopped or dropped.
pub struct Broker {
    address: SocketAddr,
    shutdown: BrokerShutdownHandle,
    task: JoinHandle<()>,
}

/// The broker could not be started.
#[derive(Debug, thiserror::Error)]
#[error("starting the embedded broker on {listen}: {why}; choose another [broker] listen address or port")]
pub struct BrokerError {
    listen: SocketAddr,
    why: String,
}

impl Broker {
    /// Listens on this address (port 0: any free one) without asking for a password; it must therefore be an
    /// address that only this machine reaches. Must be called within a tokio runtime.
    pub async fn start(listen: SocketAddr) -> Result<Self, BrokerError> {
        let failed = |why: String| BrokerError { listen, why };
        let mut broker =
            MqttBroker::with_config(settings(listen)).await.map_err(|error| failed(error.to_string()))?;
        let address = broker.local_addr().ok_or_else(|| failed("it has no address".into()))?;
        let shutdown = broker.shutdown_handle();
        let task = tokio::spawn(async move {
            if let Err(error) = broker.run().await {
                tracing::error!(%error, "the embedded broker ended");
            }
        });
        Ok(Self { address, shutdown, task })
    }

    /// It ended by itself, which it never should.
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it; what it held is forgotten.
    pub async fn stop(mut self) {
        self.shutdown.shutdown();
        if tokio::time::timeout(STOP_WITHIN, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn settings(listen: SocketAddr) -> BrokerConfig {
    BrokerConfig {
        bind_addresses: vec![listen],
        max_clients: MAX_CLIENTS,
        max_packet_size: MAX_PACKET,
        max_retained_messages: MAX_RETAINED,
        max_retained_message_size: MAX_PACKET,
        auth_config: AuthConfig { allow_anonymous: true, ..AuthConfig::default() },
        storage_config: StorageConfig {
            backend: StorageBackend::Memory,
            enable_persistence: false,
            ..StorageConfig::default()
        },
        sys_topics_enabled: false,
        ..BrokerConfig::default()
    }
}
