//! `doctor`: everything that could be wrong on site, looked at once: ports and devices, broker, clock, disk, certificates.
//!
//! It disturbs nobody: a line or a database that a running service has is left to it, nothing is ever written to a device,
//! and nobody is sent a message.
mod broker;
mod bundle;
mod certificate;
mod duty_room;
mod files;
mod finding;
mod gateway;
mod holder;
mod lines;
mod machine;
mod port;
mod redact;
mod running;
mod store;
mod tar;

use std::path::Path;

use shouwang_gateway::config::Config;

use crate::exit::{Code, Exit};
use crate::signal::{self, Asked};
use crate::{check, serve};

use finding::Report;

pub(crate) fn doctor(path: &Path, bundle: Option<&Path>, json: bool) -> Result<(), Exit> {
    bundle.map_or(Ok(()), bundle::check)?;
    let subject = if check::is_duty_room(path) {
        let config = shouwang_duty_room::Config::load(path);
        Subject::DutyRoom(Box::new(config.map_err(|error| Exit::Because(Code::Bad, error.to_string()))?))
    } else {
        Subject::Gateway(Box::new(Config::load(path).map_err(|problems| Exit::bad(&problems))?))
    };
    // What the parts that are borrowed have to say is said by the findings.
    serve::log(tracing::level_filters::LevelFilter::OFF);
    let runtime = serve::runtime()?;
    let outcome = runtime.block_on(async {
        let asked = signal::asked().map_err(|error| Exit::failed(&error))?;
        tokio::select! {
            done = look(&subject, path, bundle, json) => done,
            by = asked => Err(match by {
                Asked::Interrupt => Exit::Said(Code::Interrupted),
                Asked::Terminate => Exit::Said(Code::Failed),
            }),
        }
    });
    // A name that is still being asked for must not hold up the end.
    runtime.shutdown_background();
    outcome
}

/// Whose configuration it is.
enum Subject {
    Gateway(Box<Config>),
    DutyRoom(Box<shouwang_duty_room::Config>),
}

async fn look(subject: &Subject, path: &Path, bundle: Option<&Path>, json: bool) -> Result<(), Exit> {
    let mut report = Report::new(json);
    let about = match subject {
        Subject::Gateway(config) => gateway::look(config, path, &mut report).await?,
        Subject::DutyRoom(config) => duty_room::look(config, path, &mut report).await?,
    };
    if let Some(bundle) = bundle {
        bundle::write(bundle, path, &about, &mut report).await?;
    }
    report.end()
}

/// The file again, as a table of whatever it holds: it has been read without a mistake before.
fn table(path: &Path) -> toml::Table {
    std::fs::read_to_string(path).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// `shouwang VERB --config FILE`
fn command(verb: &str, path: &Path) -> String {
    format!("shouwang {verb} --config {}", path.display())
}
