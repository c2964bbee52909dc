//! What is said of an alarm outside the room: Chinese, bounded, and never without saying that it is an exercise.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use shouwang_message::{AlarmDocument, Class, Clock, Place};

use crate::case::Case;
use crate::ladder::Purpose;
use crate::notice::{Notice, SHORT_UNITS};
use crate::organisation::local_time;
use crate::supervision::Overdue;
use crate::trust::shown;

/// Of the alarm's own text, in an SMS.
const SHORT_TEXT: usize = 20;
/// Of a place or a title anywhere else.
const LONG_TEXT: usize = 60;

/// Everything that the words depend on.
#[derive(Clone, Debug)]
pub(crate) struct Story<'a> {
    pub(crate) alarm: &'a AlarmDocument,
    /// It is the duty room itself that needs somebody.
    pub(crate) is_room: bool,
    pub(crate) purpose: Purpose,
    /// The name of whoever acknowledged.
    pub(crate) acknowledged_by: Option<String>,
    pub(crate) is_urged: bool,
    /// It may have been told before: nobody knows what became of it.
    pub(crate) is_again: bool,
    /// The channel brings back an answer.
    pub(crate) answers: bool,
    pub(crate) case: Option<&'a Case>,
    /// Further cases that are overdue and told by this word only.
    pub(crate) others: usize,
}

impl Story<'_> {
    /// Fills in every text of the notice.
    pub(crate) fn tell(&self, notice: &mut Notice) {
        let prefix = self.alarm.mode.mark();
        let place = place_words(&self.alarm.place).unwrap_or_else(|| self.alarm.device.to_string());
        let event = cut(&shown(&self.alarm.text.zh), LONG_TEXT);
        let what = if self.is_room { "值守异常" } else { class_words(self.alarm.class) };
        notice.title = format!("{prefix}{what} · {}", self.state());
        notice.revision_words = self.news();
        notice.place_masked = parts(&self.alarm.place).unwrap_or_else(|| place.clone());
        notice.lines = self.lines(&event);
        notice.short = self.short(prefix, &place, &event);
        notice.place = place;
    }

    fn state(&self) -> &'static str {
        match self.purpose {
            Purpose::Recovered => "已恢复",
            Purpose::Dispatch => "派单",
            Purpose::Supervise => "督办",
            Purpose::Ask => "谁能去",
            Purpose::Step if self.is_urged => "催办",
            Purpose::Step => "待确认",
        }
    }

    fn overdue(&self) -> String {
        let what = match self.case.and_then(|case| case.supervised.last()).map(|newest| newest.what) {
            Some(Overdue::Handle) => "超时未办结",
            Some(Overdue::Accept) | None => "超时未受理",
        };
        if self.others == 0 { what.to_string() } else { format!("{what},另{}件", self.others) }
    }

    fn needed(&self) -> u16 {
        self.case.and_then(|case| case.broadcast.as_ref()).map_or(1, |task| task.needed)
    }

    fn news(&self) -> String {
        let mut news = Vec::new();
        if self.alarm.occurrence > 1 {
            news.push(format!("第{}次", self.alarm.occurrence));
        }
        if let Some(at) = self.alarm.cleared_at.filter(|_| !self.alarm.active) {
            news.push(format!("已恢复 {}", hour_minute(&local_time(at))));
        }
        if let Some(name) = &self.acknowledged_by {
            news.push(format!("{} 已受理", cut(&shown(name), SHORT_TEXT)));
        }
        if self.is_urged {
            news.push("催办".to_string());
        }
        if self.purpose == Purpose::Supervise {
            news.push(self.overdue());
        }
        if self.is_again {
            news.push("重发".to_string());
        }
        news.join(" · ")
    }

    fn lines(&self, event: &str) -> Vec<(String, String)> {
        let doubtful = if self.alarm.clock == Clock::Synced { "" } else { "~" };
        let time = local_time(self.alarm.raised_at);
        let again = match self.alarm.occurrence {
            0 | 1 => String::new(),
            cry => format!("(第{cry}次)"),
        };
        let mut lines = Vec::from([
            ("时间".to_string(), format!("{doubtful}{time}{again}")),
            ("事件".to_string(), event.to_string()),
        ]);
        if self.purpose == Purpose::Supervise {
            lines.push(("督办".to_string(), self.overdue()));
        }
        if self.purpose == Purpose::Ask {
            lines.push(("谁能去".to_string(), format!("需 {} 人", self.needed())));
        }
        if let Some(grid) = &self.alarm.place.grid {
            lines.push(("网格".to_string(), cut(&shown(grid), LONG_TEXT)));
        }
        lines
    }

    /// One SMS. What is cut, if anything must be, is the front of the place: the room stands at its end.
    fn short(&self, prefix: &str, place: &str, event: &str) -> String {
        let front = format!("{prefix}【值班室】");
        let event = cut(event, SHORT_TEXT);
        let tail = match self.purpose {
            Purpose::Recovered => {
                let at = self.alarm.cleared_at.map(local_time).unwrap_or_default();
                format!("已恢复{}", hour_minute(&at))
            }
            Purpose::Dispatch if self.answers => ",请前往处置,收到请回复1".to_string(),
            Purpose::Dispatch => ",请前往处置".to_string(),
            Purpose::Supervise => format!(",督办:{}", self.overdue()),
            Purpose::Ask if self.answers => format!(",谁能去?需{}人,能去请回复1", self.needed()),
            Purpose::Ask => format!(",谁能去?需{}人", self.needed()),
            Purpose::Step if self.is_room && self.answers => ",请派人到岗并回复1".to_string(),
            Purpose::Step if self.is_room => ",请派人到岗".to_string(),
            Purpose::Step if self.is_urged => ",已受理未处置,请催办".to_string(),
            Purpose::Step if self.answers => ",请回复1确认".to_string(),
            Purpose::Step => ",请确认".to_string(),
        };
        let room = SHORT_UNITS.saturating_sub(units(&front) + units(&event) + units(&tail));
        format!("{front}{}{event}{tail}", cut_front(place, room))
    }
}

fn class_words(class: Class) -> &'static str {
    match class {
        Class::Smoke => "火警",
        Class::Gas => "燃气报警",
        Class::Co => "一氧化碳报警",
        Class::WaterLevel => "水位报警",
        Class::Call => "呼叫求助",
        Class::Leak => "漏水报警",
        Class::Electrical => "电气报警",
        Class::Air => "空气报警",
        Class::DigitalInput => "开关量报警",
        Class::Welfare => "平安提醒",
        Class::Siren => "警报器报警",
        Class::Report => "有人上报",
    }
}

/// The place's own name, or its parts.
fn place_words(place: &Place) -> Option<String> {
    bounded(place).words().map(|words| cut_front(&words, LONG_TEXT))
}

/// Without the words that an installer wrote by hand: they may name who lives there.
fn parts(place: &Place) -> Option<String> {
    bounded(place).parts().map(|words| cut_front(&words, LONG_TEXT))
}

/// What may be shown of it.
fn bounded(place: &Place) -> Place {
    let part = |part: &Option<String>| part.as_deref().map(shown);
    let (building, entrance, room) = (part(&place.building), part(&place.entrance), part(&place.room));
    Place { building, entrance, room, name: part(&place.name), grid: None }
}

fn hour_minute(time: &str) -> &str {
    time.get(..5).unwrap_or(time)
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The beginning, in so many UTF-16 units.
fn cut(text: &str, most: usize) -> String {
    if units(text) <= most {
        return text.to_string();
    }
    let mut room = most.saturating_sub(1);
    let fits = |c: &char| {
        let left = room.checked_sub(c.len_utf16());
        room = left.unwrap_or(0);
        left.is_some()
    };
    let mut beginning: String = text.chars().take_while(fits).collect();
    beginning.push('…');
    beginning
}

/// The end, in so many UTF-16 units.
fn cut_front(text: &str, most: usize) -> String {
    if units(text) <= most {
        return text.to_string();
    }
    let mut room = most.saturating_sub(1);
    let mut end: Vec<char> = Vec::new();
    for c in text.chars().rev() {
        match room.checked_sub(c.len_utf16()) {
            Some(left) => room = left,
            None => break,
        }
        end.push(c);
    }
    if most > 0 {
        end.push('…');
    }
    end.iter().rev().collect()
}
