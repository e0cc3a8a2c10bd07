//! A repository's metadata, as each of the files that it may be. Errors are fine, panics are bugs.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rpm_input::repodata::{Checksum, Filelists, Kind, MetadataFile, Modules, Primary, Repomd, Retracted};

fuzz_target!(|bytes: &[u8]| {
    let _ = Repomd::parse(bytes, "fuzz.xml");
    let Ok(checksum) = Checksum::parse("md5", "d41d8cd98f00b204e9800998ecf8427e") else { return };
    let listed = MetadataFile {
        kind: Kind::Primary,
        checksum,
        open_checksum: None,
        location: "fuzz.xml".to_owned(),
        base: None,
        size: None,
        open_size: Some(16 << 20),
    };
    if let Ok(mut primary) = Primary::open(Box::new(bytes), "fuzz.xml", &listed) {
        while let Ok(Some(_)) = primary.next_package() {}
    }
    let wanted = std::iter::once("/usr/bin/tool".to_owned()).collect();
    if let Ok(mut lists) = Filelists::open(Box::new(bytes), "fuzz.xml", &listed, wanted) {
        while let Ok(Some(_)) = lists.next_match() {}
    }
    let _ = Modules::parse(&String::from_utf8_lossy(bytes));
    if let Ok(mut patches) = Retracted::open(Box::new(bytes), "fuzz.xml", &listed) {
        while let Ok(Some(_)) = patches.next_patch() {}
    }
});
