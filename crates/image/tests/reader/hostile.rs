//! Damaged images: an error or a value, never a panic, and soon.

use std::time::{Duration, Instant};
use std::{fs, io};

use super::*;
use image::{Content, Visit};
use judges::{Need, programs};

/// What makes a small image.
const MAKER: Need = programs!("mksquashfs", "setfattr");

/// Metadata and data as they are, so that damage reaches the parsers and not only a decoder.
const PLAIN: [&str; 5] = ["-noI", "-noD", "-noF", "-noX", "-noId"];
/// The size of `numbers`, which no other 32 bits of the image equal.
const NUMBERS_SIZE: u32 = 20_011;
/// The same of `tail`, which is in a fragment block.
const TAIL_SIZE: u32 = 1234;
/// How long one damaged image may take, in a debug build on a slow machine. Most take 1 ms.
const SOON: Duration = Duration::from_secs(5);

/// Makes a small image with one of everything that needs no privilege.
fn small_image(name: &str, options: &[&str]) -> Vec<u8> {
    let scratch = Scratch::new(name);
    let source = scratch.join("source");
    fs::create_dir_all(source.join("loop/below")).unwrap();
    fs::write(
        source.join("numbers"),
        Noise(9).bytes(NUMBERS_SIZE as usize),
    )
    .unwrap();
    fs::write(
        source.join("loop/below/tail"),
        format!("{:1$}", "only a tail", TAIL_SIZE as usize),
    )
    .unwrap();
    fs::write(source.join("loop/zeros"), [0; 9000]).unwrap();
    fs::hard_link(source.join("numbers"), source.join("other-name")).unwrap();
    std::os::unix::fs::symlink("numbers", source.join("link")).unwrap();
    for (path, value) in [("numbers", "1"), ("loop", "22"), ("loop/zeros", "22")] {
        let mut setfattr = Command::new("setfattr");
        setfattr.args(["-n", "user.a", "-v", value]);
        let set = setfattr.arg(source.join(path)).status().unwrap();
        assert!(set.success(), "{path} has no extended attributes");
    }
    let fixed = [
        "-all-time",
        "0",
        "-mkfs-time",
        "0",
        "-all-root",
        "-b",
        "4096",
    ];
    mksquashfs(&source, &scratch.join("image"), &[&fixed, options].concat())
}

/// Reads everything that there is, but no more than some megabytes of each file.
fn read_all(bytes: &[u8]) -> Result<(), ReadError> {
    let start = Instant::now();
    let result = Image::open(Bytes::new(bytes)).and_then(|mut image| {
        let mut tree = image.tree()?;
        tree.map_contents(&mut |_, id| {
            let mut content = image.content(id)?.take(4 << 20);
            let _ = io::copy(&mut content, &mut io::sink());
            Ok(id.clone())
        })
    });
    let elapsed = start.elapsed();
    assert!(elapsed < SOON, "takes {elapsed:?}: {result:?}");
    result
}

const SUPERBLOCK_SIZE: usize = 96;

/// What a superblock says.
struct Superblock {
    root_inode: u64,
    bytes_used: u64,
    inode_table: u64,
    fragment_table: u64,
}

fn superblock(bytes: &[u8]) -> Superblock {
    let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    Superblock {
        root_inode: long(32),
        bytes_used: long(40),
        inode_table: long(64),
        fragment_table: long(80),
    }
}

/// Returns where `needle` is, which has to be in one place only.
fn find(bytes: &[u8], needle: &[u8]) -> usize {
    let mut places = bytes
        .windows(needle.len())
        .enumerate()
        .filter(|(_, window)| *window == needle)
        .map(|(at, _)| at);
    let at = places.next().expect("is there");
    assert_eq!(places.next(), None, "{needle:?} is there twice");
    at
}

fn patched(bytes: &[u8], at: usize, patch: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + patch.len()].copy_from_slice(patch);
    bytes
}

#[test(MAKER)]
fn superblocks_that_are_refused() {
    let bytes = small_image("superblock", &[]);
    read_all(&bytes).unwrap();
    let huge = u64::MAX / 2;
    for (at, patch, message) in [
        (0, &b"sqsh"[..], "does not start with hsqs"),
        (12, &[0; 4], "two fields for the block size disagree"),
        (
            12,
            &[0, 8, 0, 0, 0, 0, 0, 0, 1, 0, 11, 0],
            "block size 2048 is not",
        ),
        (
            12,
            &[0, 0, 32, 0, 0, 0, 0, 0, 1, 0, 21, 0],
            "block size 2097152 is not",
        ),
        (12, &[0, 24, 0, 0], "two fields for the block size disagree"),
        (16, &[255; 4], "has no room for 4294967295 entries"),
        (20, &[2, 0], "compressor 2 (lzma) is not supported"),
        (20, &[7, 0], "compressor 7 (unknown) is not supported"),
        (22, &[13, 0], "two fields for the block size disagree"),
        (26, &[0, 0], "no id"),
        (26, &[255, 255], "id table at offset"),
        (28, &[3, 0], "version 4.0"),
        (30, &[1, 0], "version 4.0"),
        (32, &[255; 8], "block at offset"),
        (
            40,
            &huge.to_le_bytes(),
            "should have 9223372036854775807 bytes",
        ),
        (40, &96_u64.to_le_bytes(), "inode table at offset"),
        (48, &huge.to_le_bytes(), "id table at offset"),
        (56, &huge.to_le_bytes(), "xattr table at offset"),
        (
            64,
            &0_u64.to_le_bytes(),
            "inode table at offset 0 is not between",
        ),
        (64, &huge.to_le_bytes(), "inode table at offset"),
        (
            72,
            &96_u64.to_le_bytes(),
            "directory table at offset 96 is not",
        ),
        (80, &huge.to_le_bytes(), "fragment table at offset"),
        (88, &huge.to_le_bytes(), "export table at offset"),
    ] {
        let error = read_all(&patched(&bytes, at, patch)).expect_err(message);
        let told = error.to_string();
        assert!(told.contains(message), "{told:?}, not {message:?}");
    }
    let error = read_all(&bytes[..95]).expect_err("short").to_string();
    assert_eq!(error, "superblock: has 96 bytes, but the input only 95");
}

#[test(MAKER)]
fn names_and_inodes_that_are_refused() {
    let bytes = small_image("names", &PLAIN);
    read_all(&bytes).unwrap();
    let root = superblock(&bytes);
    let inodes = root.inode_table as usize + 2;
    let root_offset = root.root_inode as u16;
    let number_of_root = &bytes[inodes + usize::from(root_offset) + 12..][..4];
    let number_of_root = u32::from_le_bytes(number_of_root.try_into().unwrap());
    // The root's listing: link, loop, numbers, other-name. Its header is before the first.
    let link = find(&bytes, b"\x03\x00link");
    let directory = find(&bytes, b"\x03\x00loop") + 2;
    let base = u32::from_le_bytes(bytes[link - 6 - 4..link - 6].try_into().unwrap());
    let delta = (number_of_root as i32 - base as i32) as i16;
    let mut to_root = root_offset.to_le_bytes().to_vec();
    to_root.extend(delta.to_le_bytes());
    // An extended inode, since it has two names: its size has 64 bits.
    let size = find(&bytes, &NUMBERS_SIZE.to_le_bytes());
    let tail = find(&bytes, &TAIL_SIZE.to_le_bytes());
    let exabytes = (u64::from(NUMBERS_SIZE) | 1 << 62).to_le_bytes();

    for (at, patch, message) in [
        (directory, &b"lo/p"[..], r#""lo/p" has a slash"#),
        (directory, b"lo\0p", "has a NUL"),
        (directory, b"l\xff/p", r#""l\xff/p" has a slash"#),
        (directory, b"aaaa", r#""aaaa" comes after "link""#),
        (directory, b"link", r#""link" comes after "link""#),
        // A directory that contains the root.
        (
            directory - 8,
            &to_root,
            "is a directory that has a name already",
        ),
        // A directory that says it is a file.
        (
            directory - 4,
            &[2],
            "is of type 2 here and of type 1 in its inode",
        ),
        (directory - 6, &[99, 0], "in its inode"),
        // Names and runs longer than they can be.
        (directory - 2, &[0, 1], "a name has 257 bytes"),
        (directory - 2, &[255, 0], "of a listing that has only"),
        (link - 6 - 12, &[0, 1], "for more than 256 entries"),
        (link - 6 - 12, &[255; 4], "for more than 256 entries"),
        // A file of four exabytes, with a tail like before: its block list would go on for
        // terabytes, but ends where the next inode starts to make no sense.
        (size, &exabytes, "inode table, byte"),
        // A tail that starts where the fragment block ends, and one in a block that is not there.
        (tail - 4, &[0, 16], "at position 4096 of fragment 0"),
        (tail - 8, &[1], "of fragment 1"),
        (tail, &[0, 16], "a file of 4096 bytes has no tail"),
    ] {
        let error = read_all(&patched(&bytes, at, patch)).expect_err(message);
        let told = error.to_string();
        assert!(told.contains(message), "{told:?}, not {message:?}");
    }
}

#[test(MAKER)]
fn every_byte_damaged() {
    for (name, options) in [
        ("plain", &PLAIN[..]),
        ("gzip", &["-comp", "gzip"]),
        ("xz", &["-comp", "xz"]),
        ("lz4", &["-comp", "lz4"]),
        ("zstd", &["-comp", "zstd"]),
    ] {
        let bytes = small_image(&format!("every-{name}"), options);
        let mut bytes = bytes;
        let root = superblock(&bytes);
        let metadata = root.inode_table as usize..root.bytes_used as usize;
        let mut refused = 0;
        for at in (0..SUPERBLOCK_SIZE).chain(metadata) {
            for change in [0xff, 0x01, 0x80] {
                bytes[at] ^= change;
                refused += usize::from(read_all(&bytes).is_err());
                bytes[at] ^= change;
            }
        }
        // Times, modes, and what a reader needs not believe are free to change.
        assert!(refused > 200, "{name}: only {refused} refused");
        read_all(&bytes).unwrap();
    }
}

#[test(MAKER)]
fn random_damage() {
    for (name, options, rounds) in [
        ("plain", &PLAIN[..], 20_000),
        ("gzip", &["-comp", "gzip"], 3000),
        ("zstd", &["-comp", "zstd"], 3000),
    ] {
        let bytes = small_image(&format!("random-{name}"), options);
        let root = superblock(&bytes);
        let start = root.inode_table as usize;
        let length = root.bytes_used as usize - start;
        let mut noise = Noise(0x5eed);
        let mut refused = 0;
        for _ in 0..rounds {
            let mut damaged = bytes.clone();
            for _ in 0..=noise.below(3) {
                // The superblock is small, and most of the parser's work hangs on it.
                let at = match noise.below(8) {
                    0 => noise.below(SUPERBLOCK_SIZE),
                    _ => start + noise.below(length),
                };
                match noise.below(4) {
                    0 => damaged[at] = noise.next() as u8,
                    1 => damaged[at] ^= 1 << noise.below(8),
                    2 => damaged[at] = [0, 1, 0x7f, 0x80, 0xff][noise.below(5)],
                    // A field copied from elsewhere is plausible where it does not belong.
                    _ => {
                        let width = 1 << noise.below(4);
                        let from = start + noise.below(length);
                        for byte in 0..width {
                            if from + byte < damaged.len() && at + byte < damaged.len() {
                                damaged[at + byte] = bytes[from + byte];
                            }
                        }
                    }
                }
            }
            refused += usize::from(read_all(&damaged).is_err());
        }
        assert!(refused > rounds / 4, "{name}: only {refused} refused");
    }
}

#[test(MAKER)]
fn cut_off_anywhere() {
    for (name, options) in [("plain", &PLAIN[..]), ("zstd", &["-comp", "zstd"])] {
        let bytes = small_image(&format!("cut-{name}"), options);
        let used = superblock(&bytes).bytes_used as usize;
        read_all(&bytes[..used]).unwrap();
        for length in 0..used {
            read_all(&bytes[..length]).expect_err("says that it is longer");
        }
        // The same with a superblock that agrees; the tail of the xattr table may be missing
        // without harm if no inode needs it.
        let mut refused = 0;
        for length in SUPERBLOCK_SIZE..used {
            let mut cut = bytes[..length].to_vec();
            cut[40..48].copy_from_slice(&(length as u64).to_le_bytes());
            refused += usize::from(read_all(&cut).is_err());
        }
        assert_eq!(refused, used - SUPERBLOCK_SIZE, "{name}");
    }
}

#[test(MAKER)]
fn damaged_contents_are_told_to_the_reader() {
    let bytes = small_image("contents", &["-comp", "zstd", "-noD", "-noF"]);
    let numbers = Noise(9).bytes(NUMBERS_SIZE as usize);
    let tail = find(&bytes, b"only a tail");
    assert!(find(&bytes, &numbers[..64]) < tail);
    let id_of = |image: &mut Image<Bytes<&[u8]>>, path: &str| {
        let tree = image.tree().unwrap();
        match tree.get(path) {
            Some(Visit::Leaf(_, leaf)) => match &leaf.content {
                Content::File { id, .. } => id.clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    // What the fragment block says is stored compressed from here on, and it is not.
    let entry = superblock(&bytes).fragment_table as usize;
    let table = u64::from_le_bytes(bytes[entry..entry + 8].try_into().unwrap()) as usize;
    assert_eq!(
        bytes[table + 1] & 0x80,
        0x80,
        "the table is stored as it is"
    );
    let damaged = patched(&bytes, table + 2 + 8 + 3, &[0]);
    let mut image = Image::open(Bytes::new(&damaged[..])).unwrap();
    let id = id_of(&mut image, "loop/below/tail");
    let mut content = image.content(&id).unwrap();
    for _ in 0..2 {
        let error = content.read(&mut [0; 16]).expect_err("not zstd");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("zstd: "), "{error}");
    }
}
