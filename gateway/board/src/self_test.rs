//! The way of an SMS is tried before it is needed: once a week a modem texts its own number and must hear that text
//! again. A SIM card without credit, a wrong number or an aerial that fell off show here, not in the night of a fire.
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use shouwang_message::{AlarmId, Class, Id, Instant, Mode, Priority, Text, Timestamp};

use crate::Output;
use crate::board::Board;
use crate::kept;
use crate::logbook::LogLine;
use crate::notice::{Notice, Recipient};
use crate::organisation::subscriber;
use crate::row::RowKind;

const EVERY: Duration = Duration::from_secs(7 * 24 * 3_600);
/// A modem that was just switched on looks for its network first.
const AFTER_START: Duration = Duration::from_secs(300);
/// A text that is not back by then is lost.
const BACK_WITHIN: Duration = Duration::from_secs(600);
const AGAIN_AFTER_FAILURE: Duration = Duration::from_secs(3_600);
const WORDS: &str = "短信自检";
/// Characters that tell one trial from another.
const TOKEN: usize = 6;

/// Every modem that knows its own number.
#[derive(Debug, Default)]
pub(crate) struct SelfTests {
    of: BTreeMap<Id, Trial>,
    /// When each came through last.
    passed: BTreeMap<Id, Timestamp>,
}

#[derive(Debug)]
struct Trial {
    own_number: String,
    due: Instant,
    /// What is on its way, and until when.
    waits: Option<(String, Instant)>,
    row: Option<AlarmId>,
}

impl SelfTests {
    pub(crate) fn new(now: Instant, own_numbers: &BTreeMap<Id, String>) -> Self {
        let mut tests = Self::default();
        tests.rearrange(now, own_numbers);
        tests
    }

    /// Other channels, or other numbers: who stays goes on. Gives the rows of what is tried no more.
    pub(crate) fn rearrange(&mut self, now: Instant, own_numbers: &BTreeMap<Id, String>) -> Vec<AlarmId> {
        let mut before = core::mem::take(&mut self.of);
        for (channel, number) in own_numbers {
            let stays = before.get(channel).is_some_and(|trial| trial.own_number == *number);
            let known = if stays { before.remove(channel) } else { None };
            let due = now + AFTER_START;
            let begun = || Trial { own_number: number.clone(), due, waits: None, row: None };
            self.of.insert(channel.clone(), known.unwrap_or_else(begun));
        }
        before.into_values().filter_map(|trial| trial.row).collect()
    }

    /// The wall clock only bridges the time in which no process ran; one that was set back makes it no later than a week.
    pub(crate) fn remember(&mut self, now: Instant, wall: Timestamp, value: &str) -> Option<()> {
        self.passed = serde_json::from_str(value).ok()?;
        for (channel, at) in &self.passed {
            let Some(trial) = self.of.get_mut(channel) else { continue };
            let gone = u64::try_from(wall.unix_ms() - at.unix_ms()).unwrap_or_default();
            let left = EVERY.saturating_sub(Duration::from_millis(gone));
            trial.due = now + left.max(AFTER_START);
        }
        Some(())
    }

    pub(crate) fn next_deadline(&self) -> Instant {
        let next = |trial: &Trial| trial.waits.as_ref().map_or(trial.due, |(_, until)| *until);
        self.of.values().map(next).min().unwrap_or(Instant::NEVER)
    }
}

impl Board {
    pub(crate) fn look_at_self_tests(&mut self, now: Instant) {
        let channels: Vec<Id> = self.self_tests.of.keys().cloned().collect();
        for channel in channels {
            let Some(trial) = self.self_tests.of.get_mut(&channel) else { continue };
            match &trial.waits {
                Some((_, until)) if *until <= now => {
                    trial.waits = None;
                    trial.due = now + AGAIN_AFTER_FAILURE;
                    self.self_test_failed(&channel);
                }
                None if trial.due <= now => self.text_itself(now, &channel),
                _ => {}
            }
        }
    }

    fn text_itself(&mut self, now: Instant, channel: &Id) {
        let token: String = self.chance.token().chars().take(TOKEN).collect();
        let Some(trial) = self.self_tests.of.get_mut(channel) else { return };
        trial.waits = Some((token.clone(), now + BACK_WITHIN));
        let to = Recipient {
            person: channel.clone(),
            name: WORDS.into(),
            phone: Some(trial.own_number.clone()),
            wecom: None,
        };
        let alarm = self.new_id();
        let ticket = self.outreach.ticket_for(now, alarm, channel);
        self.log_self_test(channel, "sent", &token);
        self.out.push(Output::Tell(Notice {
            ticket,
            channel: channel.clone(),
            alarm,
            class: Class::DigitalInput,
            priority: Priority::Ordinary,
            mode: Mode::Test,
            step: 0,
            revision_words: String::new(),
            title: alloc::format!("【测试】{WORDS}"),
            place: "值班室".into(),
            place_masked: "值班室".into(),
            at: self.wall,
            lines: Vec::new(),
            short: alloc::format!("【测试】【值班室】{WORDS} {token}"),
            to: [to].into(),
            sent_as: None,
            way: None,
            building: None,
            recovered: false,
        }));
    }

    /// A text from a modem's own number is nobody's answer. True if this was one.
    pub(crate) fn heard_itself(&mut self, now: Instant, phone: &str, text: &str) -> bool {
        let number = subscriber(phone);
        let is_own = |trial: &Trial| subscriber(&trial.own_number) == number;
        let Some((channel, trial)) = self.self_tests.of.iter_mut().find(|(_, trial)| is_own(trial)) else {
            return false;
        };
        let channel = channel.clone();
        // An older one that comes late proves nothing of now.
        if trial.waits.as_ref().is_some_and(|(token, _)| text.contains(token.as_str())) {
            trial.waits = None;
            trial.due = now + EVERY;
            let row = trial.row.take();
            self.log_self_test(&channel, "came back", "");
            self.keep_self_test(&channel);
            if let Some(row) = row {
                self.close(row);
            }
        }
        true
    }

    fn self_test_failed(&mut self, channel: &Id) {
        self.log_self_test(channel, "did not come back", "");
        if self.self_tests.of.get(channel).is_none_or(|trial| trial.row.is_some()) {
            return;
        }
        let own = self.own_name();
        let text = Text::new(
            alloc::format!(
                "短信通道 {channel} 自检失败:10 分钟没有收到发给自己的短信,请查 SIM 卡、余额、天线和 own_number"
            ),
            alloc::format!(
                "{channel} texted itself and heard nothing for 10 min: check SIM, credit, aerial and own_number"
            ),
        );
        let row = self.own_row(RowKind::Fault, &own, "self_test_failed", Priority::Urgent, text);
        if let Some(trial) = self.self_tests.of.get_mut(channel) {
            trial.row = row;
        }
    }

    fn keep_self_test(&mut self, channel: &Id) {
        self.self_tests.passed.insert(channel.clone(), self.wall);
        let text = serde_json::to_string(&self.self_tests.passed).ok();
        self.keep.push((kept::SELF_TEST.into(), text));
    }

    fn log_self_test(&mut self, channel: &Id, new: &str, note: &str) {
        self.log.push(LogLine {
            at: self.wall,
            by: self.settings.name.to_string(),
            from: "board".into(),
            what: "channel.self_test".into(),
            about: None,
            old: None,
            new: Some(alloc::format!("{channel} {new}")),
            note: Some(note.to_string()).filter(|note| !note.is_empty()),
        });
    }
}
