//! Examples: what given registers must mean, run through the very decoder and judges that ship.
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use shouwang_core::condition::{Judge, Judgement};
use shouwang_core::configuration::{DeviceSettings, Installed};
use shouwang_core::decoder::Decoder;
use shouwang_core::input::Outcome;
use shouwang_core::plan::Block;
use shouwang_core::profile::{PollClass, Profile, ProvisioningStep, Table};
use shouwang_core::reading::Reading;
use shouwang_message::{BadId, Id, Instant, Place, Text, Value};

use crate::frames;
use crate::points::named;
use crate::strict::{Document, Step};
use crate::written::{ExamplePart, ExpectedPart, InstalledPart, ReadPart};

/// One example of a profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    pub title: Text,
    /// Where it stands in its file.
    pub line: usize,
    pub installed: Installed,
    /// What is read, in order, and what comes back.
    pub reads: Vec<Read>,
    pub counts_before: BTreeMap<String, u32>,
    /// By index of the point.
    pub readings: Vec<(usize, Expected)>,
    /// Names of the conditions that the readings raise, and no others.
    pub judgements: Vec<String>,
    /// Old id, new id, and the frames that change it.
    pub set_unit_id: Option<(u8, u8, Vec<Vec<u8>>)>,
    pub reset_ask: Option<Vec<u8>>,
}

/// One answered request of an example.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    pub table: Table,
    pub address: u16,
    pub count: u16,
    pub outcome: Outcome,
}

/// What a point must say.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    Good(Value),
    Uncertain(Value, String),
    Bad(String),
}

/// An example whose registers mean something else than it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub line: usize,
    pub title: Text,
    pub what: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: example \"{}\" ({}): {}", self.line, self.title.zh, self.title.en, self.what)
    }
}

impl std::error::Error for Mismatch {}

/// Runs one example; all that differs from what it says.
pub fn run(profile: &Arc<Profile>, example: &Example) -> Result<(), Vec<Mismatch>> {
    let mut found = Vec::new();
    let mismatch = |what| Mismatch { line: example.line, title: example.title.clone(), what };
    let id = "example".parse().map_err(|bad: BadId| vec![mismatch(bad.to_string())])?;
    let device = device(id, profile, example);
    let mut decoder = Decoder::new(&device, &BTreeMap::new());
    introduce(&mut decoder, &device, example);
    let blocks: Vec<Block> = example.reads.iter().map(|read| block(profile, read)).collect();
    // Twice, so that a scale that comes after its value counts too; the second round is what holds.
    for _ in 0..2 {
        for (block, read) in blocks.iter().zip(&example.reads) {
            decoder.answered(&device, block, &read.outcome);
        }
    }
    for (index, expected) in &example.readings {
        let reading = decoder.reading(profile, *index);
        let name = profile.points.get(*index).map_or("", |point| point.name.as_str());
        if !blocks.iter().any(|block| block.points.contains(index)) {
            found.push(format!("`{name}` is expected, but no `read` covers its address"));
        } else if !expected.is(&reading) {
            found.push(format!("`{name}` is {}, expected {}", said(&reading), expected.said()));
        }
    }
    found.extend(judged(profile, example, &decoder, &blocks));
    found.extend(written(profile, example));
    if found.is_empty() {
        return Ok(());
    }
    Err(found.into_iter().map(mismatch).collect())
}

/// An installed unit with this example's settings.
fn device(id: Id, profile: &Arc<Profile>, example: &Example) -> DeviceSettings {
    DeviceSettings {
        id,
        line: 0,
        unit_id: 1,
        profile: Arc::clone(profile),
        conditions: profile.conditions.clone(),
        place: Place::default(),
        installed: example.installed.clone(),
    }
}

/// Answers the identity checks that the example itself does not.
fn introduce(decoder: &mut Decoder, device: &DeviceSettings, example: &Example) {
    for check in &device.profile.identity {
        let shown = example.reads.iter().any(|read| {
            read.table == check.table
                && (u32::from(read.address)..u32::from(read.address) + u32::from(read.count))
                    .contains(&u32::from(check.address))
        });
        let Some(word) = check.expected.first().filter(|_| !shown) else { continue };
        let block = Block {
            table: check.table,
            address: check.address,
            count: 1,
            class: PollClass::Slow,
            points: vec![],
        };
        let outcome = if check.table.is_bits() {
            Outcome::Bits { bits: vec![*word != 0], delay_us: 0 }
        } else {
            Outcome::Registers { words: vec![*word], delay_us: 0 }
        };
        decoder.answered(device, &block, &outcome);
    }
}

fn block(profile: &Profile, read: &Read) -> Block {
    let covered = u32::from(read.address)..u32::from(read.address) + u32::from(read.count);
    let points = profile
        .points
        .iter()
        .enumerate()
        .filter(|(_, point)| {
            let span = point.span();
            point.table == read.table && covered.start <= span.start && span.end <= covered.end
        })
        .map(|(index, _)| index)
        .collect();
    Block { table: read.table, address: read.address, count: read.count, class: PollClass::Alarm, points }
}

/// Every condition on a point of the example sees its reading for as long as its delays ask for.
fn judged(profile: &Profile, example: &Example, decoder: &Decoder, blocks: &[Block]) -> Vec<String> {
    let mut raised = Vec::new();
    for condition in &profile.conditions {
        if !blocks.iter().any(|block| block.points.contains(&condition.point)) {
            continue;
        }
        let mut judge = Judge::new(condition);
        let point = profile.points.get(condition.point);
        if let Some(count) = point.and_then(|point| example.counts_before.get(&point.name)) {
            judge.restore_count(*count);
        }
        let reading = decoder.reading(profile, condition.point);
        let mut now = Instant::from_micros(0);
        for _ in 0..condition.median.saturating_add(condition.in_a_row).saturating_add(2) {
            let judgements = [judge.woke(now), judge.reading(now, &reading)];
            if judgements.iter().flatten().any(|judgement| matches!(judgement, Judgement::Raised { .. })) {
                raised.push(condition.name.clone());
                break;
            }
            now = now + condition.on_delay + Duration::from_millis(500);
        }
    }
    let mut found = Vec::new();
    for name in &raised {
        if !example.judgements.contains(name) {
            found.push(format!("`{name}` is raised, but not expected"));
        }
    }
    for name in &example.judgements {
        if !raised.contains(name) {
            found.push(format!("`{name}` is expected, but not raised"));
        }
    }
    found
}

/// The frames that provisioning and reset send.
fn written(profile: &Profile, example: &Example) -> Vec<String> {
    let mut found = Vec::new();
    if let Some((from, to, expected)) = &example.set_unit_id {
        let asks: Vec<Vec<u8>> = profile
            .provisioning
            .iter()
            .filter_map(|step| {
                let (address, value, at_new_id) = match step {
                    ProvisioningStep::WriteUnitId { address, at_new_id } => {
                        (*address, u16::from(*to), *at_new_id)
                    }
                    ProvisioningStep::Write { address, value, at_new_id } => (*address, *value, *at_new_id),
                    _ => return None,
                };
                let unit_id = if at_new_id { *to } else { *from };
                Some(frames::write_ask(unit_id, Table::HoldingRegister, address, value))
            })
            .collect();
        if asks != *expected {
            let asks: Vec<String> = asks.iter().map(|ask| frames::hex(ask)).collect();
            found.push(format!("setting the unit id sends {}", asks.join(", ")));
        }
    }
    if let Some(expected) = &example.reset_ask {
        let ask = profile.reset.map(|reset| frames::write_ask(1, reset.table, reset.address, reset.value));
        if ask.as_ref() != Some(expected) {
            let ask = ask.map_or_else(|| "nothing".to_owned(), |ask| frames::hex(&ask));
            found.push(format!("the reset sends {ask}"));
        }
    }
    found
}

impl Expected {
    fn is(&self, reading: &Reading) -> bool {
        match (self, reading) {
            (Self::Good(expected), Reading::Good(value)) => expected == value,
            (Self::Uncertain(expected, why), Reading::Uncertain(value, because)) => {
                expected == value && because.word() == why.as_str()
            }
            (Self::Bad(why), Reading::Bad(because)) => because.word() == why.as_str(),
            _ => false,
        }
    }

    fn said(&self) -> String {
        match self {
            Self::Good(value) => shown(value),
            Self::Uncertain(value, why) => format!("{}, uncertain ({why})", shown(value)),
            Self::Bad(why) => format!("bad ({why})"),
        }
    }
}

fn said(reading: &Reading) -> String {
    match reading {
        Reading::Good(value) => shown(value),
        Reading::Uncertain(value, why) => format!("{}, uncertain ({})", shown(value), why.word()),
        Reading::Bad(why) => format!("bad ({})", why.word()),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Bool(state) => state.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => format!("{text:?}"),
    }
}

/// The examples as written, with every name in them resolved.
pub(crate) fn examples(document: &mut Document, profile: &Profile, written: &[ExamplePart]) -> Vec<Example> {
    written.iter().enumerate().map(|(index, part)| example(document, profile, index, part)).collect()
}

fn example(document: &mut Document, profile: &Profile, index: usize, part: &ExamplePart) -> Example {
    let at = |key| [Step::Key("example"), Step::Index(index), Step::Key(key)];
    for (key, names) in [
        ("counts_before", part.counts_before.keys().collect::<Vec<_>>()),
        ("installed", part.installed.frozen.keys().collect()),
    ] {
        for name in names {
            named(document, &at(key), &profile.points, name);
        }
    }
    let mut readings = Vec::new();
    for (name, expected) in &part.readings {
        let path = [Step::Key("example"), Step::Index(index), Step::Key("readings"), Step::Key(name)];
        let point = named(document, &path, &profile.points, name);
        match (point, self::expected(expected)) {
            (Some(point), Some(expected)) => readings.push((point, expected)),
            (_, None) => document.problem(
                &path,
                Text::new("写法不对", "this is not how a reading is expected"),
                Text::new(
                    "请写值、{ bad = \"原因\" } 或 { value = 值, uncertain = \"原因\" }",
                    "write a value, { bad = \"why\" } or { value = 1.0, uncertain = \"why\" }",
                ),
            ),
            (None, _) => {}
        }
    }
    for name in &part.judgements {
        if !profile.conditions.iter().any(|condition| condition.name == *name) {
            let known = profile.conditions.iter().map(|condition| condition.name.as_str());
            document.problem(
                &at("judgements"),
                Text::new("没有这个条件", "there is no condition of this name"),
                crate::problem::instead(name, known),
            );
        }
    }
    let mut reads = Vec::new();
    for (nth, part) in part.read.iter().enumerate() {
        match read(part) {
            Ok(read) => reads.push(read),
            Err(why) => {
                let path = [Step::Key("example"), Step::Index(index), Step::Key("read"), Step::Index(nth)];
                document.problem(
                    &path,
                    Text::new(format!("read 写法不对:{why}"), format!("this `read` does not hold: {why}")),
                    Text::new(
                        "请写 table、address 和 registers/bits/exception,或 ask 和 answer",
                        "write table, address and registers/bits/exception, or ask and answer",
                    ),
                );
            }
        }
    }
    let set_unit_id = part.set_unit_id.as_ref().map(|set| {
        let asks = set.asks.iter().map(|ask| hex(document, &at("set_unit_id"), ask)).collect();
        (set.from, set.to, asks)
    });
    Example {
        title: (&part.title).into(),
        line: document.place(&[Step::Key("example"), Step::Index(index)]).0,
        installed: installed(&part.installed),
        reads,
        counts_before: part.counts_before.clone(),
        readings,
        judgements: part.judgements.clone(),
        set_unit_id,
        reset_ask: part.reset_ask.as_ref().map(|ask| hex(document, &at("reset_ask"), ask)),
    }
}

fn hex(document: &mut Document, path: &[Step<'_>], text: &str) -> Vec<u8> {
    frames::bytes(text).unwrap_or_else(|why| {
        document.problem(
            path,
            Text::new("不是十六进制报文", why),
            Text::new("请写 \"01 03 ...\"", "write \"01 03 ...\""),
        );
        Vec::new()
    })
}

fn installed(part: &InstalledPart) -> Installed {
    Installed {
        unit: part.unit.clone(),
        datum_m: part.datum_m,
        dry_offset_m: part.dry_offset_m,
        mounting_height_m: part.mounting_height_m,
        frozen: part.frozen.clone(),
        ..Installed::default()
    }
}

fn expected(part: &ExpectedPart) -> Option<Expected> {
    Some(match part {
        ExpectedPart::Bool(state) => Expected::Good(Value::Bool(*state)),
        ExpectedPart::Number(number) => Expected::Good(Value::Number(*number)),
        ExpectedPart::Text(text) => Expected::Good(Value::Text(text.clone())),
        ExpectedPart::Doubt(doubt) => match (&doubt.bad, &doubt.uncertain, doubt.value) {
            (Some(why), None, None) => Expected::Bad(why.clone()),
            (None, Some(why), Some(value)) => Expected::Uncertain(Value::Number(value), why.clone()),
            _ => return None,
        },
    })
}

fn read(part: &ReadPart) -> Result<Read, String> {
    if let (Some(ask), Some(answer)) = (&part.ask, &part.answer) {
        let (table, address, count) = frames::read_ask(&frames::bytes(ask)?)?;
        let outcome = match frames::answer(&frames::bytes(answer)?, table, count)? {
            frames::Answer::Words(words) => Outcome::Registers { words, delay_us: 0 },
            frames::Answer::Bits(bits) => Outcome::Bits { bits, delay_us: 0 },
            frames::Answer::Exception(code) => Outcome::Exception { code, delay_us: 0 },
        };
        return Ok(Read { table, address, count, outcome });
    }
    let (Some(table), Some(address)) = (part.table.map(Table::from), part.address) else {
        return Err("table and address are missing".to_owned());
    };
    let (count, outcome) = match (&part.registers, &part.bits, part.exception, part.count) {
        (Some(words), None, None, None) if !table.is_bits() => {
            (words.len(), Outcome::Registers { words: words.clone(), delay_us: 0 })
        }
        (None, Some(bits), None, None) if table.is_bits() => {
            if bits.iter().any(|bit| *bit > 1) {
                return Err("bits are 0 or 1".to_owned());
            }
            (bits.len(), Outcome::Bits { bits: bits.iter().map(|bit| *bit == 1).collect(), delay_us: 0 })
        }
        (None, None, Some(code), Some(count)) => {
            (usize::from(count), Outcome::Exception { code, delay_us: 0 })
        }
        _ => return Err("it needs registers, bits (of a bit table), or exception and count".to_owned()),
    };
    let count = u16::try_from(count).map_err(|_| "it is too long".to_owned())?;
    Ok(Read { table, address, count, outcome })
}
