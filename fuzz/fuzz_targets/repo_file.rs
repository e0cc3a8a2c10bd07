//! `.repo` files with the variables in them, lists of mirrors, and patterns for packages. Errors are
//! fine, panics are bugs.

#![no_main]

use std::borrow::Cow;

use libfuzzer_sys::fuzz_target;
use resolve::Nevra;
use rpm_input::repo_file::{expand, sections};
use rpm_input::repodata::Mirrors;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(mirrors) = Mirrors::parse(bytes, "fuzz") {
        assert!(!mirrors.bases.is_empty());
    }
    let value = |name: &str| (name.len() % 2 == 0).then(|| name.to_owned());
    let _ = expand(&String::from_utf8_lossy(bytes), &value);
    let Ok(sections) = sections(bytes) else { return };
    let nevra = Nevra::parse("gcc-c++-1:13-2.x86_64").unwrap_or_default();
    for text in sections.iter().flat_map(|section| section.keys.values()) {
        let _ = expand(text, &value);
        assert!(resolve::meant(text, std::iter::once(Cow::Borrowed(&nevra))).len() <= 1);
    }
});
