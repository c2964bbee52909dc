//! Changing a configuration as a careful person would: comments and order stay, all of it is checked before it takes the
//! old one's place, and nobody ever reads half of it.
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use shouwang_installer::{SiteDevice, in_a_cell};
use shouwang_message::DeviceCode;
use thiserror::Error;
use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use crate::config::{Config, Problem};

/// Keys of a device's `place`.
const PLACE: [&str; 5] = ["building", "entrance", "room", "grid", "name"];

/// A configuration that is about to change.
#[derive(Debug)]
pub struct Rewrite {
    path: PathBuf,
    before: String,
    document: DocumentMut,
}

/// Why it stays as it was.
#[derive(Debug, Error)]
pub enum NotRewritten {
    #[error("读不了 cannot read {0}")]
    Unreadable(PathBuf, #[source] io::Error),
    #[error("{0} 不是 TOML;先用 shouwang check 看错在哪 · {0} is no TOML: shouwang check says where")]
    NoToml(PathBuf),
    /// Devices are not written as `[[device]]`, so that they cannot be changed one by one.
    #[error("把设备写成 [[device]] 的样子再试 · write the devices as [[device]] first")]
    Shape,
    #[error("系统给不出随机数 · the system gives no random numbers")]
    NoChance,
    #[error("没有设备 {0} · no device is called {0}")]
    NoDevice(String),
    #[error("改后的配置有误,文件未动 · the changed configuration would be wrong, so the file stays as it is:\n{}", in_lines(.0))]
    Bad(Vec<Problem>),
    #[error(
        "{0} 刚被别人改过,未覆盖;请再来一次 · {0} was changed meanwhile and is not overwritten: try again"
    )]
    Changed(PathBuf),
    #[error("写不了 cannot write {0}")]
    Unwritable(PathBuf, #[source] io::Error),
}

fn in_lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Rewrite {
    /// # Errors
    /// There is no such file, or its notation is wrong.
    pub fn open(path: &Path) -> Result<Self, NotRewritten> {
        // A link stays a link: what it points to is changed.
        let unreadable = |error| NotRewritten::Unreadable(path.to_owned(), error);
        let path = fs::canonicalize(path).map_err(unreadable)?;
        let before =
            fs::read_to_string(&path).map_err(|error| NotRewritten::Unreadable(path.clone(), error))?;
        let document = before.parse().map_err(|_| NotRewritten::NoToml(path.clone()))?;
        Ok(Self { path, before, document })
    }

    /// The devices in their order: each field of a site's spreadsheet that is written, as a text.
    ///
    /// # Errors
    /// They are not written as `[[device]]`.
    pub fn rows(&self) -> Result<Vec<BTreeMap<&'static str, String>>, NotRewritten> {
        let tables = match self.document.get("device") {
            None => return Ok(Vec::new()),
            Some(Item::Value(Value::Array(none))) if none.is_empty() => return Ok(Vec::new()),
            Some(Item::ArrayOfTables(tables)) => tables,
            Some(_) => return Err(NotRewritten::Shape),
        };
        Ok(tables.iter().map(row).collect())
    }

    /// Writes what a row of a site's spreadsheet says, into the device of its id or as a new one. What the spreadsheet
    /// has no column for (limits, frozen registers) stays.
    ///
    /// # Errors
    /// The devices are not written as `[[device]]`.
    pub fn put(&mut self, device: &SiteDevice) -> Result<(), NotRewritten> {
        let cells = cells(device);
        let tables = self.tables()?;
        let known = tables.iter().position(|table| id_of(table) == Some(device.id.as_str()));
        if known.is_none() {
            let mut table = Table::new();
            table.decor_mut().set_prefix("\n");
            tables.push(table);
        }
        let place = known.unwrap_or(tables.len().saturating_sub(1));
        let Some(table) = tables.get_mut(place) else { return Err(NotRewritten::Shape) };
        for (key, value) in cells {
            set(table, key, value);
        }
        Ok(())
    }

    /// Takes out the devices that are not among these; returns who went.
    ///
    /// # Errors
    /// The devices are not written as `[[device]]`.
    pub fn keep_only(&mut self, kept: &[SiteDevice]) -> Result<Vec<String>, NotRewritten> {
        let mut gone = Vec::new();
        self.tables()?.retain(|table| {
            let id = id_of(table).unwrap_or_default();
            let stays = kept.iter().any(|device| device.id.as_str() == id);
            if !stays {
                gone.push(id.to_owned());
            }
            stays
        });
        Ok(gone)
    }

    /// Draws a code for the label of every device that has none; returns who got one.
    ///
    /// # Errors
    /// The devices are not written as `[[device]]`, or the system has no chance to give.
    pub fn assign_codes(&mut self) -> Result<Vec<String>, NotRewritten> {
        let mut taken: BTreeSet<DeviceCode> =
            self.rows()?.iter().filter_map(|row| row.get("code")?.parse().ok()).collect();
        let mut got = Vec::new();
        for table in self.tables()?.iter_mut().filter(|table| !table.contains_key("code")) {
            let code = loop {
                let mut bits = [0; 4];
                getrandom::fill(&mut bits).map_err(|_| NotRewritten::NoChance)?;
                // One in seven is not drawn, and hardly any is drawn twice.
                let drawn = DeviceCode::drawn(u32::from_le_bytes(bits));
                if let Some(code) = drawn.filter(|code| taken.insert(*code)) {
                    break code;
                }
            };
            got.push(id_of(table).unwrap_or_default().to_owned());
            set(table, "code", Some(code.to_string().into()));
        }
        Ok(got)
    }

    /// Another unit takes a device's place: its number and the day are new, and what was found in the old one's registers
    /// is forgotten. Id, place and limits stay. Returns the old number.
    ///
    /// # Errors
    /// There is no such device.
    pub fn replace(&mut self, id: &str, serial_no: &str, day: &str) -> Result<Option<String>, NotRewritten> {
        let table = self.device(id)?;
        let before = table.get("serial_no").and_then(Item::as_str).map(str::to_owned);
        set(table, "serial_no", Some(serial_no.into()));
        set(table, "installed", day.parse().ok().map(|day: toml_edit::Datetime| day.into()));
        table.remove("frozen");
        Ok(before)
    }

    /// Puts it in force for the next reading of the file: all of it, or nothing.
    ///
    /// # Errors
    /// It would not be sound, somebody else changed the file meanwhile, or it cannot be written.
    pub fn save(self) -> Result<Config, NotRewritten> {
        let text = self.document.to_string();
        let config = Config::from_bytes(&self.path, text.as_bytes()).map_err(NotRewritten::Bad)?;
        let now = fs::read(&self.path).map_err(|error| NotRewritten::Unreadable(self.path.clone(), error))?;
        if now != self.before.as_bytes() {
            return Err(NotRewritten::Changed(self.path));
        }
        if text != self.before {
            put_in_place(&self.path, text.as_bytes())
                .map_err(|error| NotRewritten::Unwritable(self.path.clone(), error))?;
        }
        Ok(config)
    }

    fn tables(&mut self) -> Result<&mut ArrayOfTables, NotRewritten> {
        // `device = []` is how a new file says that there are none yet.
        if self.document.get("device").and_then(Item::as_array).is_some_and(toml_edit::Array::is_empty) {
            self.document.remove("device");
        }
        let item = self.document.entry("device").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        item.as_array_of_tables_mut().ok_or(NotRewritten::Shape)
    }

    fn device(&mut self, id: &str) -> Result<&mut Table, NotRewritten> {
        let found = self.tables()?.iter_mut().find(|table| id_of(table) == Some(id));
        found.ok_or_else(|| NotRewritten::NoDevice(id.to_owned()))
    }
}

fn id_of(table: &Table) -> Option<&str> {
    table.get("id").and_then(Item::as_str)
}

fn row(table: &Table) -> BTreeMap<&'static str, String> {
    let place = table.get("place").and_then(Item::as_table_like);
    let written = |field: &&'static str| {
        let from: Option<&dyn TableLike> = if PLACE.contains(field) { place } else { Some(table) };
        let text = match from?.get(field)?.as_value()? {
            Value::String(text) => text.value().clone(),
            Value::Integer(number) => number.value().to_string(),
            Value::Float(number) => number.value().to_string(),
            Value::Datetime(day) => day.value().to_string(),
            _ => return None,
        };
        Some((*field, text))
    };
    let fields: Vec<&'static str> =
        shouwang_installer::SITE_COLUMNS.iter().map(|(field, _)| *field).collect();
    fields.iter().filter_map(written).collect()
}

/// A spreadsheet's row as the values of its keys; None takes a key out.
fn cells(device: &SiteDevice) -> Vec<(&'static str, Option<Value>)> {
    let SiteDevice { id, line, unit_id, profile, place, serial_no, code, installed, .. } = device;
    let text = |text: &Option<String>| text.as_deref().map(Value::from);
    vec![
        ("id", Some(id.as_str().into())),
        ("line", Some(line.as_str().into())),
        ("unit_id", Some(i64::from(*unit_id).into())),
        ("profile", Some(profile.as_str().into())),
        ("building", text(&place.building)),
        ("entrance", text(&place.entrance)),
        ("room", text(&place.room)),
        ("grid", text(&place.grid)),
        ("name", text(&place.name)),
        ("serial_no", text(serial_no)),
        ("code", code.map(|code| code.to_string().into())),
        ("datum", text(&installed.datum)),
        ("datum_m", installed.datum_m.map(Value::from)),
        ("dry_offset_m", installed.dry_offset_m.map(Value::from)),
        ("mounting_height_m", installed.mounting_height_m.map(Value::from)),
        ("unit", text(&installed.unit)),
        (
            "installed",
            installed
                .installed
                .as_ref()
                .and_then(|day| Some(day.parse::<toml_edit::Datetime>().ok()?.into())),
        ),
    ]
}

/// Sets a key of a device; a value that says the same stays as it is written, and its comment with it.
fn set(device: &mut Table, key: &str, value: Option<Value>) {
    let table: &mut dyn TableLike = if PLACE.contains(&key) {
        if value.is_none() && !device.contains_key("place") {
            return;
        }
        let place = device.entry("place").or_insert_with(|| InlineTable::new().into());
        let Some(place) = place.as_table_like_mut() else { return };
        place
    } else {
        device
    };
    let Some(mut value) = value else {
        table.remove(key);
        return;
    };
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(known) if says_the_same(known, &value) => {}
        Some(known) => {
            *value.decor_mut() = known.decor().clone();
            *known = value;
        }
        None => {
            table.insert(key, Item::Value(value));
        }
    }
}

fn says_the_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        // A spreadsheet keeps no blanks around words.
        (Value::String(one), Value::String(other)) => in_a_cell(one.value()) == in_a_cell(other.value()),
        (Value::Integer(one), Value::Integer(other)) => one.value() == other.value(),
        // A height of 2 is one of 2.0.
        (Value::Integer(one), Value::Float(other)) => {
            i32::try_from(*one.value()).is_ok_and(|one| f64::from(one) == *other.value())
        }
        (Value::Float(one), Value::Float(other)) => one.value() == other.value(),
        (Value::Datetime(one), Value::Datetime(other)) => one.value() == other.value(),
        _ => false,
    }
}

/// As the file that was there: same rights, same owner, and on the disk before it takes the name.
fn put_in_place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let was = fs::metadata(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.new"));
    // What a cut of the power left is no file that anybody reads.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        let now = file.metadata()?;
        if (now.uid(), now.gid()) != (was.uid(), was.gid()) {
            fchown(&file, Some(was.uid()), Some(was.gid()))?;
        }
        file.set_permissions(fs::Permissions::from_mode(was.permissions().mode() & 0o7777))?;
        file.sync_all()?;
        fs::rename(&new, path)
    })();
    if written.is_err() {
        // The error that counts is the first.
        let _ = fs::remove_file(&new);
        return written;
    }
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}
