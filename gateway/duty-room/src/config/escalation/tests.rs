//! What a ladder may say, and what is refused because it would wake nobody.
use std::path::Path;

use super::*;

const PEOPLE: &str = r#"
[[organisation]]
id = "heping"
kind = "community"
[[organisation]]
id = "hp-07"
kind = "grid"
parent = "heping"
[[person]]
id = "wang"
name = "王建国"
phone = "138-0013-8000"
role = "grid-worker"
of = "hp-07"
[[person]]
id = "li"
phone = "+8613800138001"
role = "on-duty"
[[person]]
id = "zhao"
role = "secretary"
"#;
const TABLE: &str = "[[responder]]\ngrid = \"hp-07\"\npersons = [\"wang\", \"li\"]\n";
const LADDER: &str = r#"
[escalation]
emergency = [
  { after_s = 0, tell = ["group", "sms"], to = "responder" },
  { after_s = 30, tell = ["sms"], to = ["on-duty", "wang"] },
]
urgent = [{ after_s = 0, tell = "group" }]
"#;

/// What it says, and everything wrong with it.
fn read(text: &str) -> (Organisation, Escalation, Vec<String>) {
    let mut reader = Reader { path: Path::new("d.toml"), text, problems: Vec::new() };
    let (table, errors) = DeTable::parse_recoverable(text);
    assert!(errors.is_empty(), "{errors:?}");
    let id = |id: &str| id.parse::<Id>().unwrap();
    let channels = [(id("group"), Reach::Group), (id("sms"), Reach::Person { answers: true })];
    let organisation = reader.organisation(table.get_ref());
    let escalation = reader.escalation(table.get_ref(), channels.into(), &organisation);
    (organisation, escalation, reader.problems.iter().map(ToString::to_string).collect())
}

#[track_caller]
fn is_wrong(text: &str, wanted: &[&str]) {
    let (.., problems) = read(text);
    assert_eq!(problems.len(), wanted.len(), "{problems:#?}");
    for (problem, wanted) in problems.iter().zip(wanted) {
        assert!(problem.contains(wanted), "{problem} says nothing of {wanted}");
    }
}

#[test]
fn a_good_ladder() {
    let (organisation, escalation, problems) = read(&format!("{PEOPLE}{TABLE}{LADDER}"));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(organisation.persons[0].phone.as_deref(), Some("13800138000"));
    let steps = &escalation.steps[&Priority::Emergency];
    assert_eq!(steps[1].after, Duration::from_secs(30));
    assert_eq!(steps[0].to, [Target::Responder]);
    assert!(matches!(steps[1].to[..], [Target::Role(_), Target::Person(_)]));
    assert_eq!(escalation.dispatch.len(), 1);
    let everybody = anybody_meant(&[Target::Responder], &organisation);
    assert_eq!(everybody.iter().map(|person| person.name.as_str()).collect::<Vec<_>>(), ["王建国", "li"]);
}

#[test]
fn who_leads_is_told_that_nobody_watches_and_without_a_leader_whoever_is_told_last() {
    let (_, escalation, _) = read(&format!("{PEOPLE}{TABLE}{LADDER}"));
    let [step] = &escalation.watch[..] else { panic!("{:?}", escalation.watch) };
    assert_eq!(step.channels, ["sms".parse::<Id>().unwrap()], "no robot");
    assert!(matches!(step.to[..], [Target::Role(_), Target::Person(_)]), "as after 30 s: {step:?}");
    let people = PEOPLE.replace("\"secretary\"", "\"leader\"\nphone = \"13800138009\"");
    let (_, escalation, problems) = read(&format!("{people}{TABLE}{LADDER}"));
    assert_eq!(escalation.watch[0].to, [Target::Role("leader".parse().unwrap())], "{problems:?}");
    let own = "watch = [{ after_s = 0, tell = [\"group\", \"sms\"], to = \"wang\" }, { after_s = 600, tell = \"sms\", to = \"li\" }]\n";
    let (_, escalation, problems) = read(&format!("{PEOPLE}{TABLE}{LADDER}{own}"));
    assert_eq!((escalation.watch.len(), problems.len()), (2, 0), "{problems:?}");
    // A siren in an empty room wakes nobody.
    let robot = own.replace("[\"group\", \"sms\"]", "\"group\"");
    is_wrong(&format!("{PEOPLE}{TABLE}{LADDER}{robot}[sounder]\n"), &["无人值守第 0 秒这一步叫不醒人"]);
}

/// As whoever takes the leading marks away would have it.
#[test]
fn the_examples_ladder_is_sound() {
    let example = crate::format::example();
    let block = &example[example.find("# [[organisation]]").unwrap()..];
    let block = block.split("\n\n").next().unwrap();
    let text: String = block.lines().map(|line| format!("{}\n", line.strip_prefix("# ").unwrap())).collect();
    let text = text
        .replace("group-wecom", "group")
        .replace("\"voice\"", "\"sms\"")
        .replace(", \"sms\", \"sms\"", ", \"sms\"");
    let text = text.replace("[\"sms\", \"sms\"]", "[\"sms\"]");
    let (organisation, escalation, problems) = read(&text);
    assert!(problems.is_empty(), "{problems:?}");
    let after: Vec<u64> =
        escalation.steps[&Priority::Emergency].iter().map(|step| step.after.as_secs()).collect();
    assert_eq!((after, organisation.persons.len()), (vec![0, 30, 60, 180], 4));
    assert_eq!(escalation.watch.len(), 2);
}

#[test]
fn an_emergency_step_that_wakes_nobody_is_refused() {
    let ladder = LADDER.replace("\"group\", \"sms\"", "\"group\"");
    is_wrong(&format!("{PEOPLE}{TABLE}{ladder}"), &["d.toml:28:3: 紧急报警第 0 秒这一步叫不醒人"]);
}

#[test]
fn a_siren_wakes_who_is_in_the_room_but_somebodys_phone_must_be_reached_too() {
    let siren = "[sounder]\n";
    let ladder = LADDER.replace("\"group\", \"sms\"", "\"group\"");
    is_wrong(&format!("{PEOPLE}{TABLE}{ladder}{siren}"), &[]);
    let ladder = ladder.replace("\"sms\"", "\"group\"");
    is_wrong(&format!("{PEOPLE}{TABLE}{ladder}{siren}"), &["no step for emergencies ever reaches a phone"]);
}

#[test]
fn words_that_mean_nothing_name_what_was_probably_meant() {
    let ladder = LADDER.replace("[\"sms\"]", "[\"smss\"]").replace("\"on-duty\"", "\"on_duty\"");
    let text = format!("{PEOPLE}{TABLE}{ladder}").replace("grid = \"hp-07\"", "grid = \"hp-7\"");
    is_wrong(
        &text,
        &["did you mean \"hp-07\"", "calls nobody", "did you mean \"sms\"", "did you mean \"on-duty\""],
    );
}

#[test]
fn a_call_to_nobody_or_to_somebody_without_a_phone_is_refused() {
    let ladder = LADDER.replace("to = [\"on-duty\", \"wang\"]", "to = \"secretary\"");
    is_wrong(&format!("{PEOPLE}{TABLE}{ladder}"), &["without a phone: zhao"]);
    let ladder = LADDER.replace(", to = [\"on-duty\", \"wang\"]", "");
    is_wrong(&format!("{PEOPLE}{TABLE}{ladder}"), &["calls nobody"]);
    let ladder = LADDER.replace("tell = [\"sms\"]", "tell = []");
    is_wrong(&format!("{PEOPLE}{TABLE}{ladder}"), &["a step without a channel"]);
}

#[test]
fn hours_at_which_nobody_answers_are_refused_for_each_class_and_grid() {
    let table = TABLE.replace("persons", "class = [\"smoke\", \"gas\", \"co\", \"call\"]\nhours = [\"mon-fri 08:00-20:00\", \"20:00-08:00\"]\npersons");
    is_wrong(
        &format!("{PEOPLE}{table}{LADDER}"),
        &[
            "网格 hp-07 的 water_level 在 mon 00:00 - sun 24:00 无人负责",
            "网格 hp-07 的 smoke, gas, co, call 在 sat 08:00 - sat 20:00 (+1) 无人负责",
        ],
    );
    is_wrong(&format!("{PEOPLE}{LADDER}"), &["calls nobody", "no [[responder]]"]);
}

#[test]
fn steps_out_of_order_and_a_ladder_without_emergencies_are_refused() {
    let ladder = LADDER.replace("after_s = 30", "after_s = 0");
    is_wrong(&format!("{PEOPLE}{TABLE}{ladder}"), &["is not after the step before"]);
    let ladder = LADDER.replace("emergency", "ordinary");
    is_wrong(&format!("{PEOPLE}{TABLE}{ladder}"), &["no steps for emergencies"]);
}

#[test]
fn everything_wrong_with_the_people_is_told_at_once() {
    let text = "[[organisation]]\nid = \"a\"\nkind = \"grit\"\n[[organisation]]\nid = \"b\"\nkind = \"street\"\nparent = \"c\"\n\
                [[person]]\nid = \"x\"\nphone = \"call me\"\nrol = \"y\"\n[[person]]\nid = \"x\"\nphone = \"123\"\n\
                [[person]]\nid = \"y\"\nphone = \"1-23\"\nof = \"d\"\n[[responder]]\nhours = \"mo 8-9\"\nclass = \"smok\"\n";
    is_wrong(
        text,
        &[
            "d.toml:3:8: 没有这种单位",
            "没有单位 \"c\"",
            "d.toml:11:1: unknown key person.rol",
            "不是电话号码",
            "the id x stands twice",
            "the same number as x",
            "没有单位 \"d\"",
            "did you mean \"smoke\"",
            "hours \"mo 8-9\"",
            "persons is missing or empty",
        ],
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(\\[\\[responder\\]\\]\n|\\[escalation\\]\n|persons = \\[\"a\"\\]\n|hours = \"[0-9:, a-z-]{0,12}\"\n|emergency = \\[\\{ ?(after_s = [0-9]{1,12})? ?\\}\\]\n)*") {
        let _ = crate::Config::parse(Path::new("x.toml"), &text);
    }
}
