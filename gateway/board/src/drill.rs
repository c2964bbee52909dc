//! A drill: alarms that this room plays to itself by a script, marked as such, and who acknowledged which when. No
//! gateway hears of it and nobody outside is told; what is real stands above it and sounds louder.
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shouwang_message::{
    Acknowledged, AlarmDocument, AlarmId, Class, Id, Instant, Mode, Place, Priority, Text, Timestamp,
};

use crate::board::{Board, Effect};
use crate::desk::DeskAsked;
use crate::logbook::LogLine;
use crate::requests::refused;
use crate::row::{Matter, Row};
use crate::trust::shown;
use crate::{Asked, GatewayName, Outcome, Request, kept};

/// Alarms of one script.
const STEPS: usize = 100;
/// A drill ends by itself after this.
const LONGEST: Duration = Duration::from_secs(2 * 3_600);

/// One alarm of the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrillStep {
    /// Seconds since the drill began.
    pub after_s: u32,
    /// Which device is to cry.
    pub device: Id,
    pub condition: String,
}

/// A drill, as it is kept: after a restart it is over, and its table can still be read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Drill {
    by: String,
    began_at: Timestamp,
    ended_at: Option<Timestamp>,
    /// In the order of the script's times.
    steps: Vec<Played>,
    #[serde(skip)]
    since: Instant,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Played {
    after_s: u32,
    site: Id,
    gateway: Id,
    device: Id,
    condition: String,
    class: Class,
    place: Place,
    text: Text,
    alarm: Option<AlarmId>,
    raised_at: Option<Timestamp>,
    acknowledged: Option<Acknowledged>,
}

impl Row {
    /// An alarm that a drill made here.
    pub(crate) fn is_drill(&self) -> bool {
        self.made_here && self.alarm_document().is_some()
    }
}

impl Drill {
    fn is_on(&self) -> bool {
        self.ended_at.is_none()
    }

    fn next(&self) -> Option<&Played> {
        self.steps.iter().find(|step| step.alarm.is_none())
    }
}

impl Board {
    pub(crate) fn start_drill(
        &mut self,
        ticket: u64,
        asked: &DeskAsked,
        script: &[DrillStep],
    ) -> Result<(), Outcome> {
        if self.drill.as_ref().is_some_and(Drill::is_on) {
            return Err(refused("drill_runs", "演练正在进行", "A drill is under way"));
        }
        if script.is_empty() || script.len() > STEPS {
            return Err(refused("script", "演练脚本应有 1 到 100 条", "A script has 1 to 100 alarms"));
        }
        if script.iter().any(|step| Duration::from_secs(step.after_s.into()) >= LONGEST) {
            return Err(refused("too_long", "演练最长 2 小时", "A drill lasts for 2 hours at most"));
        }
        let mut steps: Vec<Played> =
            script.iter().map(|step| self.planned(step)).collect::<Result<_, _>>()?;
        steps.sort_by_key(|step| step.after_s);
        let (by, began_at, since) = (asked.by.clone(), self.wall, self.now);
        self.log_drill("drill.start", &asked.by, &asked.from, alloc::format!("{} alarms", steps.len()));
        self.drill = Some(Drill { by, began_at, ended_at: None, steps, since });
        self.look_at_drill(since);
        self.keep_drill();
        let told = self.drill_words();
        self.effects.push(Effect::ValueAnswer { ticket, told });
        Ok(())
    }

    pub(crate) fn stop_drill(&mut self, ticket: u64, asked: &DeskAsked) -> Result<(), Outcome> {
        if !self.drill.as_ref().is_some_and(Drill::is_on) {
            return Err(refused("no_drill", "没有正在进行的演练", "No drill is under way"));
        }
        self.end_drill(&asked.by, &asked.from);
        let told = self.drill_words();
        self.effects.push(Effect::ValueAnswer { ticket, told });
        Ok(())
    }

    fn planned(&self, step: &DrillStep) -> Result<Played, Outcome> {
        let mut those = self
            .gateways
            .iter()
            .filter_map(|(whom, gateway)| Some((whom, gateway.devices.get(&step.device)?)));
        let known = those.next().and_then(|(whom, device)| Some((whom, device, device.class?)));
        let Some((whom, device, class)) = known else {
            return Err(refused(
                "unknown_device",
                "脚本里有未知的设备",
                "The script names a device that is not here",
            ));
        };
        let text = device.title.as_ref().map_or_else(
            || Text::new("报警", "Alarm"),
            |title| Text::new(alloc::format!("{}报警", title.zh), alloc::format!("{} alarm", title.en)),
        );
        Ok(Played {
            after_s: step.after_s,
            site: whom.site.clone(),
            gateway: whom.gateway.clone(),
            device: step.device.clone(),
            condition: shown(&step.condition),
            class,
            place: device.place.clone(),
            text,
            alarm: None,
            raised_at: None,
            acknowledged: None,
        })
    }

    /// Plays what is due, and ends what lasts too long.
    pub(crate) fn look_at_drill(&mut self, now: Instant) {
        let Some(mut drill) = self.drill.take() else { return };
        let mut played = false;
        if drill.is_on() {
            let since = drill.since;
            let is_due = |step: &&mut Played| {
                step.alarm.is_none() && since + Duration::from_secs(step.after_s.into()) <= now
            };
            for step in drill.steps.iter_mut().filter(is_due) {
                self.play(step);
                played = true;
            }
        }
        let is_over = drill.is_on() && now.since(drill.since) >= LONGEST;
        self.drill = Some(drill);
        if played {
            self.keep_drill();
        }
        if is_over {
            let own = self.settings.name.to_string();
            self.end_drill(&own, "board");
        }
    }

    fn play(&mut self, step: &mut Played) {
        let unix_ms = u64::try_from(self.wall.unix_ms()).unwrap_or_default();
        let chance = (u128::from(self.chance.draw()) << 64) | u128::from(self.chance.draw());
        let id = AlarmId::from_parts(unix_ms, chance);
        (step.alarm, step.raised_at) = (Some(id), Some(self.wall));
        let document = AlarmDocument {
            mode: Mode::Drill,
            place: step.place.clone(),
            text: step.text.clone(),
            ..AlarmDocument::new(
                id,
                step.gateway.clone(),
                step.device.clone(),
                step.condition.clone(),
                step.class,
                Priority::Emergency,
                self.wall,
            )
        };
        let whom = GatewayName { site: step.site.clone(), gateway: step.gateway.clone() };
        self.add(Row { made_here: true, heard: Some(1), ..Row::alarm(&whom, document) });
    }

    /// A person answers an alarm of the drill: here, and nowhere else.
    pub(crate) fn answer_drill(&mut self, ticket: u64, asked: &Asked) -> Result<(), Outcome> {
        let id = asked.alarm;
        if asked.request != Request::Acknowledge {
            return Err(refused("drill", "演练报警只能确认", "An alarm of a drill can only be acknowledged"));
        }
        self.log_request(asked);
        self.accept_by_acknowledging(id, &asked.by, self.wall, &asked.from);
        self.acknowledge_again(id, &asked.by);
        let acknowledged = Acknowledged { by: asked.by.clone(), at: self.wall };
        let now = self.now;
        if let Some(row) = self.rows.get_mut(&id) {
            row.acknowledged_here = Some(now);
            if let Matter::Alarm(document) = &mut row.matter {
                document.revision += 1;
                document.acknowledged = Some(acknowledged.clone());
                row.heard = Some(document.revision);
            }
        }
        let steps = self.drill.as_mut().map(|drill| &mut drill.steps);
        if let Some(step) = steps.and_then(|steps| steps.iter_mut().find(|step| step.alarm == Some(id))) {
            step.acknowledged = Some(acknowledged);
        }
        self.keep_drill();
        self.changed = true;
        self.effects.push(Effect::Answer { ticket, id });
        Ok(())
    }

    /// An acknowledgement that was taken back is none in the table either.
    pub(crate) fn drill_is_unanswered(&mut self, id: AlarmId) {
        let steps = self.drill.as_mut().map(|drill| &mut drill.steps);
        if let Some(step) = steps.and_then(|steps| steps.iter_mut().find(|step| step.alarm == Some(id))) {
            step.acknowledged = None;
            self.keep_drill();
        }
    }

    fn end_drill(&mut self, by: &str, from: &str) {
        let wall = self.wall;
        let Some(drill) = &mut self.drill else { return };
        drill.ended_at = Some(wall);
        let (all, seen) =
            (drill.steps.len(), drill.steps.iter().filter(|step| step.acknowledged.is_some()).count());
        self.log_drill("drill.end", by, from, alloc::format!("{seen} of {all} acknowledged"));
        self.keep_drill();
        let played: Vec<AlarmId> = self.rows.values().filter(|row| row.is_drill()).map(Row::id).collect();
        for id in played {
            let Some(mut row) = self.rows.remove(&id) else { continue };
            if let Matter::Alarm(document) = &mut row.matter {
                (document.active, document.cleared_at) = (false, Some(wall));
            }
            self.add_finished(row);
        }
        self.changed = true;
    }

    pub(crate) fn remember_drill(&mut self, kept: &str) -> Option<()> {
        let mut drill: Drill = serde_json::from_str(kept).ok()?;
        // Its alarms died with the process that played them.
        drill.ended_at = drill.ended_at.or(Some(self.wall));
        self.drill = Some(drill);
        Some(())
    }

    pub(crate) fn next_drill_deadline(&self) -> Instant {
        let Some(drill) = self.drill.as_ref().filter(|drill| drill.is_on()) else { return Instant::NEVER };
        let next = drill.next().map(|step| Duration::from_secs(step.after_s.into()));
        drill.since + next.unwrap_or(LONGEST).min(LONGEST)
    }

    /// The newest drill as a table: what cried when, and who acknowledged it after how long.
    pub fn drill_words(&self) -> Value {
        let Some(drill) = &self.drill else { return json!({ "running": false, "items": [] }) };
        let line = |step: &Played| {
            let taken = step.acknowledged.as_ref().zip(step.raised_at);
            let seconds = taken.map(|(seen, raised)| (seen.at.unix_ms() - raised.unix_ms()) / 1_000);
            json!({ "after_s": step.after_s, "device": step.device, "gateway": step.gateway,
                "condition": step.condition, "place": step.place.name.as_deref().map(shown), "alarm": step.alarm,
                "raised_at": step.raised_at, "acknowledged": step.acknowledged, "seconds": seconds })
        };
        json!({ "running": drill.is_on(), "by": drill.by, "began_at": drill.began_at,
            "ended_at": drill.ended_at, "items": drill.steps.iter().map(line).collect::<Vec<_>>() })
    }

    /// Since when a drill runs, for the pages' top bar.
    pub(crate) fn drill_since(&self) -> Option<Timestamp> {
        self.drill.as_ref().filter(|drill| drill.is_on()).map(|drill| drill.began_at)
    }

    fn keep_drill(&mut self) {
        let text = self.drill.as_ref().and_then(|drill| serde_json::to_string(drill).ok());
        self.keep.push((kept::DRILL.into(), text));
    }

    fn log_drill(&mut self, what: &str, by: &str, from: &str, new: String) {
        self.log.push(LogLine {
            at: self.wall,
            by: by.into(),
            from: from.into(),
            what: what.into(),
            about: None,
            old: None,
            new: Some(new),
            note: None,
        });
    }
}
