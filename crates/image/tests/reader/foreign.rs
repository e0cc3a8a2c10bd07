//! What mkfs.erofs and mke2fs write is what we read.

use std::fs;

use super::oracle::{SOURCE, describe, make_source};
use super::*;
use image::dump::dump;
use image::foreign::{Error, FileSystem};
use judges::{Need, all, programs};

/// What makes file systems of a directory.
const MAKERS: Need = all(&[SOURCE, programs!("mkfs.erofs", "mke2fs", "truncate")]);

/// Options of mkfs.erofs.
const EROFS: &[&[&str]] = &[
    &[],
    &["-x1"],
    &["-x100"],
    &["-Eforce-inode-extended"],
    &["-Enoinline_data"],
    &["--chunksize=4096"],
    &["--chunksize=65536"],
    &["--chunksize=4096", "-Eforce-chunk-indexes"],
];

/// Options of mke2fs.
const EXT: &[&[&str]] = &[
    &["-t", "ext4"],
    &["-t", "ext4", "-b", "1024"],
    &["-t", "ext4", "-O", "^64bit,^metadata_csum", "-I", "512"],
    &["-t", "ext4", "-O", "^has_journal,^extent,^64bit"],
    &["-t", "ext3", "-b", "1024"],
    &["-t", "ext2", "-I", "128"],
    &["-t", "ext2", "-b", "2048", "-O", "sparse_super2"],
];

fn run(program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    let output = command.args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// Reads a tree whose content ids are digests.
fn digested<R: Read + std::io::Seek>(image: &mut FileSystem<R>) -> Result<Tree, Error> {
    let mut tree = image.tree()?;
    tree.map_contents(&mut |size, id| {
        let mut bytes = Vec::new();
        assert!(image.is_plain(id));
        image.content(id)?.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, size, "{id}");
        Ok::<_, Error>(digest(&bytes))
    })?;
    Ok(tree)
}

/// Compares two dumps, but for what ext4 has of its own: the root's attributes and `lost+found`.
fn compare(read: &str, expected: &str, what: &str) {
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().skip(1).map(str::to_owned);
        lines.filter(|line| !line.contains("lost+found")).collect()
    };
    let (read, expected) = (lines(read), lines(expected));
    for (read, expected) in read.iter().zip(&expected) {
        assert_eq!(read, expected, "{what}");
    }
    assert_eq!(read.len(), expected.len(), "{what}");
}

#[test(MAKERS)]
fn other_file_systems_hold_what_was_put_in() {
    let scratch = Scratch::new("foreign");
    let source = scratch.join("source");
    fs::create_dir(&source).unwrap();
    let mut attributes = make_source(&source);
    // mkfs.erofs 1.5 fails at a name of the full length.
    fs::remove_file(source.join("usr/share").join("n".repeat(255))).unwrap();
    let expected = dump(&describe(&source, &attributes));
    let path = scratch.join("image");
    let source = source.display().to_string();
    let (source, image) = (source.as_str(), path.to_str().unwrap());
    for options in EROFS {
        let _ = fs::remove_file(&path);
        run(
            "mkfs.erofs",
            &[options, &["--quiet", image, source][..]].concat(),
        );
        let mut found = FileSystem::erofs(fs::File::open(&path).unwrap()).unwrap();
        assert_eq!(found.length(), fs::metadata(&path).unwrap().len());
        compare(
            &dump(&digested(&mut found).unwrap()),
            &expected,
            &format!("{options:?}"),
        );
    }
    // mke2fs has no room for longer values.
    let shorter = "v".repeat(500);
    for (path, attributes) in &mut attributes {
        if let Some(value) = attributes.get_mut("user.long") {
            *value = shorter.clone().into_bytes();
            run(
                "setfattr",
                &[
                    "-n",
                    "user.long",
                    "-v",
                    &shorter,
                    &format!("{source}/{path}"),
                ],
            );
        }
    }
    let link = Path::new(source).join("usr/links/long");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("t".repeat(900), link).unwrap();
    let expected = dump(&describe(Path::new(source), &attributes));
    for options in EXT {
        let _ = fs::remove_file(&path);
        run("truncate", &["-s", "64M", image]);
        run(
            "mke2fs",
            &[options, &["-q", "-N", "8192", "-d", source, image][..]].concat(),
        );
        let mut found = FileSystem::ext(fs::File::open(&path).unwrap()).unwrap();
        assert_eq!((found.name(), found.length()), (options[1], 64 << 20));
        compare(
            &dump(&digested(&mut found).unwrap()),
            &expected,
            &format!("{options:?}"),
        );
    }
}
