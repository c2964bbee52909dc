//! Who has a file: the process that holds its lock, and those that have it open, as `/proc` tells.
use std::fs::{self, File, TryLockError};
use std::os::linux::fs::MetadataExt as _;
use std::path::Path;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    /// 0 if the system does not say.
    pub(crate) pid: u32,
    pub(crate) name: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.pid, self.name.as_str()) {
            (0, _) => f.write_str("?"),
            (pid, "") => write!(f, "{pid}"),
            (pid, name) => write!(f, "{name}, {pid}"),
        }
    }
}

/// Whoever holds a lock (flock) on this file. It is asked of the system's list, not by trying: a try would be
/// in the way of a program that starts just now. Only where the list does not know the file it is tried.
pub(crate) fn of_lock(path: &Path) -> Option<Holder> {
    let meta = fs::metadata(path).ok()?;
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let (device, inode) = (meta.st_dev(), meta.st_ino());
    let wanted = format!("{:02x}:{:02x}:{inode}", major(device), minor(device));
    let held = locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "FLOCK")?;
        (words.get(at + 4) == Some(&wanted.as_str())).then(|| words.get(at + 3)?.parse::<u32>().ok())?
    });
    match held {
        Some(pid) => Some(Holder { pid, name: name(pid) }),
        None if meta.is_file() => match File::open(path).ok()?.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(Holder { pid: 0, name: String::new() }),
            _ => None,
        },
        None => None,
    }
}

/// Others that have it open, as far as we may see them.
pub(crate) fn of_open(path: &Path) -> Vec<Holder> {
    let Ok(path) = path.canonicalize() else { return Vec::new() };
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        let Some(pid) = pid.filter(|pid| *pid != std::process::id()) else { continue };
        let mut files = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        if files.any(|file| fs::read_link(file.path()).is_ok_and(|open| open == path)) {
            found.push(Holder { pid, name: name(pid) });
        }
    }
    found
}

fn name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// As the kernel packs a device's two numbers (glibc's gnu_dev_major).
fn major(device: u64) -> u64 {
    (device >> 8 & 0xFFF) | (device >> 32 & !0xFFF)
}

fn minor(device: u64) -> u64 {
    (device & 0xFF) | (device >> 12 & !0xFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_holds_a_lock_is_named() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lock");
        assert_eq!(of_lock(&path), None);
        let file = File::create(&path).unwrap();
        assert_eq!(of_lock(&path), None);
        file.lock().unwrap();
        let holder = of_lock(&path).unwrap();
        // On some file systems the list has another device number: then it is only known that somebody does.
        assert!([std::process::id(), 0].contains(&holder.pid), "{holder:?}");
        file.unlock().unwrap();
        assert_eq!(of_lock(&path), None);
        assert_eq!(of_open(&path), []);
    }
}
