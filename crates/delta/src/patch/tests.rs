//! Two images, the patch between them, and what becomes of it.

use std::io::Cursor;

use image::squashfs::{Options, Packer, Workers};
use image::{Content, ContentId, Leaf, Stat, Tree};

use super::*;
use crate::index::Index;

/// Bytes that hardly shrink, by a seed.
fn noise(mut seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        bytes.extend(seed.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Bytes that shrink to a half or so, as programs do.
fn code(seed: u64, length: usize) -> Vec<u8> {
    let random = noise(seed, length / 8 + 8);
    let words = random
        .iter()
        .flat_map(|byte| [*byte, 0x48, 0x8b, *byte & 7, 0, 0x24, 0xe8, 0]);
    words.take(length).collect()
}

/// Makes an image of files.
fn image(files: &[(&str, Vec<u8>)], way: (&str, u32)) -> Vec<u8> {
    let options = Options {
        compressor: way.0.parse().unwrap(),
        block_size: way.1,
        workers: Workers::new(1),
        mkfs_time: 1,
    };
    let directory = Stat::implicit_directory(1);
    let mut tree = Tree::new(directory.clone());
    let mut packer = Packer::new(Cursor::new(Vec::new()), &options).unwrap();
    for (path, bytes) in files {
        let id = ContentId::new(*path);
        let size = bytes.len() as u64;
        let leaf = Leaf {
            stat: Stat::default(),
            content: Content::File {
                size,
                id: id.clone(),
            },
        };
        tree.insert_leaf(*path, leaf, &directory).unwrap();
        packer.add(&id, size, &mut &bytes[..]).unwrap();
    }
    packer.finish(&tree).unwrap().0.into_inner()
}

/// A library, and small files around it.
fn files(library: Vec<u8>) -> Vec<(&'static str, Vec<u8>)> {
    let names = ["usr/a", "usr/b", "usr/c", "usr/d", "usr/e", "usr/f"];
    let mut files: Vec<_> = (1..)
        .zip(names)
        .map(|(seed, name)| (name, code(seed, 9000)))
        .collect();
    files.insert(3, ("usr/lib/lib.so", library));
    files.push(("usr/lib/other.so", code(99, 400_000)));
    files
}

fn apply(patch: &[u8], old: &[u8]) -> Result<Vec<u8>, PatchError> {
    let mut new = Vec::new();
    let patch = Patch::parse(patch)?;
    patch.apply(&mut Cursor::new(old), &mut new, &|_| ())?;
    assert_eq!(new.len() as u64, patch.length());
    Ok(new)
}

fn made(old: &[u8], new: &[u8]) -> Vec<u8> {
    make(&mut Cursor::new(old), &mut Cursor::new(new))
        .unwrap()
        .bytes
}

#[test]
fn what_changed_is_what_a_patch_has() {
    let library = code(7, 700_000);
    let mut changed = library.clone();
    changed[300_000..300_008].copy_from_slice(b"anything");
    changed.splice(500_000..500_000, *b"more");
    let mut small = files(library.clone());
    small[0].1[100] ^= 1;
    small.remove(2);
    let grown = [files(library.clone()), vec![("usr/z", code(50, 70_000))]].concat();
    for way in [
        ("zstd:6", 1 << 20),
        ("zstd:6", 1 << 17),
        ("zstd:15", 1 << 12),
        ("gzip", 1 << 17),
        ("xz", 1 << 17),
        ("lz4", 1 << 17),
    ] {
        let old = image(&files(library.clone()), way);
        for (what, files, most) in [
            ("nothing", files(library.clone()), 300),
            ("a few bytes of a library", files(changed.clone()), 3000),
            ("a small file, and one less", small.clone(), 3000),
            ("another file", grown.clone(), 20_000),
        ] {
            let new = image(&files, way);
            let patch = made(&old, &new);
            let row = format!("{way:?} {what}: {} of {}", patch.len(), new.len());
            assert!(apply(&patch, &old).unwrap() == new, "{row}");
            assert!(patch == made(&old, &new), "{row}: it is another each time");
            assert!(patch.len() < most, "{row}");
            let read = Patch::parse(&patch).unwrap();
            assert_eq!(
                read.new_image(),
                Index::of(&mut &new[..], new.len() as u64, &[])
                    .unwrap()
                    .sha256()
            );
            assert_eq!(
                read.old(),
                Index::of(&mut &old[..], old.len() as u64, &[])
                    .unwrap()
                    .sha256()
            );
        }
    }
}

/// What is not packed again to the same bytes is in the patch as it is.
#[test]
fn images_of_other_packers_are_patched_by_their_bytes() {
    let library = code(7, 700_000);
    let changed = [&library[..300_000], b"more", &library[300_000..]].concat();
    // An image does not say its level of xz.
    let way = ("xz:1", 1 << 17);
    let (old, new) = (
        image(&files(library.clone()), way),
        image(&files(changed), way),
    );
    let patch = made(&old, &new);
    assert!(apply(&patch, &old).unwrap() == new);
    // Nor what another compressor made.
    let old = image(&files(library), ("gzip", 1 << 17));
    let patch = made(&old, &new);
    assert!(apply(&patch, &old).unwrap() == new);
}

/// Contents are more than fit into a segment, or a prefix.
#[test]
fn large_images_are_patched_in_segments() {
    let way = ("lz4", 1 << 16);
    let big: Vec<_> = (0..5).map(|seed| noise(seed + 1, 500_000)).collect();
    let names = ["usr/1", "usr/2", "usr/3", "usr/4", "usr/5"];
    let of = |change: &dyn Fn(&mut Vec<u8>)| {
        let files = names.iter().zip(&big).map(|(name, bytes)| {
            let mut bytes = bytes.clone();
            change(&mut bytes);
            (*name, bytes)
        });
        image(&files.collect::<Vec<_>>(), way)
    };
    let old = of(&|_| ());
    let new = of(&|bytes| drop(bytes.splice(10..10, *b"a few bytes")));
    let in_parts = |prefix| {
        make::make_in_parts(&mut Cursor::new(&old), &mut Cursor::new(&new), prefix)
            .unwrap()
            .bytes
    };
    for prefix in [1 << 20, 600_000] {
        let patch = in_parts(prefix);
        assert!(apply(&patch, &old).unwrap() == new);
        let of_all = patch.len() * 100 / new.len();
        assert!(of_all < 2, "{prefix}: {} of {}", patch.len(), new.len());
        assert!(patch.len() > in_parts(MAX_CONTENTS).len());
    }
}

#[test]
fn damaged_and_hostile_patches() {
    let library = code(7, 90_000);
    let mut changed = library.clone();
    changed[40_000] ^= 1;
    let way = ("zstd:6", 1 << 17);
    let (old, new) = (image(&files(library), way), image(&files(changed), way));
    let patch = made(&old, &new);
    for length in 0..patch.len() {
        assert!(apply(&patch[..length], &old).is_err(), "{length}");
    }
    let mut seed = 1;
    for at in 0..patch.len() {
        let mut damaged = patch.clone();
        damaged[at] ^= 1 << (at % 8);
        // It may be of no consequence, or make other bytes.
        drop(apply(&damaged, &old));
        seed += 1;
        let count = damaged.len().min(at + 8) - at;
        damaged[at..at + count].copy_from_slice(&noise(seed, 8)[..count]);
        drop(apply(&damaged, &old));
    }
    let other = [&old[..], b"x"].concat();
    for (bytes, old, expected) in [
        (&patch[..7], &old, "does not begin with PATCH-01"),
        (b"BLOCKS-1", &old, "does not begin with PATCH-01"),
        (&patch[..100], &old, "is damaged: its header is cut off"),
        (
            &patch,
            &other,
            "does not fit the older image: it has another length",
        ),
        (
            &patch[..HEADER],
            &old,
            "is damaged: it ends before the image does",
        ),
    ] {
        let said = apply(bytes, old).unwrap_err().to_string();
        assert!(said.starts_with(expected), "{said}");
    }
    for (at, bytes, expected) in [
        (
            88,
            &2_u32.to_le_bytes()[..],
            "is for version 2 of the packer",
        ),
        (
            92,
            &3_u32.to_le_bytes(),
            "is damaged: no block has such a size",
        ),
        (96, b"nosuch", "is damaged: it names no compressor"),
        (112, &[0xff; 4], "is damaged: a segment is cut off"),
    ] {
        let mut damaged = patch.clone();
        damaged[at..at + bytes.len()].copy_from_slice(bytes);
        let said = apply(&damaged, &old).unwrap_err().to_string();
        assert!(said.starts_with(expected), "{said}");
    }
}

/// A segment of these parts, with frames that say what they unpack to.
fn segment(plan: &[u8], contents: &[u8]) -> Vec<u8> {
    let frame = |bytes: &[u8]| {
        let mut packed = vec![0; zstd_safe::compress_bound(bytes.len())];
        let length = zstd_safe::compress(&mut packed[..], bytes, 1).unwrap();
        packed.truncate(length);
        packed
    };
    let frames = [frame(plan), frame(contents)];
    let lengths = frames
        .iter()
        .flat_map(|frame| (frame.len() as u32).to_le_bytes());
    lengths.chain(frames.concat()).collect()
}

#[test]
fn plans_that_want_more_than_they_may() {
    let way = ("zstd:6", 1 << 17);
    let old = image(&files(code(7, 90_000)), way);
    let head = made(&old, &old)[..HEADER].to_vec();
    let end = old.len() as u64;
    let copy = |offset: u64, length: u64| {
        let mut step = vec![COPY];
        step.extend(offset.to_le_bytes());
        step.extend(length.to_le_bytes());
        step
    };
    let plan = |sources: &[(u64, u32, u8)], steps: Vec<u8>| {
        let mut plan = (sources.len() as u32).to_le_bytes().to_vec();
        for (offset, length, kind) in sources {
            plan.extend(offset.to_le_bytes());
            plan.extend(length.to_le_bytes());
            plan.push(*kind);
        }
        plan.extend(steps);
        plan
    };
    let pack = |kind: u8, length: u32| {
        let mut step = vec![kind];
        step.extend(length.to_le_bytes());
        step
    };
    for (plan, contents, expected) in [
        (plan(&[], copy(0, end)), &b""[..], ""),
        (
            plan(&[], copy(1, end)),
            b"",
            "it wants bytes behind the older image",
        ),
        (
            plan(&[], copy(u64::MAX, 2)),
            b"",
            "it wants bytes behind the older image",
        ),
        (
            plan(&[], [copy(0, end), copy(0, 1)].concat()),
            b"",
            "it makes more than the image has",
        ),
        (
            plan(&[], pack(2, 3)),
            b"abc",
            "it ends before the image does",
        ),
        (
            plan(&[], pack(2, 3)),
            b"ab",
            "a step wants more than there is",
        ),
        (plan(&[], copy(0, 0)), b"", "a step makes nothing"),
        (plan(&[], pack(2, 0)), b"", "a step makes nothing"),
        (plan(&[], Vec::new()), b"", "a segment makes nothing"),
        (plan(&[], pack(2, 1)), b"ab", "no step wants all contents"),
        (plan(&[], pack(4, 1)), b"a", "no step has such a number"),
        (plan(&[], pack(3, 9000)), &[0; 9000], "no block is as long"),
        (
            plan(&[(0, u32::MAX, 2)], Vec::new()),
            b"",
            "no block is as long",
        ),
        (
            plan(&[(0, 1, 0)], Vec::new()),
            b"",
            "no block is of such a kind",
        ),
        (
            plan(&[(0, 1, 9)], Vec::new()),
            b"",
            "no block is of such a kind",
        ),
        (
            plan(&[(end, 1, 2)], Vec::new()),
            b"",
            "it wants bytes behind the older image",
        ),
        (
            plan(&vec![(0, 1 << 12, 2); MAX_CONTENTS >> 11], Vec::new()),
            b"",
            "a prefix is too long",
        ),
        (vec![9, 0, 0, 0], b"", "a plan is cut off"),
        (plan(&[], vec![0; 4]), b"", "a step is cut off"),
        (vec![0; MAX_PLAN + 1], b"", "a plan"),
        (
            plan(&[], Vec::new()),
            &vec![0; MAX_CONTENTS + 1],
            "contents",
        ),
    ] {
        let patch = [&head[..], &segment(&plan, contents)].concat();
        let said = apply(&patch, &old).err().map(|error| error.to_string());
        let expected = (!expected.is_empty()).then(|| format!("is damaged: {expected}"));
        assert_eq!(said, expected);
    }
}
