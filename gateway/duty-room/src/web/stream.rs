//! Server-sent events: a tick every 2 s as long as the loop turns, and a word whenever the list changed.
//! A page without ticks knows that it is not live.
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use futures_util::stream::{self, Stream};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::Desk;
use super::refusal::{Refusal, refusal};
use crate::eventloop::Pulse;

const TICK_EVERY: Duration = Duration::from_secs(2);
/// Changes told together, so that a flood is not a flood of reloads.
const CHANGES_EVERY: Duration = Duration::from_millis(100);

pub(super) async fn stream(State(desk): State<Desk>) -> Result<impl IntoResponse, Refusal> {
    let seat = desk.inner.streams.clone().try_acquire_owned().map_err(|_| {
        refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "streams",
            "同时打开的页面过多",
            "Too many live pages are open",
        )
    })?;
    Ok(Sse::new(events(desk, seat)))
}

struct Reader {
    desk: Desk,
    pulse: watch::Receiver<Pulse>,
    ticks: Interval,
    told: u64,
    _seat: OwnedSemaphorePermit,
}

fn events(desk: Desk, seat: OwnedSemaphorePermit) -> impl Stream<Item = Result<Event, Infallible>> {
    let pulse = desk.inner.pulse.clone();
    let told = pulse.borrow().version;
    let mut ticks = interval(TICK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let reader = Reader { desk, pulse, ticks, told, _seat: seat };
    stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    })
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                _ = self.ticks.tick() => {
                    if self.desk.is_alive() {
                        return Some(self.tick());
                    }
                }
                changed = self.pulse.changed() => {
                    changed.ok()?;
                    if self.pulse.borrow_and_update().version != self.told {
                        tokio::time::sleep(CHANGES_EVERY).await;
                        let pulse = self.pulse.borrow_and_update().clone();
                        self.told = pulse.version;
                        let data = json!({ "hash": pulse.hash }).to_string();
                        return Some(Event::default().event("alarms").data(data));
                    }
                }
            }
        }
    }

    fn tick(&self) -> Event {
        let pulse = self.desk.pulse();
        let data = json!({
            "situation": *pulse.situation, "at": self.desk.inner.clock.wall(), "sequence": pulse.sequence, "hash": pulse.hash,
            "broker": pulse.linked, "store": !pulse.store_failing, "boards": self.desk.boards(),
            "shift": pulse.shift, "roll_call": pulse.roll_call,
        });
        Event::default().event("tick").data(data.to_string())
    }
}
