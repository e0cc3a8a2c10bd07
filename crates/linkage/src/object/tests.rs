//! What is read of files that are made here, and of the same files damaged.

mod sample;

use std::io::Cursor;

use self::sample::Sample;
use super::*;

fn sample(bits: u8, big_endian: bool) -> Vec<u8> {
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
    .bytes()
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

#[test]
fn tables_that_repeat_themselves_are_bounded() {
    let versions: &[&str] = &["A_1"; 64];
    let needs: Vec<(&str, &[&str])> = vec![("liba.so.1", versions); 200];
    let bytes = Sample {
        bits: 64,
        kind: ET_DYN,
        needs: &needs,
        ..Sample::default()
    }
    .bytes();
    let error = Object::read(&mut Cursor::new(bytes)).unwrap_err();
    assert!(error.to_string().contains("too many"), "{error}");
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
