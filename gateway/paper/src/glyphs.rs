//! Chinese text in pictures, by the glyphs of the system's own font: none is shipped, and where none is installed the
//! pictures say nothing and whoever asked is told so.
use ab_glyph::{Font as _, FontVec, PxScale, ScaleFont as _, point};
use image::{Rgb, RgbImage};

/// Where Debian's packages put them, the best first: fonts-noto-cjk, fonts-wqy-microhei, fonts-wqy-zenhei,
/// fonts-droid-fallback.
const PLACES: [&str; 4] = [
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
];

/// What to do where there is none.
pub const MISSING: (&str, &str) = (
    "本机没有中文字体,文字没有印上;请安装 Debian 软件包 fonts-noto-cjk",
    "No Chinese font on this machine, so no words are on the picture: install the Debian package fonts-noto-cjk",
);

/// A font that writes Chinese.
#[derive(Debug)]
pub struct Pen {
    font: FontVec,
}

impl Pen {
    /// None if no font is installed that can.
    pub fn find() -> Option<Self> {
        PLACES.iter().find_map(|place| Self::at(place))
    }

    pub fn at(place: &str) -> Option<Self> {
        let font = FontVec::try_from_vec_and_index(std::fs::read(place).ok()?, 0).ok()?;
        // A font without this character would write empty boxes.
        (font.glyph_id('水').0 != 0).then_some(Self { font })
    }

    /// How wide this text is, pixels, at this height.
    pub fn width(&self, text: &str, height: f32) -> f32 {
        let font = self.font.as_scaled(PxScale::from(height));
        text.chars().map(|character| font.h_advance(font.glyph_id(character))).sum()
    }

    /// Writes one line whose upper left corner is here; what does not fit is cut.
    pub fn write(&self, picture: &mut RgbImage, (x, y): (f32, f32), height: f32, ink: [u8; 3], text: &str) {
        let scale = PxScale::from(height);
        let font = self.font.as_scaled(scale);
        let mut at = x;
        for character in text.chars() {
            let id = font.glyph_id(character);
            let glyph = id.with_scale_and_position(scale, point(at, y + font.ascent()));
            at += font.h_advance(id);
            let Some(outline) = self.font.outline_glyph(glyph) else { continue };
            let bounds = outline.px_bounds();
            outline.draw(|column, row, coverage| {
                #[expect(clippy::cast_possible_truncation, reason = "a picture's own coordinates")]
                let (left, top) =
                    (bounds.min.x as i64 + i64::from(column), bounds.min.y as i64 + i64::from(row));
                let place = u32::try_from(left).ok().zip(u32::try_from(top).ok());
                if let Some(pixel) = place.and_then(|(left, top)| picture.get_pixel_mut_checked(left, top)) {
                    blend(pixel, ink, coverage);
                }
            });
        }
    }
}

fn blend(pixel: &mut Rgb<u8>, ink: [u8; 3], coverage: f32) {
    let coverage = coverage.clamp(0.0, 1.0);
    for (known, ink) in pixel.0.iter_mut().zip(ink) {
        let mixed = f32::from(*known) * (1.0 - coverage) + f32::from(ink) * coverage;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two bytes")]
        let mixed = mixed as u8;
        *known = mixed;
    }
}
