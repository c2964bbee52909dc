//! The story that plays by itself: what happens when, and one sentence about what to look at.
use std::time::Duration;

use shouwang_message::Text;

use super::stage::{Act, Told};

/// One thing that happens, so many seconds after the gateway's start.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) at: Duration,
    pub(super) act: Act,
    /// What the viewer should look at.
    pub(super) scene: Option<Text>,
}

/// All of it, in the order of time.
pub(super) fn story() -> Vec<Step> {
    let smoke = |device, there| Act::Set { device, point: "smoke", value: Told::Smoke(there) };
    let gas = |lel| Act::Set { device: "gas-3-1-101", point: "gas_lel", value: Told::Number(lel) };
    let river = |metres| Act::Set { device: "level-bridge", point: "level_m", value: Told::Number(metres) };
    let step = |at: f64, act, scene| Step { at: Duration::from_secs_f64(at), act, scene };
    let scene = |zh: &str, en: &str| Some(Text::new(zh, en));
    vec![
        step(
            2.0,
            smoke("smoke-3-2-402", true),
            scene(
                "402 冒烟:值守页扫频音加语音;按 A 确认,读出房号",
                "smoke in 402: sweep and speech on the page; A acknowledges and the room is spoken back",
            ),
        ),
        step(
            3.0,
            Act::Press,
            scene(
                "401 老人按下呼叫:灯一步步变;回拨无人接听,派持钥匙的人上门",
                "401 calls: follow its lamp; nobody answers the call-back, so the key holder is sent",
            ),
        ),
        step(
            4.0,
            river(3.41),
            scene("青石桥涨到 3.41 米,过警戒线:黄", "the river rises over its warning line: yellow"),
        ),
        step(5.0, gas(31.0), scene("101 厨房燃气 31 %LEL", "gas in the kitchen of 101, 31 %LEL")),
        step(
            10.0,
            river(4.6),
            scene(
                "一个假尖峰 4.60 米:存下、标可疑,不报警",
                "a false spike of 4.60 m: kept, flagged, and no alarm",
            ),
        ),
        step(10.25, river(3.43), None),
        step(
            20.0,
            Act::Press,
            scene("401 又按了一次:再次报警,要重新确认", "401 presses again: a second cry is not silent"),
        ),
        step(
            22.0,
            river(3.86),
            scene("青石桥 3.86 米,过保证线:橙", "the river is over its guarantee line: orange"),
        ),
        step(25.0, smoke("smoke-3-2-402", false), None),
        step(28.0, river(4.25), scene("青石桥 4.25 米,超历史最高:红", "the river is over its record: red")),
        step(30.0, gas(2.0), None),
        step(34.0, Act::BrokerAway, None),
        step(
            36.0,
            smoke("smoke-3-2-403", true),
            scene(
                "这时 403 冒烟:谁也听不到,网关先落盘",
                "smoke in 403 meanwhile: nobody hears it yet, it is on disk",
            ),
        ),
        step(38.0, river(4.31), None),
        step(41.0, river(4.24), None),
        step(
            44.0,
            Act::BrokerBack,
            scene(
                "103 的独居老人一直没有用水(演示把 12 小时缩短成 30 秒):平安提醒,请人上门看看",
                "nobody in 103, who lives alone, has drawn water (12 h are 30 s in the demo): somebody should go and look",
            ),
        ),
        step(
            45.0,
            river(4.21),
            scene(
                "断开时的水位也补上,各带自己的时间;从这时起水位计卡住了",
                "the stages of the outage come too, with their own times; from now on the sensor is stuck",
            ),
        ),
        step(52.0, smoke("smoke-3-2-403", false), None),
        step(54.0, Act::Unplug, None),
        step(
            67.0,
            river(2.9),
            scene(
                "水位计 20 秒不动:故障“卡住”,颜色不降;现在又动了,颜色一级一级地降",
                "stuck for 20 s: a fault, and the colour stays; now it moves, and the colour comes down step by step",
            ),
        ),
        step(74.0, Act::Replug, None),
        step(
            76.0,
            Act::Set { device: "inputs-3-1", point: "pulse_count_0", value: Told::Number(12.0) },
            scene("103 用了 12 升水:平安提醒自己恢复", "12 litres are drawn in 103: it clears by itself"),
        ),
        step(80.0, Act::Kill, None),
        step(
            81.0,
            gas(33.0),
            scene(
                "网关死着,101 燃气又到 33 %LEL:回来后补报,一次不少、一次不重",
                "gas in 101 again while the gateway is dead: told after its return, once and only once",
            ),
        ),
        step(92.0, gas(2.0), None),
    ]
}

/// When the two databases are compared for the first time; the viewer's keys go on.
pub(super) const OVER: Duration = Duration::from_secs(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_is_in_order_and_ends_before_it_is_counted() {
        let story = story();
        assert!(story.is_sorted_by_key(|step| step.at));
        assert!(story.last().is_some_and(|last| last.at < OVER));
    }
}
