//! A device's label, 30 x 20 mm: a QR code, its code for people, the unit id, and where it hangs. One layout is drawn
//! twice: as SVG for printers that know it, as PNG at 12 dots a millimetre (305 dpi) for those that do not.
use std::fmt::Write as _;
use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};
use shouwang_message::DeviceCode;

use crate::glyphs::Pen;
use crate::{Qr, qr};

/// Labels on a sheet of A4, six across and twelve down.
pub const ON_A_SHEET: usize = ACROSS * DOWN;
const ACROSS: usize = 6;
const DOWN: usize = 12;

/// Millimetres.
const WIDTH: f32 = 30.0;
const HEIGHT: f32 = 20.0;
const A4: (f32, f32) = (210.0, 297.0);
const GUTTER: f32 = 2.0;
const CODE_SIDE: f32 = 15.5;
/// Left edge and width of the words beside the code.
const WORDS: (f32, f32) = (16.4, 13.2);
/// More modules a side, quiet zone included, and a telephone would no longer read it at this size: version 4.
const MOST_MODULES: usize = 41;
const DOTS: f32 = 12.0;
/// What the system may have, the best first.
const FONTS: &str = "Noto Sans CJK SC, Noto Sans SC, WenQuanYi Micro Hei, Microsoft YaHei, sans-serif";
const INK: [u8; 3] = [0, 0, 0];
/// Where to cut.
const CUT: [u8; 3] = [0xbb, 0xbb, 0xbb];

/// What stands on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub code: DeviceCode,
    /// What is in front of the code in the QR code: `https://q.example/d/`; empty: the code alone.
    pub address: String,
    pub unit_id: u8,
    /// What kind of thing it is.
    pub title: String,
    /// Where it hangs, as people say it.
    pub place: String,
}

/// Something drawn, at millimetres from the label's upper left corner.
enum Mark {
    Code(Qr),
    Words { x: f32, y: f32, height: f32, text: String },
}

impl Label {
    /// None if the address is too long for a code of this size: about 50 characters are not.
    pub fn svg(&self) -> Option<String> {
        let mut body = String::new();
        self.draw_svg(&mut body, 0.0, 0.0)?;
        Some(page_svg((WIDTH, HEIGHT), &body))
    }

    /// As [`Label::svg`], in dots.
    pub fn png(&self, pen: &Pen) -> Option<Vec<u8>> {
        let mut picture = paper((WIDTH, HEIGHT));
        self.draw_png(&mut picture, pen, 0.0, 0.0)?;
        written(&picture)
    }

    fn marks(&self) -> Option<Vec<Mark>> {
        let code = qr(&format!("{}{}", self.address, self.code)).filter(|code| code.size <= MOST_MODULES)?;
        let mut marks = vec![Mark::Code(code)];
        let mut words = |x, y, height, text: String| marks.push(Mark::Words { x, y, height, text });
        words(1.4, 16.1, 3.1, self.code.to_string());
        words(WORDS.0, 1.0, 2.7, format!("地址 {}", self.unit_id));
        // A remark in brackets is for a catalogue.
        let title = self.title.split(['(', '\u{ff08}']).next().unwrap_or_default();
        let title = lines(title, WORDS.1 / 2.0);
        words(WORDS.0, 4.2, 2.0, title.first().cloned().unwrap_or_default());
        // What does not fit in large letters gets small ones, and is cut in the end.
        let (height, room) =
            if lines(&self.place, WORDS.1 / 2.3).len() <= 4 { (2.3, 4_u8) } else { (1.75, 6) };
        for (line, number) in lines(&self.place, WORDS.1 / height).into_iter().zip(0..room) {
            words(WORDS.0, 6.9 + f32::from(number) * height * 1.15, height, line);
        }
        Some(marks)
    }

    fn draw_svg(&self, body: &mut String, left: f32, top: f32) -> Option<()> {
        // Writing to a String cannot fail.
        let _ = write!(body, "<g transform=\"translate({left} {top})\">");
        for mark in self.marks()? {
            let _ = match mark {
                Mark::Code(code) => {
                    let scale = CODE_SIDE / code.size as f32;
                    write!(
                        body,
                        "<path transform=\"translate(0.5 0.5) scale({scale:.5})\" d=\"{}\"/>",
                        code.path
                    )
                }
                Mark::Words { x, y, height, text } => write!(
                    body,
                    "<text x=\"{x}\" y=\"{:.2}\" font-size=\"{height}\">{}</text>",
                    y + height * 0.88,
                    escaped(&text)
                ),
            };
        }
        body.push_str("</g>");
        Some(())
    }

    fn draw_png(&self, picture: &mut RgbImage, pen: &Pen, left: f32, top: f32) -> Option<()> {
        for mark in self.marks()? {
            match mark {
                Mark::Code(code) => {
                    // Whole dots a module, or the scanner sees a moiré.
                    let module = (CODE_SIDE * DOTS / code.size as f32).floor();
                    for (column, row, length) in code.runs {
                        let corner = (dots(left + 0.5), dots(top + 0.5));
                        let from = (corner.0 + column as f32 * module, corner.1 + row as f32 * module);
                        fill(picture, from, (from.0 + length as f32 * module, from.1 + module), INK);
                    }
                }
                Mark::Words { x, y, height, text } => {
                    pen.write(picture, (dots(left + x), dots(top + y)), dots(height), INK, &text);
                }
            }
        }
        Some(())
    }
}

/// A sheet of A4 with up to [`ON_A_SHEET`] labels and where to cut; print it at 100 %. None as for [`Label::svg`].
pub fn sheet_svg(labels: &[Label]) -> Option<String> {
    let mut body = String::new();
    for (label, (left, top)) in labels.iter().zip(places()) {
        let _ = write!(
            body,
            "<rect x=\"{left}\" y=\"{top}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"none\" stroke=\"#bbb\" \
             stroke-width=\"0.1\"/>"
        );
        label.draw_svg(&mut body, left, top)?;
    }
    Some(page_svg(A4, &body))
}

/// As [`sheet_svg`], in dots.
pub fn sheet_png(labels: &[Label], pen: &Pen) -> Option<Vec<u8>> {
    let mut picture = paper(A4);
    for (label, (left, top)) in labels.iter().zip(places()) {
        let (from, to) = ((dots(left), dots(top)), (dots(left + WIDTH), dots(top + HEIGHT)));
        fill(&mut picture, from, (to.0 + 1.0, to.1 + 1.0), CUT);
        fill(&mut picture, (from.0 + 1.0, from.1 + 1.0), to, [255; 3]);
        label.draw_png(&mut picture, pen, left, top)?;
    }
    written(&picture)
}

/// The labels' upper left corners, in reading order.
fn places() -> impl Iterator<Item = (f32, f32)> {
    let margin = |whole: f32, count: usize, side: f32| {
        (whole - count as f32 * side - (count - 1) as f32 * GUTTER) / 2.0
    };
    let (left, top) = (margin(A4.0, ACROSS, WIDTH), margin(A4.1, DOWN, HEIGHT));
    (0..ON_A_SHEET).map(move |number| {
        let (column, row) = (number % ACROSS, number / ACROSS);
        (left + column as f32 * (WIDTH + GUTTER), top + row as f32 * (HEIGHT + GUTTER))
    })
}

/// Breaks a text into lines of this many ems: Chinese characters take one, others about two thirds.
fn lines(text: &str, ems: f32) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut taken) = (String::new(), 0.0);
    for character in text.trim().chars() {
        let wide = match character {
            '1' | 'i' | 'l' | 'j' | '.' | ',' | '-' | ' ' => 0.4,
            'M' | 'W' | 'm' | 'w' => 0.95,
            character if character.is_ascii() => 0.65,
            _ => 1.0,
        };
        if taken + wide > ems && !line.is_empty() {
            // A room's number is not torn apart, unless it is longer than a line.
            let joined = character.is_ascii_alphanumeric();
            let kept = if joined {
                line.trim_end_matches(|c: char| c.is_ascii_alphanumeric()).len()
            } else {
                line.len()
            };
            let moved = if kept > 0 { line.split_off(kept) } else { String::new() };
            lines.push(std::mem::replace(&mut line, moved));
            taken = line.chars().count() as f32 * 0.65;
        }
        line.push(character);
        taken += wide;
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

fn page_svg((width, height): (f32, f32), body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}mm\" height=\"{height}mm\" viewBox=\"0 0 {width} \
         {height}\" font-family=\"{FONTS}\"><rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>{body}</svg>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn paper((width, height): (f32, f32)) -> RgbImage {
    RgbImage::from_pixel(whole(dots(width)), whole(dots(height)), Rgb([255; 3]))
}

fn written(picture: &RgbImage) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).ok()?;
    Some(bytes)
}

fn dots(millimetres: f32) -> f32 {
    (millimetres * DOTS).round()
}

/// Fills a rectangle; what is beyond the picture's edges is left out.
pub fn fill(picture: &mut RgbImage, from: (f32, f32), to: (f32, f32), ink: [u8; 3]) {
    for row in whole(from.1)..whole(to.1) {
        for column in whole(from.0)..whole(to.0) {
            if let Some(pixel) = picture.get_pixel_mut_checked(column, row) {
                *pixel = Rgb(ink);
            }
        }
    }
}

/// Of a picture, counted from 0; what is below is 0.
pub fn whole(pixels: f32) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates at the picture's edges"
    )]
    let whole = pixels.round().max(0.0) as u32;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(place: &str) -> Label {
        Label {
            code: "7K3F9Q5".parse().unwrap(),
            address: "https://q.example/d/".into(),
            unit_id: 12,
            title: "烟感".into(),
            place: place.into(),
        }
    }

    #[test]
    fn a_label_says_its_code_unit_id_and_place_and_escapes_them() {
        let svg = label("3号楼<2>单元&402").svg().unwrap();
        for word in ["width=\"30mm\" height=\"20mm\"", "7K3F9Q5", "地址 12", "烟感", "3号楼&lt;", "&amp;"]
        {
            assert!(svg.contains(word), "{word} in {svg}");
        }
    }

    #[test]
    fn a_rooms_number_is_not_torn_apart() {
        assert_eq!(lines("3号楼2单元402", 5.7), ["3号楼2单元", "402"]);
        assert_eq!(lines("12345678", 2.0).concat(), "12345678");
        assert_eq!(lines("青石桥水位计", 4.0), ["青石桥水", "位计"]);
    }

    #[test]
    fn a_title_is_not_cut_within_its_brackets() {
        let svg = Label { title: "燃气探测器(甲烷)".into(), ..label("402") }.svg().unwrap();
        assert!(svg.contains(">燃气探测器</text>"), "{svg}");
    }

    #[test]
    fn long_words_stay_on_the_label() {
        for place in
            ["", "桥", &"很长的地名".repeat(12), &"W".repeat(64), "Building 3, entrance 2, room 402, behind"]
        {
            for mark in label(place).marks().unwrap() {
                let Mark::Words { x, y, height, text } = mark else { continue };
                let ems: f32 = lines(&text, f32::INFINITY)
                    .concat()
                    .chars()
                    .map(|character| if character.is_ascii() { 0.4 } else { 1.0 })
                    .sum();
                assert!(x + ems * height <= WIDTH && y + height <= HEIGHT, "{text:?} at {x}, {y} x {height}");
            }
        }
    }

    /// What a reader of QR codes makes of a picture, each code once.
    fn scanned(png: &[u8]) -> Vec<String> {
        let picture = image::load_from_memory(png).unwrap().to_luma8();
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        read_grey(width, height, |x, y| picture.get_pixel(x as u32, y as u32).0[0])
    }

    fn read_grey(width: usize, height: usize, grey: impl Fn(usize, usize) -> u8) -> Vec<String> {
        let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, grey);
        prepared.detect_grids().iter().map(|code| code.decode().unwrap().1).collect()
    }

    /// Fills the path of a label's SVG as a browser does, eight dots a module.
    fn filled(svg: &str) -> Vec<String> {
        const MODULE: usize = 8;
        let path = svg.split("d=\"").nth(1).unwrap().split('"').next().unwrap();
        let runs: Vec<[usize; 3]> = path
            .split_terminator('z')
            .map(|run| {
                let numbers = run.split(['M', ' ', 'h', 'v']).filter(|number| !number.is_empty());
                let numbers: Vec<usize> = numbers.map_while(|number| number.parse().ok()).collect();
                [numbers[0], numbers[1], numbers[2]]
            })
            .collect();
        let dark = |x: usize, y: usize| {
            runs.iter().any(|[from, row, length]| y == *row && (*from..from + length).contains(&x))
        };
        let side = MOST_MODULES * MODULE;
        read_grey(side, side, |x, y| if dark(x / MODULE, y / MODULE) { 0 } else { 255 })
    }

    #[test]
    fn a_reader_of_codes_reads_the_label_back() {
        let pen = Pen::find().expect("Debian's fonts-wqy-microhei: `tests/run` installs it");
        let long = format!("https://q.example/{}/", "x".repeat(28));
        for address in ["", "https://q.example/d/", &long] {
            let label = Label { address: address.into(), ..label("3号楼2单元402") };
            assert_eq!(scanned(&label.png(&pen).unwrap()), [format!("{address}7K3F9Q5")]);
            assert_eq!(filled(&label.svg().unwrap()), [format!("{address}7K3F9Q5")]);
        }
        let codes = ["7K3F9Q5", "9T2KD5K"].map(|code| Label { code: code.parse().unwrap(), ..label("402") });
        let mut read = scanned(&sheet_png(&codes, &pen).unwrap());
        read.sort_unstable();
        assert_eq!(read, ["https://q.example/d/7K3F9Q5", "https://q.example/d/9T2KD5K"]);
    }

    #[test]
    fn an_address_too_long_for_the_size_is_refused() {
        let mut long = label("402");
        long.address = format!("https://q.example/{}", "x".repeat(30));
        assert!(long.svg().is_some());
        long.address = format!("https://q.example/{}", "x".repeat(60));
        assert!(long.svg().is_none());
    }

    #[test]
    fn a_sheet_holds_seventy_two_within_its_edges() {
        let corners: Vec<_> = places().collect();
        assert_eq!(corners.len(), 72);
        for (left, top) in corners {
            assert!(left >= 5.0 && top >= 5.0, "printers leave 5 mm white");
            assert!(left + WIDTH <= A4.0 - 5.0 && top + HEIGHT <= A4.1 - 5.0);
        }
    }
}
