//! The figures of a harness: trials, losses and processor time, printed where a person reads them.
use rustix::time::{ClockId, clock_gettime};

/// A measurement under way.
pub(crate) struct Figures {
    what: &'static str,
    began: f64,
}

impl Figures {
    pub(crate) fn begin(what: &'static str) -> Self {
        Self { what, began: thread_seconds() }
    }

    pub(crate) fn tell(&self, trials: u64, losses: usize) {
        println!(
            "{}: {trials} trials, {losses} with a loss, {:.1} CPU s",
            self.what,
            thread_seconds() - self.began
        );
    }
}

/// Processor time of this thread.
fn thread_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
