//! What an installer takes home on paper, by the real binary: labels, the site's spreadsheet, another unit in a device's
//! place, the commissioning report.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use shouwang_gateway::store::Store;
use shouwang_tests::program::root;
use shouwang_tests::{Configuration, Mosquitto, clock};
use tempfile::TempDir;

use crate::command_line::{Outcome, shouwang};

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
    keep("device/smoke-402", r#"{"proven_at":"2026-11-22T02:03:04.000Z","serial_no":"YG-0012"}"#);
    keep("device/level-1", r#"{"frozen":{"unit_code":17,"decimals":1}}"#);
    keep(
        "walk",
        r#"{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","state":"finished","by":"老张","asked_at":"2026-11-22T02:00:00.000Z",
            "accepted":null,"ended_at":null,"rows":[{"device":"smoke-402","state":"passed","condition":"smoke",
            "triggered_at":"2026-11-22T02:03:04.000Z",
            "times":{"sensor_ms":900,"gateway_ms":10,"broker_ms":20,"board_ms":900}}]}"#,
    );
    drop(database);
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
