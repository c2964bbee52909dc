//! `schema`, `completions` and `man`: what the formats and the command line look like.
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;
use shouwang_gateway::config;

use crate::arguments::{Arguments, Format};
use crate::exit::{Code, Exit};
use crate::print;

const PROFILE_EXAMPLE: &str = include_str!("../../../device-profiles/renke-rs-yg-n01.toml");

pub(crate) fn schema(of: Format, example: bool) -> Result<(), Exit> {
    let text = match (of, example) {
        (Format::Config, true) => config::example().to_owned(),
        (Format::Profile, true) => PROFILE_EXAMPLE.to_owned(),
        (Format::DutyRoom, true) => shouwang_duty_room::format::example().to_owned(),
        (Format::Config, false) => format!("{:#}", config::schema()),
        (Format::Profile, false) => format!("{:#}", shouwang_catalog::schema()),
        (Format::DutyRoom, false) => format!("{:#}", shouwang_duty_room::format::schema()),
    };
    print::line(text.trim_end())
}

/// A page for the program and one for each verb.
pub(crate) fn manual(directory: &Path) -> Result<(), Exit> {
    clap_mangen::generate_to(Arguments::command(), directory).map_err(|error| {
        Exit::Because(Code::Failed, format!("writing the manual into {}: {error}", directory.display()))
    })
}

pub(crate) fn completions(shell: Shell) -> Result<(), Exit> {
    // Into memory first: a reader that had enough is no reason to panic.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "shouwang", &mut script);
    print::line(String::from_utf8_lossy(&script).trim_end())
}
