//! The bridge between SQLite and a [`Machine`]: the one file of this workspace with `unsafe` in it.
//!
//! SQLite calls back through C function pointers with pointers of its own; here they become numbers, slices
//! and texts, and everything else happens in safe code. Nothing here decides anything.
#![expect(unsafe_code, reason = "SQLite takes a file system only as a table of C functions")]
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;

use rusqlite::ffi;

use crate::machine::{Machine, Refusal};

/// What SQLite allocates for an open file: its own part first, then ours.
#[repr(C)]
struct OpenFile {
    base: ffi::sqlite3_file,
    machine: *const Machine,
    number: u64,
}

/// Gives SQLite the machine as a file system of this name, for as long as the process lives.
pub(crate) fn register(name: &str) -> Machine {
    let machine = Machine::default();
    let c_name = CString::new(name).expect("a name without a zero byte");
    let vfs = Box::new(ffi::sqlite3_vfs {
        iVersion: 2,
        szOsFile: size_of::<OpenFile>() as c_int,
        mxPathname: 256,
        pNext: ptr::null_mut(),
        zName: c_name.into_raw(),
        pAppData: Box::into_raw(Box::new(machine.clone())).cast(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_path_name),
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: Some(current_time),
        xGetLastError: None,
        xCurrentTimeInt64: Some(current_time_ms),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    });
    // SAFETY: the table, its name and the machine behind it are never freed, and all functions in it are those
    // below, which keep to SQLite's contract.
    let code = unsafe { ffi::sqlite3_vfs_register(Box::into_raw(vfs), 0) };
    assert_eq!(code, ffi::SQLITE_OK, "SQLite refused the file system {name}");
    machine
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

fn code(answer: Result<(), Refusal>) -> c_int {
    answer.err().unwrap_or(ffi::SQLITE_OK)
}

/// The machine of a file system that [`register`] made.
///
/// # Safety
/// `vfs` must be the pointer that SQLite gave to one of the functions of [`register`]'s table.
unsafe fn machine_of<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a Machine {
    // SAFETY: `register` set `pAppData` to a machine that is never freed, and nobody changes it.
    unsafe { &*(*vfs).pAppData.cast::<Machine>() }
}

/// The machine and the number of an open file.
///
/// # Safety
/// `file` must be the pointer that SQLite gave to one of [`METHODS`]: then [`open`] has filled it in.
unsafe fn opened<'a>(file: *mut ffi::sqlite3_file) -> (&'a Machine, u64) {
    // SAFETY: SQLite calls the methods only with files for which `open` returned `SQLITE_OK`; it set both
    // fields, and the machine is never freed.
    unsafe {
        let file = file.cast::<OpenFile>();
        (&*(*file).machine, (*file).number)
    }
}

/// # Safety
/// `name` must be null or a C string that lives as long as the result is used.
unsafe fn text<'a>(name: *const c_char) -> Option<&'a str> {
    if name.is_null() {
        return None;
    }
    // SAFETY: not null, and a C string by the caller's word.
    unsafe { CStr::from_ptr(name) }.to_str().ok()
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls this with the table of `register`, a C string or null, room for `szOsFile` bytes at
    // `file`, and a place for the flags or null. Null methods tell it that there is nothing to close.
    unsafe {
        let machine = machine_of(vfs);
        (*file).pMethods = ptr::null();
        let Some(name) = text(name) else { return ffi::SQLITE_CANTOPEN };
        let number = match machine.state().open(name, flags) {
            Ok(number) => number,
            Err(refusal) => return refusal,
        };
        let base = ffi::sqlite3_file { pMethods: &raw const METHODS };
        file.cast::<OpenFile>().write(OpenFile { base, machine: ptr::from_ref(machine), number });
        if !flags_out.is_null() {
            *flags_out = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_directory: c_int) -> c_int {
    // SAFETY: SQLite calls this with the table of `register` and a C string.
    let (machine, name) = unsafe { (machine_of(vfs), text(name)) };
    let Some(name) = name else { return ffi::SQLITE_IOERR_DELETE };
    code(machine.state().delete(name, sync_directory != 0))
}

unsafe extern "C" fn access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls this with the table of `register`, a C string and a place for the answer.
    unsafe {
        let name = text(name).unwrap_or_default();
        *out = c_int::from(machine_of(vfs).state().exists(name));
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_path_name(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite calls this with a C string and `room` bytes at `out`; the length is checked before the
    // string is copied with its zero byte, and the two do not overlap.
    unsafe {
        let bytes = CStr::from_ptr(name).to_bytes_with_nul();
        if bytes.len() > room as usize {
            return ffi::SQLITE_CANTOPEN;
        }
        ptr::copy_nonoverlapping(bytes.as_ptr(), out.cast(), bytes.len());
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn randomness(vfs: *mut ffi::sqlite3_vfs, length: c_int, out: *mut c_char) -> c_int {
    // SAFETY: SQLite calls this with the table of `register` and `length` writable bytes at `out`.
    let (machine, buffer) =
        unsafe { (machine_of(vfs), std::slice::from_raw_parts_mut(out.cast::<u8>(), length as usize)) };
    machine.state().randomness(buffer);
    length
}

/// Who waits for a lock lets others run; the time it was to take is only claimed.
unsafe extern "C" fn sleep(_vfs: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    std::thread::yield_now();
    microseconds
}

unsafe extern "C" fn current_time(_vfs: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    // SAFETY: SQLite gives a place for the answer. Nothing in the store asks it for the time: any day does.
    unsafe { *out = 2_461_000.5 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn current_time_ms(_vfs: *mut ffi::sqlite3_vfs, out: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: as in `current_time`.
    unsafe { *out = 212_630_443_200_000 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite calls this with a file that `open` filled in.
    let (machine, number) = unsafe { opened(file) };
    machine.state().close(number);
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    out: *mut c_void,
    length: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite calls this with a file that `open` filled in and `length` writable bytes at `out`.
    let ((machine, number), buffer) =
        unsafe { (opened(file), std::slice::from_raw_parts_mut(out.cast::<u8>(), length as usize)) };
    code(machine.state().read(number, at as usize, buffer))
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    length: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite calls this with a file that `open` filled in and `length` readable bytes at `bytes`.
    let ((machine, number), bytes) =
        unsafe { (opened(file), std::slice::from_raw_parts(bytes.cast::<u8>(), length as usize)) };
    code(machine.state().write(number, at as usize, bytes))
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: ffi::sqlite3_int64) -> c_int {
    // SAFETY: SQLite calls this with a file that `open` filled in.
    let (machine, number) = unsafe { opened(file) };
    code(machine.state().truncate(number, length as usize))
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: SQLite calls this with a file that `open` filled in.
    let (machine, number) = unsafe { opened(file) };
    code(machine.sync(number))
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: SQLite calls this with a file that `open` filled in.
    let (machine, number) = unsafe { opened(file) };
    match machine.state().size(number) {
        Ok(size) => {
            // SAFETY: SQLite gives a place for the answer.
            unsafe { *out = size as ffi::sqlite3_int64 };
            ffi::SQLITE_OK
        }
        Err(refusal) => refusal,
    }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite calls this with a file that `open` filled in.
    let (machine, number) = unsafe { opened(file) };
    code(machine.state().lock(number, level))
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite calls this with a file that `open` filled in.
    let (machine, number) = unsafe { opened(file) };
    machine.state().set_lock(number, level);
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: SQLite calls this with a file that `open` filled in and a place for the answer.
    unsafe {
        let (machine, number) = opened(file);
        *out = c_int::from(machine.state().is_reserved(number));
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, what: c_int, value: *mut c_void) -> c_int {
    // SAFETY: SQLite calls this with a file that `open` filled in.
    let (machine, number) = unsafe { opened(file) };
    match what {
        ffi::SQLITE_FCNTL_CHUNK_SIZE => {
            // SAFETY: for this question SQLite's contract is a pointer to an int.
            let bytes = unsafe { *value.cast::<c_int>() };
            machine.state().set_chunk(number, bytes as usize);
            ffi::SQLITE_OK
        }
        ffi::SQLITE_FCNTL_SIZE_HINT => {
            // SAFETY: for this question SQLite's contract is a pointer to a 64-bit integer.
            let bytes = unsafe { *value.cast::<ffi::sqlite3_int64>() };
            code(machine.state().size_hint(number, bytes as usize))
        }
        ffi::SQLITE_FCNTL_PRAGMA if machine.state().is_careless => {
            // SAFETY: for this question SQLite's contract is an array of three texts, of which the third, the
            // value, may be null; it is SQLite's own copy, made for this statement and not looked at yet.
            unsafe {
                let texts = value.cast::<*mut c_char>();
                let (name, value) = (text(*texts.add(1)), *texts.add(2));
                if name == Some("synchronous") && text(value) == Some("FULL") {
                    ptr::copy_nonoverlapping(c"1".as_ptr(), value, 2);
                }
            }
            ffi::SQLITE_NOTFOUND
        }
        _ => ffi::SQLITE_NOTFOUND,
    }
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    4096
}

unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    _size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: SQLite calls this with a file that `open` filled in.
    let (machine, number) = unsafe { opened(file) };
    match machine.state().map(number, region as usize, extend != 0) {
        Ok(place) => {
            // SAFETY: SQLite gives a place for the answer. The region stays where it is until the last file of
            // this name has unmapped it, and safe code never looks into it.
            unsafe { *out = place.unwrap_or(ptr::null_mut()) };
            ffi::SQLITE_OK
        }
        Err(refusal) => refusal,
    }
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    first: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: SQLite calls this with a file that `open` filled in.
    let (machine, number) = unsafe { opened(file) };
    code(machine.state().lock_index(number, first, count, flags))
}

unsafe extern "C" fn shm_barrier(_file: *mut ffi::sqlite3_file) {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    // SAFETY: SQLite calls this with a file that `open` filled in.
    let (machine, number) = unsafe { opened(file) };
    machine.state().unmap(number, delete != 0);
    ffi::SQLITE_OK
}
