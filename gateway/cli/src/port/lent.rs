//! A line that a running gateway holds: borrowed through its control socket, between its own questions.
use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use shouwang_core::profile::Parity;
use shouwang_gateway::control::{Asked, AskedTraffic, Grant, Told, Wish};
use shouwang_installer::{Heard, Lost, Question, Setting, Traffic};

use super::{Stop, Where};
use crate::socket::{exchange, receive, send};

/// A busy line may keep a guest waiting for its turn this long besides the answer itself.
const TURN_WITHIN: Duration = Duration::from_secs(15);

pub(super) struct Lent {
    pub(super) setting: Setting,
    /// What the line had heard that was no answer when it was borrowed, and when its gateway was last asked.
    before: Traffic,
    now: Traffic,
    stream: BufReader<UnixStream>,
}

impl Lent {
    /// # Errors
    /// No gateway serves the socket, or it does not have this line; in words.
    pub(super) fn from_gateway(socket: &Path, place: &Where) -> Result<Self, String> {
        let said = |error: &dyn std::fmt::Display| {
            format!("{}: 借不到 · it cannot be borrowed: {error}", socket.display())
        };
        let stream = UnixStream::connect(socket).map_err(|error| said(&error))?;
        stream.set_read_timeout(Some(TURN_WITHIN)).map_err(|error| said(&error))?;
        let mut stream = BufReader::new(stream);
        let wish = Wish { line: place.to_string() };
        let setting = match exchange(&mut stream, &wish).map_err(|error| said(&error))? {
            Grant::Refused(why) => return Err(said(&why)),
            Grant::Recording(_) => return Err(said(&"不是所问的 · that was not the question")),
            Grant::Tcp { rtu_frames } => Setting::Tcp { rtu_frames },
            Grant::Serial { baud, parity, stop_bits } => {
                let parity = match parity {
                    'E' => Parity::Even,
                    'O' => Parity::Odd,
                    _ => Parity::None,
                };
                Setting::Serial { baud, parity, stop_bits }
            }
        };
        let mut lent = Self { setting, before: Traffic::default(), now: Traffic::default(), stream };
        lent.refresh().map_err(|error| said(&error))?;
        lent.before = lent.now;
        Ok(lent)
    }

    /// Asks what the line has heard by now.
    pub(super) fn refresh(&mut self) -> Result<(), Lost> {
        let told = exchange(&mut self.stream, &AskedTraffic { traffic: true });
        match told.map_err(|error| Lost::Line(error.to_string()))? {
            Told::Traffic(stray_bytes, own_echoes) => self.now = Traffic { stray_bytes, own_echoes },
            other => drop(other.heard().map_err(Lost::Line)?),
        }
        Ok(())
    }

    /// Since it was borrowed.
    pub(super) fn traffic(&self) -> Traffic {
        Traffic {
            stray_bytes: self.now.stray_bytes.saturating_sub(self.before.stray_bytes),
            own_echoes: self.now.own_echoes.saturating_sub(self.before.own_echoes),
        }
    }

    /// A line cannot be lent at another setting than its devices have.
    pub(super) fn must_be_at(&self, setting: Setting) -> Result<(), Lost> {
        if setting == self.setting {
            return Ok(());
        }
        let own = self.setting;
        Err(Lost::Line(format!(
            "运行中的网关只按它自己的 {own} 借出这条线,不是 {setting} · the running gateway lends this line only as it is set, \
             {own}, not at {setting}"
        )))
    }

    pub(super) fn ask(&mut self, question: &Question, stop: &Stop) -> Result<Heard, Lost> {
        let asked = Asked {
            unit_id: question.unit_id,
            function: question.table.function(),
            address: question.address,
            count: question.count,
            wait_ms: u16::try_from(question.wait.as_millis()).unwrap_or(u16::MAX),
        };
        send(&mut self.stream, &asked).map_err(|error| Lost::Line(error.to_string()))?;
        let mut fds = [
            PollFd::new(self.stream.get_ref(), PollFlags::IN),
            PollFd::new(stop.descriptor(), PollFlags::IN),
        ];
        loop {
            match poll(&mut fds, None) {
                Ok(_) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(Lost::Line(error.to_string())),
            }
        }
        if !fds[1].revents().is_empty() {
            return Err(Lost::Interrupted);
        }
        let told: Told = receive(&mut self.stream).map_err(|error| Lost::Line(error.to_string()))?;
        told.heard().map_err(Lost::Line)
    }
}
