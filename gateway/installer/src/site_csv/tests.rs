//! Good and bad lists of devices, as spreadsheets save them.
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use shouwang_catalog::Catalog;

use super::*;

static PROFILES: LazyLock<Vec<Candidate>> = LazyLock::new(|| {
    let catalog = Catalog::shipped();
    let of = |entry: &shouwang_catalog::Entry| Candidate {
        name: entry.profile.name.clone(),
        profile: Arc::clone(&entry.profile),
    };
    catalog.iter().map(of).collect()
});

fn read(text: &str) -> Result<Vec<SiteDevice>, Vec<String>> {
    let told = |mistakes: Vec<SiteMistake>| mistakes.iter().map(ToString::to_string).collect();
    read_site(text.as_bytes(), &PROFILES).map_err(told)
}

const NAMES: &str = "id,line,unit_id,profile,building,room,name,serial_no,dry_offset_m,unit";

#[test]
fn a_site_is_read_in_its_order() {
    let text = format!(
        "{NAMES}\nsmoke-402,b3,12,renke-rs-yg-n01,3,402,3号楼402 烟感,YG-0012,,\n\nlevel-1,river,1,generic-qdy30a,,,\"桥, 上游\",,0.026,cm\n"
    );
    let site = read(&text).expect("a sound file");
    let [smoke, level] = site.as_slice() else { panic!("{site:?}") };
    assert_eq!((smoke.row, smoke.unit_id, smoke.profile.as_str()), (2, 12, "renke-rs-yg-n01"));
    assert_eq!((smoke.place.room.as_deref(), smoke.serial_no.as_deref()), (Some("402"), Some("YG-0012")));
    assert_eq!((level.row, level.place.name.as_deref()), (4, Some("桥, 上游")));
    assert_eq!((level.installed.dry_offset_m, level.installed.unit.as_deref()), (Some(0.026), Some("cm")));
}

#[test]
fn spreadsheets_of_all_kinds_are_read() {
    let plain = read("id,line,unit_id,profile\na,b,1,renke-rs-yg-n01\n").expect("plain");
    for other in [
        "\u{feff}编号,线路,地址,型号\r\na,b,1,renke-rs-yg-n01\r\n",
        "编号 id;线路 line;地址 unit_id;型号 profile\na;b;1;renke-rs-yg-n01",
        "profile\tunit_id\tline\tid\nrenke-rs-yg-n01\t'1\tb\ta\n",
        "id,line,unit_id,profile,,\n\"a\", b ,1,renke-rs-yg-n01,,\n,,,,,\n",
    ] {
        assert_eq!(read(other).as_ref(), Ok(&plain), "{other:?}");
    }
}

#[test]
fn every_mistake_is_told_with_its_row_and_column() {
    let text = format!(
        "{NAMES}\nSmoke 402,b3,12,renke-rs-yg-n1,,,,,,\ncall-1,b3,0,shouwang-call-button,,,,,,\nlevel-1,b3,12,generic-qdy30a,,,,,wet,\ncall-1,,12,shouwang-call-button\n"
    );
    let told = read(&text).expect_err("mistakes");
    let heads: Vec<_> = told
        .iter()
        .filter_map(|told| told.split_once("· ")?.1.split_once(": ").map(|(head, _)| head))
        .collect();
    assert_eq!(
        heads,
        [
            "row 2, column A",
            "row 2, column D",
            "row 3, column C",
            "row 4, column C",
            "row 4, column I",
            "row 4, column J",
            "row 5, column B",
            "row 5, column A",
        ],
        "{told:#?}"
    );
    assert!(told[1].contains("did you mean `renke-rs-yg-n01`?"), "{}", told[1]);
    assert!(told[7].contains("与第 3 行相同"), "{}", told[5]);
}

#[test]
fn two_devices_of_one_line_do_not_share_a_unit_id() {
    let text =
        "id,line,unit_id,profile\na,b,1,renke-rs-yg-n01\nc,d,1,renke-rs-yg-n01\ne,b,1,renke-rs-yg-n01\n";
    let told = read(text).expect_err("a mistake");
    assert_eq!(told, ["第 4 行 C 列 unit_id:与第 2 行相同 · row 4, column C: the same as in row 2"]);
}

/// Bad files, and what is said of them.
#[test]
fn bad_files_are_refused_in_words() {
    let gbk = [b"id,line,unit_id,profile,name\na,b,1,renke-rs-yg-n01,".as_slice(), &[0xD1, 0xCC, 0xB8, 0xD0]]
        .concat();
    let told = read_site(&gbk, &PROFILES).expect_err("GBK");
    assert!(told[0].row == 2 && told[0].what.zh.contains("CSV UTF-8"), "{told:?}");
    let large = vec![b'a'; MOST_BYTES + 1];
    assert!(read_site(&large, &PROFILES).is_err());
    let most = "id,line,unit_id,profile\n".to_owned() + &"A,b,1,x\n".repeat(5_000);
    assert_eq!(read(&most).expect_err("many").len(), MISTAKES);
    for (text, said) in [
        ("", "row 1: the file is empty"),
        ("\n\n\r\n", "row 1: the file is empty"),
        ("id,line,unit_id\n", "row 1: the column profile is missing"),
        ("id,line,unit_id,profile,id\n", "row 1, column E: this column is there twice"),
        ("id,line,unitid,profile\n", "row 1, column C: there is no such column; did you mean `unit_id`?"),
        (
            "id,line,unit_id,profile\na,b,1,renke-rs-yg-n01,x\n",
            "row 2, column E: this cell has no column name",
        ),
        (
            "id,line,unit_id,profile\n\na,b,1.5,renke-rs-yg-n01\n",
            "row 3, column C: a unit id is a whole number",
        ),
        (
            "id,line,unit_id,profile\na,b,248,renke-rs-yg-n01\n",
            "row 2, column C: a unit id is a whole number from 1 to 247",
        ),
        (
            "id,line,unit_id,profile\n\"a,b,1,renke-rs-yg-n01\nc,b,2,renke-rs-yg-n01\n",
            "row 2, column A: a line break in a cell",
        ),
        ("id,line,unit_id,profile,unit\na,b,1,generic-qdy30a,furlong\n", "row 2, column E: "),
        (
            "id,line,unit_id,profile,installed\na,b,1,generic-qdy30a,2026-02-29\n",
            "row 2, column E: write a date",
        ),
        ("id,line,unit_id,profile,datum_m\na,b,1,generic-qdy30a,NaN\n", "row 2, column E: metres"),
        ("<html><body>404</body></html>", "row 1, column A: there is no such column"),
    ] {
        let told = read(text).expect_err(text);
        assert!(told.iter().any(|told| told.contains(said)), "{text:?}: {told:#?}");
    }
}

#[test]
fn columns_are_named_as_a_spreadsheet_does() {
    let named: Vec<_> = [1, 26, 27, 52, 703].map(letters).into();
    assert_eq!(named, ["A", "Z", "AA", "AZ", "AAA"]);
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Err(mistakes) = read_site(&bytes, &[]) {
            prop_assert!(!mistakes.is_empty() && mistakes.iter().all(|mistake| mistake.row >= 1));
        }
    }

    /// A sound file with one cell spoilt: what is wrong is told in that row, or the cell may be so.
    #[test]
    fn a_spoilt_cell_is_told_in_its_row(row in 0_usize..20, column in 0_usize..4, spoilt in "[^\\r\\n]{0,12}") {
        let mut cells: Vec<Vec<String>> = (1..=20)
            .map(|n| vec![format!("d-{n}"), "b".into(), n.to_string(), "renke-rs-yg-n01".into()])
            .collect();
        cells[row][column] = spoilt;
        let mut file = csv::WriterBuilder::new().from_writer(Vec::new());
        file.write_record(["id", "line", "unit_id", "profile"]).expect("in memory");
        cells.iter().for_each(|cells| file.write_record(cells).expect("in memory"));
        let bytes = file.into_inner().expect("in memory");
        match read_site(&bytes, &PROFILES) {
            Ok(site) => prop_assert_eq!(site.len(), 20),
            // The same unit id twice is told where it is said the second time.
            Err(mistakes) => prop_assert!(
                mistakes.iter().any(|mistake| mistake.row == row as u64 + 2)
                    || mistakes.iter().all(|mistake| mistake.what.en.starts_with("the same as in row")),
                "{:?}", mistakes
            ),
        }
    }
}

#[test]
fn a_gateways_own_lines_and_labels_are_held_against_the_file() {
    let line = |name: &str, high_unit_ids| SiteLine { name: name.into(), high_unit_ids };
    let lines = [line("b3", false), line("pump", true)];
    let read = |text: &str| read_site_of(text.as_bytes(), &PROFILES, Some(&lines));
    let head = "id,line,unit_id,profile,code,installed\n";
    let sound = format!("{head}a,b3,1,renke-rs-yg-n01,7k3f-9q5,2026/5/1\nb,pump,255,generic-qdy30a,,\n");
    let mistakes = read(&sound).expect_err("its unit is not said");
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    let sound =
        sound.replace("code,", "code,unit,").replace("9q5,", "9q5,,").replace("qdy30a,", "qdy30a,,mm");
    let devices = read(&sound).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    assert_eq!(devices[0].code.map(|code| code.to_string()).as_deref(), Some("7K3F9Q5"));
    assert_eq!(devices[0].installed.installed.as_deref(), Some("2026-05-01"));
    let wrong = format!(
        "{head}a,b4,1,renke-rs-yg-n01,7K3F9Q5,\nb,b3,255,renke-rs-yg-n01,7K3F9Q6,\nc,b3,3,renke-rs-yg-n01,7K3F9Q5,\n"
    );
    let told: Vec<String> = read(&wrong).expect_err("mistakes").iter().map(ToString::to_string).collect();
    for said in [
        "row 2, column B: no line is called b4; did you mean `b3`?",
        "row 3, column C: a unit id is a whole number from 1 to 247",
        "row 3, column E: the code does not add up",
        "row 4, column E: the same as in row 2",
    ] {
        assert!(told.iter().any(|told| told.contains(said)), "{said} in {told:#?}");
    }
}

#[test]
fn a_cell_is_never_a_formula() {
    for start in
        ["=", "+", "-", "@", "\t=", "\t", "\r", "\n+", "  @", "\u{ff1d}", "\u{ff0b}", "\u{ff0d}", "\u{ff20}"]
    {
        let cell = quoted("", &format!("{start}HYPERLINK(\"http://x\")"));
        assert!(cell.starts_with("\"'"), "{cell:?}");
    }
    assert_eq!(quoted("", "-1.2"), "'-1.2");
    assert_eq!(quoted("datum_m", "-1.2"), "-1.2", "a column of numbers has numbers");
    assert_eq!(quoted("", "3号楼-2单元"), "3号楼-2单元");
    assert_eq!(quoted("", "一行\n二行"), "\"一行\n二行\"");
    let row = [("id", "a"), ("name", "\t=1+1 ")].map(|(field, cell)| (field, cell.to_owned())).into();
    assert!(write_site(&[row]).contains(",'=1+1,"));
}

proptest! {
    /// Any cell of words comes back as it went out.
    #[test]
    fn what_is_written_is_read_as_the_same(name in "[^\\p{C}]{1,20}", room in "[-=+@'0-9eE./,;\" ]{1,8}") {
        let (name, room) = (name.trim(), room.trim());
        prop_assume!(!name.is_empty() && !room.is_empty());
        let row = [("id", "a"), ("line", "b"), ("unit_id", "1"), ("profile", "renke-rs-yg-n01"), ("name", name), ("room", room)];
        let row = row.map(|(field, cell)| (field, cell.to_owned())).into();
        let site = read_site(write_site(&[row]).as_bytes(), &PROFILES);
        let site = site.map_err(|mistakes| TestCaseError::fail(format!("{mistakes:?}")))?;
        prop_assert_eq!(site[0].place.name.as_deref(), Some(name));
        prop_assert_eq!(site[0].place.room.as_deref(), Some(room));
    }
}
