//! What people upload: photos, and spreadsheets of residents and of what each level of a river reaches.
use shouwang_duty_room::uploads;

/// Bytes of a photo that is kept.
const KEPT: usize = 200 * 1024;

pub(crate) fn photo(data: &[u8]) {
    if let Some(jpeg) = uploads::photo(data) {
        assert!(jpeg.len() <= KEPT && jpeg.starts_with(&[0xFF, 0xD8]), "a JPEG of {} bytes", jpeg.len());
        // What we made we can read.
        assert!(uploads::photo(&jpeg).is_some(), "it is no picture");
    }
}

pub(crate) fn residents(data: &[u8]) {
    if let Err(mistakes) = uploads::residents(data) {
        assert!(mistakes > 0, "refused without a reason");
    }
}

pub(crate) fn ladder(data: &[u8]) {
    if let Err(mistakes) = uploads::ladder(data) {
        assert!(mistakes > 0, "refused without a reason");
    }
}
