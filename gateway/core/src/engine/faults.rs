//! A fault's raising and clearing: whatever finds one says whether it is, and this tells what changed.
use alloc::format;
use alloc::string::{String, ToString};

use shouwang_message::{EventData, FaultDocument, Id, Instant, Priority, Text, to_bytes};

use super::Engine;
use crate::configuration::DeviceIndex;
use crate::fault::{Fault, Source};
use crate::profile::FaultCode;
use crate::reading::NoData;

/// What a fault is called and how fast it must be looked at.
pub(super) struct Words {
    pub(super) code: String,
    pub(super) text: Text,
    pub(super) priority: Priority,
    pub(super) device: Option<DeviceIndex>,
    pub(super) line: Option<Id>,
}

impl Engine {
    /// Makes the known fault agree with the world. One that has become worse, or another, is told as a new one:
    /// whoever looked at the old one has not seen it.
    pub(super) fn settle_fault(
        &mut self,
        now: Instant,
        source: Source,
        is: bool,
        words: impl FnOnce() -> Words,
    ) {
        if !is {
            self.clear_fault(now, &source);
            return;
        }
        let words = words();
        let is_told = self.faults.get(&source).is_some_and(|known| {
            // The first priority is the worst.
            known.priority <= words.priority && known.text == words.text
        });
        if !is_told {
            self.clear_fault(now, &source);
            self.raise_fault(now, source, words);
        }
    }

    fn raise_fault(&mut self, now: Instant, source: Source, words: Words) {
        let settings = words.device.and_then(|device| self.configuration.devices.get(device)).cloned();
        let document = FaultDocument {
            id: self.new_id(now),
            gateway: self.configuration.gateway.clone(),
            device: settings.as_ref().map(|settings| settings.id.clone()),
            line: words.line,
            code: words.code,
            class: settings.as_ref().map(|settings| settings.profile.class),
            priority: words.priority,
            active: true,
            raised_at: self.wall.timestamp(now),
            cleared_at: None,
            clock: self.wall.clock(),
            place: settings.map(|settings| settings.place).unwrap_or_default(),
            text: words.text,
        };
        self.tell(now, fault_subject(&document), EventData::FaultRaised(document.clone()));
        let fault = Fault { source, document };
        self.stage.keep(now, format!("fault/{}", fault.document.id), Some(to_bytes(&fault)));
        self.faults.insert(fault);
    }

    pub(super) fn clear_fault(&mut self, now: Instant, source: &Source) {
        let at = self.wall.timestamp(now);
        let Some(document) = self.faults.clear(source, at) else { return };
        self.stage.keep(now, format!("fault/{}", document.id), None);
        self.tell(now, fault_subject(&document), EventData::FaultCleared(document));
    }

    /// A fault that the device tells about itself, by one of its profile's conditions.
    pub(super) fn settle_told_fault(
        &mut self,
        now: Instant,
        device: DeviceIndex,
        condition: usize,
        code: FaultCode,
        is: bool,
    ) {
        let Some(settings) = self.configuration.devices.get(device) else { return };
        let Some(judged) = settings.conditions.get(condition) else { return };
        let source = Source::Told { device: settings.id.clone(), condition: judged.name.clone() };
        let (text, priority) = (judged.text.clone(), judged.priority);
        let code = code.as_str().to_string();
        self.settle_fault(now, source, is, || Words {
            code,
            text,
            priority,
            device: Some(device),
            line: None,
        });
        self.settle_device_state(now, device);
    }

    /// A value that cannot be is a fault of the device, beside whatever alarm it may raise.
    pub(super) fn settle_plausibility(&mut self, now: Instant, device: DeviceIndex, point: usize) {
        let (Some(settings), Some(entry)) =
            (self.configuration.devices.get(device), self.devices.get(device))
        else {
            return;
        };
        let Some(known) = settings.profile.points.get(point) else { return };
        let trouble = entry.sensor_trouble(now, point);
        let why = entry.decoder.implausible(&settings.profile, point).or(trouble);
        // While it does not answer, what it said before stands.
        let silent = matches!(
            entry.decoder.reading(&settings.profile, point).why(),
            Some(
                NoData::Timeout
                    | NoData::Crc
                    | NoData::LineDown
                    | NoData::NotYet
                    | NoData::WrongUnitId
                    | NoData::WrongAnswer
                    | NoData::Exception(_)
            )
        );
        if silent {
            return;
        }
        let source = Source::Implausible { device: settings.id.clone(), point: known.name.clone() };
        if why.is_none() && !self.faults.is_open(&source) {
            return;
        }
        let (title, code) = (known.title.clone(), why.map(|why| why.word().into_owned()));
        let priority =
            if settings.profile.class.is_life_safety() { Priority::Urgent } else { Priority::Ordinary };
        self.settle_fault(now, source, why.is_some(), || Words {
            code: code.unwrap_or_default(),
            text: Text::new(format!("{}读数不可信", title.zh), format!("{}: the value cannot be", title.en)),
            priority,
            device: Some(device),
            line: None,
        });
        self.settle_device_state(now, device);
    }

    pub(super) fn settle_counter_fault(&mut self, now: Instant, device: DeviceIndex, is: bool) {
        let Some(settings) = self.configuration.devices.get(device) else { return };
        let source = Source::CounterBack(settings.id.clone());
        self.settle_fault(now, source, is, || Words {
            code: "counter_back".to_string(),
            text: Text::new("按键计数倒退", "The press counter went back"),
            priority: Priority::Urgent,
            device: Some(device),
            line: None,
        });
    }

    pub(super) fn settle_identity_fault(&mut self, now: Instant, device: DeviceIndex, is: bool) {
        let Some(settings) = self.configuration.devices.get(device) else { return };
        let source = Source::Identity(settings.id.clone());
        self.settle_fault(now, source, is, || Words {
            code: "wrong_identity".to_string(),
            text: Text::new("应答的不是所配置的型号", "Another model answers at this unit id"),
            priority: Priority::Urgent,
            device: Some(device),
            line: None,
        });
        self.settle_device_state(now, device);
    }
}

pub(super) fn gateway_words(code: &str, zh: &str, en: &str, priority: Priority) -> Words {
    Words { code: code.to_string(), text: Text::new(zh, en), priority, device: None, line: None }
}

fn fault_subject(document: &FaultDocument) -> String {
    let thing = document.device.as_ref().or(document.line.as_ref()).unwrap_or(&document.gateway);
    thing.to_string()
}
