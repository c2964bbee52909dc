//! Resident cards out of a spreadsheet and into one: CSV with a row of names above it. Every mistake is told with its
//! row and column as the spreadsheet counts them, and a file with a mistake changes nothing.
use std::collections::BTreeMap;

use serde::Serialize;

use super::{CARDS, CONTACT_FIELDS, Contact, Hearing, Resident};

/// Mistakes told at once.
const MISTAKES: usize = 100;
/// Excel knows UTF-8 by it.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The columns: the field, and its name above the column.
const COLUMNS: &[(&str, &str)] = &[
    ("building", "楼栋"),
    ("entrance", "单元"),
    ("room", "房间"),
    ("name", "姓名"),
    ("phone", "电话"),
    ("born", "出生年"),
    ("hearing", "听力"),
    ("can_open", "能开门"),
    ("dialect", "方言"),
    ("oxygen", "吸氧"),
    ("notes", "备注"),
    ("key_holder", "持钥匙人"),
    ("key_phone", "持钥匙人电话"),
    ("contact1", "联系人1"),
    ("contact1_phone", "联系人1电话"),
    ("contact2", "联系人2"),
    ("contact2_phone", "联系人2电话"),
    ("contact3", "联系人3"),
    ("contact3_phone", "联系人3电话"),
    ("consent", "同意日期"),
    ("keep_until", "保存至"),
];
const NEEDED: &[&str] = &["room", "name", "consent", "keep_until"];

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Mistake {
    /// From 1; the names of the columns are row 1.
    pub(crate) row: u64,
    /// As it is called in row 1.
    pub(crate) column: String,
    pub(crate) zh: String,
    pub(crate) en: String,
}

/// The cards of a file, or everything that is wrong with it.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Resident>, Vec<Mistake>> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let row = 1 + u64::try_from(before.iter().filter(|byte| **byte == b'\n').count()).unwrap_or_default();
        let zh = "不是 UTF-8:请在 Excel 或 WPS 里另存为“CSV UTF-8”";
        vec![mistake(row, "", zh, "not UTF-8: save it as \"CSV UTF-8\"")]
    })?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut file = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut reader = Reader { columns: Vec::new(), mistakes: Vec::new(), homes: BTreeMap::new() };
    let mut cards = Vec::new();
    let mut row = 0;
    for record in file.records() {
        let record = match record {
            Ok(record) => record,
            Err(_) => {
                reader.wrong(
                    row + 1,
                    "",
                    "这一行读不懂(引号不成对?)",
                    "cannot be read: a quotation mark without its pair?",
                );
                break;
            }
        };
        row += 1 + empty_rows(text, record.position().map_or(0, csv::Position::byte));
        if reader.columns.is_empty() {
            reader.take_names(row, &record);
            if !reader.mistakes.is_empty() {
                break;
            }
        } else if record.iter().any(|cell| !cell.trim().is_empty()) {
            cards.extend(reader.card(row, &record));
        }
        if cards.len() > CARDS {
            reader.wrong(row, "", "最多 20000 张卡", "at most 20,000 cards");
        }
        if reader.mistakes.len() >= MISTAKES {
            break;
        }
    }
    if reader.columns.is_empty() && reader.mistakes.is_empty() {
        reader.wrong(1, "", "文件是空的", "the file is empty");
    }
    if reader.mistakes.is_empty() { Ok(cards) } else { Err(reader.mistakes) }
}

/// Rows without anything before what is read at this byte.
fn empty_rows(text: &str, byte: u64) -> u64 {
    let rest = usize::try_from(byte).ok().and_then(|byte| text.as_bytes().get(byte..)).unwrap_or_default();
    let ends = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    u64::try_from(ends.filter(|byte| **byte == b'\n').count()).unwrap_or_default()
}

/// All cards as a file that [`read`] takes.
pub(crate) fn write<'r>(residents: impl Iterator<Item = &'r Resident>) -> String {
    let mut file = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    // Into memory: it cannot fail.
    let _ = file.write_record(COLUMNS.iter().map(|(field, name)| format!("{name} {field}")));
    for resident in residents {
        let _ = file.write_record(COLUMNS.iter().map(|(field, _)| as_text(&cell(resident, field))));
    }
    let bytes = file.into_inner().unwrap_or_default();
    format!("{BYTE_ORDER_MARK}{}", String::from_utf8(bytes).unwrap_or_default())
}

/// What a spreadsheet would take for a formula is made a text.
fn as_text(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}

fn cell(resident: &Resident, field: &str) -> String {
    let contact = |number: usize| resident.contacts.get(number).cloned().unwrap_or_default();
    let word = |yes: bool| if yes { "是" } else { "否" }.to_owned();
    for (number, (name, phone)) in CONTACT_FIELDS.iter().enumerate() {
        if field == *name {
            return contact(number).name;
        }
        if field == *phone {
            return contact(number).phone;
        }
    }
    match field {
        "building" => resident.building.clone(),
        "entrance" => resident.entrance.clone(),
        "room" => resident.room.clone(),
        "name" => resident.name.clone(),
        "phone" => resident.phone.clone(),
        "born" => resident.born.map(|born| born.to_string()).unwrap_or_default(),
        "hearing" => match resident.hearing {
            Hearing::Good => "正常",
            Hearing::Hard => "重听",
            Hearing::Deaf => "聋",
        }
        .to_owned(),
        "can_open" => word(resident.can_open),
        "dialect" => resident.dialect.clone(),
        "oxygen" => word(resident.oxygen),
        "notes" => resident.notes.clone(),
        "key_holder" => resident.key_holder.name.clone(),
        "key_phone" => resident.key_holder.phone.clone(),
        "consent" => resident.consent.clone(),
        "keep_until" => resident.keep_until.clone(),
        _ => String::new(),
    }
}

struct Reader {
    /// The field of each column, and what row 1 calls it; none for a column that is not ours.
    columns: Vec<(Option<&'static str>, String)>,
    mistakes: Vec<Mistake>,
    /// The row of each home and name.
    homes: BTreeMap<(String, String, String, String), u64>,
}

fn mistake(row: u64, column: &str, zh: &str, en: &str) -> Mistake {
    Mistake { row, column: column.to_owned(), zh: zh.to_owned(), en: en.to_owned() }
}

impl Reader {
    fn wrong(&mut self, row: u64, column: &str, zh: &str, en: &str) {
        self.mistakes.push(mistake(row, column, zh, en));
    }

    /// A column may be called 房间, room, or both.
    fn take_names(&mut self, row: u64, record: &csv::StringRecord) {
        for name in record {
            let name = name.trim();
            let known = COLUMNS.iter().find(|(field, zh)| {
                name == *field || name == *zh || name.split_once(' ') == Some((*zh, *field))
            });
            let field = known.map(|(field, _)| *field);
            if field.is_none() && !name.is_empty() {
                self.wrong(row, name, "没有这一列", "there is no such column");
            }
            if field.is_some() && self.columns.iter().any(|(other, _)| *other == field) {
                self.wrong(row, name, "这一列出现两次", "this column is there twice");
            }
            self.columns.push((field, name.to_owned()));
        }
        for needed in NEEDED {
            if !self.columns.iter().any(|(field, _)| *field == Some(*needed)) {
                let zh = COLUMNS.iter().find(|(field, _)| field == needed).map_or("", |(_, zh)| *zh);
                self.wrong(row, &format!("{zh} {needed}"), "缺这一列", "this column is missing");
            }
        }
    }

    fn card(&mut self, row: u64, record: &csv::StringRecord) -> Option<Resident> {
        let mut cells: BTreeMap<&str, String> = BTreeMap::new();
        for (number, cell) in record.iter().enumerate() {
            let cell = cell.trim().trim_start_matches('\'').to_owned();
            match self.columns.get(number) {
                Some((Some(field), _)) => {
                    cells.insert(field, cell);
                }
                _ if cell.is_empty() => {}
                _ => self.wrong(
                    row,
                    &(number + 1).to_string(),
                    "这一格没有列名",
                    "this cell has no column name",
                ),
            }
        }
        let before = self.mistakes.len();
        let resident = self.filled(row, &mut cells);
        for (field, zh, en) in resident.mistakes() {
            let name = self.name_of(field);
            self.wrong(row, &name, zh, en);
        }
        let Resident { building, entrance, room, name, .. } = resident.clone();
        if let Some(first) = self.homes.insert((building, entrance, room, name), row) {
            let zh = format!("与第 {first} 行是同一人");
            self.wrong(row, "", &zh, &format!("the same person as row {first}"));
        }
        (self.mistakes.len() == before).then_some(resident)
    }

    fn name_of(&self, field: &str) -> String {
        let found = self.columns.iter().find(|(known, _)| *known == Some(field));
        found.map_or_else(|| field.to_owned(), |(_, name)| name.clone())
    }

    fn filled(&mut self, row: u64, cells: &mut BTreeMap<&str, String>) -> Resident {
        let hearing = match cells.remove("hearing").unwrap_or_default().as_str() {
            "" | "正常" | "good" => Hearing::Good,
            "重听" | "hard" => Hearing::Hard,
            "聋" | "deaf" => Hearing::Deaf,
            _ => {
                let name = self.name_of("hearing");
                self.wrong(row, &name, "填 正常、重听 或 聋", "good, hard or deaf");
                Hearing::Good
            }
        };
        let can_open = self.word(row, cells, "can_open", true);
        let oxygen = self.word(row, cells, "oxygen", false);
        let born = cells.remove("born").filter(|born| !born.is_empty());
        let born = born.map(|born| born.parse().unwrap_or(0));
        let mut take = |field: &str| cells.remove(field).unwrap_or_default();
        let contacts = CONTACT_FIELDS.map(|(name, phone)| Contact { name: take(name), phone: take(phone) });
        Resident {
            building: take("building"),
            entrance: take("entrance"),
            room: take("room"),
            name: take("name"),
            phone: take("phone"),
            born,
            hearing,
            can_open,
            dialect: take("dialect"),
            oxygen,
            notes: take("notes"),
            key_holder: Contact { name: take("key_holder"), phone: take("key_phone") },
            contacts: contacts.into_iter().filter(|contact| !contact.is_empty()).collect(),
            consent: take("consent"),
            keep_until: take("keep_until"),
        }
    }

    fn word(&mut self, row: u64, cells: &mut BTreeMap<&str, String>, field: &str, unsaid: bool) -> bool {
        match cells.remove(field).unwrap_or_default().as_str() {
            "" => unsaid,
            "是" | "能" | "yes" => true,
            "否" | "不能" | "no" => false,
            _ => {
                let name = self.name_of(field);
                self.wrong(row, &name, "填 是 或 否", "yes or no");
                unsaid
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "楼栋,单元,房间,姓名,电话,出生年,听力,能开门,吸氧,持钥匙人,持钥匙人电话,联系人1,联系人1电话,同意日期,保存至\r\n\
        3,2,402,王秀英,13812348000,1941,聋,否,是,李师傅,13900000000,女儿,13700000000,2026-01-05,2027-01-05\r\n";

    #[test]
    fn a_good_file_is_read_and_written_again() {
        let cards = read(GOOD.as_bytes()).unwrap();
        let card = &cards[0];
        assert_eq!(
            (card.hearing, card.can_open, card.oxygen, card.born),
            (Hearing::Deaf, false, true, Some(1941))
        );
        assert_eq!(card.contacts, [Contact { name: "女儿".into(), phone: "13700000000".into() }]);
        let again = write(cards.iter());
        assert!(again.starts_with("\u{feff}楼栋 building,单元 entrance,"), "{again}");
        assert_eq!(read(again.as_bytes()).unwrap(), cards);
    }

    #[test]
    fn every_mistake_has_its_row_and_column() {
        let file = "楼栋,房间,姓名,电话,听力,同意日期,保存至\n\
            3,402,王秀英,138x,耳背,2026-13-05,2027-01-05\n\
            \n\
            3,,李,,正常,2026-01-05,2025-01-05\n\
            3,403,张,12345678,,2026-01-05,2027-01-05,多\n\
            3,404,赵,12345678,,2026-01-05,2027-01-05\n\
            3,404,赵,87654321,,2026-01-05,2027-01-05\n";
        let told: Vec<(u64, String)> =
            read(file.as_bytes()).unwrap_err().into_iter().map(|wrong| (wrong.row, wrong.column)).collect();
        let expected =
            [(2, "听力"), (2, "电话"), (2, "同意日期"), (4, "房间"), (4, "保存至"), (5, "8"), (7, "")];
        assert_eq!(told, expected.map(|(row, column)| (row, column.to_owned())));
    }

    #[test]
    fn a_file_of_another_kind_says_what_to_do() {
        let first = |bytes: &[u8]| read(bytes).unwrap_err().remove(0);
        assert_eq!(first(b"").zh, "文件是空的");
        // 房间 as Excel on a Chinese Windows saves it.
        assert!(first(b"\xb7\xbf\xbc\xe4,1\n").zh.contains("UTF-8"));
        let missing: Vec<String> =
            read("姓名,别的\n".as_bytes()).unwrap_err().into_iter().map(|m| m.column).collect();
        assert_eq!(missing, ["别的", "房间 room", "同意日期 consent", "保存至 keep_until"]);
    }

    proptest! {
        #[test]
        fn whatever_a_card_says_is_read_as_it_was_written(
            name in "[^\\p{C}\\p{Z}'][^\\p{C}]{0,10}", notes in "[^\\p{C}]{0,40}", phone in "\\+?[0-9]{3,13}", oxygen: bool,
        ) {
            let mut card = read(GOOD.as_bytes()).unwrap().remove(0);
            card.name = name.trim().to_owned();
            card.notes = notes.trim_start_matches(|first: char| first == '\'' || first.is_whitespace()).trim_end().to_owned();
            card.phone = phone;
            card.oxygen = oxygen;
            prop_assert_eq!(read(write([&card].into_iter()).as_bytes()).unwrap(), [card]);
        }

        #[test]
        fn no_bytes_upset_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
            let mut file = GOOD.as_bytes().to_vec();
            file.extend(bytes);
            let _ = read(&file);
        }
    }
}
