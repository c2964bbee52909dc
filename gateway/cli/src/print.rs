//! Printing that survives a closed pipe: `shouwang profile list | head` is no error of ours.
use std::io::{self, Write as _};

use crate::exit::{Code, Exit};

/// Prints one line and flushes, so that a reader behind a pipe sees it at once.
pub(crate) fn line(text: &str) -> Result<(), Exit> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Exit::Said(Code::Failed)),
        Err(error) => Err(Exit::failed(&error)),
    }
}
