//! What an installer takes home on paper, by the real binary: labels, the site's spreadsheet, another unit in a device's
//! place, the commissioning report.
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use shouwang_gateway::store::Store;
use shouwang_tests::gateway::binary;
use shouwang_tests::program::{Program, ending, root};
use shouwang_tests::{Configuration, DutyRoom, Gateway, Listener, Mosquitto, clock, wait_for, wait_until};
use tempfile::TempDir;

use crate::command_line::{Outcome, shouwang};
use crate::search::field;
use crate::street::{RAISED, START_LIMIT};

/// A street of three devices, and a folder for what is printed.
struct Street {
    _broker: Mosquitto,
    configuration: Configuration,
    file: PathBuf,
    folder: TempDir,
}

impl Street {
    fn new() -> Self {
        let broker = Mosquitto::start();
        let level = "unit = \"cm\"\nfrozen = { unit_code = 17, decimals = 1 }\n";
        let configuration = Configuration::new(&broker)
            .serial_line("b3-rs485", Path::new("/dev/null"), 9600, "")
            .tcp_line("pump-house", "127.0.0.1:1", "")
            .device("smoke-402", "b3-rs485", 12, "renke-rs-yg-n01", "serial_no = \"YG-0012\" # 物业有备件")
            .device("gas-402", "b3-rs485", 21, "es-ch4-01", "unit = \"%LEL\"")
            .device("level-1", "pump-house", 255, "generic-qdy30a", level);
        let file = configuration.write();
        let folder = TempDir::with_prefix("shouwang-papers-").expect("a folder for the papers");
        Self { _broker: broker, configuration, file, folder }
    }

    fn to(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn says(&self, arguments: &[&str]) -> Outcome {
        shouwang(&[arguments, &["--config", &self.file.display().to_string()]].concat())
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.file).expect("the configuration")
    }
}

/// No more of a JPEG picture than its beginning.
const PHOTO: &[u8] = &[0xFF, 0xD8, 0xFF, 0xE0];

/// For people to look at after the test.
fn artefact(from: &str, name: &str) {
    let folder = root().join("target/artefacts");
    fs::create_dir_all(&folder).expect("a folder for artefacts");
    fs::copy(from, folder.join(name)).expect("an artefact");
}

#[test]
fn labels_are_drawn_once_and_printed_as_svg_and_png() {
    let street = Street::new();
    let bare = street.says(&["label", "--to", &street.to("labels")]);
    assert_eq!(bare.ending, "exit 2");
    assert!(
        bare.stderr.contains("smoke-402, gas-402, level-1") && bare.stderr.contains("--assign"),
        "{}",
        bare.stderr
    );
    let url = "https://q.example/d/";
    let drawn = street.says(&["label", "--to", &street.to("labels"), "--assign", "--url", url, "--json"]);
    assert_eq!(drawn.ending, "exit 0", "{}", drawn.stderr);
    assert_eq!(drawn.stdout.lines().count(), 3);
    let text = street.text();
    assert!(text.contains("# 物业有备件"), "comments stay: {text}");
    let code = text.split("code = \"").nth(1).and_then(|rest| rest.get(..7)).expect("a code").to_owned();
    let svg = fs::read_to_string(street.to("labels/smoke-402.svg")).expect("the label");
    for word in ["width=\"30mm\" height=\"20mm\"", &code, "地址 12", "3号楼2单元"] {
        assert!(svg.contains(word), "{word} in {svg}");
    }
    let folder = street.to("png");
    for (more, file) in [(&["--sheet"][..], "labels-1.png"), (&["--device", "gas-402"], "gas-402.png")] {
        let arguments = [&["label", "--to", &folder, "--format", "png", "--url", url][..], more].concat();
        let drawn = street.says(&arguments);
        assert_eq!(drawn.ending, "exit 0", "{}", drawn.stderr);
        let bytes = fs::read(street.to(&format!("png/{file}"))).expect("the picture");
        assert!(bytes.starts_with(b"\x89PNG"), "{file}");
        artefact(&street.to(&format!("png/{file}")), file);
    }
    assert_eq!(street.text(), text, "codes are drawn once");
    let stranger = street.says(&["label", "--to", &street.to("labels"), "--device", "smoke-42"]);
    assert!(stranger.ending == "exit 2" && stranger.stderr.contains("smoke-402"), "{}", stranger.stderr);
}

#[test]
fn a_site_goes_out_and_in_as_the_same_and_mistakes_are_told_by_row_and_column() {
    let street = Street::new();
    let before = street.text();
    let csv = street.to("site.csv");
    let out = street.says(&["site", "export", "--to", &csv]);
    assert_eq!(out.ending, "exit 0", "{}", out.stderr);
    let into = street.says(&["site", "import", &csv]);
    assert_eq!(into.ending, "exit 0", "{}", into.stderr);
    assert_eq!(street.text(), before, "byte by byte");

    let sound = fs::read_to_string(&csv).expect("the spreadsheet");
    let wrong = sound.replace("gas-402,b3-rs485,21", "gas-402,b3-rs458,12").replace("es-ch4-01", "es-ch4-1");
    fs::write(&csv, wrong).expect("a wrong spreadsheet");
    let told = street.says(&["site", "import", &csv]);
    assert_eq!(told.ending, "exit 2");
    for said in ["row 3, column B", "did you mean `b3-rs485`", "row 3, column D", "did you mean `es-ch4-01`"]
    {
        assert!(told.stderr.contains(said), "{said} in {}", told.stderr);
    }
    // As Excel saves it here unless asked for UTF-8: 烟 in GBK.
    fs::write(&csv, [sound.as_bytes(), b"x,b3-rs485,5,renke-rs-yg-n01,\xd1\xcc\r\n"].concat()).expect("GBK");
    let told = street.says(&["site", "import", &csv]);
    assert!(told.ending == "exit 2" && told.stderr.contains("CSV UTF-8"), "{}", told.stderr);
    // One device less is not what anybody meant, unless they say so.
    let fewer: Vec<&str> = sound.lines().filter(|line| !line.starts_with("level-1")).collect();
    fs::write(&csv, fewer.join("\r\n")).expect("a shorter spreadsheet");
    let told = street.says(&["site", "import", &csv]);
    assert!(told.ending == "exit 2" && told.stderr.contains("level-1"), "{}", told.stderr);
    assert_eq!(street.text(), before, "nothing of all that is half done");
    let told = street.says(&["site", "import", &csv, "--remove", "--json"]);
    assert_eq!(told.stdout.trim(), r#"{"added":0,"devices":2,"removed":1}"#, "{}", told.stderr);
    assert!(!street.text().contains("level-1"));
}

#[test]
fn another_unit_takes_a_devices_place_and_the_report_says_what_is_open() {
    let street = Street::new();
    // What a gateway would have on its disk: 402 walked, the level's registers frozen.
    let state = street.configuration.state_directory();
    let _ = Store::open(&state.join("gateway.db"), clock::wall()).expect("a database");
    let database = rusqlite::Connection::open(state.join("gateway.db")).expect("the database");
    let keep = |key: &str, value: &str| {
        database
            .execute("INSERT INTO kept (key, value) VALUES (?1, ?2)", (key, value.as_bytes()))
            .expect("a kept value");
    };
    keep(
        "device/smoke-402",
        r#"{"proven_at":"2026-11-22T02:03:04.000Z","proven_ms":1800,"serial_no":"YG-0012"}"#,
    );
    keep("device/level-1", r#"{"frozen":{"unit_code":17,"decimals":1}}"#);
    keep(
        "walk",
        r#"{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","state":"finished","by":"老张","asked_at":"2026-11-22T02:00:00.000Z",
            "accepted":null,"ended_at":null,"rows":[{"device":"smoke-402","state":"passed","condition":"smoke",
            "triggered_at":"2026-11-22T02:03:04.000Z",
            "times":{"sensor_ms":900,"gateway_ms":10,"broker_ms":20,"board_ms":900}}]}"#,
    );
    drop(database);
    fs::create_dir(state.join("install")).expect("the installer's folder");
    let visit = r#"{"scans":{},"plan":[],"added":[],"building":"3","signatures":[
        {"name":"李工","role":"installer","at":"2026-11-22T02:10:00.000Z"}]}"#;
    fs::write(state.join("install/visit.json"), visit).expect("a visit");
    fs::write(state.join("install/smoke-402.jpg"), PHOTO).expect("a photo");
    let (html, csv, pdf) = (street.to("report.html"), street.to("report.csv"), street.to("report.pdf"));
    let told = street.says(&["report", "--to", &html, "--csv", &csv, "--pdf", &pdf]);
    assert_eq!(told.ending, "exit 0", "{}", told.stderr);
    let page = fs::read_to_string(&html).expect("the report");
    for word in [
        "和平社区 7 号网关",
        "sha256:",
        "2026-11-22 10:03",
        "1.8 s",
        "老张",
        "燃气浓度高报 ≥ 25 %LEL",
        "unit_code = 17",
        "未验证",
        "gas-402、level-1",
        "120 Ω",
        "签字",
        "安装 · Installer 李工 2026-11-22 10:10",
        "data:image/jpeg;base64,/9j/",
        "<svg class=\"code\"",
    ] {
        assert!(page.contains(word), "{word} in {page}");
    }
    let rows = fs::read_to_string(&csv).expect("the spreadsheet");
    assert!(rows.lines().count() == 4 && rows.contains("smoke-402,"), "{rows}");
    assert!(fs::read(&pdf).expect("the PDF").starts_with(b"%PDF-"), "printed by Chromium");
    artefact(&html, "report.html");
    artefact(&pdf, "report.pdf");
    picture(&html, &street.to("report.png"));

    let told = street.says(&["replace", "smoke-402", "--serial-no", "YG-0012"]);
    assert!(told.ending == "exit 2" && told.stderr.contains("already"), "{}", told.stderr);
    let told = street.says(&["replace", "smoke-402", "--serial-no", "YG-0055"]);
    assert_eq!(told.ending, "exit 0", "{}", told.stderr);
    assert!(told.stdout.contains("YG-0012 -> YG-0055"), "{}", told.stdout);
    assert!(street.text().contains("serial_no = \"YG-0055\" # 物业有备件"), "{}", street.text());
    street.says(&["report", "--to", &html]);
    let page = fs::read_to_string(&html).expect("the report");
    assert!(page.contains("YG-0055") && !page.contains("2026-11-22 10:03"), "its proof is void: {page}");
}

/// The unit that hangs there, and a new one that lies beside it with its factory's unit id.
const TWO_UNITS: &str = r#"
[[device]]
id = "old"
line = "b3"
unit_id = 12
profile = "renke-rs-yg-n01"
[[device]]
id = "new"
line = "b3"
unit_id = 1
profile = "renke-rs-yg-n01"
faults = ["dead"]
"#;

/// Notes in the gateway's database that this device was walked.
fn has_been_walked(state: &Path, device: &str) {
    let database = rusqlite::Connection::open(state.join("gateway.db")).expect("the database");
    let key = format!("device/{device}");
    let kept =
        database.query_row("SELECT value FROM kept WHERE key = ?1", [&key], |row| row.get::<_, Vec<u8>>(0));
    let mut kept: Value = serde_json::from_slice(&kept.expect("the device is kept")).expect("JSON");
    kept["proven_at"] = json!("2026-11-22T02:03:04.000Z");
    let change = "UPDATE kept SET value = ?1 WHERE key = ?2";
    let changed = database.execute(change, (kept.to_string().as_bytes(), &key)).expect("a kept value");
    assert_eq!(changed, 1);
}

/// `alarm` is the open alarm of the place, before and after.
#[test]
fn a_factory_fresh_unit_gets_the_unit_id_the_place_and_the_open_alarm_of_the_old_one() {
    let (mut field, line, _directory) = field(TWO_UNITS);
    let mut hands = field.take_stdin();
    let mut hands = |order: &str| writeln!(hands, "{order}").expect("the field takes orders");
    let broker = Mosquitto::start();
    let (listener, room) = (Listener::start(&broker), DutyRoom::start(&broker));
    let configuration = Configuration::new(&broker)
        .serial_line("b3-rs485", Path::new(&line), 9600, "")
        .device("smoke-402", "b3-rs485", 12, "renke-rs-yg-n01", "serial_no = \"YG-0012\"");
    let file = configuration.write();
    let gateway = Gateway::start(&configuration);
    listener.wait_for_device(START_LIMIT, "smoke-402", "online");
    hands("set old smoke true");
    listener.wait_for_event(START_LIMIT, RAISED, "smoke-402");
    let alarm = wait_for(START_LIMIT, "the board should have the alarm", || {
        room.open_alarms().first().map(|alarm| alarm["id"].clone())
    });
    gateway.stop();
    has_been_walked(&configuration.state_directory(), "smoke-402");

    let config = file.display().to_string();
    let replace = ["replace", "smoke-402", "--serial-no", "YG-0055", "--from", "1", "--config", &config];
    let before = fs::read_to_string(&file).expect("the configuration");
    // Nobody is there with its factory's unit id; then the old unit still has the device's.
    for (is_there, ended) in [(false, "exit 3"), (true, "exit 4")] {
        if is_there {
            hands("replug new");
        }
        let told = wait_for(START_LIMIT, "it should be refused so", || {
            Some(shouwang(&replace)).filter(|told| told.ending == ended)
        });
        assert!(told.stderr.contains("the configuration stays as it was"), "{}", told.stderr);
        assert_eq!(fs::read_to_string(&file).expect("the configuration"), before);
    }
    hands("unplug old");
    let told = wait_for(START_LIMIT, "the new unit should get the unit id", || {
        Some(shouwang(&replace)).filter(|told| told.ending == "exit 0")
    });
    assert!(told.stdout.contains("YG-0012 -> YG-0055"), "{}", told.stdout);
    assert!(told.stdout.contains("shouwang walk-test"), "what to type next: {}", told.stdout);
    let after = fs::read_to_string(&file).expect("the configuration");
    assert!(after.contains("serial_no = \"YG-0055\"") && after.contains("installed = "), "{after}");
    assert!(after.contains("unit_id = 12") && after.contains("name = \"3号楼2单元12\""), "{after}");

    let heard = listener.messages().len();
    let mut run = Command::new(binary());
    let mut gateway =
        Program::start("later", run.arg("run").arg("--config").arg(&file), configuration.directory());
    wait_until(START_LIMIT, "the new unit should answer, unproven, in its place", || {
        let info = listener.messages().into_iter().skip(heard).rfind(|message| message.leaf == "info");
        let info = info.and_then(|info| serde_json::from_slice::<Value>(&info.payload).ok());
        info.is_some_and(|info| {
            let device = &info["devices"][0];
            device["proven_at"].is_null() && device["place"]["name"] == "3号楼2单元12"
        })
    });
    listener.wait_for_device(START_LIMIT, "smoke-402", "online");
    assert_eq!(room.open_alarms().first().map(|alarm| alarm["id"].clone()), Some(alarm), "it stays open");
    let line = wait_for(START_LIMIT, "the logbook should have both numbers", || {
        let logbook: Value = serde_json::from_str(&room.read("/api/v1/logbook")).expect("JSON");
        let lines = logbook["items"].as_array().expect("lines").clone();
        lines.into_iter().find(|line| line["what"] == "device.replaced")
    });
    assert_eq!(
        (&line["old"], &line["new"], &line["note"]),
        (&json!("YG-0012"), &json!("YG-0055"), &json!("smoke-402"))
    );
    assert_eq!(ending(gateway.stop(START_LIMIT)), "exit 0", "{}", gateway.stderr());
}

/// The page as Chromium shows it, for people to look at.
fn picture(html: &str, to: &str) {
    let profile = TempDir::with_prefix("shouwang-chromium-").expect("a profile");
    let status = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=1100,900",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--screenshot={to}"))
        .arg(html)
        .output()
        .expect("Debian's chromium: `tests/run` installs it");
    assert!(status.status.success(), "{status:?}");
    artefact(to, "report.png");
}
