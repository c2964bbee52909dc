//! The siren on the desk, with a relay module of the simulated field on a pty: it sounds with no page open, is quiet
//! when somebody acknowledges or asks, and a relay that is gone is a row.
use std::path::PathBuf;

use shouwang_catalog::Catalog;
use shouwang_duty_room::config::Sounder;
use shouwang_field::{FieldConfig, Place, Running as Field, Table};
use shouwang_serial::Parity;

use crate::desk::*;

struct Siren {
    field: Field,
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Siren {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ttySIREN");
        let text = format!(
            "[[line]]\nname = \"desk\"\npty = {{ baud = 9600, bits = 11, link = {path:?} }}\n\
             [[device]]\nid = \"relay\"\nline = \"desk\"\nunit_id = 1\nprofile = \"waveshare-rtu-relay-8ch\"\n"
        );
        let config = FieldConfig::from_toml(&text, "field.toml").unwrap();
        let field = shouwang_field::start(&config, &Catalog::shipped()).unwrap();
        assert!(matches!(field.place("desk"), Some(Place::Pty { .. })));
        Self { field, path, _directory: directory }
    }

    fn settings(&self) -> Sounder {
        Sounder { path: self.path.clone(), baud: 9600, parity: Parity::Even, unit_id: 1, coil: 2 }
    }

    fn is_on(&self) -> bool {
        self.field.register("relay", Table::Coil, 2).unwrap() == Some(1)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_sounds_with_no_page_open_until_somebody_acknowledges() {
    let (siren, broker, state) = (Siren::new(), Mosquitto::start().await, tempfile::tempdir().unwrap());
    let config =
        shouwang_duty_room::Config { sounder: Some(siren.settings()), ..config(state.path(), broker.port) };
    let running = started(config.clone()).await;
    let gateway = Gateway::connect(&broker).await;
    gateway.event(&raised(1)).await;
    eventually("the siren sounds", async || siren.is_on()).await;
    let browser = Browser::log_in(&running).await;
    assert_eq!(browser.post("/api/v1/sounder/silence", "{}").await.status, 200);
    eventually("quiet for a minute", async || !siren.is_on()).await;
    let second =
        shouwang_message::AlarmDocument { id: "01KANEXAMP0000000000000002".parse().unwrap(), ..smoke(1) };
    gateway.event(&event(2, shouwang_message::AlarmChange::Raised, second)).await;
    eventually("another emergency ends the quiet", async || siren.is_on()).await;
    for alarm in browser.alarms_when(|alarms| alarms.len() == 2).await {
        let path = format!("/api/v1/alarms/{}/acknowledge", alarm["id"].as_str().unwrap());
        assert_eq!(browser.post(&path, "{}").await.status, 200);
    }
    eventually("acknowledged", async || !siren.is_on()).await;
    gateway
        .event(&event(
            3,
            shouwang_message::AlarmChange::Repeated,
            shouwang_message::AlarmDocument { occurrence: 2, revision: 2, ..smoke(2) },
        ))
        .await;
    eventually("a second cry", async || siren.is_on()).await;
    running.stop().await.unwrap();
    assert!(!siren.is_on(), "a service that ends leaves no siren behind that nobody can stop");
    // After a restart nobody has answered the second cry yet.
    let running = started(config).await;
    eventually("it sounds again", async || siren.is_on()).await;
    drop(running);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_gone_is_a_row_until_it_is_back() {
    let (siren, broker, state) = (Siren::new(), Mosquitto::start().await, tempfile::tempdir().unwrap());
    siren.field.unplug("desk").unwrap();
    let config =
        shouwang_duty_room::Config { sounder: Some(siren.settings()), ..config(state.path(), broker.port) };
    let running = started(config).await;
    let browser = Browser::log_in(&running).await;
    let failing = async || browser.alarms().await.iter().any(|row| row["condition"] == "sounder_failing");
    eventually("a row says so", failing).await;
    siren.field.replug("desk").unwrap();
    eventually("and goes", async || !failing().await).await;
    running.stop().await.unwrap();
}
