//! Every event to another program, as the CloudEvent that was heard: read from our own disk in the order of its
//! log, sent one at a time, tried again until it is taken. A restart goes on where the last one ended; a receiver
//! knows a repeated event by its source and id.
//!
//! `X-Shouwang-Signature: t=SECONDS,v1=HEX`, where HEX is the HMAC-SHA256 with the shared secret over
//! `SECONDS.BODY`. A receiver computes it over the bytes it got and refuses what is older than five minutes.
use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use rusqlite::{Connection, OptionalExtension, params};
use shouwang_board::{Input, LogLine};
use shouwang_message::Timestamp;
use tokio::sync::{broadcast, mpsc};

use super::answer::{self, Verdict};
use super::http::{Client, Post};
use super::queue::pause;
use super::signed::{hex, hmac};
use super::unreached;
use crate::clock::Clock;
use crate::config::Secret;
use crate::config::channels::Address;
use crate::eventloop::{HeardEvent, Message};
use crate::logbook;
use crate::stop::Stopped;

/// Events read at a time.
const BATCH: u32 = 32;
/// Without news the disk is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// An event that the receiver cannot take, while it answers, is left out after so many tries.
const TRIES: u32 = 10;
/// The answers that are about the event and not about us.
const ABOUT_THE_EVENT: [&str; 4] = ["http-400", "http-413", "http-415", "http-422"];

/// One receiver.
#[derive(Debug)]
pub(crate) struct Webhook {
    pub(crate) id: String,
    pub(crate) url: Address,
    pub(crate) secret: Secret,
    pub(crate) client: Client,
    pub(crate) state_dir: PathBuf,
    pub(crate) clock: Clock,
}

/// One log of one gateway.
type Log = (String, String, String);

/// Up to where each log was taken.
type Cursor = BTreeMap<String, u64>;

/// An event and the place in the cursor that it moves.
#[derive(Debug)]
struct Pending {
    log: String,
    sequence: u64,
    body: Vec<u8>,
}

pub(crate) fn post(url: &Address, secret: &Secret, body: Vec<u8>, wall: Timestamp) -> Post {
    let seconds = wall.unix_ms() / 1_000;
    let mut signed = format!("{seconds}.").into_bytes();
    signed.extend_from_slice(&body);
    let signature = format!("t={seconds},v1={}", hex(&hmac(secret.reveal().as_bytes(), &signed)));
    Post {
        path_and_query: url.path_and_query.clone(),
        content_type: "application/cloudevents+json; charset=utf-8",
        headers: HeaderValue::from_str(&signature)
            .map(|value| (HeaderName::from_static("x-shouwang-signature"), value))
            .into_iter()
            .collect(),
        body,
    }
}

/// Runs until the duty room stops.
pub(crate) async fn run(
    webhook: Webhook,
    mut heard: broadcast::Receiver<Arc<HeardEvent>>,
    inputs: mpsc::Sender<Message>,
    mut stopped: Stopped,
) {
    let id = webhook.id.clone();
    tokio::select! {
        () = stopped.wait() => {}
        () = webhook.tell_all(&mut heard, &inputs) => tracing::error!(channel = id, "the webhook ended"),
    }
}

impl Webhook {
    async fn tell_all(
        &self,
        heard: &mut broadcast::Receiver<Arc<HeardEvent>>,
        inputs: &mpsc::Sender<Message>,
    ) {
        let mut cursor = loop {
            match self.blocking(open_cursor).await {
                Ok(cursor) => break cursor,
                Err(why) => self.wait_for_disk(&why).await,
            }
        };
        loop {
            // What is heard from here on wakes the next look.
            *heard = heard.resubscribe();
            let at = cursor.clone();
            let pending = match self.blocking(move |dir, _| pending(dir, &at)).await {
                Ok(pending) => pending,
                Err(why) => {
                    self.wait_for_disk(&why).await;
                    continue;
                }
            };
            let is_all = pending.is_empty();
            for event in pending {
                self.tell(&event, inputs).await;
                cursor.insert(event.log, event.sequence);
                let kept = cursor.clone();
                if let Err(why) = self.blocking(move |dir, id| keep_cursor(dir, id, &kept)).await {
                    // It is told again after a restart.
                    tracing::warn!(channel = self.id, why, "cannot keep how far the webhook came");
                }
            }
            if is_all {
                // Whatever wakes us, the disk has the answer.
                let _ = tokio::time::timeout(LOOK_EVERY, heard.recv()).await;
            }
        }
    }

    /// Until it is taken, or left out.
    async fn tell(&self, event: &Pending, inputs: &mpsc::Sender<Message>) {
        let mut failures = 0_u32;
        loop {
            let post = post(&self.url, &self.secret, event.body.clone(), self.clock.wall());
            let verdict = match self.client.post(post).await {
                Ok(answer) => answer::webhook(&answer),
                Err(why) => unreached(why, &self.url),
            };
            let (code, text, after) = match verdict {
                Verdict::Taken if failures < 2 => return,
                Verdict::Taken => return self.note(inputs, "webhook.works", event, None).await,
                Verdict::Again { code, text, after } => (code, text, after),
                Verdict::Refused { code, text } => (code, text, None),
            };
            failures = failures.saturating_add(1);
            tracing::info!(channel = self.id, code, failures, "the webhook's receiver did not take an event");
            if failures == 2 {
                self.note(inputs, "webhook.failing", event, Some(&text)).await;
            }
            if is_left_out(failures, &code) {
                return self.note(inputs, "webhook.left_out", event, Some(&text)).await;
            }
            tokio::time::sleep(after.unwrap_or_else(|| pause(failures))).await;
        }
    }

    /// A line of the logbook.
    async fn note(&self, inputs: &mpsc::Sender<Message>, what: &str, event: &Pending, note: Option<&str>) {
        let line = LogLine {
            at: self.clock.wall(),
            by: self.id.clone(),
            from: self.url.shown(),
            what: what.into(),
            about: Some(format!("{}/{}", event.log, event.sequence)),
            old: None,
            new: None,
            note: note.map(str::to_owned),
        };
        // The loop lives as long as we do.
        let _ = inputs.send(Message::Input(Input::Noted(line))).await;
    }

    async fn wait_for_disk(&self, why: &str) {
        tracing::warn!(channel = self.id, why, "the webhook cannot read the store; trying again");
        tokio::time::sleep(LOOK_EVERY).await;
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path, &str) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let (state_dir, id) = (self.state_dir.clone(), self.id.clone());
        let done = tokio::task::spawn_blocking(move || work(&state_dir, &id)).await;
        done.map_err(|error| error.to_string())?
    }
}

/// Only an event that the receiver, which answers, cannot take: it must not hold up all later ones for ever.
/// A receiver that is away, or does not know us, loses nothing.
fn is_left_out(failures: u32, code: &str) -> bool {
    failures >= TRIES && ABOUT_THE_EVENT.contains(&code)
}

/// How far we came; a new receiver begins with what is heard from now on.
fn open_cursor(state_dir: &Path, id: &str) -> Result<Cursor, String> {
    let path = cursor_path(state_dir, id);
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let cursor = newest(state_dir).map_err(|error| error.to_string())?;
            keep_cursor(state_dir, id, &cursor)?;
            Ok(cursor)
        }
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn cursor_path(state_dir: &Path, id: &str) -> PathBuf {
    state_dir.join(format!("webhook-{id}.json"))
}

/// Whole or not at all.
fn keep_cursor(state_dir: &Path, id: &str, cursor: &Cursor) -> Result<(), String> {
    let path = cursor_path(state_dir, id);
    let new = path.with_extension("new");
    let write = || {
        let mut file =
            std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(cursor)?)?;
        file.sync_data()?;
        std::fs::rename(&new, &path)
    };
    write().map_err(|error| format!("{}: {error}", path.display()))
}

fn newest(state_dir: &Path) -> rusqlite::Result<Cursor> {
    let connection = logbook::open(&logbook::database(state_dir))?;
    let mut cursor = Cursor::new();
    for log in logs(&connection)? {
        let (site, gateway, name) = &log;
        let newest: Option<i64> = connection.query_row(
            "SELECT MAX(sequence) FROM event WHERE site = ?1 AND gateway = ?2 AND log = ?3",
            params![site, gateway, name],
            |row| row.get(0),
        )?;
        cursor.insert(key(&log), newest.unwrap_or(0).unsigned_abs());
    }
    Ok(cursor)
}

/// What comes next of each log, in its order.
fn pending(state_dir: &Path, cursor: &Cursor) -> Result<Vec<Pending>, String> {
    let read = || {
        let connection = logbook::open(&logbook::database(state_dir))?;
        let mut query = connection.prepare(
            "SELECT sequence, body FROM event WHERE site = ?1 AND gateway = ?2 AND log = ?3 AND sequence > ?4
             ORDER BY sequence LIMIT ?5",
        )?;
        let mut pending = Vec::new();
        for log in logs(&connection)? {
            let key = key(&log);
            let after = i64::try_from(cursor.get(&key).copied().unwrap_or(0)).unwrap_or(i64::MAX);
            let rows = query.query_map(params![log.0, log.1, log.2, after, BATCH], |row| {
                let sequence: i64 = row.get(0)?;
                Ok(Pending { log: key.clone(), sequence: sequence.unsigned_abs(), body: row.get(1)? })
            })?;
            for row in rows {
                pending.push(row?);
            }
        }
        Ok(pending)
    };
    read().map_err(|error: rusqlite::Error| error.to_string())
}

/// Each log once: from one to the next by the index, not through every event.
fn logs(connection: &Connection) -> rusqlite::Result<Vec<Log>> {
    let mut next = connection.prepare(
        "SELECT site, gateway, log FROM event WHERE (site, gateway, log) > (?1, ?2, ?3)
         ORDER BY site, gateway, log LIMIT 1",
    )?;
    let mut logs = Vec::new();
    let mut at: Log = Default::default();
    let log = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    while let Some(found) = next.query_row(params![at.0, at.1, at.2], log).optional()? {
        logs.push(found.clone());
        at = found;
    }
    Ok(logs)
}

fn key((site, gateway, log): &Log) -> String {
    format!("{site}/{gateway}/{log}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_be_taken_is_left_out() {
        assert!(is_left_out(TRIES, "http-400") && is_left_out(TRIES, "http-422"));
        assert!(!is_left_out(TRIES - 1, "http-400"));
        for code in ["connect", "timeout", "http-401", "http-403", "http-404", "http-500", "http-429"] {
            assert!(!is_left_out(u32::MAX, code), "{code}");
        }
    }
}
