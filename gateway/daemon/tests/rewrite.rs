//! A configuration that is changed by the program: comments stay, a wrong change changes nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;
use shouwang_catalog::Catalog;
use shouwang_gateway::config::Config;
use shouwang_gateway::rewrite::{NotRewritten, Rewrite};
use shouwang_installer::{Candidate, SiteDevice, read_site, write_site};
use tempfile::TempDir;

const GATEWAY: &str = r#"# 和平社区
site = "heping"
gateway = "gw-0007"
name = "和平社区 7 号网关"   # 门卫室
state_dir = "/tmp/none"
uplink = { url = "mqtt://127.0.0.1:1883" }

[[line]]
name = "b3"
serial = { path = "/dev/null", baud = 9600 }

# 四楼的烟感,钥匙在物业
[[device]]
id = "smoke-402"
line = "b3"
unit_id = 12          # 拨码 00001100
profile = "renke-rs-yg-n01"
place = { building = "3", room = "402" }
serial_no = "YG-0012"
condition.smoke.off_delay_s = 20

[[device]]
id = "level-1"
line = "b3"
unit_id = 1
profile = "generic-qdy30a"
unit = "cm"
dry_offset_m = 0.026
frozen = { unit_code = 17, decimals = 1 }
installed = 2026-05-01

[device.place]
name = "青石桥, 上游"
"#;

struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = Self { folder };
        fs::write(site.file(), GATEWAY).unwrap();
        fs::set_permissions(site.file(), fs::Permissions::from_mode(0o640)).unwrap();
        site
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("gateway.toml")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    fn open(&self) -> Rewrite {
        Rewrite::open(&self.file()).unwrap()
    }

    fn export(&self) -> String {
        write_site(&self.open().rows().unwrap())
    }

    fn import(&self, csv: &str) -> Result<Config, NotRewritten> {
        let devices = read(csv);
        let mut rewrite = self.open();
        rewrite.keep_only(&devices)?;
        for device in &devices {
            rewrite.put(device)?;
        }
        rewrite.save()
    }

    /// Nothing else lies beside it.
    fn is_alone(&self) -> bool {
        fs::read_dir(self.folder.path()).unwrap().count() == 1
    }
}

fn read(csv: &str) -> Vec<SiteDevice> {
    let catalog = Catalog::shipped();
    let candidate = |entry: &shouwang_catalog::Entry| Candidate {
        name: entry.profile.name.clone(),
        profile: Arc::clone(&entry.profile),
    };
    let candidates: Vec<Candidate> = catalog.iter().map(candidate).collect();
    read_site(csv.as_bytes(), &candidates).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

#[test]
fn what_goes_out_comes_in_as_the_same_byte_by_byte() {
    let site = Site::new();
    let csv = site.export();
    assert!(csv.starts_with("\u{feff}编号 id,线路 line,") && csv.contains("\"青石桥, 上游\""), "{csv}");
    site.import(&csv).unwrap();
    assert_eq!(site.text(), GATEWAY);
    assert!(site.is_alone());
}

#[test]
fn one_cell_changes_one_value_and_no_comment() {
    let site = Site::new();
    let csv = site.export().replace(",12,", ",13,").replace("0.026", "0.03");
    let config = site.import(&csv).unwrap();
    assert_eq!(config.core.devices[0].unit_id, 13);
    let expected = GATEWAY.replace("unit_id = 12 ", "unit_id = 13 ").replace("0.026", "0.03");
    assert_eq!(site.text(), expected);
    let mode = fs::metadata(site.file()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o640, "the file's rights stay");
}

#[test]
fn a_new_row_is_a_new_device_and_a_missing_one_goes() {
    let site = Site::new();
    let csv = site.export();
    let rows: Vec<&str> = csv.lines().collect();
    let new = "call-401,b3,15,shouwang-call-button,3,,401,,3号楼401,,7K3F9Q5,,,,,,2026-11-22";
    let config = site.import(&format!("{}\r\n{}\r\n{new}\r\n", rows[0], rows[1])).unwrap();
    let ids: Vec<_> = config.core.devices.iter().map(|device| device.id.as_str()).collect();
    assert_eq!(ids, ["smoke-402", "call-401"]);
    assert_eq!(config.codes[1].unwrap().to_string(), "7K3F9Q5");
    let text = site.text();
    assert!(text.contains("# 四楼的烟感") && !text.contains("level-1"), "{text}");
    assert!(
        text.contains("\n[[device]]\nid = \"call-401\"") && text.contains("installed = 2026-11-22"),
        "{text}"
    );
    // And once more round: it stays as it is.
    site.import(&site.export()).unwrap();
    assert_eq!(site.text(), text);
}

#[test]
fn a_new_file_without_devices_takes_a_list() {
    let site = Site::new();
    let csv = site.export();
    let (head, _) = GATEWAY.split_once("# 四楼").unwrap();
    fs::write(site.file(), head.replace("uplink =", "device = []\nuplink =")).unwrap();
    assert_eq!(site.import(&csv).unwrap().core.devices.len(), 2);
    let text = site.text();
    assert!(text.contains("\n[[device]]\nid = \"smoke-402\"") && !text.contains("[]"), "{text}");
    assert_eq!(site.export(), csv);
}

#[test]
fn a_change_that_would_be_wrong_leaves_the_file_as_it_is() {
    let site = Site::new();
    let mut rewrite = site.open();
    let mut devices = read(&site.export());
    devices[0].line = "b4".parse().unwrap();
    rewrite.put(&devices[0]).unwrap();
    let why = rewrite.save().unwrap_err();
    assert!(matches!(&why, NotRewritten::Bad(problems) if problems.len() == 1), "{why}");
    assert!(why.to_string().contains("gateway.toml:"), "{why}");
    assert_eq!(site.text(), GATEWAY);
    assert!(site.is_alone());
}

#[test]
fn what_somebody_else_wrote_meanwhile_is_not_overwritten() {
    let site = Site::new();
    let mut rewrite = site.open();
    rewrite.assign_codes().unwrap();
    let other = GATEWAY.replace("门卫室", "机房");
    fs::write(site.file(), &other).unwrap();
    assert!(matches!(rewrite.save(), Err(NotRewritten::Changed(_))));
    assert_eq!(site.text(), other);
}

#[test]
fn codes_are_drawn_once_and_stay() {
    let site = Site::new();
    let mut rewrite = site.open();
    assert_eq!(rewrite.assign_codes().unwrap(), ["smoke-402", "level-1"]);
    let config = rewrite.save().unwrap();
    assert_ne!(config.codes[0], config.codes[1]);
    let text = site.text();
    let mut again = site.open();
    assert!(again.assign_codes().unwrap().is_empty());
    assert_eq!(again.save().unwrap().codes, config.codes);
    assert_eq!(site.text(), text);
}

#[test]
fn a_replaced_unit_has_its_own_number_and_nothing_of_the_old_ones_registers() {
    let site = Site::new();
    let mut rewrite = site.open();
    assert_eq!(rewrite.replace("level-1", "QDY-2", "2026-11-22").unwrap(), None);
    assert!(matches!(rewrite.replace("level-2", "x", "2026-11-22"), Err(NotRewritten::NoDevice(_))));
    let config = rewrite.save().unwrap();
    let installed = &config.core.devices[1].installed;
    assert_eq!(installed.serial_no.as_deref(), Some("QDY-2"));
    assert_eq!(installed.installed.as_deref(), Some("2026-11-22"));
    assert!(installed.frozen.is_empty());
    assert_eq!(installed.dry_offset_m, Some(0.026), "what belongs to the place stays");
    let mut rewrite = site.open();
    assert_eq!(rewrite.replace("smoke-402", "YG-0099", "2026-11-22").unwrap().as_deref(), Some("YG-0012"));
}

#[test]
fn what_cannot_be_changed_is_said() {
    let site = Site::new();
    assert!(matches!(Rewrite::open(&site.folder.path().join("none")), Err(NotRewritten::Unreadable(..))));
    fs::write(site.file(), "site = ").unwrap();
    assert!(matches!(Rewrite::open(&site.file()), Err(NotRewritten::NoToml(_))));
    fs::write(site.file(), "device = [{ id = \"a\" }]").unwrap();
    assert!(matches!(site.open().rows(), Err(NotRewritten::Shape)));
}

#[test]
fn wrong_codes_and_codes_given_twice_are_told_where_they_stand() {
    let code = |code: &str| format!("serial_no = \"YG-0012\"\ncode = \"{code}\"");
    let text = GATEWAY.replace("serial_no = \"YG-0012\"", &code("7K3F9Q6"));
    let told = Config::from_bytes(&Site::new().file(), text.as_bytes()).unwrap_err();
    assert!(told[0].line == 20 && told[0].what.en.contains("does not add up"), "{told:?}");
    let text = GATEWAY
        .replace("serial_no = \"YG-0012\"", &code("7K3F9Q5"))
        .replace("unit = \"cm\"", "unit = \"cm\"\ncode = \"7k3f9q5\"");
    let told = Config::from_bytes(&Site::new().file(), text.as_bytes()).unwrap_err();
    assert!(told[0].what.en.contains("taken, used in line 20"), "{told:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Whatever people call a place in the configuration: what goes out comes in without changing a byte of it, and goes
    /// out as the same.
    #[test]
    fn whatever_stands_there_goes_round_as_it_is(
        name in "[ =+@'\",;\u{ff1d}-]{0,3}[^\\p{C}]{1,20} ?",
        serial_no in "[ =+@'\",;0-9eE-]{0,6}[A-Z0-9]{1,6}",
    ) {
        prop_assume!(!name.trim().is_empty());
        let site = Site::new();
        let written = |text: &str| toml::Value::from(text).to_string();
        let text = GATEWAY
            .replace("\"青石桥, 上游\"", &written(&name))
            .replace("\"YG-0012\"", &written(&serial_no));
        fs::write(site.file(), &text).unwrap();
        // Characters that the configuration itself refuses.
        prop_assume!(Config::from_bytes(&site.file(), text.as_bytes()).is_ok());
        let out = site.export();
        site.import(&out).unwrap();
        prop_assert_eq!(site.text(), text);
        prop_assert_eq!(site.export(), out);
    }

    /// Whatever people call a place, a spreadsheet's row says the same when it comes back.
    #[test]
    fn any_words_survive_the_round(name in "[^\\p{C}]{1,24}", room in "[-=+@'0-9eE./,;\"]{1,8}") {
        let (name, room) = (name.trim().to_owned(), room);
        prop_assume!(!name.is_empty());
        let site = Site::new();
        let mut devices = read(&site.export());
        devices[0].place.name = Some(name.clone());
        devices[0].place.room = Some(room.clone());
        let mut rewrite = site.open();
        rewrite.put(&devices[0]).unwrap();
        if rewrite.save().is_err() {
            // Characters that the configuration itself refuses.
            return Ok(());
        }
        let text = site.text();
        site.import(&site.export()).unwrap();
        prop_assert_eq!(site.text(), text);
        prop_assert_eq!(read(&site.export())[0].place.clone(), devices[0].place.clone());
    }
}
