//! A page printed as PDF by the Chromium of this machine, which has the fonts.
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::exit::{Code, Exit};
use crate::site::cannot;

/// As Debian and others call it, the best first.
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

pub(crate) fn print(html: &str, to: &Path) -> Result<(), Exit> {
    let scratch = tempfile::tempdir().map_err(|error| Exit::failed(&error))?;
    let page = scratch.path().join("report.html");
    let made = scratch.path().join("report.pdf");
    fs::write(&page, html).map_err(|error| cannot("写", "write", &page, &error))?;
    for program in PROGRAMS {
        let mut command = Command::new(program);
        command
            .args(["--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-background-networking", "--no-pdf-header-footer"])
            .arg(format!("--user-data-dir={}", scratch.path().join("profile").display()))
            .arg(format!("--print-to-pdf={}", made.display()));
        // Root cannot have its sandbox; the page is our own, and names no other.
        if rustix::process::getuid().is_root() {
            command.arg("--no-sandbox");
        }
        let ran =
            command.arg(&page).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        match ran {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Exit::failed(&error)),
            Ok(status) if !status.success() || !made.exists() => {
                let why = format!(
                    "{program} 没有印出 PDF({status});可用浏览器打开网页打印 · it printed no PDF: print the page from a browser"
                );
                return Err(Exit::Because(Code::Failed, why));
            }
            Ok(_) => {
                fs::copy(&made, to).map_err(|error| cannot("写", "write", to, &error))?;
                return Ok(());
            }
        }
    }
    Err(Exit::Because(
        Code::Failed,
        "本机没有 Chromium:sudo apt install chromium fonts-noto-cjk,或用浏览器打开网页(--to)打印\n\
         no Chromium here: sudo apt install chromium fonts-noto-cjk, or print the page (--to) from a browser"
            .into(),
    ))
}
