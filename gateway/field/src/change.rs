//! One change in the field, and the small language that a person types it in.
use std::fmt;

use shouwang_message::Value;

use crate::fault::Fault;
use crate::server::Act;

/// Something that happens to a device or a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A point reads another value.
    Set { device: String, point: String, value: Value },
    /// A person does something to a device.
    Act { device: String, act: Act },
    /// A device or a line gets a fault, or loses it.
    Fault { target: String, fault: Fault, on: bool },
    /// The line's cable, or the device of this name, is pulled out.
    Unplug { line: String },
    /// It is put back.
    Replug { line: String },
}

/// The command language, for help and error messages.
pub const COMMANDS: &str = "set DEVICE POINT VALUE | press DEVICE [MS] | cancel DEVICE | restart DEVICE | \
     fault TARGET FAULT [NUMBER] on|off | unplug TARGET | replug TARGET | quit";

/// How long a press lasts unless it says otherwise: what a firm push takes.
pub(crate) const PRESS_MS: u32 = 200;
/// Long enough for a stuck button.
const LONGEST_PRESS_MS: u32 = 600_000;

impl Change {
    /// Reads one command.
    ///
    /// # Errors
    /// What is wrong with it and how it would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            ["set", device, point, value @ ..] if !value.is_empty() => Ok(Self::Set {
                device: (*device).into(),
                point: (*point).into(),
                value: value_of(&value.join(" ")),
            }),
            ["press", device] => Ok(Self::press(device, PRESS_MS)),
            ["press", device, ms] => match ms.parse() {
                Ok(ms @ 1..=LONGEST_PRESS_MS) => Ok(Self::press(device, ms)),
                _ => Err(format!("{ms:?} must be milliseconds, 1 to {LONGEST_PRESS_MS}")),
            },
            ["cancel", device] => Ok(Self::Act { device: (*device).into(), act: Act::Cancel }),
            ["restart", device] => Ok(Self::Act { device: (*device).into(), act: Act::Restart }),
            ["fault", target, fault @ .., state @ ("on" | "off")] => {
                let fault = fault.join(" ").parse()?;
                Ok(Self::Fault { target: (*target).into(), fault, on: *state == "on" })
            }
            ["fault", ..] => Err(format!("a fault ends with on or off: {COMMANDS}")),
            ["unplug", line] => Ok(Self::Unplug { line: (*line).into() }),
            ["replug", line] => Ok(Self::Replug { line: (*line).into() }),
            _ => Err(format!("{text:?} is not a command; commands are {COMMANDS}")),
        }
    }

    pub(crate) fn press(device: &str, held_ms: u32) -> Self {
        Self::Act { device: device.into(), act: Act::Press { held_ms } }
    }
}

fn value_of(text: &str) -> Value {
    match text {
        "true" | "on" => Value::Bool(true),
        "false" | "off" => Value::Bool(false),
        // "nan" and "inf" are words of the device, not numbers.
        _ => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Number(number),
            _ => Value::Text(text.into()),
        },
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set { device, point, value } => match value {
                Value::Bool(state) => write!(f, "set {device} {point} {state}"),
                Value::Number(number) => write!(f, "set {device} {point} {number}"),
                Value::Text(text) => write!(f, "set {device} {point} {text}"),
            },
            Self::Act { device, act: Act::Press { held_ms } } => write!(f, "press {device} {held_ms}"),
            Self::Act { device, act: Act::Cancel } => write!(f, "cancel {device}"),
            Self::Act { device, act: Act::Restart } => write!(f, "restart {device}"),
            Self::Fault { target, fault, on } => {
                write!(f, "fault {target} {fault} {}", if *on { "on" } else { "off" })
            }
            Self::Unplug { line } => write!(f, "unplug {line}"),
            Self::Replug { line } => write!(f, "replug {line}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_reads_back_as_it_is_written() {
        for text in [
            "set smoke-1 smoke true",
            "set level-1 level_m 3.41",
            "set panel state first up",
            "press button-1 40000",
            "cancel button-1",
            "restart smoke-1",
            "fault smoke-1 slow 300 on",
            "fault b3 dead off",
            "unplug b3",
            "replug b3",
        ] {
            assert_eq!(Change::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Change::parse("  press  button-1 ").unwrap(), Change::press("button-1", PRESS_MS));
    }

    #[test]
    fn a_bad_command_says_how_it_would_be_right() {
        assert!(Change::parse("fault smoke-1 dead").unwrap_err().contains("on or off"));
        assert!(Change::parse("fault smoke-1 deaf on").unwrap_err().contains("dead"));
        assert!(Change::parse("press button-1 long").unwrap_err().contains("milliseconds"));
        assert!(Change::parse("set smoke-1 smoke").unwrap_err().contains("set DEVICE POINT VALUE"));
        assert!(Change::parse("").is_err());
    }
}
