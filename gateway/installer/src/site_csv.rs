//! A site's devices out of a spreadsheet: one row a device, a row of names above. Every mistake is told with its row
//! and column as the spreadsheet counts them, and a file with a mistake gives nothing.
use std::collections::BTreeMap;
use std::fmt;

use shouwang_catalog::{installed_complaints, instead};
use shouwang_core::configuration::Installed;
use shouwang_core::profile::Profile;
use shouwang_message::{BadId, DeviceCode, Id, Place, Text};

use crate::Candidate;

/// The columns: the field, and its name above the column for people. The first four are needed.
pub const SITE_COLUMNS: &[(&str, &str)] = &[
    ("id", "编号"),
    ("line", "线路"),
    ("unit_id", "地址"),
    ("profile", "型号"),
    ("building", "楼栋"),
    ("entrance", "单元"),
    ("room", "房间"),
    ("grid", "网格"),
    ("name", "名称"),
    ("serial_no", "序列号"),
    ("code", "标签码"),
    ("datum", "高程系统"),
    ("datum_m", "零点高程"),
    ("dry_offset_m", "空气读数"),
    ("mounting_height_m", "安装高度"),
    ("unit", "探头单位"),
    ("installed", "安装日期"),
];
const NEEDED: usize = 4;
/// Mistakes told at once.
const MISTAKES: usize = 100;
const MOST_BYTES: usize = 1024 * 1024;
const MOST_ROWS: usize = 4_000;
const MOST_CHARS: usize = 64;
/// Excel knows UTF-8 by it.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// One planned or installed device.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteDevice {
    /// Of the file, from 1; the names of the columns are row 1.
    pub row: u64,
    pub id: Id,
    pub line: Id,
    /// 1 to 247; to 255 where the profile's maker delivers it so.
    pub unit_id: u8,
    /// A profile that exists.
    pub profile: String,
    pub place: Place,
    /// What the maker printed on it.
    pub serial_no: Option<String>,
    /// What its label says.
    pub code: Option<DeviceCode>,
    pub installed: Installed,
}

/// One mistake in a site's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteMistake {
    /// From 1; the names of the columns are row 1.
    pub row: u64,
    /// From 1, as `A` is to a spreadsheet; none if it is about the whole row or file.
    pub column: Option<usize>,
    /// As it is called in row 1; empty if it is about the whole row or file.
    pub name: String,
    pub what: Text,
}

impl fmt::Display for SiteMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row, column, name, what } = self;
        match column.map(letters) {
            Some(column) => write!(
                f,
                "第 {row} 行 {column} 列 {name}:{} · row {row}, column {column}: {}",
                what.zh, what.en
            ),
            None => write!(f, "第 {row} 行:{} · row {row}: {}", what.zh, what.en),
        }
    }
}

/// A column's name in a spreadsheet: 1 is A, 27 is AA.
fn letters(mut column: usize) -> String {
    let mut name = Vec::new();
    while column > 0 {
        let digit = u8::try_from((column - 1) % 26).unwrap_or(0);
        name.insert(0, char::from(b'A' + digit));
        column = (column - 1) / 26;
    }
    name.into_iter().collect()
}

/// The devices of a file in its order, or what is wrong with it, at most 100 mistakes at once.
///
/// Cells are separated by commas, or by semicolons or tabs where row 1 has no comma. A column may be called
/// `房间`, `room`, or `房间 room`.
///
/// # Errors
/// Everything that is wrong, in the file's order.
pub fn read_site(bytes: &[u8], profiles: &[Candidate]) -> Result<Vec<SiteDevice>, Vec<SiteMistake>> {
    read_site_of(bytes, profiles, None)
}

/// A line that a gateway has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteLine {
    pub name: String,
    /// Native Modbus TCP, where the unit ids 248 to 255 are nobody's.
    pub high_unit_ids: bool,
}

/// As [`read_site`], for a gateway that has these lines and no others.
///
/// # Errors
/// As [`read_site`].
pub fn read_site_of(
    bytes: &[u8],
    profiles: &[Candidate],
    lines: Option<&[SiteLine]>,
) -> Result<Vec<SiteDevice>, Vec<SiteMistake>> {
    let mut reader = Reader { profiles, lines, ..Reader::default() };
    let devices = match text_of(bytes) {
        Ok(text) => reader.all(text),
        Err((row, what)) => {
            reader.about_row(row, what);
            Vec::new()
        }
    };
    if reader.mistakes.is_empty() { Ok(devices) } else { Err(reader.mistakes) }
}

fn text_of(bytes: &[u8]) -> Result<&str, (u64, Text)> {
    if bytes.len() > MOST_BYTES {
        return Err((1, Text::new("文件超过 1 MiB", "the file is larger than 1 MiB")));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let row = 1 + ends_of_rows(before);
        let zh = "不是 UTF-8:请在 Excel 或 WPS 里另存为“CSV UTF-8”";
        (row, Text::new(zh, "not UTF-8: save it as \"CSV UTF-8\""))
    })?;
    Ok(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text))
}

fn ends_of_rows(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u64::MAX)
}

/// What separates the cells: spreadsheets of some countries write semicolons, copied ones tabs.
fn separator(text: &str) -> u8 {
    let names = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let others = [b';', b'\t'].into_iter().find(|other| names.contains(char::from(*other)));
    if names.contains(',') { b',' } else { others.unwrap_or(b',') }
}

#[derive(Default)]
struct Reader<'a> {
    profiles: &'a [Candidate],
    lines: Option<&'a [SiteLine]>,
    /// The field of each column, and what row 1 calls it.
    columns: Vec<(Option<&'static str>, String)>,
    mistakes: Vec<SiteMistake>,
    /// In which row each was first.
    ids: BTreeMap<Id, u64>,
    unit_ids: BTreeMap<(Id, u8), u64>,
    codes: BTreeMap<DeviceCode, u64>,
}

/// A row's cells by their field; empty ones are not there.
type Cells<'r> = BTreeMap<&'static str, &'r str>;

impl<'a> Reader<'a> {
    fn all(&mut self, text: &str) -> Vec<SiteDevice> {
        let mut devices = Vec::new();
        let mut file = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator(text))
            .from_reader(text.as_bytes());
        // Empty rows are skipped by the reader, but a spreadsheet counts them: rows are counted by their line ends.
        let mut counted = (0, 1);
        for record in file.records() {
            let Ok(record) = record else { break };
            let from = record.position().map_or(0, |at| usize::try_from(at.byte()).unwrap_or(usize::MAX));
            let rest = text.as_bytes().get(from..).unwrap_or_default();
            let from = from + rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            let row = counted.1 + ends_of_rows(text.as_bytes().get(counted.0..from).unwrap_or_default());
            counted = (from, row);
            if let Some(broken) = record.iter().position(|cell| cell.contains('\n')) {
                let zh = "格子里有换行:引号不成对?";
                self.about(
                    row,
                    broken,
                    Text::new(zh, "a line break in a cell: a quotation mark without its pair?"),
                );
                break;
            }
            if self.columns.is_empty() {
                self.take_names(row, &record);
                if !self.mistakes.is_empty() {
                    break;
                }
            } else if record.iter().any(|cell| !cell.trim().is_empty()) {
                devices.extend(self.device(row, &record));
            }
            if devices.len() > MOST_ROWS {
                self.about_row(row, Text::new("最多 4000 台设备", "at most 4,000 devices"));
            }
            if self.mistakes.len() >= MISTAKES {
                break;
            }
        }
        self.mistakes.truncate(MISTAKES);
        if self.columns.is_empty() && self.mistakes.is_empty() {
            self.about_row(1, Text::new("文件是空的", "the file is empty"));
        }
        devices
    }

    fn take_names(&mut self, row: u64, record: &csv::StringRecord) {
        for (index, name) in record.iter().enumerate() {
            let name = name.trim();
            let known = SITE_COLUMNS.iter().find(|(field, zh)| {
                name == *field || name == *zh || name.split_once(' ') == Some((*zh, *field))
            });
            let field = known.map(|(field, _)| *field);
            let again = field.is_some() && self.columns.iter().any(|(other, _)| *other == field);
            self.columns.push((field, name.to_owned()));
            if field.is_none() && !name.is_empty() {
                let Text { zh, en } = instead(name, SITE_COLUMNS.iter().map(|(field, _)| *field));
                self.about(
                    row,
                    index,
                    Text::new(format!("没有这一列;{zh}"), format!("there is no such column; {en}")),
                );
            }
            if again {
                self.about(row, index, Text::new("这一列出现两次", "this column is there twice"));
            }
        }
        for (field, zh) in SITE_COLUMNS.iter().take(NEEDED) {
            if !self.columns.iter().any(|(known, _)| known == &Some(*field)) {
                let what =
                    Text::new(format!("缺“{zh} {field}”这一列"), format!("the column {field} is missing"));
                self.about_row(row, what);
            }
        }
    }

    fn device(&mut self, row: u64, record: &csv::StringRecord) -> Option<SiteDevice> {
        let before = self.mistakes.len();
        let cells = self.cells(row, record);
        let id = self.id(row, &cells, "id");
        let line = self.line(row, &cells);
        let profile = self.profile(row, &cells);
        let unit_id = self.unit_id(row, &cells, line.as_ref(), profile);
        if let Some(id) = &id
            && let Some(first) = self.ids.insert(id.clone(), row)
        {
            self.at(row, "id", same_as(first));
        }
        if let (Some(line), Some(unit_id)) = (&line, unit_id)
            && let Some(first) = self.unit_ids.insert((line.clone(), unit_id), row)
        {
            self.at(row, "unit_id", same_as(first));
        }
        let text = |field: &str| cells.get(field).map(|cell| (*cell).to_owned());
        let place = Place {
            building: text("building"),
            entrance: text("entrance"),
            room: text("room"),
            grid: text("grid"),
            name: text("name"),
        };
        let serial_no = text("serial_no");
        let code = self.code(row, &cells);
        let installed = self.installed(row, &cells, profile);
        if self.mistakes.len() > before {
            return None;
        }
        let profile = profile?.name.clone();
        Some(SiteDevice {
            row,
            id: id?,
            line: line?,
            unit_id: unit_id?,
            profile,
            place,
            serial_no,
            code,
            installed,
        })
    }

    fn cells<'r>(&mut self, row: u64, record: &'r csv::StringRecord) -> Cells<'r> {
        let mut cells = Cells::new();
        for (index, cell) in record.iter().enumerate() {
            // An apostrophe is how spreadsheets are told that a number is a text.
            let cell = cell.trim();
            let cell = cell.strip_prefix('\'').unwrap_or(cell);
            if cell.is_empty() {
                continue;
            }
            match self.columns.get(index) {
                Some((Some(field), _)) => {
                    cells.insert(*field, cell);
                }
                _ => self.about(row, index, Text::new("这一格没有列名", "this cell has no column name")),
            }
            if cell.chars().count() > MOST_CHARS || cell.chars().any(char::is_control) {
                let zh = format!("最多 {MOST_CHARS} 个字,不带控制字符");
                self.about(
                    row,
                    index,
                    Text::new(zh, format!("at most {MOST_CHARS} characters, none of control")),
                );
            }
        }
        cells
    }

    fn id(&mut self, row: u64, cells: &Cells<'_>, field: &'static str) -> Option<Id> {
        let id = self.there(row, cells, field)?.parse();
        if let Err(error) = &id {
            let error: &BadId = error;
            let zh = "只用小写字母 a-z、数字和 -,1 到 32 个";
            self.at(row, field, Text::new(zh, error.to_string()));
        }
        id.ok()
    }

    fn line(&mut self, row: u64, cells: &Cells<'_>) -> Option<Id> {
        let line = self.id(row, cells, "line")?;
        if let Some(lines) = self.lines
            && !lines.iter().any(|known| known.name == line.as_str())
        {
            let Text { zh, en } = instead(line.as_str(), lines.iter().map(|line| line.name.as_str()));
            let what = Text::new(format!("没有线路 {line};{zh}"), format!("no line is called {line}; {en}"));
            self.at(row, "line", what);
        }
        Some(line)
    }

    fn code(&mut self, row: u64, cells: &Cells<'_>) -> Option<DeviceCode> {
        let code: Result<DeviceCode, _> = cells.get("code")?.parse();
        match &code {
            Err(error) => {
                let zh = "标签码是 7 个字符,如 7K3F9Q5;这个对不上校验";
                self.at(row, "code", Text::new(zh, error.to_string()));
            }
            Ok(code) => {
                if let Some(first) = self.codes.insert(*code, row) {
                    self.at(row, "code", same_as(first));
                }
            }
        }
        code.ok()
    }

    fn there<'r>(&mut self, row: u64, cells: &Cells<'r>, field: &'static str) -> Option<&'r str> {
        let cell = cells.get(field).copied();
        if cell.is_none() {
            self.at(row, field, Text::new("没有填", "it is empty"));
        }
        cell
    }

    fn profile(&mut self, row: u64, cells: &Cells<'_>) -> Option<&'a Profile> {
        let name = self.there(row, cells, "profile")?;
        let profiles = self.profiles;
        let found = profiles.iter().find(|candidate| candidate.name == name);
        if found.is_none() {
            let Text { zh, en } = instead(name, profiles.iter().map(|candidate| candidate.name.as_str()));
            let what =
                Text::new(format!("没有型号 {name};{zh}"), format!("no profile is called {name}; {en}"));
            self.at(row, "profile", what);
        }
        found.map(|candidate| candidate.profile.as_ref())
    }

    fn unit_id(
        &mut self,
        row: u64,
        cells: &Cells<'_>,
        line: Option<&Id>,
        profile: Option<&Profile>,
    ) -> Option<u8> {
        let is_high =
            |known: &SiteLine| known.high_unit_ids && line.is_some_and(|line| known.name == line.as_str());
        let may_be_high = self.lines.into_iter().flatten().any(is_high);
        let most =
            if may_be_high || profile.is_some_and(|profile| profile.high_unit_ids) { 255 } else { 247 };
        let unit_id = self.there(row, cells, "unit_id")?.parse::<u8>().ok();
        let fits = unit_id.filter(|unit_id| (1..=most).contains(unit_id));
        if fits.is_none() {
            let zh = format!("地址是 1 到 {most} 的整数");
            self.at(row, "unit_id", Text::new(zh, format!("a unit id is a whole number from 1 to {most}")));
        }
        fits
    }

    fn installed(&mut self, row: u64, cells: &Cells<'_>, profile: Option<&Profile>) -> Installed {
        let text = |field: &str| cells.get(field).map(|cell| (*cell).to_owned());
        let installed = Installed {
            datum: text("datum"),
            datum_m: self.metres(row, cells, "datum_m"),
            dry_offset_m: self.metres(row, cells, "dry_offset_m"),
            mounting_height_m: self.metres(row, cells, "mounting_height_m"),
            unit: text("unit"),
            frozen: BTreeMap::new(),
            serial_no: None,
            // Spreadsheets like to write a date with strokes.
            installed: text("installed").map(|date| plain_date(&date)),
        };
        if installed.installed.as_deref().is_some_and(|date| !is_date(date)) {
            self.at(row, "installed", Text::new("日期写成 2026-05-01", "write a date as 2026-05-01"));
        }
        let complaints = profile.map(|profile| installed_complaints(profile, &installed));
        for complaint in complaints.into_iter().flatten() {
            let (Text { zh, en }, remedy) = (complaint.what, complaint.remedy);
            let what = Text::new(format!("{zh};{}", remedy.zh), format!("{en}; {}", remedy.en));
            self.at(row, complaint.key, what);
        }
        installed
    }

    fn metres(&mut self, row: u64, cells: &Cells<'_>, field: &'static str) -> Option<f64> {
        let metres = cells.get(field)?.parse::<f64>().ok().filter(|metres| metres.abs() <= 10_000.0);
        if metres.is_none() {
            self.at(row, field, Text::new("米数,-10000 到 10000", "metres, -10000 to 10000"));
        }
        metres
    }

    /// A mistake in this field's column; in the whole row if the file has none.
    fn at(&mut self, row: u64, field: &str, what: Text) {
        match self.columns.iter().position(|(known, _)| *known == Some(field)) {
            Some(index) => self.about(row, index, what),
            None => self.about_row(row, what),
        }
    }

    fn about(&mut self, row: u64, index: usize, what: Text) {
        let name = self.columns.get(index).map_or(String::new(), |(_, name)| name.clone());
        self.mistakes.push(SiteMistake { row, column: Some(index + 1), name, what });
    }

    fn about_row(&mut self, row: u64, what: Text) {
        self.mistakes.push(SiteMistake { row, column: None, name: String::new(), what });
    }
}

fn same_as(first: u64) -> Text {
    Text::new(format!("与第 {first} 行相同"), format!("the same as in row {first}"))
}

/// `2026/5/1` as `2026-05-01`; what is no such date stays as it is.
fn plain_date(date: &str) -> String {
    let parts: Vec<_> = date.split('/').map(str::parse::<u32>).collect();
    match parts.as_slice() {
        [Ok(year), Ok(month), Ok(day)] => format!("{year:04}-{month:02}-{day:02}"),
        _ => date.to_owned(),
    }
}

/// A file that [`read_site`] reads as these devices, and that spreadsheets take for UTF-8. Each row has its cells by
/// the column's field; fields that are no column are left out.
pub fn write_site(rows: &[BTreeMap<&str, String>]) -> String {
    let mut file = BYTE_ORDER_MARK.to_owned();
    let names = SITE_COLUMNS.iter().map(|(field, zh)| format!("{zh} {field}"));
    file.push_str(&names.collect::<Vec<_>>().join(","));
    file.push_str("\r\n");
    for row in rows {
        let cells = SITE_COLUMNS
            .iter()
            .map(|(field, _)| row.get(field).map_or(String::new(), |cell| quoted(field, &in_a_cell(cell))));
        file.push_str(&cells.collect::<Vec<_>>().join(","));
        file.push_str("\r\n");
    }
    file
}

/// Words as a cell holds them: on one line, without spaces around them.
pub fn in_a_cell(words: &str) -> String {
    let words: String = words.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    words.trim().to_owned()
}

/// What spreadsheets begin a formula with, also the wide ones of a Chinese keyboard; some look beyond blanks.
const FORMULA: [char; 9] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '\''];

/// A cell of this column that stays what it is: an apostrophe keeps a spreadsheet from making a formula, a date or a number of it.
pub fn quoted(field: &str, cell: &str) -> String {
    const NUMBERS: [&str; 5] = ["unit_id", "datum_m", "dry_offset_m", "mounting_height_m", "installed"];
    let is_computed = cell.starts_with(char::is_control)
        || cell.trim_start_matches(|c: char| c.is_whitespace() || c.is_control()).starts_with(FORMULA);
    let is_number = cell.parse::<f64>().is_ok()
        && (cell.starts_with('0') || cell.contains(['e', 'E']) || cell.len() > 11);
    let is_date =
        cell.contains(['-', '/']) && cell.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '/'));
    let spoilt = !NUMBERS.contains(&field) && (is_computed || is_number && cell != "0" || is_date);
    let cell = if spoilt { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', ';', '\t', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

/// `YYYY-MM-DD` of a day that exists.
fn is_date(date: &str) -> bool {
    let parts: Vec<_> = date.split('-').collect();
    let number = |text: &str, chars| (text.len() == chars).then(|| text.parse::<u32>().ok()).flatten();
    let [year, month, day] = parts.as_slice() else { return false };
    let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2)) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

#[cfg(test)]
mod tests;
