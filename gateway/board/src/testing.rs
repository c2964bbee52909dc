//! A device in test: its gateway marks what it says as a test for as long, at most two hours, and ends that by itself.
//! No other device is touched, and what cries in earnest stays in earnest.
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Value, json};
use shouwang_message::{AlarmId, DeviceState, Id, Text, Timestamp};

use crate::asking::Pending;
use crate::board::{Board, Effect};
use crate::desk::DeskAsked;
use crate::logbook::LogLine;
use crate::requests::refused;
use crate::trust::shown;
use crate::{Asked, GatewayName, Outcome, Request, bounds, kept};

/// The longest test, minutes; the gateway ends a longer one itself.
const LONGEST: u16 = 120;
/// Devices in test that are named; the rest is counted.
const NAMED: usize = 20;

/// Which device, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceTest {
    pub device: Id,
    /// Needed where several gateways have a device of this name.
    pub gateway: Option<Id>,
    /// 0 ends the test.
    pub minutes: u16,
    pub reason: Option<String>,
}

impl Board {
    pub(crate) fn test_device(
        &mut self,
        ticket: u64,
        asked: &DeskAsked,
        test: &DeviceTest,
    ) -> Result<(), Outcome> {
        let has_it = |name: &&GatewayName| {
            test.gateway.as_ref().is_none_or(|wanted| *wanted == name.gateway)
                && self.gateways.get(*name).is_some_and(|gateway| gateway.devices.contains_key(&test.device))
        };
        let mut those = self.gateways.keys().filter(has_it);
        let Some(whom) = those.next().cloned() else {
            return Err(refused("unknown_device", "没有这个设备", "There is no such device"));
        };
        if those.next().is_some() {
            return Err(refused(
                "gateway_missing",
                "多个网关有这个设备,请填写 gateway",
                "Name its `gateway` too",
            ));
        }
        if test.minutes > LONGEST {
            return Err(refused("too_long", "测试最长 120 分钟", "A test lasts for 120 minutes at most"));
        }
        self.may_order()?;
        let until = Timestamp::from_unix_ms(self.wall.unix_ms() + i64::from(test.minutes) * 60_000);
        let what = if test.minutes == 0 { "ended".to_string() } else { alloc::format!("test until {until}") };
        self.log.push(LogLine {
            at: self.wall,
            by: asked.by.clone(),
            from: asked.from.clone(),
            what: "device.test".into(),
            about: None,
            old: None,
            new: Some(alloc::format!("{}/{}: {what}", whom.gateway, test.device)),
            note: test.reason.clone(),
        });
        let told = json!({ "device": test.device, "gateway": whom.gateway, "site": whom.site, "until": until,
            "pending": true });
        let request = Request::Test { until };
        self.order_of_no_alarm(ticket, asked, (&whom, &test.device), request, test.reason.clone(), told);
        Ok(())
    }

    /// Whether one more command finds its place on the disk and in the queue.
    pub(crate) fn may_order(&self) -> Result<(), Outcome> {
        if self.room() == 0 || self.pending.len() >= bounds::REQUESTS {
            return Err(refused("busy", "存储繁忙,请稍后再试", "The disk is behind: try again soon"));
        }
        Ok(())
    }

    /// A command to a gateway that is about no alarm: kept, sent until it is answered, and told as pending.
    pub(crate) fn order_of_no_alarm(
        &mut self,
        ticket: u64,
        asked: &DeskAsked,
        (whom, device): (&GatewayName, &Id),
        request: Request,
        reason: Option<String>,
        told: Value,
    ) {
        // Requests are told apart by what they are about: this one is about no alarm.
        let unix_ms = u64::try_from(self.wall.unix_ms()).unwrap_or_default();
        let alarm = AlarmId::from_parts(unix_ms, u128::from(self.chance.draw()));
        let (by, from) = (asked.by.clone(), asked.from.clone());
        let order = Asked { alarm, by, from, reason, occurrence: None, request };
        let txn = self.chance.token();
        let pending = Pending::new(self.now, self.wall, order, whom, device, 0);
        self.keep.push((kept::asked(&txn), serde_json::to_string(&pending).ok()));
        self.effects.push(Effect::Asked { txn: txn.clone() });
        self.pending.insert(txn, pending);
        self.effects.push(Effect::ValueAnswer { ticket, told });
    }

    /// The devices in test, for the pages' top bar: named, and how many.
    pub(crate) fn tests_words(&self) -> Value {
        let devices = self
            .gateways
            .iter()
            .flat_map(|(whom, gateway)| gateway.devices.iter().map(move |(id, device)| (whom, id, device)));
        let tested: Vec<_> = devices
            .filter_map(|(whom, id, device)| Some((whom, id, device, device.state.as_ref()?)))
            .filter(|(_, _, _, state)| state.state == DeviceState::Test)
            .collect();
        let named = tested.iter().take(NAMED).map(|(whom, id, device, state)| {
            let title = device.title.as_ref().map(|title| Text::new(shown(&title.zh), shown(&title.en)));
            json!({ "device": id, "gateway": whom.gateway, "title": title,
                "place": device.place.name.as_deref().map(shown), "since": state.since })
        });
        json!({ "count": tested.len(), "devices": named.collect::<Vec<Value>>() })
    }
}
