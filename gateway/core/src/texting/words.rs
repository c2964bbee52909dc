//! What a text says: in one SMS, Chinese, and never without saying that it is an exercise.
use alloc::format;
use alloc::string::{String, ToString};

use shouwang_message::{AlarmDocument, Mode, Timestamp};

/// UTF-16 units of one SMS.
pub(super) const MOST_UNITS: usize = 70;
const SENDER: &str = "【守望网关】";
const ASKS: &str = ",值班室没听到,请处置,回复1确认";
/// Chinese time has been UTC+8 all year, everywhere, since 1991.
const CHINA_MINUTES: i64 = 8 * 60;
const DAY_MINUTES: i64 = 24 * 60;

/// Where and what: `3号楼2单元402烟感报警`.
pub(super) fn what(document: &AlarmDocument) -> String {
    let place = document.place.words().unwrap_or_else(|| document.device.to_string());
    format!("{place}{}", document.text.zh)
}

/// One emergency. `note` is what else must be said of it: `(第2次)`.
pub(super) fn cry(mode: Mode, raised: Option<Timestamp>, what: &str, note: &str) -> String {
    let time = raised.map(|at| format!("{} ", hour_minute(at))).unwrap_or_default();
    let front = format!("{}{SENDER}{time}", mode.mark());
    let tail = format!("{note}{ASKS}");
    fit(&front, what, &tail)
}

/// Several emergencies, and how many of them it has room to name.
pub(super) fn cries<'w>(mode: Mode, whats: impl ExactSizeIterator<Item = &'w str>) -> (String, usize) {
    list(&format!("{}{SENDER}紧急报警{}起:", mode.mark(), whats.len()), ASKS, whats)
}

/// One is over.
pub(super) fn end(mode: Mode, over_at: Option<Timestamp>, what: &str) -> String {
    let time = over_at.map(hour_minute).unwrap_or_default();
    fit(&format!("{}{SENDER}", mode.mark()), what, &format!("已恢复{time}"))
}

/// Several are over.
pub(super) fn ends<'w>(mode: Mode, whats: impl ExactSizeIterator<Item = &'w str>) -> (String, usize) {
    list(&format!("{}{SENDER}已恢复{}起:", mode.mark(), whats.len()), "", whats)
}

/// As many as there is room for, and a word that there are more.
fn list<'w>(front: &str, tail: &str, whats: impl ExactSizeIterator<Item = &'w str>) -> (String, usize) {
    const MORE: &str = "等";
    let (mut text, mut named) = (front.to_string(), 0);
    let all = whats.len();
    for what in whats {
        let comma = if named == 0 { "" } else { ";" };
        let taken = units(&text) + units(comma) + units(MORE) + units(tail);
        let Some(room) = MOST_UNITS.checked_sub(taken) else { break };
        // The first is cut rather than left out.
        if units(what) > room && named > 0 {
            break;
        }
        text.push_str(comma);
        text.push_str(&cut_front(what, room));
        named += 1;
    }
    if named < all {
        text.push_str(MORE);
    }
    text.push_str(tail);
    (text, named)
}

/// What is cut, if anything must be, is the front of the place: the room and the alarm stand at the end.
fn fit(front: &str, what: &str, tail: &str) -> String {
    let room = MOST_UNITS.saturating_sub(units(front) + units(tail));
    format!("{front}{}{tail}", cut_front(what, room))
}

fn hour_minute(at: Timestamp) -> String {
    let minutes = (at.unix_ms() / 60_000 + CHINA_MINUTES).rem_euclid(DAY_MINUTES);
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The end, in so many UTF-16 units.
fn cut_front(text: &str, most: usize) -> String {
    let mut over = units(text).saturating_sub(most);
    if over == 0 {
        return text.to_string();
    }
    // Room for the sign that something is missing.
    over += 1;
    let mut rest = text.chars();
    while over > 0 {
        let Some(c) = rest.next() else { break };
        over = over.saturating_sub(c.len_utf16());
    }
    if most == 0 { String::new() } else { format!("…{}", rest.as_str()) }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// 2026-11-21T19:12:07Z, 03:12 in China.
    const NIGHT_MS: i64 = 1_795_288_327_000;
    const KITCHEN: &str = "3号楼2单元402烟感报警";

    fn night() -> Timestamp {
        Timestamp::from_unix_ms(NIGHT_MS)
    }

    #[test]
    fn one_text_says_where_what_when_and_what_to_do() {
        assert_eq!(
            cry(Mode::Live, Some(night()), KITCHEN, ""),
            "【守望网关】03:12 3号楼2单元402烟感报警,值班室没听到,请处置,回复1确认"
        );
        assert_eq!(
            cry(Mode::Drill, None, KITCHEN, "(第2次)"),
            "【演练】【守望网关】3号楼2单元402烟感报警(第2次),值班室没听到,请处置,回复1确认"
        );
        assert_eq!(end(Mode::Live, Some(night()), KITCHEN), "【守望网关】3号楼2单元402烟感报警已恢复03:12");
    }

    #[test]
    fn a_flood_is_counted_and_named_as_far_as_there_is_room() {
        let flood = |rooms: u32| {
            let whats: Vec<String> =
                (0..rooms).map(|room| format!("3号楼2单元{}烟感报警", 401 + room)).collect();
            cries(Mode::Live, whats.iter().map(String::as_str))
        };
        let text = "【守望网关】紧急报警2起:3号楼2单元401烟感报警;3号楼2单元402烟感报警,值班室没听到,请处置,回复1确认";
        assert_eq!(flood(2), (text.to_string(), 2));
        let (text, named) = flood(500);
        assert_eq!(named, 2);
        assert!(text.contains("500起") && text.contains("402烟感报警等,"), "{text}");
    }

    proptest! {
        #[test]
        fn every_text_is_one_sms_and_keeps_its_end(
            whats in prop::collection::vec("[0-9a-z号楼单元烟感🔥]{0,120}", 1..40),
            mode in prop::sample::select(&[Mode::Live, Mode::Drill, Mode::Simulated][..]),
            note in prop::sample::select(&["", "(第4294967295次)(已恢复)"][..]),
        ) {
            let first = whats.first().map(String::as_str).unwrap_or_default();
            let one = cry(mode, Some(night()), first, note);
            prop_assert!(units(&one) <= MOST_UNITS && one.ends_with("回复1确认"), "{}", one);
            prop_assert!(units(&end(mode, Some(night()), first)) <= MOST_UNITS);
            let (many, named) = cries(mode, whats.iter().map(String::as_str));
            prop_assert!(units(&many) <= MOST_UNITS && many.ends_with("回复1确认"), "{}", many);
            prop_assert!((1..=whats.len()).contains(&named));
            let (over, _) = ends(mode, whats.iter().map(String::as_str));
            prop_assert!(units(&over) <= MOST_UNITS, "{}", over);
        }
    }
}
