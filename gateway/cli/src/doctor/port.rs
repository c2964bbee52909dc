//! A serial port: whether it is there, whether the service may open it, and whether somebody else has it.
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use super::finding::Finding;
use super::holder::{self, Holder};

/// The group that may open serial ports on Debian.
const GROUP: &str = "dialout";

/// A finding, and whether it can be used now.
pub(crate) struct Port {
    pub(crate) finding: Finding,
    pub(crate) is_free: bool,
}

/// Who means to hold it: this process, if it runs.
pub(crate) fn look(check: &'static str, path: &Path, ours: Option<&Holder>) -> Port {
    let shown = path.display();
    let not_free = |finding| Port { finding, is_free: false };
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return not_free(missing(check, path)),
        Err(error) => {
            let what = (
                format!("看不了串口 {shown}:{error}"),
                format!("the port {shown} cannot be looked at: {error}"),
            );
            return not_free(Finding::wrong(check, what, format!("ls -l {shown}")));
        }
    };
    if !meta.file_type().is_char_device() {
        let what = (format!("{shown} 不是串口"), format!("{shown} is no serial port"));
        return not_free(Finding::wrong(check, what, "ls -l /dev/serial/by-id /dev/ttyRS485-*"));
    }
    if let Some(holder) = holder::of_lock(path) {
        if ours.is_some_and(|ours| ours.pid == holder.pid || holder.pid == 0) {
            let (zh, en) = (
                format!("串口 {shown} 由运行中的服务({holder})占用"),
                format!("the port {shown} is held by the running service ({holder})"),
            );
            return not_free(Finding::good(check, zh, en));
        }
        return not_free(taken(check, path, Some(&holder)));
    }
    match open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
        Ok(_) => opened(check, path, &meta),
        Err(Errno::BUSY) => not_free(taken(check, path, None)),
        Err(Errno::ACCESS | Errno::PERM) => not_free(forbidden(check, path, &meta)),
        Err(error) => {
            let what =
                (format!("打不开串口 {shown}:{error}"), format!("the port {shown} does not open: {error}"));
            not_free(Finding::wrong(check, what, "dmesg | tail -n 20"))
        }
    }
}

fn missing(check: &'static str, path: &Path) -> Finding {
    let shown = path.display();
    let what = (
        format!("没有串口 {shown}:适配器没插好,或路径写错"),
        format!("there is no port {shown}: the adapter is not plugged in, or the path is another"),
    );
    Finding::wrong(check, what, "ls -l /dev/serial/by-id /dev/ttyRS485-* /dev/ttyUSB*; dmesg | tail -n 20")
}

fn opened(check: &'static str, path: &Path, meta: &fs::Metadata) -> Port {
    let shown = path.display();
    // A pty is nobody's hardware; on a real port a program without a lock still takes our bytes.
    let others = if path.starts_with("/dev/pts") { Vec::new() } else { holder::of_open(path) };
    if let Some(other) = others.first() {
        let what = (
            format!("别的程序({other})也开着串口 {shown}:会抢走应答"),
            format!("another program ({other}) has the port {shown} open: it takes answers away"),
        );
        return Port {
            finding: Finding::wrong(check, what, format!("sudo kill {}", other.pid)),
            is_free: false,
        };
    }
    let group = name_of(meta.gid());
    let needs_root = meta.mode() & 0o006 != 0o006 && group.as_deref() != Some(GROUP);
    if needs_root && rustix::process::geteuid().is_root() && !path.starts_with("/dev/pts") {
        let group = group.unwrap_or_else(|| meta.gid().to_string());
        let what = (
            format!("串口 {shown} 属于组 {group},不是 {GROUP}:服务打不开"),
            format!("the port {shown} belongs to the group {group}, not {GROUP}: the service cannot open it"),
        );
        return Port {
            finding: Finding::wrong(check, what, format!("sudo chgrp {GROUP} {shown}")),
            is_free: true,
        };
    }
    let (zh, en) = (
        format!("串口 {shown} 在,可以打开,没有别的程序占用"),
        format!("the port {shown} is there, opens, and nobody else has it"),
    );
    Port { finding: Finding::good(check, zh, en), is_free: true }
}

fn forbidden(check: &'static str, path: &Path, meta: &fs::Metadata) -> Finding {
    let shown = path.display();
    let group = name_of(meta.gid()).unwrap_or_else(|| meta.gid().to_string());
    let what = (
        format!("没有权限打开串口 {shown}(组 {group})"),
        format!("no right to open the port {shown} (group {group})"),
    );
    let user = std::env::var("USER").unwrap_or_else(|_| "shouwang".into());
    Finding::wrong(check, what, format!("sudo usermod -aG {group} {user} && newgrp {group}"))
}

fn taken(check: &'static str, path: &Path, by: Option<&Holder>) -> Finding {
    let shown = path.display();
    let by = by.cloned().or_else(|| holder::of_open(path).into_iter().next());
    let who = by.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
    let what = (
        format!("串口 {shown} 被别的程序({who})占用"),
        format!("the port {shown} is held by another program ({who})"),
    );
    let next = match by {
        Some(by) if by.pid != 0 => format!("ps -fp {}; sudo kill {}", by.pid, by.pid),
        _ => format!("sudo fuser -v {shown}"),
    };
    Finding::wrong(check, what, next)
}

/// A group's name.
fn name_of(gid: u32) -> Option<String> {
    let groups = fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(gid)).then(|| name.to_owned())
    })
}
