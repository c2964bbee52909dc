//! Writes a `gateway.toml` for a test.
use std::fmt::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Mosquitto;

/// The site and the gateway of every test: each test has its own broker, so they may share a name.
pub const SITE: &str = "heping";
pub const GATEWAY: &str = "gw-0007";

/// A gateway's configuration and its state directory. Dropping it removes both.
#[derive(Debug)]
pub struct Configuration {
    directory: TempDir,
    head: String,
    uplink: String,
    tables: String,
}

impl Configuration {
    /// A gateway that tells `broker`, heard by `duty-1`; without lines yet.
    pub fn new(broker: &Mosquitto) -> Self {
        let directory = TempDir::with_prefix("shouwang-gateway-").expect("a directory for the gateway");
        let state = directory.path().join("state");
        std::fs::create_dir(&state).expect("the gateway's state directory");
        let head = format!(
            "site = \"{SITE}\"\ngateway = \"{GATEWAY}\"\nname = \"和平社区 7 号网关\"\nstate_dir = \"{}\"\n",
            state.display()
        );
        let uplink = format!("\n[uplink]\nurl = \"{}\"\nhearers = [\"duty-1\"]\n", broker.url());
        Self { directory, head, uplink, tables: String::new() }
    }

    /// These keys of `[uplink]` instead.
    pub fn uplink(mut self, keys: &str) -> Self {
        self.uplink = format!("\n[uplink]\n{keys}\n");
        self
    }

    /// A key of the top level, as TOML: `profile_dirs = ["..."]`.
    pub fn top(mut self, line: &str) -> Self {
        writeln!(self.head, "{line}").expect("text grows");
        self
    }

    /// A serial line; `more` is further keys as TOML.
    pub fn serial_line(self, name: &str, path: &Path, baud: u32, more: &str) -> Self {
        let path = path.display();
        self.table(&format!(
            "[[line]]\nname = \"{name}\"\nserial = {{ path = \"{path}\", baud = {baud} }}\n{more}"
        ))
    }

    /// A Modbus TCP line; `more` is further keys as TOML.
    pub fn tcp_line(self, name: &str, address: &str, more: &str) -> Self {
        self.table(&format!("[[line]]\nname = \"{name}\"\ntcp = {{ address = \"{address}\" }}\n{more}"))
    }

    /// A device in building 3; `more` is further keys as TOML.
    pub fn device(self, id: &str, line: &str, unit_id: u8, profile: &str, more: &str) -> Self {
        self.table(&format!(
            "[[device]]\nid = \"{id}\"\nline = \"{line}\"\nunit_id = {unit_id}\nprofile = \"{profile}\"\n\
             place = {{ building = \"3\", entrance = \"2\", room = \"{unit_id}\", grid = \"HP-07\", name = \"3号楼2单元{unit_id}\" }}\n{more}"
        ))
    }

    /// Any further table as TOML.
    pub fn table(mut self, text: &str) -> Self {
        writeln!(self.tables, "\n{text}").expect("text grows");
        self
    }

    /// Writes the file and says where it is.
    pub fn write(&self) -> PathBuf {
        let path = self.directory.path().join("gateway.toml");
        std::fs::write(&path, self.text()).expect("the gateway's configuration");
        path
    }

    pub fn text(&self) -> String {
        format!("{}{}{}", self.head, self.uplink, self.tables)
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn state_directory(&self) -> PathBuf {
        self.directory.path().join("state")
    }
}
