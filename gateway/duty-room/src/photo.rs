//! A photo of a staff gauge: read, turned upright, made smaller, with where and when burnt in, and kept as a JPEG of at most
//! 200 KB. What is no picture, or too large a one, is refused; nothing of the original's own notes is kept.
use std::fs::{DirBuilder, OpenOptions};
use std::io::{Cursor, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits, RgbImage};
use shouwang_message::Timestamp;
use shouwang_paper::glyphs::Pen;

/// Bytes that a telephone may send, and that are kept.
pub(crate) const LARGEST: usize = 8 * 1_024 * 1_024;
pub(crate) const KEPT: usize = 200 * 1_024;
/// Pixels along the longer side of what is kept, and of what may come.
const SIDE: u32 = 1_600;
const LONGEST_SIDE: u32 = 12_000;
/// Bytes that reading one may take: 50 million pixels.
const MEMORY: u64 = 160 * 1_024 * 1_024;
const QUALITIES: [u8; 4] = [82, 70, 58, 45];
/// Photos on disk at most, 1 GB.
const MOST: usize = 5_000;

/// Why a photo was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPhoto {
    /// Neither JPEG nor PNG, or broken.
    NotAPicture,
    TooManyPixels,
    Full,
    Disk,
}

/// What became of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) bytes: usize,
    /// Where and when is on it; not without a font.
    pub(crate) stamped: bool,
}

/// Where they are.
#[derive(Clone, Debug)]
pub(crate) struct Photos {
    directory: PathBuf,
}

impl Photos {
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self { directory: state_dir.join("photos") }
    }

    /// The id was checked before: letters, digits and dashes.
    fn path(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.jpg"))
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.path(id).exists()
    }

    pub(crate) fn read(&self, id: &str) -> Option<Vec<u8>> {
        std::fs::read(self.path(id)).ok()
    }

    /// On disk when this returns.
    pub(crate) fn keep(&self, id: &str, bytes: &[u8], lines: &[String]) -> Result<Taken, NoPhoto> {
        let (jpeg, stamped) = made(bytes, lines, Pen::find().as_ref())?;
        let disk = |error: std::io::Error| {
            tracing::error!(%error, "a photo could not be kept");
            NoPhoto::Disk
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory).map_err(disk)?;
        if std::fs::read_dir(&self.directory).map_err(disk)?.count() >= MOST {
            return Err(NoPhoto::Full);
        }
        let made = self.directory.join(format!("{id}.new"));
        let mut options = OpenOptions::new();
        let mut file =
            options.create(true).truncate(true).write(true).mode(0o600).open(&made).map_err(disk)?;
        file.write_all(&jpeg).and_then(|()| file.sync_all()).map_err(disk)?;
        std::fs::rename(&made, self.path(id)).map_err(disk)?;
        Ok(Taken { bytes: jpeg.len(), stamped })
    }

    /// Nobody wants it: gone from the disk.
    pub(crate) fn forget(&self, id: &str) {
        let _ = std::fs::remove_file(self.path(id));
    }

    /// Removes those that were written before this.
    pub(crate) fn forget_before(&self, at: Timestamp) {
        let before = UNIX_EPOCH + Duration::from_millis(at.unix_ms().unsigned_abs());
        for entry in std::fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let written = entry.metadata().and_then(|about| about.modified());
            if written.is_ok_and(|written| written < before) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// The JPEG to keep, and whether the lines are on it.
pub(crate) fn made(bytes: &[u8], lines: &[String], pen: Option<&Pen>) -> Result<(Vec<u8>, bool), NoPhoto> {
    let mut picture = small(upright(bytes)?);
    if let Some(pen) = pen {
        stamp(&mut picture, lines, pen);
    }
    Ok((written(picture)?, pen.is_some()))
}

fn upright(bytes: &[u8]) -> Result<DynamicImage, NoPhoto> {
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|_| NoPhoto::NotAPicture)?;
    if !matches!(reader.format(), Some(ImageFormat::Jpeg | ImageFormat::Png)) {
        return Err(NoPhoto::NotAPicture);
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits);
    let failed = |error: image::ImageError| match error {
        image::ImageError::Limits(_) => NoPhoto::TooManyPixels,
        _ => NoPhoto::NotAPicture,
    };
    let mut decoder = reader.into_decoder().map_err(failed)?;
    if decoder.total_bytes() > MEMORY {
        return Err(NoPhoto::TooManyPixels);
    }
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn small(picture: DynamicImage) -> RgbImage {
    let longer = picture.width().max(picture.height());
    let picture = if longer > SIDE { picture.resize(SIDE, SIDE, FilterType::Triangle) } else { picture };
    picture.into_rgb8()
}

/// White words on a dark band along the lower edge.
fn stamp(picture: &mut RgbImage, lines: &[String], pen: &Pen) {
    let width = picture.width() as f32;
    let widest = lines.iter().map(|line| pen.width(line, 100.0)).fold(1.0, f32::max);
    // As large as a thumb's width of the picture, and never wider than it.
    let height = (width / 28.0).clamp(14.0, 48.0).min(width * 0.96 / widest * 100.0);
    let band = height * 1.3 * lines.len() as f32 + height * 0.4;
    let top = (picture.height() as f32 - band).max(0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a row of the picture")]
    let first = top as u32;
    for row in first..picture.height() {
        for column in 0..picture.width() {
            if let Some(pixel) = picture.get_pixel_mut_checked(column, row) {
                pixel.0 = pixel.0.map(|part| part / 4);
            }
        }
    }
    for (line, number) in lines.iter().zip(0_u8..) {
        let y = top + height * (0.2 + 1.3 * f32::from(number));
        pen.write(picture, (width * 0.02, y), height, [255, 255, 255], line);
    }
}

/// At most 200 KB: coarser first, then smaller.
fn written(mut picture: RgbImage) -> Result<Vec<u8>, NoPhoto> {
    loop {
        for quality in QUALITIES {
            let mut jpeg = Vec::new();
            JpegEncoder::new_with_quality(&mut jpeg, quality)
                .encode_image(&picture)
                .map_err(|_| NoPhoto::NotAPicture)?;
            if jpeg.len() <= KEPT {
                return Ok(jpeg);
            }
        }
        let (width, height) = (picture.width() * 3 / 4, picture.height() * 3 / 4);
        if width < 64 || height < 64 {
            return Err(NoPhoto::NotAPicture);
        }
        picture = image::imageops::resize(&picture, width, height, FilterType::Triangle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<String> {
        ["青石桥 水尺 3.41 米", "2026-11-22 07:52:07 · 31.23040, 121.47370"].map(str::to_owned).to_vec()
    }

    /// A picture that does not shrink well: noise.
    fn noisy(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let mut seed = 7_u32;
        let picture = RgbImage::from_fn(width, height, |_, _| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            image::Rgb([(seed >> 24) as u8, (seed >> 16) as u8, (seed >> 8) as u8])
        });
        let mut bytes = Vec::new();
        picture.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        bytes
    }

    #[test]
    fn a_large_photo_becomes_a_small_jpeg_with_words_on_it() {
        let state = tempfile::tempdir().unwrap();
        let photos = Photos::new(state.path());
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let bytes = noisy(1_400, 1_050, format);
            let taken = photos.keep("phone-0001", &bytes, &lines()).unwrap();
            assert!(taken.stamped, "install the Debian package fonts-wqy-microhei or fonts-noto-cjk");
            let jpeg = photos.read("phone-0001").unwrap();
            assert_eq!(jpeg.len(), taken.bytes);
            assert!(jpeg.len() <= KEPT && jpeg.starts_with(&[0xff, 0xd8, 0xff]), "{} bytes", jpeg.len());
            let kept = image::load_from_memory(&jpeg).unwrap().into_rgb8();
            // White strokes on the dark band, at the lower left.
            let band = (kept.height() - kept.height() / 8)..kept.height();
            let pixels = band.flat_map(|y| (0..kept.width() / 2).map(move |x| (x, y)));
            let bright = pixels.filter(|(x, y)| kept.get_pixel(*x, *y).0.iter().all(|part| *part > 150));
            assert!(bright.count() > 200, "no words");
        }
    }

    #[test]
    fn without_a_font_it_is_kept_and_says_so() {
        let (jpeg, stamped) = made(&noisy(320, 240, ImageFormat::Png), &lines(), None).unwrap();
        assert!(!stamped && !jpeg.is_empty());
        assert!(Pen::at("/nowhere.ttc").is_none());
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let cut = &noisy(320, 240, ImageFormat::Png)[..900];
        let gif = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;".as_slice();
        for bytes in [b"".as_slice(), b"<svg/>", b"\xff\xd8\xff\xe0 no", gif, cut] {
            assert_eq!(made(bytes, &lines(), None).unwrap_err(), NoPhoto::NotAPicture);
        }
    }

    /// A few bytes that claim to be a billion pixels.
    #[test]
    fn a_picture_that_would_fill_the_memory_is_refused_before_it_is_read() {
        let mut bytes = noisy(64, 64, ImageFormat::Png);
        bytes[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
        let mut crc = 0xffff_ffff_u32;
        for byte in &bytes[12..29] {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            }
        }
        bytes[29..33].copy_from_slice(&(!crc).to_be_bytes());
        assert_eq!(made(&bytes, &lines(), None).unwrap_err(), NoPhoto::TooManyPixels);
    }
}
