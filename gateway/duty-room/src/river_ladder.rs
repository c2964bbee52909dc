//! The ladder of impacts as a spreadsheet: a stage and what happens at it, a row each. All of it or, with any mistake,
//! nothing; every mistake with its row and column.
use csv::StringRecord;
use serde::Serialize;
use shouwang_board::{Impact, bounds};

/// Characters of what happens.
const LONGEST: usize = 60;
const COLUMNS: [(&str, &str); 2] = [("水位", "stage_m"), ("影响", "impact")];

/// One thing wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Mistake {
    /// From 1, the heading included.
    pub(crate) line: u64,
    /// From 1.
    pub(crate) column: usize,
    pub(crate) zh: String,
    pub(crate) en: String,
}

fn mistake(line: u64, column: usize, zh: &str, en: &str) -> Mistake {
    Mistake { line, column, zh: zh.into(), en: en.into() }
}

/// UTF-8, with or without a heading, commas.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Impact>, Vec<Mistake>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(vec![mistake(1, 1, "文件不是 UTF-8 编码", "The file is not UTF-8")]);
    };
    let mut rows = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let (mut impacts, mut wrong) = (Vec::new(), Vec::new());
    for row in rows.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                let line = error.position().map_or(1, csv::Position::line);
                wrong.push(mistake(line, 1, "这一行读不出来", "This row cannot be read"));
                break;
            }
        };
        let line = row.position().map_or(1, csv::Position::line);
        if is_heading(&row) && impacts.is_empty() {
            continue;
        }
        match impact(&row, line) {
            Ok(impact) => impacts.push(impact),
            Err(mistakes) => wrong.extend(mistakes),
        }
        if impacts.len() > bounds::IMPACTS {
            wrong.push(mistake(line, 1, "最多 50 行", "At most 50 rows"));
            break;
        }
    }
    if wrong.is_empty() { Ok(impacts) } else { Err(wrong) }
}

fn is_heading(row: &StringRecord) -> bool {
    let first = row.get(0).unwrap_or_default().trim();
    first == COLUMNS[0].0 || first.eq_ignore_ascii_case(COLUMNS[0].1)
}

fn impact(row: &StringRecord, line: u64) -> Result<Impact, Vec<Mistake>> {
    let mut wrong = Vec::new();
    let stage = row.get(0).unwrap_or_default().trim().trim_end_matches(['米', 'm']).trim();
    let stage_m = stage.parse::<f64>().ok().filter(|stage| stage.abs() < bounds::STAGE_M);
    if stage_m.is_none() {
        wrong.push(mistake(line, 1, "填水位,米,例如 3.85", "a stage in metres, such as 3.85"));
    }
    let text = row.get(1).unwrap_or_default().trim();
    if text.is_empty() || text.chars().count() > LONGEST {
        wrong.push(mistake(line, 2, "填会发生什么,1 到 60 字", "what happens, 1 to 60 characters"));
    }
    if row.iter().skip(2).any(|more| !more.trim().is_empty()) {
        wrong.push(mistake(line, 3, "只有两列:水位、影响", "there are two columns: stage_m, impact"));
    }
    match (stage_m, wrong.is_empty()) {
        (Some(stage_m), true) => Ok(Impact { stage_m, text: text.to_owned() }),
        _ => Err(wrong),
    }
}

/// With a heading in both languages' first, and the mark by which spreadsheet programs know UTF-8.
pub(crate) fn write(impacts: &[Impact]) -> String {
    let mut text = String::from("\u{feff}水位,影响\r\n");
    for impact in impacts {
        // A text that a spreadsheet program would take for a formula is none.
        let guard = if impact.text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
        let quoted = impact.text.replace('"', "\"\"");
        text.push_str(&format!("{:.2},\"{guard}{quoted}\"\r\n", impact.stage_m));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ladder_comes_back_as_it_went() {
        let text = "\u{feff}水位,影响\r\n3.85,青石桥人行道被淹(2016)\r\n 4.20 米 ,\"低洼处, 三户进水\"\r\n";
        let impacts = read(text.as_bytes()).unwrap();
        assert_eq!(impacts.len(), 2);
        assert_eq!((impacts[1].stage_m, impacts[1].text.as_str()), (4.2, "低洼处, 三户进水"));
        assert_eq!(read(write(&impacts).as_bytes()).unwrap(), impacts);
        assert_eq!(read(b"").unwrap(), []);
    }

    #[test]
    fn every_mistake_is_told_by_line_and_column() {
        let wrong = read("stage_m,impact\nthree,桥\n3.2,\n3.3,a,b\nNaN,x\n".as_bytes()).unwrap_err();
        let places: Vec<_> = wrong.iter().map(|one| (one.line, one.column)).collect();
        assert_eq!(places, [(2, 1), (3, 2), (4, 3), (5, 1)]);
        assert_eq!(read(b"\xff\xfe3").unwrap_err()[0].en, "The file is not UTF-8");
        let many = "1.0,x\n".repeat(51);
        assert_eq!(read(many.as_bytes()).unwrap_err()[0].line, 51);
    }

    proptest::proptest! {
        #[test]
        fn any_file_is_read_or_refused(text in "([0-9.,\"\n米水位影响x=-]|\r\n)*") {
            if let Ok(impacts) = read(text.as_bytes()) {
                proptest::prop_assert!(impacts.len() <= bounds::IMPACTS);
            }
        }
    }
}
