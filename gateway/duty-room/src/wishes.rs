//! The door for whoever wants the configuration read anew and waits for the answer: a socket in `state_dir`, for its owner
//! only. To connect is the wish; the answer is one JSON object, as gateways answer the command `reload`.
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use shouwang_message::Text;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::Refused;

const FILE_NAME: &str = "reload.sock";
/// Longer is no answer of ours, bytes.
const LONGEST: u64 = 64 * 1_024;
/// As long as a slow disk may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Whoever does not take the answer keeps nobody waiting.
const TAKEN_WITHIN: Duration = Duration::from_secs(2);

/// The open socket. Dropping it removes its file.
#[derive(Debug)]
pub struct Wishes {
    path: PathBuf,
    listener: UnixListener,
}

/// Somebody who waits for an answer.
#[derive(Debug)]
pub struct Wish(UnixStream);

/// Why nobody answered.
#[derive(Debug, thiserror::Error)]
pub enum Unasked {
    #[error("no duty room runs with the state_dir {0}: start it, or name its configuration")]
    NobodyThere(PathBuf),
    #[error("cannot ask the duty room at {path}: {source}; run this as the user that it runs as")]
    Unreached { path: PathBuf, source: io::Error },
    #[error("the duty room did not answer; its log says why")]
    NoAnswer,
    #[error("{}", .0.text.en)]
    Refused(Refused),
}

#[derive(Debug, Deserialize)]
struct Answer {
    ok: bool,
    error: Option<Why>,
}

#[derive(Debug, Deserialize)]
struct Why {
    code: String,
    text: Text,
}

impl Wishes {
    /// Opens the socket of the duty room that holds this `state_dir`: one that an earlier run left is replaced. Must be
    /// called within a tokio runtime.
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let path = state_dir.join(FILE_NAME);
        match std::fs::symlink_metadata(&path) {
            Ok(there) if there.file_type().is_socket() => std::fs::remove_file(&path)?,
            Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { path, listener })
    }

    /// The next one, waited for as long as it takes.
    pub async fn next(&mut self) -> Wish {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return Wish(stream),
                // No descriptors left: others are about to close theirs.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

impl Drop for Wishes {
    fn drop(&mut self) {
        // The folder may have gone.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Wish {
    /// What became of it. Whoever went away needs no answer.
    pub async fn answer(mut self, became: &Result<(), Refused>) {
        let answer = match became {
            Ok(()) => json!({ "ok": true }),
            Err(Refused { code, text }) => json!({ "ok": false, "error": { "code": code, "text": text } }),
        };
        let line = format!("{answer}\n");
        let _ = tokio::time::timeout(TAKEN_WITHIN, self.0.write_all(line.as_bytes())).await;
    }
}

/// Has the duty room that holds this `state_dir` read its configuration anew, and waits up to 60 s for what came of it.
pub async fn ask_to_reload(state_dir: &Path) -> Result<(), Unasked> {
    let path = state_dir.join(FILE_NAME);
    let stream = match UnixStream::connect(&path).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Err(Unasked::NobodyThere(state_dir.into()));
        }
        Err(source) => return Err(Unasked::Unreached { path, source }),
    };
    let mut said = String::new();
    let mut reading = stream.take(LONGEST);
    let read = tokio::time::timeout(ANSWER_WITHIN, reading.read_to_string(&mut said)).await;
    let answer = read.ok().and_then(Result::ok).and_then(|_| serde_json::from_str::<Answer>(&said).ok());
    match answer.ok_or(Unasked::NoAnswer)? {
        Answer { ok: true, .. } => Ok(()),
        Answer { error: Some(Why { code, text }), .. } => {
            let known = ["bad_configuration", "needs_restart", "stopping"];
            let code = known.into_iter().find(|known| *known == code).unwrap_or("refused");
            Err(Unasked::Refused(Refused { code, text }))
        }
        Answer { error: None, .. } => Err(Unasked::NoAnswer),
    }
}
