//! A file that says it is a backup: what is not whole is refused, and nothing is laid anywhere but in the folder given.
use std::fs;

#[path = "../../../gateway/cli/src/backup/archive.rs"]
#[expect(dead_code, reason = "the rest of it writes backups and explains them")]
mod archive;

pub(crate) fn run(data: &[u8]) {
    let home = tempfile::tempdir().expect("a folder");
    let (from, into) = (home.path().join("backup.tar"), home.path().join("into"));
    fs::write(&from, data).expect("written");
    fs::create_dir(&into).expect("made");
    let read = archive::read(&from, &into);
    let laid = fs::read_dir(&into).expect("read").map(|entry| entry.expect("an entry"));
    let laid: Vec<_> =
        laid.map(|entry| (entry.file_name(), entry.metadata().expect("it is there"))).collect();
    assert!(laid.iter().all(|(_, about)| about.is_file() && about.len() <= data.len() as u64), "{laid:?}");
    assert_eq!(fs::read_dir(home.path()).expect("read").count(), 2, "something lies elsewhere");
    if let Ok(archive) = read {
        assert_eq!(archive.files.len(), laid.len(), "all that it names is there");
    }
}
