//! The devices that are measured: ten holding registers each, all of them alarms, or the alarms in one.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use shouwang_catalog::Catalog;
use shouwang_field::{FieldConfig, Running};

pub(crate) const REGISTERS: u16 = 10;
/// Each register is an alarm: one block of ten, all of it wanted as often as can be.
pub(crate) const ALL_ALARMS: &str = "bench-ten";
/// Register 0 holds ten alarm bits, the other nine registers are states: alarm points first.
pub(crate) const ALARMS_FIRST: &str = "bench-first";

/// Writes the profiles into `directory`, for the gateway to read.
pub(crate) fn write_profiles(directory: &Path) {
    std::fs::create_dir_all(directory).expect("a directory for the profiles");
    let write = |name: &str, model: &str, points: &str| {
        std::fs::write(directory.join(format!("{name}.toml")), profile(model, points)).expect("a profile");
    };
    write(
        ALL_ALARMS,
        "Ten",
        &(0..REGISTERS).map(|n| alarm(n, &format!("address = {n}"))).collect::<String>(),
    );
    let bits = (0..REGISTERS).map(|n| alarm(n, &format!("address = 0\nbit = {n}")));
    write(ALARMS_FIRST, "First", &bits.chain((1..REGISTERS).map(state)).collect::<String>());
}

/// Starts a field of such devices; `directory` holds the profiles.
pub(crate) fn start_field(config: &str, directory: &Path) -> Running {
    let catalog = match Catalog::load(&[directory.to_path_buf()]) {
        Ok(catalog) => catalog,
        Err(problems) => unreachable!("the profiles are sound: {problems:?}"),
    };
    let named = |name: &str| {
        let profile = catalog.get(name).expect("the profile was written");
        (name.to_owned(), Arc::clone(profile))
    };
    let profiles = BTreeMap::from([named(ALL_ALARMS), named(ALARMS_FIRST)]);
    let config = FieldConfig::from_toml(config, "bench.toml").expect("the field's configuration");
    shouwang_field::start(&config, &profiles).expect("a field")
}

fn profile(model: &str, points: &str) -> String {
    format!(
        "vendor = \"Bench\"\nmodel = \"{model}\"\ntitle = {{ zh = \"十路\", en = \"Ten inputs\" }}\n\
         class = \"digital_input\"\nverified = \"bench\"\nsource = \"made for tests/bench\"\n\
         [timing]\nreply_typical_ms = 1\n{points}\
         [[example]]\ntitle = {{ zh = \"一路报警\", en = \"one alarm\" }}\n\
         read = [{{ table = \"holding_register\", address = 0, registers = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0] }}]\n\
         readings = {{ p0 = true, p1 = false }}\njudgements = [\"c0\"]\n"
    )
}

fn alarm(n: u16, place: &str) -> String {
    format!(
        "[[point]]\nname = \"p{n}\"\ntitle = {{ zh = \"输入 {n}\", en = \"Input {n}\" }}\n\
         table = \"holding_register\"\n{place}\ntype = \"bool\"\nactive_when = 1\npoll = \"alarm\"\n\
         [[condition]]\nname = \"c{n}\"\ntext = {{ zh = \"输入 {n} 报警\", en = \"Input {n} alarm\" }}\n\
         point = \"p{n}\"\ntest = \"active\"\npriority = \"emergency\"\n"
    )
}

fn state(n: u16) -> String {
    format!(
        "[[point]]\nname = \"s{n}\"\ntitle = {{ zh = \"状态 {n}\", en = \"State {n}\" }}\n\
         table = \"holding_register\"\naddress = {n}\ntype = \"u16\"\n"
    )
}
