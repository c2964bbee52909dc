//! `simulate`: a simulated field alone, until it is told to quit.
use std::path::Path;
use std::sync::mpsc;

use shouwang_catalog::Catalog;
use shouwang_field::{FieldError, Told};

use crate::exit::{Code, Exit};
use crate::serve::runtime;
use crate::signal::{self, Asked};

pub(crate) fn simulate(config: &Path, json: bool) -> Result<(), Exit> {
    let told = if json { Told::Json } else { Told::Text };
    let (stop, stopped) = mpsc::channel();
    let (interrupt, interrupted) = mpsc::channel();
    let runtime = runtime()?;
    let asked = runtime.block_on(async { signal::asked() }).map_err(|error| Exit::failed(&error))?;
    runtime.spawn(async move {
        if asked.await == Asked::Interrupt {
            // Nobody listens any more once the field has ended by itself.
            let _ = interrupt.send(());
        }
        let _ = stop.send(());
    });
    let field = shouwang_field::simulate(
        config,
        &Catalog::shipped(),
        std::io::stdin(),
        &mut std::io::stdout(),
        told,
        stopped,
    );
    runtime.shutdown_background();
    match field {
        Ok(()) if interrupted.try_recv().is_ok() => Err(Exit::Said(Code::Interrupted)),
        Ok(()) => Ok(()),
        Err(error @ (FieldError::Config(_) | FieldError::Unreadable { .. })) => {
            Err(Exit::Because(Code::Bad, text(&error)))
        }
        Err(error) => Err(Exit::failed(&error)),
    }
}

fn text(error: &FieldError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
