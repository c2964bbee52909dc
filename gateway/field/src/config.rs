//! The field's configuration: TOML, unknown keys refused, every mistake told with file, line and column.
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use shouwang_message::{Id, Value};
use toml::Spanned;

use crate::error::{FieldError, Mistake};
use crate::fault::Fault;

/// What is built, and what happens to it when. Read it with [`FieldConfig::load`] or
/// [`FieldConfig::from_toml`].
#[derive(Clone, Debug)]
pub struct FieldConfig {
    pub(crate) seed: u64,
    pub(crate) lines: Vec<FieldLine>,
    pub(crate) devices: Vec<FieldDevice>,
    pub(crate) steps: Vec<FieldStep>,
    source: Source,
}

/// The text and its name, to say where something is wrong.
#[derive(Clone, Debug)]
struct Source {
    name: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "one")]
    seed: u64,
    #[serde(default)]
    line: Vec<FieldLine>,
    #[serde(default)]
    device: Vec<FieldDevice>,
    #[serde(default)]
    step: Vec<FieldStep>,
}

/// One conversation at a time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FieldLine {
    pub(crate) name: Spanned<Id>,
    pub(crate) pty: Option<PtyLine>,
    pub(crate) tcp: Option<TcpLine>,
    #[serde(default)]
    pub(crate) faults: Vec<Spanned<String>>,
}

/// A pseudo-terminal, paced like an RS-485 line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PtyLine {
    #[serde(default = "usual_baud")]
    pub(crate) baud: Spanned<u32>,
    /// Per character, with start, parity and stop bits.
    #[serde(default = "usual_bits")]
    pub(crate) bits: Spanned<u8>,
    pub(crate) link: Option<PathBuf>,
    /// A client that speaks at another speed than a device is not understood by it, and does not understand it. Else
    /// every speed is the right one, as a pty has none.
    #[serde(default)]
    pub(crate) heeds_baud: bool,
}

/// Modbus TCP, or a converter that carries RTU frames to a paced line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TcpLine {
    pub(crate) listen: Spanned<String>,
    pub(crate) framing: Option<Framing>,
    pub(crate) baud: Option<Spanned<u32>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Framing {
    Tcp,
    Rtu,
}

/// An installed device. The keys about its installation are those of the gateway's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FieldDevice {
    pub(crate) id: Spanned<Id>,
    pub(crate) line: Spanned<String>,
    pub(crate) unit_id: Spanned<u8>,
    pub(crate) profile: Spanned<String>,
    #[serde(default)]
    pub(crate) values: BTreeMap<String, Spanned<Value>>,
    #[serde(default)]
    pub(crate) faults: Vec<Spanned<String>>,
    /// From the end of a request to the first byte of the answer; else the profile's typical delay.
    pub(crate) reply_ms: Option<u32>,
    /// A call unit's serial number.
    pub(crate) serial: Option<u32>,
    /// What this unit is set to, if not its line's speed; for lines that heed it.
    pub(crate) baud: Option<Spanned<u32>>,
    /// This unit sends its 32-bit values in this order, whatever its profile says.
    pub(crate) word_order: Option<Order>,
    pub(crate) unit: Option<Spanned<String>>,
    pub(crate) datum_m: Option<f64>,
    pub(crate) dry_offset_m: Option<f64>,
    pub(crate) mounting_height_m: Option<f64>,
}

/// The order in which the bytes of a 32-bit value arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Order {
    Abcd,
    Cdab,
    Dcba,
    Badc,
}

/// One thing that happens by itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FieldStep {
    /// Seconds after the start.
    pub(crate) at_s: Spanned<f64>,
    pub(crate) device: Option<Spanned<String>>,
    pub(crate) line: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) set: BTreeMap<String, Spanned<Value>>,
    /// Switches a fault on...
    pub(crate) fault: Option<Spanned<String>>,
    /// ...or off.
    pub(crate) clear: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) press: bool,
    /// How long the button is held, ms.
    pub(crate) hold_ms: Option<u32>,
    #[serde(default)]
    pub(crate) cancel: bool,
    #[serde(default)]
    pub(crate) restart: bool,
    #[serde(default)]
    pub(crate) unplug: bool,
    #[serde(default)]
    pub(crate) replug: bool,
}

const MOST_BYTES: usize = 1024 * 1024;
const MOST_LINES: usize = 64;
const MOST_DEVICES: usize = 4_000;
const MOST_STEPS: usize = 10_000;
const LONGEST_STORY_S: f64 = 30.0 * 86_400.0;

fn one() -> u64 {
    1
}

fn usual_baud() -> Spanned<u32> {
    Spanned::new(0..0, 9600)
}

fn usual_bits() -> Spanned<u8> {
    Spanned::new(0..0, 10)
}

impl FieldConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, or what is wrong in it.
    pub fn load(path: &Path) -> Result<Self, FieldError> {
        let unreadable = |source| FieldError::Unreadable { path: path.to_path_buf(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Self::from_toml(&text, &path.display().to_string())
    }

    /// Reads a text; `name` stands for the file in messages.
    ///
    /// # Errors
    /// Everything that is wrong in it.
    pub fn from_toml(text: &str, name: &str) -> Result<Self, FieldError> {
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let source = Source { name: name.into(), text: text.into() };
        if text.len() > MOST_BYTES {
            return Err(FieldError::Config(vec![
                source.mistake(0..0, "the file is larger than 1 MiB".into()),
            ]));
        }
        let file: File = toml::from_str(text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            FieldError::Config(vec![source.mistake(span, error.message().to_string())])
        })?;
        let config =
            Self { seed: file.seed, lines: file.line, devices: file.device, steps: file.step, source };
        let mistakes = config.mistakes();
        if mistakes.is_empty() { Ok(config) } else { Err(FieldError::Config(mistakes)) }
    }

    /// A mistake at a place in this configuration.
    pub(crate) fn mistake(&self, span: Range<usize>, what: String) -> Mistake {
        self.source.mistake(span, what)
    }

    fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let mut say = |span: Range<usize>, what: String| mistakes.push(self.mistake(span, what));
        for (what, count, most) in [
            ("lines", self.lines.len(), MOST_LINES),
            ("devices", self.devices.len(), MOST_DEVICES),
            ("steps", self.steps.len(), MOST_STEPS),
        ] {
            if count > most {
                say(0..0, format!("{count} {what} are too many; a field has at most {most}"));
            }
        }
        if self.lines.is_empty() {
            say(0..0, "a field needs at least one [[line]]".into());
        }
        let mut names = BTreeMap::new();
        let lines = self.lines.iter().map(|line| &line.name);
        for name in lines.chain(self.devices.iter().map(|device| &device.id)) {
            if names.insert(name.get_ref().as_str(), ()).is_some() {
                say(
                    name.span(),
                    format!("{} is used twice; lines and devices need different names", name.get_ref()),
                );
            }
        }
        self.lines.iter().for_each(|line| line_problems(line, &mut say));
        self.devices.iter().for_each(|device| device_problems(device, self, &mut say));
        self.steps.iter().for_each(|step| step_problems(step, self, &mut say));
        mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
        mistakes
    }
}

fn line_problems(line: &FieldLine, say: &mut dyn FnMut(Range<usize>, String)) {
    let span = line.name.span();
    let is_modbus_tcp = line.is_modbus_tcp();
    let baud = match (&line.pty, &line.tcp) {
        (Some(pty), None) => {
            if !(9..=12).contains(pty.bits.get_ref()) {
                say(pty.bits.span(), "a character has 9 to 12 bits: 10 for 8N1, 11 for 8E1 and 8N2".into());
            }
            Some(&pty.baud)
        }
        (None, Some(tcp)) => {
            if tcp.listen.get_ref().parse::<std::net::SocketAddr>().is_err() {
                say(
                    tcp.listen.span(),
                    format!("{:?} is not an address such as 127.0.0.1:1502", tcp.listen.get_ref()),
                );
            }
            if let (true, Some(baud)) = (is_modbus_tcp, &tcp.baud) {
                say(baud.span(), "only framing = \"rtu\" has a baud rate".into());
            }
            tcp.baud.as_ref()
        }
        _ => {
            say(span, "a line is either pty = { baud = 9600 } or tcp = { listen = \"127.0.0.1:0\" }".into());
            None
        }
    };
    if let Some(baud) = baud.filter(|baud| !(300..=1_000_000).contains(baud.get_ref())) {
        say(baud.span(), format!("{} baud; a line has 300 to 1000000", baud.get_ref()));
    }
    fault_problems(&line.faults, is_modbus_tcp, say);
}

fn device_problems(device: &FieldDevice, config: &FieldConfig, say: &mut dyn FnMut(Range<usize>, String)) {
    let line = config.lines.iter().find(|line| line.name.get_ref().as_str() == device.line.get_ref());
    let Some(line) = line else {
        say(device.line.span(), format!("there is no line {:?}", device.line.get_ref()));
        return;
    };
    if *device.unit_id.get_ref() == 0 {
        say(device.unit_id.span(), "unit id 0 is broadcast; a device has 1 to 247".into());
    }
    if let Some(baud) = &device.baud
        && !line.pty.as_ref().is_some_and(|pty| pty.heeds_baud)
    {
        say(baud.span(), "a device has a speed of its own only on a pty line with heeds_baud = true".into());
    }
    fault_problems(&device.faults, line.is_modbus_tcp(), say);
}

fn step_problems(step: &FieldStep, config: &FieldConfig, say: &mut dyn FnMut(Range<usize>, String)) {
    let span = step.at_s.span();
    if !(0.0..=LONGEST_STORY_S).contains(step.at_s.get_ref()) {
        say(span.clone(), "at_s is seconds after the start, 0 to 30 days".into());
    }
    let line = match (&step.device, &step.line) {
        (Some(device), None) => {
            let found = config.devices.iter().find(|one| one.id.get_ref().as_str() == device.get_ref());
            if found.is_none() {
                say(device.span(), format!("there is no device {:?}", device.get_ref()));
            }
            if step.unplug || step.replug {
                say(span.clone(), "unplug and replug are for a line".into());
            }
            found.and_then(|one| config.line(one.line.get_ref()))
        }
        (None, Some(line)) => {
            let found = config.line(line.get_ref());
            if found.is_none() {
                say(line.span(), format!("there is no line {:?}", line.get_ref()));
            }
            if step.press || step.cancel || step.restart || !step.set.is_empty() {
                say(span.clone(), "set, press, cancel and restart are for a device".into());
            }
            found
        }
        _ => {
            say(span, "a step is about one device or one line".into());
            return;
        }
    };
    let acts = [step.press, step.cancel, step.restart, step.unplug, step.replug];
    let count = acts.iter().filter(|act| **act).count()
        + usize::from(!step.set.is_empty())
        + usize::from(step.fault.is_some())
        + usize::from(step.clear.is_some());
    if count != 1 {
        say(
            span.clone(),
            "a step does one thing: set, press, cancel, restart, fault, clear, unplug or replug".into(),
        );
    }
    if step.hold_ms.is_some() && !step.press {
        say(span, "hold_ms says how long a button is held: it needs press = true".into());
    }
    let is_modbus_tcp = line.is_some_and(FieldLine::is_modbus_tcp);
    fault_problems(step.fault.as_slice(), is_modbus_tcp, say);
    fault_problems(step.clear.as_slice(), is_modbus_tcp, say);
}

fn fault_problems(
    faults: &[Spanned<String>],
    is_modbus_tcp: bool,
    say: &mut dyn FnMut(Range<usize>, String),
) {
    for fault in faults {
        let outcome = fault.get_ref().parse().and_then(|fault| fits(fault, is_modbus_tcp));
        if let Err(what) = outcome {
            say(fault.span(), what);
        }
    }
}

/// Refuses a fault that this kind of line cannot have.
pub(crate) fn fits(fault: Fault, is_modbus_tcp: bool) -> Result<(), String> {
    if is_modbus_tcp && !fault.fits_modbus_tcp() {
        return Err(format!(
            "{fault} spoils bytes; on Modbus TCP use dead, flapping, slow, late, exception or close"
        ));
    }
    if !is_modbus_tcp && !fault.fits_rtu() {
        return Err(format!("{fault} is for Modbus TCP; on other lines use unplug"));
    }
    Ok(())
}

impl FieldConfig {
    fn line(&self, name: &str) -> Option<&FieldLine> {
        self.lines.iter().find(|line| line.name.get_ref().as_str() == name)
    }
}

impl FieldLine {
    pub(crate) fn is_modbus_tcp(&self) -> bool {
        self.tcp.as_ref().is_some_and(|tcp| tcp.framing != Some(Framing::Rtu))
    }

    /// The baud rate of the wires; none on Modbus TCP.
    pub(crate) fn baud(&self) -> Option<u32> {
        match (&self.pty, &self.tcp) {
            (Some(pty), _) => Some(*pty.baud.get_ref()),
            (None, Some(tcp)) if !self.is_modbus_tcp() => {
                Some(tcp.baud.as_ref().map_or(9600, |baud| *baud.get_ref()))
            }
            _ => None,
        }
    }
}

impl Source {
    fn mistake(&self, span: Range<usize>, what: String) -> Mistake {
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Mistake { file: self.name.clone(), line, column, what }
    }
}

#[cfg(test)]
mod tests;
