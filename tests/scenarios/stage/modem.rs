//! The gateway's modem and the phones behind it: a text takes 3 s; while nobody answers it is given up after 30 s.
use std::collections::VecDeque;

use shouwang_core::input::{Input, TextId};
use shouwang_message::Text;

use super::SECOND;

const TAKES: u64 = 3 * SECOND;
const PATIENCE: u64 = 30 * SECOND;
const REPORTED_AFTER: u64 = 2 * SECOND;

pub(crate) struct Modem {
    pub(crate) works: bool,
    /// The network refuses this phone.
    pub(crate) refuses: Option<usize>,
    /// The network takes what is for this phone, and reports 2 s later that it cannot deliver it.
    pub(crate) cannot_deliver: Option<usize>,
    reports: VecDeque<(u64, TextId)>,
    under_way: Option<UnderWay>,
    /// What phones got: when (us), by their place in the configuration, and the words.
    pub(crate) sent: Vec<(u64, usize, String)>,
}

struct UnderWay {
    ends_at: u64,
    text: TextId,
    phone: usize,
    words: String,
}

impl Modem {
    pub(super) fn new() -> Self {
        Self {
            works: true,
            refuses: None,
            cannot_deliver: None,
            reports: VecDeque::new(),
            under_way: None,
            sent: Vec::new(),
        }
    }

    pub(super) fn text(&mut self, now: u64, text: TextId, phone: usize, words: String) {
        assert!(self.under_way.is_none(), "one text at a time");
        assert!(words.encode_utf16().count() <= 70, "one SMS: {words}");
        let ends_at = now + if self.takes(phone) { TAKES } else { PATIENCE };
        self.under_way = Some(UnderWay { ends_at, text, phone, words });
    }

    pub(super) fn next(&self) -> u64 {
        let reported = self.reports.front().map_or(u64::MAX, |(at, _)| *at);
        self.under_way.as_ref().map_or(u64::MAX, |text| text.ends_at).min(reported)
    }

    pub(super) fn forget(&mut self) {
        self.under_way = None;
        self.reports.clear();
    }

    fn takes(&self, phone: usize) -> bool {
        self.works && self.refuses != Some(phone)
    }

    pub(super) fn turn(&mut self, now: u64) -> Option<Input> {
        if let Some((_, text)) = self.reports.pop_front_if(|(at, _)| *at <= now) {
            return Some(Input::TextUndelivered { text, why: Text::new("停机", "it is switched off") });
        }
        let UnderWay { text, phone, words, .. } = self.under_way.take_if(|text| text.ends_at <= now)?;
        if !self.takes(phone) {
            let why = Text::new("没有信号", "there is no network");
            return Some(Input::TextFailed { text, why, may_have_left: false });
        }
        if self.cannot_deliver == Some(phone) {
            self.reports.push_back((now + REPORTED_AFTER, text));
            return Some(Input::TextSent { text });
        }
        self.sent.push((now, phone, words));
        Some(Input::TextSent { text })
    }
}
