//! What becomes of alarms and devices, in the service's log: one line each, with the device and the alarm as fields, so that
//! an operator finds them in the journal (`journalctl DEVICE=smoke-3-2-402`).
use serde::Deserialize;
use shouwang_core::output::Commit;

/// What the log wants of an event; all else is left alone.
#[derive(Debug, Deserialize)]
struct Seen {
    #[serde(rename = "type")]
    kind: String,
    subject: String,
    #[serde(default)]
    data: Data,
}

#[derive(Debug, Default, Deserialize)]
struct Data {
    /// The alarm's.
    id: Option<String>,
    condition: Option<String>,
    /// The device's.
    state: Option<String>,
}

/// Says what this commit is about to record.
pub(crate) fn tell(commit: &Commit) {
    // Nobody listens: nothing is read.
    if !tracing::enabled!(tracing::Level::INFO) {
        return;
    }
    for event in &commit.events {
        let Ok(Seen { kind, subject, data }) = serde_json::from_slice::<Seen>(&event.body) else { continue };
        let what = kind.trim_start_matches("shouwang.").trim_end_matches(".v1");
        let (device, sequence) = (subject.as_str(), event.sequence);
        match (what.split('.').next(), data) {
            (Some("alarm"), Data { id: Some(alarm), condition: Some(condition), .. }) => {
                tracing::info!(device, alarm, condition, sequence, "{what}");
            }
            (Some("device"), Data { state: Some(state), .. }) => {
                tracing::info!(device, state, sequence, "{what}");
            }
            (Some("fault"), _) => tracing::info!(device, sequence, "{what}"),
            _ => {}
        }
    }
}
