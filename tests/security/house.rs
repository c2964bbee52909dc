//! One simulated smoke alarm, its gateway, a broker that wants TLS, and a tap between the two.
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use shouwang_catalog::Catalog;
use shouwang_field::{FieldConfig, Place, Running};
use shouwang_message::Value as Setting;
use shouwang_tests::gateway::binary;
use shouwang_tests::{Configuration, Gateway, Listener, Mosquitto, Visitor, port, wait_for};
use tempfile::TempDir;

use crate::authority::Pair;
use crate::tap::Tap;

pub(crate) const START_LIMIT: Duration = Duration::from_secs(30);
pub(crate) const ALARM_LIMIT: Duration = Duration::from_secs(10);
pub(crate) const RAISED: &str = "shouwang.alarm.raised.v1";

pub(crate) struct House {
    pub(crate) broker: Mosquitto,
    /// Hears at the broker's other, open door what reached it.
    pub(crate) listener: Listener,
    pub(crate) tap: Tap,
    pub(crate) configuration: Configuration,
    field: Running,
    health: String,
}

/// Files of certificates, which go when the test does.
pub(crate) fn drawer() -> TempDir {
    TempDir::with_prefix("shouwang-certificates-").expect("a directory for certificates")
}

/// Lines of a listener that shows this certificate, and wants one of this authority if it is named.
pub(crate) fn listener_lines(own: &Pair, clients: Option<&Path>) -> String {
    let mut lines = format!("certfile {}\nkeyfile {}\n", own.certificate.display(), own.key.display());
    if let Some(authority) = clients {
        lines += &format!(
            "cafile {}\nrequire_certificate true\nuse_identity_as_username true\n",
            authority.display()
        );
    }
    lines
}

/// Lines of a listener that wants a password of these people.
pub(crate) fn password_lines(directory: &Path, people: &[(&str, &str)]) -> String {
    let file = directory.join("passwords");
    std::fs::write(&file, "").expect("a file of passwords");
    for (name, password) in people {
        let made = Command::new("mosquitto_passwd").arg("-b").arg(&file).args([name, password]).output();
        assert!(made.expect("mosquitto_passwd runs").status.success());
    }
    format!("allow_anonymous false\npassword_file {}\n", file.display())
}

/// `url` and `ca_file` of a configuration.
pub(crate) fn trusting(port: u16, authority: &Path) -> String {
    format!("url = \"mqtts://localhost:{port}\"\nca_file = \"{}\"\n", authority.display())
}

/// `client_certificate` and `client_key`.
pub(crate) fn showing(pair: &Pair) -> String {
    format!(
        "client_certificate = \"{}\"\nclient_key = \"{}\"\n",
        pair.certificate.display(),
        pair.key.display()
    )
}

impl House {
    /// `uplink` makes the keys of `[uplink]` from the tap's port.
    pub(crate) fn new(broker: Mosquitto, uplink: impl FnOnce(u16) -> String) -> Self {
        let text = "line = [{ name = 'house', tcp = { listen = '127.0.0.1:0' } }]\n\
            [[device]]\nid = 'smoke-1'\nline = 'house'\nunit_id = 1\nprofile = 'renke-rs-yg-n01'\n";
        let config = FieldConfig::from_toml(text, "field.toml").expect("a field");
        let field = shouwang_field::start(&config, &Catalog::shipped()).expect("a running field");
        let address = match field.place("house") {
            Some(Place::Tcp(address)) => address.to_string(),
            _ => String::new(),
        };
        let tap = Tap::to(broker.further_port());
        let health = format!("127.0.0.1:{}", port::free());
        let configuration = Configuration::new(&broker)
            .uplink(&format!("{}hearers = [\"duty-1\"]", uplink(tap.port)))
            .tcp_line("line-1", &address, "")
            .device("smoke-1", "line-1", 1, "renke-rs-yg-n01", "")
            .table(&format!("[web]\nlisten = \"{health}\""));
        let listener = Listener::start(&broker);
        Self { broker, listener, tap, configuration, field, health }
    }

    pub(crate) fn start(&self) -> Gateway {
        Gateway::start(&self.configuration)
    }

    pub(crate) fn smoke(&self, is_smoking: bool) {
        self.field.set("smoke-1", "smoke", Setting::Bool(is_smoking)).expect("a point that can be set");
    }

    /// `check`: its exit code and all it said.
    pub(crate) fn check(&self) -> (i32, String) {
        let told =
            Command::new(binary()).arg("check").arg("--config").arg(self.configuration.write()).output();
        let told = told.expect("check runs");
        let words = [told.stdout, told.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        (told.status.code().unwrap_or(-1), words.concat())
    }

    /// What `/readyz` answers.
    pub(crate) fn readiness(&self) -> Option<(u16, String)> {
        let answer = Visitor::new(self.health.as_str(), ALARM_LIMIT).get("/readyz").ok()?;
        Some((answer.status, answer.body))
    }

    /// The first line of the gateway's log with these words.
    pub(crate) fn wait_for_line(&self, gateway: &Gateway, words: &str) -> String {
        wait_for(START_LIMIT, &format!("the log should say {words:?}"), || {
            gateway.stderr().lines().find(|line| line.contains(words)).map(str::to_owned)
        })
    }
}
