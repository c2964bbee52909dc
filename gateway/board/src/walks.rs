//! Walk tests (走测) at the gateways: an installer there asks, a person on watch here agrees or not. Until somebody has,
//! no device is in test; what is tried is named on every page.
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Value, json};
use shouwang_message::{AlarmId, Timestamp, WalkInfo};

use crate::asking::Pending;
use crate::board::{Board, Effect};
use crate::desk::DeskAsked;
use crate::logbook::LogLine;
use crate::requests::refused;
use crate::trust::shown;
use crate::{Asked, GatewayName, Outcome, Request, bounds, kept};

/// A gateway lists no more.
const DEVICES: usize = 64;
/// Devices that are named; the rest is counted.
const NAMED: usize = 20;
/// How long the gateway may take the agreement for: it ends a walk after as long by itself.
const WALK_MS: i64 = 2 * 60 * 60 * 1_000;

impl Board {
    /// What a gateway's `/info` says of it, as far as it may be shown.
    pub(crate) fn walk_arrived(&mut self, whom: &GatewayName, walk: Option<WalkInfo>) {
        let Some(gateway) = self.gateway(whom) else { return };
        gateway.walk = walk.map(|mut walk| {
            walk.devices.truncate(DEVICES);
            WalkInfo { by: shown(&walk.by), ..walk }
        });
    }

    /// A person answers the installer: `agreed`, or the walk is not to be.
    pub(crate) fn answer_walk(
        &mut self,
        ticket: u64,
        asked: &DeskAsked,
        walk: AlarmId,
        agreed: bool,
    ) -> Result<(), Outcome> {
        let is_it = |told: &WalkInfo| told.id == walk;
        let found = self.gateways.iter().find(|(_, gateway)| gateway.walk.as_ref().is_some_and(is_it));
        let Some((whom, open)) =
            found.and_then(|(whom, gateway)| Some((whom.clone(), gateway.walk.clone()?)))
        else {
            return Err(refused(
                "unknown_walk",
                "没有这次走测,或已结束",
                "There is no such walk test any more",
            ));
        };
        if agreed && open.accepted.is_some() {
            return Err(refused("accepted", "已有人同意这次走测", "Somebody has agreed to it already"));
        }
        let Some(device) = open.devices.first() else {
            return Err(refused("unknown_walk", "走测清单是空的", "The list of this walk test is empty"));
        };
        if self.room() == 0 || self.pending.len() >= bounds::REQUESTS {
            return Err(refused("busy", "存储繁忙,请稍后再试", "The disk is behind: try again soon"));
        }
        let ends = self.wall.unix_ms() + if agreed { WALK_MS } else { 0 };
        let request = Request::Walk { walk, until: Timestamp::from_unix_ms(ends) };
        let (by, from) = (asked.by.clone(), asked.from.clone());
        let order = Asked { alarm: walk, by, from, reason: None, occurrence: None, request };
        self.log.push(LogLine {
            at: self.wall,
            by: asked.by.clone(),
            from: asked.from.clone(),
            what: if agreed { "walk.agree" } else { "walk.refuse" }.into(),
            about: None,
            old: None,
            new: Some(alloc::format!("{}: {}, {} devices", whom.gateway, open.by, open.devices.len())),
            note: None,
        });
        let txn = self.chance.token();
        let pending = Pending::new(self.now, self.wall, order, &whom, device, 0);
        self.keep.push((kept::asked(&txn), serde_json::to_string(&pending).ok()));
        self.effects.push(Effect::Asked { txn: txn.clone() });
        self.pending.insert(txn, pending);
        let told = json!({ "walk": walk, "agreed": agreed, "gateway": whom.gateway, "pending": true });
        self.effects.push(Effect::ValueAnswer { ticket, told });
        self.changed = true;
        Ok(())
    }

    /// The walks that are asked for or under way, for the pages: whose, where, and which devices.
    pub(crate) fn walks_words(&self) -> Value {
        let walks = self.gateways.iter().filter_map(|(whom, gateway)| {
            let walk = gateway.walk.as_ref()?;
            let place = |id| {
                let device = gateway.devices.get(id);
                let place = device.and_then(|device| device.place.name.as_deref()).map(shown);
                place.unwrap_or_else(|| ToString::to_string(id))
            };
            let devices: Vec<String> = walk.devices.iter().take(NAMED).map(place).collect();
            Some(
                json!({ "id": walk.id, "gateway": whom.gateway, "title": gateway.title.as_deref().map(shown),
                "by": walk.by, "asked_at": walk.asked_at, "accepted": walk.accepted,
                "count": walk.devices.len(), "devices": devices }),
            )
        });
        walks.collect()
    }
}
