//! Who lives alone and is watched over: how each no-activity rule stands by its gateway's word, and a person's word that
//! nobody is there for a while (外出, 住院), which the gateway keeps and ends by itself.
use alloc::string::ToString;
use alloc::vec::Vec;

use serde_json::{Value, json};
use shouwang_message::{DeviceStateDocument, Id, Timestamp, WelfareDocument, WelfarePause, WelfareReason};

use crate::board::Board;
use crate::desk::DeskAsked;
use crate::logbook::LogLine;
use crate::requests::refused;
use crate::trust::shown;
use crate::{GatewayName, Outcome, Request, bounds};

/// As the gateway allows it, days.
const LONGEST_DAYS: i64 = 90;

/// Of which rule, until when, and why; without `until` somebody is there again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WelfareAsked {
    pub rule: Id,
    /// Needed where several gateways have a rule of this name.
    pub gateway: Option<Id>,
    pub until: Option<Timestamp>,
    pub reason: WelfareReason,
}

impl Board {
    /// Every rule that a gateway tells of, with where it is; ordered by gateway, device and rule.
    pub fn welfare(&self) -> Vec<Value> {
        let rules = self.gateways.iter().flat_map(|(whom, gateway)| {
            gateway.devices.iter().flat_map(move |(id, device)| {
                let rules = device.state.iter().flat_map(|state| &state.welfare);
                rules.map(move |rule| (whom, gateway, id, device, rule))
            })
        });
        let items = rules.map(|(whom, gateway, id, device, rule)| {
            let asked = self.pending.values().find_map(|pending| pending.paused(whom, &rule.id));
            json!({ "id": rule.id, "site": whom.site, "gateway": whom.gateway, "device": id,
                "gateway_name": gateway.title.as_deref().map(shown), "name": rule.name, "sign": rule.sign,
                "standing": rule.standing, "window_s": rule.window_s, "active_at": rule.active_at,
                "trickles": rule.trickles, "pause": rule.pause, "pending": asked,
                "is_known": gateway.may_answer(), "place": device.place.name.as_deref().map(shown) })
        });
        items.collect()
    }

    /// How many are paused, and how many nobody can say anything of: for the pages' top bar.
    pub(crate) fn welfare_words(&self) -> Value {
        use shouwang_message::WelfareStanding::{ClockUnset, Paused, Unknown};
        let devices = self.gateways.values().flat_map(|gateway| gateway.devices.values());
        let rules: Vec<_> =
            devices.filter_map(|device| device.state.as_ref()).flat_map(|state| &state.welfare).collect();
        let count = |which: fn(&WelfareDocument) -> bool| rules.iter().filter(|rule| which(rule)).count();
        json!({ "rules": rules.len(), "paused": count(|rule| rule.standing == Paused),
            "unknown": count(|rule| matches!(rule.standing, Unknown | ClockUnset)) })
    }

    pub(crate) fn pause_welfare(
        &mut self,
        ticket: u64,
        asked: &DeskAsked,
        wish: &WelfareAsked,
    ) -> Result<(), Outcome> {
        let rules = self.gateways.iter().flat_map(|(whom, gateway)| {
            let devices = gateway.devices.iter();
            devices.map(move |(id, device)| (whom, id, device.state.iter().flat_map(|state| &state.welfare)))
        });
        let wanted = |whom: &GatewayName| wish.gateway.as_ref().is_none_or(|wanted| *wanted == whom.gateway);
        let mut those =
            rules.filter(|(whom, _, rules)| wanted(whom) && rules.clone().any(|rule| rule.id == wish.rule));
        let Some((whom, device, _)) = those.next().map(|(whom, id, rules)| (whom.clone(), id.clone(), rules))
        else {
            return Err(refused(
                "unknown_welfare",
                "没有这条平安守望规则",
                "There is no such no-activity rule",
            ));
        };
        if those.next().is_some() {
            return Err(refused(
                "gateway_missing",
                "多个网关有这条规则,请填写 gateway",
                "Name its `gateway` too",
            ));
        }
        drop(those);
        if let Some(until) = wish.until {
            let length_ms = until.unix_ms().saturating_sub(self.wall.unix_ms());
            if length_ms <= 0 {
                return Err(refused("until", "结束时间已过", "This time is over already"));
            }
            if length_ms > LONGEST_DAYS * 24 * 3_600_000 {
                return Err(refused("too_long", "最长 90 天", "90 days at most"));
            }
        }
        self.may_order()?;
        let (rule, until) = (wish.rule.clone(), wish.until);
        let reason = until.map(|_| wish.reason.as_str().to_string());
        let what = until.map_or_else(
            || "watched again".to_string(),
            |until| alloc::format!("{} until {until}", wish.reason),
        );
        self.log.push(LogLine {
            at: self.wall,
            by: asked.by.clone(),
            from: asked.from.clone(),
            what: "welfare.pause".into(),
            about: None,
            old: None,
            new: Some(alloc::format!("{}/{rule}: {what}", whom.gateway)),
            note: None,
        });
        let told = json!({ "id": rule, "gateway": whom.gateway, "site": whom.site, "until": until, "pending": true });
        self.order_of_no_alarm(ticket, asked, (&whom, &device), Request::Pause { rule, until }, reason, told);
        Ok(())
    }
}

/// Texts from outside become short and safe to show; more rules than a device can have go.
pub(crate) fn safe(document: DeviceStateDocument) -> DeviceStateDocument {
    let rules = document.welfare.into_iter().take(bounds::RULES_PER_DEVICE).map(|rule| WelfareDocument {
        name: shown(&rule.name),
        pause: rule.pause.map(|pause| WelfarePause { by: shown(&pause.by), ..pause }),
        ..rule
    });
    DeviceStateDocument { welfare: rules.collect(), ..document }
}
