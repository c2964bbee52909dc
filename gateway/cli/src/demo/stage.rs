//! What can be done to the running demo, by its story and by its viewer's keys: press the button, take the broker
//! away, kill the gateway, pull a device out. Each is done once: what is away is not taken away again.
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use shouwang_core::Instant;
use shouwang_field::{Fault, Running};
use shouwang_gateway::broker::Broker;
use shouwang_message::{Text, Value};
use tokio::sync::mpsc::Sender;

use super::child::GatewayProcess;
use super::ledger::Notice;
use crate::exit::Exit;

/// A killed gateway stays away so long, about what a service manager takes.
const AWAY: Duration = Duration::from_secs(3);
const CALL_UNIT: &str = "call-3-2-401";
const UNPLUGGED: &str = "smoke-3-1-102";

/// One thing that is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Act {
    Set { device: &'static str, point: &'static str, value: Told },
    Press,
    BrokerAway,
    BrokerBack,
    Kill,
    Unplug,
    Replug,
}

/// A value in the field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Told {
    Smoke(bool),
    Number(f64),
}

pub(super) struct Stage {
    pub(super) field: Running,
    broker: Option<Broker>,
    broker_address: SocketAddr,
    gateway: Option<GatewayProcess>,
    config: PathBuf,
    notices: Sender<Notice>,
    start_gateway_at: Option<Instant>,
    unplugged: bool,
    /// When the broker went, and for how long it was away before.
    away_since: Option<Instant>,
    away: Duration,
}

impl Stage {
    pub(super) fn new(
        field: Running,
        broker: Broker,
        config: PathBuf,
        notices: Sender<Notice>,
    ) -> Result<Self, Exit> {
        let gateway = Some(GatewayProcess::start(&config, notices.clone())?);
        let broker_address = broker.address();
        Ok(Self {
            field,
            broker: Some(broker),
            broker_address,
            gateway,
            config,
            notices,
            start_gateway_at: None,
            unplugged: false,
            away_since: None,
            away: Duration::ZERO,
        })
    }

    /// Does it and says what was done; nothing if it is so already.
    pub(super) async fn act(&mut self, now: Instant, act: Act) -> Result<Option<Text>, Exit> {
        let failed = |error: shouwang_field::FieldError| Exit::failed(&error);
        let done = match act {
            Act::Set { device, point, value } => {
                let value = match value {
                    Told::Smoke(there) => Value::Bool(there),
                    Told::Number(number) => Value::Number(number),
                };
                self.field.set(device, point, value).map_err(failed)?;
                return Ok(None);
            }
            Act::Press => {
                self.field.press(CALL_UNIT).map_err(failed)?;
                Text::new("按下 3号楼2单元401 的呼叫按钮", "the call button of 3-2-401 is pressed")
            }
            Act::BrokerAway => {
                let Some(broker) = self.broker.take() else { return Ok(None) };
                broker.stop().await;
                self.away_since = Some(now);
                Text::new(
                    "MQTT 服务器没了:网关落盘等着,页面的“连接”变红",
                    "the broker is gone: the gateway keeps everything on disk, the page's connection lamp turns red",
                )
            }
            Act::BrokerBack => {
                if self.broker.is_some() {
                    return Ok(None);
                }
                let broker = Broker::start(self.broker_address).await;
                self.broker = Some(broker.map_err(|error| Exit::failed(&error))?);
                self.away = self.broker_away(now);
                self.away_since = None;
                Text::new(
                    "MQTT 服务器回来了:欠下的按顺序补上,迟到的行写明多少秒前发生",
                    "the broker is back: what was owed comes in order, and a row that is late says by how much",
                )
            }
            Act::Kill => {
                let Some(gateway) = self.gateway.take() else { return Ok(None) };
                let id = gateway.id();
                gateway.kill();
                self.start_gateway_at = Some(now + AWAY);
                let away = AWAY.as_secs();
                Text::new(
                    format!("kill -9 网关进程 {id};{away} 秒后重新启动"),
                    format!("kill -9 of the gateway's process {id}; it is started again in {away} s"),
                )
            }
            Act::Unplug | Act::Replug => {
                let on = act == Act::Unplug;
                if self.unplugged == on {
                    return Ok(None);
                }
                self.field.fault(UNPLUGGED, Fault::Dead, on).map_err(failed)?;
                self.unplugged = on;
                match on {
                    true => Text::new(
                        "拔掉 3号楼1单元102 的烟感:失联,只占一行",
                        "the smoke alarm of 3-1-102 is unplugged: lost, and one row only",
                    ),
                    false => Text::new(
                        "插回 3号楼1单元102 的烟感",
                        "the smoke alarm of 3-1-102 is plugged in again",
                    ),
                }
            }
        };
        Ok(Some(done))
    }

    /// For how long there was no broker, in all.
    pub(super) fn broker_away(&self, now: Instant) -> Duration {
        self.away + self.away_since.map_or(Duration::ZERO, |since| now.since(since))
    }

    /// What a viewer's key means now; none if it means nothing.
    pub(super) fn key(&self, key: u8) -> Option<Act> {
        match key.to_ascii_lowercase() {
            b'c' => Some(Act::Press),
            b'b' if self.broker.is_some() => Some(Act::BrokerAway),
            b'b' => Some(Act::BrokerBack),
            b'k' => Some(Act::Kill),
            b'u' if self.unplugged => Some(Act::Replug),
            b'u' => Some(Act::Unplug),
            _ => None,
        }
    }

    /// Starts a killed gateway again when its time has come; an end that nobody asked for is an error.
    pub(super) fn look_after_gateway(&mut self, now: Instant) -> Result<Option<Text>, Exit> {
        if let Some(ended) = self.gateway.as_mut().and_then(GatewayProcess::ended) {
            return Err(ended);
        }
        if self.start_gateway_at.is_none_or(|at| now < at) {
            return Ok(None);
        }
        self.start_gateway_at = None;
        self.gateway = Some(GatewayProcess::start(&self.config, self.notices.clone())?);
        Ok(Some(Text::new(
            "网关重新启动,从磁盘上的记录接着走",
            "the gateway is started again and goes on from its disk",
        )))
    }

    /// The gateway in order; the broker stays until the duty room has heard the last words.
    pub(super) async fn stop_gateway(&mut self) -> Result<(), Exit> {
        match self.gateway.take() {
            Some(gateway) => gateway.stop().await,
            None => Ok(()),
        }
    }

    pub(super) async fn stop(self) {
        if let Some(broker) = self.broker {
            broker.stop().await;
        }
        self.field.stop();
    }
}
