//! What is read from good packages, and that bad ones are refused for the right reason: never a
//! panic, never another content than the header promises, never memory for what is not there.
#![allow(
    clippy::disallowed_methods,
    reason = "a test reads what it made itself"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a test may fail by a panic, in its functions too"
)]

mod sample;

use std::io::{Read, Write};

use rpm_input::{Contents, Error, File, FileKind, Package, Payload, Verified};
use sample::{
    CONTENT, Entry, LINKED, Sample, Value, archive, entries, header, join, sha256, stripped, texts,
};

/// Contents by their path.
type Found = Vec<(String, Vec<u8>)>;

fn content_of(content: &mut Contents<'_>) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    content
        .read_to_end(&mut bytes)
        .map_err(|error| error.downcast().unwrap())?;
    Ok(bytes)
}

fn read(rpm: &[u8]) -> Result<(Package, Found, Verified), Error> {
    let package = Package::read(&mut &rpm[..], "x.rpm")?;
    let mut found = Vec::new();
    let mut payload = Payload::open(rpm, &package)?;
    while let Some(mut content) = payload.next_content()? {
        let path = package.files.path(content.file).unwrap().text();
        found.push((path, content_of(&mut content)?));
    }
    let verified = payload.finish()?;
    Ok((package, found, verified))
}

fn refused(rpm: &[u8], part: &str) {
    match read(rpm) {
        Ok(_) => panic!("accepted, but expected {part:?}"),
        Err(error) => {
            let text = error.to_string();
            assert!(
                text.contains(part) && text.contains("x.rpm"),
                "{text}\nexpected {part:?}"
            );
        }
    }
}

fn expected() -> Found {
    vec![
        ("/usr/bin/hello".to_owned(), CONTENT.to_vec()),
        ("/usr/bin/one".to_owned(), LINKED.to_vec()),
    ]
}

#[test]
fn a_package_is_read() {
    let rpm = Sample::new().build();
    let (package, found, verified) = read(&rpm).unwrap();
    assert_eq!(found, expected());
    assert_eq!(package.nevra.to_string(), "hello-1.0-2.noarch");
    assert_eq!(package.source_rpm.as_deref(), Some("hello-1.0-2.src.rpm"));
    assert_eq!(package.provides[0].to_string(), "hello = 1.0-2");
    let summary = |file: File| {
        (
            file.path.text(),
            file.kind.clone(),
            file.mode,
            file.hard_link,
        )
    };
    let files: Vec<_> = package.files.iter().map(summary).collect();
    let target = FileKind::Symlink("hello".into());
    let expected = [
        ("/usr/bin/hello", FileKind::Regular, 0o755, None),
        ("/usr/bin/one", FileKind::Regular, 0o644, Some(1)),
        ("/usr/bin/two", FileKind::Regular, 0o644, Some(1)),
        ("/usr/bin/link", target, 0o777, None),
        ("/usr/share/hello", FileKind::Directory, 0o755, None),
    ];
    let expected = expected.map(|(path, kind, mode, link)| (path.to_owned(), kind, mode, link));
    assert_eq!(files, expected);
    let whole: String = verified
        .sha256
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(whole, sha256(&rpm));
}

#[test]
fn reading_the_header_stops_at_the_payload() {
    let sample = Sample::new();
    let rpm = sample.build();
    let mut input = &rpm[..];
    Package::read(&mut input, "x.rpm").unwrap();
    assert_eq!(input, sample.payload);
}

#[test]
fn every_compressor_is_read_whatever_its_tag_says() {
    let archive = Sample::new().archive;
    let gzip = || {
        let level = flate2::Compression::new(6);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
        encoder.write_all(&archive).unwrap();
        encoder.finish().unwrap()
    };
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(6));
    bzip2.write_all(&archive).unwrap();
    let bzip2 = bzip2.finish().unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
    xz.write_all(&archive).unwrap();
    let xz = xz.finish().unwrap();
    let options = liblzma::stream::LzmaOptions::new_preset(6).unwrap();
    let stream = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
    let mut lzma = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    lzma.write_all(&archive).unwrap();
    let lzma = lzma.finish().unwrap();
    let zstd = zstd::stream::encode_all(&archive[..], 3).unwrap();
    for (tag, payload) in [
        ("gzip", gzip()),
        ("bzip2", bzip2),
        ("xz", xz),
        ("lzma", lzma),
        ("zstd", zstd),
        ("zstd", gzip()),
        ("gzip", archive.clone()),
    ] {
        let sample = Sample::new().with_payload(tag, payload.clone());
        let (_, found, _) = read(&sample.build()).unwrap();
        assert_eq!(found, expected(), "{tag}");
        // Every shorter payload is refused.
        for length in 0..payload.len() {
            let sample = Sample::new().with_payload(tag, payload[..length].to_vec());
            assert!(read(&sample.build()).is_err(), "{tag} at {length}");
        }
    }
    refused(
        &Sample::new()
            .with_payload("zstd", b"\x01\x02\x03\x04\x05\x06".to_vec())
            .build(),
        "payload that starts with \\x01\\x02\\x03\\x04\\x05\\x06 is not supported",
    );
}

#[test]
fn windows_and_dictionaries_have_a_largest_size() {
    let archive = Sample::new().archive;
    let window = |log: u32| {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(log).unwrap();
        encoder.write_all(&archive).unwrap();
        encoder.finish().unwrap()
    };
    let lzma = |dictionary: u32| {
        let options = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
        let stream = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
        let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        encoder.write_all(&archive).unwrap();
        let mut bytes = encoder.finish().unwrap();
        bytes[1..5].copy_from_slice(&dictionary.to_le_bytes());
        bytes
    };
    // A frame without content, then one with too large a window.
    let mut second = zstd::stream::encode_all(&b""[..], 1).unwrap();
    second.extend(window(27));
    for (tag, payload, reason) in [
        ("zstd", window(26), None),
        (
            "zstd",
            window(27),
            Some("x.rpm: the zstd window of 128 MiB is larger than the 64 MiB that are allowed"),
        ),
        (
            "zstd",
            second,
            Some("x.rpm: a zstd window is larger than the 64 MiB that are allowed"),
        ),
        ("lzma", lzma(64 << 20), None),
        (
            "lzma",
            lzma(96 << 20),
            Some("x.rpm: unpacking takes more than the 80 MiB of memory that are allowed"),
        ),
    ] {
        let read = read(&Sample::new().with_payload(tag, payload).build());
        let found = read.err().map(|error| error.to_string());
        assert_eq!(found.as_deref(), reason);
    }
}

#[test]
fn stripped_archives_take_sizes_from_the_header() {
    let good = [
        stripped(0, CONTENT),
        stripped(1, b""),
        stripped(2, LINKED),
        stripped(3, b"hello"),
        stripped(4, b""),
        sample::trailer(),
    ];
    let (_, found, _) = read(&Sample::new().with_archive(good.concat()).build()).unwrap();
    assert_eq!(found, expected());
    for (position, entry, part) in [
        (1, stripped(9, b""), "00000009 is not the index of a file"),
        (1, stripped(0, b""), "/usr/bin/hello occurs twice"),
        (
            3,
            stripped(3, b"hullo"),
            "/usr/bin/link points to hullo, in the header to hello",
        ),
    ] {
        let mut bad = good.clone();
        bad[position] = entry;
        refused(&Sample::new().with_archive(bad.concat()).build(), part);
    }
}

#[test]
fn links_may_each_carry_the_content() {
    let mut all = entries();
    all[1] = all[2].clone();
    all[1].name = b"/usr/bin/one\0".to_vec();
    let (_, found, _) = read(&Sample::new().with_archive(archive(&all)).build()).unwrap();
    assert_eq!(found, expected());
    // The repeated one is checked as well.
    all[2].content = b"other!".to_vec();
    refused(
        &Sample::new().with_archive(archive(&all)).build(),
        "/usr/bin/two has SHA-256",
    );
    // And none is an error.
    let mut none = entries();
    none[2] = Entry::new("usr/bin/two", 0o100_644, b"");
    let part = "no entry has the content of /usr/bin/one";
    refused(&Sample::new().with_archive(archive(&none)).build(), part);
}

#[test]
fn an_unread_content_is_checked_all_the_same() {
    let mut bad = entries();
    bad[0].content[5] ^= 1;
    let rpm = Sample::new().with_archive(archive(&bad)).build();
    let package = Package::read(&mut &rpm[..], "x.rpm").unwrap();
    let mut payload = Payload::open(&rpm[..], &package).unwrap();
    let mut start = [0; 3];
    payload
        .next_content()
        .unwrap()
        .unwrap()
        .read_exact(&mut start)
        .unwrap();
    assert_eq!(&start, b"#!/");
    let Err(Error::FileDigest { path, .. }) = payload.next_content() else {
        panic!("accepted")
    };
    assert_eq!(path, "/usr/bin/hello");
    assert!(payload.next_content().is_err(), "an error is for good");
    assert!(payload.finish().is_err(), "an error is for good");
}

#[test]
fn a_file_that_changed_in_between_is_refused() {
    let rpm = Sample::new().build();
    let package = Package::read(&mut &rpm[..], "x.rpm").unwrap();
    for offset in [10, 100, 400] {
        let mut other = rpm.clone();
        other[offset] ^= 1;
        let result = Payload::open(&other[..], &package);
        assert!(matches!(result, Err(Error::Changed { .. })), "at {offset}");
    }
    let result = Payload::open(&rpm[..200], &package);
    assert!(matches!(result, Err(Error::Changed { .. })));
}

#[test]
fn archives_that_are_not_what_the_header_says_are_refused() {
    type Change = fn(&mut Vec<Entry>);
    let cases: [(Change, &str); 15] = [
        (
            |all| all[0].size = 4000,
            "/usr/bin/hello has 4000 bytes, the header says 21",
        ),
        (
            |all| all[0] = Entry::new("usr/bin/hello", 0o100_755, b""),
            "has 0 bytes, the header",
        ),
        (
            |all| all[0].content[0] = b'x',
            "/usr/bin/hello has SHA-256 ",
        ),
        (
            |all| all[0].name = b"./usr/bin/../bin/hello\0".to_vec(),
            "the header does not know",
        ),
        (
            |all| all[0].name = b"./etc/\xffpasswd\0".to_vec(),
            "the header does not know etc/\\xffpasswd",
        ),
        (
            |all| all[0].name = vec![b'a'; 4097],
            "does not end in one NUL",
        ),
        (
            |all| all[0].name = vec![b'a'; 4098],
            "an entry's name has 4098 bytes",
        ),
        (
            |all| all[0].name = b"usr/bin/hello\0x\0".to_vec(),
            "does not end in one NUL",
        ),
        (
            |all| all[0].mode = 0o120_777,
            "another type than in the header",
        ),
        (
            |all| all[4].mode = 0o100_644,
            "/usr/share/hello has mode 0o100644, another type",
        ),
        (
            |all| all[3].content = b"hallo".to_vec(),
            "/usr/bin/link points to hallo",
        ),
        (
            |all| all[0].magic = b"070707",
            "070707 is not the magic of a cpio entry",
        ),
        (
            |all| all.push(all[0].clone()),
            "/usr/bin/hello occurs twice",
        ),
        (
            |all| drop(all.remove(4)),
            "the archive ends without /usr/share/hello",
        ),
        (
            |all| all[0].magic = b"070702",
            "has the sum 0x69d, its entry says 0x0",
        ),
    ];
    for (change, part) in cases {
        let mut all = entries();
        change(&mut all);
        refused(&Sample::new().with_archive(archive(&all)).build(), part);
    }
    let mut summed = entries();
    summed[0].magic = b"070702";
    summed[0].sum = CONTENT.iter().map(|byte| u32::from(*byte)).sum();
    read(&Sample::new().with_archive(archive(&summed)).build()).unwrap();
}

#[test]
fn only_a_bounded_number_of_zeros_follows_the_archive() {
    let with = |more: &[u8]| {
        let bytes = [archive(&entries()), more.to_vec()].concat();
        Sample::new().with_archive(bytes).build()
    };
    read(&with(&[0; 65_536])).unwrap();
    refused(&with(&[0, 0, 1]), "something follows the last entry");
    refused(&with(&[0; 65_537]), "more than 65536 zeros at the end");
    // A bomb: 256 MiB of zeros in some kilobytes.
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.write_all(&archive(&entries())).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..256 {
        encoder.write_all(&zeros).unwrap();
    }
    let bomb = Sample::new().with_payload("zstd", encoder.finish().unwrap());
    refused(&bomb.build(), "zeros at the end");
}

#[test]
fn payload_digests_are_compared() {
    let zeros = "0".repeat(64);
    let rpm = Sample::new().with(5092, texts(&[&zeros])).build();
    refused(&rpm, &format!("the header says {zeros}"));
    // The digest of the archive counts where there is no other.
    let archive = sha256(&Sample::new().archive);
    read(
        &Sample::new()
            .undigested()
            .with(5097, texts(&[&archive]))
            .build(),
    )
    .unwrap();
    refused(
        &Sample::new()
            .undigested()
            .with(5097, texts(&[&zeros]))
            .build(),
        "the uncompressed payload has SHA-256",
    );
    refused(
        &Sample::new().with(5092, texts(&["12"])).build(),
        "PAYLOADSHA256: \"12\" is not a valid SHA",
    );
}

#[test]
fn old_packages_have_one_digest_of_header_and_payload() {
    let mut sample = Sample::new().undigested();
    sample.md5 = true;
    let rpm = sample.build();
    read(&rpm).unwrap();
    let mut damaged = rpm.clone();
    let build_time = rpm
        .windows(4)
        .position(|bytes| bytes == 1_700_000_000_u32.to_be_bytes());
    damaged[build_time.unwrap()] ^= 1;
    refused(&damaged, "header and payload together has MD5");
}

/// RPM asks the same before it installs a package.
#[test]
fn what_a_digest_covers_of_the_header() {
    let undigested = || Sample::new().undigested();
    let payload = || texts(&[sha256(&Sample::new().payload)]);
    let md5 = |sample: Sample| Sample {
        md5: true,
        ..sample
    };
    for (rpm, covered) in [
        (Sample::new(), true),
        (undigested(), false),
        (undigested().with(5092, payload()), false),
        (md5(undigested()), true),
        (md5(undigested().with(5092, payload())), true),
    ] {
        let (package, _, _) = read(&rpm.build()).unwrap();
        assert_eq!(package.is_header_covered(), covered);
    }
    // The MD5 is compared, too, where it is all that covers the header.
    let mut damaged = md5(undigested().with(5092, payload())).build();
    let mode = (damaged.windows(4)).position(|bytes| bytes == [0o201, 0o355, 0o201, 0o244]);
    damaged[mode.unwrap()] ^= 0o10;
    refused(&damaged, "header and payload together has MD5");
}

/// RPM gives the inode what the header says of its last name.
#[test]
fn names_of_one_inode_may_have_different_attributes() {
    let modes = vec![0o100_755, 0o100_600, 0o104_755, 0o120_777, 0o040_755];
    let rpm = Sample::new().with(1030, Value::Short(modes)).build();
    let (package, found, _) = read(&rpm).unwrap();
    let links: Vec<_> = (package.files.iter())
        .map(|file| (file.mode, file.hard_link))
        .take(3)
        .collect();
    assert_eq!(links, [(0o755, None), (0o600, Some(1)), (0o4755, Some(1))]);
    assert_eq!(found, expected());
}

#[test]
fn signatures_of_the_header() {
    let binary = |text: &str| Value::Binary(text.as_bytes().to_vec());
    for (values, expected, has_payload_signature) in [
        (vec![(1000, Value::Number(vec![1]))], vec![], false),
        (vec![(268, binary("rsa"))], vec!["rsa"], false),
        (
            vec![(267, binary("dsa")), (268, binary("rsa"))],
            vec!["rsa", "dsa"],
            false,
        ),
        (vec![(1002, binary("old"))], vec![], true),
        (vec![(1005, binary("old"))], vec![], true),
        // As RPM 4.20 writes it, the same signature in the old tag, too.
        (
            vec![(268, binary("x")), (278, texts(&["b25l", "dHdv"]))],
            vec!["one", "two"],
            false,
        ),
    ] {
        let header_bytes = header(&Sample::new().values);
        let rpm = join(&header(&values), &header_bytes, &Sample::new().payload);
        let package = Package::read(&mut &rpm[..], "x.rpm").unwrap();
        let signed = package.signed_header(&mut &rpm[..]).unwrap();
        assert_eq!(signed.header, header_bytes);
        assert_eq!(
            signed.signatures,
            expected
                .iter()
                .map(|text| text.as_bytes())
                .collect::<Vec<_>>()
        );
        assert_eq!(signed.has_payload_signature, has_payload_signature);
        assert!(signed.covers_contents);
    }
    let rpm = join(
        &header(&[(278, texts(&["?"]))]),
        &header(&Sample::new().values),
        b"",
    );
    let package = Package::read(&mut &rpm[..], "x.rpm").unwrap();
    let error = package.signed_header(&mut &rpm[..]).unwrap_err();
    assert!(matches!(error, Error::Header { .. }), "{error}");
    let other = Sample::new().build();
    let error = package.signed_header(&mut &other[..]).unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
}

/// A signed header vouches for contents only as far as it has their digests.
#[test]
fn what_a_signature_of_the_header_covers() {
    let mut md5 = Sample::new().undigested().without(1035);
    md5.md5 = true;
    for (rpm, covers) in [
        (Sample::new().build(), true),
        (Sample::new().undigested().build(), true),
        (Sample::new().without(1035).build(), true),
        (md5.build(), false),
    ] {
        let package = Package::read(&mut &rpm[..], "x.rpm").unwrap();
        let signed = package.signed_header(&mut &rpm[..]).unwrap();
        assert_eq!(signed.covers_contents, covers);
    }
}

#[test]
fn very_old_packages_have_whole_paths() {
    let paths: Vec<String> = read(&Sample::new().build())
        .unwrap()
        .0
        .files
        .into_iter()
        .map(|file| file.path.text())
        .collect();
    let sample = Sample::new().without(1116).without(1117).without(1118);
    let (_, found, _) = read(&sample.with(1027, texts(&paths)).build()).unwrap();
    assert_eq!(found, expected());
}

#[test]
fn ghosts_need_no_entry_and_are_skipped_if_they_have_one() {
    let ghost = Sample::new().with(1037, Value::Number(vec![1 << 6, 0, 0, 0, 0]));
    let linked = expected().split_off(1);
    let (package, found, _) = read(&ghost.build()).unwrap();
    assert!(package.files.get(0).unwrap().flags.is_ghost());
    assert_eq!(found, linked);
    let (_, found, _) = read(&ghost.with_archive(archive(&entries()[1..])).build()).unwrap();
    assert_eq!(found, linked);
}

#[test]
fn attributes_of_files_are_read() {
    let sample = Sample::new()
        .with(1037, Value::Number(vec![1, 2, 1 | 1 << 4, 0, 1 << 12]))
        .with(1097, texts(&["", "de", "", "", ""]))
        .with(1140, Value::Number(vec![2, 0, 0, 0, 0]))
        .with(5010, texts(&["cap_net_raw=ep", "", "", "", ""]));
    let (package, _, _) = read(&sample.build()).unwrap();
    let files: Vec<_> = package.files.iter().collect();
    let [hello, one, two, _, directory] = &files[..] else {
        panic!("five files")
    };
    let bytes = [
        1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    assert_eq!(hello.capabilities.as_deref(), Some(&bytes[..]));
    assert_eq!((hello.color, hello.language.as_deref()), (2, None));
    assert!(hello.flags.is_config() && !hello.flags.is_noreplace());
    assert!(one.flags.is_doc() && two.flags.is_noreplace() && directory.flags.is_artifact());
    assert_eq!(
        (one.capabilities.as_deref(), one.language.as_deref()),
        (None, Some("de"))
    );
    assert!(hello.digest.as_ref().unwrap().is_strong());
}

#[test]
fn scriptlets_and_triggers_are_listed() {
    let sample = Sample::new()
        .with(1024, Value::Text("ldconfig"))
        .with(1086, Value::Text("/sbin/ldconfig"))
        .with(1023, Value::Text("true"))
        .with(1065, texts(&["first", "second"]))
        .with(1092, texts(&["/bin/sh", "<lua>"]))
        .with(1066, texts(&["a", "b", "c"]))
        .with(1067, texts(&["", "", ""]))
        .with(1068, Value::Number(vec![1 << 16, 1 << 18, 1 << 16]))
        .with(1069, Value::Number(vec![0, 1, 0]));
    let (package, _, _) = read(&sample.build()).unwrap();
    let found: Vec<_> = package
        .scriptlets
        .iter()
        .map(|found| {
            let waits_for = found.waits_for.join(" ");
            (
                found.kind,
                found.program.join(" "),
                found.script.as_str(),
                waits_for,
            )
        })
        .collect();
    let none = String::new;
    let sh = || "/bin/sh".to_owned();
    let expected = [
        ("pre", sh(), "true", none()),
        ("post", "/sbin/ldconfig".to_owned(), "ldconfig", none()),
        ("triggerin", sh(), "first", "a c".to_owned()),
        (
            "triggerpostun",
            "<lua>".to_owned(),
            "second",
            "b".to_owned(),
        ),
    ];
    assert_eq!(found, expected);
    let outside = Value::Number(vec![0, 7, 0]);
    refused(
        &sample.with(1069, outside).build(),
        "TRIGGERINDEX: a trigger has no script",
    );
}

#[test]
fn file_lists_that_can_not_be_stored_are_refused() {
    let base = |index: usize, name: &[u8]| {
        let mut names = [&b"hello"[..], b"one", b"two", b"link", b"hello"];
        names[index] = name;
        Sample::new().with(1117, texts(&names))
    };
    let long = "a".repeat(256);
    let deep = format!("/{}", "abcdefg/".repeat(600));
    let brief = format!(
        "x.rpm: /{}abc...{}: the path is longer than 4095 bytes",
        "abcdefg/".repeat(7),
        "efg/".to_owned() + &"abcdefg/".repeat(7)
    );
    for (sample, part) in [
        (Sample::new().with(1118, texts(&[&deep, "/x/"])), &*brief),
        (base(0, b".."), "/usr/bin/..: the path has a part \"..\""),
        (base(0, b"."), "the path has a part \".\""),
        (base(0, b""), "/usr/bin/: the path has an empty part"),
        (base(0, b"a/../../b"), "the path has a part \"..\""),
        (base(0, b"one"), "/usr/bin/one: is in the file list twice"),
        (base(0, long.as_bytes()), "a part longer than 255 bytes"),
        (
            Sample::new().with(1118, texts(&["usr/bin/", "/x/"])),
            "the path is not absolute",
        ),
        (
            Sample::new().with(1118, texts(&["/usr/bin", "/x/"])),
            "does not end in a slash",
        ),
        (
            Sample::new().with(1118, texts(&["/usr/bin/"])),
            "DIRINDEXES: names directory 1",
        ),
        (
            Sample::new().with(1116, Value::Number(vec![0; 4])),
            "DIRINDEXES: has 4 values instead of 5",
        ),
        (
            Sample::new().with(1030, Value::Short(vec![0; 5])),
            "mode 0o0 has no known file type",
        ),
        (
            Sample::new().with(1030, Value::Short(vec![0; 6])),
            "FILEMODES: has 6 values instead of 5",
        ),
        (Sample::new().without(1030), "FILEMODES: is missing"),
        (
            Sample::new().with(1030, Value::Number(vec![0; 5])),
            "FILEMODES: ",
        ),
        (
            Sample::new().with(1036, texts(&["", "", "", "", ""])),
            "/usr/bin/link: the link has no",
        ),
        (
            Sample::new().with(1036, texts(&["", "", "", "\u{e9}"])),
            "FILELINKTOS: has 4 values",
        ),
        (
            Sample::new().with(1035, texts(&["", "", "", "", ""])),
            "/usr/bin/hello: has no digest",
        ),
        (
            Sample::new().with(1035, texts(&["x", "", "", "", ""])),
            "\"x\" is not a valid SHA-256 digest",
        ),
        (
            Sample::new().with(5011, Value::Number(vec![3])),
            "FILEDIGESTALGO: algorithm 3",
        ),
        (
            Sample::new().with(5010, texts(&["cap_x=p", "", "", "", ""])),
            "unknown capability",
        ),
        (Sample::new().without(1022), "tag ARCH: is missing"),
        (
            Sample::new().with(1000, Value::Text("../x")),
            "tag NAME: \"../x\" can't be part",
        ),
        (
            Sample::new().with(1124, Value::Text("drpm")),
            "is a delta package (drpm)",
        ),
        (
            Sample::new().with(1106, Value::Number(vec![1])),
            "is a source package",
        ),
        (
            Sample::new().with(1112, Value::Number(vec![8, 8])),
            "PROVIDEFLAGS: has 2 values instead of 1",
        ),
    ] {
        refused(&sample.build(), part);
    }
}

#[test]
fn names_and_targets_are_any_bytes() {
    let mut names = [&b"hello"[..], b"one", b"two", b"link", b"caf\xe9"];
    names[0] = b"\xe9";
    let mut entries = entries();
    entries[0].name = b"./usr/bin/\xe9\0".to_vec();
    entries[3].content = b"h\xe9llo".to_vec();
    entries[4].name = b"./usr/bin/caf\xe9\0".to_vec();
    let targets = [&b""[..], b"", b"", b"h\xe9llo", b""];
    let sample = Sample::new()
        .with(1117, texts(&names))
        .with(1116, Value::Number(vec![0; 5]))
        .with(1036, texts(&targets));
    let archive = sample::archive(&entries);
    let rpm = sample.with_archive(archive).build();
    let (package, found, _) = read(&rpm).unwrap();
    let file = package.files.get(0).unwrap();
    assert_eq!(file.path.to_bytes(), b"/usr/bin/\xe9");
    assert_eq!(file.path.text(), "/usr/bin/\\xe9");
    assert_eq!(found[0].0, "/usr/bin/\\xe9");
    let FileKind::Symlink(target) = package.files.get(3).unwrap().kind else {
        panic!("{package:?}");
    };
    assert_eq!(target.bytes(), b"h\xe9llo");
    assert_eq!(target.text(), "h\\xe9llo");
}

/// The most files that a package may have.
const MOST_FILES: usize = 1 << 19;

/// Builds a package of empty files: directories, and for each file its directory and its name.
fn of_many_files(directories: &[Vec<u8>], files: usize) -> Vec<u8> {
    let number = |number: u32| Value::Number(vec![number; files]);
    let names: Vec<_> = (0..files).map(|number| format!("{number}")).collect();
    let empty = vec![""; files];
    let indexes = (0..files).map(|number| (number % directories.len()) as u32);
    let values = [
        (1028, number(0)),
        (1030, Value::Short(vec![0o100_644; files])),
        (1034, number(0)),
        (1036, texts(&empty)),
        (1037, number(0)),
        (1039, texts(&empty)),
        (1040, texts(&empty)),
        (1095, number(1)),
        (1096, number(0)),
        (1116, Value::Number(indexes.collect())),
        (1117, texts(&names)),
        (1118, texts(directories)),
    ];
    let mut sample = Sample::new().without(1035);
    for (tag, value) in values {
        sample = sample.with(tag, value);
    }
    sample.build()
}

#[test]
fn what_a_file_list_may_take_is_known_before_it_is_taken() {
    let long = |length: usize| {
        let mut directory = b"/usr".to_vec();
        while directory.len() < length {
            directory.push(if directory.len() % 200 == 4 {
                b'/'
            } else {
                b'a'
            });
        }
        directory[length - 1] = b'/';
        directory
    };
    let all = |files| Package::read(&mut &of_many_files(&[long(4000)], files)[..], "x.rpm");
    assert_eq!(all(16_700).unwrap().files.len(), 16_700);
    assert_eq!(
        all(16_800).unwrap_err().to_string(),
        "x.rpm: the paths of its 16800 files have 64 MiB, 64 MiB are allowed"
    );
    let count = |files| Package::read(&mut &of_many_files(&[b"/".to_vec()], files)[..], "x.rpm");
    assert_eq!(count(MOST_FILES).unwrap().files.len(), MOST_FILES);
    assert_eq!(
        count(MOST_FILES + 1).unwrap_err().to_string(),
        format!(
            "x.rpm: it has {} files, {MOST_FILES} are allowed",
            MOST_FILES + 1
        )
    );
}

#[test]
fn what_is_not_an_rpm_is_called_what_it_is() {
    let cut = [&[b'x'; 95][..], "ü".as_bytes()].concat();
    for (bytes, kind) in [
        (
            &b"!<arch>\ndebian-binary   1700000000  0"[..],
            "a Debian package (.deb)",
        ),
        (b"!<arch>\n/   0", "an archive of ar"),
        (b"\n<!DOCTYPE HTML>\n", "an HTML page, perhaps"),
        (b"\xef\xbb\xbf<html lang=de>", "an HTML page, perhaps"),
        (b"<?xml version=\"1.0\"?>", "an XML document"),
        (b"{\"manifest_version\": 1}", "JSON, such as a manifest"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "a pointer of Git LFS",
        ),
        (b"[Output]\nFormat=sysext\n", "a text file"),
        (&cut, "a text file"),
        (b"hsqs\0\0", "a SquashFS image"),
        (b"\x1f\x8b\x08", "a file compressed by gzip"),
        (b"\x7fELF\x02", "a program or library (ELF)"),
        (
            b"\0\0\0\0",
            "something else, since it does not begin with ed ab ee db",
        ),
        (b"text\0", "something else, since"),
        (b"\xed\xab\xee", "something else, since"),
    ] {
        let error = Package::read(&mut &bytes[..], "x").unwrap_err().to_string();
        let expected = format!("x is not an RPM: it is {kind}");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn headers_that_claim_what_is_not_there_are_refused() {
    let rpm = Sample::new().build();
    let signature_end = 96 + 16 + 32;
    let put = |offset: usize, number: u32| {
        let mut rpm = rpm.clone();
        rpm[offset..offset + 4].copy_from_slice(&number.to_be_bytes());
        rpm
    };
    assert!(signature_end < rpm.len());
    for (bytes, part) in [
        (b"".to_vec(), "is not an RPM: it is empty"),
        (b"PK\x03\x04".to_vec(), "is not an RPM: it is a ZIP archive"),
        (rpm[..50].to_vec(), "ends at offset 50, inside its lead"),
        (put(4, 0x0900_0000), "its lead has version 9"),
        (put(96, 0), "signature header: no header magic at offset 96"),
        (put(96 + 8, u32::MAX), "index of 4294967295 entries"),
        (put(96 + 8, 0), "index of 0 entries"),
        (
            put(96 + 12, u32::MAX),
            "data of 4294967295 bytes, 67108864 are allowed",
        ),
        (put(96 + 12, 64 << 20), "inside its signature header"),
        (put(96 + 16 + 4, 17), "tag 273 has unknown type 17"),
        (
            put(96 + 16 + 8, u32::MAX),
            "value of tag 273 is outside of the data",
        ),
        (
            put(96 + 16 + 12, u32::MAX),
            "strings of tag 273 do not end inside the data",
        ),
        (put(96 + 32 + 8, 66), "value of tag 1000 is not aligned"),
        (
            put(96 + 32 + 12, u32::MAX),
            "value of tag 1000 is outside of the data",
        ),
        (
            put(96 + 32 + 8, 0),
            "value of tag 1000 overlaps the one before",
        ),
    ] {
        refused(&bytes, part);
    }
}

/// Reads a package that may be damaged, and returns what it holds if it is accepted.
fn survives(rpm: &[u8]) -> Option<Found> {
    let (package, found, _) = read(rpm).ok()?;
    assert!(package.files.len() <= 5);
    Some(found)
}

#[test]
fn every_truncation_is_found() {
    for sample in [Sample::new(), Sample::new().undigested()] {
        let rpm = sample.build();
        for length in 0..rpm.len() {
            assert!(
                survives(&rpm[..length]).is_none(),
                "accepted at {length} of {}",
                rpm.len()
            );
        }
    }
}

#[test]
fn no_damaged_bit_changes_a_content() {
    for sample in [Sample::new(), Sample::new().undigested()] {
        let rpm = sample.build();
        for offset in 0..rpm.len() {
            for value in (0..8).map(|bit| rpm[offset] ^ (1 << bit)).chain([0, 0xff]) {
                let mut damaged = rpm.clone();
                damaged[offset] = value;
                let found = survives(&damaged);
                if let (Some(found), true) = (found, sample.digests) {
                    assert_eq!(found, expected(), "byte {offset} set to {value:#x}");
                }
            }
        }
    }
    // All of this fits into little memory, on systems that tell.
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kib < 256 << 10, "{kib} KiB at the highest");
    }
}
