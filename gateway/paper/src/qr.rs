//! QR codes as one path of an SVG: desk PCs cannot dial and paper cannot link, a telephone's camera can do both.
use qrcode::{Color, EcLevel, QrCode};
use serde::Serialize;

/// White around the code, modules: what the standard asks for.
const QUIET: usize = 4;

/// A square of `size` modules, quiet zone included, and the path that fills its dark ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Qr {
    pub size: usize,
    pub path: String,
    /// The same as runs of dark modules: column, row, length.
    #[serde(skip)]
    pub runs: Vec<(usize, usize, usize)>,
}

/// None if the text is too long for a code that a telephone reads easily.
pub fn qr(text: &str) -> Option<Qr> {
    let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::M).ok()?;
    let width = code.width();
    let colors = code.to_colors();
    let (mut path, mut runs) = (String::new(), Vec::new());
    for (row, modules) in colors.chunks(width).enumerate() {
        let mut column = 0;
        for run in modules.chunk_by(|one, other| one == other) {
            if run.first() == Some(&Color::Dark) {
                let (x, y, length) = (column + QUIET, row + QUIET, run.len());
                path.push_str(&format!("M{x} {y}h{length}v1h-{length}z"));
                runs.push((x, y, length));
            }
            column += run.len();
        }
    }
    (width <= 57).then_some(Qr { size: width + 2 * QUIET, path, runs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_small_code_with_its_three_corners() {
        let code = qr("tel:13812348000").unwrap();
        assert_eq!(code.size, 21 + 8, "version 1");
        for corner in ["M4 4h7v1h-7z", "M18 4h7v1h-7z", "M4 24h7v1h-7z"] {
            assert!(code.path.contains(corner), "{corner} in {}", code.path);
        }
        assert_eq!(qr(&"x".repeat(1_000)), None);
    }
}
