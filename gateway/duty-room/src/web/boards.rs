//! Which boards a person can hear: each page says so every few seconds, and is forgotten when it does not.
//! An open connection proves nothing here: a PC that sleeps keeps its connections.
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use shouwang_message::Instant;

use super::Desk;
use super::extract::Change;
use super::refusal::{Refusal, mistake, refusal};

/// Three reports missed, of one every 5 s.
const SILENT_AFTER: Duration = Duration::from_secs(15);
/// Pages at a time; streams have a smaller bound.
const PAGES: usize = 64;

/// The pages that reported lately.
#[derive(Debug, Default)]
pub(super) struct Boards {
    pages: Mutex<BTreeMap<String, Page>>,
}

#[derive(Debug)]
struct Page {
    told_at: Instant,
    armed: bool,
}

/// How many boards are open, and how many of them can sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct BoardCount {
    pub(super) live: u32,
    pub(super) armed: u32,
}

impl Boards {
    /// A page's report; false when there are too many pages.
    fn report(&self, now: Instant, page: &str, armed: bool) -> bool {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        forget_silent(&mut pages, now);
        if pages.len() >= PAGES && !pages.contains_key(page) {
            return false;
        }
        pages.insert(page.to_owned(), Page { told_at: now, armed });
        true
    }

    pub(super) fn count(&self, now: Instant) -> BoardCount {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        forget_silent(&mut pages, now);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let armed = pages.values().filter(|page| page.armed).count();
        BoardCount { live: number(pages.len()), armed: number(armed) }
    }
}

fn forget_silent(pages: &mut BTreeMap<String, Page>, now: Instant) {
    pages.retain(|_, page| now.since(page.told_at) < SILENT_AFTER);
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Report {
    /// A person heard this page, and its audio runs.
    armed: bool,
}

/// `POST /api/v1/boards/{page}`: a page says every 5 s that it lives and whether it can sound.
pub(super) async fn report(
    State(desk): State<Desk>,
    Path(page): Path<String>,
    Change(report): Change<Report>,
) -> Result<Json<BoardCount>, Refusal> {
    if !(8..=64).contains(&page.len()) || !page.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(mistake(
            "page",
            "页面编号应为 8 到 64 个字母或数字",
            "A page's id is 8 to 64 letters or digits",
        ));
    }
    let now = desk.inner.clock.now();
    if !desk.inner.boards.report(now, &page, report.armed) {
        return Err(refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "boards",
            "同时打开的页面过多",
            "Too many boards are open",
        ));
    }
    Ok(Json(desk.tell_boards()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_page_is_forgotten_and_pages_are_bounded() {
        let boards = Boards::default();
        let at = |seconds| Instant::default() + Duration::from_secs(seconds);
        assert!(boards.report(at(0), "page-one", true));
        assert!(boards.report(at(5), "page-two", false));
        assert_eq!(boards.count(at(14)), BoardCount { live: 2, armed: 1 });
        assert_eq!(
            boards.count(at(15)),
            BoardCount { live: 1, armed: 0 },
            "asleep, whatever its connection says"
        );
        assert!(boards.report(at(16), "page-two", true));
        assert_eq!(boards.count(at(16)), BoardCount { live: 1, armed: 1 });
        for page in 0..PAGES - 1 {
            assert!(boards.report(at(17), &format!("page-{page:04}"), false));
        }
        assert!(!boards.report(at(17), "page-more", true), "no room");
        assert!(boards.report(at(17), "page-two", false), "who is known is heard");
    }
}
