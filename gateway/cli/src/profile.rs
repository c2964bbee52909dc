//! `profile`: what models there are, what one means, and whether a file is sound.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use shouwang_catalog::{Catalog, Example, Problem, examples, parse, show};
use shouwang_core::profile::{Grade, Profile};

use crate::arguments::ProfileVerb;
use crate::exit::{Code, Exit};
use crate::print;

pub(crate) mod new;

pub(crate) fn profile(verb: ProfileVerb) -> Result<(), Exit> {
    match verb {
        ProfileVerb::List { dir, json } => list(&dir, json),
        ProfileVerb::Show { name, dir } => explain(&name, &dir),
        ProfileVerb::Check { files, json } => check(&files, json),
        ProfileVerb::New(wanted) => new::new(wanted),
    }
}

fn list(dirs: &[PathBuf], json: bool) -> Result<(), Exit> {
    let catalog = Catalog::load(dirs).map_err(|problems| Exit::bad(&problems))?;
    for entry in catalog.iter() {
        let profile = &entry.profile;
        if json {
            let object = json!({"name": profile.name, "class": profile.class, "title": profile.title,
                "verified": grade(profile.verified), "source": profile.source, "shipped": entry.shipped});
            print::line(&object.to_string())?;
        } else {
            let (class, grade) = (profile.class.as_str(), grade(profile.verified));
            let title = &profile.title;
            print::line(&format!(
                "{:<24} {class:<14} {grade:<10} {} · {}",
                profile.name, title.zh, title.en
            ))?;
        }
    }
    Ok(())
}

fn explain(name: &str, dirs: &[PathBuf]) -> Result<(), Exit> {
    let catalog = Catalog::load(dirs).map_err(|problems| Exit::bad(&problems))?;
    match catalog.get(name) {
        Some(profile) => print::line(show(profile).trim_end()),
        None => {
            let near = catalog.closest(name).map(|near| format!(";是不是 {near}?· did you mean {near}?"));
            let near = near.unwrap_or_default();
            let why = format!("没有型号 {name} · no profile is called {name}{near}\n  shouwang profile list");
            Err(Exit::Because(Code::Bad, why))
        }
    }
}

fn check(files: &[PathBuf], json: bool) -> Result<(), Exit> {
    let mut sound = true;
    for file in files {
        sound &= check_one(file, json)?;
    }
    if sound { Ok(()) } else { Err(Exit::Said(Code::Bad)) }
}

fn check_one(file: &Path, json: bool) -> Result<bool, Exit> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => return complain(file, 1, 1, &error.to_string(), json).map(|()| false),
    };
    let (profile, examples) = match parse(file, &bytes) {
        Ok(parsed) => parsed,
        Err(problems) => return tell_problems(&problems, json).map(|()| false),
    };
    let run = run_examples(file, &Arc::new(profile), &examples, json)?;
    if run && json {
        print::line(&json!({"file": file, "ok": true, "examples": examples.len()}).to_string())?;
    } else if run {
        let (file, count) = (file.display(), examples.len());
        print::line(&format!("{file}: 无误,{count} 个样例通过 · sound, {count} examples pass"))?;
    }
    Ok(run)
}

fn run_examples(file: &Path, profile: &Arc<Profile>, examples: &[Example], json: bool) -> Result<bool, Exit> {
    let mut sound = true;
    for example in examples {
        for mismatch in examples::run(profile, example).err().unwrap_or_default() {
            sound = false;
            complain(file, mismatch.line, 1, &mismatch.to_string(), json)?;
        }
    }
    Ok(sound)
}

fn tell_problems(problems: &[Problem], json: bool) -> Result<(), Exit> {
    for problem in problems {
        if json {
            let object = json!({"file": problem.file, "line": problem.line, "column": problem.column,
                "what": problem.what, "remedy": problem.remedy});
            print::line(&object.to_string())?;
        } else {
            eprintln!("{problem}");
        }
    }
    Ok(())
}

fn complain(file: &Path, line: usize, column: usize, what: &str, json: bool) -> Result<(), Exit> {
    if json {
        let object = json!({"file": file, "line": line, "column": column, "what": {"zh": what, "en": what}});
        print::line(&object.to_string())
    } else {
        eprintln!("{}:{line}:{column}: {what}", file.display());
        Ok(())
    }
}

fn grade(grade: Grade) -> &'static str {
    match grade {
        Grade::Bench => "bench",
        Grade::Vendor => "vendor",
        Grade::Community => "community",
    }
}
