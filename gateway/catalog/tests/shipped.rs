//! The profiles that ship: they load, their examples hold, the folder, the list and the schema agree.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use shouwang_catalog::{Catalog, examples, parse, schema, show, template};
use shouwang_core::profile::{Grade, Raises};
use shouwang_message::{Class, Priority};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../device-profiles")
}

fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_file_in_the_folder_loads_and_is_built_in() {
    let built_in: BTreeSet<String> =
        Catalog::shipped().iter().map(|entry| entry.profile.name.clone()).collect();
    let mut in_folder = BTreeSet::new();
    for file in files() {
        match parse(&file, &std::fs::read(&file).unwrap()) {
            Ok((profile, _)) => in_folder.insert(profile.name),
            Err(problems) => {
                let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
                panic!("{}", all.join("\n"));
            }
        };
    }
    assert_eq!(built_in, in_folder);
    assert_eq!(built_in.len(), 30);
}

#[test]
fn every_example_means_what_it_says() {
    let mut wrong = Vec::new();
    for entry in Catalog::shipped().iter() {
        let name = &entry.profile.name;
        assert!(entry.examples.len() >= 3, "{name} has too few examples");
        for example in entry.examples.iter() {
            if let Err(mismatches) = examples::run(&entry.profile, example) {
                wrong.extend(mismatches.iter().map(|mismatch| format!("{name} {mismatch}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_profile_shows_a_value_a_reason_and_each_alarm() {
    for entry in Catalog::shipped().iter() {
        let name = &entry.profile.name;
        let readings = || entry.examples.iter().flat_map(|example| &example.readings);
        assert!(readings().any(|(_, expected)| matches!(expected, examples::Expected::Good(_))), "{name}");
        assert!(
            readings().any(|(_, expected)| matches!(expected, examples::Expected::Bad(_)))
                || entry.examples.iter().any(|example| !example.judgements.is_empty()),
            "{name} has no example without a value"
        );
        for condition in entry.profile.conditions.iter().filter(|condition| {
            condition.raises == Raises::Alarm && condition.priority == Priority::Emergency
        }) {
            let shown = entry.examples.iter().any(|example| example.judgements.contains(&condition.name));
            assert!(shown, "{name}: no example raises {}", condition.name);
        }
    }
}

#[test]
fn an_example_that_does_not_hold_is_found() {
    let file = folder().join("renke-rs-yg-n01.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("smoke = false", "smoke = true");
    let (profile, examples) = parse(&file, text.as_bytes()).unwrap();
    let profile = std::sync::Arc::new(profile);
    let wrong: Vec<String> = examples
        .iter()
        .filter_map(|example| examples::run(&profile, example).err())
        .flatten()
        .map(|mismatch| mismatch.to_string())
        .collect();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].contains("`smoke` is false, expected true"), "{}", wrong[0]);
}

#[test]
fn what_nobody_confirmed_says_so_where_people_look() {
    for entry in Catalog::shipped().iter() {
        let shown = show(&entry.profile);
        let unconfirmed = entry.profile.source.to_lowercase().contains("unconfirmed");
        assert_eq!(shown.contains("UNCONFIRMED"), unconfirmed, "{shown}");
        assert_ne!(entry.profile.verified, Grade::Bench, "nothing has been on a bench yet");
        for point in &entry.profile.points {
            assert!(shown.contains(&point.name), "{shown}");
        }
    }
}

#[test]
fn life_safety_alarms_are_emergencies_and_latched() {
    let catalog = Catalog::shipped();
    for class in [Class::Smoke, Class::Gas, Class::Co, Class::Call] {
        let mut devices = catalog.iter().filter(|entry| entry.profile.class == class).peekable();
        assert!(devices.peek().is_some(), "no profile of class {class}");
        for entry in devices {
            let worst = entry.profile.conditions.iter().find(|condition| {
                condition.raises == Raises::Alarm
                    && condition.priority == Priority::Emergency
                    && condition.latched
            });
            assert!(worst.is_some(), "{}", entry.profile.name);
        }
    }
}

/// `UPDATE=1 cargo test -p shouwang-catalog schema` writes it anew.
#[test]
fn schema_has_not_drifted() {
    let file = folder().join("profile.schema.json");
    let fresh = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &fresh).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == fresh, "{} is out of date: run this test with UPDATE=1", file.display());
}

#[test]
fn the_readme_teaches_a_profile_that_loads() {
    let (profile, examples) = parse(Path::new("acme-leak-1.toml"), template().as_bytes()).unwrap();
    let profile = std::sync::Arc::new(profile);
    assert!(examples.len() >= 3);
    for example in &examples {
        examples::run(&profile, example).unwrap();
    }
}
