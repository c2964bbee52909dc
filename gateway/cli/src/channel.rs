//! `channel test`: whether a message leaves the house by this channel, before it must.
use std::path::Path;

use serde_json::json;
use shouwang_duty_room::notify::{Tested, test};
use shouwang_duty_room::{Clock, Config};

use crate::exit::{Code, Exit};
use crate::{print, serve};

pub(crate) fn try_out(config: &Path, id: &str, to: Option<&str>, json: bool) -> Result<(), Exit> {
    let config = Config::load(config).map_err(|error| Exit::Because(Code::Bad, error.to_string()))?;
    let bad = |why: String| Err(Exit::Because(Code::Bad, why));
    let Some(channel) = config.channels.iter().find(|channel| channel.id.as_str() == id) else {
        let known: Vec<_> = config.channels.iter().map(|channel| channel.id.as_str()).collect();
        let known = if known.is_empty() { "-".to_owned() } else { known.join(", ") };
        return bad(format!("没有通道 {id},现有:{known} · no channel is called {id}; there are: {known}"));
    };
    match (channel.kind.is_personal(), to) {
        (true, None) => return bad("写上 --to 手机号 · say whom with --to PHONE".into()),
        (false, Some(_)) => {
            return bad("群通道不用 --to · --to is for a channel that reaches one person".into());
        }
        _ => {}
    }
    let page = config.web.public_url.as_deref();
    let tested = serve::runtime()?.block_on(test(channel, page, to, &Clock::system()));
    show(id, channel.kind.word(), &tested, json)
}

fn show(id: &str, kind: &str, tested: &Tested, json: bool) -> Result<(), Exit> {
    let (result, ms, code, text, exit) = match tested {
        Tested::Taken { after } => ("taken", Some(after.as_millis()), None, None, None),
        Tested::Unreached { code, text } => {
            ("unreached", None, Some(code), Some(text), Some(Code::Unreached))
        }
        Tested::Refused { code, text } => ("refused", None, Some(code), Some(text), Some(Code::Found)),
    };
    if json {
        let object =
            json!({"channel": id, "kind": kind, "result": result, "ms": ms, "code": code, "text": text});
        print::line(&object.to_string())?;
        return exit.map_or(Ok(()), |code| Err(Exit::Said(code)));
    }
    match (exit, text) {
        (Some(Code::Unreached), Some(text)) => Err(Exit::Because(
            Code::Unreached,
            format!("通道 {id} 连不上 · channel {id} is not reached: {text}"),
        )),
        (Some(exit), Some(text)) => {
            Err(Exit::Because(exit, format!("通道 {id} 被拒绝 · channel {id} was refused: {text}")))
        }
        _ => {
            let ms = ms.unwrap_or_default();
            print::line(&format!(
                "通道 {id} 已收下测试消息,{ms} ms;请看是否真的到了 · channel {id} took the test message in {ms} ms; \
                 look whether it arrived"
            ))
        }
    }
}
