//! `shouwang simulate`: a field alone, told what to do by its story and by lines on its input.
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::change::Change;
use crate::config::FieldConfig;
use crate::error::FieldError;
use crate::lamp::Shown;
use crate::port::Place;
use crate::profiles::Profiles;
use crate::running::{LinePlace, Running, start_telling};

/// How the field tells what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Carries out one command of [`crate::COMMANDS`] except `quit`; says what was done.
///
/// # Errors
/// What is wrong with the command, or why it cannot be carried out.
pub fn command(field: &Running, text: &str) -> Result<String, String> {
    let change = Change::parse(text)?;
    field.apply(&change).map_err(|error| match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    })
}

enum Event {
    Typed(String),
    Story(Result<String, String>),
    Shutdown,
}

/// How often the lamps are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// A line of input may be this long.
const LONGEST_LINE: u64 = 1024;

/// Runs the field of this configuration until `quit` is read from `input` or `shutdown` brings something
/// (or hangs up). First tells where each line is, then every change, and what the call units' lamps say of it. The end of the input ends nothing, so
/// that it works without a terminal.
///
/// # Errors
/// The configuration does not fit the profiles, a line cannot be opened, or `output` cannot be written.
pub fn simulate(
    config: &FieldConfig,
    profiles: &dyn Profiles,
    input: impl Read + Send + 'static,
    output: &mut dyn Write,
    told: Told,
    shutdown: Receiver<()>,
) -> Result<(), FieldError> {
    let (events, inbox) = channel();
    let story = events.clone();
    // When nobody listens any more, the field is being stopped.
    let field = start_telling(config, profiles, move |step| drop(story.send(Event::Story(step.clone()))))?;
    for line in field.lines() {
        write_line(output, &place(&line, told))?;
    }
    listen(input, events, shutdown)?;
    loop {
        for (device, _, shown) in field.shown() {
            write_line(output, &lamp(&device, &shown, told))?;
        }
        let event = match inbox.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
            Ok(event) => event,
        };
        let (who, outcome) = match event {
            Event::Shutdown => break,
            Event::Story(step) => ("story", step),
            Event::Typed(text) if text.trim().is_empty() => continue,
            Event::Typed(text) if text.trim() == "quit" => break,
            Event::Typed(text) => ("typed", command(&field, &text)),
        };
        write_line(output, &change(who, &outcome, told))?;
        if let Ok(done) = outcome
            && let Some(name) = done.strip_prefix("replug ")
            && let Some(line) = field.lines().into_iter().find(|line| line.name == name)
        {
            write_line(output, &place(&line, told))?;
        }
    }
    field.stop();
    Ok(())
}

/// Two threads that wait: one for lines, one for the end. Both end with the process at the latest.
fn listen(
    input: impl Read + Send + 'static,
    events: Sender<Event>,
    shutdown: Receiver<()>,
) -> Result<(), FieldError> {
    let typed = events.clone();
    let thread = |name: &str| std::thread::Builder::new().name(name.into());
    let reading = thread("field-input").spawn(move || {
        let mut input = BufReader::new(input);
        loop {
            let mut line = Vec::new();
            match input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            if typed.send(Event::Typed(String::from_utf8_lossy(&line).into_owned())).is_err() {
                return;
            }
        }
    });
    let waiting = thread("field-shutdown").spawn(move || {
        // A hung-up sender means that nobody can ever ask for the end, which is one too.
        let _ = shutdown.recv();
        drop(events.send(Event::Shutdown));
    });
    reading.and(waiting).map(drop).map_err(FieldError::Thread)
}

fn write_line(output: &mut dyn Write, line: &str) -> Result<(), FieldError> {
    writeln!(output, "{line}").and_then(|()| output.flush()).map_err(FieldError::Output)
}

fn place(line: &LinePlace, told: Told) -> String {
    let LinePlace { name, place } = line;
    match (told, place) {
        (Told::Text, Some(Place::Pty { path, link: Some(link) })) => {
            format!("line {name} {} -> {}", link.display(), path.display())
        }
        (Told::Text, Some(place)) => format!("line {name} {place}"),
        (Told::Text, None) => format!("line {name} unplugged"),
        (Told::Json, Some(Place::Tcp(address))) => {
            format!(r#"{{"line":{},"address":{}}}"#, json(name), json(&address.to_string()))
        }
        (Told::Json, Some(place)) => {
            format!(r#"{{"line":{},"path":{}}}"#, json(name), json(&place.to_string()))
        }
        (Told::Json, None) => format!(r#"{{"line":{},"path":null}}"#, json(name)),
    }
}

fn change(who: &str, outcome: &Result<String, String>, told: Told) -> String {
    match (told, outcome) {
        (Told::Text, Ok(done)) => format!("{who}: {done}"),
        (Told::Text, Err(why)) => format!("{who}: error: {why}"),
        (Told::Json, Ok(done)) => format!(r#"{{"by":{},"done":{}}}"#, json(who), json(done)),
        (Told::Json, Err(why)) => format!(r#"{{"by":{},"error":{}}}"#, json(who), json(why)),
    }
}

fn lamp(device: &str, shown: &Shown, told: Told) -> String {
    let Shown { name, meaning, lamp, buzzer, .. } = shown;
    match told {
        Told::Text => format!(
            "lamp {device} {name}: {}({};{}) · {} ({}; {})",
            meaning.zh, lamp.zh, buzzer.zh, meaning.en, lamp.en, buzzer.en
        ),
        Told::Json => serde_json::json!({
            "lamp": name, "device": device, "text": meaning, "light": lamp, "sound": buzzer,
        })
        .to_string(),
    }
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
