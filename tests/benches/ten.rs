//! The device that is measured: ten holding registers, each an alarm of its own.
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use shouwang_catalog::Catalog;
use shouwang_field::{FieldConfig, Running};

pub(crate) const REGISTERS: u16 = 10;
pub(crate) const PROFILE: &str = "bench-ten";

/// Writes the profile into `directory`, for the gateway to read.
pub(crate) fn write_profile(directory: &Path) {
    std::fs::create_dir_all(directory).expect("a directory for the profile");
    std::fs::write(directory.join(format!("{PROFILE}.toml")), profile()).expect("the profile");
}

/// Starts a field of such devices; `directory` holds the profile.
pub(crate) fn start_field(config: &str, directory: &Path) -> Running {
    let catalog = match Catalog::load(&[directory.to_path_buf()]) {
        Ok(catalog) => catalog,
        Err(problems) => unreachable!("the profile is sound: {problems:?}"),
    };
    let profile = catalog.get(PROFILE).expect("the profile was written");
    let profiles = BTreeMap::from([(PROFILE.to_owned(), Arc::clone(profile))]);
    let config = FieldConfig::from_toml(config, "bench.toml").expect("the field's configuration");
    shouwang_field::start(&config, &profiles).expect("a field")
}

fn profile() -> String {
    let mut text = String::from(
        "vendor = \"Bench\"\nmodel = \"Ten\"\ntitle = { zh = \"十路\", en = \"Ten inputs\" }\n\
         class = \"digital_input\"\nverified = \"bench\"\nsource = \"made for tests/bench\"\n\
         [timing]\nreply_typical_ms = 1\n",
    );
    for n in 0..REGISTERS {
        write!(
            text,
            "[[point]]\nname = \"p{n}\"\ntitle = {{ zh = \"输入 {n}\", en = \"Input {n}\" }}\n\
             table = \"holding_register\"\naddress = {n}\ntype = \"bool\"\nactive_when = 1\npoll = \"alarm\"\n\
             [[condition]]\nname = \"c{n}\"\ntext = {{ zh = \"输入 {n} 报警\", en = \"Input {n} alarm\" }}\n\
             point = \"p{n}\"\ntest = \"active\"\npriority = \"emergency\"\n"
        )
        .expect("text grows");
    }
    text + "[[example]]\ntitle = { zh = \"一路报警\", en = \"one alarm\" }\n\
            read = [{ table = \"holding_register\", address = 0, registers = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0] }]\n\
            readings = { p0 = true, p1 = false }\njudgements = [\"c0\"]\n"
}
