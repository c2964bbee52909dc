//! Another configuration for a duty room that runs: at the room's side every wish is heard, and here is who wishes.
use std::convert::Infallible;
use std::path::Path;

use serde_json::json;
use shouwang_duty_room::{Config, Refused, Running, Unasked, Wish, Wishes, ask_to_reload};
use shouwang_gateway::systemd::Notifier;
use tokio::sync::mpsc;

use crate::exit::{Code, Exit};
use crate::print;
use crate::serve::runtime;

/// `duty-room --reload`.
pub(crate) fn ask(path: &Path, json: bool) -> Result<(), Exit> {
    let config = Config::load(path).map_err(|error| {
        let keeps = "值班室没有重新加载,仍用原来的配置 · nothing was reloaded: the duty room keeps the configuration it has";
        Exit::Because(Code::Bad, format!("{error}\n{keeps}"))
    })?;
    let asked = runtime()?.block_on(ask_to_reload(&config.state_dir));
    match asked {
        Ok(()) if json => print::line(&json!({ "ok": true }).to_string()),
        Ok(()) => print::line("新配置已生效 · the new configuration is in force"),
        Err(Unasked::Refused(Refused { code, text })) if json => {
            print::line(&json!({ "ok": false, "error": { "code": code, "text": text } }).to_string())?;
            Err(Exit::Said(Code::Bad))
        }
        Err(Unasked::Refused(Refused { text, .. })) => {
            let words = if text.zh == text.en { text.en } else { format!("{}\n{}", text.zh, text.en) };
            Err(Exit::Because(Code::Bad, words))
        }
        Err(error @ Unasked::NoAnswer) => Err(Exit::failed(&error)),
        Err(error) => Err(Exit::Because(Code::Unreached, error.to_string())),
    }
}

/// Reloads at every SIGHUP and for everybody who asks at the socket.
pub(crate) async fn wishes(
    running: &Running,
    config: &Path,
    hangups: &mut mpsc::Receiver<()>,
    socket: Option<Wishes>,
    notifier: Option<&Notifier>,
) -> Infallible {
    let mut socket = socket;
    loop {
        let asked = async {
            match &mut socket {
                Some(socket) => socket.next().await,
                None => std::future::pending().await,
            }
        };
        let wish: Option<Wish> = tokio::select! {
            Some(()) = hangups.recv() => None,
            wish = asked => Some(wish),
        };
        if let Some(notifier) = notifier {
            notifier.reloading();
        }
        let became = running.reload(config, if wish.is_some() { "command" } else { "signal" }).await;
        if let Some(notifier) = notifier {
            notifier.ready();
            notifier.status(&match &became {
                Ok(()) => "configuration reloaded".to_owned(),
                Err(Refused { text, .. }) => format!("not reloaded: {}", text.en),
            });
        }
        if let Some(wish) = wish {
            wish.answer(&became).await;
        }
    }
}
