//! The demo's gateway and duty room, configured as an installer would write them.
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shouwang_duty_room as duty_room;
use shouwang_field::{Place, Running};
use shouwang_gateway::config::Config;
use shouwang_message::{LineRule, Mode};

use crate::exit::{Code, Exit};

/// A river's delays are minutes; the demo's viewer has seconds.
pub(super) const RIVER_ON_DELAY: Duration = Duration::from_secs(1);
/// A line is left after so many seconds, a sample is kept as often as that, and a sensor that stands still for so
/// long is stuck.
const RIVER_OFF_S: u32 = 4;
const RIVER_SAMPLE_S: u32 = 2;
pub(super) const RIVER_STUCK_S: u32 = 20;

/// The grid worker whose phone the demo shows.
pub(super) const WORKER: &str = "wang";
pub(super) const WORKER_NAME: &str = "王网格";

/// Writes the configuration of the gateway for this field; its path.
pub(super) fn write_gateway(field: &Running, broker: SocketAddr, state: &Path) -> Result<PathBuf, Exit> {
    let mut lines = String::new();
    for line in field.lines() {
        let wire = match line.place {
            Some(Place::Pty { path, .. }) => {
                format!("serial = {{ path = {path:?}, baud = 9600, parity = \"none\", stop_bits = 1 }}")
            }
            Some(Place::Tcp(address)) => {
                format!("tcp = {{ address = \"{address}\" }}\npoll = {{ state_ms = 200 }}")
            }
            None => continue,
        };
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "[[line]]\nname = {:?}\n{wire}\n", line.name);
    }
    let text = include_str!("gateway.toml")
        .replace("{broker}", &broker.to_string())
        .replace("{state_dir}", &state.join("gateway").display().to_string())
        .replace("{lines}", &lines);
    let path = state.join("gateway.toml");
    std::fs::write(&path, text).map_err(|error| {
        Exit::Because(Code::Failed, format!("writing the demo's {}: {error}", path.display()))
    })?;
    Ok(path)
}

/// The gateway's configuration as written. Everything it tells is marked simulated.
pub(super) fn gateway(path: &Path) -> Result<Config, Exit> {
    let mut config = Config::load(path).map_err(|problems| Exit::bad(&problems))?;
    config.core.mode = Mode::Simulated;
    for station in &mut config.core.stations {
        let on_delay_s = u32::try_from(RIVER_ON_DELAY.as_secs()).unwrap_or(1);
        let quick = LineRule { deadband_m: 0.03, on_delay_s, off_delay_s: RIVER_OFF_S };
        station.rules = station.lines.keys().map(|line| (line.clone(), quick)).collect();
        station.interval_s = Some(RIVER_SAMPLE_S);
        station.flat_after_s = Some(RIVER_STUCK_S);
    }
    Ok(config)
}

/// The duty room on the wanted address.
pub(super) fn duty_room(
    listen: SocketAddr,
    broker: SocketAddr,
    state: &Path,
) -> Result<duty_room::Config, Exit> {
    let text = format!(
        "name = \"duty-1\"\ntitle = \"和平社区值班室\"\nstate_dir = {:?}\n\
         [broker]\nurl = \"mqtt://{broker}\"\n[web]\nlisten = \"{listen}\"\nallow_plaintext = true\n\
         [[organisation]]\nid = \"hp-02\"\nname = \"和平第二网格\"\nkind = \"grid\"\n\
         [[person]]\nid = \"{WORKER}\"\nname = \"{WORKER_NAME}\"\nrole = \"grid-worker\"\nof = \"hp-02\"\n",
        state.join("duty-room")
    );
    duty_room::Config::parse(Path::new("demo/duty-room.toml"), &text)
        .map_err(|error| Exit::Because(Code::Bad, error.to_string()))
}
