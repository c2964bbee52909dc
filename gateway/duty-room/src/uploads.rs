//! What people upload, as the pages read it, for whoever tries the readers out without a page: `tests/fuzz`.
use crate::residents::spreadsheet;
use crate::{photo, river_ladder};

/// The JPEG that would be kept; none if this is no picture to keep.
pub fn photo(bytes: &[u8]) -> Option<Vec<u8>> {
    photo::made(bytes, &["青石桥 水尺 3.21 米".to_owned()], None).ok().map(|(jpeg, _)| jpeg)
}

/// How many residents' cards the spreadsheet has.
///
/// # Errors
/// How many mistakes are in it: then none of it is taken.
pub fn residents(bytes: &[u8]) -> Result<usize, usize> {
    spreadsheet::read(bytes).map(|cards| cards.len()).map_err(|mistakes| mistakes.len())
}

/// How many steps the ladder of impacts has.
///
/// # Errors
/// How many mistakes are in it: then none of it is taken.
pub fn ladder(bytes: &[u8]) -> Result<usize, usize> {
    river_ladder::read(bytes).map(|impacts| impacts.len()).map_err(|mistakes| mistakes.len())
}
