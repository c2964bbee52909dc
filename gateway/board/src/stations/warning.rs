//! 群预警: what a person forwards to the groups of the village. At most 200 characters. Only the authorised body warns the
//! public: ours is a reminder, unless a person enters the number of the warning that was issued.
use alloc::format;
use alloc::string::String;

use serde_json::json;
use shouwang_message::{Id, Timestamp};
use shouwang_river::{Colour, Line, Rates, Trend};

use super::standing::whole_cm;
use super::{About, Standing, Telling};
use crate::Outcome;
use crate::board::{Board, Effect};
use crate::desk::DeskAsked;
use crate::logbook::LogLine;
use crate::organisation::{local_day, local_time};
use crate::requests::refused;
use crate::trust::shown;

/// Characters of the whole text.
pub const WARNING_CHARACTERS: usize = 200;
const ADVICE: &str = "请河边住户不要下河、不要过漫水桥,低洼处车辆转移。";

/// A person forwarded a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    pub text: String,
    /// Which group.
    pub to: String,
    /// The number of the warning that the authorised body issued.
    pub issued: Option<String>,
}

impl Telling<'_> {
    /// The text, ready to be forwarded.
    pub fn warning(&self, colour: Colour, issued: Option<&str>, about: &About) -> String {
        let sentence = self.sentence();
        let stage_m = sentence.stage_m.unwrap_or_default();
        let own = self.lines.iter().filter(|(line, _)| !line.is_of_the_pair());
        let reached =
            own.filter(|(_, level)| stage_m >= *level).max_by(|(_, one), (_, other)| one.total_cmp(other));
        let mut text = match (issued, reached.filter(|_| sentence.is_live)) {
            (Some(number), _) => format!("【水情预警·{}】预警编号{}。", colour.zh(), cut(&shown(number), 30)),
            (None, Some((line, _))) => format!("【水情提醒·超{}】", line.zh()),
            (None, None) => String::from("【水情提醒】"),
        };
        if self.simulated {
            text = format!("{}{text}", shouwang_message::Mode::Simulated.mark());
        }
        text.push_str(&match *self.standing {
            Standing::Live => self.present(stage_m, reached),
            _ => sentence.text.zh,
        });
        let phone = about.phone.as_deref().map(|phone| format!("值班电话{}。", cut(phone, 20)));
        let village = about.village.as_deref().map(|village| cut(village, 20)).unwrap_or_default();
        let tail = format!("{ADVICE}{}{village}", phone.unwrap_or_default());
        let room = WARNING_CHARACTERS.saturating_sub(tail.chars().count());
        format!("{}{tail}", cut(&text, room))
    }

    /// 11-22 07:52 青石桥水位3.41米,超警戒0.11米,1小时涨18厘米,仍在上涨。
    fn present(&self, stage_m: f64, reached: Option<(Line, f64)>) -> String {
        let at = self.newest.map_or(self.wall, |newest| newest.at);
        let mut text = format!("{}{}水位{stage_m:.2}米", moment(at), cut(self.name, 20));
        if let Some((line, level)) = reached {
            text.push_str(&format!(",超{}{:.2}米", line.zh(), stage_m - level));
        }
        match Rates::of(self.recent, self.wall.into()).hour.rise_m().map(whole_cm) {
            Some(cm @ 1..) => text.push_str(&format!(",1小时涨{cm}厘米")),
            Some(cm @ ..=-1) => text.push_str(&format!(",1小时落{}厘米", cm.abs())),
            _ => {}
        }
        text.push_str(match Trend::of(self.recent, self.wall.into()) {
            Some(Trend::Rising) => ",仍在上涨。",
            Some(Trend::Falling) => ",正在回落。",
            Some(Trend::Steady) => ",水位平稳。",
            None => "。",
        });
        text
    }
}

fn moment(at: Timestamp) -> String {
    let hour: String = local_time(at).chars().take(5).collect();
    format!("{} {hour} ", local_day(at))
}

fn cut(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

impl Board {
    /// Who forwarded what where, for the logbook.
    pub(crate) fn forwarded(
        &mut self,
        ticket: u64,
        asked: &DeskAsked,
        id: &Id,
        told: &Forwarded,
    ) -> Result<(), Outcome> {
        if !self.stations.contains_key(id) {
            return Err(Outcome::Unknown);
        }
        let (text, to) = (told.text.trim(), told.to.trim());
        if text.is_empty() || text.chars().count() > WARNING_CHARACTERS {
            return Err(refused("text", "文字 1 到 200 字", "A text of 1 to 200 characters"));
        }
        if to.is_empty() {
            return Err(refused("to", "请写明转发到哪里", "Say where it was forwarded to"));
        }
        let issued = told.issued.as_deref().map(str::trim).filter(|number| !number.is_empty());
        if text.contains("水情预警") && issued.is_none() {
            let en =
                "Only the authorised body warns the public: enter the number of its warning, or say 水情提醒";
            return Err(refused("not_issued", "发布预警要有预警编号;没有编号请用【水情提醒】", en));
        }
        let number = issued.map(|number| format!(" 编号 {}", shown(number))).unwrap_or_default();
        self.log.push(LogLine {
            at: self.wall,
            by: asked.by.clone(),
            from: asked.from.clone(),
            what: "warning.forwarded".into(),
            about: None,
            old: None,
            new: Some(format!("{id} -> {}{number}", shown(to))),
            note: Some(text.into()),
        });
        let told = json!({ "station": id, "to": shown(to), "at": self.wall, "by": asked.by });
        self.effects.push(Effect::ValueAnswer { ticket, told });
        Ok(())
    }
}
