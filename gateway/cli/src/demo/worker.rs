//! A grid worker's phone: their own page stands from the start on, and for the bridge's first line they are sent, with a
//! link of their own to that case. Both open on any phone, without an account; what is pressed there is up to the viewer.
use shouwang_board::{CaseAsked, CaseStep, Outcome};
use shouwang_duty_room as duty_room;
use shouwang_message::{AlarmChange, AlarmId, Class, Event, EventData};

use super::setting::{WORKER, WORKER_NAME};

/// The river's sensor: what the viewer reads elsewhere by the phone sends nobody.
const SENSOR: &str = "level-bridge";
/// Whose name stands in the case's history.
const SENT_BY: &str = "simulated-duty";

/// The worker, and whether they were sent.
#[derive(Debug, Default)]
pub(super) struct Worker {
    wanted: Option<AlarmId>,
    is_sent: bool,
}

/// The worker's own page; none if the disk made none.
pub(super) async fn page(room: &duty_room::Running) -> Option<String> {
    room.page_of(WORKER).await
}

impl Worker {
    pub(super) fn hear(&mut self, event: &Event) {
        if let EventData::Alarm(AlarmChange::Raised, document) = &event.data
            && document.class == Class::WaterLevel
            && document.device.as_str() == SENSOR
            && !self.is_sent
        {
            self.is_sent = true;
            self.wanted = Some(document.id);
        }
    }

    /// The link of who was sent just now.
    pub(super) async fn act(&mut self, room: &duty_room::Running) -> Option<String> {
        let case = self.wanted.take()?;
        let asked = CaseAsked {
            case,
            by: SENT_BY.into(),
            from: "127.0.0.1".into(),
            note: Some("请到桥头看水,读水尺".into()),
            call_back: None,
            occurrence: None,
            step: CaseStep::Dispatch { to: WORKER_NAME.into() },
        };
        match room.ask_case(asked).await {
            Some(Outcome::CaseTaken { .. }) => room.link_to(case, WORKER_NAME).await,
            _ => None,
        }
    }
}
