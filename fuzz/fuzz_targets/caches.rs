//! Sources of caches: schemas of settings, and what overrides them; desktop entries; what is known of
//! icons; definitions of types of files. Errors are fine, panics are bugs.
//!
//! Up to the first NUL are schemas, up to the next others, then what overrides them.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let names = ["a.enums.xml", "b.gschema.xml", "c.gschema.override"];
    let parts = bytes.splitn(3, |byte| *byte == 0).map(<[u8]>::to_vec);
    let sources = names.map(str::to_owned).into_iter().zip(parts).collect();
    let made = caches::schemas::make(&sources);
    assert_eq!(made, caches::schemas::make(&sources));
    let of = |name: &str| [(name.to_owned(), bytes.to_vec())].into();
    let _ = caches::desktop::make(&of("a.desktop"));
    let mut icons: caches::Contents = of("a/b.icon");
    icons.insert("a/b.png".to_owned(), Vec::new());
    let _ = caches::icons::make(&icons);
    let _ = caches::mime::make(&of("packages/a.xml"));
});
