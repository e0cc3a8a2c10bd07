//! What our writer packs is what we read.

use std::io::{Seek as _, SeekFrom};

use super::*;
use image::dump::dump;
use image::squashfs::{Options, Packer, Workers};
use image::{Content, Leaf, Stat, Visit};

/// Makes a tree of files, links and attributes, and the contents of its files by id.
fn sample() -> (Tree, BTreeMap<ContentId, Vec<u8>>) {
    let mut noise = Noise(4);
    let implicit = Stat::implicit_directory(1_700_000_000);
    let mut contents = BTreeMap::new();
    let mut tree = Tree::new(implicit.clone());
    let shared = noise.bytes(2000);
    let label = b"system_u:object_r:lib_t:s0\0".to_vec();
    for number in 0..600_usize {
        let mut bytes = match number % 6 {
            0 => noise.bytes(number * 60),
            1 => vec![b'a'; number * 90],
            2 => vec![0; number * 90],
            3 => noise.bytes(number % 70),
            4 => noise.bytes(4096 * (number % 5)),
            _ => b"the same in all of them".to_vec(),
        };
        if number % 12 == 2 {
            bytes.extend(b"behind a hole");
        }
        let id = digest(&bytes);
        let size = bytes.len() as u64;
        contents.insert(id.clone(), bytes);
        let mut stat = Stat {
            mode: [0o644, 0o755, 0o4711, 0][number % 4],
            uid: (number % 7) as u32 * 100_000,
            gid: (number % 3) as u32,
            mtime: u32::MAX - number as u32,
            ..Stat::default()
        };
        stat.xattrs.insert("security.selinux".into(), label.clone());
        if number % 50 == 0 {
            let name = format!("user.shared-{}", number % 100);
            stat.xattrs.insert(name, shared.clone());
            stat.xattrs.insert("trusted.empty".into(), Vec::new());
        }
        let content = Content::File { size, id };
        let path = format!("usr/lib/{}/file-{number}", number % 9);
        let leaf = Leaf { stat, content };
        let id = tree.insert_leaf(&path, leaf, &implicit).unwrap();
        if number % 10 == 0 {
            let path = format!("usr/share/links/{number}");
            tree.link(&path, id, &implicit).unwrap();
        }
        if number % 25 == 0 {
            let link = Leaf {
                stat: Stat {
                    mode: 0o777,
                    ..Stat::default()
                },
                content: Content::Symlink(format!("../../lib/{number}").into()),
            };
            let path = format!("usr/share/\u{fc}/{number}");
            tree.insert_leaf(&path, link, &implicit).unwrap();
        }
    }
    tree.insert_directory("opt/nothing", Stat::default(), &implicit)
        .unwrap();
    (tree, contents)
}

#[test]
fn reads_what_the_packer_writes() {
    let (tree, contents) = sample();
    let expected = dump(&tree);
    for (compressor, block_size) in [
        ("gzip:1", 4096),
        ("xz:0", 131_072),
        ("lz4", 1_048_576),
        ("zstd:1", 4096),
        ("zstd:1", 131_072),
    ] {
        let options = Options {
            compressor: compressor.parse().unwrap(),
            block_size,
            workers: Workers::new(1),
            mkfs_time: 12,
        };
        let mut packer = Packer::new(Bytes::new(Vec::new()), &options).unwrap();
        for (id, bytes) in &contents {
            packer
                .add(id, bytes.len() as u64, &mut bytes.as_slice())
                .unwrap();
        }
        let (out, summary) = packer.finish(&tree).unwrap();
        let bytes = out.into_inner();
        let facts = Image::open(Bytes::new(&bytes)).unwrap().facts().clone();
        assert_eq!(compressor.split(':').next(), Some(facts.compressor));
        assert_eq!(facts.block_size, block_size);
        assert_eq!(facts.mkfs_time, 12);
        assert_eq!(facts.inode_count, summary.inodes);
        assert_eq!(facts.fragment_count, summary.fragments);
        check_blocks(&bytes);
        let (read, count) = read_with_digests(&bytes).unwrap();
        let read = dump(&read);
        for (read, expected) in read.lines().zip(expected.lines()) {
            assert_eq!(read, expected, "{options:?}");
        }
        assert_eq!(read.len(), expected.len());
        assert_eq!(count, contents.len());
    }
}

/// Blocks follow each other from behind the superblock, and its compressor's options, up to the
/// inode table; nothing else is there.
pub fn check_blocks(bytes: &[u8]) {
    let half = |at: usize| u16::from_le_bytes(*bytes[at..].first_chunk().unwrap());
    let tables = u64::from_le_bytes(*bytes[64..].first_chunk().unwrap());
    let mut at = match half(24) & 0x0400 {
        0 => 96,
        _ => 98 + u64::from(half(96) & 0x7fff),
    };
    for (start, length) in image::blocks(Bytes::new(bytes)).unwrap() {
        assert_eq!(start, at);
        at += u64::from(length);
    }
    assert_eq!(at, tables);
}

#[test]
fn seeks_inside_of_contents() {
    let mut noise = Noise(9);
    let mut packer = Packer::new(
        Bytes::new(Vec::new()),
        &Options {
            compressor: "zstd:1".parse().unwrap(),
            block_size: 4096,
            workers: Workers::new(1),
            mkfs_time: 0,
        },
    )
    .unwrap();
    let implicit = Stat::implicit_directory(0);
    let mut tree = Tree::new(implicit.clone());
    let mut files = BTreeMap::new();
    for (name, length) in [
        ("tail", 10_000),
        ("whole", 8192),
        ("small", 77),
        ("empty", 0),
    ] {
        let mut bytes = noise.bytes(length);
        // One block of zeros, which is a hole.
        if let Some(hole) = bytes.get_mut(..4096) {
            hole.fill(0);
        }
        let id = digest(&bytes);
        packer
            .add(&id, bytes.len() as u64, &mut bytes.as_slice())
            .unwrap();
        let leaf = Leaf {
            stat: Stat::default(),
            content: Content::File {
                size: bytes.len() as u64,
                id,
            },
        };
        tree.insert_leaf(name, leaf, &implicit).unwrap();
        files.insert(name, bytes);
    }
    let (out, _) = packer.finish(&tree).unwrap();
    let mut image = Image::open(out).unwrap();
    let stored = image.tree().unwrap();
    for (name, bytes) in files {
        let Some(Visit::Leaf(_, leaf)) = stored.get(name) else {
            panic!("{name} is missing")
        };
        let Content::File { id, .. } = &leaf.content else {
            panic!("{name} is no file")
        };
        let mut content = image.content(id).unwrap();
        for _ in 0..200 {
            let start = noise.below(bytes.len() + 1);
            let length = noise.below(bytes.len() - start + 1);
            content.seek(SeekFrom::Start(start as u64)).unwrap();
            let mut read = vec![0; length];
            content.read_exact(&mut read).unwrap();
            assert!(
                read == bytes[start..start + length],
                "{name} {start} {length}"
            );
            let end = (start + length) as u64;
            assert_eq!(content.stream_position().unwrap(), end);
        }
        let size = bytes.len() as u64;
        assert_eq!(content.seek(SeekFrom::End(0)).unwrap(), size);
        assert_eq!(content.read(&mut [0]).unwrap(), 0);
        assert!(content.seek(SeekFrom::Start(size + 1)).is_err());
    }
}

/// The longest that the packer writes is read; one byte more is refused.
#[test]
fn attributes_have_a_largest_length() {
    let mut noise = Noise(7);
    // Noise, so that it is stored as it is.
    let name: String = (0..250)
        .map(|_| char::from(b'!' + noise.below(90) as u8))
        .collect();
    let value = noise.bytes(65_536);
    let options = Options {
        compressor: "lz4".parse().unwrap(),
        block_size: 4096,
        workers: Workers::new(1),
        mkfs_time: 0,
    };
    let mut stat = Stat::implicit_directory(0);
    stat.xattrs.insert(format!("user.{name}"), value.clone());
    let packer = Packer::new(Bytes::new(Vec::new()), &options).unwrap();
    let (out, _) = packer.finish(&Tree::new(stat.clone())).unwrap();
    let bytes = out.into_inner();
    let found = Image::open(Bytes::new(&bytes)).unwrap().tree().unwrap();
    assert_eq!(dump(&found), dump(&Tree::new(stat)));
    let places = bytes.windows(250).enumerate();
    let at = places.filter(|(_, window)| *window == name.as_bytes());
    let [at] = at.map(|(at, _)| at).collect::<Vec<_>>()[..] else {
        panic!("the name is not there once");
    };
    for (at, stored, patch, problem) in [
        (
            at - 2,
            &[250, 0][..],
            &[251, 0][..],
            "the name of an extended attribute has 251 bytes after user.",
        ),
        (
            at + 250,
            &[0, 0, 1, 0],
            &[1, 0, 1, 0],
            "the value of an extended attribute has 65537 bytes, more than 65536",
        ),
    ] {
        let mut bytes = bytes.clone();
        assert_eq!(&bytes[at..at + stored.len()], stored);
        bytes[at..at + patch.len()].copy_from_slice(patch);
        let image = Image::open(Bytes::new(&bytes));
        let error = image.unwrap().tree().unwrap_err().to_string();
        assert!(error.ends_with(problem), "{error}");
    }
}

#[test]
fn targets_have_a_largest_length() {
    let options = Options {
        compressor: "lz4".parse().unwrap(),
        block_size: 4096,
        workers: Workers::new(1),
        mkfs_time: 0,
    };
    let mut noise = Noise(5);
    let target: String = (0..4096)
        .map(|_| char::from(b'0' + noise.below(70) as u8))
        .collect();
    let written = |target: &str| {
        let implicit = Stat::implicit_directory(0);
        let mut tree = Tree::new(implicit.clone());
        let leaf = Leaf {
            stat: Stat::default(),
            content: Content::Symlink(target.into()),
        };
        tree.insert_leaf("link", leaf, &implicit).unwrap();
        let packer = Packer::new(Bytes::new(Vec::new()), &options).unwrap();
        let packed = packer.finish(&tree).map(|(out, _)| out.into_inner());
        packed.map(|bytes| (bytes, dump(&tree)))
    };
    let error = written(&target).unwrap_err().to_string();
    assert_eq!(
        error,
        "\"link\" is a link whose target is empty, longer than 4095 bytes or has a NUL"
    );
    let (mut bytes, expected) = written(&target[..4095]).unwrap();
    let found = Image::open(Bytes::new(&bytes)).unwrap().tree().unwrap();
    assert_eq!(dump(&found), expected);
    let mut places = bytes.windows(4095).enumerate();
    let at = places.find(|(_, window)| *window == &target.as_bytes()[..4095]);
    let length = at.unwrap().0 - 4;
    assert_eq!(bytes[length..length + 4], 4095_u32.to_le_bytes());
    bytes[length..length + 4].copy_from_slice(&4096_u32.to_le_bytes());
    let image = Image::open(Bytes::new(&bytes));
    let error = image.unwrap().tree().unwrap_err().to_string();
    assert!(
        error.ends_with("a link's target has 4096 bytes, not 1 to 4095"),
        "{error}"
    );
}

/// Notes are taken of so many blocks of a table, however short a hostile image makes them.
#[test]
fn blocks_of_tables_are_counted() {
    const MOST: usize = 1 << 20;
    let options = Options {
        compressor: "lz4".parse().unwrap(),
        block_size: 4096,
        workers: Workers::new(1),
        mkfs_time: 0,
    };
    let packer = Packer::new(Bytes::new(Vec::new()), &options).unwrap();
    let tree = Tree::new(Stat::implicit_directory(0));
    let plain = packer.finish(&tree).unwrap().0.into_inner();
    let offset =
        |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let (inodes, directories) = (offset(&plain, 64), offset(&plain, 72));
    let of_inodes = |more: usize| {
        // Blocks of one byte, behind those of the inodes.
        let filler = [1, 0x80, 0].repeat(more);
        let added = filler.len() as u64;
        let mut bytes = plain.clone();
        // What the superblock and the table of ids say of what is behind.
        for at in [40, 48, 56, 72, 80, 88, offset(&plain, 48) as usize] {
            let old = offset(&bytes, at);
            if old != u64::MAX && old >= directories {
                bytes[at..at + 8].copy_from_slice(&(old + added).to_le_bytes());
            }
        }
        bytes.splice(directories as usize..directories as usize, filler);
        let blocks = Image::open(Bytes::new(bytes)).unwrap().stored().unwrap();
        let end = directories + added;
        let of_inodes = blocks
            .iter()
            .filter(|block| (inodes..end).contains(&block.start));
        of_inodes.count()
    };
    assert_eq!(of_inodes(0), 1);
    assert_eq!(of_inodes(MOST - 1), MOST);
    assert_eq!(of_inodes(MOST), MOST);
}
