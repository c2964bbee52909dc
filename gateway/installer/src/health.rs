//! How well a line carries: it is listened to while nobody speaks, then everybody is asked in turn for a while.
//!
//! What was counted and what it means are two things: [`Health`] has the figures, [`Health::findings`] the words.
use std::time::Duration;

use shouwang_message::Text;

use crate::{Heard, Lost, Question, Setting, Traffic, Writing};

/// What is measured.
#[derive(Clone, Debug)]
pub struct Checkup {
    pub setting: Setting,
    /// Who is asked; if empty, whoever of 1 to 32 answers.
    pub units: Vec<u8>,
    pub lasts: Duration,
    /// From the end of a request to the first byte of its answer.
    pub wait: Duration,
    /// Nobody else speaks on the line meanwhile, so what is heard unasked is noise.
    pub alone: bool,
}

/// The figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    pub units: Vec<UnitHealth>,
    /// Bytes that came while nobody spoke, and how long that was; none if others were speaking.
    pub quiet: Option<(u32, Duration)>,
    /// Bytes beside the answers, while somebody was asked.
    pub beside: u32,
    pub echoes: u32,
    /// Whom nobody knows: something answered in the search, and never a valid frame.
    pub garbled_in_search: u32,
    pub took: Duration,
    /// It did not come to its end.
    pub ended: Option<Lost>,
}

/// One unit id's answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitHealth {
    pub unit_id: u8,
    pub asked: u32,
    /// Valid answers, refusals too.
    pub good: u32,
    /// What came was no valid frame.
    pub garbled: u32,
    pub silent: u32,
    /// Another id answered.
    pub other: u32,
    /// From the end of a request to the first byte of its answer, in order of length; the newest 1,000.
    delays: Vec<Duration>,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Something answers, and never a valid frame.
    Swapped,
    /// Bytes while nobody spoke.
    Noise { bytes: u32, seconds: u64 },
    /// Bytes before or behind the answers: the line floats when nobody drives it.
    Floating { bytes: u32, requests: u32 },
    /// The adapter hears itself.
    Echo,
    /// More than one answer of a hundred is no valid frame.
    Garbled { unit_id: u8, bad: u32, of: u32 },
    /// It misses more than one question of a hundred.
    Misses { unit_id: u8, missed: u32, of: u32 },
    /// Asked by name, and never heard.
    Nobody { unit_id: u8 },
    /// Its slowest answer took far longer than its usual one.
    Uneven { unit_id: u8, median: Duration, slowest: Duration },
}

/// Of all the time, so much is spent listening, and never more than this.
const LISTEN_SHARE: u32 = 4;
const LISTEN_MOST: Duration = Duration::from_secs(3);
const PIECE: Duration = Duration::from_millis(100);
/// A search waits for this part of what a known device gets, so that it does not take all the time.
const SEARCH_SHARE: u32 = 6;
const SEARCH_WAIT: Duration = Duration::from_millis(60);
const SEARCHED: std::ops::RangeInclusive<u8> = 1..=32;
const DELAYS_MOST: usize = 1_000;
/// An answer to what is asked here has no more bytes, nor has its echo.
const GARBLED_BYTES: u32 = 16;
/// A slowest answer of so many times the usual one, and so much more, is uneven.
const UNEVEN_TIMES: u32 = 4;
const UNEVEN_MORE: Duration = Duration::from_millis(50);

/// Measures for as long as wanted. `tell` hears how much is left and how often somebody was asked.
pub fn check_up(bus: &mut impl Writing, wanted: &Checkup, tell: &mut impl FnMut(Duration, u32)) -> Health {
    let units = wanted.units.iter().map(|unit_id| UnitHealth::of(*unit_id)).collect();
    let health = Health {
        units,
        quiet: None,
        beside: 0,
        echoes: 0,
        garbled_in_search: 0,
        took: Duration::ZERO,
        ended: None,
    };
    let mut measuring = Measuring { bus, wanted, tell, health, began: Duration::ZERO, asked: 0 };
    let ended = measuring.all().err();
    let mut health = measuring.health;
    health.ended = ended;
    health
}

struct Measuring<'a, B, T> {
    bus: &'a mut B,
    wanted: &'a Checkup,
    tell: &'a mut T,
    health: Health,
    began: Duration,
    asked: u32,
}

impl<B: Writing, T: FnMut(Duration, u32)> Measuring<'_, B, T> {
    fn all(&mut self) -> Result<(), Lost> {
        self.bus.set(self.wanted.setting)?;
        self.began = self.bus.elapsed();
        let before = self.bus.traffic();
        self.listen((self.wanted.lasts / LISTEN_SHARE).min(LISTEN_MOST))?;
        let quiet = self.bus.traffic();
        if self.wanted.alone {
            let bytes = quiet.stray_bytes.saturating_sub(before.stray_bytes);
            self.health.quiet = Some((bytes, self.bus.elapsed().saturating_sub(self.began)));
        }
        let asked = self.search().and_then(|()| self.ask_in_turn());
        // What a lent line heard is asked of its gateway here.
        let asked = asked.and_then(|()| self.bus.rest(Duration::from_millis(1)));
        self.health.took = self.bus.elapsed().saturating_sub(self.began);
        let Traffic { stray_bytes, own_echoes } = self.bus.traffic();
        self.health.beside = stray_bytes.saturating_sub(quiet.stray_bytes);
        self.health.echoes = own_echoes.saturating_sub(before.own_echoes);
        asked
    }

    fn told(&mut self) {
        let left = self.left();
        (self.tell)(left, self.asked);
    }

    fn left(&self) -> Duration {
        (self.began + self.wanted.lasts).saturating_sub(self.bus.elapsed())
    }

    fn listen(&mut self, time: Duration) -> Result<(), Lost> {
        let until = self.bus.elapsed() + time;
        while self.bus.elapsed() < until {
            self.bus.rest(PIECE)?;
            self.told();
        }
        Ok(())
    }

    /// Whoever gives a sign is asked from then on.
    fn search(&mut self) -> Result<(), Lost> {
        if !self.health.units.is_empty() {
            return Ok(());
        }
        for unit_id in SEARCHED {
            let wait = (self.wanted.wait / SEARCH_SHARE).max(SEARCH_WAIT);
            match self.bus.ask(&Question::who(unit_id, wait))? {
                heard if heard.is_nobody(self.wanted.setting) => {}
                Heard::Garbled => {
                    self.health.garbled_in_search += 1;
                    self.health.units.push(UnitHealth::of(unit_id));
                }
                Heard::Other(unit_id) if self.health.units.iter().any(|unit| unit.unit_id == unit_id) => {}
                Heard::Other(unit_id) => self.health.units.push(UnitHealth::of(unit_id)),
                _ => self.health.units.push(UnitHealth::of(unit_id)),
            }
            self.told();
        }
        Ok(())
    }

    fn ask_in_turn(&mut self) -> Result<(), Lost> {
        if self.health.units.is_empty() {
            return self.listen(self.left());
        }
        // Once round at least, however long the search took.
        loop {
            for unit in &mut self.health.units {
                let question = Question { known: true, ..Question::who(unit.unit_id, self.wanted.wait) };
                unit.note(&self.bus.ask(&question)?, self.wanted.setting);
                self.asked += 1;
            }
            self.told();
            if self.left().is_zero() {
                break;
            }
        }
        // Noise that came into the search once is nobody.
        let searched = self.wanted.units.is_empty();
        self.health.units.retain(|unit| !searched || unit.silent < unit.asked);
        Ok(())
    }
}

impl UnitHealth {
    fn of(unit_id: u8) -> Self {
        Self { unit_id, ..Self::default() }
    }

    fn note(&mut self, heard: &Heard, setting: Setting) {
        self.asked += 1;
        if heard.is_nobody(setting) {
            self.silent += 1;
            return;
        }
        match heard {
            Heard::Words(..) | Heard::Bits(..) | Heard::Exception(..) => self.good += 1,
            Heard::Silence => self.silent += 1,
            Heard::Garbled => self.garbled += 1,
            Heard::Other(_) => self.other += 1,
        }
        if let Some(delay) = heard.delay() {
            if self.delays.len() == DELAYS_MOST {
                // Any one of them: here the middle one, which moves the median least.
                self.delays.remove(DELAYS_MOST / 2);
            }
            self.delays.insert(self.delays.partition_point(|other| *other <= delay), delay);
        }
    }

    pub fn fastest(&self) -> Option<Duration> {
        self.delays.first().copied()
    }

    pub fn median(&self) -> Option<Duration> {
        self.delays.get(self.delays.len() / 2).copied()
    }

    pub fn slowest(&self) -> Option<Duration> {
        self.delays.last().copied()
    }

    fn findings(&self, found: &mut Vec<Finding>) {
        let Self { unit_id, asked: of, garbled, silent, other, .. } = *self;
        let bad = garbled + other;
        if self.good == 0 && bad == 0 && of > 0 {
            found.push(Finding::Nobody { unit_id });
            return;
        }
        // One may be anything, a neighbour's welder or our own machine.
        if bad > 1 && bad * 100 > of {
            found.push(Finding::Garbled { unit_id, bad, of });
        }
        if silent * 100 > of {
            found.push(Finding::Misses { unit_id, missed: silent, of });
        }
        if let (Some(median), Some(slowest)) = (self.median(), self.slowest())
            && slowest > median * UNEVEN_TIMES + UNEVEN_MORE
        {
            found.push(Finding::Uneven { unit_id, median, slowest });
        }
    }
}

impl Health {
    pub fn requests(&self) -> u32 {
        self.units.iter().map(|unit| unit.asked).sum()
    }

    /// Somebody gave a valid answer.
    pub fn is_answered(&self) -> bool {
        self.units.iter().any(|unit| unit.good > 0)
    }

    /// Answers that were no valid frames, of all that came; 0 to 1.
    pub fn garbled_share(&self) -> f64 {
        let bad: u32 = self.units.iter().map(|unit| unit.garbled).sum();
        let came: u32 = self.units.iter().map(|unit| unit.garbled + unit.good + unit.other).sum();
        if came == 0 { 0.0 } else { f64::from(bad) / f64::from(came) }
    }

    /// What is wrong, the worst first; empty for a line that carries well.
    pub fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let garbled = self.garbled_in_search + self.units.iter().map(|unit| unit.garbled).sum::<u32>();
        if garbled > 0 && !self.is_answered() {
            found.push(Finding::Swapped);
        }
        if let Some((bytes @ 1.., time)) = self.quiet {
            found.push(Finding::Noise { bytes, seconds: time.as_secs().max(1) });
        }
        let requests = self.requests();
        // What was garbled left its bytes there too.
        let unexplained = self.beside.saturating_sub(garbled * GARBLED_BYTES);
        if self.is_answered() && unexplained * 100 > requests {
            found.push(Finding::Floating { bytes: self.beside, requests });
        }
        if self.echoes > 0 {
            found.push(Finding::Echo);
        }
        self.units.iter().for_each(|unit| unit.findings(&mut found));
        found
    }
}

impl Finding {
    /// As programs name it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Swapped => "swapped",
            Self::Noise { .. } => "noise",
            Self::Floating { .. } => "floating",
            Self::Echo => "echo",
            Self::Garbled { .. } => "garbled",
            Self::Misses { .. } => "misses",
            Self::Nobody { .. } => "nobody",
            Self::Uneven { .. } => "uneven",
        }
    }

    /// Whom it is about; none if it is about the line.
    pub fn unit_id(self) -> Option<u8> {
        match self {
            Self::Swapped | Self::Noise { .. } | Self::Floating { .. } | Self::Echo => None,
            Self::Garbled { unit_id, .. }
            | Self::Misses { unit_id, .. }
            | Self::Nobody { unit_id }
            | Self::Uneven { unit_id, .. } => Some(unit_id),
        }
    }

    /// It points at missing bias resistors.
    pub fn suspects_bias(self) -> bool {
        matches!(self, Self::Noise { .. } | Self::Floating { .. })
    }

    /// What it means, and what to do about it.
    pub fn text(self) -> Text {
        match self {
            Self::Swapped => Text::new(
                "有应答,但从来不是完整的帧:A、B 线接反,或波特率、校验不对;对调 A 和 B 再查",
                "something answers, never a valid frame: A and B swapped, or another speed or parity; swap A and B and try again",
            ),
            Self::Noise { bytes, seconds } => Text::new(
                format!(
                    "没人说话时 {seconds} 秒收到 {bytes} 个字节:干扰,或缺偏置电阻;A 上拉、B 下拉各 560 Ω,屏蔽层单端接地"
                ),
                format!(
                    "{bytes} bytes in {seconds} s while nobody spoke: disturbance, or no bias resistors; 560 ohm from A up and B down, shield grounded at one end"
                ),
            ),
            Self::Floating { bytes, requests } => Text::new(
                format!("{requests} 次问答旁边有 {bytes} 个多余字节:线路没人驱动时悬空,缺偏置或终端电阻"),
                format!(
                    "{bytes} bytes beside {requests} exchanges: the line floats when nobody drives it; bias or termination is missing"
                ),
            ),
            Self::Echo => Text::new(
                "转换器听到自己发的话:能用,但在转换器上关掉回声更快更稳",
                "the adapter hears itself: it works, and is faster and safer with the adapter's echo switched off",
            ),
            Self::Garbled { unit_id, bad, of } => Text::new(
                format!(
                    "地址 {unit_id}:{of} 次里 {bad} 次乱码;只有它乱:两台同一地址,或它的接头、支线太长;都乱:线路"
                ),
                format!(
                    "unit id {unit_id}: {bad} of {of} garbled; if only this one: two devices at one id, or its joint or stub; if all: the line"
                ),
            ),
            Self::Misses { unit_id, missed, of } => Text::new(
                format!("地址 {unit_id}:{of} 次里 {missed} 次不应答;查它的电源和接头"),
                format!(
                    "unit id {unit_id}: no answer {missed} of {of} times; look at its supply and its joint"
                ),
            ),
            Self::Nobody { unit_id } => Text::new(
                format!("地址 {unit_id}:从不应答;查电源、接线、地址和波特率"),
                format!("unit id {unit_id}: never answers; look at its supply, wires, unit id and speed"),
            ),
            Self::Uneven { unit_id, median, slowest } => {
                let (median, slowest) = (median.as_millis(), slowest.as_millis());
                Text::new(
                    format!(
                        "地址 {unit_id}:一般 {median} 毫秒应答,最慢 {slowest} 毫秒;超时要放宽,或设备太忙"
                    ),
                    format!(
                        "unit id {unit_id}: answers in {median} ms, at worst {slowest} ms; allow it more time, or it is too busy"
                    ),
                )
            }
        }
    }
}
