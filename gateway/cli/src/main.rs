//! The one binary. Each verb has a file; this one reads the command line and turns results into exit codes.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks on its terminal")]

mod account;
mod arguments;
mod backup;
mod bench;
mod channel;
mod check;
mod demo;
mod doctor;
mod exit;
mod journal;
mod label;
mod line;
mod logbook;
mod port;
mod print;
mod profile;
mod read;
mod record;
mod reload;
mod replace;
mod replay;
mod report;
mod scan;
mod schema;
mod serve;
mod set_unit_id;
mod signal;
mod simulate;
mod site;
mod socket;
mod walk_test;

use std::process::ExitCode;

use clap::Parser;

use arguments::{AccountVerb, Arguments, ChannelVerb, LogbookVerb, Verb};
use exit::Exit;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let exit = match arguments.verb {
        Verb::Demo(wanted) => demo::demo(wanted),
        Verb::DemoGateway { config } => demo::gateway(&config),
        Verb::Run { config, record } => serve::gateway(&config, record),
        Verb::DutyRoom { config, show_key: true, json, .. } => serve::show_key(&config, json),
        Verb::DutyRoom { config, reload: true, json, .. } => reload::ask(&config, json),
        Verb::DutyRoom { config, .. } => serve::duty_room(&config),
        Verb::Check { config, json } => check::check(&config, json),
        Verb::Doctor { config, bundle, json } => doctor::doctor(&config, bundle.as_deref(), json),
        Verb::Simulate(wanted) => simulate::simulate(wanted),
        Verb::Scan(wanted) => scan::verb(wanted),
        Verb::Read(wanted) => read::verb(wanted),
        Verb::SetUnitId(wanted) => set_unit_id::set(wanted),
        Verb::Write(wanted) => set_unit_id::write(wanted),
        Verb::WalkTest(wanted) => walk_test::walk_test(wanted),
        Verb::Bench(wanted) => bench::verb(wanted),
        Verb::Line { verb } => line::verb(verb),
        Verb::Replace(wanted) => replace::replace(wanted),
        Verb::Report(wanted) => report::report(&wanted),
        Verb::Label(wanted) => label::label(&wanted),
        Verb::Site { verb } => site::site(verb),
        Verb::Profile { verb } => profile::profile(verb),
        Verb::Record { minutes, socket, json } => record::record(&socket, minutes, json),
        Verb::Replay { recording, all, json } => replay::replay(&recording, all, json),
        Verb::Channel { verb: ChannelVerb::Test { config, id, to, json } } => {
            channel::try_out(&config, &id, to.as_deref(), json)
        }
        Verb::Account { verb: AccountVerb::Recover { state, account, json } } => {
            account::recover(state, account.as_deref(), json)
        }
        Verb::Logbook { verb: LogbookVerb::Verify { state, json } } => logbook::verify(state, json),
        Verb::Backup { config, to, json } => backup::backup(&config, &to, json),
        Verb::Restore { from, config, json } => backup::restore(&from, &config, json),
        Verb::Schema { of, example } => schema::schema(of, example),
        Verb::Man { directory } => schema::manual(&directory),
        Verb::Completions { shell } => schema::completions(shell),
    };
    match exit {
        Ok(()) => ExitCode::SUCCESS,
        Err(Exit::Said(code)) => code.into(),
        Err(Exit::Because(code, why)) => {
            eprintln!("{why}");
            code.into()
        }
    }
}
