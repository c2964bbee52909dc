//! What a modem's conversation tells, and the words for it.
use std::time::Duration;

use shouwang_message::{Text, Timestamp};

use crate::number::Number;

/// What the caller calls a text or a call by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderId(pub u64);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The network has taken the whole text. No phone has it yet.
    Sent { id: OrderId },
    /// The phone has the whole text: the network reported it. Not every network does.
    Delivered { id: OrderId },
    /// The network could not deliver what it had taken; the status is that of TS 23.040, 9.2.3.15.
    Undelivered { id: OrderId, status: u8 },
    /// A call was made and has ended.
    Rang { id: OrderId, how: Rung },
    /// Neither sent nor called, and not tried again.
    Failed { id: OrderId, why: Why },
    /// Somebody sent a text. One that a network hands over twice is told once.
    Received { from: Number, text: String, sent_at: Option<Timestamp> },
    /// Signal strength; none if the modem does not know.
    Signal { dbm: Option<i16> },
    /// It does not work, or soon will not; told when it changes.
    Troubled(Trouble),
    /// It is registered and can send; told when it changes.
    Well,
}

/// How a call went. None of these says that a person understood anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// Somebody, or a voice box, took the call.
    Answered,
    /// The phone rang and nobody took it.
    Unanswered,
    /// The modem does not say whether the phone rang.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The serial port cannot be opened or has gone.
    Port(String),
    /// The port is open; nothing answers.
    Silent,
    NoSim,
    PinWanted,
    NotRegistered,
    /// It cannot send at all.
    NoPduMode,
    /// It sends, but does not hand over what people answer.
    Deaf,
    WeakSignal {
        dbm: i16,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The modem was not ready for this long.
    NotReady(Option<Trouble>, Duration),
    /// It or its network refused each time, the last time with these words.
    Refused(String),
    /// It did not say what became of it.
    Silent,
    /// The text needs more parts than are sent.
    TooLong,
    /// The network ended the call before a phone rang.
    NotReached(String),
    /// The network had taken the text and gave it up; the status is that of TS 23.040, 9.2.3.15.
    Undelivered { status: u8 },
    /// An earlier order lets this phone ring soon; once is enough.
    RingsAlready,
    /// So many phones wait to be rung that this one's turn would come too late.
    TooManyRings,
}

impl Trouble {
    /// What is wrong and what to do, for people.
    pub fn text(&self) -> Text {
        match self {
            Self::Port(why) => Text::new(
                format!("短信模块的串口打不开({why}),请检查 USB 线和供电"),
                format!("the modem's serial port does not open ({why}); check its USB cable and power"),
            ),
            Self::Silent => Text::new(
                "短信模块没有应答,请检查供电、接线和波特率",
                "the modem does not answer; check its power, wiring and speed",
            ),
            Self::NoSim => Text::new(
                "短信模块读不到 SIM 卡,请重新插卡",
                "the modem finds no SIM card; insert the card again",
            ),
            Self::PinWanted => Text::new(
                "SIM 卡要求 PIN 码,请用手机取消这张卡的 PIN 码",
                "the SIM card asks for a PIN; switch it off with a phone",
            ),
            Self::NotRegistered => Text::new(
                "短信模块没有登记到移动网络,请检查天线、信号和 SIM 卡是否欠费",
                "the modem is not registered with a network; check antenna, signal and the card's account",
            ),
            Self::NoPduMode => Text::new(
                "短信模块不支持 PDU 模式,不能发短信,请更换型号",
                "the modem has no PDU mode and cannot send texts; use another model",
            ),
            Self::Deaf => Text::new(
                "短信模块不转交收到的短信:能发出,收不到回复的“1”",
                "the modem does not hand over texts: it sends, but nobody can answer \"1\"",
            ),
            Self::WeakSignal { dbm } => Text::new(
                format!("短信模块信号弱({dbm} dBm),短信可能发不出,请移动天线"),
                format!("the modem's signal is weak ({dbm} dBm) and texts may fail; move its antenna"),
            ),
        }
    }
}

impl Why {
    /// What happened, for the delivery row.
    pub fn text(&self) -> Text {
        match self {
            Self::NotReady(trouble, waited) => {
                let seconds = waited.as_secs();
                let trouble = trouble.as_ref().map(Trouble::text);
                let Text { zh, en } =
                    trouble.unwrap_or_else(|| Text::new("短信模块还没有就绪", "the modem is not ready yet"));
                Text::new(format!("等了 {seconds} 秒:{zh}"), format!("after {seconds} s: {en}"))
            }
            Self::Refused(words) => Text::new(
                format!("短信模块或网络拒绝({words})"),
                format!("the modem or its network refused ({words})"),
            ),
            Self::Silent => Text::new(
                "短信模块没有说明结果,可能已发出",
                "the modem did not say what became of it; it may have been sent",
            ),
            Self::TooLong => Text::new("短信太长", "the text is too long"),
            Self::NotReached(words) => {
                Text::new(format!("电话没有接通({words})"), format!("the call did not get through ({words})"))
            }
            Self::Undelivered { status } => Text::new(
                format!("网络收下了短信却送不到手机(状态 {status:#04x}),请核对号码、是否关机或停机"),
                format!(
                    "the network took the text and could not deliver it ({status:#04x}); check the number and the phone"
                ),
            ),
            Self::RingsAlready => Text::new("这部电话已排队呼叫", "this phone is to be rung already"),
            Self::TooManyRings => Text::new("排队呼叫的电话太多", "too many phones wait to be rung"),
        }
    }
}
