//! Many devices of ten alarm inputs on many TCP lines, all answered by the fast server.
use std::time::Duration;

use shouwang_tests::{Configuration, Listener, Mosquitto, wait_until};

use crate::server::Server;
use crate::ten::{ALL_ALARMS, write_profiles};

/// How many, and how often they are asked; 0 is continuously.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Many {
    pub(crate) lines: u16,
    pub(crate) devices: u8,
    pub(crate) alarm_ms: u64,
}

impl Many {
    pub(crate) fn total(self) -> u16 {
        self.lines * u16::from(self.devices)
    }

    /// The n-th device's line and unit id: neighbours are on different lines.
    pub(crate) fn nth(self, n: u16) -> (u16, u8) {
        (n % self.lines, u8::try_from(n / self.lines % u16::from(self.devices)).unwrap_or(0) + 1)
    }

    pub(crate) fn configuration(self, broker: &Mosquitto, server: &Server) -> Configuration {
        let mut configuration = Configuration::new(broker);
        let profiles = configuration.directory().join("profiles");
        write_profiles(&profiles);
        configuration = configuration.top(&format!("profile_dirs = [\"{}\"]", profiles.display()));
        for line in 0..self.lines {
            let address = format!("127.0.0.1:{}", server.first_port() + line);
            let more = format!("poll = {{ alarm_ms = {} }}", self.alarm_ms);
            configuration = configuration.tcp_line(&line_name(line), &address, &more);
        }
        for n in 0..self.total() {
            let (line, unit_id) = self.nth(n);
            configuration =
                configuration.device(&device(line, unit_id), &line_name(line), unit_id, ALL_ALARMS, "");
        }
        configuration
    }

    /// Waits until every device was told to be online.
    pub(crate) fn wait_until_online(self, listener: &Listener, limit: Duration) {
        wait_until(limit, "all devices should be online", || {
            let messages = listener.messages();
            let online = messages.iter().filter(|message| {
                message.leaf.starts_with("device/")
                    && message.leaf.ends_with("/state")
                    && message.payload.windows(8).any(|part| part == b"\"online\"")
            });
            online.count() >= usize::from(self.total())
        });
    }
}

pub(crate) fn device(line: u16, unit_id: u8) -> String {
    format!("device-{line}-{unit_id}")
}

fn line_name(line: u16) -> String {
    format!("line-{line}")
}
