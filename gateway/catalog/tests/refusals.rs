//! Files that must be refused, each with its place and what to write instead; and the corpus of bad
//! input, of which nothing may crash the loader.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use shouwang_catalog::strict::MAX_BYTES;
use shouwang_catalog::{Catalog, Problem, Tuning, installed_complaints, parse, tune};
use shouwang_core::configuration::Installed;
use shouwang_core::profile::{Condition, Test};
use shouwang_message::Priority;

/// A sound profile of gas, to be spoiled line by line.
const GAS: &str = r#"vendor = "Acme"
model = "G1"
title = { zh = "燃气", en = "Gas" }
class = "gas"
verified = "vendor"
source = "manual"
[[point]]
name = "gas"
title = { zh = "浓度", en = "Gas" }
table = "holding_register"
address = 2
type = "u16"
unit = "%LEL"
range = [0.0, 100.0]
[[point]]
name = "fault"
title = { zh = "故障", en = "Fault" }
table = "discrete_input"
address = 0
type = "bool"
active_when = 1
[[point]]
name = "total"
title = { zh = "累计", en = "Total" }
table = "input_register"
address = 4
type = "u32"
word_order = "ABCD"
[[condition]]
name = "high"
text = { zh = "高报", en = "High" }
point = "gas"
test = "high"
limit = 25.0
priority = "emergency"
"#;

fn load(text: &str) -> Result<(), Vec<Problem>> {
    parse(Path::new("acme-g1.toml"), text.as_bytes()).map(|_| ())
}

/// Replaces `old` and gives the problems.
fn spoiled(old: &str, new: &str) -> Vec<Problem> {
    assert!(GAS.contains(old), "{old}");
    load(&GAS.replacen(old, new, 1)).expect_err(new)
}

#[test]
fn the_sound_one_loads() {
    load(GAS).unwrap();
    load(&format!("\u{feff}{GAS}")).unwrap();
    load(&GAS.replace('\n', "\r\n")).unwrap();
}

#[test]
fn each_mistake_is_told_with_its_line_and_remedy() {
    let no_order = ("type = \"u32\"\nword_order = \"ABCD\"", "type = \"u32\"");
    let table: &[(&str, &str, usize, &str)] = &[
        ("class = \"gas\"", "class = \"gass\"", 4, "did you mean `gas`"),
        ("source = \"manual\"", "sauce = \"manual\"", 6, "did you mean `source`"),
        ("limit = 25.0", "limt = 25.0", 34, "did you mean `limit`"),
        ("type = \"bool\"", "type = \"u16\"", 20, "can only be bool"),
        ("\nactive_when = 1", "", 20, "`active_when` is missing"),
        (no_order.0, no_order.1, 27, "`word_order` is missing"),
        ("type = \"u16\"", "type = \"u16\"\nword_order = \"ABCD\"", 13, "no `word_order`"),
        ("type = \"u16\"", "type = \"u16\"\nscale = { denominator = 0 }", 13, "`denominator` cannot be 0"),
        ("type = \"u16\"", "type = \"u16\"\nscale = { numerator = 0 }", 13, "a scale of 0"),
        ("type = \"u16\"", "type = \"string\"\nregisters = 126", 13, "`registers` cannot be 126"),
        ("address = 2", "address = 65536", 11, "write 0 to 65535"),
        ("address = 4", "address = 65535", 26, "beyond address 65535"),
        ("address = 2", "address = 9223372036854775808", 11, "cannot be 9223372036854775808"),
        ("address = 2", "address = -1", 11, "cannot be -1"),
        ("address = 2", "address = \"2\"", 11, "cannot be a text"),
        ("[0.0, 100.0]", "[100.0, 0.0]", 14, "not below"),
        ("[0.0, 100.0]", "[nan, 100.0]", 14, "cannot be NaN"),
        ("[0.0, 100.0]", "[0.0, inf]", 14, "cannot be inf"),
        ("[0.0, 100.0]", "[0.0]", 14, "has 1 items"),
        ("limit = 25.0", "limit = 50.1", 34, "above 50 %LEL"),
        ("limit = 25.0", "limit = nan", 34, "cannot be NaN"),
        ("limit = 25.0", "limit = 500.0\noverride_reason = \"tested\"", 34, "outside the point's range"),
        ("limit = 25.0\npriority = \"emergency\"", "limit = 30\npriority = \"urgent\"", 34, "above 25 %LEL"),
        ("limit = 25.0", "limit = 25.0\non_delay_s = 1e9", 35, "write 0 to 86400"),
        ("limit = 25.0", "limit = 25.0\nmedian = 4", 35, "odd number"),
        ("limit = 25.0", "limit = 25.0\nwindow_s = 600", 35, "no `window_s`"),
        ("limit = 25.0", "", 33, "`limit` is missing"),
        ("point = \"gas\"", "point = \"gaz\"", 32, "did you mean `gas`"),
        ("point = \"gas\"", "point = \"fault\"", 33, "for quantities"),
        ("name = \"fault\"", "name = \"gas\"", 16, "there twice"),
        ("name = \"gas\"", "name = \"../gas\"", 8, "cannot be used"),
        ("zh = \"燃气\"", "zh = \"燃\\u202E气\"", 3, "U+202E"),
        ("zh = \"燃气\"", "zh = \"燃\u{202e}气\"", 3, "U+202E"),
        ("zh = \"燃气\"", "zh = \"\"", 3, "has 0 characters"),
        ("model = \"G1\"", "model = \"G1\"\nmodel = \"G2\"", 3, "duplicate"),
    ];
    let mut missed = Vec::new();
    for (old, new, line, wanted) in table {
        let problems = spoiled(old, new);
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        if !problems.iter().zip(&told).any(|(problem, told)| problem.line == *line && told.contains(wanted)) {
            missed.push(format!("{new:?} at line {line} with {wanted:?}, not\n{}", told.join("\n")));
        }
        assert!(problems.iter().all(|problem| !problem.what.zh.is_empty() && !problem.remedy.zh.is_empty()));
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn all_is_told_at_once_and_in_order() {
    let text = GAS
        .replace("limit = 25.0", "limit = 90.0\ncolour = \"red\"")
        .replace("unit = \"%LEL\"", "unit = \"%LEL\"\nsize = 3")
        .replace("name = \"fault\"", "name = \"Fault\"");
    let problems = load(&text).unwrap_err();
    let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [14, 17, 35, 36], "{problems:#?}");
    let text = problems[0].to_string();
    assert!(text.starts_with("acme-g1.toml:14:1: unknown key `size`; allowed here: "), "{text}");
    assert!(text.contains("不认识的键 `size`"), "{text}");
}

#[test]
fn columns_count_characters_not_bytes() {
    let problems =
        spoiled("title = { zh = \"燃气\", en = \"Gas\" }", "title = { zh = \"燃气\", eng = \"Gas\" }");
    let unknown = problems.iter().find(|problem| problem.what.en.contains("`eng`")).unwrap();
    assert_eq!((unknown.line, unknown.column), (3, 22));
}

#[test]
fn writes_may_not_overlap_nor_be_forbidden() {
    let reset = "[reset]\ntable = \"holding_register\"\naddress = 7\nvalue = 1\n";
    let step = "[[provisioning]]\nstep = \"write_unit_id\"\naddress = 7\n";
    let forbidden = "[[forbidden]]\naddress = 7\nvalues = [1]\n";
    load(&format!("{GAS}{reset}")).unwrap();
    load(&format!("{GAS}{step}")).unwrap();
    let told = |text: String| load(&text).unwrap_err().iter().map(ToString::to_string).collect::<String>();
    assert!(told(format!("{GAS}{reset}{step}")).contains("already written for another purpose"));
    assert!(told(format!("{GAS}{reset}{forbidden}")).contains("listed under [[forbidden]]"));
    let writable = GAS.replacen("type = \"u16\"", "type = \"u16\"\nwritable = true", 1);
    load(&writable).unwrap();
    let clash = format!("{writable}{}", reset.replace("= 7", "= 2"));
    assert!(told(clash).contains("already written"));
    let input = GAS.replacen("type = \"bool\"", "type = \"bool\"\nwritable = true", 1);
    assert!(told(input).contains("cannot be written"));
}

#[test]
fn reserved_unit_ids_need_a_word() {
    let serial = "[serial]\nbaud = 9600\nparity = \"none\"\nstop_bits = 1\nunit_id = 255\n";
    let told = load(&format!("{GAS}{serial}")).unwrap_err();
    assert!(told[0].remedy.en.contains("unit_id_opt_in"), "{told:?}");
    load(&format!("unit_id_opt_in = true\n{GAS}{serial}")).unwrap();
    assert!(load(&format!("{GAS}{}", serial.replace("255", "0"))).is_err());
}

#[test]
fn a_gas_limit_above_the_standard_needs_its_reason() {
    let text =
        GAS.replace("limit = 25.0", "limit = 60.0\noverride_reason = \"boiler room, fire brigade 2026-04\"");
    load(&text).unwrap();
}

#[test]
fn a_call_unit_must_prove_who_it_is() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../device-profiles/shouwang-call-button.toml");
    let text = fs::read_to_string(&file).unwrap();
    let start = text.find("[[identity]]").unwrap();
    let end = text.find("[[point]]").unwrap();
    let without = format!("{}{}", &text[..start], &text[end..]);
    let problems = parse(&file, without.as_bytes()).unwrap_err();
    assert!(problems[0].what.en.contains("needs [[identity]]"), "{problems:?}");
}

#[test]
fn the_corpus_of_bad_files_is_refused_in_words() {
    let deep_list = format!("a = {}", "[".repeat(20_000));
    let deep_table = format!("{} = 1", vec!["a"; 20_000].join("."));
    let deep_inline = "a = {b = ".repeat(20_000);
    let long = " ".repeat(MAX_BYTES + 1);
    let many_points = "[[point]]\n".repeat(20_000);
    let corpus: &[&[u8]] = &[
        b"",
        b"\xff\xfe",
        b"vendor = \"\xff\"",
        b"vendor = \"a\0b\"",
        b"\0",
        b"\xef\xbb\xbf",
        b"vendor",
        b"= 1",
        b"[point]\nname = 1",
        b"point = 3",
        b"point = []",
        b"[[point]]",
        b"vendor = { zh = 1 }",
        b"vendor = 2026-05-01",
        b"x = 1e999",
        b"x = 0xFFFFFFFFFFFFFFFFFF",
        deep_list.as_bytes(),
        deep_table.as_bytes(),
        deep_inline.as_bytes(),
        long.as_bytes(),
        many_points.as_bytes(),
    ];
    for bytes in corpus {
        let problems = parse(Path::new("acme-g1.toml"), bytes).expect_err("a bad file loads");
        assert!(!problems.is_empty() && problems.len() <= 101);
        assert!(problems.iter().all(|problem| problem.line >= 1 && problem.to_string().len() < 3000));
    }
}

#[test]
fn folders_add_to_what_ships_and_win_over_it() {
    let dir = tempfile::tempdir().unwrap();
    let shipped = Catalog::shipped();
    fs::write(dir.path().join("acme-g1.toml"), GAS).unwrap();
    fs::write(dir.path().join("renke-rs-ws-n01.toml"), GAS).unwrap();
    fs::write(dir.path().join("notes.txt"), "no profile").unwrap();
    std::os::unix::fs::symlink(dir.path().join("acme-g1.toml"), dir.path().join("acme-g2.toml")).unwrap();
    let catalog = Catalog::load(&[dir.path().to_owned()]).unwrap();
    assert_eq!(catalog.iter().count(), shipped.iter().count() + 2);
    assert_eq!(catalog.get("renke-rs-ws-n01").unwrap().vendor, "Acme");
    assert_eq!(catalog.get("acme-g2").unwrap().name, "acme-g2");
    assert!(catalog.get("../acme-g1").is_none());
    assert_eq!(catalog.closest("renke-rs-yg-no1"), Some("renke-rs-yg-n01"));

    fs::write(dir.path().join("Bad Name.toml"), GAS).unwrap();
    fs::write(dir.path().join("acme-g3.toml"), "vendor = 1").unwrap();
    let problems = Catalog::load(&[dir.path().to_owned(), dir.path().join("missing")]).unwrap_err();
    for wanted in ["Bad Name.toml:1:1", "acme-g3.toml:1:10", "missing:1:1: cannot be read"] {
        assert!(
            problems.iter().any(|problem| problem.to_string().contains(wanted)),
            "{wanted}: {problems:?}"
        );
    }
}

fn gas_condition() -> (shouwang_core::profile::Profile, Condition) {
    let (profile, _) = parse(Path::new("acme-g1.toml"), GAS.as_bytes()).unwrap();
    let condition = profile.conditions[0].clone();
    (profile, condition)
}

#[test]
fn a_device_tunes_a_condition_within_the_same_limits() {
    let (profile, mut condition) = gas_condition();
    let sound = Tuning {
        limit: Some(20.0),
        deadband: Some(1.0),
        on_delay_s: Some(1.5),
        median: Some(3),
        ..Tuning::default()
    };
    assert_eq!(tune(&profile, &mut condition, &sound), []);
    assert_eq!(condition.test, Test::High { limit: 20.0 });
    assert_eq!((condition.on_delay.as_millis(), condition.median), (1500, 3));

    let before = condition.clone();
    for (tuning, key) in [
        (Tuning { limit: Some(60.0), ..Tuning::default() }, "limit"),
        (Tuning { limit: Some(f64::NAN), ..Tuning::default() }, "limit"),
        (Tuning { priority: Some(Priority::Advisory), ..Tuning::default() }, "priority"),
        (Tuning { on_delay_s: Some(1e9), ..Tuning::default() }, "on_delay_s"),
        (Tuning { deadband: Some(-1.0), ..Tuning::default() }, "deadband"),
        (Tuning { median: Some(4), ..Tuning::default() }, "median"),
        (Tuning { in_a_row: Some(0), ..Tuning::default() }, "in_a_row"),
    ] {
        let complaints = tune(&profile, &mut condition, &tuning);
        assert_eq!(complaints.iter().map(|complaint| complaint.key).collect::<Vec<_>>(), [key]);
        assert_eq!(condition, before, "a refused tuning changes nothing");
    }
    let reasoned =
        Tuning { limit: Some(60.0), override_reason: Some("boiler room".into()), ..Tuning::default() };
    assert_eq!(tune(&profile, &mut condition, &reasoned), []);
}

#[test]
fn a_device_must_state_what_its_profile_leaves_open() {
    let catalog = Catalog::shipped();
    let probe = catalog.get("generic-qdy30a").unwrap();
    let keys = |installed: &Installed| {
        installed_complaints(probe, installed).iter().map(|complaint| complaint.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(&Installed::default()), ["unit"]);
    assert_eq!(keys(&Installed { unit: Some("furlong".into()), ..Installed::default() }), ["unit"]);
    assert_eq!(keys(&Installed { unit: Some("mm".into()), ..Installed::default() }), [""; 0]);
    let hung = Installed { unit: Some("mm".into()), mounting_height_m: Some(3.0), ..Installed::default() };
    assert_eq!(keys(&hung), ["mounting_height_m"]);
    let smoke = catalog.get("renke-rs-yg-n01").unwrap();
    let told = installed_complaints(smoke, &Installed { unit: Some("m".into()), ..Installed::default() });
    assert_eq!(told.len(), 1);
}

proptest! {
    #[test]
    fn no_bytes_crash_the_loader(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(Path::new("acme-g1.toml"), &bytes);
    }

    /// Any one line lost, doubled or cut: refused or loaded, never a crash, and always with a place.
    #[test]
    fn no_spoiled_line_crashes_the_loader(line in 0usize..40, cut in 0usize..40, what in 0u8..3) {
        let mut lines: Vec<String> = GAS.lines().map(str::to_owned).collect();
        let line = line % lines.len();
        match what {
            0 => { lines.remove(line); }
            1 => { let again = lines[line].clone(); lines.insert(line, again); }
            _ => { lines[line] = lines[line].chars().take(cut).collect(); }
        }
        if let Err(problems) = load(&lines.join("\n")) {
            prop_assert!(!problems.is_empty());
            prop_assert!(problems.iter().all(|problem| problem.line <= lines.len() + 1));
        }
    }
}
