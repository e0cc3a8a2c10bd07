//! The writer against readers by other hands, and its failures.
#![allow(
    clippy::disallowed_methods,
    reason = "a test reads what it made itself"
)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[macro_use]
extern crate judges;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use image::dump::dump;
use image::squashfs::{Compressor, Error, Image, Options, Packer, Summary, Workers};
use image::{Content, ContentId, Leaf, Special, Stat, Tree, Visit};
use sha2::{Digest, Sha256};

/// A tree, and its contents in the order in which they are packed.
struct Sample {
    tree: Tree,
    contents: Vec<(ContentId, Vec<u8>)>,
}

impl Sample {
    fn new() -> Self {
        Self {
            tree: Tree::new(Stat::implicit_directory(1)),
            contents: Vec::new(),
        }
    }

    fn file(&mut self, path: impl AsRef<[u8]>, stat: Stat, bytes: Vec<u8>) {
        let id = ContentId::new(format!("sha256:{}", hex(&bytes)));
        let content = Content::File {
            size: bytes.len() as u64,
            id: id.clone(),
        };
        self.leaf(path, stat, content);
        if !self.contents.iter().any(|(known, _)| *known == id) {
            self.contents.push((id, bytes));
        }
    }

    fn leaf(&mut self, path: impl AsRef<[u8]>, stat: Stat, content: Content) {
        self.tree
            .insert_leaf(path, Leaf { stat, content }, &Stat::implicit_directory(2))
            .unwrap();
    }

    fn link(&mut self, path: &str, to: &str) {
        let Some(Visit::Leaf(id, _)) = self.tree.get(to) else {
            panic!("{to} is not a leaf");
        };
        self.tree
            .link(path, id, &Stat::implicit_directory(2))
            .unwrap();
    }

    fn pack(&self, compressor: &str, block_size: u32, workers: usize) -> (Vec<u8>, Summary) {
        self.pack_as(&options(compressor, block_size, workers))
    }

    fn pack_as(&self, options: &Options) -> (Vec<u8>, Summary) {
        let mut packer = Packer::new(Cursor::new(Vec::new()), options).unwrap();
        for (id, bytes) in &self.contents {
            assert!(!packer.contains(id));
            packer
                .add(id, bytes.len() as u64, &mut bytes.as_slice())
                .unwrap();
            assert!(packer.contains(id));
        }
        let (out, summary) = packer.finish(&self.tree).unwrap();
        (out.into_inner(), summary)
    }

    /// Returns the bytes of each file by its path.
    fn files(&self) -> BTreeMap<String, &[u8]> {
        let by_id: BTreeMap<_, _> = (self.contents.iter())
            .map(|(id, bytes)| (id.clone(), bytes.as_slice()))
            .collect();
        let mut files = BTreeMap::new();
        self.tree.walk(&mut |path, visit| {
            if let Visit::Leaf(_, leaf) = visit
                && let Content::File { id, .. } = &leaf.content
            {
                files.insert(path.to_string(), by_id[id]);
            }
        });
        files
    }
}

fn options(compressor: &str, block_size: u32, workers: usize) -> Options {
    Options {
        compressor: compressor.parse().unwrap(),
        block_size,
        workers: Workers::new(workers),
        mkfs_time: 1_700_000_000,
    }
}

fn stat(mode: u16, uid: u32, gid: u32, xattrs: &[(&str, &[u8])]) -> Stat {
    Stat {
        mode,
        uid,
        gid,
        mtime: 1_600_000_000,
        xattrs: xattrs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.to_vec()))
            .collect::<BTreeMap<_, _>>()
            .into(),
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Returns bytes that no compressor makes fewer (xorshift).
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(length.div_ceil(8))
    .flatten()
    .collect();
    bytes.truncate(length);
    bytes
}

fn prose(length: usize, seed: usize) -> Vec<u8> {
    (seed..)
        .flat_map(|n| format!("{n} bottles, ").into_bytes())
        .take(length)
        .collect()
}

/// Everything that has its own way through the writer, for blocks of `block` bytes.
fn torture(block: usize) -> Sample {
    let mut sample = Sample::new();
    let plain = || stat(0o644, 0, 0, &[]);
    for (n, (name, bytes)) in [
        ("empty", Vec::new()),
        ("one-byte", b"x".to_vec()),
        ("one-less", prose(block - 1, 1)),
        ("one-block", prose(block, 2)),
        ("one-more", prose(block + 1, 3)),
        ("three-blocks", prose(3 * block, 4)),
        ("noise", noise(2 * block + 77, 5)),
        ("noise-small", noise(block / 2, 6)),
        ("hole-all", vec![0; 3 * block]),
        (
            "hole-tail",
            [prose(block, 7), vec![0; 2 * block + 5]].concat(),
        ),
        (
            "hole-mid",
            [vec![0; block], noise(block, 8), vec![0; block], prose(9, 9)].concat(),
        ),
        ("zeros-small", vec![0; block - 5]),
        ("one-byte-again", b"x".to_vec()),
    ]
    .into_iter()
    .enumerate()
    {
        sample.file(format!("usr/sizes/{n:02}-{name}"), plain(), bytes);
    }
    let label: (&str, &[u8]) = ("security.selinux", b"system_u:object_r:bin_t:s0\0");
    let capability: (&str, &[u8]) = (
        "security.capability",
        b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    );
    for (name, stat) in [
        ("suid", stat(0o4755, 0, 0, &[label])),
        ("sgid", stat(0o2711, 0, 1000, &[label])),
        ("none", stat(0, 65_534, 65_534, &[])),
        ("sticky", stat(0o1777, 4_000_000_000, 7, &[])),
        ("capable", stat(0o755, 0, 0, &[label, capability])),
        ("big", stat(0o755, 0, 0, &[("user.big", &[b'v'; 20_000])])),
        ("trusted", stat(0o755, 0, 0, &[("trusted.t", b"")])),
    ] {
        sample.file(format!("usr/bin/{name}"), stat, prose(5000, name.len()));
    }
    sample.link("usr/bin/suid-too", "usr/bin/suid");
    sample.link("opt/far/away/suid", "usr/bin/suid");
    for (path, target, stat) in [
        ("usr/lib64", "lib", stat(0o777, 0, 0, &[])),
        ("usr/labelled", "../x", stat(0o777, 0, 0, &[label])),
    ] {
        sample.leaf(path, stat, Content::Symlink(target.into()));
    }
    sample.link("usr/also-lib64", "usr/lib64");
    for n in 0..3000 {
        let name = format!("usr/many/{}-{n:04}", "long".repeat(12));
        sample.file(&name, plain(), format!("{}", n % 50).into_bytes());
    }
    let deep = vec!["d"; 100].join("/");
    sample.file(format!("{deep}/grüße ☃"), plain(), prose(17, 17));
    sample
}

const COMPRESSORS: [&str; 6] = ["gzip", "gzip:6", "xz:1", "lz4", "zstd:15", "zstd:1"];

#[test]
fn the_number_of_workers_is_not_in_the_bytes() {
    for (block_size, compressors) in [
        (4096, &COMPRESSORS[..]),
        (131_072, &["gzip:1", "lz4", "zstd:3"]),
        (1_048_576, &["lz4"]),
    ] {
        let sample = torture(block_size as usize);
        for compressor in compressors {
            let (serial, summary) = sample.pack(compressor, block_size, 1);
            assert_eq!(summary.bytes, serial.len() as u64);
            for workers in [2, 3, 8] {
                let (bytes, same) = sample.pack(compressor, block_size, workers);
                let what = format!("{compressor} {block_size} {workers}");
                assert!(bytes == serial, "{what}");
                assert_eq!(same, summary, "{what}");
            }
        }
    }
}

/// Packers that use the same threads at the same time, each in its own way, while others are dropped.
#[test]
fn packers_share_workers() {
    let sample = torture(4096);
    let ways = [
        ("gzip:1", 4096),
        ("lz4", 65536),
        ("zstd:3", 4096),
        ("lz4", 131_072),
    ];
    let expected = ways.map(|(compressor, block_size)| sample.pack(compressor, block_size, 1));
    let workers = Workers::new(3).shared_by(ways.len() + 1);
    let of = |compressor: &str, block_size| Options {
        workers: workers.clone(),
        ..options(compressor, block_size, 1)
    };
    std::thread::scope(|scope| {
        for ((compressor, block_size), expected) in ways.iter().zip(&expected) {
            let (options, sample) = (of(compressor, *block_size), &sample);
            scope.spawn(move || {
                for _ in 0..2 {
                    assert!(
                        sample.pack_as(&options) == *expected,
                        "{compressor} {block_size}"
                    );
                }
            });
        }
        for _ in 0..5 {
            let out = Cursor::new(Vec::new());
            let mut packer = Packer::new(out, &of("gzip:9", 4096)).unwrap();
            for (id, bytes) in sample.contents.iter().take(10) {
                packer
                    .add(id, bytes.len() as u64, &mut bytes.as_slice())
                    .unwrap();
            }
        }
    });
}

#[test]
fn what_the_summary_counts() {
    let mut sample = Sample::new();
    sample.file("a", Stat::default(), prose(3 * 4096 + 1, 0));
    sample.file("b", Stat::default(), noise(4096, 1));
    sample.file("c", Stat::default(), vec![0; 8192]);
    sample.file("d", Stat::default(), noise(3000, 2));
    sample.file("e", Stat::default(), prose(3000, 3));
    sample.file("f", Stat::default(), prose(3000, 3));
    let (bytes, summary) = sample.pack("gzip", 4096, 1);
    assert_eq!(
        summary,
        Summary {
            bytes: bytes.len() as u64,
            inodes: 7,
            data_in: 12_289 + 4096 + 8192 + 3000 + 3000,
            data_out: summary.data_out,
            blocks: 5,
            holes: 2,
            fragments: 2,
            raw_blocks: 3, // the lone byte and the noise
        }
    );
}

/// Names every kind of thing in the superblock that depends on what is in the tree.
#[test]
fn flags_and_options_of_the_superblock() {
    let plain = Sample::new();
    let mut labelled = Sample::new();
    labelled.file("a", stat(0o644, 0, 0, &[("user.a", b"")]), Vec::new());
    // As mksquashfs 4.5 writes them: duplicates 0x40, no xattrs 0x200, options 0x400.
    for (sample, compressor, number, flags, stored) in [
        (&plain, "gzip:9", 1, 0x240, &b""[..]),
        (&labelled, "gzip:9", 1, 0x040, b""),
        (&plain, "gzip:6", 1, 0x640, b"\x08\x80\x06\0\0\0\x0f\0\0\0"),
        (&plain, "xz:6", 4, 0x240, b""),
        (&plain, "lz4", 5, 0x640, b"\x08\x80\x01\0\0\0\0\0\0\0"),
        (&plain, "zstd:15", 6, 0x240, b""),
        (&plain, "zstd:3", 6, 0x640, b"\x04\x80\x03\0\0\0"),
    ] {
        let (bytes, _) = sample.pack(compressor, 131_072, 1);
        assert_eq!(bytes[20..22], u16::to_le_bytes(number), "{compressor}");
        assert_eq!(bytes[24..26], u16::to_le_bytes(flags), "{compressor}");
        assert!(bytes[96..].starts_with(stored), "{compressor}");
        assert_eq!(bytes.len(), 4096);
    }
}

/// Changing any of these bytes changes every image that users have; if this is intentional,
/// update the pinned value.
#[test]
fn pinned_images() {
    let mut sample = Sample::new();
    sample.file("usr/bin/a", stat(0o755, 0, 0, &[]), prose(10_000, 1));
    sample.file(
        "usr/bin/b",
        stat(0o4755, 0, 5, &[("user.b", b"c")]),
        noise(700, 2),
    );
    sample.link("usr/c", "usr/bin/a");
    sample.leaf(
        "usr/l",
        stat(0o777, 0, 0, &[]),
        Content::Symlink("c".into()),
    );
    for (compressor, digest) in [
        (
            "lz4",
            "140e54228d65001d4a4cf287621ce5d2b7212bb2427f063e69e6415987a2bcda",
        ),
        (
            "zstd:15",
            "6270ba5168197d40720bfb68e6b732b79e525ab29a55cc52b1ca221bd007758f",
        ),
    ] {
        assert_eq!(
            hex(&sample.pack(compressor, 4096, 1).0),
            digest,
            "{compressor}"
        );
    }
}

#[test]
fn backhand_reads_the_same_contents() {
    for compressor in COMPRESSORS {
        let sample = torture(4096);
        let (bytes, _) = sample.pack(compressor, 4096, 2);
        let reader = backhand::FilesystemReader::from_reader(Cursor::new(bytes)).unwrap();
        let mut seen = BTreeMap::new();
        for node in reader.files() {
            if let backhand::InnerNode::File(file) = &node.inner {
                let mut content = Vec::new();
                reader
                    .file(file)
                    .reader()
                    .read_to_end(&mut content)
                    .unwrap();
                let path = node.fullpath.to_str().unwrap().trim_start_matches('/');
                seen.insert(path.to_owned(), content);
            }
        }
        let seen: BTreeMap<_, _> = (seen.iter())
            .map(|(path, bytes)| (path.clone(), bytes.as_slice()))
            .collect();
        assert!(seen == sample.files(), "{compressor}");
    }
}

#[test(program("unsquashfs"))]
fn unsquashfs_reads_the_same_tree() {
    for (compressor, block_size) in [
        ("gzip", 4096),
        ("xz:1", 8192),
        ("lz4", 1_048_576),
        ("zstd:3", 131_072),
    ] {
        let sample = torture(block_size as usize);
        let (bytes, _) = sample.pack(compressor, block_size, 2);
        let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("packer-{compressor}"));
        let _ = std::fs::remove_dir_all(&scratch);
        std::fs::create_dir_all(&scratch).unwrap();
        let image = scratch.join("image");
        std::fs::write(&image, bytes).unwrap();
        let listing = unsquashfs(&["-lln", "-d", ""], &image);
        assert_eq!(listing_of(&sample), listed(&listing), "{compressor}");
        let out = scratch.join("out");
        unsquashfs(
            &["-no-xattrs", "-q", "-n", "-d", out.to_str().unwrap()],
            &image,
        );
        for (path, content) in sample.files() {
            assert!(
                std::fs::read(out.join(&path)).unwrap() == content,
                "{compressor} {path}"
            );
        }
        std::fs::remove_dir_all(&scratch).unwrap();
    }
}

#[test(program("unsquashfs"))]
fn names_and_targets_are_any_bytes() {
    // In the order that a directory has them.
    let names = [&b"caf\xc3\xa9"[..], b"caf\xe9", b"d\xff", b"l\xfe"];
    let path = |name: &[u8]| [b"usr/\x80/", name].concat();
    let plain = || stat(0o644, 0, 0, &[]);
    let mut sample = Sample::new();
    sample.file([&*path(names[2]), b"/x"].concat(), plain(), prose(5, 5));
    let link = Content::Symlink(b"d\xff/x".as_slice().into());
    sample.leaf(path(names[3]), plain(), link);
    for name in [names[1], names[0]] {
        sample.file(path(name), plain(), prose(5, 5));
    }
    let (bytes, _) = sample.pack("gzip", 131_072, 1);
    let mut image = Image::open(Cursor::new(&bytes)).unwrap();
    let mut tree = image.tree().unwrap();
    let renamed = tree.map_contents(&mut |_, _| Ok::<_, ()>(sample.contents[0].0.clone()));
    assert_eq!(renamed, Ok(()));
    assert_eq!(dump(&tree), dump(&sample.tree));

    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packer-names");
    let _ = std::fs::remove_dir_all(&scratch);
    std::fs::create_dir_all(&scratch).unwrap();
    let image = scratch.join("image");
    std::fs::write(&image, bytes).unwrap();
    let out = scratch.join("out");
    unsquashfs(&["-q", "-n", "-d", out.to_str().unwrap()], &image);
    let usr = out.join("usr").join(OsStr::from_bytes(b"\x80"));
    let mut found: Vec<_> = (std::fs::read_dir(&usr).unwrap())
        .map(|entry| entry.unwrap().file_name().into_encoded_bytes())
        .collect();
    found.sort();
    assert_eq!(found, names);
    let link = usr.join(OsStr::from_bytes(names[3]));
    let target = std::fs::read_link(&link).unwrap();
    assert_eq!(target.as_os_str().as_bytes(), b"d\xff/x");
    assert!(link.metadata().unwrap().is_file());
    std::fs::remove_dir_all(&scratch).unwrap();
}

/// Kinds of inode and sets of attributes that file systems can hold too: ext4 has 4 KiB for each.
#[test(root(), programs!("unsquashfs", "getfattr"))]
fn unsquashfs_reads_the_same_attributes() {
    let label: (&str, &[u8]) = ("security.selinux", b"system_u:object_r:bin_t:s0\0");
    let capability: (&str, &[u8]) = (
        "security.capability",
        b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    );
    let mut sample = Sample::new();
    for (path, stat) in [
        ("usr/a", stat(0o755, 0, 0, &[label])),
        ("usr/b", stat(0o755, 0, 0, &[label, capability])),
        (
            "usr/c",
            stat(0o644, 0, 0, &[("trusted.t", b""), ("user.x", b"\0")]),
        ),
        ("usr/d", stat(0o644, 0, 0, &[])),
        (
            "usr/e",
            stat(0o644, 0, 0, &[("user.long", &[b'v'; 3000]), label]),
        ),
    ] {
        sample.file(path, stat, prose(5000, path.len()));
    }
    sample.link("usr/a-too", "usr/a");
    let target = Content::Symlink("a".into());
    sample.leaf("usr/l", stat(0o777, 0, 0, &[label]), target);
    let directory = stat(0o700, 0, 0, &[label, ("user.dir", b"yes")]);
    sample
        .tree
        .insert_directory("usr/directory", directory, &Stat::default())
        .unwrap();

    for compressor in ["lz4", "zstd:3"] {
        let (bytes, _) = sample.pack(compressor, 4096, 2);
        let scratch =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("attributes-{compressor}"));
        let _ = std::fs::remove_dir_all(&scratch);
        std::fs::create_dir_all(&scratch).unwrap();
        let image = scratch.join("image");
        std::fs::write(&image, bytes).unwrap();
        let out = scratch.join("out");
        unsquashfs(
            &["-xattrs", "-q", "-n", "-d", out.to_str().unwrap()],
            &image,
        );
        let mut expected = BTreeSet::new();
        sample.tree.walk(&mut |path, visit| {
            for (name, value) in visit.stat().xattrs.iter() {
                let value: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
                expected.insert(format!("{path} {name} {value}"));
            }
        });
        assert_eq!(attributes(&out), expected, "{compressor}");
        std::fs::remove_dir_all(&scratch).unwrap();
    }
}

/// Returns `path name value` of each extended attribute below `root`, the value in hexadecimal.
fn attributes(root: &Path) -> BTreeSet<String> {
    let output = Command::new("getfattr")
        .args(["-R", "-P", "-h", "-d", "-m", "-", "-e", "hex", "."])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut path = String::new();
    let mut lines = BTreeSet::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        if let Some(of) = line.strip_prefix("# file: ") {
            path = of.to_owned();
        } else if !line.is_empty() {
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            let value = value.strip_prefix("0x").unwrap_or(value);
            lines.insert(format!("{path} {name} {value}"));
        }
    }
    lines
}

fn unsquashfs(arguments: &[&str], image: &PathBuf) -> String {
    let output = Command::new("unsquashfs")
        .args(arguments)
        .arg(image)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns `mode uid/gid size date path` of each line of `unsquashfs -lln`, less the size of a
/// directory, which is that of its listing.
fn listed(listing: &str) -> BTreeSet<String> {
    listing
        .lines()
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let size = if line.starts_with('d') { "-" } else { words[2] };
            format!("{} {} {size} {}", words[0], words[1], words[3..].join(" "))
        })
        .collect()
}

fn listing_of(sample: &Sample) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    sample.tree.walk(&mut |path, visit| {
        let stat = visit.stat();
        let (kind, size, target) = match visit {
            Visit::Directory(_) => ('d', "-".to_owned(), String::new()),
            Visit::Leaf(_, leaf) => match &leaf.content {
                Content::File { size, .. } => ('-', size.to_string(), String::new()),
                Content::Symlink(target) => {
                    ('l', target.len().to_string(), format!(" -> {target}"))
                }
                Content::Special(_) => unreachable!(),
            },
        };
        let mut mode = kind.to_string();
        for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
            let bits = stat.mode >> shift;
            mode.push(if bits & 4 != 0 { 'r' } else { '-' });
            mode.push(if bits & 2 != 0 { 'w' } else { '-' });
            mode.push(match (stat.mode & special != 0, bits & 1 != 0) {
                (true, true) => letter,
                (true, false) => letter.to_ascii_uppercase(),
                (false, true) => 'x',
                (false, false) => '-',
            });
        }
        let date = match stat.mtime {
            1_600_000_000 => "2020-09-13 12:26",
            _ => "1970-01-01 00:00",
        };
        let slash = if path.is_empty() { "" } else { "/" };
        lines.insert(
            format!(
                "{mode} {}/{} {size} {date} {slash}{path}{target}",
                stat.uid, stat.gid
            )
            .trim_end()
            .to_owned(),
        );
    });
    lines
}

/// The second file would have put an ext4 superblock's magic where one is looked for.
#[test]
fn contents_cannot_pose_as_another_file_system() {
    for (offset, mark) in [
        (512, &b"EFI PART"[..]),
        (1080, b"\x53\xef"),
        (65_600, b"_BHRfS_M"),
    ] {
        for (block_size, length) in [(4096, 80_000), (131_072, 100_000)] {
            let mut sample = Sample::new();
            let mut bytes = noise(length, 9);
            // Data starts behind the superblock.
            let at = offset - 96;
            bytes[at..at + mark.len()].copy_from_slice(mark);
            sample.file("usr/lib/firmware", Stat::default(), bytes);
            let (bytes, summary) = sample.pack("zstd:15", block_size, 2);
            assert_ne!(summary.raw_blocks, 0);
            assert_ne!(&bytes[offset..offset + mark.len()], mark);
            assert_eq!(
                &bytes[offset + 1..offset + 1 + mark.len()],
                mark,
                "moved by one byte"
            );
            assert_eq!(bytes[96], 0);
        }
    }
}

#[test]
fn trees_that_are_refused() {
    let id = ContentId::new("sha256:00");
    let file = |size, id: &ContentId| Content::File {
        size,
        id: id.clone(),
    };
    for (content, xattr, problem) in [
        (
            Content::Special(Special::Character(0)),
            "user.a",
            "\"usr/x\" is a device, pipe or socket, which is not written",
        ),
        (
            Content::Symlink("".into()),
            "user.a",
            "\"usr/x\" is a link whose target is empty, longer than 4095 bytes or has a NUL",
        ),
        (
            file(3, &ContentId::new("sha256:ff")),
            "user.a",
            "\"usr/x\": content sha256:ff was never added",
        ),
        (
            file(4, &id),
            "user.a",
            "\"usr/x\" has 4 bytes, but its content sha256:00 has 3",
        ),
        (
            file(3, &id),
            "system.posix_acl_access",
            "\"usr/x\": extended attribute \"system.posix_acl_access\" is not in the namespace \
             user, trusted or security",
        ),
    ] {
        for workers in [1, 2] {
            let mut sample = Sample::new();
            sample.leaf("usr/x", stat(0o644, 0, 0, &[(xattr, b"")]), content.clone());
            let mut packer =
                Packer::new(Cursor::new(Vec::new()), &options("lz4", 4096, workers)).unwrap();
            packer.add(&id, 3, &mut &b"abc"[..]).unwrap();
            let error = packer.finish(&sample.tree).unwrap_err();
            assert_eq!(error.to_string(), problem);
        }
    }
}

#[test]
fn options_that_are_refused() {
    let new = |options: &Options| Packer::new(Cursor::new(Vec::new()), options).err().unwrap();
    for block_size in [0, 2048, 5000, 2_097_152] {
        let error = new(&options("lz4", block_size, 1));
        assert!(matches!(error, Error::BlockSize(told) if told == block_size));
    }
    assert!(matches!(new(&options("lz4", 4096, 0)), Error::NoWorkers));
    let mut wrong = options("lz4", 4096, 1);
    wrong.compressor = Compressor::Zstd { level: 23 };
    assert!(matches!(new(&wrong), Error::Compressor(told) if told == "zstd:23"));
}

/// An output with room for a number of bytes.
struct Full {
    inner: Cursor<Vec<u8>>,
    room: u64,
    /// Counts drops: a packer that leaves its thread behind would never drop its output.
    dropped: Arc<AtomicU64>,
}

impl Drop for Full {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.inner.position() + bytes.len() as u64 > self.room {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "full"));
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Full {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[test]
fn a_full_disk_is_an_error_of_the_output() {
    let mut sample = Sample::new();
    for n in 0..40 {
        sample.file(
            format!("usr/{n}"),
            Stat::default(),
            noise(5000 * (n % 7), n as u64),
        );
    }
    let needed = sample.pack("lz4", 4096, 1).0.len() as u64;
    for workers in [1, 2, 3] {
        for room in (0..needed).step_by(3001).chain([needed - 1]) {
            let dropped = Arc::new(AtomicU64::new(0));
            let out = Full {
                inner: Cursor::new(Vec::new()),
                room,
                dropped: Arc::clone(&dropped),
            };
            let result = Packer::new(out, &options("lz4", 4096, workers)).and_then(|mut packer| {
                for (id, bytes) in &sample.contents {
                    packer.add(id, bytes.len() as u64, &mut bytes.as_slice())?;
                }
                packer.finish(&sample.tree)
            });
            let error = result.map(|_| ()).unwrap_err();
            assert!(
                matches!(&error, Error::Output(cause) if cause.kind() == io::ErrorKind::StorageFull),
                "{workers} workers, room for {room}: {error}"
            );
            assert_eq!(dropped.load(Ordering::SeqCst), 1);
        }
    }
}

#[test]
fn a_packer_that_is_dropped_ends_its_threads() {
    let small = noise(700, 1);
    let big = prose(100_000, 2);
    for workers in [1, 2, 8] {
        for contents in [
            &[][..],
            &[&small],
            &[&big],
            &[&big, &small, &big, &big, &small],
        ] {
            let dropped = Arc::new(AtomicU64::new(0));
            let out = Full {
                inner: Cursor::new(Vec::new()),
                room: u64::MAX,
                dropped: Arc::clone(&dropped),
            };
            let mut packer = Packer::new(out, &options("zstd:3", 4096, workers)).unwrap();
            for (n, bytes) in contents.iter().enumerate() {
                let id = ContentId::new(format!("{n}"));
                packer
                    .add(&id, bytes.len() as u64, &mut bytes.as_slice())
                    .unwrap();
            }
            assert_eq!(dropped.load(Ordering::SeqCst), 0);
            drop(packer);
            assert_eq!(dropped.load(Ordering::SeqCst), 1, "{workers} workers");
        }
    }
}

/// Gives `left` bytes, then fails.
struct Broken {
    left: usize,
}

impl Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "payload is damaged",
            ));
        }
        let count = buffer.len().min(self.left).min(1000);
        buffer[..count].fill(b'b');
        self.left -= count;
        Ok(count)
    }
}

#[test]
fn a_broken_reader_is_an_error_of_the_content() {
    let id = ContentId::new("sha256:00");
    for workers in [1, 2] {
        for left in [0, 10, 4096, 100_000] {
            let mut packer =
                Packer::new(Cursor::new(Vec::new()), &options("zstd:3", 4096, workers)).unwrap();
            let error = packer.add(&id, 200_000, &mut Broken { left }).unwrap_err();
            let Error::Content(cause) = &error else {
                panic!("{error}");
            };
            assert_eq!(cause.kind(), io::ErrorKind::InvalidData);
            assert_eq!(error.to_string(), "payload is damaged");
            assert!(!packer.contains(&id));
            let next = packer.add(&ContentId::new("b"), 1, &mut &b"b"[..]);
            assert!(matches!(next, Err(Error::Abandoned)));
            let tree = Tree::new(Stat::default());
            assert!(matches!(packer.finish(&tree), Err(Error::Abandoned)));
        }
    }
}

#[test]
fn a_short_content_and_a_known_one_are_refused() {
    let id = ContentId::new("sha256:00");
    let new = || Packer::new(Cursor::new(Vec::new()), &options("zstd:3", 4096, 2)).unwrap();
    for size in [101, 5000] {
        let error = new().add(&id, size, &mut &[1; 100][..]).unwrap_err();
        let text = format!("content sha256:00 ends after 100 bytes, not {size}");
        assert_eq!(error.to_string(), text);
    }
    let mut packer = new();
    let mut content = &[1; 101][..];
    packer.add(&id, 100, &mut content).unwrap();
    assert_eq!(content.len(), 1, "no more is read than was asked for");
    let again = packer.add(&id, 1, &mut content).unwrap_err();
    assert!(matches!(again, Error::ContentKnown(known) if known == id));
    assert_eq!(content.len(), 1);
    let tree = Tree::new(Stat::default());
    assert!(
        packer.finish(&tree).is_ok(),
        "a refused content does no harm"
    );
}

fn main() -> std::process::ExitCode {
    judges::run()
}
