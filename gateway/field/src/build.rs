//! From a configuration and the profiles to lines full of devices; everything wrong is told at once.
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use shouwang_core::configuration::{Installed, LineKind};
use shouwang_core::profile::{Kind, Profile, WordOrder};
use shouwang_core::units;
use shouwang_message::Value;
use toml::Spanned;

use crate::call_unit::CallUnit;
use crate::chance::Chance;
use crate::change::{Change, PRESS_MS};
use crate::clock::{Nanos, millis};
use crate::config::{FieldConfig, FieldDevice, FieldStep, Order};
use crate::error::FieldError;
use crate::fault::Fault;
use crate::profile_server::ProfileServer;
use crate::profiles::Profiles;
use crate::server::{Act, Server};
use crate::street::{Resident, Street};

/// The lines' devices, in the configuration's order, and where each device is.
pub(crate) struct Built {
    pub(crate) streets: Vec<Street>,
    pub(crate) devices: BTreeMap<String, Doorplate>,
    /// In order of time.
    pub(crate) steps: Vec<(Nanos, Change)>,
}

/// Where a device is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doorplate {
    pub(crate) line: usize,
    pub(crate) index: usize,
}

pub(crate) fn build(config: &FieldConfig, profiles: &dyn Profiles) -> Result<Built, FieldError> {
    let mut streets: Vec<Street> = config
        .lines
        .iter()
        .map(|line| {
            let mut street = Street::new(line.name.get_ref().as_str(), line.baud(), config.seed);
            faults(&line.faults).for_each(|fault| street.faults.switch(fault, true));
            street
        })
        .collect();
    let mut devices = BTreeMap::new();
    let mut mistakes = Vec::new();
    for device in &config.devices {
        let line = config.lines.iter().position(|line| line.name.get_ref().as_str() == device.line.get_ref());
        let Some((line, street)) = line.and_then(|line| Some((line, streets.get_mut(line)?))) else {
            continue;
        };
        match resident(config, profiles, device, street.baud) {
            Ok(resident) => {
                let doorplate = Doorplate { line, index: street.residents.len() };
                devices.insert(device.id.get_ref().as_str().to_owned(), doorplate);
                street.residents.push(resident);
            }
            Err(found) => mistakes.extend(found.into_iter().map(|(span, what)| config.mistake(span, what))),
        }
    }
    if mistakes.is_empty() {
        mistakes
            .extend(bad_steps(config, profiles).into_iter().map(|(span, what)| config.mistake(span, what)));
    }
    if mistakes.is_empty() {
        Ok(Built { streets, devices, steps: steps(config) })
    } else {
        Err(FieldError::Config(mistakes))
    }
}

type Found = Vec<(Range<usize>, String)>;

fn resident(
    config: &FieldConfig,
    profiles: &dyn Profiles,
    device: &FieldDevice,
    baud: Option<u32>,
) -> Result<Resident, Found> {
    let profile = delivered(profile(profiles, device)?, device);
    let own_baud = device.baud.as_ref().map(|baud| *baud.get_ref());
    let mut server = server(device, &profile, own_baud.or(baud))?;
    let wrong = |(name, value): (&String, &Spanned<Value>)| {
        server.set(0, name, value.get_ref()).err().map(|what| (value.span(), what))
    };
    // Decimals and other values that scale the rest come first in no particular order of the file, so a
    // second pass makes the result independent of the names.
    let mistakes: Found = device.values.iter().chain(&device.values).filter_map(wrong).collect();
    if !mistakes.is_empty() {
        return Err(mistakes.into_iter().take(device.values.len()).collect());
    }
    let typical = nanos(profile.timing.typical(LineKind::Tcp { rtu_frames: baud.is_some() }));
    let usual = device.reply_ms.map_or(typical, millis);
    let longest = profile.timing.reply_longest.map_or(0, nanos);
    let mut resident = Resident::new(server, (usual, longest), device.id.get_ref().as_str(), config.seed);
    resident.baud = own_baud;
    faults(&device.faults).for_each(|fault| resident.faults.switch(fault, true));
    Ok(resident)
}

/// The model as this unit was delivered: its 32-bit values may come in another order.
fn delivered(profile: Arc<Profile>, device: &FieldDevice) -> Arc<Profile> {
    let Some(order) = device.word_order else { return profile };
    let order = match order {
        Order::Abcd => WordOrder::Abcd,
        Order::Cdab => WordOrder::Cdab,
        Order::Dcba => WordOrder::Dcba,
        Order::Badc => WordOrder::Badc,
    };
    let mut profile = Arc::unwrap_or_clone(profile);
    for point in &mut profile.points {
        match &mut point.kind {
            Kind::U32(other) | Kind::I32(other) | Kind::F32(other) => *other = order,
            _ => {}
        }
    }
    Arc::new(profile)
}

fn profile(profiles: &dyn Profiles, device: &FieldDevice) -> Result<Arc<Profile>, Found> {
    let name = device.profile.get_ref();
    profiles.profile(name).ok_or_else(|| {
        vec![(device.profile.span(), format!("there is no profile {name:?}; see `shouwang profile list`"))]
    })
}

fn server(device: &FieldDevice, profile: &Arc<Profile>, baud: Option<u32>) -> Result<Box<dyn Server>, Found> {
    let unit_id = *device.unit_id.get_ref();
    if let Some(call) = &profile.call {
        if (call.echo, call.indicator) != (0, 1) {
            let what = format!("{} is a call unit of another map than version 1", profile.name);
            return Err(vec![(device.profile.span(), what)]);
        }
        let by_name = || Chance::new(0, device.id.get_ref().as_str()).next() & 0xFFFF_FFFF;
        let serial = device.serial.unwrap_or_else(|| u32::try_from(by_name()).unwrap_or(1));
        return Ok(Box::new(CallUnit::new(Arc::clone(profile), unit_id, serial, baud.unwrap_or(9600))));
    }
    if device.serial.is_some() {
        return Err(vec![(device.id.span(), "only a call unit has a serial number here".into())]);
    }
    if let Some(unit) = &device.unit {
        let mut scaled = profile.points.iter().filter(|point| point.scale.unit_from_device);
        let fits = |to: &str| units::factor(unit.get_ref(), to).is_some();
        if !scaled.all(|point| point.unit.as_deref().is_some_and(fits)) {
            let names: Vec<&str> = units::names().collect();
            let what = format!(
                "{:?} does not convert to the profile's unit; units are {}",
                unit.get_ref(),
                names.join(", ")
            );
            return Err(vec![(unit.span(), what)]);
        }
    }
    let installed = Installed {
        unit: device.unit.as_ref().map(|unit| unit.get_ref().clone()),
        datum_m: device.datum_m,
        dry_offset_m: device.dry_offset_m,
        mounting_height_m: device.mounting_height_m,
        ..Installed::default()
    };
    Ok(Box::new(ProfileServer::new(Arc::clone(profile), unit_id, installed)))
}

/// Already checked when the configuration was read.
fn faults(written: &[Spanned<String>]) -> impl Iterator<Item = Fault> {
    written.iter().filter_map(|fault| fault.get_ref().parse().ok())
}

fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Tries every step on a device that nobody will ever see.
fn bad_steps(config: &FieldConfig, profiles: &dyn Profiles) -> Found {
    let mut found = Found::new();
    for step in &config.steps {
        let named = |device: &&FieldDevice| {
            step.device.as_ref().is_some_and(|name| name.get_ref() == device.id.get_ref().as_str())
        };
        let Some(device) = config.devices.iter().find(named) else { continue };
        let Ok(mut server) =
            profile(profiles, device).and_then(|profile| server(device, &profile, Some(9600)))
        else {
            continue;
        };
        for (point, value) in &step.set {
            if let Err(what) = server.set(0, point, value.get_ref()) {
                found.push((value.span(), what));
            }
        }
        let act = if step.press { Some(Act::Press { held_ms: PRESS_MS }) } else { None };
        let act = if step.cancel { Some(Act::Cancel) } else { act };
        if let Some(Err(what)) = act.map(|act| server.act(0, act)) {
            found.push((step.at_s.span(), what));
        }
    }
    found
}

fn steps(config: &FieldConfig) -> Vec<(Nanos, Change)> {
    let mut steps: Vec<(Nanos, Change)> = config
        .steps
        .iter()
        .flat_map(|step| {
            let at = nanos(Duration::from_secs_f64(*step.at_s.get_ref()));
            changes(step).into_iter().map(move |change| (at, change))
        })
        .collect();
    steps.sort_by_key(|(at, _)| *at);
    steps
}

fn changes(step: &FieldStep) -> Vec<Change> {
    let name = step.device.as_ref().or(step.line.as_ref());
    let target = || name.map(|name| name.get_ref().clone()).unwrap_or_default();
    let act = |act| Change::Act { device: target(), act };
    let switch = |fault: &Option<Spanned<String>>, on| {
        let fault = fault.as_ref()?.get_ref().parse().ok()?;
        Some(Change::Fault { target: target(), fault, on })
    };
    let sets = step.set.iter().map(|(point, value)| Change::Set {
        device: target(),
        point: point.clone(),
        value: value.get_ref().clone(),
    });
    let others = [
        step.press.then(|| Change::press(&target(), step.hold_ms.unwrap_or(PRESS_MS))),
        step.cancel.then(|| act(Act::Cancel)),
        step.restart.then(|| act(Act::Restart)),
        step.unplug.then(|| Change::Unplug { line: target() }),
        step.replug.then(|| Change::Replug { line: target() }),
        switch(&step.fault, true),
        switch(&step.clear, false),
    ];
    sets.chain(others.into_iter().flatten()).collect()
}
