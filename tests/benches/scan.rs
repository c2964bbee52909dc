//! How long a search takes on a paced 9600-baud line with two devices: as long as computed, and within what the project
//! promises.
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use shouwang_catalog::Catalog;
use shouwang_field::{FieldConfig, Place, start};
use shouwang_tests::gateway::binary;

use crate::table::Table;

const FIELD: &str = r#"
[[line]]
name = "b3"
pty = { baud = 9600 }
[[device]]
id = "smoke-3"
line = "b3"
unit_id = 3
profile = "renke-rs-yg-n01"
[[device]]
id = "smoke-12"
line = "b3"
unit_id = 12
profile = "renke-rs-yg-n01"
"#;

/// Unit ids, the seconds promised for them, and the figure's name.
const SEARCHES: [(&str, f64, &str); 2] = [("1-32", 2.2, "scan_32"), ("1-247", 16.0, "scan_247")];
const OVER_COMPUTED: f64 = 1.05;

pub(crate) fn measure(table: &mut Table) {
    let catalog = Arc::new(Catalog::shipped());
    let config = FieldConfig::from_toml(FIELD, "field.toml").expect("a sound field");
    let field = start(&config, catalog.as_ref()).expect("a running field");
    let Some(Place::Pty { path, .. }) = field.place("b3") else { unreachable!("the line is a pty") };
    let path = path.display().to_string();
    for (units, promised, key) in SEARCHES {
        let last = search(&path, units);
        let figure = |name: &str| last[name].as_f64().expect("a figure");
        let what = format!("scan at 9600 baud, unit ids {units}, 50 ms each");
        table.bounded(key, &what, figure("seconds"), "s", promised);
        let what = format!("scan at 9600 baud, unit ids {units}: taken / computed");
        table.bounded(
            &format!("{key}_computed"),
            &what,
            figure("seconds") / figure("computed_s"),
            "x",
            OVER_COMPUTED,
        );
    }
}

/// The last object of a search of this line.
fn search(path: &str, units: &str) -> Value {
    let search =
        Command::new(binary()).args(["scan", path, "--units", units, "--baud", "9600", "--json"]).output();
    let said = search.expect("the program runs");
    let said = String::from_utf8(said.stdout).expect("text");
    serde_json::from_str(said.lines().last().expect("a last object")).expect("JSON")
}
