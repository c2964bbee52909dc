//! The support bundle: what a stranger needs to help, and nothing that says who lives where or opens a door.
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use shouwang_gateway::clock;
use tokio::time::timeout;

use super::finding::{Finding, Report};
use super::redact::Redactor;
use super::tar::Tar;
use super::{files, store, table};
use crate::exit::{Code, Exit};

/// The journal's newest lines of the service.
const LINES: &str = "2000";
const JOURNAL_WITHIN: Duration = Duration::from_secs(20);
/// The end of a longer answer is kept, bytes.
const LONGEST: usize = 2 * 1024 * 1024;
const README: &str = "守望的支持包 · a support bundle of Shouwang\n\
    findings.txt       doctor 的结果 · what doctor found\n\
    configuration.toml 配置:密码、人名、电话、地点都换成了 <数字>,相同的内容数字相同 · the configuration, secrets, people, \
    phones and places replaced by <numbers>, the same text by the same number\n\
    log.txt            服务最近的日志,同样处理 · the service's newest log lines, treated alike\n\
    store.json         数据库各表的行数和大小,没有内容 · rows and sizes of the database, no content\n\
    metrics.txt        /metrics\nversion.txt        版本和系统 · versions\n\
    设备编号(如 smoke-3-2-402)、线路名和 IP 地址保留。发出前请自己看一遍 · ids of devices, names of lines and IP addresses stay; \
    look through it before you send it.\n";

/// Whose service it is.
pub(crate) struct About {
    pub(crate) unit: &'static str,
    pub(crate) database: PathBuf,
    /// What its `/metrics` said, if it runs.
    pub(crate) metrics: Option<String>,
}

/// Where it may be written: a new file, named as what it is.
pub(crate) fn check(path: &Path) -> Result<(), Exit> {
    let bad = |why: &str| Err(Exit::Because(Code::Bad, format!("--bundle {}: {why}", path.display())));
    if path.extension().is_none_or(|extension| extension != "tar") {
        return bad("文件名要以 .tar 结尾 · the name must end with .tar");
    }
    if path.exists() {
        return bad("文件已存在,换一个名字 · the file is there already, choose another name");
    }
    Ok(())
}

pub(crate) async fn write(
    path: &Path,
    configuration: &Path,
    about: &About,
    report: &mut Report,
) -> Result<(), Exit> {
    let table = table(configuration);
    let named = files::named(&table, configuration.parent().unwrap_or(Path::new("")));
    let mut redactor = Redactor::new(&named);
    let redacted = redactor.configuration(&table);
    let log = report.during("journalctl", journal(about.unit)).await;
    let findings: String = report.findings().iter().map(|finding| finding.line() + "\n").collect();
    let store = store::figures(&about.database).to_string();
    let unix_s = u64::try_from(clock::wall().0.unix_ms()).unwrap_or(0) / 1000;
    let mut tar = Tar::default();
    for (name, text) in [
        ("README.txt", README),
        ("findings.txt", &findings),
        ("configuration.toml", &redacted),
        ("log.txt", &log),
        ("store.json", &store),
        ("metrics.txt", about.metrics.as_deref().unwrap_or("-\n")),
        ("version.txt", &version()),
    ] {
        let clean = redactor.clean(text);
        let newest = clean.ceil_char_boundary(clean.len().saturating_sub(LONGEST));
        tar.add(&format!("shouwang-bundle/{name}"), clean.get(newest..).unwrap_or_default(), unix_s);
    }
    save(path, &tar.finish())
        .map_err(|error| Exit::Because(Code::Failed, format!("--bundle {}: {error}", path.display())))?;
    let shown = path.display();
    report.add(Finding::good(
        "bundle",
        format!("支持包已写到 {shown},发出前看一遍:tar -xOf {shown} | less"),
        format!("the support bundle is {shown}; look through it before you send it"),
    ))
}

fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The service's newest lines, if there is a journal and we may read it.
async fn journal(unit: &'static str) -> String {
    let asked = tokio::task::spawn_blocking(move || {
        let mut command = Command::new("journalctl");
        command.args(["--no-pager", "-o", "short-iso", "-n", LINES, "-u", unit]).stdin(Stdio::null()).output()
    });
    match timeout(JOURNAL_WITHIN, asked).await {
        Ok(Ok(Ok(said))) if said.status.success() => String::from_utf8_lossy(&said.stdout).into_owned(),
        Ok(Ok(Ok(said))) => format!("journalctl: {}\n", String::from_utf8_lossy(&said.stderr).trim()),
        Ok(Ok(Err(error))) => format!("journalctl: {error}\n"),
        Ok(Err(_)) | Err(_) => "journalctl: > 20 s\n".to_owned(),
    }
}

fn version() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let name = read("/etc/os-release");
    let name = name.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or_default().to_owned();
    format!(
        "shouwang {}\n{} {}\n{}\nup {} s\n{}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        read("/proc/version"),
        name,
        read("/proc/uptime"),
        read("/proc/loadavg"),
    )
}
