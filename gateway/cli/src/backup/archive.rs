//! The backup's file: a plain tar, so that people can look into it with what they have.
//!
//! `manifest.json` comes first and names every other file with its length and SHA-256; `config/` is for people to
//! put back, `state/` is what `restore` puts back. Nothing is taken out of it that the manifest does not name, or
//! that is not what the manifest says.
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use shouwang_message::Timestamp;

use crate::exit::{Code, Exit};

const MANIFEST: &str = "manifest.json";
/// A manifest over this length, and more files than this, are not ours.
const MANIFEST_MOST: u64 = 1024 * 1024;
const FILES_MOST: usize = 1_000;
const FORMAT: u32 = 1;

/// Whose backup it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Gateway,
    DutyRoom,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    format: u32,
    pub(super) of: Kind,
    /// Site and gateway, or the duty room's name.
    pub(super) name: String,
    /// Of the program that made it.
    version: String,
    pub(super) made_at: Timestamp,
    files: Vec<Listed>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    name: String,
    bytes: u64,
    sha256: String,
}

/// A backup that is whole.
pub(super) struct Archive {
    pub(super) manifest: Manifest,
    /// The names of the files of `state/`, which are in the folder given.
    pub(super) files: Vec<String>,
}

/// Why a file is no backup to go on from.
pub(super) enum Unfit {
    Unreadable(io::Error),
    NotABackup(String),
    Newer(u32),
    /// This file in it is not what was put in.
    Changed(String),
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::DutyRoom => "duty-room",
        }
    }

    pub(super) fn database(self) -> &'static str {
        match self {
            Self::Gateway => shouwang_gateway::store::FILE_NAME,
            Self::DutyRoom => "duty-room.db",
        }
    }
}

/// A webhook's cursor, by its file's name.
pub(super) fn is_cursor(name: &str) -> bool {
    let id = name.strip_prefix("webhook-").and_then(|name| name.strip_suffix(".json"));
    id.is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
}

/// Writes the new file `to`, readable by its owner alone, and gives what it says of itself. Half a file is taken away.
pub(super) fn write(
    to: &Path,
    name: &str,
    of: Kind,
    made_at: Timestamp,
    texts: &[(String, Vec<u8>)],
    state: &[(&str, &Path)],
) -> io::Result<Manifest> {
    let mut files = Vec::new();
    for (name, bytes) in texts {
        let sha256 = hex(Sha256::digest(bytes).as_ref());
        files.push(Listed { name: name.clone(), bytes: bytes.len() as u64, sha256 });
    }
    for (name, path) in state {
        let (bytes, sha256) = sum(&mut File::open(path)?)?;
        files.push(Listed { name: format!("state/{name}"), bytes, sha256 });
    }
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let manifest = Manifest { format: FORMAT, of, name: name.to_owned(), version, made_at, files };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let written = fill(file, &manifest, texts, state);
    if written.is_err() {
        // It did not exist before.
        let _ = std::fs::remove_file(to);
    }
    written.map(|()| manifest)
}

fn fill(
    file: File,
    manifest: &Manifest,
    texts: &[(String, Vec<u8>)],
    state: &[(&str, &Path)],
) -> io::Result<()> {
    let mut tar = tar::Builder::new(file);
    let seconds = u64::try_from(manifest.made_at.unix_ms() / 1000).unwrap_or(0);
    let mut add = |name: &str, bytes: u64, content: &mut dyn Read| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(0o600);
        header.set_mtime(seconds);
        tar.append_data(&mut header, name, content)
    };
    let own = serde_json::to_vec_pretty(manifest)?;
    add(MANIFEST, own.len() as u64, &mut own.as_slice())?;
    for (name, bytes) in texts {
        add(name, bytes.len() as u64, &mut bytes.as_slice())?;
    }
    for (name, path) in state {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        add(&format!("state/{name}"), bytes, &mut file.take(bytes))?;
    }
    let mut file = tar.into_inner()?;
    file.flush()?;
    file.sync_all()
}

/// Checks the whole backup and lays the files of its `state/` into this folder.
pub(super) fn read(from: &Path, into: &Path) -> Result<Archive, Unfit> {
    let file = File::open(from).map_err(Unfit::Unreadable)?;
    // Nothing in a plain tar is longer than the tar; a sparse one could fill the disk out of nothing.
    let longest = file.metadata().map_err(Unfit::Unreadable)?.len();
    let mut tar = tar::Archive::new(file);
    let mut entries = tar.entries().map_err(|why| Unfit::not_a_tar(&why))?;
    let manifest = match entries.next() {
        Some(Ok(entry)) if path_of(&entry) == MANIFEST => read_manifest(entry)?,
        Some(Err(why)) => return Err(Unfit::not_a_tar(&why)),
        _ => return Err(Unfit::NotABackup(format!("it does not begin with {MANIFEST}"))),
    };
    let mut files = Vec::new();
    let mut expected = manifest.files.iter();
    for entry in entries {
        let entry = entry.map_err(|why| Unfit::not_a_tar(&why))?;
        let name = path_of(&entry);
        let Some(listed) = expected.next().filter(|listed| listed.name == name) else {
            return Err(Unfit::Changed(name));
        };
        let target = target(&manifest, &name, into);
        let mut entry = entry.take(listed.bytes.min(longest).saturating_add(1));
        let found = match &target {
            Some(target) => lay(&mut entry, target),
            None => sum(&mut entry),
        };
        let (bytes, sha256) = found.map_err(Unfit::Unreadable)?;
        if (bytes, &sha256) != (listed.bytes, &listed.sha256) {
            return Err(Unfit::Changed(name));
        }
        if let Some(name) = target.as_deref().and_then(Path::file_name) {
            files.push(name.to_string_lossy().into_owned());
        }
    }
    match expected.next() {
        Some(missing) => Err(Unfit::Changed(missing.name.clone())),
        None => Ok(Archive { manifest, files }),
    }
}

fn read_manifest(entry: impl Read) -> Result<Manifest, Unfit> {
    let mut text = Vec::new();
    entry.take(MANIFEST_MOST).read_to_end(&mut text).map_err(Unfit::Unreadable)?;
    // What a newer version writes may look otherwise.
    let any: serde_json::Value =
        serde_json::from_slice(&text).map_err(|error| Unfit::NotABackup(error.to_string()))?;
    match any["format"].as_u64().and_then(|format| u32::try_from(format).ok()) {
        Some(FORMAT) => {}
        Some(newer) => return Err(Unfit::Newer(newer)),
        None => return Err(Unfit::NotABackup(format!("{MANIFEST} names no format"))),
    }
    let manifest: Manifest =
        serde_json::from_value(any).map_err(|error| Unfit::NotABackup(error.to_string()))?;
    if manifest.files.len() > FILES_MOST {
        return Err(Unfit::NotABackup("it names too many files".into()));
    }
    Ok(manifest)
}

/// Where this file is laid; none if it is for people, or nothing of ours.
fn target(manifest: &Manifest, name: &str, into: &Path) -> Option<PathBuf> {
    let file = name.strip_prefix("state/")?;
    let is_ours = file == manifest.of.database() || (manifest.of == Kind::DutyRoom && is_cursor(file));
    is_ours.then(|| into.join(file))
}

fn path_of<R: Read>(entry: &tar::Entry<'_, R>) -> String {
    String::from_utf8_lossy(&entry.path_bytes()).into_owned()
}

fn lay(content: &mut impl Read, target: &Path) -> io::Result<(u64, String)> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(target)?;
    let found = sum(&mut Tee { content, file: &mut file })?;
    file.sync_all()?;
    Ok(found)
}

/// What is read is written too.
struct Tee<'a, R> {
    content: &'a mut R,
    file: &'a mut File,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        self.file.write_all(buffer.get(..count).unwrap_or_default())?;
        Ok(count)
    }
}

fn sum(content: &mut impl Read) -> io::Result<(u64, String)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = 0;
    loop {
        let count = content.read(&mut buffer)?;
        if count == 0 {
            return Ok((bytes, hex(hash.finalize().as_ref())));
        }
        bytes += count as u64;
        hash.update(buffer.get(..count).unwrap_or_default());
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

impl Unfit {
    fn not_a_tar(why: &io::Error) -> Self {
        Self::NotABackup(why.to_string())
    }

    pub(super) fn into_exit(self, from: &Path) -> Exit {
        let from = from.display();
        match self {
            Self::Unreadable(error) => {
                Exit::Because(Code::Failed, format!("读不了 · cannot read {from}: {error}"))
            }
            Self::NotABackup(why) => Exit::Because(
                Code::Bad,
                format!("{from} 不是 shouwang backup 做的文件 · is no file made by `shouwang backup`: {why}"),
            ),
            Self::Newer(format) => Exit::Because(
                Code::Bad,
                format!(
                    "{from} 由更新的版本所做(格式 {format}),请先升级 · was made by a newer version (format {format}): upgrade first"
                ),
            ),
            Self::Changed(name) => Exit::Because(
                Code::Found,
                format!(
                    "{from} 里的 {name} 与备份时不同,什么都没有恢复;请用另一份备份 · {name} in it is not what was backed up; nothing was restored: use another backup"
                ),
            ),
        }
    }
}
