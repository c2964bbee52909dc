//! What an installer at the box asks of the running gateway: a look at it, and the steps of a walk test. The event loop
//! answers; the control socket and the installer's pages ask.
use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_core::engine::Sight;
use shouwang_core::input::Input;
use shouwang_core::walk::{Walk, WalkStep};
use shouwang_message::{Id, Text};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Askers that may wait.
pub(crate) const WAITING: usize = 16;
/// The event loop answers within this, or it stands still.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// One question.
#[derive(Debug)]
pub struct Wish {
    /// Done before the look, if there is one.
    pub(crate) step: Option<WalkStep>,
    /// Whose readings are wanted too.
    pub(crate) device: Option<Id>,
    pub(crate) answer: oneshot::Sender<Sight>,
}

/// The way to the event loop.
#[derive(Clone, Debug)]
pub struct Counter {
    wishes: mpsc::Sender<Wish>,
    inputs: mpsc::Sender<Input>,
}

/// The walk test, as the box tells it to whoever walks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WalkTold {
    pub walk: Option<Walk>,
    /// What people call the listed devices.
    pub names: BTreeMap<Id, String>,
    /// Listed devices whose sensor is not back to normal.
    pub not_normal: Vec<Id>,
    /// Why the last step was refused.
    pub refused: Option<Text>,
}

impl Counter {
    pub fn new(inputs: mpsc::Sender<Input>) -> (Self, mpsc::Receiver<Wish>) {
        let (wishes, waiting) = mpsc::channel(WAITING);
        (Self { wishes, inputs }, waiting)
    }

    /// The gateway as it is now, with the readings of one device if wanted; none if the event loop does not answer.
    pub async fn look(&self, device: Option<Id>) -> Option<Sight> {
        self.ask(None, device).await
    }

    /// Takes this step of a walk test; none if the event loop does not answer.
    pub async fn walk(&self, step: WalkStep) -> Option<Sight> {
        self.ask(Some(step), None).await
    }

    /// The configuration is to be read anew.
    pub async fn reload(&self) {
        // A loop that has ended reads nothing more.
        let _ = self.inputs.send(Input::ReloadWanted).await;
    }

    async fn ask(&self, step: Option<WalkStep>, device: Option<Id>) -> Option<Sight> {
        let (answer, answered) = oneshot::channel();
        let asking = async {
            self.wishes.send(Wish { step, device, answer }).await.ok()?;
            answered.await.ok()
        };
        timeout(ANSWERED_WITHIN, asking).await.ok().flatten()
    }
}

impl WalkTold {
    /// `is_step`: the look followed a step, so that a refusal is its.
    pub fn of(sight: Sight, is_step: bool) -> Self {
        let listed = sight.walk.iter().flat_map(|walk| &walk.rows);
        let names = listed.filter_map(|row| {
            let device = sight.devices.iter().find(|device| device.id == row.device)?;
            Some((row.device.clone(), device.place.name.clone()?))
        });
        let names = names.collect();
        let Sight { walk, not_normal, refused, .. } = sight;
        Self { walk, names, not_normal, refused: refused.filter(|_| is_step) }
    }
}
