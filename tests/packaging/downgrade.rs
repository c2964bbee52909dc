//! What the package's preinst refuses: a program older than the databases on the disk.
use std::path::Path;
use std::process::{Command, Output};

use rusqlite::Connection;
use shouwang_gateway::store::{FILE_NAME, Store};
use shouwang_message::Timestamp;
use shouwang_tests::program::root;
use tempfile::TempDir;

/// As dpkg runs it, for a system below `target`.
fn preinst(target: &Path, arguments: &[&str]) -> Output {
    let script = Command::new(root().join("gateway/packaging/preinst")).output().expect("the script is made");
    assert!(script.status.success(), "{}", String::from_utf8_lossy(&script.stderr));
    let file = target.join("preinst");
    std::fs::write(&file, script.stdout).expect("written");
    Command::new("sh").arg(file).args(arguments).env("DPKG_ROOT", target).output().expect("sh runs")
}

#[test]
fn a_program_that_is_older_than_a_database_is_not_installed() {
    for name in ["var/lib/shouwang/gateway.db", "var/lib/shouwang-duty-room/duty-room.db"] {
        let target = TempDir::with_prefix("shouwang-target-").expect("a directory");
        let fresh = preinst(target.path(), &["install"]);
        assert!(fresh.status.success(), "nothing is there yet: {}", String::from_utf8_lossy(&fresh.stderr));
        let path = target.path().join(name);
        let directory = path.parent().expect("its directory");
        std::fs::create_dir_all(directory).expect("made");
        // The forms that these programs write.
        if name.ends_with(FILE_NAME) {
            drop(Store::open(&path, Timestamp::from_unix_ms(1_795_330_800_000)).expect("a store"));
        } else {
            let source =
                std::fs::read_to_string(root().join("gateway/duty-room/src/store.rs")).expect("read");
            let form = source.split("const FORMAT: i64 = ").nth(1).and_then(|rest| rest.split(';').next());
            let form: i64 = form.and_then(|form| form.parse().ok()).expect("the duty room's form");
            set_form(&path, form);
        }
        let same = preinst(target.path(), &["upgrade", "0.0.1"]);
        assert!(same.status.success(), "{name}: {}", String::from_utf8_lossy(&same.stderr));

        set_form(&path, form(&path) + 1);
        for arguments in [&["upgrade", "99.0"][..], &["install", "99.0"], &["install"]] {
            let refused = preinst(target.path(), arguments);
            let words = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(!refused.status.success(), "{name}: {arguments:?}");
            assert!(words.contains(name) && words.contains("newer version"), "{words}");
        }
        // What dpkg does to put things right again is never in the way.
        assert!(preinst(target.path(), &["abort-upgrade", "99.0"]).status.success());
        // What is no database is not the installation's to judge.
        std::fs::write(&path, "x").expect("written");
        assert!(preinst(target.path(), &["upgrade", "99.0"]).status.success());
    }
}

fn form(path: &Path) -> i64 {
    let connection = Connection::open(path).expect("a database");
    connection.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("its form")
}

fn set_form(path: &Path, form: i64) {
    let connection = Connection::open(path).expect("a database");
    connection.pragma_update(None, "user_version", form).expect("set");
    // As a store that ended well leaves it; the gateway's own log may hold it for a while.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("flushed");
}
