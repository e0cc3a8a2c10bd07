//! What is read of files that are made here, and of the same files damaged.

mod sample;

use std::io::Cursor;

use self::sample::Sample;
use super::*;

fn sample(bits: u8, big_endian: bool) -> Vec<u8> {
    full(bits, big_endian).bytes()
}

fn full(bits: u8, big_endian: bool) -> Sample<'static> {
    Sample {
        bits,
        big_endian,
        kind: ET_DYN,
        interpreter: Some("/lib/ld.so"),
        needed: &["libb.so.1", "liba.so.1"],
        needs: &[
            ("liba.so.1", &["A_2", "A_1", "?A_3"]),
            ("libb.so.1", &["?B_1"]),
        ],
        soname: Some("libself.so.2"),
        defines: &["S_2", "S_1"],
        runpath: Some("$ORIGIN/../lib:/opt/lib"),
        flags_1: 0x800,
        note: r#"[{"feature":"f","priority":"required","soname":["libf.so.1"]}]"#,
    }
}

#[test]
fn both_classes_and_byte_orders() {
    for (bits, big_endian) in [(64, false), (64, true), (32, false), (32, true)] {
        let object = Object::read(&mut Cursor::new(sample(bits, big_endian)));
        let object = object.unwrap().unwrap();
        let expected = Object {
            abi: Abi {
                bits,
                big_endian,
                machine: if bits == 32 { 3 } else { 62 },
            },
            interpreter: Some("/lib/ld.so".to_owned()),
            needed: vec!["libb.so.1".to_owned(), "liba.so.1".to_owned()],
            versions: [(
                "liba.so.1".to_owned(),
                vec!["A_1".to_owned(), "A_2".to_owned()],
            )]
            .into(),
            soname: Some("libself.so.2".to_owned()),
            defines: Some(vec!["S_1".to_owned(), "S_2".to_owned()]),
            rpath: None,
            runpath: Some("$ORIGIN/../lib:/opt/lib".to_owned()),
            no_default_directories: true,
            program: false,
            dlopen: vec![Dlopen {
                feature: "f".to_owned(),
                priority: crate::Priority::Required,
                soname: vec!["libf.so.1".to_owned()],
            }],
            built_in: Vec::new(),
        };
        assert_eq!(object, expected, "{bits} {big_endian}");
        let json = serde_json::to_string(&object).unwrap();
        assert_eq!(serde_json::from_str::<Object>(&json).unwrap(), object);
    }
}

#[test]
fn a_dynamic_section_that_is_not_in_the_file() {
    for (bits, big_endian) in [(64, false), (64, true), (32, false), (32, true)] {
        let sample = full(bits, big_endian);
        for (kind, flags, size, count, is_dynamic) in [
            (8, 3, 16, 1, false),
            (8, 3, 16, 16384, false),
            // A progbits or dynamic one, one of thread-local zeros, an empty one.
            (1, 3, 16, 1, true),
            (6, 3, 16, 1, true),
            (8, 0x403, 16, 1, true),
            (8, 3, 0, 1, true),
            // More than are looked at.
            (8, 3, 16, 65535, true),
        ] {
            let whole = sample.with_sections(kind, flags, size, count);
            let object = Object::read(&mut Cursor::new(&whole)).unwrap().unwrap();
            let told = format!("{bits} {big_endian} {kind} {flags:x} {size} {count}");
            assert_eq!(object.soname.is_some(), is_dynamic, "{told}");
            assert_eq!(object.needed.is_empty(), !is_dynamic, "{told}");
            // Headers that are cut off count for nothing.
            let cut = &whole[..whole.len() - 1];
            let object = Object::read(&mut Cursor::new(cut)).unwrap().unwrap();
            assert!(object.soname.is_some(), "{told}");
        }
    }
}

#[test]
fn other_files() {
    let relocatable = Sample {
        bits: 64,
        kind: 1,
        ..Sample::default()
    };
    for bytes in [&b""[..], b"\x7fEL", b"#!/bin/sh\n", &relocatable.bytes()] {
        assert_eq!(Object::read(&mut Cursor::new(bytes)).unwrap(), None);
    }
    for bytes in [
        &b"\x7fELF"[..],
        b"\x7fELF\x02\x01\x01",
        &sample(64, false)[..100],
    ] {
        assert!(Object::read(&mut Cursor::new(bytes)).is_err());
    }
}

#[test]
fn damaged_files_end_with_a_value_or_an_error() {
    for (bits, big_endian) in [(64, false), (32, true)] {
        let whole = sample(bits, big_endian);
        for length in 0..whole.len() {
            let _ = Object::read(&mut Cursor::new(&whole[..length]));
        }
        for place in 0..whole.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff, whole[place] ^ 0x10] {
                let mut damaged = whole.clone();
                damaged[place] = value;
                if let Ok(Some(object)) = Object::read(&mut Cursor::new(&damaged)) {
                    let json = serde_json::to_string(&object).unwrap();
                    assert!(json.len() < 4 * whole.len(), "{place} {value}");
                }
            }
        }
    }
}

/// Returns what is wrong with a file.
fn said(bytes: &[u8]) -> String {
    let read = Object::read(&mut Cursor::new(bytes));
    let said = read.err().map(|error| error.to_string());
    said.map_or_else(
        || "fine".to_owned(),
        |said| said.replace("not a sound ELF file: ", ""),
    )
}

#[test]
fn tables_that_repeat_themselves_are_bounded() {
    let base = || Sample {
        bits: 64,
        kind: ET_DYN,
        ..Sample::default()
    };
    let versions = |version: &'static str, count| {
        let needs: &[(&str, &[&str])] = &[("a", &vec![version; count])];
        said(&Sample { needs, ..base() }.bytes())
    };
    // The library's own name is a version, too.
    let defines = |count: usize| {
        let defines = &vec!["b"; count - 1];
        said(&Sample { defines, ..base() }.bytes())
    };
    let needed = |needed: &[&str]| said(&Sample { needed, ..base() }.bytes());
    let (long, short) = ("x".repeat(4095), "x".repeat(257));
    let text = |length: usize| needed(&[&[&*long; 256][..], &[&short[..length]]].concat());
    for (found, expected) in [
        (needed(&["a"; 8192]), "fine"),
        (needed(&["a"; 8193]), "it needs too many libraries"),
        // With that of the library.
        (versions("b", 8191), "fine"),
        (versions("b", 8192), "too many names"),
        (versions("?b", 8192), "fine"),
        (versions("?b", 8193), "too many versions"),
        (defines(8192), "fine"),
        (defines(8193), "too many versions"),
        // 256 times 4095, and 256.
        (text(256), "fine"),
        (text(257), "too many names"),
    ] {
        assert_eq!(found, expected);
    }
}

#[test]
fn parts_of_a_file_have_a_largest_length() {
    let sample = Sample {
        bits: 32,
        kind: ET_DYN,
        ..Sample::default()
    };
    let header = &sample.bytes()[..52];
    // So many program headers that say nothing.
    let headers = |count: u16| {
        let mut bytes = header.to_vec();
        bytes[44..46].copy_from_slice(&count.to_le_bytes());
        bytes.resize(52 + 32 * usize::from(count), 0);
        said(&bytes)
    };
    let dynamic = |length| {
        let mut bytes = [header, &sample.program_header(2, 84, length)].concat();
        bytes[44..46].copy_from_slice(&[1, 0]);
        bytes.resize(84 + length, 0);
        said(&bytes)
    };
    for (found, expected) in [
        (headers(2048), "fine"),
        (headers(2049), "2049 program headers"),
        (dynamic(1_048_576), "fine"),
        (dynamic(1_048_577), "the dynamic section has 1048577 bytes"),
    ] {
        assert_eq!(found, expected);
    }
    let object = |bytes: Vec<u8>| Object::read(&mut Cursor::new(bytes)).unwrap().unwrap();
    // Sixteen bytes are before the text of the note. A longer one is passed over.
    for (length, found) in [(1_048_560, 1), (1_048_561, 0)] {
        let text = r#"[{"feature":"f","priority":"required","soname":["a"]}]"#;
        let note = &format!("{text}{}", " ".repeat(length - text.len()));
        let object = object(Sample { note, ..sample }.bytes());
        assert_eq!(object.dlopen.len(), found, "{length}");
    }
    // The loader's list of directories, at the end of what is searched and one byte further.
    let list = b"\0/lib64/\0/usr/lib64/";
    for (end, found) in [(4_194_304, 2), (4_194_305, 0)] {
        let soname = Some("ld-linux.so.2");
        let mut bytes = Sample { soname, ..sample }.bytes();
        bytes.resize(end - list.len(), b'x');
        bytes.extend(list);
        assert_eq!(object(bytes).built_in.len(), found, "{end}");
    }
}

#[test]
fn directories_of_loaders() {
    for (bytes, expected) in [
        (
            &b"\0/lib64/\0/usr/lib64/\0x"[..],
            &["/lib64", "/usr/lib64"][..],
        ),
        (
            b"/proc/self/\0x\0/lib/a/\0/usr/lib/a/\0/lib/\0\0/x/\0/y/\0",
            &["/lib/a", "/usr/lib/a", "/lib"],
        ),
        (b"/lib64/\0x\0/usr/lib64/\0", &[]),
        (b"", &[]),
    ] {
        assert_eq!(directories_in(bytes), expected);
    }
}
