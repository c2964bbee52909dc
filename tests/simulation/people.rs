//! People at two pages: they look at the list, and a moment later do something about what they saw.
use serde_json::Value;
use shouwang_board::{Asked, Board, ListState, Request};
use shouwang_message::Timestamp;

use super::agenda::Click;
use super::scenario::Wish;

/// Account ids of the pages.
const NAMES: [&str; 2] = ["u-1", "u-2"];

/// What a person at this page wants to do about the list as it is now.
pub(super) fn looks(board: &Board, page: u8, wish: Wish) -> Option<Click> {
    let rows = board.list(ListState::Open);
    let suits = |row: &&Value| {
        row["kind"] == "alarm"
            && match wish {
                Wish::Acknowledge => row["acknowledged"].is_null(),
                Wish::Reset => !row["acknowledged"].is_null(),
                _ => true,
            }
    };
    let row = rows.iter().find(suits)?;
    let alarm = row["id"].as_str()?.parse().ok()?;
    let occurrence = u32::try_from(row["occurrence"].as_u64()?).ok()?;
    Some(Click { page, wish, alarm, occurrence })
}

pub(super) fn name(page: u8) -> &'static str {
    NAMES[usize::from(page) % NAMES.len()]
}

/// What the page sends. Whoever puts something aside does so for half a minute, and says why and with whom.
pub(super) fn asked(click: Click, wall: Timestamp) -> Asked {
    let until = Timestamp::from_unix_ms(wall.unix_ms() + 30_000);
    let second = Some(name(click.page + 1).to_owned());
    let request = match click.wish {
        Wish::Acknowledge => Request::Acknowledge,
        Wish::Reset => Request::Reset,
        Wish::Silence => Request::Silence,
        Wish::Shelve => Request::Shelve { until, second },
        Wish::OutOfService => Request::OutOfService { until, second },
    };
    let by = name(click.page).to_owned();
    Asked {
        alarm: click.alarm,
        from: format!("the page of {by}"),
        by,
        reason: Some("trial".into()),
        occurrence: Some(click.occurrence),
        request,
    }
}
