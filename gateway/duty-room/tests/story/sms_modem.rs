//! A person with a phone and nothing else: the alarm reaches it through a modem on a pty, it rings, and the answer "1"
//! is an acknowledgement that the gateway hears of.
use std::time::Duration;

use shouwang_duty_room::Config;
use shouwang_field::{EmulatedModem, OnAir};
use shouwang_message::CommandName;

use crate::desk::*;

const WITHIN: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_is_acknowledged_from_a_pocket() {
    let (broker, state) = (Mosquitto::start().await, tempfile::tempdir().unwrap());
    let link = state.path().join("ttyMODEM");
    let modem = EmulatedModem::start(&link).unwrap();
    let text = format!(
        "name = \"duty-1\"\nstate_dir = \"state\"\n[broker]\nurl = \"mqtt://127.0.0.1:{}\"\n[web]\nlisten = \"127.0.0.1:0\"\n\
         [[channel]]\nid = \"modem\"\nkind = \"sms-modem\"\npath = {link:?}\nring_emergencies = true\n\
         [[person]]\nid = \"li\"\nname = \"李强\"\nphone = \"13800138001\"\nrole = \"on-duty\"\n\
         [[responder]]\nhours = \"00:00-24:00\"\npersons = [\"li\"]\n\
         [escalation]\nemergency = [{{ after_s = 0, tell = [\"modem\"], to = [\"on-duty\"] }}]\n",
        broker.port
    );
    let config = Config::parse(&state.path().join("duty-room.toml"), &text).unwrap();
    let running = started(config).await;
    let mut gateway = Gateway::connect(&broker).await;
    gateway.event(&raised(1)).await;
    let Some(OnAir::Text { to, text, part: None }) = modem.on_air(WITHIN) else { panic!("no text") };
    assert_eq!(to, "13800138001");
    assert!(text.starts_with("【值班室】3号楼2单元402") && text.contains("烟感报警"), "{text}");
    assert_eq!(modem.on_air(WITHIN), Some(OnAir::Ringing { to }));
    modem.receive("+8613800138001", "1");
    assert_eq!(gateway.command(CommandName::Acknowledge).await.by, "li");
    let browser = Browser::log_in(&running).await;
    eventually("the row names who answered", async || {
        browser.alarms().await.iter().any(|row| row["acknowledged"]["by"] == "li")
    })
    .await;
    modem.change(|manners| manners.is_silent = true);
    modem.unplug();
    let troubled = async || browser.alarms().await.iter().any(|row| row["condition"] == "channel_troubled");
    eventually("a modem that is gone is a row", troubled).await;
    running.stop().await.unwrap();
}
