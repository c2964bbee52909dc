//! The commissioning report (投运报告): one page that a person prints, signs and files, and that says by its hash which
//! configuration it is about. What only a person on site knows has a box for a pen.
use askama::Template;

use crate::Qr;

/// Everything on the paper, in words.
#[derive(Clone, Debug, Template)]
#[template(path = "report.html")]
pub struct Report {
    pub site: String,
    pub gateway: String,
    pub name: String,
    pub version: String,
    /// Local time.
    pub printed: String,
    /// `sha256:` and the digest of the files in force.
    pub configuration: String,
    pub code: Option<Qr>,
    /// What became of the newest walk test.
    pub walk: String,
    pub proven: usize,
    pub has_photos: bool,
    pub lines: Vec<ReportLine>,
    pub devices: Vec<ReportDevice>,
    /// Who signed on a telephone, as what, and when.
    pub signatures: Vec<String>,
    /// What is still to be done.
    pub open: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub struct ReportLine {
    pub name: String,
    /// Where and how it speaks.
    pub setting: String,
    pub devices: usize,
    pub round: String,
    /// How late an alarm is read at worst, as `shouwang check` computes it.
    pub worst: String,
    /// It has a cable, with ends and a screen.
    pub is_wired: bool,
}

#[derive(Clone, Debug, Default)]
pub struct ReportDevice {
    pub id: String,
    pub place: String,
    pub title: String,
    pub profile: String,
    pub line: String,
    pub unit_id: u8,
    pub serial_no: String,
    pub code: String,
    pub limits: Vec<String>,
    pub frozen: Vec<String>,
    /// Local time; empty if nobody has walked it.
    pub proven: String,
    pub latency: String,
    /// `data:image/jpeg;base64,...`; empty if there is none.
    pub photo: String,
}

impl Report {
    /// A whole page without any other file. The error case is a template that does not render, which tests exclude.
    pub fn html(&self) -> Option<String> {
        self.render().ok()
    }
}
