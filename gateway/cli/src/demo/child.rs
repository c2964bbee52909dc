//! The demo's gateway as a process of its own, so that it can be killed as a power cut would: SIGKILL, no farewell.
//! It is this same binary with the verb `demo-gateway`, and ends by itself when the demo's end of its input closes.
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::ledger::Notice;
use crate::exit::{Code, Exit};

/// Notices that may wait for the demo; beyond it the gateway's pipe fills, which takes thousands more.
const WAITING: usize = 1024;
/// A clean end takes a fraction of a second; after this it is killed.
const END_WITHIN: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);

/// A running gateway. Dropping it kills it.
#[derive(Debug)]
pub(super) struct GatewayProcess {
    child: Child,
    /// Closed: the gateway shall end.
    farewell: Option<ChildStdin>,
}

/// Where every gateway's notices come together, whichever of them is running.
pub(super) fn notices() -> (Sender<Notice>, Receiver<Notice>) {
    channel(WAITING)
}

impl GatewayProcess {
    pub(super) fn start(config: &Path, told: Sender<Notice>) -> Result<Self, Exit> {
        let failed = |error: std::io::Error| {
            Exit::Because(Code::Failed, format!("starting the demo's gateway as a process: {error}"))
        };
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.arg("demo-gateway").arg("--config").arg(config);
        // In a group of its own: Ctrl-C at the terminal is for the demo, which then ends its gateway in order.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let farewell = child.stdin.take();
        if let Some(out) = child.stdout.take() {
            let reader = move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    if let Some(notice) = Notice::parse(&line)
                        && told.blocking_send(notice).is_err()
                    {
                        return;
                    }
                }
            };
            std::thread::Builder::new().name("demo-notices".into()).spawn(reader).map_err(failed)?;
        }
        Ok(Self { child, farewell })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did without being asked.
    pub(super) fn ended(&mut self) -> Option<Exit> {
        let status = self.child.try_wait().ok().flatten()?;
        Some(Exit::Because(Code::Failed, format!("the demo's gateway ended by itself: {}", words(status))))
    }

    /// SIGKILL; returns when it is gone.
    pub(super) fn kill(mut self) {
        self.kill_and_wait();
    }

    /// Lets it commit what is open and say farewell.
    pub(super) async fn stop(mut self) -> Result<(), Exit> {
        drop(self.farewell.take());
        let mut left = END_WITHIN;
        while let Ok(None) = self.child.try_wait() {
            if left.is_zero() {
                let why = format!("the demo's gateway did not end within {END_WITHIN:?} and was killed");
                return Err(Exit::Because(Code::Failed, why));
            }
            tokio::time::sleep(LOOK).await;
            left = left.saturating_sub(LOOK);
        }
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Exit::Because(Code::Failed, format!("the demo's gateway: {}", words(status)))),
            Err(error) => Err(Exit::failed(&error)),
        }
    }

    fn kill_and_wait(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for GatewayProcess {
    fn drop(&mut self) {
        self.kill_and_wait();
    }
}

fn words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown".to_owned(),
    }
}
