//! Telling systemd that we are ready, alive, stopping: its notification protocol, one datagram a message.
//!
//! Without systemd there is no socket in the environment, and nothing is said.
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Where the messages go, and how often one is expected.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    address: SocketAddr,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// By `NOTIFY_SOCKET`, and `WATCHDOG_USEC` if it is meant for this process; none if nobody listens.
    pub fn from_environment() -> Option<Self> {
        let path = std::env::var_os("NOTIFY_SOCKET")?;
        let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|_| is_ours).map(Duration::from_micros);
        Self::to(path.as_bytes(), watchdog)
    }

    /// `@` begins an abstract name.
    fn to(path: &[u8], watchdog: Option<Duration>) -> Option<Self> {
        let address = match path.strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path)),
        };
        let socket = UnixDatagram::unbound().and_then(|socket| {
            // Whoever does not listen must not hold us up.
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        match (address, socket) {
            (Ok(address), Ok(socket)) => Some(Self { socket, address, watchdog }),
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!(%error, "NOTIFY_SOCKET cannot be used; systemd is told nothing");
                None
            }
        }
    }

    /// How long systemd waits for [`Notifier::alive`] before it ends us; none if it does not.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// Until [`Notifier::ready`] is said again.
    pub fn reloading(&self) {
        self.send("RELOADING=1");
    }

    pub fn alive(&self) {
        if self.watchdog.is_some() {
            self.send("WATCHDOG=1");
        }
    }

    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// One line for `systemctl status`.
    pub fn status(&self, line: &str) {
        self.send(&format!("STATUS={line}"));
    }

    fn send(&self, message: &str) {
        if let Err(error) = self.socket.send_to_addr(message.as_bytes(), &self.address) {
            tracing::debug!(%error, message, "systemd was not told");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_at_a_path_and_at_an_abstract_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let at_path = UnixDatagram::bind(&path).unwrap();
        let name = format!("shouwang-test-{}", std::process::id());
        let abstract_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let watchdog = Some(Duration::from_secs(20));
        for (listener, address) in
            [(at_path, path.display().to_string()), (abstract_name, format!("@{name}"))]
        {
            let notifier = Notifier::to(address.as_bytes(), watchdog).unwrap();
            notifier.ready();
            notifier.alive();
            let mut heard = [0; 64];
            let mut next = || {
                let count = listener.recv(&mut heard).unwrap();
                String::from_utf8_lossy(&heard[..count]).into_owned()
            };
            assert_eq!([next(), next()], ["READY=1", "WATCHDOG=1"]);
        }
    }
}
