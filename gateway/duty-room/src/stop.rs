//! The word that the duty room stops, heard by every part of it.
use tokio::sync::watch;

/// Hears the word; cloned for each part.
#[derive(Clone, Debug)]
pub(crate) struct Stopped(watch::Receiver<bool>);

impl Stopped {
    pub(crate) fn channel() -> (watch::Sender<bool>, Self) {
        let (stop, stopped) = watch::channel(false);
        (stop, Self(stopped))
    }

    /// Returns once the word was said, or nobody is left to say it.
    pub(crate) async fn wait(&mut self) {
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }

    pub(crate) fn is_said(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}
