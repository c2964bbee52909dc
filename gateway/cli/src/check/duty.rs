//! What `check` says of a duty room that is sound: who is told when through what, and who answers at which hour.
use serde_json::json;
use shouwang_board::Reach;
use shouwang_board::organisation::{Target, WEEK, week_words};
use shouwang_duty_room::Config;
use shouwang_duty_room::config::organisation::{EMERGENCIES, answered_grids};

use crate::exit::Exit;
use crate::print;

pub(super) fn show(config: &Config, json: bool) -> Result<(), Exit> {
    show_web(config, json)?;
    show_ladder(config, json)?;
    if config.organisation.responders.is_empty() { Ok(()) } else { show_answers(config, json) }
}

/// Who can open the pages, and until when their certificate is good.
fn show_web(config: &Config, json: bool) -> Result<(), Exit> {
    let web = &config.web;
    let Some(certificate) = &web.certificate else {
        if web.listen.ip().is_loopback() {
            return Ok(());
        }
        let (code, zh, en) = match web.allow_plaintext {
            true => (
                "plaintext",
                "网页不加密,密码和登录会明文经过网络",
                "pages are in the clear: passwords and sessions cross the network readable",
            ),
            false => (
                "this_machine_only",
                "网页没有证书,只有本机能打开;在 [web] 写 certificate = \"generated\"",
                "pages have no certificate, so only this machine is answered: write certificate = \"generated\" below [web]",
            ),
        };
        return print::line(&match json {
            true => json!({"warning": code}).to_string(),
            false => format!("警告:{zh} · warning: {en}"),
        });
    };
    // It was read with the configuration; one that is to be made is not there yet.
    let Ok(Some(about)) = certificate.read(&config.state_dir) else {
        return print::line(&match json {
            true => json!({"certificate": {"made_at_start": true}}).to_string(),
            false => "证书:首次启动时自己做一张 · certificate: made at the first start".into(),
        });
    };
    let (fingerprint, ends) = (&about.fingerprint, about.ends.to_string());
    if json {
        let object = json!({"certificate": {"fingerprint": fingerprint, "ends": ends,
            "self_signed": about.is_self_signed}});
        return print::line(&object.to_string());
    }
    let day = ends.get(..10).unwrap_or_default();
    print::line(&format!(
        "证书:到 {day},SHA-256 指纹 · certificate: until {day}, SHA-256 fingerprint\n  {fingerprint}"
    ))
}

fn show_ladder(config: &Config, json: bool) -> Result<(), Exit> {
    let escalation = &config.escalation;
    if escalation.steps.is_empty() {
        if json {
            return print::line(&json!({"warning": "no_escalation"}).to_string());
        }
        return print::line(
            "警告:没有 [escalation],值守页都关着时没有人会被叫醒 · warning: without [escalation] nobody is woken while no \
             page is open",
        );
    }
    let watch = Some(("watch", &escalation.watch)).filter(|(_, steps)| !steps.is_empty());
    let alarms = escalation.steps.iter().map(|(priority, steps)| (priority.as_str(), steps));
    for (priority, steps) in alarms.chain(watch) {
        for step in steps {
            let after_s = step.after.as_secs();
            let to: Vec<&str> = step.to.iter().map(target).collect();
            let personal = |id| matches!(escalation.channels.get(id), Some(Reach::Person { .. }));
            if json {
                let object = json!({"escalation": {"priority": priority, "after_s": after_s,
                    "tell": step.channels, "to": to, "calls": step.channels.iter().any(personal)}});
                print::line(&object.to_string())?;
                continue;
            }
            let channels: Vec<&str> = step.channels.iter().map(|id| id.as_str()).collect();
            let to = if to.is_empty() { String::new() } else { format!(" → {}", to.join(", ")) };
            print::line(&format!("{priority} {after_s} s:{}{to}", channels.join(", ")))?;
        }
    }
    Ok(())
}

fn target(target: &Target) -> &str {
    match target {
        Target::Responder => "responder",
        Target::Person(id) | Target::Role(id) => id.as_str(),
    }
}

/// Classes for which the same people answer at the same hours are one.
fn show_answers(config: &Config, json: bool) -> Result<(), Exit> {
    for grid in answered_grids(&config.organisation) {
        let mut told: Vec<(Vec<&str>, Vec<_>)> = Vec::new();
        for class in EMERGENCIES {
            let schedule = config.organisation.schedule(class, grid.as_ref().map(|grid| grid.as_str()));
            match told.iter_mut().find(|(_, same)| *same == schedule) {
                Some((classes, _)) => classes.push(class.as_str()),
                None => told.push((vec![class.as_str()], schedule)),
            }
        }
        for (classes, schedule) in told {
            for (from, to, persons) in schedule {
                let names: Vec<&str> = persons.iter().map(|person| person.name.as_str()).collect();
                let (from_words, to_words) = (week_words(from), week_words(to));
                if json {
                    let object = json!({"answers": {"grid": grid, "classes": classes, "from": from_words,
                        "to": to_words, "persons": names}});
                    print::line(&object.to_string())?;
                    continue;
                }
                let hours = match (from, to) {
                    (0, WEEK) => "全周 · all week".to_owned(),
                    _ => format!("{from_words} - {to_words}"),
                };
                let place = grid.as_ref().map_or("*", |grid| grid.as_str());
                print::line(&format!("{place} {}:{hours}:{}", classes.join(", "), names.join("、")))?;
            }
        }
    }
    Ok(())
}
