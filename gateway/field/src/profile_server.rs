//! A device made from its profile alone: a memory with a value for every point, where only what the profile
//! names can be written.
use std::collections::BTreeMap;
use std::sync::Arc;

use modbus_wire::{ExceptionCode, Table};
use shouwang_core::configuration::Installed;
use shouwang_core::profile::{self, Measures, Point, Profile, ProvisioningStep, Test};
use shouwang_core::units;
use shouwang_message::Value;

use crate::encode::{Encoded, Scaling, encode};
use crate::healthy::healthy;
use crate::server::{Act, Memory, Micros, Server, answer_from};

#[cfg(test)]
mod tests;

/// A device made from a profile.
#[derive(Debug)]
pub(crate) struct ProfileServer {
    profile: Arc<Profile>,
    installed: Installed,
    unit_id: u8,
    /// What the unit id register holds: it may act only after a restart.
    written_unit_id: u8,
    /// What comes back after a restart: some models must be told to save.
    saved_unit_id: u8,
    words: BTreeMap<(Table, u16), u16>,
    /// After a write the device is busy with its flash and hears nothing until then.
    deaf_until: Micros,
}

impl ProfileServer {
    pub(crate) fn new(profile: Arc<Profile>, unit_id: u8, installed: Installed) -> Self {
        let mut server = Self {
            profile,
            installed,
            unit_id,
            written_unit_id: unit_id,
            saved_unit_id: unit_id,
            words: BTreeMap::new(),
            deaf_until: 0,
        };
        server.lay_out();
        server.put_healthy_values();
        server.put_identity();
        server
    }

    /// Gives every address that the profile knows a word. Where the profile lets a gateway read over small
    /// holes, there is something to read in them too.
    fn lay_out(&mut self) {
        let profile = Arc::clone(&self.profile);
        for point in &profile.points {
            for offset in 0..point.kind.width() {
                self.words.insert((wire(point.table), point.address.saturating_add(offset)), 0);
            }
        }
        for check in &profile.identity {
            self.words.insert((wire(check.table), check.address), 0);
        }
        if !profile.blocks.no_joining_over_holes {
            self.fill_holes();
        }
        for step in &profile.provisioning {
            match step {
                ProvisioningStep::WriteUnitId { address, .. } | ProvisioningStep::Write { address, .. } => {
                    self.words.entry((Table::HoldingRegister, *address)).or_insert(0);
                }
                _ => {}
            }
        }
        if let Some(reset) = profile.reset {
            self.words.entry((wire(reset.table), reset.address)).or_insert(0);
        }
    }

    fn fill_holes(&mut self) {
        let known: Vec<(Table, u16)> = self.words.keys().copied().collect();
        for pair in known.windows(2) {
            let &[(table, from), (other, to)] = pair else { continue };
            let most = if table.is_bits() {
                self.profile.blocks.max_bits
            } else {
                self.profile.blocks.max_registers
            };
            if table == other && to - from < most {
                self.words.extend((from + 1..to).map(|address| ((table, address), 0)));
            }
        }
    }

    /// First the points that others depend on.
    fn put_healthy_values(&mut self) {
        let profile = Arc::clone(&self.profile);
        let depends = |point: &Point| point.scale.decimals_from.is_some();
        for pass in [false, true] {
            for (index, point) in
                profile.points.iter().enumerate().filter(|(_, point)| depends(point) == pass)
            {
                let value = healthy(&profile, index, point, &|point| self.scaling(point).unit_factor);
                // A model without any raw value for "all is well" keeps zero.
                let _ = self.put(point, &value);
            }
        }
    }

    fn put_identity(&mut self) {
        let profile = Arc::clone(&self.profile);
        for check in &profile.identity {
            if let Some(word) = check.expected.first() {
                self.words.insert((wire(check.table), check.address), *word);
            }
        }
    }

    fn scaling(&self, point: &Point) -> Scaling {
        let decimals = point.scale.decimals_from.and_then(|index| self.profile.points.get(index));
        let decimals = decimals.and_then(|other| self.words.get(&(wire(other.table), other.address)));
        let units = self.installed.unit.as_deref().zip(point.unit.as_deref());
        let (up, down) = units.and_then(|(from, to)| units::factor(from, to)).unwrap_or((1.0, 1.0));
        Scaling { decimals: u32::from(decimals.copied().unwrap_or(0)), unit_factor: up / down }
    }

    /// What the sensor itself must say for a gateway with the same installation to read `value`. Without a
    /// mounting height a distance is set as it is.
    fn as_sensed(&self, point: &Point, value: &Value) -> Value {
        let Value::Number(number) = value else { return value.clone() };
        let Installed { dry_offset_m, datum_m, mounting_height_m, .. } = &self.installed;
        Value::Number(match (point.measures, mounting_height_m) {
            (Measures::Depth, _) => number + dry_offset_m.unwrap_or(0.0) - datum_m.unwrap_or(0.0),
            (Measures::Distance, Some(height)) => height - number,
            _ => *number,
        })
    }

    fn put(&mut self, point: &Point, value: &Value) -> Result<(), String> {
        let table = wire(point.table);
        match encode(point, value, self.scaling(point))? {
            Encoded::Words(words) => {
                for (word, address) in words.into_iter().zip(point.address..) {
                    self.words.insert((table, address), word);
                }
            }
            Encoded::Part { mask, word } => {
                let held = self.words.entry((table, point.address)).or_insert(0);
                *held = (*held & !mask) | (word & mask);
            }
        }
        Ok(())
    }

    /// What one written word does.
    fn effect(&self, table: Table, address: u16, word: u16) -> Result<Effect, ExceptionCode> {
        if self.profile.forbidden.iter().any(|one| one.address == address && one.values.contains(&word)) {
            return Err(ExceptionCode::ILLEGAL_DATA_VALUE);
        }
        if let Some(reset) = self.profile.reset
            && (wire(reset.table), reset.address) == (table, address)
        {
            let is_magic = word == reset.value || table.is_bits() && (word != 0) == (reset.value != 0);
            return if is_magic { Ok(Effect::Reset) } else { Err(ExceptionCode::ILLEGAL_DATA_VALUE) };
        }
        if table == Table::HoldingRegister
            && let Some(effect) = self.provisioning_effect(address, word)
        {
            return effect;
        }
        let is_output =
            |point: &Point| point.writable && (wire(point.table), point.address) == (table, address);
        if self.profile.points.iter().any(is_output) {
            Ok(Effect::Store)
        } else {
            Err(ExceptionCode::ILLEGAL_DATA_ADDRESS)
        }
    }

    fn provisioning_effect(&self, address: u16, word: u16) -> Option<Result<Effect, ExceptionCode>> {
        let steps = &self.profile.provisioning;
        if self.is_unit_id(address) {
            let most = if self.profile.high_unit_ids { 255 } else { 247 };
            let unit_id = u8::try_from(word).ok().filter(|unit_id| (1..=most).contains(unit_id));
            return Some(unit_id.map(Effect::UnitId).ok_or(ExceptionCode::ILLEGAL_DATA_VALUE));
        }
        let mut listed = steps.iter().filter_map(|step| match step {
            ProvisioningStep::Write { address: at, value, .. } if *at == address => Some(*value),
            _ => None,
        });
        let first = listed.next()?;
        let fits = first == word || listed.any(|value| value == word);
        Some(if fits { Ok(Effect::Save) } else { Err(ExceptionCode::ILLEGAL_DATA_VALUE) })
    }

    fn is_unit_id(&self, address: u16) -> bool {
        let writes_here = |step: &ProvisioningStep| matches!(step, ProvisioningStep::WriteUnitId { address: at, .. } if *at == address);
        self.profile.provisioning.iter().any(writes_here)
    }

    /// Some models keep a new unit id only when they are told to.
    fn must_be_told_to_save(&self) -> bool {
        self.profile.provisioning.iter().any(|step| matches!(step, ProvisioningStep::Write { .. }))
    }

    fn carry_out(&mut self, effect: Effect, table: Table, address: u16, word: u16) {
        match effect {
            Effect::Store => {
                self.words.insert((table, address), word);
            }
            Effect::Reset => self.reset(),
            Effect::Save => self.saved_unit_id = self.written_unit_id,
            Effect::UnitId(unit_id) => {
                self.written_unit_id = unit_id;
                if !self.profile.provisioning.contains(&ProvisioningStep::Restart) {
                    self.unit_id = unit_id;
                }
                if !self.must_be_told_to_save() {
                    self.saved_unit_id = unit_id;
                }
            }
        }
    }

    /// The cause is gone when the reset comes: what a latched condition judges is healthy again.
    fn reset(&mut self) {
        let profile = Arc::clone(&self.profile);
        let latched = profile.conditions.iter().filter(|one| one.latched && one.test == Test::Active);
        for condition in latched {
            if let Some(point) = profile.points.get(condition.point) {
                let value =
                    healthy(&profile, condition.point, point, &|point| self.scaling(point).unit_factor);
                // A boolean always has a raw value for false.
                let _ = self.put(point, &value);
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Effect {
    Store,
    Reset,
    Save,
    UnitId(u8),
}

impl Memory for ProfileServer {
    fn id(&self) -> u8 {
        self.unit_id
    }

    fn speaks(&self, function: u8) -> bool {
        let has = |table| self.words.range((table, 0)..=(table, u16::MAX)).next().is_some();
        match function {
            5 | 15 => has(Table::Coil),
            6 => has(Table::HoldingRegister) && !self.profile.blocks.write_multiple_only,
            16 => has(Table::HoldingRegister),
            _ => Table::from_read_function(function).is_some_and(has),
        }
    }

    fn allows_count(&self, table: Table, count: u16) -> bool {
        let rules = self.profile.blocks;
        if table.is_bits() {
            count <= rules.max_bits
        } else {
            count <= rules.max_registers && !(rules.even_counts && count % 2 == 1)
        }
    }

    fn read(&self, _now: Micros, table: Table, address: u16) -> Option<u16> {
        if table == Table::HoldingRegister && self.is_unit_id(address) {
            return Some(u16::from(self.written_unit_id));
        }
        self.words.get(&(table, address)).copied()
    }

    fn write(
        &mut self,
        now: Micros,
        table: Table,
        address: u16,
        words: &[u16],
        broadcast: bool,
    ) -> Result<(), ExceptionCode> {
        // Provisioning and resets are meant for one device; a broadcast must never give all of them one id.
        if broadcast {
            return Ok(());
        }
        let places = || words.iter().copied().zip(address..);
        let effects: Vec<Effect> =
            places().map(|(word, address)| self.effect(table, address, word)).collect::<Result<_, _>>()?;
        for (effect, (word, address)) in effects.into_iter().zip(places()) {
            self.carry_out(effect, table, address, word);
        }
        let settle = self.profile.timing.settle_after_write.as_micros();
        self.deaf_until = now.saturating_add(u64::try_from(settle).unwrap_or(u64::MAX));
        Ok(())
    }
}

impl Server for ProfileServer {
    fn answer(&mut self, now: Micros, frame: &[u8]) -> Option<Vec<u8>> {
        if now < self.deaf_until { None } else { answer_from(self, now, frame) }
    }

    fn unit_id(&self) -> u8 {
        self.unit_id
    }

    fn set(&mut self, _now: Micros, point: &str, value: &Value) -> Result<(), String> {
        let profile = Arc::clone(&self.profile);
        match profile.points.iter().find(|one| one.name == point) {
            Some(point) => self.put(point, &self.as_sensed(point, value)),
            None => {
                let names: Vec<&str> = profile.points.iter().map(|point| point.name.as_str()).collect();
                Err(format!("{} has no point {point:?}; it has {}", profile.name, names.join(", ")))
            }
        }
    }

    fn set_raw(&mut self, table: Table, address: u16, word: u16) -> Result<(), String> {
        match self.words.get_mut(&(table, address)) {
            Some(held) => {
                *held = if table.is_bits() { u16::from(word != 0) } else { word };
                Ok(())
            }
            None => Err(format!("{} has nothing at {table:?} {address}", self.profile.name)),
        }
    }

    fn register(&self, now: Micros, table: Table, address: u16) -> Option<u16> {
        self.read(now, table, address)
    }

    fn act(&mut self, now: Micros, act: Act) -> Result<(), String> {
        match act {
            Act::Restart => {
                self.unit_id = self.saved_unit_id;
                self.written_unit_id = self.unit_id;
                self.deaf_until = now;
                Ok(())
            }
            Act::Press { .. } | Act::Cancel => {
                Err(format!("{} is not a call unit: it has no button", self.profile.name))
            }
        }
    }
}

pub(crate) fn wire(table: profile::Table) -> Table {
    match table {
        profile::Table::Coil => Table::Coil,
        profile::Table::DiscreteInput => Table::DiscreteInput,
        profile::Table::InputRegister => Table::InputRegister,
        profile::Table::HoldingRegister => Table::HoldingRegister,
    }
}
