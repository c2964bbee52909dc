//! Another configuration for a board that runs: other people, another ladder, another night. Alarms that are open climb
//! on from where they are: no step is taken twice, and none that is still to come is left out.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use shouwang_message::{AlarmId, Id, Instant, Priority, Text};

use crate::board::Board;
use crate::logbook::LogLine;
use crate::row::RowKind;
use crate::trust::shown;
use crate::{Escalation, Settings};

/// Longer is no reason that somebody reads on a board, in characters.
const REASON: usize = 400;

impl Board {
    /// The name and the siren stay as they are: only a restart changes them.
    pub(crate) fn reconfigured(&mut self, now: Instant, settings: Settings, from: &str) {
        let Settings { organisation, escalation, handling, night, .. } = settings;
        let before = core::mem::replace(&mut self.settings.escalation, escalation);
        self.settings.organisation = organisation;
        self.settings.night = night;
        self.settings.handling = handling;
        self.climb_on(now, &before);
        self.forget_channels();
        for row in self.self_tests.rearrange(now, &self.settings.escalation.own_numbers) {
            self.close(row);
        }
        self.look_at_night(now);
        if let Some((row, _)) = self.refused_configuration.take() {
            self.close(row);
        }
        self.log_configuration("configuration.in_force", from, None);
        // Names, and when the next step is due, stand in every row.
        self.rows.all_mut(|_| true).for_each(drop);
        self.changed = true;
    }

    /// The newest reason counts; it stays on the board until a file is in force.
    pub(crate) fn not_reconfigured(&mut self, why: &Text, from: &str) {
        self.log_configuration("configuration.refused", from, Some(&why.en));
        let cut = |text: &str| shown(text).chars().take(REASON).collect::<String>();
        let text = Text::new(
            format!("新配置未生效:{}", cut(&why.zh)),
            format!("The new configuration is not in force: {}", cut(&why.en)),
        );
        if let Some((row, known)) = self.refused_configuration.take() {
            if known == text && self.rows.contains_key(&row) {
                self.refused_configuration = Some((row, known));
                return;
            }
            self.close(row);
        }
        let own = self.own_name();
        let row = self.own_row(RowKind::Fault, &own, "configuration", Priority::Ordinary, text.clone());
        self.refused_configuration = row.map(|row| (row, text));
    }

    fn climb_on(&mut self, now: Instant, before: &Escalation) {
        let after = &self.settings.escalation;
        let steps = |of: &'_ Escalation, is_room: bool, priority| match is_room {
            true => of.watch.clone(),
            false => of.steps(priority).to_vec(),
        };
        let mut changed: Vec<AlarmId> = Vec::new();
        for (id, ladder) in &mut self.outreach.ladders {
            let (is_room, priority) = (ladder.room.is_some(), ladder.priority);
            let (old, new) = (steps(before, is_room, priority), steps(after, is_room, priority));
            if old != new {
                ladder.climb_on(&new);
                changed.push(*id);
            }
        }
        for id in changed {
            if let Some(mut ladder) = self.outreach.ladders.remove(&id) {
                self.keep_ladder(now, id, &mut ladder);
                self.outreach.ladders.insert(id, ladder);
            }
        }
        self.outreach.touch_all();
        // One that nobody was to be told of may have a step now.
        self.look_at_every_alarm();
    }

    /// What is known of channels that are no more is over with them.
    fn forget_channels(&mut self) {
        let known = &self.settings.escalation.channels;
        let gone = |channel: &Id| !known.contains_key(channel);
        let rows: Vec<AlarmId> = self.outreach.forget_channels(gone);
        for row in rows {
            self.close(row);
        }
    }

    fn log_configuration(&mut self, what: &str, from: &str, why: Option<&str>) {
        self.log.push(LogLine {
            at: self.wall,
            by: self.settings.name.to_string(),
            from: from.to_string(),
            what: what.into(),
            about: None,
            old: None,
            new: None,
            note: why.map(shown),
        });
    }
}
