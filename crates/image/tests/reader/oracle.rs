//! What mksquashfs writes is what we read.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};

use super::*;
use image::dump::dump;
use image::{Content, Leaf, LeafId, Special, Stat, Visit};
use judges::{Need, all, program, programs, root};

/// Extended attributes that were set, by path.
pub type Attributes = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

/// Bytes of `security.capability` that `setcap cap_net_raw=ep` makes: version 2, effective.
const NET_RAW: [u8; 20] = [
    1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

const MKSQUASHFS: Need = program("mksquashfs");

/// What fills a directory with one of everything.
pub const SOURCE: Need = all(&[root(), programs!("mkfifo", "mknod", "setfattr", "setcap")]);

fn run(program: &str, arguments: &[&str], path: &Path) {
    let mut command = Command::new(program);
    let output = command.args(arguments).arg(path).output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// Fills a directory with one of everything.
pub fn make_source(root: &Path) -> Attributes {
    let mut noise = Noise(1);
    let write = |path: &str, bytes: &[u8]| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let text = b"all work and no play makes jack a dull boy\n".repeat(20_000);
    write("usr/bin/noise", &noise.bytes(300_000));
    write("usr/bin/text", &text);
    write("usr/bin/text.copy", &text);
    write("usr/bin/one-block", &text[..131_072]);
    write("usr/bin/zeros", &[0; 131_072]);
    write("usr/bin/more-zeros", &[0; 131_072]);
    write("usr/lib/empty", b"");
    write("usr/lib/empty-too", b"");
    write("usr/lib/small", b"x");
    write("usr/lib/small.copy", b"x");
    write("usr/share/\u{e4}\u{f6} \n\\", b"a name to escape");
    write(&format!("usr/share/{}", "n".repeat(255)), b"a long name");
    for number in 0..3000 {
        write(
            &format!("usr/many/file-{number}"),
            &noise.bytes(number % 50),
        );
    }
    let deep = "usr/".to_owned() + &"d/".repeat(100) + "file";
    write(&deep, b"deep");
    fs::create_dir(root.join("usr/void")).unwrap();
    let sparse = fs::File::create(root.join("usr/lib/sparse")).unwrap();
    sparse.set_len(5_000_000).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"not a hole", 3_000_000).unwrap();
    fs::create_dir(root.join("usr/links")).unwrap();
    fs::hard_link(root.join("usr/bin/text"), root.join("usr/links/hard")).unwrap();
    fs::hard_link(root.join("usr/bin/text"), root.join("usr/lib/hard")).unwrap();
    symlink("../bin/text", root.join("usr/links/soft")).unwrap();
    symlink("t".repeat(4000), root.join("usr/links/long")).unwrap();
    let permissions = fs::Permissions::from_mode(0o6751);
    fs::set_permissions(root.join("usr/bin/noise"), permissions).unwrap();

    let device = root.join("usr/links");
    run("mkfifo", &[], &device.join("pipe"));
    drop(std::os::unix::net::UnixListener::bind(
        device.join("socket"),
    ));
    for (name, kind, major, minor) in [
        ("null", "c", "1", "3"),
        ("whiteout", "c", "0", "0"),
        ("disk", "b", "259", "70000"),
    ] {
        let path = device.join(name);
        let mut mknod = Command::new("mknod");
        let made = mknod.arg(path).args([kind, major, minor]).status();
        assert!(made.unwrap().success(), "{mknod:?}");
    }

    // The long value, told three times, is stored once and referred to.
    let long = "v".repeat(3000);
    let mut attributes = Attributes::new();
    for (path, name, value) in [
        ("usr", "user.on-a-directory", "1"),
        ("usr/bin/noise", "user.empty", ""),
        ("usr/bin/noise", "user.short", "value"),
        ("usr/bin/text", "user.long", &long),
        ("usr/lib/small", "user.long", &long),
        ("usr/lib/empty", "user.long", &long),
        ("usr/void", "trusted.root-only", "2"),
        (
            "usr/lib/small",
            "security.selinux",
            "system_u:object_r:bin_t:s0",
        ),
        ("usr/links/soft", "trusted.on-a-link", "3"),
        ("usr/links/pipe", "trusted.on-a-pipe", "4"),
    ] {
        let at = root.join(path);
        run("setfattr", &["-h", "-n", name, "-v", value], &at);
        let of_path = attributes.entry(path.to_owned()).or_default();
        of_path.insert(name.to_owned(), value.as_bytes().to_vec());
    }
    let capable = "usr/bin/one-block";
    run("setcap", &["cap_net_raw=ep"], &root.join(capable));
    let of_path = attributes.entry(capable.to_owned()).or_default();
    of_path.insert("security.capability".to_owned(), NET_RAW.to_vec());
    attributes
}

/// Describes a directory by what the kernel says of it.
pub fn describe(root: &Path, attributes: &Attributes) -> Tree {
    let stat_of = |path: &str| {
        let metadata = fs::symlink_metadata(root.join(path)).unwrap();
        let stat = Stat {
            mode: (metadata.mode() & 0o7777) as u16,
            uid: metadata.uid(),
            gid: metadata.gid(),
            mtime: metadata.mtime().try_into().unwrap(),
            xattrs: attributes.get(path).cloned().unwrap_or_default().into(),
        };
        (metadata, stat)
    };
    let implicit = Stat::default();
    let mut tree = Tree::new(stat_of("").1);
    let mut known: BTreeMap<u64, LeafId> = BTreeMap::new();
    let mut directories = vec![String::new()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(root.join(&directory)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let path = if directory.is_empty() {
                name
            } else {
                format!("{directory}/{name}")
            };
            let (metadata, stat) = stat_of(&path);
            let kind = metadata.file_type();
            let device = metadata.rdev() as u32;
            let content = if kind.is_dir() {
                tree.insert_directory(&path, stat, &implicit).unwrap();
                directories.push(path);
                continue;
            } else if kind.is_symlink() {
                let target = fs::read_link(root.join(&path)).unwrap();
                Content::Symlink(target.into_os_string().into_encoded_bytes().into())
            } else if kind.is_block_device() {
                Content::Special(Special::Block(device))
            } else if kind.is_char_device() {
                Content::Special(Special::Character(device))
            } else if kind.is_fifo() {
                Content::Special(Special::Fifo)
            } else if kind.is_socket() {
                Content::Special(Special::Socket)
            } else {
                Content::File {
                    size: metadata.size(),
                    id: digest(&fs::read(root.join(&path)).unwrap()),
                }
            };
            match known.get(&metadata.ino()) {
                Some(id) => tree.link(&path, *id, &implicit).unwrap(),
                None => {
                    let leaf = Leaf { stat, content };
                    let id = tree.insert_leaf(&path, leaf, &implicit).unwrap();
                    known.insert(metadata.ino(), id);
                }
            }
        }
    }
    tree
}

#[test(SOURCE, MKSQUASHFS)]
fn reads_what_mksquashfs_writes() {
    let scratch = Scratch::new("oracle");
    let source = scratch.join("source");
    fs::create_dir(&source).unwrap();
    let attributes = make_source(&source);
    let expected = dump(&describe(&source, &attributes));
    assert!(expected.lines().count() > 3100);

    for (compressor, options) in [
        ("gzip", &[][..]),
        ("xz", &[]),
        ("xz", &["-Xbcj", "x86", "-b", "1M"]),
        ("lz4", &[]),
        ("lzo", &[]),
        ("lzo", &["-Xalgorithm", "lzo1x_1", "-b", "1M"]),
        ("lz4", &["-Xhc", "-b", "64K"]),
        ("zstd", &[]),
        ("zstd", &["-b", "4K"]),
        ("zstd", &["-no-fragments", "-b", "1M"]),
        ("zstd", &["-always-use-fragments"]),
        ("gzip", &["-noI", "-noD", "-noF", "-noX", "-noId"]),
        ("gzip", &["-no-exports", "-no-duplicates", "-no-sparse"]),
    ] {
        let options = [&["-comp", compressor], options].concat();
        let bytes = mksquashfs(&source, &scratch.join("image"), &options);
        crate::round_trip::check_blocks(&bytes);
        let facts = Image::open(Bytes::new(&bytes)).unwrap().facts().clone();
        assert_eq!(facts.compressor, compressor);
        assert_eq!(facts.bytes_used.next_multiple_of(4096), bytes.len() as u64);
        let (tree, _) = read_with_digests(&bytes).unwrap();
        // One inode for each directory and leaf.
        let mut inodes = tree.leaf_count();
        tree.walk(&mut |_, visit| inodes += usize::from(matches!(visit, Visit::Directory(_))));
        assert_eq!(facts.inode_count as usize, inodes);
        // `assert_eq` would print both, which is 600 kB.
        let read = dump(&tree);
        for (read, expected) in read.lines().zip(expected.lines()) {
            assert_eq!(read, expected, "{options:?}");
        }
        assert_eq!(read.lines().count(), expected.lines().count());
    }
}

#[test(MKSQUASHFS)]
fn equal_contents_have_one_id() {
    let scratch = Scratch::new("equal");
    let source = scratch.join("source");
    fs::create_dir(&source).unwrap();
    let mut noise = Noise(7);
    let big = noise.bytes(200_000);
    for (name, bytes) in [
        ("a", &big[..]),
        ("b", &big[..]),
        ("c", &big[..131_072]),
        ("d", &big[1..]),
        ("e", b"tail"),
        ("f", b"tail"),
        ("g", b"mail"),
        ("h", b""),
        ("i", b""),
        ("j", &[0; 140_000]),
        ("k", &[0; 140_000]),
        ("l", &[0; 140_001]),
    ] {
        fs::write(source.join(name), bytes).unwrap();
    }
    let bytes = mksquashfs(&source, &scratch.join("image"), &["-no-fragments"]);
    // a = b, e = f, h = i, j = k.
    assert_eq!(read_with_digests(&bytes).unwrap().1, 8);
    let bytes = mksquashfs(&source, &scratch.join("image"), &[]);
    assert_eq!(read_with_digests(&bytes).unwrap().1, 8);
}

#[test(MKSQUASHFS)]
fn content_comes_in_any_portion_and_again() {
    let scratch = Scratch::new("portions");
    let source = scratch.join("source");
    fs::create_dir(&source).unwrap();
    let bytes = Noise(3).bytes(10_000);
    fs::write(source.join("file"), &bytes).unwrap();
    let options = ["-comp", "zstd", "-b", "4K"];
    let image = mksquashfs(&source, &scratch.join("image"), &options);
    let mut image = Image::open(Bytes::new(&image)).unwrap();
    let tree = image.tree().unwrap();
    let Some(Visit::Leaf(_, leaf)) = tree.get("file") else {
        panic!("no file");
    };
    let Content::File { size: 10_000, id } = &leaf.content else {
        panic!("{leaf:?}");
    };
    for portion in [1, 7, 4096, 5000, 20_000] {
        let mut content = image.content(id).unwrap();
        let mut read = Vec::new();
        let mut buffer = vec![0; portion];
        loop {
            match content.read(&mut buffer).unwrap() {
                0 => break,
                length => read.extend_from_slice(&buffer[..length]),
            }
        }
        assert!(read == bytes, "portions of {portion}");
    }
    for id in ["sha256:00", "at:", "at:x"] {
        assert!(
            matches!(
                image.content(&ContentId::new(id)),
                Err(ReadError::NoContent(told)) if told == id
            ),
            "{id}"
        );
    }
}
