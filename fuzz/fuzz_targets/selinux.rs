//! SELinux's file contexts, and paths that are looked up in them. Errors are fine, panics are bugs.
//!
//! Up to the first NUL are the contexts, then the paths that are looked up as others, then a path.

#![no_main]

use libfuzzer_sys::fuzz_target;
use selinux::{FileContexts, FileType, Texts};

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(3, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let texts = Texts {
        contexts: part(),
        subs: part(),
        ..Texts::default()
    };
    let path = part();
    let Ok(mut contexts) = FileContexts::new(texts) else {
        return;
    };
    for kind in [FileType::Regular, FileType::Directory] {
        let first = contexts
            .label(path, kind)
            .map(|label| label.map(str::to_owned));
        // What was asked before makes no difference.
        let _ = contexts.label(b"/usr/bin/env", kind);
        if let (Ok(first), Ok(again)) = (first, contexts.label(path, kind)) {
            assert_eq!(first.as_deref(), again);
        }
    }
});
