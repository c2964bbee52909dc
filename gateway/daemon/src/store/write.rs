//! One transaction: events, kept state and the heard mark of several commits, and a little tidying.
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use shouwang_core::output::{Commit, NewEvent};
use shouwang_message::Sequence;

use super::room::Room;
use super::{KEEP_EVENTS, LeftBehind, PRUNE_STEP};

/// Where the log begins and ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    pub(super) next_sequence: Sequence,
    pub(super) first_kept: Sequence,
    pub(super) heard_up_to: Sequence,
}

impl Tail {
    pub(super) fn of(restored: &LeftBehind) -> Self {
        let LeftBehind { next_sequence, first_kept, heard_up_to, .. } = *restored;
        Self { next_sequence, first_kept, heard_up_to }
    }

    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let (next_sequence, heard_up_to) =
            connection.query_row("SELECT next_sequence, heard_up_to FROM meta", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let first: Option<Sequence> =
            connection.query_row("SELECT min(sequence) FROM event", [], |row| row.get(0))?;
        Ok(Self { next_sequence, first_kept: first.unwrap_or(next_sequence), heard_up_to })
    }
}

#[derive(Debug)]
pub(super) enum Failure {
    OutOfSequence {
        expected: Sequence,
        found: Sequence,
    },
    /// The disk is full, and what was laid by for this is used up.
    NoRoom,
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(source: rusqlite::Error) -> Self {
        Self::Database(source)
    }
}

/// Writes the commits in their order, all or nothing; where the log and its room stand then.
pub(super) fn write(
    connection: &mut Connection,
    mut tail: Tail,
    mut room: Room,
    commits: &[Commit],
) -> Result<(Tail, Room), Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !room.provide(&transaction, commits)? {
        return Err(Failure::NoRoom);
    }
    for commit in commits {
        write_one(&transaction, &mut tail, commit)?;
    }
    prune(&transaction, &mut tail)?;
    transaction
        .prepare_cached("UPDATE meta SET next_sequence = ?1, heard_up_to = ?2")?
        .execute(params![tail.next_sequence, tail.heard_up_to])?;
    transaction.commit()?;
    Ok((tail, room))
}

fn write_one(transaction: &Transaction<'_>, tail: &mut Tail, commit: &Commit) -> Result<(), Failure> {
    let mut insert = transaction.prepare_cached("INSERT INTO event VALUES (?1, ?2)")?;
    for event in &commit.events {
        if event.sequence < tail.next_sequence && is_there(transaction, event)? {
            continue;
        }
        if event.sequence != tail.next_sequence {
            return Err(Failure::OutOfSequence { expected: tail.next_sequence, found: event.sequence });
        }
        insert.execute(params![event.sequence, event.body])?;
        tail.next_sequence += 1;
    }
    for (key, value) in &commit.kept {
        match value {
            Some(value) => transaction
                .prepare_cached("INSERT INTO kept VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2")?
                .execute(params![key, value])?,
            None => transaction.prepare_cached("DELETE FROM kept WHERE key = ?1")?.execute([key])?,
        };
    }
    if let Some(heard) = commit.heard_up_to {
        // A receipt cannot reach past what was ever written.
        tail.heard_up_to = tail.heard_up_to.max(heard.min(tail.next_sequence - 1));
    }
    Ok(())
}

/// A commit whose flush failed may be on disk all the same; the core sends it again as it was.
fn is_there(transaction: &Transaction<'_>, event: &NewEvent) -> rusqlite::Result<bool> {
    let body: Option<Vec<u8>> = transaction
        .prepare_cached("SELECT body FROM event WHERE sequence = ?1")?
        .query_row([event.sequence], |row| row.get(0))
        .optional()?;
    Ok(body.is_some_and(|body| body == event.body))
}

/// Takes heard events away, oldest first, down to the newest [`KEEP_EVENTS`], in bounded steps.
fn prune(transaction: &Transaction<'_>, tail: &mut Tail) -> rusqlite::Result<()> {
    let may_go = tail.heard_up_to.min((tail.next_sequence - 1).saturating_sub(KEEP_EVENTS));
    if may_go < tail.first_kept {
        return Ok(());
    }
    let last = may_go.min(tail.first_kept + PRUNE_STEP - 1);
    transaction.prepare_cached("DELETE FROM event WHERE sequence <= ?1")?.execute([last])?;
    tail.first_kept = last + 1;
    Ok(())
}
