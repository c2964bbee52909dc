//! A profile in plain text, for a person in front of a terminal.
use std::fmt::Write;

use shouwang_core::profile::{
    Condition, Grade, Kind, Parity, PollClass, Profile, ProvisioningStep, Raises, Table, Test, WarmUp,
    WordOrder,
};

/// What there is to know about a model; how far it can be relied on comes before everything else.
pub fn show(profile: &Profile) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_all(&mut out, profile);
    out
}

fn write_all(out: &mut String, profile: &Profile) -> std::fmt::Result {
    let Profile { name, vendor, model, title, class, .. } = profile;
    writeln!(out, "{name}  {} / {}", title.zh, title.en)?;
    writeln!(out, "  {vendor} {model} {}  class {class}", profile.variant.as_deref().unwrap_or(""))?;
    writeln!(out, "  verified  {}", grade(profile))?;
    writeln!(out, "  source    {}", profile.source)?;
    if let Some(serial) = &profile.serial {
        let parity = match serial.parity {
            Parity::None => 'N',
            Parity::Even => 'E',
            Parity::Odd => 'O',
        };
        let (baud, stop, unit_id) = (serial.baud, serial.stop_bits, serial.unit_id);
        writeln!(out, "  delivered {baud} 8{parity}{stop}, unit id {unit_id}")?;
    }
    if let Some(longest) = profile.timing.reply_longest {
        writeln!(out, "  answers within {} ms", longest.as_millis())?;
    }
    if !profile.lacks.is_empty() {
        writeln!(out, "  cannot tell 无法得知: {}", profile.lacks.join(", "))?;
    }
    writeln!(out, "\n数据点 points")?;
    for point in &profile.points {
        let address = point.vendor_address.as_ref().map_or_else(String::new, |v| format!(" ({v})"));
        let poll = match point.poll {
            PollClass::Alarm => "alarm",
            PollClass::State => "state",
            PollClass::Slow => "slow",
        };
        writeln!(
            out,
            "  {:<16} {} {}{address}  {}  {}  {poll}  {} / {}",
            point.name,
            table(point.table),
            point.address,
            kind(point.kind),
            point.unit.as_deref().unwrap_or("-"),
            point.title.zh,
            point.title.en,
        )?;
    }
    writeln!(out, "\n条件 conditions")?;
    for condition in &profile.conditions {
        write_condition(out, profile, condition)?;
    }
    write_rest(out, profile)
}

fn write_condition(out: &mut String, profile: &Profile, condition: &Condition) -> std::fmt::Result {
    let point = profile.points.get(condition.point);
    let name = point.map_or("", |point| point.name.as_str());
    let unit = point.and_then(|point| point.unit.as_deref()).unwrap_or("");
    let test = match &condition.test {
        Test::High { limit } => format!("{name} >= {limit} {unit}"),
        Test::Low { limit } => format!("{name} <= {limit} {unit}"),
        Test::Equal { values } => format!("{name} is one of {values:?}"),
        Test::Active => name.to_owned(),
        Test::Difference { .. } => format!("{name} grows"),
        Test::NoActivity => format!("{name} shows nobody"),
        Test::RateOfRise { limit_per_hour, window } => {
            format!("{name} rises {limit_per_hour} {unit}/h over {} s", window.as_secs())
        }
    };
    let raises = match condition.raises {
        Raises::Alarm => "alarm",
        Raises::Fault(code) => code.as_str(),
    };
    let latched = if condition.latched { ", latched" } else { "" };
    writeln!(
        out,
        "  {:<16} {test}: {raises}, {}{latched}, on {} s, off {} s  {} / {}",
        condition.name,
        condition.priority,
        condition.on_delay.as_secs_f64(),
        condition.off_delay.as_secs_f64(),
        condition.text.zh,
        condition.text.en,
    )
}

fn write_rest(out: &mut String, profile: &Profile) -> std::fmt::Result {
    let named = |index: usize| profile.points.get(index).map_or("", |point| point.name.as_str());
    for check in &profile.identity {
        let expected = &check.expected;
        writeln!(out, "\n身份 identity: {} {} is one of {expected:?}", table(check.table), check.address)?;
    }
    match profile.warm_up {
        Some(WarmUp::AfterReturn(time)) => {
            writeln!(out, "\n预热 warm-up: {} s after the device's own return", time.as_secs())?;
        }
        Some(WarmUp::Flag(point)) => writeln!(out, "\n预热 warm-up: while {}", named(point))?,
        Some(WarmUp::SecondsLeft(point)) => {
            writeln!(out, "\n预热 warm-up: while {} is above 0", named(point))?;
        }
        None => {}
    }
    if let Some(reset) = &profile.reset {
        let (table, address, value) = (table(reset.table), reset.address, reset.value);
        writeln!(out, "\n复位 reset: {table} {address} = {value}, once, verified by reading again")?;
    }
    if profile.provisioning.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n设站号 setting the unit id (only this device on the line)")?;
    for (nth, step) in profile.provisioning.iter().enumerate() {
        let at = |new: bool| if new { "at the new id" } else { "at the old id" };
        let step = match step {
            ProvisioningStep::WriteUnitId { address, at_new_id } => {
                format!("write the new id to holding register {address}, {}", at(*at_new_id))
            }
            ProvisioningStep::Write { address, value, at_new_id } => {
                format!("write {value} to holding register {address}, {}", at(*at_new_id))
            }
            ProvisioningStep::Wait(time) => format!("wait {} ms", time.as_millis()),
            ProvisioningStep::Restart => "switch it off and on 断电重启".to_owned(),
            ProvisioningStep::ReadBack { table: of, address } => {
                format!("read {} {address} at the new id", table(*of))
            }
        };
        writeln!(out, "  {}. {step}", nth + 1)?;
    }
    Ok(())
}

fn grade(profile: &Profile) -> String {
    let unconfirmed = profile.source.to_lowercase().contains("unconfirmed");
    let grade = match profile.verified {
        Grade::Bench => "bench 台架实测",
        Grade::Vendor => "vendor 厂家资料",
        Grade::Community => "community 公开资料",
    };
    let warning = if unconfirmed {
        "  !! UNCONFIRMED 未经证实: check on the device before relying on it"
    } else {
        ""
    };
    format!("{grade}{warning}")
}

fn table(table: Table) -> &'static str {
    match table {
        Table::Coil => "coil",
        Table::DiscreteInput => "discrete input",
        Table::InputRegister => "input register",
        Table::HoldingRegister => "holding register",
    }
}

fn ordered(kind: &str, order: WordOrder) -> String {
    format!("{kind} {}", format!("{order:?}").to_uppercase())
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Bool { bit, active_when } => {
            let bit = bit.map_or_else(String::new, |bit| format!(".{bit}"));
            format!("bool{bit} ={}", u8::from(active_when))
        }
        Kind::U16 => "u16".to_owned(),
        Kind::I16 => "i16".to_owned(),
        Kind::U32(order) => ordered("u32", order),
        Kind::I32(order) => ordered("i32", order),
        Kind::F32(order) => ordered("f32", order),
        Kind::HighByte => "high byte".to_owned(),
        Kind::LowByte => "low byte".to_owned(),
        Kind::Bits { shift, width } => format!("bits {shift}..{}", shift + width),
        Kind::Bcd => "bcd".to_owned(),
        Kind::Ascii { registers } => format!("string {registers}"),
    }
}
