//! What only the program itself reads: recipes, locks, `.repo` files, lists of packages of a base,
//! also as mkosi and KIWI write them. It is run on a file of that kind, so executions are few. A
//! panic or a signal is a bug; every word of refusal is fine.
//!
//! The first byte says what the others are. `FUZZ_PROGRAM` is the path of the program.

#![no_main]

use std::process::{Command, Stdio};

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let Ok(program) = std::env::var("FUZZ_PROGRAM") else {
        panic!("FUZZ_PROGRAM is not set");
    };
    let directory = std::env::temp_dir().join(format!("fuzz-program-{}", std::process::id()));
    let _ = std::fs::create_dir(&directory);
    let (name, arguments): (&str, &[&str]) = match which % 6 {
        0 => ("a.toml", &["--dry-run", "a.toml"]),
        1 => ("a.lock", &["--dry-run", "--locked", "--lock", "a.lock", "--match", "any", "x.rpm"]),
        2 => ("a.repo", &["--dry-run", "--offline", "--repo", "a.repo", "--base", "list", "x"]),
        3 => ("list", &["--dry-run", "--base", "list", "x.rpm"]),
        4 => ("a.manifest", &["--dry-run", "--base", "a.manifest", "x.rpm"]),
        _ => ("os-release", &["--dry-run", "--base", "os-release", "x.rpm"]),
    };
    if std::fs::write(directory.join(name), bytes).is_err() {
        return;
    }
    let mut command = Command::new(program);
    command.current_dir(&directory).args(arguments).env("XDG_CACHE_HOME", &directory);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let code = command.status().ok().and_then(|status| status.code());
    let _ = std::fs::remove_file(directory.join(name));
    assert!(matches!(code, Some(0..=3)), "the program ended with {code:?}");
});
