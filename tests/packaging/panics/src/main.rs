//! A thread panics, and another that must tell so: what was to be dropped is, and joining it says that it panicked.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::panic, reason = "that is what it is for")]

struct Kept;

impl Drop for Kept {
    fn drop(&mut self) {
        println!("dropped while panicking: {}", std::thread::panicking());
    }
}

fn main() {
    let line = std::thread::spawn(|| {
        let _kept = Kept;
        panic!("as it must");
    });
    println!("told by its thread: {}", line.join().is_err());
}
