//! A box with two network cables, and the machine at their other ends: two network namespaces and two pairs of virtual
//! interfaces between them, which leave this machine's own network alone and are gone with their owner.
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::program::Program;
use crate::wait_for;

const LIMIT: Duration = Duration::from_secs(20);

/// The cable to the installer's phone: the box's interface and address, and the phone's address.
pub const TO_PHONE: Cable = Cable { interface: "install0", ours: "10.77.1.1", theirs: "10.77.1.2" };
/// The cable to the devices.
pub const TO_DEVICES: Cable = Cable { interface: "street0", ours: "10.77.2.1", theirs: "10.77.2.2" };

#[derive(Clone, Copy, Debug)]
pub struct Cable {
    pub interface: &'static str,
    pub ours: &'static str,
    pub theirs: &'static str,
}

impl Cable {
    /// The interface at the other end.
    pub fn far_end(&self) -> String {
        format!("far-{}", self.interface)
    }
}

/// The two networks. Dropping it takes both away.
#[derive(Debug)]
pub struct TwoNetworks {
    box_side: Program,
    far_side: Program,
    /// Who is not root becomes it in a user namespace.
    enters: &'static [&'static str],
    _directory: TempDir,
}

impl TwoNetworks {
    /// Lays both cables. None where this kernel, or whoever runs this container, does not let us: that is said aloud, for
    /// whoever reads the test's words must know that it saw less.
    pub fn start() -> Option<Self> {
        let networks = Self::lay_all();
        if let Err(why) = &networks {
            let words = "NO NETWORK NAMESPACES ON THIS MACHINE: only loopback addresses are told apart here";
            let _ = writeln!(std::io::stderr(), "{words} ({why})");
        }
        networks.ok()
    }

    fn lay_all() -> Result<Self, String> {
        let directory = TempDir::with_prefix("shouwang-networks-").expect("a directory for two networks");
        let (news, enters): (&[&str], &[&str]) = if rustix::process::geteuid().is_root() {
            (&["--net"], &["--net"])
        } else {
            (&["--user", "--map-root-user", "--net"], &["--user", "--preserve-credentials", "--net"])
        };
        let own = network(&PathBuf::from("/proc/self"));
        let mut command = Command::new("unshare");
        command.args(news);
        let box_side = keeper("box", command, std::slice::from_ref(&own), directory.path())?;
        let mut command = within(&box_side, enters, "unshare");
        command.arg("--net");
        let known = [own, network(&place(&box_side))];
        let far_side = keeper("far", command, &known, directory.path())?;
        let networks = Self { box_side, far_side, enters, _directory: directory };
        for cable in [TO_PHONE, TO_DEVICES] {
            networks.lay(cable)?;
        }
        Ok(networks)
    }

    /// This program where the box is.
    pub fn in_box(&self, program: impl AsRef<OsStr>) -> Command {
        within(&self.box_side, self.enters, program)
    }

    /// This program at the cables' other ends.
    pub fn outside(&self, program: impl AsRef<OsStr>) -> Command {
        within(&self.far_side, self.enters, program)
    }

    /// Has the box's network changed by `ip`.
    pub fn ip_in_box(&self, words: &str) {
        ip(self.in_box("/sbin/ip"), words).expect("the box's network changes");
    }

    /// As [`Self::ip_in_box`], at the other ends.
    pub fn ip_outside(&self, words: &str) {
        ip(self.outside("/sbin/ip"), words).expect("the other ends' network changes");
    }

    /// Packets that left the box by this cable.
    pub fn sent_by(&self, cable: Cable) -> u64 {
        let told = ip(self.in_box("/sbin/ip"), &format!("-s -j link show dev {}", cable.interface));
        let told: serde_json::Value =
            serde_json::from_str(&told.expect("the interface's figures")).expect("ip says JSON");
        told[0]["stats64"]["tx"]["packets"].as_u64().expect("a count of packets")
    }

    fn lay(&self, cable: Cable) -> Result<(), String> {
        let Cable { interface, ours, theirs } = cable;
        let (far, there) = (cable.far_end(), self.far_side.id());
        let pair = format!("link add {interface} type veth peer name {far} netns {there}");
        ip(self.in_box("/sbin/ip"), &pair)?;
        for words in [
            "link set lo up",
            &format!("addr add {ours}/24 dev {interface}"),
            &format!("link set {interface} up"),
        ] {
            ip(self.in_box("/sbin/ip"), words)?;
        }
        for words in
            ["link set lo up", &format!("addr add {theirs}/24 dev {far}"), &format!("link set {far} up")]
        {
            ip(self.outside("/sbin/ip"), words)?;
        }
        Ok(())
    }
}

/// Whoever keeps a new network there; none of those that are known already.
fn keeper(name: &str, mut command: Command, known: &[PathBuf], directory: &Path) -> Result<Program, String> {
    let mut program = Program::start(name, command.args(["sleep", "infinity"]), directory);
    wait_for(LIMIT, "a new network should be there, or be refused", || {
        let is_new = |network: &PathBuf| !network.as_os_str().is_empty() && !known.contains(network);
        match program.exited() {
            Some(_) => Some(false),
            None => is_new(&network(&place(&program))).then_some(true),
        }
    })
    .then_some(())
    .ok_or_else(|| program.stderr().trim().to_owned())?;
    Ok(program)
}

fn place(program: &Program) -> PathBuf {
    PathBuf::from(format!("/proc/{}", program.id()))
}

/// The network that a process is in; empty if it is gone.
fn network(process: &Path) -> PathBuf {
    std::fs::read_link(process.join("ns/net")).unwrap_or_default()
}

fn within(keeper: &Program, enters: &[&str], program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("nsenter");
    command.arg("--target").arg(keeper.id().to_string()).args(enters).arg("--").arg(program);
    command
}

fn ip(mut command: Command, words: &str) -> Result<String, String> {
    let done = command.args(words.split_whitespace()).output();
    let done = done.map_err(|error| format!("ip: {error}; `tests/run` installs it"))?;
    if done.status.success() {
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    } else {
        Err(format!("ip {words}: {}", String::from_utf8_lossy(&done.stderr).trim()))
    }
}
