//! The box itself: its clock, its memory, its supply, the wear of its flash.
use std::fs;
use std::path::{Path, PathBuf};

use shouwang_core::{Clock, Timestamp};

use super::finding::Finding;

/// Below this much memory for programs, KiB, the system begins to end some.
const LITTLE_KIB: u64 = 32 * 1024;
/// A clock may be behind the newest event by this: two machines wrote it.
const BEHIND_MS: i64 = 60_000;
/// eMMC counts its wear in tenths of its life (JEDEC 84-B51, EXT_CSD 268 and 269): from here on it is time.
const WORN: u8 = 9;

/// `newest` is the time of the newest event on disk, by which a clock that went back is known.
pub(crate) fn clock(now: Timestamp, clock: Clock, newest: Option<Timestamp>) -> Finding {
    let day = now.to_string();
    if clock == Clock::Unset {
        let what =
            (format!("时钟没有对过:现在显示 {day}"), format!("the clock was never set: it says {day}"));
        return Finding::wrong("clock", what, "sudo timedatectl set-ntp true; timedatectl timesync-status");
    }
    if let Some(newest) = newest.filter(|newest| newest.unix_ms() > now.unix_ms() + BEHIND_MS) {
        let what = (
            format!("时钟退回去了:现在 {day},而日志里已有 {newest}"),
            format!("the clock went back: it says {day}, and the log has {newest} already"),
        );
        return Finding::wrong("clock", what, "sudo timedatectl set-ntp true; timedatectl timesync-status");
    }
    match clock {
        Clock::Synced => Finding::good(
            "clock",
            format!("时钟已与时间源同步:{day}"),
            format!("the clock is set by a time source: {day}"),
        ),
        _ => Finding::notable(
            "clock",
            (
                format!("时钟没有时间源在校准(不知道准不准):{day}"),
                format!("no time source is known to keep the clock: {day}"),
            ),
            "timedatectl; sudo timedatectl set-ntp true",
        ),
    }
}

/// Everything that this root's `/proc` and `/sys` tell.
pub(crate) fn look(root: &Path) -> Vec<Finding> {
    [memory(root), voltage(root)].into_iter().flatten().chain(wear(root)).collect()
}

fn memory(root: &Path) -> Option<Finding> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let of = |key: &str| -> Option<u64> {
        let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
        rest.trim_start_matches(':').split_whitespace().next()?.parse().ok()
    };
    let (available, total) = (of("MemAvailable")?, of("MemTotal")?);
    let (has, all) = (available / 1024, total / 1024);
    Some(if available < LITTLE_KIB {
        let what =
            (format!("内存只剩 {has} MiB(共 {all})"), format!("{has} MiB of {all} MiB memory are left"));
        Finding::wrong("memory", what, "ps aux --sort=-rss | head -n 8")
    } else {
        Finding::good(
            "memory",
            format!("内存剩 {has} MiB(共 {all})"),
            format!("{has} MiB of {all} MiB memory are left"),
        )
    })
}

/// What a Raspberry Pi tells of its supply: the kernel's monitor, else its firmware's bits.
fn voltage(root: &Path) -> Option<Finding> {
    let low = |so_far: bool| {
        let (zh, en) = if so_far {
            ("供电电压曾经过低", "the supply was too low at times")
        } else {
            (
                "供电电压过低:换电源或短而粗的线",
                "the supply is too low: another power supply, or a short thick cable",
            )
        };
        let what = (zh.to_owned(), en.to_owned());
        let next = "vcgencmd get_throttled; dmesg | grep -i voltage | tail -n 5";
        if so_far { Finding::notable("voltage", what, next) } else { Finding::wrong("voltage", what, next) }
    };
    let good = || Finding::good("voltage", "供电电压正常", "the supply is well");
    for monitor in entries(&root.join("sys/class/hwmon")) {
        if word(&monitor.join("name")).as_deref() == Some("rpi_volt") {
            let alarm = word(&monitor.join("in0_lcrit_alarm"))?;
            return Some(if alarm == "0" { good() } else { low(false) });
        }
    }
    let bits = word(&root.join("sys/devices/platform/soc/soc:firmware/get_throttled"))?;
    let bits = u32::from_str_radix(bits.trim_start_matches("0x"), 16).ok()?;
    // Bit 0: now; bit 16: since the start.
    Some(match (bits & 1, bits >> 16 & 1) {
        (0, 0) => good(),
        (0, _) => low(true),
        _ => low(false),
    })
}

fn wear(root: &Path) -> Vec<Finding> {
    let mut found = Vec::new();
    for disk in entries(&root.join("sys/block")) {
        let Some(text) = word(&disk.join("device/life_time")) else { continue };
        let worst = text
            .split_whitespace()
            .filter_map(|part| u8::from_str_radix(part.trim_start_matches("0x"), 16).ok())
            .max();
        let (Some(worst), Some(name)) = (worst.filter(|worst| *worst > 0), disk.file_name()) else {
            continue;
        };
        let (name, percent) = (name.to_string_lossy().into_owned(), u32::from(worst) * 10);
        found.push(if worst >= WORN {
            let what = (
                format!("闪存 {name} 已用掉约 {percent}% 的寿命:请备份并更换"),
                format!("the flash {name} has used about {percent}% of its life: back up and replace it"),
            );
            Finding::wrong(
                "wear",
                what,
                format!("cat /sys/block/{name}/device/life_time /sys/block/{name}/device/pre_eol_info"),
            )
        } else {
            Finding::good(
                "wear",
                format!("闪存 {name} 用掉不到 {percent}% 的寿命"),
                format!("the flash {name} has used less than {percent}% of its life"),
            )
        });
    }
    found
}

fn word(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_clock_that_was_never_set_or_went_back_is_wrong() {
        let now = at("2026-11-22T08:00:00Z");
        let verdict = |quality, newest| clock(now, quality, newest).verdict;
        assert_eq!(verdict(Clock::Synced, Some(at("2026-11-22T07:59:59Z"))), Verdict::Good);
        assert_eq!(verdict(Clock::Held, None), Verdict::Notable);
        assert_eq!(verdict(Clock::Unset, None), Verdict::Wrong);
        assert_eq!(verdict(Clock::Synced, Some(at("2026-11-22T08:30:00Z"))), Verdict::Wrong);
    }

    #[test]
    fn a_weak_supply_little_memory_and_worn_flash_are_found() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let verdicts =
            || -> Vec<_> { look(root.path()).iter().map(|found| (found.check, found.verdict)).collect() };
        write("proc/meminfo", "MemTotal:  250000 kB\nMemFree: 100 kB\nMemAvailable:  120000 kB\n");
        assert_eq!(verdicts(), [("memory", Verdict::Good)]);
        write("proc/meminfo", "MemTotal:  250000 kB\nMemAvailable:  12000 kB\n");
        write("sys/devices/platform/soc/soc:firmware/get_throttled", "50000\n");
        write("sys/block/mmcblk0/device/life_time", "0x02 0x01\n");
        assert_eq!(
            verdicts(),
            [("memory", Verdict::Wrong), ("voltage", Verdict::Notable), ("wear", Verdict::Good)]
        );
        write("sys/class/hwmon/hwmon0/name", "rpi_volt\n");
        write("sys/class/hwmon/hwmon0/in0_lcrit_alarm", "1\n");
        write("sys/block/mmcblk0/device/life_time", "0x0a 0x01\n");
        assert_eq!(
            verdicts(),
            [("memory", Verdict::Wrong), ("voltage", Verdict::Wrong), ("wear", Verdict::Wrong)]
        );
    }
}
