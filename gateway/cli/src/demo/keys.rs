//! The viewer's keys: single key presses from the terminal without echo, and the terminal as it was at every end.
use std::io::{IsTerminal as _, Read as _, stdin};

use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use tokio::sync::mpsc::{Receiver, channel};

/// Keys that may wait; more are forgotten, as nobody means thirty presses at once.
const WAITING: usize = 32;

/// A terminal that tells single keys. Dropping it, in a panic too, makes it as it was.
pub(super) struct Keys {
    before: Termios,
    pressed: Receiver<u8>,
}

impl Keys {
    /// None if standard input is no terminal, or another program has it: then there is nobody at the keys.
    pub(super) fn listen() -> Option<Self> {
        let terminal = stdin();
        if !terminal.is_terminal() || tcgetpgrp(&terminal).ok()? != getpgrp() {
            return None;
        }
        let before = tcgetattr(&terminal).ok()?;
        let mut settings = before.clone();
        // Ctrl-C stays a signal: it must work even when nothing here does.
        settings.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Now, &settings).ok()?;
        let (told, pressed) = channel(WAITING);
        let keys = Self { before, pressed };
        let reader = move || {
            for key in stdin().lock().bytes().map_while(Result::ok) {
                // Full: see above. The demo's end ends this thread with the process.
                let _ = told.try_send(key);
            }
        };
        // Without this thread the settings must go back at once, which the drop does.
        std::thread::Builder::new().name("demo-keys".into()).spawn(reader).ok()?;
        Some(keys)
    }

    /// The next key; waits for ever once there will be none.
    pub(super) async fn pressed(&mut self) -> u8 {
        match self.pressed.recv().await {
            Some(key) => key,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // A terminal that is gone needs no settings.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}
