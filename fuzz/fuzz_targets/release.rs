//! os-release and extension-release files, as each systemd reads them. Errors are fine, panics are
//! bugs.

#![no_main]

use clients::{Release, Systemd};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(release) = Release::parse(bytes) {
        for version in Systemd::ALL {
            let _ = release.as_read_by(version).keys().len();
        }
    }
});
