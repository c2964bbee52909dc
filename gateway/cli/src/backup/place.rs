//! Where a backup is put back: a state directory that nobody runs on, whose own data is moved aside and never lost.
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};

use shouwang_duty_room as duty_room;
use shouwang_gateway::store;

use super::archive::Kind;
use crate::exit::{Code, Exit};

/// So many restores may be followed by another look at what was there before.
const ASIDE_MOST: u32 = 100;

/// A state directory that nobody else can start on.
pub(super) struct Place {
    state_dir: PathBuf,
    kind: Kind,
    _gateway: Option<store::backup::Claim>,
    _duty_room: Option<duty_room::backup::Claim>,
}

impl Place {
    /// Makes the directory if there is none, and takes it.
    pub(super) fn take(state_dir: &Path, kind: Kind) -> Result<Self, Exit> {
        fs::create_dir_all(state_dir).map_err(|error| {
            let path = state_dir.display();
            Exit::Because(
                Code::Failed,
                format!("cannot make {path}: {error}; check the folder and its rights"),
            )
        })?;
        let in_use = || {
            let path = state_dir.display();
            let unit = kind.word();
            Exit::Because(
                Code::Bad,
                format!(
                    "{path} 正在使用,什么都没有恢复;先停止服务 · is in use, nothing was restored; stop the service first: systemctl stop shouwang-{unit}"
                ),
            )
        };
        let (gateway, duty_room) = match kind {
            Kind::Gateway => {
                let claim = store::backup::Claim::take(state_dir).map_err(|error| match error {
                    store::StoreError::InUse { .. } => in_use(),
                    other => Exit::failed(&other),
                });
                (Some(claim?), None)
            }
            Kind::DutyRoom => {
                let claim = duty_room::backup::Claim::take(state_dir).map_err(|error| match error {
                    duty_room::StartError::InUse(_) => in_use(),
                    other => Exit::failed(&other),
                });
                (None, Some(claim?))
            }
        };
        Ok(Self { state_dir: state_dir.to_owned(), kind, _gateway: gateway, _duty_room: duty_room })
    }
}

/// Moves what is there aside and these files in; says where the former is now, if there was any. The files belong
/// to whom the directory belongs to.
pub(super) fn put_in_place(place: &Place, from: &Path, files: &[String]) -> io::Result<Option<PathBuf>> {
    let database = place.kind.database();
    // A database and what of it is still in its log belong together.
    let mut there: Vec<String> =
        [database.to_owned(), format!("{database}-wal"), format!("{database}-shm")].into();
    there.extend(files.iter().filter(|file| *file != database).cloned());
    there.retain(|file| place.state_dir.join(file).exists());
    let aside = match there.is_empty() {
        true => None,
        false => Some(folder_aside(&place.state_dir)?),
    };
    for file in &there {
        if let Some(aside) = &aside {
            fs::rename(place.state_dir.join(file), aside.join(file))?;
        }
    }
    // The database comes last: without it there is nothing to start on.
    let (databases, others): (Vec<_>, Vec<_>) = files.iter().partition(|file| *file == database);
    let owner = fs::metadata(&place.state_dir)?;
    for file in others.into_iter().chain(databases) {
        let target = place.state_dir.join(file);
        own(&from.join(file), &owner)?;
        fs::rename(from.join(file), &target)?;
    }
    for lock in [format!("{database}.lock"), "lock".to_owned()] {
        let lock = place.state_dir.join(lock);
        if lock.exists() {
            own(&lock, &owner)?;
        }
    }
    if let Some(aside) = &aside {
        own(aside, &owner)?;
    }
    fs::File::open(&place.state_dir)?.sync_all()?;
    Ok(aside)
}

fn folder_aside(state_dir: &Path) -> io::Result<PathBuf> {
    for number in 1..=ASIDE_MOST {
        let aside = state_dir.join(format!("before-restore-{number}"));
        match fs::create_dir(&aside) {
            Ok(()) => return Ok(aside),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!("there are {ASIDE_MOST} folders of earlier restores: take some away")))
}

/// An administrator restores for the service's own user.
fn own(path: &Path, owner: &fs::Metadata) -> io::Result<()> {
    let mine = fs::metadata(path)?;
    if (mine.uid(), mine.gid()) == (owner.uid(), owner.gid()) {
        return Ok(());
    }
    chown(path, Some(owner.uid()), Some(owner.gid()))
}
