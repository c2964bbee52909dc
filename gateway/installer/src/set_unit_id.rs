//! A device gets another unit id, by its profile's recipe; nothing is written before it is sure that one device
//! answers at the old id and none at the new one.
use std::time::Duration;

use shouwang_core::profile::{Profile, ProvisioningStep, Table};

use crate::bus::is_gateways;
use crate::fits::fits;
use crate::{Bus, Candidate, Heard, Lost, Question, Setting};

/// What may be written besides being asked.
pub trait Writing: Bus {
    /// Writes one holding register (function 6), or a coil (function 5) for any value but 0.
    ///
    /// # Errors
    /// The line is gone, or the installer asked to end. A refusal is no error.
    fn write(&mut self, order: &Order) -> Result<Wrote, Lost>;

    /// Lets time go by with the line open.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn rest(&mut self, time: Duration) -> Result<(), Lost>;

    /// While this is on, the installer's wish to end waits: a recipe is not torn apart in its middle.
    fn see_through(&mut self, through: bool);
}

/// One value for one register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub unit_id: u8,
    /// Holding registers or coils.
    pub table: Table,
    pub address: u16,
    pub value: u16,
    pub wait: Duration,
}

/// What came of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrote {
    Confirmed,
    /// The device refused with this code.
    Exception(u8),
    /// No confirmation that could be read; reading back tells.
    Unclear,
}

/// From which unit id to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub from: u8,
    pub to: u8,
    pub setting: Setting,
    pub wait: Duration,
}

/// Why a device did not get its new unit id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("{0}")]
    Lost(#[from] Lost),
    #[error(
        "这个型号没有改地址的步骤:用拨码开关或厂家软件 · this model has no recipe: use its switches or its maker's program"
    )]
    NoRecipe,
    #[error("新地址要在 1 到 {most} 之间,而且不同于旧地址 · the new id must be 1 to {most}, and another one")]
    BadId { most: u8 },
    #[error("地址 {0} 没有设备应答,什么也没写 · nobody answers at unit id {0}; nothing was written")]
    Nobody(u8),
    #[error(
        "地址 {0} 像有两台设备,什么也没写:只留一台再来 · two devices seem to share unit id {0}; nothing was written: leave one"
    )]
    Two(u8),
    #[error("地址 {0} 已有设备,什么也没写 · unit id {0} is taken; nothing was written")]
    Taken(u8),
    #[error(
        "地址 {0} 的设备不是这个型号,什么也没写 · the device at unit id {0} is another model; nothing was written"
    )]
    OtherModel(u8),
    #[error("设备拒绝写入,异常码 {0} · the device refused to be written to, exception {0}")]
    Exception(u8),
    #[error(
        "新地址 {to} 读不回来:断电重启设备,再查 {from} 和 {to} · it does not read back at unit id {to}: switch it off and \
         on, then scan {from} and {to}"
    )]
    NotThere { from: u8, to: u8 },
    #[error(
        "旧地址 {0} 还有应答:另有一台设备,或没存住 · unit id {0} still answers: a second device, or it was not saved"
    )]
    StillThere(u8),
}

impl Refused {
    /// Nothing has been written to anybody.
    pub fn is_before_writing(&self) -> bool {
        match self {
            Self::NoRecipe
            | Self::BadId { .. }
            | Self::Nobody(_)
            | Self::Two(_)
            | Self::Taken(_)
            | Self::OtherModel(_) => true,
            Self::Lost(_) | Self::Exception(_) | Self::NotThere { .. } | Self::StillThere(_) => false,
        }
    }
}

/// Asked once and clean, and again, before anything is written.
const TRIES: usize = 3;
/// The slowest devices known take 350 ms.
const SILENT_FOR: Duration = Duration::from_millis(400);
/// A device may take a moment to come up at its new id.
const READ_BACKS: usize = 5;
const BETWEEN: Duration = Duration::from_millis(200);

/// Gives the device its new unit id. `restart` is called where the recipe wants a person to switch it off and on,
/// and returns when that is done.
///
/// # Errors
/// Why it was not done; before the first write nothing is changed.
pub fn set_unit_id(
    bus: &mut impl Writing,
    candidate: &Candidate,
    change: Change,
    mut restart: impl FnMut() -> Result<(), Lost>,
) -> Result<(), Refused> {
    let profile = &candidate.profile;
    let most = if profile.high_unit_ids { 255 } else { 247 };
    if change.from == change.to || !(1..=most).contains(&change.to) {
        return Err(Refused::BadId { most });
    }
    if !has_recipe(profile) {
        return Err(Refused::NoRecipe);
    }
    bus.set(change.setting)?;
    answers_alone(bus, change.from, change.setting)?;
    if !is_silent(bus, change.to, change.setting)? {
        return Err(Refused::Taken(change.to));
    }
    is_this_model(bus, candidate, change.from, change)?;
    bus.see_through(true);
    let done = carry_out_all(bus, &profile.provisioning, change, &mut restart);
    bus.see_through(false);
    done
}

/// What is left of [`set_unit_id`] when it ended after its first write: the device answers at its new id, but it
/// may not have kept it.
///
/// # Errors
/// Why it is not sure; nothing is written to a device that is not alone, or is another model.
pub fn finish_unit_id(
    bus: &mut impl Writing,
    candidate: &Candidate,
    change: Change,
    mut restart: impl FnMut() -> Result<(), Lost>,
) -> Result<(), Refused> {
    check_unit_id(bus, candidate, change)?;
    if !is_silent(bus, change.from, change.setting)? {
        return Err(Refused::StillThere(change.from));
    }
    let steps = &candidate.profile.provisioning;
    let written = steps.iter().position(|step| matches!(step, ProvisioningStep::WriteUnitId { .. }));
    let left = written.and_then(|at| steps.get(at + 1..)).unwrap_or_default();
    bus.see_through(true);
    let done = carry_out_all(bus, left, change, &mut restart);
    bus.see_through(false);
    done
}

/// That one device of this model answers at the new id, alone. Nothing is written.
///
/// # Errors
/// Nobody does, or two, or another model.
pub fn check_unit_id(bus: &mut impl Bus, candidate: &Candidate, change: Change) -> Result<(), Refused> {
    bus.set(change.setting)?;
    answers_alone(bus, change.to, change.setting)?;
    is_this_model(bus, candidate, change.to, change)
}

fn is_this_model(
    bus: &mut impl Bus,
    candidate: &Candidate,
    unit_id: u8,
    change: Change,
) -> Result<(), Refused> {
    let fits = fits(bus, unit_id, change.setting, change.wait, std::slice::from_ref(candidate))?;
    if fits.is_empty() { Err(Refused::OtherModel(unit_id)) } else { Ok(()) }
}

/// The steps, and the proof that they did what they should.
fn carry_out_all(
    bus: &mut impl Writing,
    steps: &[ProvisioningStep],
    change: Change,
    restart: &mut impl FnMut() -> Result<(), Lost>,
) -> Result<(), Refused> {
    for step in steps {
        carry_out(bus, step, change, restart)?;
    }
    if !comes_up(bus, change)? {
        return Err(Refused::NotThere { from: change.from, to: change.to });
    }
    if is_silent(bus, change.from, change.setting)? { Ok(()) } else { Err(Refused::StillThere(change.from)) }
}

/// Whether this model's unit id can be set over the line.
pub fn has_recipe(profile: &Profile) -> bool {
    profile.provisioning.iter().any(|step| matches!(step, ProvisioningStep::WriteUnitId { .. }))
}

fn answers_alone(bus: &mut impl Bus, unit_id: u8, setting: Setting) -> Result<(), Refused> {
    let mut heard = Vec::new();
    for _ in 0..TRIES {
        heard.push(bus.ask(&Question { known: true, ..Question::who(unit_id, SILENT_FOR) })?);
    }
    let answers = |heard: &&Heard| heard.delay().is_some() && !heard.is_nobody(setting);
    let clean = heard.iter().filter(answers).count();
    match clean {
        TRIES => Ok(()),
        0 if heard.iter().all(|heard| heard.is_nobody(setting)) => Err(Refused::Nobody(unit_id)),
        _ => Err(Refused::Two(unit_id)),
    }
}

pub(crate) fn is_silent(bus: &mut impl Bus, unit_id: u8, setting: Setting) -> Result<bool, Lost> {
    for _ in 0..2 {
        let heard = bus.ask(&Question { known: true, ..Question::who(unit_id, SILENT_FOR) })?;
        if !heard.is_nobody(setting) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn carry_out(
    bus: &mut impl Writing,
    step: &ProvisioningStep,
    change: Change,
    restart: &mut impl FnMut() -> Result<(), Lost>,
) -> Result<(), Refused> {
    let id = |at_new_id| if at_new_id { change.to } else { change.from };
    let (unit_id, address, value) = match *step {
        ProvisioningStep::WriteUnitId { address, at_new_id } => (id(at_new_id), address, change.to.into()),
        ProvisioningStep::Write { address, value, at_new_id } => (id(at_new_id), address, value),
        ProvisioningStep::Wait(time) => return Ok(bus.rest(time)?),
        ProvisioningStep::Restart => return Ok(restart()?),
        ProvisioningStep::ReadBack { table, address } => {
            let wait = change.wait.max(SILENT_FOR);
            for _ in 0..READ_BACKS {
                let question = Question { unit_id: change.to, table, address, count: 1, wait, known: true };
                if matches!(bus.ask(&question)?, Heard::Words(words, _) if words == [u16::from(change.to)]) {
                    return Ok(());
                }
                bus.rest(BETWEEN)?;
            }
            return Err(Refused::NotThere { from: change.from, to: change.to });
        }
    };
    let order =
        Order { unit_id, table: Table::HoldingRegister, address, value, wait: change.wait.max(SILENT_FOR) };
    match bus.write(&order)? {
        // Some confirm at the new id, some not at all: a gateway on TCP has then heard nothing of them.
        Wrote::Confirmed | Wrote::Unclear => Ok(()),
        Wrote::Exception(code) if is_gateways(change.setting, code) => Ok(()),
        Wrote::Exception(code) => Err(Refused::Exception(code)),
    }
}

fn comes_up(bus: &mut impl Writing, change: Change) -> Result<bool, Lost> {
    for _ in 0..READ_BACKS {
        let heard = bus.ask(&Question { known: true, ..Question::who(change.to, SILENT_FOR) })?;
        if heard.delay().is_some() && !heard.is_nobody(change.setting) {
            return Ok(true);
        }
        bus.rest(BETWEEN)?;
    }
    Ok(false)
}
