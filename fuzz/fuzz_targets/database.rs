//! A database of installed packages: SQLite, ndb, and what is neither. Errors are fine, panics are
//! bugs.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("fuzz-database-{}", std::process::id()));
    if std::fs::write(&path, bytes).is_ok() {
        let _ = rpm_input::database::read(&path);
    }
});
