//! `profile new --from-scan`: a device without a profile is read in every type and word order while a person says what
//! it should read; what agrees becomes a profile.
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use shouwang_catalog::{examples, parse};
use shouwang_core::decode::round_to;
use shouwang_core::profile::{Parity, Table};
use shouwang_installer::{
    Bus as _, Heard, Meaning, Setting, Sighting, Writing as _, is_useless, kinds, meanings, names, read_raw,
};

use crate::exit::{Code, Exit};
use crate::port::{self, Lending, Port, Speech, Where};
use crate::print;
use crate::read::TableName;

#[derive(Args, Debug)]
pub(crate) struct New {
    /// 新型号:厂家-型号,小写字母、数字和 - · The new model: vendor-model, in small letters, digits and -
    #[arg(value_parser = name)]
    name: String,
    /// 从这条线路上的设备:串口,或 tcp://主机:502 · From a device on this line: a serial port or tcp://host:502
    #[arg(long, value_name = "WHERE", value_parser = Where::parse)]
    from_scan: Where,
    /// 它的地址 · Its unit id
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    unit: u8,
    /// 哪张表 · Which table
    #[arg(long, value_enum, default_value = "holding")]
    table: TableName,
    /// 哪个寄存器(从 0 算) · Which register, counted from 0
    #[arg(long, value_name = "N")]
    register: u16,
    /// 现在应该读到多少;再写一次是另一个读数,等它变过去 · What it should read now; once more for another reading, which is waited for
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    expect: Vec<f64>,
    /// 类别,如 water_level、smoke、gas、air · Its class, such as water_level, smoke, gas, air
    #[arg(long)]
    class: String,
    /// 点位名 · The point's name
    #[arg(long, default_value = "value")]
    point: String,
    /// 量的单位,如 m、degC · What it is measured in, such as m or degC
    #[arg(long, value_name = "UNIT")]
    measured_in: Option<String>,
    /// 写到哪里(默认 ./型号.toml,不覆盖) · Where it is written (else ./NAME.toml); nothing is overwritten
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    speech: Speech,
    #[command(flatten)]
    lending: Lending,
    /// 输出一个 JSON 对象 · One JSON object
    #[arg(long)]
    json: bool,
}

/// The slowest devices known take 350 ms.
const WAIT: Duration = Duration::from_millis(400);
const ROUND: Duration = Duration::from_millis(300);
/// A person needs this long to change what is measured.
const CHANGES_WITHIN: Duration = Duration::from_secs(120);

fn name(text: &str) -> Result<String, String> {
    let fits = text.len() <= 48
        && text.split_once('-').is_some_and(|(vendor, model)| !vendor.is_empty() && !model.is_empty())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let wrong = || format!("{text}:写成 厂家-型号 · write vendor-model, in small letters, digits and -");
    if fits { Ok(text.to_owned()) } else { Err(wrong()) }
}

pub(super) fn new(wanted: New) -> Result<(), Exit> {
    let file = wanted.to.clone().unwrap_or_else(|| format!("{}.toml", wanted.name).into());
    if file.exists() {
        let file = file.display();
        return Err(Exit::Because(Code::Bad, format!("{file}:已经有了,不覆盖 · is there already")));
    }
    let json = wanted.json;
    let place = wanted.from_scan.clone();
    let socket = wanted.lending.socket.clone();
    let (wanted, setting, sightings) = port::with_port(&place, &socket, move |port| {
        let lent = port.lent_setting().map_err(|lost| port::lost(&lost))?;
        let setting = lent.unwrap_or_else(|| wanted.from_scan.setting(wanted.speech));
        port.set(setting).map_err(|lost| port::lost(&lost))?;
        let mut asking = Asking { port, wanted: &wanted, sightings: Vec::new() };
        if wanted.expect.is_empty() {
            asking.by_a_person()?;
        } else {
            asking.by_options()?;
        }
        let sightings = asking.sightings;
        Ok((wanted, setting, sightings))
    })?;
    let kept = meanings(&sightings);
    let [meaning] = kept.as_slice() else { return undecided(&kept, json) };
    let text = written(&wanted, setting, *meaning, &sightings);
    keep(&file, &text)?;
    let (kind, order) = names(meaning.kind);
    if json {
        let (numerator, denominator) = meaning.scale();
        let object = json!({"profile": wanted.name, "file": file, "type": kind, "word_order": order,
            "numerator": numerator, "denominator": denominator,
            "readings": sightings.iter().filter_map(|seen| meaning.value(&seen.words)).collect::<Vec<_>>()});
        return print::line(&object.to_string());
    }
    print::line(&format!(
        " {meaning}:写好了 written: {file}\n 下一步 next:  shouwang profile check {file}",
        file = file.display()
    ))
}

fn undecided(kept: &[Meaning], json: bool) -> Result<(), Exit> {
    let named: Vec<_> = kept.iter().map(ToString::to_string).collect();
    if json {
        print::line(&json!({"profile": null, "fits": named}).to_string())?;
        return Err(Exit::Said(Code::Found));
    }
    let why = if kept.is_empty() {
        "没有一种类型、字序和倍数对得上:换个寄存器再试 · no type, word order and scale agrees: try another register".to_owned()
    } else {
        format!(
            "还有 {} 种都对得上:{};再给一个不同的读数 --expect · {} agree; give another, different reading with --expect",
            kept.len(),
            named.join(", "),
            kept.len()
        )
    };
    Err(Exit::Because(Code::Found, why))
}

struct Asking<'a> {
    port: &'a mut Port,
    wanted: &'a New,
    sightings: Vec<Sighting>,
}

impl Asking<'_> {
    /// All readings are known; a further one is waited for.
    fn by_options(&mut self) -> Result<(), Exit> {
        for expected in &self.wanted.expect {
            if let Some(why) = is_useless(*expected, &self.sightings) {
                return Err(Exit::Because(Code::Bad, format!("--expect {expected}: {why}")));
            }
            let until = self.port.elapsed() + CHANGES_WITHIN;
            if !self.sightings.is_empty() {
                eprintln!("等读数变到 {expected} · waiting until it should read {expected}");
            }
            let mut sighting = Sighting { words: self.registers()?, expected: *expected };
            while !self.sightings.is_empty() && self.with(&sighting).is_empty() && self.port.elapsed() < until
            {
                self.port.rest(ROUND).map_err(|lost| port::lost(&lost))?;
                sighting.words = self.registers()?;
            }
            self.sightings.push(sighting);
        }
        Ok(())
    }

    /// What agrees if this was seen too.
    fn with(&self, sighting: &Sighting) -> Vec<Meaning> {
        meanings(&[self.sightings.as_slice(), std::slice::from_ref(sighting)].concat())
    }

    /// A person says what it should read, until one meaning is left.
    fn by_a_person(&mut self) -> Result<(), Exit> {
        loop {
            let words = self.registers()?;
            self.show(&words)?;
            eprint!("   现在应该是多少?what should it read now? ");
            let typed = self.port.stop().typed().map_err(|lost| port::lost(&lost))?;
            let Ok(expected) = typed.trim().parse::<f64>() else {
                eprintln!("   写一个数,如 3.4 · type a number, such as 3.4");
                continue;
            };
            if let Some(why) = is_useless(expected, &self.sightings) {
                eprintln!("   {why}");
                continue;
            }
            // Read again: it took the person a while to type.
            let sighting = Sighting { words: self.registers()?, expected };
            let kept = self.with(&sighting);
            match kept.as_slice() {
                [] => eprintln!("   没有一种对得上 · nothing agrees with it"),
                [_] => {
                    self.sightings.push(sighting);
                    return Ok(());
                }
                several => {
                    let named: Vec<_> = several.iter().map(ToString::to_string).collect();
                    eprintln!(
                        "   {} 种对得上:{};让读数变一变再写 · {} agree: change what it measures and type again",
                        several.len(),
                        named.join(", "),
                        several.len()
                    );
                    self.sightings.push(sighting);
                }
            }
        }
    }

    /// The live value in every type and word order.
    fn show(&self, words: &[u16]) -> Result<(), Exit> {
        let raw: Vec<_> = words.iter().map(|word| format!("{word:04X}")).collect();
        print::line(&format!(" {}  {}", self.wanted.register, raw.join(" ")))?;
        for kind in kinds() {
            let meaning = Meaning { kind, exponent: 0 };
            if let Some(value) = meaning.value(words) {
                let plain = (1e-4..1e9).contains(&value.abs()) || value == 0.0;
                let value = if plain { format!("{}", round_to(value, 4)) } else { format!("{value:.1e}") };
                print::line(&format!("   {:<10} {value}", meaning.to_string()))?;
            }
        }
        Ok(())
    }

    /// Two registers, or the one that there is.
    fn registers(&mut self) -> Result<Vec<u16>, Exit> {
        let table: Table = self.wanted.table.into();
        let New { unit, register, .. } = *self.wanted;
        if table.is_bits() {
            let why =
                "线圈和离散输入没有类型可选:用 holding 或 input · a bit has no type: use holding or input";
            return Err(Exit::Because(Code::Bad, why.into()));
        }
        let mut heard = Heard::Silence;
        for count in [2, 1] {
            heard =
                read_raw(self.port, unit, table, register, count, WAIT).map_err(|lost| port::lost(&lost))?;
            if let Heard::Words(words, _) = heard {
                return Ok(words);
            }
        }
        Err(match heard {
            Heard::Exception(code, _) => Exit::Because(
                Code::Found,
                format!(
                    "寄存器 {register}:设备拒绝,异常码 {code} · register {register}: refused, exception {code}"
                ),
            ),
            _ => Exit::Because(
                Code::Unreached,
                format!(
                    "地址 {unit} 没有应答 · nobody answers at unit id {unit}\n  下一步 next:  shouwang scan {}",
                    self.wanted.from_scan
                ),
            ),
        })
    }
}

/// Checked before it is kept.
fn keep(file: &Path, text: &str) -> Result<(), Exit> {
    let (profile, shown) = parse(file, text.as_bytes()).map_err(|problems| Exit::bad(&problems))?;
    let profile = Arc::new(profile);
    for example in &shown {
        examples::run(&profile, example).map_err(|mismatches| Exit::bad(&mismatches))?;
    }
    let written = OpenOptions::new().write(true).create_new(true).open(file);
    written
        .and_then(|mut to| to.write_all(text.as_bytes()).and_then(|()| to.sync_all()))
        .map_err(|error| Exit::Because(Code::Failed, format!("{}: {error}", file.display())))
}

fn written(wanted: &New, setting: Setting, meaning: Meaning, sightings: &[Sighting]) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let (vendor, model) = wanted.name.split_once('-').unwrap_or((&wanted.name, ""));
    let (kind, order) = names(meaning.kind);
    let table = match Table::from(wanted.table) {
        Table::InputRegister => "input_register",
        _ => "holding_register",
    };
    let expected: Vec<_> = sightings.iter().map(|seen| seen.expected.to_string()).collect();
    let source = format!(
        "bench: one device, {table} {} against readings of {} beside it",
        wanted.register,
        expected.join(" and ")
    );
    let mut lines = vec![
        format!("vendor = {}", quoted(vendor)),
        format!("model = {}", quoted(model)),
        format!("title = {{ zh = {name}, en = {name} }}", name = quoted(&wanted.name)),
        format!("class = {}", quoted(&wanted.class)),
        "verified = \"bench\"".to_owned(),
        format!("source = {}", quoted(&source)),
    ];
    if let Setting::Serial { baud, parity, stop_bits } = setting {
        let parity = match parity {
            Parity::None => "none",
            Parity::Even => "even",
            Parity::Odd => "odd",
        };
        lines.push(format!(
            "\n[serial]\nbaud = {baud}\nparity = \"{parity}\"\nstop_bits = {stop_bits}\nunit_id = {}",
            wanted.unit
        ));
    }
    let point = quoted(&wanted.point);
    lines.push(format!("\n[[point]]\nname = {point}\ntitle = {{ zh = {point}, en = {point} }}"));
    lines.push(format!("table = \"{table}\"\naddress = {}\ntype = \"{kind}\"", wanted.register));
    lines.extend(order.map(|order| format!("word_order = \"{order}\"")));
    match meaning.scale() {
        (1, 1) => {}
        (numerator, 1) => lines.push(format!("scale = {{ numerator = {numerator} }}")),
        (_, denominator) => lines.push(format!("scale = {{ denominator = {denominator} }}")),
    }
    lines.push(format!("decimals = {}", meaning.decimals()));
    lines.extend(wanted.measured_in.as_deref().map(|unit| format!("unit = {}", quoted(unit))));
    for seen in sightings {
        let width = usize::from(meaning.kind.width());
        let words: Vec<_> = seen.words.iter().take(width).map(|word| format!("0x{word:04X}")).collect();
        let value = round_to(meaning.value(&seen.words).unwrap_or_default(), meaning.decimals());
        lines.push(format!(
            "\n[[example]]\ntitle = {{ zh = \"应为 {expected}\", en = \"should read {expected}\" }}\nread = [{{ table = \
             \"{table}\", address = {}, registers = [{}] }}]\nreadings = {{ {} = {value:?} }}",
            wanted.register,
            words.join(", "),
            wanted.point,
            expected = seen.expected,
        ));
    }
    lines.push(String::new());
    lines.join("\n")
}
