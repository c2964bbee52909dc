//! The operator on the phone: what sounds is held low and nothing is spoken, but a new emergency is heard. And what
//! nobody comes for: louder after half a minute, red after a minute.
use serde_json::json;

use crate::chromium::Chromium;
use crate::page::Page;
use crate::room::Room;

/// A voice of this machine that says everything at once, and remembers it.
const VOICE: &str = "
    window.spoken = [];
    const voice = { localService: true, lang: 'zh-CN' };
    window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
    Object.defineProperty(window, 'speechSynthesis', { value: {
        getVoices: () => [voice], cancel() {},
        speak(said) { window.spoken.push(said.text); setTimeout(() => said.onend?.(), 10); },
    } });
    // How loud each way out is, by the order in which they were made.
    window.loud = () => window.ear.contexts[0].gains.map((gain) => gain.gain.value);
    const Heard = window.AudioContext;
    window.AudioContext = class extends Heard {
        createGain() {
            const gain = super.createGain();
            (this.gains ??= []).length < 2 && this.gains.push(gain);
            return gain;
        }
    };";

/// With a voice, the digit is spoken.
/// A page with a voice, and with what else runs before its own scripts, on which the watch has begun.
fn on_watch(script: &str) -> (Room, Chromium, Page) {
    let room = Room::new();
    let browser = Chromium::start();
    let page = browser.page();
    page.before_scripts(VOICE);
    page.before_scripts(script);
    page.open(&room.duty_room.link());
    page.until("document.body.dataset.live === 'live'");
    page.click("#start");
    page.until("window.spoken.length === 1");
    page.write(page.value("window.spoken[0]").as_str().unwrap_or_default());
    page.until("document.body.dataset.sound === 'armed'");
    (room, browser, page)
}

fn said(page: &Page, text: &str) -> String {
    format!("window.spoken.some((said) => said.includes({})) && {}", json!(text), page.value("true"))
}

#[test]
fn on_the_phone_it_is_quiet_but_a_new_emergency_is_heard() {
    let (room, _browser, page) = on_watch("");
    room.smoke("smoke-3-2-402", true);
    page.until_row("3-2-402");
    page.until(&said(&page, "三号楼 二单元 四零二 烟感报警"));
    page.until("document.body.dataset.tone === 'emergency' && window.loud()[0] > 0.25");

    page.press("KeyT");
    page.until(
        "document.body.dataset.sound === 'phone' && document.querySelector('#phone').ariaPressed === 'true'",
    );
    page.until("/^通话中 [45]:\\d\\d \\(T\\)$/.test(document.querySelector('#phone').innerText)");
    page.until("window.loud()[0] < 0.06");
    page.keep_pictures("board-phone");
    let before = page.value("window.spoken.length");
    let tones = page.tones().iter().filter(|tone| **tone == 988).count();
    assert_eq!(tones, 0, "no double tone yet");

    // A new emergency: the double tone, beside what is held low.
    room.gas("gas-3-1-101", 31.0);
    page.until_row("3-1-101");
    page.until("window.ear.tones.filter((tone) => tone === 988).length >= 2");
    assert!(page.value("window.loud()[1]").as_f64() > Some(0.25), "as loud as ever");
    assert!(page.value("window.loud()[0]").as_f64() < Some(0.06), "the rest stays low");
    // Until somebody has seen it: again.
    page.until("window.ear.tones.filter((tone) => tone === 988).length >= 4");
    assert_eq!(page.value("window.spoken.length"), before, "nothing is spoken into a call");

    page.press("KeyT");
    page.until("document.body.dataset.sound === 'armed' && window.loud()[0] > 0.25");
    page.until(&said(&page, "三号楼 一单元 一零一"));
    page.assert_no_errors();
}

#[test]
fn what_nobody_comes_for_is_louder_and_then_red() {
    let (room, _browser, page) = on_watch(
        "const ask = window.fetch;
         window.fetch = async (path, how) => {
             const answer = await ask(path, how);
             if (!String(path).includes('state=open') || !window.shift) return answer;
             const said = await answer.json();
             for (const one of said.items) one.raised_at = new Date(Date.parse(one.raised_at) - window.shift).toISOString();
             return new Response(JSON.stringify({ ...said, version: undefined, after: undefined }), { status: answer.status });
         };",
    );
    page.value("window.shift = 31000");
    room.smoke("smoke-3-2-402", true);
    page.until_row("3-2-402");
    page.until("document.body.dataset.waits === 'loud' && window.loud()[0] > 0.5");
    page.value("window.shift = 61000");
    room.smoke("smoke-3-2-403", true);
    page.until("document.body.dataset.waits === 'red'");
    page.keep_pictures("board-red");
    page.assert_no_errors();
}

#[test]
fn what_comes_late_says_so_after_a_reload_too_and_when_it_is_spoken() {
    let (room, _browser, page) = on_watch("");
    room.late_smoke();
    page.until("/^\\d+ 秒前发生$/.test(document.querySelector('#rows .late')?.innerText)");
    page.until("window.spoken.some((said) => /^三号楼 二单元 四零二 烟感报警 \\d+ 秒前发生$/.test(said))");
    page.keep_pictures("board-late");
    let late = page.text("#rows .late");
    page.open(&room.duty_room.link());
    page.until_row("3-2-402");
    assert_eq!(page.text("#rows .late"), late);
    page.assert_no_errors();
}
