//! An installer's visit, kept on disk as it goes: what was found on which line, the list that was planned, what was
//! added, and who signed. A dropped connection, another phone or a restart goes on with it.
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shouwang_message::{Id, Place, Timestamp};

const FOLDER: &str = "install";
const FILE_NAME: &str = "visit.json";
/// A damaged or foreign file is not read whole.
const MOST_BYTES: u64 = 4 * 1024 * 1024;
const SIGNATURES: usize = 20;

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Visit {
    /// By line, what the last scan of it found.
    pub(super) scans: BTreeMap<Id, Scanned>,
    /// The imported list.
    pub(super) plan: Vec<Planned>,
    /// Devices that these pages wrote into the configuration: they can be taken back.
    pub(super) added: Vec<Id>,
    /// The building chosen last.
    pub(super) building: String,
    pub(super) signatures: Vec<Signature>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Scanned {
    pub(super) by: String,
    pub(super) at: Timestamp,
    pub(super) found: Vec<Found>,
    /// Why it did not come to its end.
    pub(super) ended: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) unit_id: u8,
    /// The setting it answers at, where that is not the line's own: `4800-8N1`.
    #[serde(default)]
    pub(super) at: Option<String>,
    pub(super) reply_ms: Option<u64>,
    /// Profiles that fit, the best first: name, reads that agree, reads asked.
    pub(super) fits: Vec<(String, usize, usize)>,
    /// Two devices may share this unit id.
    pub(super) conflict: bool,
    /// The unit id it had before it was given this one here.
    #[serde(default)]
    pub(super) was: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Planned {
    pub(super) id: Id,
    pub(super) line: Id,
    pub(super) unit_id: u8,
    pub(super) profile: String,
    pub(super) place: Place,
    /// What belongs to the installed unit: the key, and its value as TOML.
    #[serde(default)]
    pub(super) more: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    pub name: String,
    /// `installer`, `property` or `community`.
    pub role: String,
    pub at: Timestamp,
}

pub(super) const ROLES: [(&str, &str); 3] =
    [("installer", "安装 · Installer"), ("property", "物业 · Property"), ("community", "社区 · Community")];

impl Signature {
    /// As what this person signed.
    pub fn said(&self) -> &'static str {
        ROLES.iter().find(|(role, _)| *role == self.role).map_or("", |(_, said)| said)
    }
}

/// The names under the newest visit, oldest first, and where its photos are (`DEVICE.jpg`); nothing is changed there.
pub fn signed(state_dir: &Path) -> (Vec<Signature>, PathBuf) {
    let folder = state_dir.join(FOLDER);
    let file = folder.join(FILE_NAME);
    let is_read = fs::metadata(&file).is_ok_and(|about| about.len() <= MOST_BYTES);
    let text = is_read.then(|| fs::read(&file).ok()).flatten();
    let visit = text.and_then(|text| serde_json::from_slice::<Visit>(&text).ok()).unwrap_or_default();
    (visit.signatures, folder)
}

/// The visit on disk.
#[derive(Debug)]
pub(super) struct Kept {
    folder: PathBuf,
    visit: Visit,
}

impl Kept {
    /// What is there; an unreadable visit begins anew, and is put aside.
    pub(super) fn open(state_dir: &Path) -> Self {
        let folder = state_dir.join(FOLDER);
        let file = folder.join(FILE_NAME);
        let text = fs::metadata(&file).ok().filter(|about| about.len() <= MOST_BYTES);
        let text = text.and_then(|_| fs::read(&file).ok());
        let visit = match text.as_deref().map(serde_json::from_slice) {
            Some(Ok(visit)) => visit,
            Some(Err(error)) => {
                tracing::warn!(%error, file = %file.display(), "the installer's visit cannot be read; it begins anew");
                // What cannot be moved is overwritten with the next step.
                let _ = fs::rename(&file, file.with_extension("bad"));
                Visit::default()
            }
            None => Visit::default(),
        };
        Self { folder, visit }
    }

    pub(super) fn visit(&self) -> &Visit {
        &self.visit
    }

    /// Changes the visit; what could not be kept has not happened.
    ///
    /// # Errors
    /// The disk does not take it.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Visit)) -> io::Result<()> {
        let mut visit = self.visit.clone();
        change(&mut visit);
        let first = visit.signatures.len().saturating_sub(SIGNATURES);
        visit.signatures.drain(..first);
        let text = serde_json::to_vec(&visit)?;
        fs::create_dir_all(&self.folder)?;
        write_whole(&self.folder.join(FILE_NAME), &text, 0o600)?;
        self.visit = visit;
        Ok(())
    }

    /// Where a device's photo is.
    pub(super) fn photo(&self, device: &Id) -> PathBuf {
        self.folder.join(format!("{device}.jpg"))
    }

    /// Keeps a device's photo.
    ///
    /// # Errors
    /// The disk does not take it.
    pub(super) fn keep_photo(&self, device: &Id, bytes: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        write_whole(&self.photo(device), bytes, 0o600)
    }
}

/// Writes a file whole or not at all; one that is there keeps its rights.
///
/// # Errors
/// It cannot be written there.
pub(super) fn write_whole(file: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = file.with_file_name(name);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut open = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    open.write_all(bytes)?;
    if let Ok(there) = fs::metadata(file) {
        open.set_permissions(there.permissions())?;
    }
    open.sync_all()?;
    fs::rename(&beside, file)?;
    // The name itself must survive a power cut too.
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_goes_on_after_a_restart_and_a_spoiled_one_is_put_aside() {
        let state = tempfile::tempdir().unwrap();
        let mut kept = Kept::open(state.path());
        kept.change(|visit| visit.building = "3".into()).unwrap();
        assert_eq!(Kept::open(state.path()).visit().building, "3");
        let file = state.path().join("install/visit.json");
        fs::write(&file, "{").unwrap();
        assert_eq!(Kept::open(state.path()).visit(), &Visit::default());
        assert!(file.with_extension("bad").exists());
        fs::write(&file, "{").unwrap();
        assert_eq!(signed(state.path()).0, []);
        assert!(file.exists(), "who only reads puts nothing aside");
    }
}
