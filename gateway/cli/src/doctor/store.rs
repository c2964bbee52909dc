//! The database: opened for reading only, beside whoever writes it, and every page looked at once.
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use serde_json::{Value, json};
use shouwang_gateway::clock;
use shouwang_gateway::store::{DISK_BYTES, disk_has};

use super::broker::millis;
use super::finding::Finding;

const MIB: u64 = 1024 * 1024;

/// Its state directory: there, ours, with room.
pub(crate) fn look_at_directory(directory: &Path) -> Vec<Finding> {
    let shown = directory.display();
    let Ok(meta) = fs::metadata(directory) else {
        let what = (
            format!("数据目录 {shown} 还没有(首次启动时建立),或看不到"),
            format!(
                "the data directory {shown} is not there yet (the first start makes it), or not ours to see"
            ),
        );
        return vec![Finding::notable("disk", what, format!("sudo ls -ld {shown}"))];
    };
    let mut found = Vec::new();
    if meta.mode() & 0o007 != 0 {
        let what = (
            format!("数据目录 {shown} 谁都能看(权限 {:o})", meta.mode() & 0o777),
            format!("the data directory {shown} is open to everybody (mode {:o})", meta.mode() & 0o777),
        );
        found.push(Finding::notable("disk.rights", what, format!("sudo chmod 700 {shown}")));
    } else if rustix::fs::access(directory, rustix::fs::Access::WRITE_OK).is_err() {
        let what = (
            format!("数据目录 {shown} 不能写(当前用户)"),
            format!("the data directory {shown} cannot be written by this user"),
        );
        found.push(Finding::notable("disk.rights", what, "sudo shouwang doctor --config FILE".to_owned()));
    }
    let (has, wanted) = (disk_has(directory).unwrap_or(0), DISK_BYTES);
    let (has_mib, wanted_mib) = (has / MIB, wanted / MIB);
    found.push(if has < wanted {
        let what = (
            format!("磁盘只剩 {has_mib} MiB,为报警要留 {wanted_mib} MiB"),
            format!("the disk has {has_mib} MiB left; {wanted_mib} MiB are kept for alarms"),
        );
        Finding::wrong("disk.space", what, format!("df -h {shown}; sudo journalctl --vacuum-size=50M"))
    } else if has < 4 * wanted {
        let what = (
            format!("磁盘剩 {has_mib} MiB,不多了"),
            format!("the disk has {has_mib} MiB left, which is little"),
        );
        Finding::notable("disk.space", what, format!("df -h {shown}"))
    } else {
        Finding::good(
            "disk.space",
            format!("磁盘剩 {has_mib} MiB,报警要留 {wanted_mib} MiB"),
            format!("the disk has {has_mib} MiB left, {wanted_mib} MiB are kept for alarms"),
        )
    });
    found
}

/// Whether it is sound. Takes some seconds of a large one.
pub(crate) fn look(path: &Path, unit: &str) -> Finding {
    let shown = path.display();
    if !path.exists() {
        let (zh, en) = (
            format!("还没有数据库 {shown}:首次启动时建立"),
            format!("no database {shown} yet: the first start makes it"),
        );
        return Finding::good("store", zh, en);
    }
    let began = clock::now();
    let asked = open(path).and_then(|connection| {
        let mut statement = connection.prepare("PRAGMA quick_check")?;
        statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()
    });
    let took = millis(clock::now().since(began));
    match asked.as_deref() {
        Ok([word]) if word == "ok" => {
            let mib = fs::metadata(path).map_or(0, |meta| meta.len()).div_ceil(MIB);
            Finding::good(
                "store",
                format!("数据库完好({mib} MiB,{took}):{shown}"),
                format!("the database is sound ({mib} MiB, {took}): {shown}"),
            )
        }
        Ok(words) => {
            let mut lines = words.iter().flat_map(|words| words.lines());
            damaged(path, unit, lines.find(|line| !line.starts_with("***")).unwrap_or_default())
        }
        Err(rusqlite::Error::SqliteFailure(failure, _))
            if matches!(failure.code, ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) =>
        {
            damaged(path, unit, &failure.to_string())
        }
        Err(error) => {
            let what = (
                format!("读不了数据库 {shown}:{error}"),
                format!("the database {shown} cannot be read: {error}"),
            );
            Finding::wrong("store", what, format!("sudo ls -l {shown}*"))
        }
    }
}

/// A start puts a damaged one aside and tells a gap.
fn damaged(path: &Path, unit: &str, word: &str) -> Finding {
    let shown = path.display();
    let what = (
        format!("数据库 {shown} 坏了({word});重启后会另起新的,旧的留作备查"),
        format!("the database {shown} is damaged ({word}); a restart begins a new one and keeps this aside"),
    );
    Finding::wrong(
        "store",
        what,
        format!("dmesg | grep -iE 'mmc|ext4|I/O error' | tail; sudo systemctl restart {unit}"),
    )
}

/// Its tables' sizes, for a support bundle: numbers, and no content.
pub(crate) fn figures(path: &Path) -> Value {
    let sizes: Vec<Value> = ["", "-wal", "-shm", ".lock"]
        .iter()
        .map(|suffix| format!("{}{suffix}", path.display()))
        .map(|file| json!({"file": Path::new(&file).file_name().map(|name| name.to_string_lossy()), "bytes": fs::metadata(&file).ok().map(|meta| meta.len())}))
        .collect();
    let rows = open(path).and_then(|connection| {
        let mut names =
            connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")?;
        let names: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        let mut rows = serde_json::Map::new();
        for name in names {
            let quoted = name.replace('"', "\"\"");
            let count: i64 =
                connection.query_row(&format!("SELECT count(*) FROM \"{quoted}\""), [], |row| row.get(0))?;
            rows.insert(name, count.into());
        }
        Ok(rows)
    });
    match rows {
        Ok(rows) => json!({"files": sizes, "rows": rows, "oldest": oldest(path)}),
        Err(error) => json!({"files": sizes, "error": error.to_string()}),
    }
}

/// The numbers and the time of the oldest and the newest event, where there is a log of events.
fn oldest(path: &Path) -> Value {
    let of = |order: &str| -> Option<Value> {
        let connection = open(path).ok()?;
        let sql = format!(
            "SELECT sequence, json_extract(CAST(body AS TEXT), '$.time') FROM event ORDER BY sequence {order} LIMIT 1"
        );
        connection
            .query_row(&sql, [], |row| {
                Ok(json!({"sequence": row.get::<_, i64>(0)?, "time": row.get::<_, Option<String>>(1)?}))
            })
            .ok()
    };
    json!({"first": of("ASC"), "last": of("DESC")})
}

/// The time of the newest event, by which a clock that went back is known.
pub(crate) fn newest_time(path: &Path) -> Option<shouwang_core::Timestamp> {
    oldest(path).get("last")?.get("time")?.as_str()?.parse().ok()
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}
