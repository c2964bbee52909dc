//! A field that runs: its lines are open, its story plays, and everything in it can be changed and seen.
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use modbus_wire::Table;
use shouwang_message::Value;

use crate::build::{Built, Doorplate, build};
use crate::change::{Change, PRESS_MS};
use crate::clock::{Clock, Nanos};
use crate::config::{FieldConfig, FieldLine, fits};
use crate::error::FieldError;
use crate::fault::Fault;
use crate::lamp::Shown;
use crate::port::{Place, Port};
use crate::profiles::Profiles;
use crate::rtu_line::RtuLine;
use crate::rtu_port::{RtuPort, Socket};
use crate::server::Act;
use crate::street::{Resident, Street, micros};
use crate::tcp_port::{TcpPort, TcpServing};

/// A running field. Dropping it stops it.
pub struct Running {
    field: Arc<Field>,
    story: Option<JoinHandle<()>>,
    /// Outlives the lines that it serves.
    _tcp: Option<TcpServing>,
}

/// A line and where it is plugged in at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinePlace {
    pub name: String,
    /// None while it is unplugged.
    pub place: Option<Place>,
}

/// What the lines, the story and the commands share.
struct Field {
    clock: Clock,
    lines: Vec<Line>,
    devices: BTreeMap<String, Doorplate>,
    stopped: Mutex<bool>,
    stopping: Condvar,
}

struct Line {
    name: String,
    is_modbus_tcp: bool,
    street: Arc<Mutex<Street>>,
    port: Box<dyn Port>,
}

/// Builds the field and starts it; the steps of its story begin to count now.
///
/// # Errors
/// Everything that is wrong with the configuration, or the first line that cannot be opened.
pub fn start(config: &FieldConfig, profiles: &dyn Profiles) -> Result<Running, FieldError> {
    start_telling(config, profiles, |_| {})
}

/// As [`start`]; `tell` hears of every step of the story when it has happened, or why it could not.
///
/// # Errors
/// As [`start`].
pub fn start_telling(
    config: &FieldConfig,
    profiles: &dyn Profiles,
    tell: impl Fn(&Result<String, String>) + Send + 'static,
) -> Result<Running, FieldError> {
    let Built { streets, devices, steps } = build(config, profiles)?;
    let clock = Clock::start();
    let tcp = match config.lines.iter().any(FieldLine::is_modbus_tcp) {
        true => Some(TcpServing::start().map_err(FieldError::Thread)?),
        false => None,
    };
    let mut lines = Vec::new();
    for (line, street) in config.lines.iter().zip(streets) {
        let name = line.name.get_ref().as_str().to_owned();
        let street = Arc::new(Mutex::new(street));
        let handle = tcp.as_ref().and_then(TcpServing::handle);
        let port = open(line, &name, Arc::clone(&street), clock, handle);
        let port = port.map_err(|source| FieldError::Line { line: name.clone(), source })?;
        lines.push(Line { name, is_modbus_tcp: line.is_modbus_tcp(), street, port });
    }
    let field =
        Arc::new(Field { clock, lines, devices, stopped: Mutex::new(false), stopping: Condvar::new() });
    let story = match steps.is_empty() {
        true => None,
        false => {
            let field = Arc::clone(&field);
            let thread = std::thread::Builder::new().name("field-story".into());
            let started = thread.spawn(move || field.play(steps, &tell));
            Some(started.map_err(FieldError::Thread)?)
        }
    };
    Ok(Running { field, story, _tcp: tcp })
}

fn open(
    line: &FieldLine,
    name: &str,
    street: Arc<Mutex<Street>>,
    clock: Clock,
    runtime: Option<&tokio::runtime::Handle>,
) -> std::io::Result<Box<dyn Port>> {
    // The configuration was checked: one of the two is there, and the address reads.
    let listen = line.tcp.as_ref().and_then(|tcp| tcp.listen.get_ref().parse().ok());
    let unusable = || std::io::Error::from(std::io::ErrorKind::InvalidInput);
    if line.is_modbus_tcp() {
        let (listen, runtime) = listen.zip(runtime).ok_or_else(unusable)?;
        return Ok(Box::new(TcpPort::start(runtime.clone(), listen, street, clock)?));
    }
    let (socket, bits) = match &line.pty {
        Some(pty) => {
            let socket = Socket::Pty { link: pty.link.clone(), heeds_baud: pty.heeds_baud };
            (socket, *pty.bits.get_ref())
        }
        None => (Socket::Tcp { listen: listen.ok_or_else(unusable)? }, 10),
    };
    let rtu = RtuLine::new(street, line.baud().ok_or_else(unusable)?, bits);
    Ok(Box::new(RtuPort::start(name, socket, rtu, clock)?))
}

impl Running {
    /// The lines in the configuration's order.
    #[must_use]
    pub fn lines(&self) -> Vec<LinePlace> {
        let place = |line: &Line| LinePlace { name: line.name.clone(), place: line.port.place() };
        self.field.lines.iter().map(place).collect()
    }

    /// Where a line is plugged in; `None` if it is unplugged or there is none of this name.
    #[must_use]
    pub fn place(&self, line: &str) -> Option<Place> {
        self.field.lines.iter().find(|one| one.name == line)?.port.place()
    }

    /// Makes a point read as `value`.
    ///
    /// # Errors
    /// No such device or point, or a value it cannot have.
    pub fn set(&self, device: &str, point: &str, value: Value) -> Result<(), FieldError> {
        let change = Change::Set { device: device.into(), point: point.into(), value };
        self.apply(&change).map(drop)
    }

    /// Puts a raw word into a device's memory, 0 or 1 in a bit table.
    ///
    /// # Errors
    /// No such device, or it has nothing at this address.
    pub fn set_raw(&self, device: &str, table: Table, address: u16, word: u16) -> Result<(), FieldError> {
        let doorplate = self.field.doorplate(device)?;
        self.field.with(doorplate, |resident, _| resident.server.set_raw(table, address, word))
    }

    /// What a read of this address would bring now; `None` if the device has nothing there.
    ///
    /// # Errors
    /// No such device.
    pub fn register(&self, device: &str, table: Table, address: u16) -> Result<Option<u16>, FieldError> {
        let doorplate = self.field.doorplate(device)?;
        self.field.with(doorplate, |resident, now| Ok(resident.server.register(micros(now), table, address)))
    }

    /// The unit id that a device answers to at present.
    ///
    /// # Errors
    /// No such device.
    pub fn unit_id(&self, device: &str) -> Result<u8, FieldError> {
        let doorplate = self.field.doorplate(device)?;
        self.field.with(doorplate, |resident, _| Ok(resident.server.unit_id()))
    }

    /// What the call units' lamps and buzzers began to say since this was last asked, with how long ago. Of
    /// each unit the last 32 changes are kept.
    #[must_use]
    pub fn shown(&self) -> Vec<(String, Duration, Shown)> {
        let mut all = Vec::new();
        for (device, doorplate) in &self.field.devices {
            let news = self.field.with(*doorplate, |resident, now| {
                let now = micros(now);
                let ago = |one: &Shown| Duration::from_micros(now.saturating_sub(one.at));
                Ok(resident.server.shown(now).into_iter().map(|one| (ago(&one), one)).collect::<Vec<_>>())
            });
            all.extend(news.into_iter().flatten().map(|(ago, one)| (device.clone(), ago, one)));
        }
        all.sort_by_key(|(_, ago, _)| std::cmp::Reverse(*ago));
        all
    }

    /// Switches a fault of a device or a line on or off.
    ///
    /// # Errors
    /// No such target, or a fault that its kind of line cannot have.
    pub fn fault(&self, target: &str, fault: Fault, on: bool) -> Result<(), FieldError> {
        self.apply(&Change::Fault { target: target.into(), fault, on }).map(drop)
    }

    /// Presses the button of a call unit for 200 ms.
    ///
    /// # Errors
    /// No such device, or it has no button.
    pub fn press(&self, device: &str) -> Result<(), FieldError> {
        self.apply(&Change::press(device, PRESS_MS)).map(drop)
    }

    /// Lets a person do something to a device.
    ///
    /// # Errors
    /// No such device, or it has no such thing.
    pub fn act(&self, device: &str, act: Act) -> Result<(), FieldError> {
        self.apply(&Change::Act { device: device.into(), act }).map(drop)
    }

    /// Pulls the cable out: the pty or the listener is gone, and its link with it.
    ///
    /// # Errors
    /// No such line.
    pub fn unplug(&self, line: &str) -> Result<(), FieldError> {
        self.apply(&Change::Unplug { line: line.into() }).map(drop)
    }

    /// Puts the cable back: a new pty behind the same link, or the same port.
    ///
    /// # Errors
    /// No such line, or it cannot be opened again.
    pub fn replug(&self, line: &str) -> Result<(), FieldError> {
        self.apply(&Change::Replug { line: line.into() }).map(drop)
    }

    /// Makes one change and says it in words.
    ///
    /// # Errors
    /// Why it cannot be made; then nothing has changed.
    pub fn apply(&self, change: &Change) -> Result<String, FieldError> {
        self.field.apply(change)
    }

    /// Ends everything and removes the links. Dropping does the same.
    pub fn stop(self) {}
}

impl Drop for Running {
    fn drop(&mut self) {
        *lock(&self.field.stopped) = true;
        self.field.stopping.notify_all();
        if let Some(story) = self.story.take() {
            // A story has nothing to say when it ends.
            let _ = story.join();
        }
        self.field.lines.iter().for_each(|line| line.port.stop());
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("lines", &self.lines()).finish_non_exhaustive()
    }
}

impl Field {
    fn apply(&self, change: &Change) -> Result<String, FieldError> {
        match change {
            Change::Set { device, point, value } => {
                let doorplate = self.doorplate(device)?;
                self.with(doorplate, |resident, now| resident.server.set(micros(now), point, value))?;
            }
            Change::Act { device, act } => {
                let doorplate = self.doorplate(device)?;
                self.with(doorplate, |resident, now| resident.server.act(micros(now), *act))?;
            }
            Change::Fault { target, fault, on } => self.switch(target, *fault, *on)?,
            // A device off the line neither hears nor answers.
            Change::Unplug { line: device } if self.devices.contains_key(device) => {
                self.switch(device, Fault::Dead, true)?;
            }
            Change::Replug { line: device } if self.devices.contains_key(device) => {
                self.switch(device, Fault::Dead, false)?;
            }
            Change::Unplug { line } => {
                let line = self.line(line)?;
                line.port.unplug().map_err(|source| FieldError::Line { line: line.name.clone(), source })?;
            }
            Change::Replug { line } => {
                let line = self.line(line)?;
                line.port.replug().map_err(|source| FieldError::Line { line: line.name.clone(), source })?;
            }
        }
        Ok(change.to_string())
    }

    fn switch(&self, target: &str, fault: Fault, on: bool) -> Result<(), FieldError> {
        let device = self.devices.get(target);
        let line = match device {
            Some(doorplate) => self.line_of(*doorplate)?,
            None => self.line(target).map_err(|_| self.unknown("device or line", target))?,
        };
        fits(fault, line.is_modbus_tcp).map_err(FieldError::Change)?;
        match device {
            Some(doorplate) => self.with(*doorplate, |resident, _| {
                resident.faults.switch(fault, on);
                Ok(())
            })?,
            None => lock(&line.street).faults.switch(fault, on),
        }
        line.port.wake();
        Ok(())
    }

    fn with<T>(
        &self,
        doorplate: Doorplate,
        act: impl FnOnce(&mut Resident, Nanos) -> Result<T, String>,
    ) -> Result<T, FieldError> {
        let mut street = lock(&self.line_of(doorplate)?.street);
        let gone = || FieldError::Change("this device is not on its line any more".into());
        let resident = street.residents.get_mut(doorplate.index).ok_or_else(gone)?;
        act(resident, self.clock.now()).map_err(FieldError::Change)
    }

    fn doorplate(&self, device: &str) -> Result<Doorplate, FieldError> {
        self.devices.get(device).copied().ok_or_else(|| self.unknown("device", device))
    }

    fn line_of(&self, doorplate: Doorplate) -> Result<&Line, FieldError> {
        let gone = || FieldError::Change("this line is not in the field any more".into());
        self.lines.get(doorplate.line).ok_or_else(gone)
    }

    fn line(&self, name: &str) -> Result<&Line, FieldError> {
        self.lines.iter().find(|line| line.name == name).ok_or_else(|| self.unknown("line", name))
    }

    fn unknown(&self, what: &str, name: &str) -> FieldError {
        let lines = self.lines.iter().map(|line| line.name.as_str());
        let devices = self.devices.keys().map(String::as_str);
        let known: Vec<&str> = lines.chain(devices).take(40).collect();
        FieldError::Change(format!(
            "there is no {what} {name:?} in this field; there are {}",
            known.join(", ")
        ))
    }

    /// Makes each change when its time has come, until all are made or the field is stopped.
    fn play(&self, steps: Vec<(Nanos, Change)>, tell: &dyn Fn(&Result<String, String>)) {
        for (at, change) in steps {
            let mut stopped = lock(&self.stopped);
            while !*stopped {
                let now = self.clock.now();
                if now >= at {
                    break;
                }
                let left = Duration::from_nanos(at - now);
                let waited = self.stopping.wait_timeout(stopped, left);
                stopped = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            if *stopped {
                return;
            }
            drop(stopped);
            tell(&self.apply(&change).map_err(|error| error.to_string()));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
