//! The modem's side of the AT dialogue.
use std::collections::VecDeque;

use super::octets::{self, Submitted};
use super::{Manners, OnAir};
use crate::clock::{Nanos, millis};

const CTRL_Z: u8 = 0x1A;
const ESCAPE: u8 = 0x1B;

#[derive(Debug)]
pub(super) struct Talk {
    pub(super) manners: Manners,
    echoes: bool,
    pdu_mode: bool,
    hands_over: bool,
    reports: bool,
    begun: Vec<u8>,
    /// Announced by `AT+CMGS`, until Ctrl-Z.
    awaits: Option<usize>,
    last_reference: u8,
    call: Option<String>,
    to_say: VecDeque<(Nanos, String)>,
    seen: Vec<OnAir>,
}

impl Default for Talk {
    fn default() -> Self {
        Self {
            manners: Manners::default(),
            echoes: true,
            pdu_mode: false,
            hands_over: false,
            reports: false,
            begun: Vec::new(),
            awaits: None,
            last_reference: 39,
            call: None,
            to_say: VecDeque::new(),
            seen: Vec::new(),
        }
    }
}

impl Talk {
    /// Bytes from the program; how many texts were refused on the way.
    pub(super) fn heard(&mut self, now: Nanos, bytes: &[u8]) -> u32 {
        let mut refused = 0;
        for byte in bytes {
            if self.echoes || self.manners.insists_on_echo {
                self.say_at(now, &String::from_utf8_lossy(&[*byte]));
            }
            match (*byte, self.awaits) {
                (ESCAPE, _) => (self.awaits, self.begun) = (None, Vec::new()),
                (CTRL_Z, Some(length)) => refused += self.take_text(now, length),
                (b'\r', None) => self.take_command(now),
                _ => self.begun.push(*byte),
            }
        }
        refused
    }

    /// What is to be said by now.
    pub(super) fn due(&mut self, now: Nanos) -> Vec<u8> {
        let mut said = Vec::new();
        while let Some((_, words)) = self.to_say.pop_front_if(|(at, _)| *at <= now) {
            said.extend(words.into_bytes());
        }
        if self.manners.is_silent { Vec::new() } else { said }
    }

    pub(super) fn next(&self) -> Option<Nanos> {
        self.to_say.front().map(|(at, _)| *at)
    }

    pub(super) fn take_seen(&mut self) -> Vec<OnAir> {
        std::mem::take(&mut self.seen)
    }

    pub(super) fn hands_over(&self) -> bool {
        self.hands_over && self.awaits.is_none()
    }

    /// Says a text or a report that came in.
    pub(super) fn hand_over(&mut self, head: &str, pdu: &str) {
        let length = pdu.len() / 2 - 1;
        self.say_at(0, &format!("\r\n{head}{length}\r\n{pdu}\r\n"));
    }

    fn say_at(&mut self, at: Nanos, words: &str) {
        // In order: what is said later waits for what was said before.
        let at = self.to_say.back().map_or(at, |(before, _)| at.max(*before));
        self.to_say.push_back((at, words.to_owned()));
    }

    fn take_command(&mut self, now: Nanos) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.begun)).trim().to_uppercase();
        if line.is_empty() {
            return;
        }
        let answer = self.answer(now, &line);
        let answer = if answer.is_empty() { answer } else { format!("\r\n{answer}\r\n") };
        self.say_at(now, &answer);
    }

    fn answer(&mut self, now: Nanos, line: &str) -> String {
        let registered = u8::from(self.manners.is_registered);
        match line {
            "AT" | "AT+CMEE=1" => "OK".to_owned(),
            "ATE0" => {
                self.echoes = false;
                "OK".into()
            }
            "AT+CPIN?" if self.manners.has_sim => "+CPIN: READY\r\n\r\nOK".into(),
            "AT+CPIN?" => "+CME ERROR: 10".into(),
            "AT+CMGF=0" => {
                self.pdu_mode = true;
                "OK".into()
            }
            "AT+CNMI=2,2" | "AT+CNMI=2,2,0,1" => {
                (self.hands_over, self.reports) = (true, line.ends_with(",1"));
                "OK".into()
            }
            "AT+CREG?" => format!("+CREG: 0,{}\r\n\r\nOK", registered * 5),
            "AT+CEREG?" => format!("+CEREG: 0,{registered}\r\n\r\nOK"),
            "AT+CSQ" => format!("+CSQ: {},99\r\n\r\nOK", self.manners.strength),
            "AT+CLCC" => match &self.call {
                Some(to) => {
                    let state = if self.manners.answers_calls { 0 } else { 3 };
                    format!("+CLCC: 1,0,{state},0,0,\"{to}\",129\r\n\r\nOK")
                }
                None => "OK".into(),
            },
            "AT+CHUP" => {
                if self.call.take().is_some() {
                    self.seen.push(OnAir::HungUp);
                }
                "OK".into()
            }
            _ => self.answer_number(now, line),
        }
    }

    /// Commands with a number in them.
    fn answer_number(&mut self, now: Nanos, line: &str) -> String {
        if let Some(length) = line.strip_prefix("AT+CMGS=").and_then(|length| length.parse().ok()) {
            if !self.pdu_mode || !self.manners.has_sim || !self.manners.is_registered {
                return "+CMS ERROR: 331".into();
            }
            self.awaits = Some(length);
            self.say_at(now + millis(self.manners.thinks_ms), "\r\n> ");
            return String::new();
        }
        match line.strip_prefix("ATD").and_then(|rest| rest.strip_suffix(';')) {
            Some(to) if self.manners.is_registered => {
                self.call = Some(to.to_owned());
                self.seen.push(OnAir::Ringing { to: to.to_owned() });
                "OK".into()
            }
            Some(_) => "NO CARRIER".into(),
            None => "ERROR".into(),
        }
    }

    /// 1 if it is refused though nothing is wrong with it.
    fn take_text(&mut self, now: Nanos, length: usize) -> u32 {
        self.awaits = None;
        let hex = String::from_utf8_lossy(&std::mem::take(&mut self.begun)).into_owned();
        let Some(Submitted { to, text, part, wants_report }) = octets::submitted(hex.trim(), length) else {
            self.say_at(now, "\r\n+CMS ERROR: 304\r\n");
            return 0;
        };
        if self.manners.refuses_texts > 0 {
            self.manners.refuses_texts -= 1;
            self.say_at(now, "\r\n+CMS ERROR: 500\r\n");
            return 1;
        }
        self.last_reference = self.last_reference.wrapping_add(1);
        self.say_at(now, &format!("\r\n+CMGS: {}\r\n\r\nOK\r\n", self.last_reference));
        if wants_report && self.reports {
            let report = octets::delivered(self.last_reference, &to);
            self.hand_over("+CDS: ", &report);
        }
        self.seen.push(OnAir::Text { to, text, part });
        0
    }
}
