//! The demo's transcript: for people, or one JSON object a line.
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use shouwang_field::{Running, Shown};
use shouwang_gateway::clock;
use shouwang_gateway::config::Config;
use shouwang_message::{AlarmChange, Class, Event, EventData, Text, Timestamp};

use super::count::Count;
use super::ledger::{Way, hex};
use super::person::{Done, LONGER_PATIENCE, PATIENCE, Wish};
use super::setting::{RIVER_ON_DELAY, RIVER_STUCK_S};
use crate::exit::Exit;
use crate::print;

#[derive(Debug)]
pub(super) struct Teller {
    json: bool,
    /// Where each device is, in people's words.
    places: BTreeMap<String, String>,
}

/// Why a scene plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Story,
    Key,
}

/// What the count's figures are to be read with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// From an alarm's bytes on the wire to the duty room's disk.
    pub(super) slowest: Duration,
    /// Without a broker, in all: no alarm can be faster than that.
    pub(super) broker_away: Duration,
}

/// Always the first line.
pub(super) fn link(json: bool, link: &str) -> Result<(), Exit> {
    if json {
        print::line(&json!({"link": link}).to_string())
    } else {
        print::line(&format!("值班室 · duty room: {link}"))
    }
}

/// What opens on a grid worker's phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phone {
    /// Their standing page.
    Own,
    /// The case to which they were sent.
    Sent,
}

/// A link for a phone, or for a narrow window.
pub(super) fn phone(json: bool, which: Phone, link: &str) -> Result<(), Exit> {
    let (name, words) = match which {
        Phone::Own => ("mine", "网格员的手机(没网也能报)· a grid worker's phone, also without a network"),
        Phone::Sent => {
            ("link", "网格员被派去看水,一次性链接 · the grid worker is sent, with a link of their own")
        }
    };
    if json {
        print::line(&json!({"type": "phone", "phone": name, "url": link}).to_string())
    } else {
        print::line(&format!("{words}: {link}"))
    }
}

impl Teller {
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    pub(super) fn new(json: bool, gateway: &Config) -> Self {
        let devices = gateway.core.devices.iter();
        let places = devices.filter_map(|one| Some((one.id.to_string(), one.place.name.clone()?))).collect();
        Self { json, places }
    }

    pub(super) fn welcome(&self, field: &Running, broker: SocketAddr, keys: bool) -> Result<(), Exit> {
        if self.json {
            return Ok(());
        }
        print::line(
            "【模拟】设备是模拟的,其余都是真的:串口线路、Modbus TCP、磁盘、MQTT、值班室。Ctrl-C 结束。",
        )?;
        print::line(
            "  Only the devices are simulated: serial line, Modbus TCP, disk, MQTT and duty room are real. Ctrl-C ends.",
        )?;
        for line in field.lines() {
            if let Some(place) = line.place {
                print::line(&format!("  线路 line {}: {place}", line.name))?;
            }
        }
        let delay = RIVER_ON_DELAY.as_secs();
        print::line(&format!("  MQTT {broker}"))?;
        print::line(&format!(
            "  河道报警延时在演示中缩短为 {delay} 秒,{RIVER_STUCK_S} 秒不动就算水位计卡住 · the river's delay is shortened \
             to {delay} s here, and a sensor that stands still for {RIVER_STUCK_S} s is stuck"
        ))?;
        let (first, later) = (PATIENCE.as_secs(), LONGER_PATIENCE.as_secs());
        print::line(&format!(
            "  呼叫若无人在网页上确认,{first} 秒后(再次按下则 {later} 秒后)由模拟的值班员代为确认\n  \
             A call that nobody acknowledges on the page is acknowledged by a simulated duty person: after {first} s, \
             pressed again after {later} s"
        ))?;
        if keys {
            self.legend()?;
        }
        print::line("")
    }

    /// What the viewer's keys do.
    pub(super) fn legend(&self) -> Result<(), Exit> {
        if self.json {
            return Ok(());
        }
        print::line(
            "  按键:c 按下呼叫按钮 · b 断开/恢复 MQTT 服务器 · k 杀死网关(kill -9) · u 拔掉/插回烟感 · ? 本行 · Ctrl-C 结束\n  \
             Keys: c presses the call button · b takes the broker away and back · k kills the gateway (kill -9) · \
             u unplugs a smoke alarm and plugs it in · ? this line · Ctrl-C ends",
        )
    }

    /// What happens in the story, or because of a viewer's key, and what to look at.
    pub(super) fn scene(&self, cause: Cause, text: &Text) -> Result<(), Exit> {
        let (at, Text { zh, en }) = (clock::wall().0, text);
        if self.json {
            let cause = if cause == Cause::Key { "key" } else { "scene" };
            let object = json!({"type": cause, "class": null, "device": null, "mode": "simulated", "time": at,
                "text": {"zh": format!("【模拟】{zh}"), "en": en}});
            return print::line(&object.to_string());
        }
        let mark = if cause == Cause::Key { "⌨" } else { "——" };
        print::line(&format!("{} {mark} {zh} · {en}", stamp(at)))
    }

    /// What the call units' lamps and buzzers began to say.
    pub(super) fn lamps(&self, field: &Running) -> Result<(), Exit> {
        let now_ms = clock::wall().0.unix_ms();
        for (device, ago, shown) in field.shown() {
            let ago_ms = i64::try_from(ago.as_millis()).unwrap_or(0);
            self.lamp(Timestamp::from_unix_ms(now_ms - ago_ms), &device, &shown)?;
        }
        Ok(())
    }

    fn lamp(&self, at: Timestamp, device: &str, shown: &Shown) -> Result<(), Exit> {
        let Shown { name, meaning, lamp, buzzer, request, .. } = shown;
        let request = request.as_deref().map(hex);
        if self.json {
            let text = json!({"zh": format!("【模拟】呼叫器显示:{}", meaning.zh), "en": meaning.en});
            let object = json!({"type": "lamp", "class": Class::Call, "device": device, "mode": "simulated",
                "time": at, "shows": name, "text": text, "lamp": lamp, "buzzer": buzzer, "request": request});
            return print::line(&object.to_string());
        }
        let mut line = format!(
            "{} 呼叫器显示:{} · the unit shows: {}  {}\n        {};{}\n        {}; {}",
            stamp(at),
            meaning.zh,
            meaning.en,
            self.place(device),
            lamp.zh,
            buzzer.zh,
            lamp.en,
            buzzer.en
        );
        if let Some(request) = request {
            // Writing to a String cannot fail.
            let _ = write!(line, "\n        > {request}");
        }
        print::line(&line)
    }

    /// What the simulated duty person did.
    pub(super) fn person(&self, done: &Done) -> Result<(), Exit> {
        let (zh, en) = match done.wish {
            Wish::Acknowledge => ("确认", "acknowledges"),
            Wish::SendKeyHolder => {
                ("回拨无人接听,派持钥匙的王阿姨", "calls back, nobody answers, and sends the key holder")
            }
            Wish::Coming => ("有人正在赶来", "says that somebody is coming"),
            Wish::Arrive => ("王阿姨到了", "hears that the key holder is there"),
            Wish::Reset => ("处置完毕,复位", "resets: all is well"),
            Wish::Conclude => ("办结:真实,人没事", "concludes: a real call, and all is well"),
        };
        let (zh, en) = (format!("模拟的值班员:{zh}"), format!("the simulated duty person {en}"));
        let (at, device) = (clock::wall().0, &done.device);
        if self.json {
            let text = json!({"zh": format!("【模拟】{zh}"), "en": en});
            let object = json!({"type": "person", "class": Class::Call, "device": device, "mode": "simulated",
                "time": at, "does": done.wish.as_str(), "text": text});
            return print::line(&object.to_string());
        }
        print::line(&format!("{} {zh} · {en}  {}", stamp(at), self.place(device)))
    }

    fn place(&self, device: &str) -> String {
        self.places.get(device).map_or_else(|| device.to_owned(), |place| format!("{place}({device})"))
    }

    /// One heard event.
    pub(super) fn event(&self, event: &Event, way: &Way) -> Result<(), Exit> {
        if self.json { print::line(&object(event, way)) } else { text(event, way) }
    }

    pub(super) fn missed(&self, events: u64) -> Result<(), Exit> {
        if self.json {
            print::line(&json!({"type": "missed", "events": events}).to_string())
        } else {
            print::line(&format!(
                "【模拟】终端太慢,略过 {events} 行 · the terminal is slow: {events} lines left out"
            ))
        }
    }

    /// What the two databases say, and what the slowest alarm took.
    pub(super) fn count(&self, count: &Count, times: Times, over: bool) -> Result<(), Exit> {
        let Count { wire, heard, twice, events } = count;
        let seconds = |time: Duration| time.as_millis() as f64 / 1e3;
        let (slowest_s, broker_away_s) = (seconds(times.slowest), seconds(times.broker_away));
        if self.json {
            let kind = if over { "end" } else { "count" };
            let object = json!({"type": kind, "class": null, "device": null, "wire": wire, "heard": heard,
                "twice": twice, "events": events, "slowest_s": slowest_s,
                "broker_away_s": broker_away_s});
            return print::line(&object.to_string());
        }
        print::line(&format!(
            "\n【模拟】两边数据库对账:网关从线路上读到报警变化 {wire} 次,值班室听到 {heard} 次,重复 {twice} 次,最慢 {slowest_s:.3} 秒\
             (MQTT 服务器共断开 {broker_away_s:.1} 秒)\n  \
             Counted in both databases: {wire} on the wire, {heard} heard, {twice} twice, slowest {slowest_s:.3} s \
             (the broker was away for {broker_away_s:.1} s); {events} events of all kinds"
        ))?;
        match wire.checked_sub(*heard) {
            None | Some(0) => Ok(()),
            Some(owed) => print::line(&format!(
                "  还欠 {owed} 次,在网关的磁盘上等着 · {owed} wait on the gateway's disk for a broker"
            )),
        }
    }
}

fn text(event: &Event, way: &Way) -> Result<(), Exit> {
    let (zh, en) = words(event);
    let mut line = format!("{} {zh} · {en}", stamp(event.time));
    let place = match &event.data {
        EventData::Alarm(_, document) => document.place.name.clone(),
        EventData::FaultRaised(fault) | EventData::FaultCleared(fault) => fault.place.name.clone(),
        _ => None,
    };
    let subject = place.map_or_else(|| event.subject.clone(), |place| format!("{place}({})", event.subject));
    // Writing to a String cannot fail.
    let _ = write!(line, "  {subject}");
    if let Some((request, answer)) = &way.bytes {
        let _ = write!(line, "\n        > {request}\n        < {answer}");
    }
    let _ = write!(line, "\n        落盘 committed #{}", event.sequence);
    if let Some(committed) = way.committed {
        let _ = write!(line, " {:.1} ms", committed.as_secs_f64() * 1e3);
    }
    if let Some(heard) = way.heard {
        let _ = write!(line, ",值班室听到 heard {:.1} ms", heard.as_secs_f64() * 1e3);
    }
    print::line(&line)
}

/// The hour is in the time as UTC; people read their own clock on the page.
fn stamp(at: Timestamp) -> String {
    let time = at.to_string();
    format!("【模拟】{}Z", time.get(11..23).unwrap_or(&time))
}

fn object(event: &Event, way: &Way) -> String {
    let (class, device) = match &event.data {
        EventData::Alarm(_, document) => (Some(document.class), Some(document.device.to_string())),
        EventData::FaultRaised(fault) | EventData::FaultCleared(fault) => {
            (fault.class, fault.device.as_ref().map(ToString::to_string))
        }
        EventData::DeviceState(_) => (None, Some(event.subject.clone())),
        _ => (None, None),
    };
    let mode = match &event.data {
        EventData::Alarm(_, document) => Some(document.mode),
        _ => None,
    };
    let (zh, en) = words(event);
    let ms = |duration: Option<Duration>| duration.map(|duration| duration.as_micros() as f64 / 1e3);
    json!({
        "type": event.kind().as_str(), "class": class, "device": device, "mode": mode,
        "sequence": event.sequence, "time": event.time, "text": {"zh": format!("【模拟】{zh}"), "en": en},
        "request": way.bytes.as_ref().map(|(request, _)| request), "answer": way.bytes.as_ref().map(|(_, answer)| answer),
        "committed_ms": ms(way.committed), "heard_ms": ms(way.heard),
    })
    .to_string()
}

fn words(event: &Event) -> (String, String) {
    match &event.data {
        EventData::Alarm(change, document) => {
            let (zh, en) = change_words(*change);
            let times = document.occurrence;
            let again = if times > 1 { format!("(第 {times} 次)") } else { String::new() };
            (format!("{}{again} {zh}", document.text.zh), format!("{} {en}", document.text.en))
        }
        EventData::FaultRaised(fault) => {
            (format!("故障 {}", fault.text.zh), format!("fault: {}", fault.text.en))
        }
        EventData::FaultCleared(fault) => {
            (format!("故障恢复 {}", fault.text.zh), format!("fault over: {}", fault.text.en))
        }
        EventData::Gap(gap) => (format!("缺口 {}", gap.why.zh), format!("gap: {}", gap.why.en)),
        EventData::DeviceState(state) => ("设备状态".into(), format!("device is {}", state.state)),
        EventData::Command(command) => ("命令".into(), format!("command {}", command.name)),
        EventData::Boot(boot) => ("网关启动".into(), format!("gateway started, boot {}", boot.boot)),
        EventData::Clock(_) => ("时钟调整".into(), "clock changed".into()),
    }
}

fn change_words(change: AlarmChange) -> (&'static str, &'static str) {
    match change {
        AlarmChange::Raised => ("报警", "raised"),
        AlarmChange::Repeated => ("再次报警", "repeated"),
        AlarmChange::Acknowledged => ("已确认", "acknowledged"),
        AlarmChange::Silenced => ("已消音", "silenced"),
        AlarmChange::Shelved => ("已搁置", "shelved"),
        AlarmChange::Unshelved => ("搁置结束", "unshelved"),
        AlarmChange::Suppressed => ("由更高一级报警说明", "explained by a higher one"),
        AlarmChange::OutOfService => ("屏蔽变更", "out of service changed"),
        AlarmChange::Cleared => ("现场已恢复", "cleared"),
        AlarmChange::Reset => ("已复位", "reset"),
        AlarmChange::Finished => ("结束", "finished"),
    }
}
