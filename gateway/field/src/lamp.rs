//! What a person in front of a call unit sees and hears, in words made from the firmware's own patterns, and
//! the frame that moved it.
use std::collections::VecDeque;

use call_button::{Display, Pattern};
use shouwang_message::Text;

use crate::server::Micros;

/// Changes that nobody has asked for yet; the oldest goes first.
const KEPT: usize = 32;

/// A lamp and a buzzer that began to say something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// When.
    pub at: Micros,
    /// The firmware's word: `idle calling heard seen coming fault`.
    pub name: &'static str,
    /// What it tells the person.
    pub meaning: Text,
    /// What the eye sees and the ear hears.
    pub lamp: Text,
    pub buzzer: Text,
    /// The frame that the unit was answering. None: a finger, a neighbour, the power or time moved it.
    pub request: Option<Vec<u8>>,
}

/// Follows one unit's display.
#[derive(Debug, Default)]
pub(crate) struct Lamp {
    showing: Option<Display>,
    waiting: VecDeque<Shown>,
}

impl Lamp {
    /// What is shown now; only a change is news.
    pub(crate) fn look(&mut self, at: Micros, display: Display, request: Option<&[u8]>) {
        if self.showing.replace(display) == Some(display) {
            return;
        }
        if self.waiting.len() >= KEPT {
            self.waiting.pop_front();
        }
        self.waiting.push_back(Shown {
            at,
            name: display.name(),
            meaning: meaning(display),
            lamp: lamp(display.lamp()),
            buzzer: buzzer(display.buzzer()),
            request: request.map(<[u8]>::to_vec),
        });
    }

    pub(crate) fn take(&mut self) -> Vec<Shown> {
        self.waiting.drain(..).collect()
    }
}

fn meaning(display: Display) -> Text {
    match display {
        Display::Idle => Text::new("待命", "at rest"),
        Display::Calling => Text::new("正在呼叫", "calling"),
        Display::Heard => Text::new("值班室已收到", "a duty room has it"),
        Display::Seen => Text::new("有人看到了", "a person has seen it"),
        Display::Coming => Text::new("有人正在赶来", "somebody is coming"),
        Display::Fault => Text::new("勿依赖", "do not rely on it"),
    }
}

fn lamp(pattern: Pattern) -> Text {
    let Some((count, on_ms)) = group(pattern) else { return Text::new("灯灭", "dark") };
    let (on, cycle) = (seconds(on_ms), seconds(pattern.cycle_ms()));
    let flashes = if count == 1 { "flash" } else { "flashes" };
    Text::new(
        format!("灯每 {cycle} 秒闪 {count} 次,每次 {on} 秒"),
        format!("{count} {flashes} of {on} s every {cycle} s"),
    )
}

fn buzzer(pattern: Pattern) -> Text {
    let Some((count, on_ms)) = group(pattern) else { return Text::new("无声", "silent") };
    let (on, cycle) = (seconds(on_ms), seconds(pattern.cycle_ms()));
    let beeps = if count == 1 { "beep" } else { "beeps" };
    let (zh, en) = match pattern.times {
        Some(times) => (format!(",共 {times} 遍"), format!(", {times} times")),
        None => ("不停".into(), ", on and on".into()),
    };
    Text::new(
        format!("每 {cycle} 秒响 {count} 声,每声 {on} 秒{zh}"),
        format!("{count} {beeps} of {on} s every {cycle} s{en}"),
    )
}

/// How many times it is on in a group, and for how long; all are alike.
fn group(pattern: Pattern) -> Option<(usize, u32)> {
    let on = pattern.steps_ms.first()?;
    Some((pattern.steps_ms.len() / 2, u32::from(*on)))
}

/// Without zeroes at the end.
fn seconds(ms: u32) -> String {
    format!("{}", f64::from(ms) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_patterns() {
        assert_eq!(lamp(Display::Idle.lamp()).en, "1 flash of 0.05 s every 3 s");
        assert_eq!(buzzer(Display::Idle.buzzer()), Text::new("无声", "silent"));
        assert_eq!(buzzer(Display::Calling.buzzer()).en, "1 beep of 0.08 s every 1 s, on and on");
        assert_eq!(lamp(Display::Seen.lamp()).zh, "灯每 2.7 秒闪 2 次,每次 0.4 秒");
        assert_eq!(buzzer(Display::Coming.buzzer()).zh, "每 4 秒响 3 声,每声 0.25 秒,共 30 遍");
    }

    #[test]
    fn every_two_states_are_told_apart_by_the_words_of_the_lamp_and_of_the_buzzer() {
        for (index, one) in Display::ALL.iter().enumerate() {
            for pattern in [one.lamp(), one.buzzer()] {
                let on: Vec<&u16> = pattern.steps_ms.iter().step_by(2).collect();
                assert!(on.iter().all(|step| Some(step) == on.first()), "one length says it all");
            }
            for other in &Display::ALL[index + 1..] {
                assert_ne!(lamp(one.lamp()), lamp(other.lamp()));
                assert_ne!(buzzer(one.buzzer()), buzzer(other.buzzer()));
                assert_ne!(meaning(*one), meaning(*other));
            }
        }
    }

    #[test]
    fn only_changes_are_told_and_the_oldest_are_dropped_first() {
        let mut watched = Lamp::default();
        watched.look(0, Display::Idle, None);
        watched.look(1, Display::Idle, None);
        assert_eq!(watched.take().len(), 1);
        for at in 2..100 {
            watched.look(at, if at % 2 == 0 { Display::Calling } else { Display::Idle }, None);
        }
        let told = watched.take();
        assert_eq!((told.len(), told.last().map(|one| one.at)), (KEPT, Some(99)));
    }
}
