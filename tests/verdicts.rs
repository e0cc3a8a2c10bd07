//! The verdicts of `check` against the real `systemd-sysext merge`.
//!
//! Each case is an image, a name under which it is linked, and a host. The real program merges it
//! in a mount namespace, beside a good image: what it does is `accepted` where the image is
//! merged, `ignored` where only the good one is, `refused` where neither is. `check` says what it
//! will do from the files alone; there must be no disagreement. Where a key decides, the words
//! that `check` quotes must be in the real program's log.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use judges::{Need, all, programs};
use serde_json::Value;

use crate::client::{CLIENT, OVER, SID, TRIXIE, merging, over};
use crate::workshop::{Scratch, json, output_of, program, text};

const HOST: &str = "ID=opensuse-tumbleweed\nVERSION_ID=20241010\nID_LIKE=\"opensuse suse\"\n";
const ROLLING: &str = "ID=opensuse-tumbleweed\n";
const LEVEL: &str = "ID=opensuse-tumbleweed\nVERSION_ID=20241010\nSYSEXT_LEVEL=2\n";
const LEVEL_ONLY: &str = "ID=opensuse-tumbleweed\nSYSEXT_LEVEL=2\n";
const RIGHT: &str = "ID=opensuse-tumbleweed\nVERSION_ID=20241010\n";

/// File name of every case's image.
const IMAGE: &str = "tool-1.x86-64.raw";

/// What is in a case's image.
enum Part {
    /// An extension-release file: what its name ends in, its text, and `strict`, if it has it.
    Release(&'static str, &'static str, Option<&'static str>),
    /// A file with a text.
    File(&'static str, &'static str),
    /// A symbolic link with its target.
    Link(&'static str, &'static str),
    /// A directory with its mode.
    Directory(&'static str, u32),
    /// A character device 0:0.
    Whiteout(&'static str),
}
use Part::{Directory, File, Link, Release, Whiteout};

/// What is done to the bytes of an image.
enum Damage {
    None,
    /// Options for mksquashfs.
    Options(&'static [&'static str]),
    /// A shell command on the file "$1".
    Shell(&'static str),
    /// A shell command that makes "$1" of the tree "$2", with the functions of [`DISK`].
    Packed(&'static str),
}
use Damage::{Options, Packed, Shell};

/// Packs the tree "$2" again, to an odd number of sectors.
const SECTORS: &str = "rm \"$1\"; seq 3000 > \"$2/usr/bin/numbers\"
    mksquashfs \"$2\" \"$1\" -nopad -quiet >&2
    truncate -s %512 \"$1\"
    [ $(($(stat -c %s \"$1\") / 512 % 2)) = 1 ] || truncate -s +512 \"$1\"";
/// Packs the tree "$2" again, to one sector, which is less than is looked at for a file system.
const SECTOR: &str = "rm \"$1\"; mksquashfs \"$2\" \"$1\" -nopad -quiet >&2
    truncate -s %512 \"$1\"; [ $(stat -c %s \"$1\") = 512 ]";

/// Makes a disk image: `disk IMAGE [TYPE FILE]...`, with a partition of each type that holds a file.
const DISK: &str = "
    disk() {
        image=$1; shift; rm -f $image; truncate -s 16M $image; script='label: gpt'; start=2048; files=
        while [ $# -gt 0 ]; do
            size=$(( ($(stat -c %s $2) + 511) / 512 ))
            script=$script'\n'\"start=$start, size=$size, type=$1\"; files=\"$files $start:$2\"
            start=$(( (start + size + 2048) / 2048 * 2048 )); shift 2
        done
        printf \"$script\\n\" | sfdisk -q $image >&2
        for file in $files; do dd if=${file#*:} of=$image bs=512 seek=${file%%:*} conv=notrunc status=none; done
    }
    squashfs() { rm -f $2; mksquashfs $1 $2 -quiet $3 $4 >&2; }
    ext4() { rm -f $2; truncate -s 4M $2; mke2fs -q -t ${3:-ext4} -d $1 $2; }
    root=4f68bce3-e8cd-4db1-96e7-fbcaf984b709 usr=8484680c-9521-48c6-9c11-b0720656f69e
    verity=2c7357ed-ebd2-46d9-aec1-23d437ec2bf5 arm64=b921b045-1df0-41c3-af44-4c6f280d3fae
    linux=0fc63daf-8483-4772-8e79-3d69d8477de4 esp=c12a7328-f81f-11d2-ba4b-00a0c93ec93b
    home=933ac7e1-2eb4-4f13-b844-0e14e2aef915
";

struct Case {
    about: &'static str,
    link: &'static str,
    host: &'static str,
    parts: Vec<Part>,
    damage: Damage,
}

/// An image of a program with this extension-release file, linked as `tool`.
fn keys(about: &'static str, keys: &'static str, host: &'static str) -> Case {
    with(about, host, vec![Release("tool", keys, None)])
}

/// An image of a program and these parts, linked as `tool`.
fn with(about: &'static str, host: &'static str, parts: Vec<Part>) -> Case {
    named(about, "tool", host, parts)
}

fn named(about: &'static str, link: &'static str, host: &'static str, parts: Vec<Part>) -> Case {
    let mut all = vec![File("usr/bin/tool", "#!/bin/sh\n")];
    all.extend(parts);
    Case {
        about,
        link,
        host,
        parts: all,
        damage: Damage::None,
    }
}

/// A good image to whose bytes something is done.
fn damaged(about: &'static str, damage: Damage) -> Case {
    Case {
        damage,
        ..keys(about, RIGHT, HOST)
    }
}

/// A good image, packed in another way, by a shell command that makes "$1" of the tree "$2".
fn packed(about: &'static str, command: &'static str) -> Case {
    damaged(about, Packed(command))
}

/// Images of other kinds than SquashFS.
fn other_kinds() -> Vec<Case> {
    vec![
        packed("lzo", "squashfs $2 $1 -comp lzo"),
        packed("erofs", "mkfs.erofs --quiet $1 $2"),
        packed(
            "erofs, compressed",
            "seq 30000 > $2/usr/bin/n; mkfs.erofs --quiet -zlz4hc $1 $2",
        ),
        packed(
            "erofs, cut",
            "seq 30000 > $2/usr/bin/n; mkfs.erofs --quiet $1 $2; truncate -s -8192 $1",
        ),
        packed(
            "erofs, one sector less",
            "seq 30000 > $2/usr/bin/n; mkfs.erofs --quiet $1 $2; truncate -s -512 $1",
        ),
        packed(
            "erofs, odd",
            "mkfs.erofs --quiet $1 $2; head -c 100 /dev/zero >> $1",
        ),
        packed("ext4", "ext4 $2 $1"),
        packed("ext2", "ext4 $2 $1 ext2"),
        packed("ext3", "ext4 $2 $1 ext3"),
        packed("ext4, cut", "ext4 $2 $1; truncate -s -4096 $1"),
        packed("ext4, odd", "ext4 $2 $1; head -c 100 /dev/zero >> $1"),
        packed("disk, squashfs", "squashfs $2 f; disk $1 $root f"),
        packed("disk, erofs", "mkfs.erofs --quiet f $2; disk $1 $root f"),
        packed("disk, ext4", "ext4 $2 f; disk $1 $root f"),
        packed("disk, ext2", "ext4 $2 f ext2; disk $1 $root f"),
        packed(
            "disk, ext4 cut",
            "ext4 $2 f; truncate -s -4096 f; disk $1 $root f",
        ),
        packed("disk, usr", "squashfs $2/usr f; disk $1 $usr f"),
        packed(
            "disk, usr and root",
            "squashfs $2/usr f; squashfs $2 g; disk $1 $usr f $root g",
        ),
        packed(
            "disk, usr over an empty one",
            "squashfs $2/usr f; mkdir -p e/usr; squashfs e g; disk $1 $usr f $root g",
        ),
        packed(
            "disk, empty usr over one",
            "squashfs $2 f; mkdir e; squashfs e g; disk $1 $usr g $root f",
        ),
        packed(
            "disk, usr and a broken root",
            "squashfs $2/usr f; head -c 1M /dev/zero > g; disk $1 $usr f $root g",
        ),
        packed(
            "disk, only other architecture",
            "squashfs $2 f; disk $1 $arm64 f",
        ),
        packed(
            "disk, other architecture, too",
            "squashfs $2 f; mkdir e; squashfs e g; disk $1 $arm64 g $root f",
        ),
        packed("disk, generic", "squashfs $2 f; disk $1 $linux f"),
        packed(
            "disk, generic and root",
            "squashfs $2 f; mkdir e; squashfs e g; disk $1 $linux g $root f",
        ),
        packed(
            "disk, generic and home",
            "squashfs $2 f; disk $1 $home f $linux f",
        ),
        packed(
            "disk, two generic",
            "squashfs $2 f; disk $1 $linux f $linux f",
        ),
        packed(
            "disk, two roots",
            "squashfs $2 f; mkdir e; squashfs e g; disk $1 $root f $root g",
        ),
        packed(
            "disk, a verity partition without verity",
            "squashfs $2 f; head -c 8192 /dev/zero > g; disk $1 $root f $verity g",
        ),
        packed(
            "disk, verity alone",
            "head -c 8192 /dev/zero > g; disk $1 $verity g",
        ),
        packed("disk, no partitions", "disk $1"),
        packed("disk, home alone", "squashfs $2 f; disk $1 $home f"),
        packed(
            "disk, home and root",
            "squashfs $2 f; mkdir e; squashfs e g; disk $1 $home g $root f",
        ),
        packed(
            "disk, esp and root",
            "squashfs $2 f; head -c 1M /dev/zero > g; disk $1 $esp g $root f",
        ),
        packed(
            "disk, empty root",
            "head -c 1M /dev/zero > g; disk $1 $root g",
        ),
        packed(
            "disk, root without usr",
            "mkdir e; squashfs e g; disk $1 $root g",
        ),
        packed(
            "disk, no-auto",
            "squashfs $2 f; disk $1 $root f; sfdisk -q --part-attrs $1 1 GUID:63",
        ),
        packed(
            "disk, growfs",
            "squashfs $2 f; disk $1 $root f; sfdisk -q --part-attrs $1 1 GUID:59",
        ),
        packed(
            "disk, first copy gone",
            "squashfs $2 f; disk $1 $root f; dd if=/dev/zero of=$1 bs=512 seek=1 count=1 conv=notrunc status=none",
        ),
        packed(
            "disk, second copy gone",
            "squashfs $2 f; disk $1 $root f; truncate -s -512 $1",
        ),
        packed(
            "disk, odd",
            "squashfs $2 f; disk $1 $root f; head -c 100 /dev/zero >> $1",
        ),
        packed(
            "disk, older table",
            "squashfs $2 f; truncate -s 4M $1; printf 'label: dos\\nstart=2048, type=83\\n' | sfdisk -q $1 >&2; dd if=f of=$1 bs=512 seek=2048 conv=notrunc status=none",
        ),
        packed(
            "disk, no protective record",
            "squashfs $2 f; disk $1 $root f; dd if=/dev/zero of=$1 bs=512 count=1 conv=notrunc status=none",
        ),
        packed(
            "disk, squashfs cut",
            "seq 30000 > $2/usr/bin/n; squashfs $2 f; truncate -s -4096 f; disk $1 $root f",
        ),
        packed("disk, lzma", "squashfs $2 f -comp lzma; disk $1 $root f"),
    ]
}

/// What is in the place of release files, and names that mean something elsewhere.
fn odd_ones() -> Vec<Case> {
    let release = |name| Release(name, RIGHT, None);
    let lenient = || Release("other", RIGHT, Some("0"));
    const CONFEXT: &str = "etc/extension-release.d/extension-release.tool";
    const SYSEXT: &str = "usr/lib/extension-release.d/extension-release.tool";
    vec![
        with("confext alone", HOST, vec![File(CONFEXT, RIGHT)]),
        with(
            "confext alone, any ID",
            HOST,
            vec![File(CONFEXT, "ID=_any\n")],
        ),
        with(
            "confext alone, wrong ID",
            HOST,
            vec![File(CONFEXT, "ID=fedora\n")],
        ),
        with(
            "confext alone, wrong version",
            HOST,
            vec![File(CONFEXT, "ID=opensuse-tumbleweed\nVERSION_ID=1\n")],
        ),
        with(
            "confext alone, scope",
            HOST,
            vec![File(CONFEXT, "ID=_any\nCONFEXT_SCOPE=initrd\n")],
        ),
        with(
            "confext alone, level",
            LEVEL,
            vec![File(
                CONFEXT,
                "ID=opensuse-tumbleweed\nVERSION_ID=1\nCONFEXT_LEVEL=2\n",
            )],
        ),
        with(
            "confext alone, sysext scope",
            HOST,
            vec![File(CONFEXT, "ID=_any\nSYSEXT_SCOPE=initrd\n")],
        ),
        with("confext alone, empty", HOST, vec![File(CONFEXT, "")]),
        with(
            "confext of another name",
            HOST,
            vec![File(
                "etc/extension-release.d/extension-release.other",
                RIGHT,
            )],
        ),
        with(
            "confext and sysext",
            HOST,
            vec![release("tool"), File(CONFEXT, "ID=fedora\n")],
        ),
        with(
            "confext, and a sysext of another name",
            HOST,
            vec![release("other"), File(CONFEXT, RIGHT)],
        ),
        with(
            "confext and a whole system",
            HOST,
            vec![File(CONFEXT, RIGHT), File("etc/os-release", HOST)],
        ),
        with(
            "release file is a directory",
            HOST,
            vec![Directory(SYSEXT, 0o755)],
        ),
        with(
            "a directory and a lenient file",
            HOST,
            vec![Directory(SYSEXT, 0o755), lenient()],
        ),
        with(
            "release file is a device",
            HOST,
            vec![Whiteout(SYSEXT), lenient()],
        ),
        with(
            "other directory",
            HOST,
            vec![
                release("tool"),
                Directory("usr/lib/extension-release.d/extension-release.a", 0o755),
            ],
        ),
        with(
            "only another directory",
            HOST,
            vec![Directory(
                "usr/lib/extension-release.d/extension-release.a",
                0o755,
            )],
        ),
        with(
            "the directory is a link",
            HOST,
            vec![
                File("usr/lib/x/extension-release.tool", RIGHT),
                Link("usr/lib/extension-release.d", "x"),
            ],
        ),
        with(
            "the directory is an absolute link",
            HOST,
            vec![
                File("usr/lib/x/extension-release.tool", RIGHT),
                Link("usr/lib/extension-release.d", "/usr/lib/x"),
            ],
        ),
        with(
            "the directory is a link, lenient",
            HOST,
            vec![
                File("usr/lib/x/y", ""),
                Link("usr/lib/extension-release.d", "x"),
                File("usr/lib/x/extension-release.other", RIGHT),
            ],
        ),
        with(
            "the directory is a file",
            HOST,
            vec![File("usr/lib/extension-release.d", RIGHT)],
        ),
        with(
            "usr/lib is a link",
            HOST,
            vec![
                File(
                    "usr/lib64/extension-release.d/extension-release.tool",
                    RIGHT,
                ),
                Link("usr/lib", "lib64"),
            ],
        ),
        with(
            "usr/lib/os-release is a directory",
            HOST,
            vec![release("tool"), Directory("usr/lib/os-release", 0o755)],
        ),
        with(
            "etc/os-release is a directory",
            HOST,
            vec![Directory("etc/os-release", 0o755)],
        ),
        with(
            "etc/os-release is a directory, release",
            HOST,
            vec![release("tool"), Directory("etc/os-release", 0o755)],
        ),
        with(
            "etc/os-release leads to usr",
            HOST,
            vec![
                release("tool"),
                Link("etc/os-release", "../usr/lib/os-release"),
                File("usr/lib/os-release", HOST),
            ],
        ),
        with(
            "etc/os-release dangles",
            HOST,
            vec![Link("etc/os-release", "nothing")],
        ),
        with(
            "usr/lib/os-release is a device",
            HOST,
            vec![release("tool"), Whiteout("usr/lib/os-release")],
        ),
        named(
            "name with backslash",
            "to\\ol",
            HOST,
            vec![release("to\\ol")],
        ),
        named(
            "name with backslash x",
            "to\\x41l",
            HOST,
            vec![release("to\\x41l")],
        ),
        named(
            "name with double quotes",
            "to\"ol",
            HOST,
            vec![release("to\"ol")],
        ),
        named(
            "name with a single quote",
            "to'ol",
            HOST,
            vec![release("to'ol")],
        ),
        named("name with =", "to=ol", HOST, vec![release("to=ol")]),
        named("name with %", "to%ol", HOST, vec![release("to%ol")]),
        named("name with @", "to@ol", HOST, vec![release("to@ol")]),
        named(
            "name with umlaut",
            "t\u{f6}ol",
            HOST,
            vec![release("t\u{f6}ol")],
        ),
        named(".raw twice", "tool.raw", HOST, vec![release("tool.raw")]),
        named(
            ".raw twice, one in the file",
            "tool.raw",
            HOST,
            vec![release("tool")],
        ),
        named(
            ".raw twice, both",
            "tool.raw",
            HOST,
            vec![release("tool"), release("tool.raw")],
        ),
        named(
            ".raw twice, stripped is wrong",
            "tool.raw",
            HOST,
            vec![Release("tool", "ID=fedora\n", None), release("tool.raw")],
        ),
        named(
            ".raw twice, whole is wrong",
            "tool.raw",
            HOST,
            vec![release("tool"), Release("tool.raw", "ID=fedora\n", None)],
        ),
        named("name with .img", "tool.img", HOST, vec![release("tool")]),
        named(
            "name with .img in the file",
            "tool.img",
            HOST,
            vec![release("tool.img")],
        ),
        named("name with .xz", "tool.xz", HOST, vec![release("tool")]),
        named(
            "name with .gz in the file",
            "tool.gz",
            HOST,
            vec![release("tool.gz")],
        ),
        named("name with .zst", "tool.zst", HOST, vec![release("tool")]),
        named(
            "name with .zst in the file",
            "tool.zst",
            HOST,
            vec![release("tool.zst")],
        ),
        named(
            "name with .qcow2",
            "tool.qcow2",
            HOST,
            vec![release("tool")],
        ),
        named("name with .bin", "tool.bin", HOST, vec![release("tool")]),
        named(
            "name with .img.gz",
            "tool.img.gz",
            HOST,
            vec![release("tool")],
        ),
        named(
            "name with .img, cut",
            "tool_1.img",
            HOST,
            vec![release("tool")],
        ),
        named(
            "name with .img and .sysext",
            "tool.sysext.img",
            HOST,
            vec![release("tool")],
        ),
        named(
            "name of .confext",
            ".confext",
            HOST,
            vec![release(".confext")],
        ),
        named(
            "name with .confext",
            "tool.confext",
            HOST,
            vec![release("tool")],
        ),
        named(
            "name with .confext in the file",
            "tool.confext",
            HOST,
            vec![release("tool.confext")],
        ),
        named(
            "name with .portable",
            "tool.portable",
            HOST,
            vec![release("tool")],
        ),
        named(
            "name with .sysext in the file",
            "tool.sysext",
            HOST,
            vec![release("tool.sysext")],
        ),
        named(
            "name with .sysext twice",
            "tool.sysext.sysext",
            HOST,
            vec![release("tool.sysext")],
        ),
        named("name of .sysext", ".sysext", HOST, vec![release(".sysext")]),
        named("name of .v", "tool.v", HOST, vec![release("tool.v")]),
        named("name with three +", "tool+3-2", HOST, vec![release("tool")]),
        named(
            "name with .sysext, cut",
            "tool_1.sysext",
            HOST,
            vec![release("tool")],
        ),
        keys("NUL in a comment", "#\0\nID=_any\n", HOST),
        keys("NUL at the end", "ID=_any\n\0", HOST),
        keys("a comment that goes on", "# a \\\nID=_any\n", HOST),
        keys("not UTF-8", "ID=_any\nX=\u{fffd}\n", HOST),
        damaged(
            "a value of a mebibyte",
            Packed(
                "{ printf 'X='; head -c 1M /dev/zero | tr '\\0' a; printf '\\nID=_any\\n'; } > $2/usr/lib/extension-release.d/extension-release.tool; squashfs $2 $1",
            ),
        ),
        damaged(
            "a line of 100 KiB",
            Packed(
                "{ printf '#'; head -c 100K /dev/zero | tr '\\0' a; printf '\\nID=_any\\n'; } > $2/usr/lib/extension-release.d/extension-release.tool; squashfs $2 $1",
            ),
        ),
        damaged(
            "invalid UTF-8",
            Packed(
                "printf 'ID=_any\\nX=\\377\\n' > $2/usr/lib/extension-release.d/extension-release.tool; squashfs $2 $1",
            ),
        ),
    ]
}

fn cases() -> Vec<Case> {
    let other = |strict| vec![Release("other", RIGHT, strict)];
    let good = || Release("tool", RIGHT, None);
    vec![
        // Keys.
        keys("good", RIGHT, HOST),
        keys("wrong ID", "ID=fedora\nVERSION_ID=20241010\n", HOST),
        keys(
            "wrong VERSION_ID",
            "ID=opensuse-tumbleweed\nVERSION_ID=1\n",
            HOST,
        ),
        keys("no VERSION_ID", "ID=opensuse-tumbleweed\n", HOST),
        keys(
            "empty VERSION_ID",
            "ID=opensuse-tumbleweed\nVERSION_ID=\n",
            HOST,
        ),
        keys("no ID", "VERSION_ID=20241010\n", HOST),
        keys("any ID", "ID=_any\nVERSION_ID=1\n", HOST),
        keys("any ID alone", "ID=_any\n", HOST),
        keys("ID of ID_LIKE", "ID=suse\nVERSION_ID=20241010\n", HOST),
        keys(
            "ID of ID_LIKE, wrong VERSION_ID",
            "ID=suse\nVERSION_ID=1\n",
            HOST,
        ),
        keys("rolling host", "ID=opensuse-tumbleweed\n", ROLLING),
        keys("rolling host, VERSION_ID in the image", RIGHT, ROLLING),
        keys(
            "rolling host, level in the image",
            "ID=opensuse-tumbleweed\nSYSEXT_LEVEL=1\n",
            ROLLING,
        ),
        keys(
            "level equal, VERSION_ID wrong",
            "ID=opensuse-tumbleweed\nVERSION_ID=1\nSYSEXT_LEVEL=2\n",
            LEVEL,
        ),
        keys(
            "level differs",
            "ID=opensuse-tumbleweed\nVERSION_ID=20241010\nSYSEXT_LEVEL=1\n",
            LEVEL,
        ),
        keys(
            "level only in the image",
            "ID=opensuse-tumbleweed\nVERSION_ID=20241010\nSYSEXT_LEVEL=2\n",
            HOST,
        ),
        keys("level only on the host", RIGHT, LEVEL),
        keys("level only on the host, no VERSION_ID", RIGHT, LEVEL_ONLY),
        keys("host without ID", RIGHT, "VERSION_ID=20241010\n"),
        keys("RPM's ARCHITECTURE", "ID=_any\nARCHITECTURE=x86_64\n", HOST),
        keys("other ARCHITECTURE", "ID=_any\nARCHITECTURE=arm64\n", HOST),
        keys("right ARCHITECTURE", "ID=_any\nARCHITECTURE=x86-64\n", HOST),
        keys("any ARCHITECTURE", "ID=_any\nARCHITECTURE=_any\n", HOST),
        keys("scope initrd", "ID=_any\nSYSEXT_SCOPE=initrd\n", HOST),
        keys("scope portable", "ID=_any\nSYSEXT_SCOPE=portable\n", HOST),
        keys(
            "scope of two",
            "ID=_any\nSYSEXT_SCOPE=\"portable system\"\n",
            HOST,
        ),
        keys("scope empty", "ID=_any\nSYSEXT_SCOPE=\n", HOST),
        // Syntax.
        keys("no keys", "", HOST),
        keys("only a comment", "# nothing\n", HOST),
        keys(
            "quotes, CRLF, no last line end",
            "ID='opensuse-tumbleweed'\r\nVERSION_ID=\"20241010\"",
            HOST,
        ),
        keys("a line without =", "what\nID=_any\n", HOST),
        keys(
            "an open quote",
            "VERSION_ID=20241010\nID=\"opensuse-tumbleweed",
            HOST,
        ),
        keys(
            "white space round =",
            " ID = opensuse-tumbleweed \nVERSION_ID=20241010\n",
            HOST,
        ),
        keys(
            "a key twice",
            "ID=fedora\nID=opensuse-tumbleweed\nVERSION_ID=20241010\n",
            HOST,
        ),
        keys(
            "quotes inside a value",
            "ID=opensuse\"-tumbleweed\"\nVERSION_ID=20241010\n",
            HOST,
        ),
        // The release file.
        with("no release file", HOST, vec![]),
        with("other release file", HOST, other(None)),
        with("other release file, strict", HOST, other(Some("1"))),
        with(
            "other release file, strict=maybe",
            HOST,
            other(Some("maybe")),
        ),
        with("other release file, not strict", HOST, other(Some("0"))),
        with(
            "other release file, strict=False",
            HOST,
            other(Some("False")),
        ),
        with(
            "two other release files",
            HOST,
            vec![
                Release("a", RIGHT, Some("0")),
                Release("b", RIGHT, Some("0")),
            ],
        ),
        with(
            "the right one and another",
            HOST,
            vec![good(), Release("b", "ID=fedora\n", Some("0"))],
        ),
        with(
            "release file is a link",
            HOST,
            vec![
                File("usr/lib/release", RIGHT),
                Link(
                    "usr/lib/extension-release.d/extension-release.tool",
                    "../release",
                ),
            ],
        ),
        with(
            "release file is an absolute link",
            HOST,
            vec![
                File("usr/lib/release", RIGHT),
                Link(
                    "usr/lib/extension-release.d/extension-release.tool",
                    "/usr/lib/release",
                ),
            ],
        ),
        with(
            "release file is a dangling link",
            HOST,
            vec![Link(
                "usr/lib/extension-release.d/extension-release.tool",
                "/usr/lib/nothing",
            )],
        ),
        with(
            "a dangling link and another file",
            HOST,
            vec![
                Link(
                    "usr/lib/extension-release.d/extension-release.tool",
                    "nothing",
                ),
                Release("other", RIGHT, Some("0")),
            ],
        ),
        // Names.
        named("cut at _", "tool_1.2", HOST, vec![good()]),
        named("cut at +", "tool+1.2", HOST, vec![good()]),
        named("not cut at -", "tool-1.2", HOST, vec![good()]),
        named(
            "both cut",
            "tool_1.2",
            HOST,
            vec![Release("tool_1.1", RIGHT, None)],
        ),
        named(
            "full name, not strict",
            "tool-1.2.x86-64",
            HOST,
            other(Some("0")),
        ),
        named(
            "name with a colon",
            "to:ol",
            HOST,
            vec![Release("to:ol", RIGHT, None)],
        ),
        named(
            "name with a comma",
            "to,ol",
            HOST,
            vec![Release("to,ol", RIGHT, None)],
        ),
        named(
            "name with + and ~",
            "to+o~l",
            HOST,
            vec![Release("to+o~l", RIGHT, None)],
        ),
        named(
            "hidden name",
            ".tool",
            HOST,
            vec![Release(".tool", RIGHT, None)],
        ),
        named("name with .sysext", "tool.sysext", HOST, vec![good()]),
        // Contents.
        with(
            "usr/lib/os-release",
            HOST,
            vec![good(), File("usr/lib/os-release", HOST)],
        ),
        with(
            "etc/os-release",
            HOST,
            vec![good(), File("etc/os-release", HOST)],
        ),
        with(
            "etc/os-release alone",
            HOST,
            vec![File("etc/os-release", HOST)],
        ),
        with(
            "usr/lib/os-release alone",
            HOST,
            vec![File("usr/lib/os-release", HOST)],
        ),
        with(
            "usr/lib/os-release leads nowhere",
            HOST,
            vec![good(), Link("usr/lib/os-release", "nothing")],
        ),
        with(
            "only /opt beside the release file",
            HOST,
            vec![good(), File("opt/x/y", "y")],
        ),
        with(
            "outside the hierarchies",
            HOST,
            vec![good(), File("etc/tool", "x"), File("var/lib/tool", "x")],
        ),
        with(
            "a link over a directory",
            HOST,
            vec![good(), Link("usr/games", "bin")],
        ),
        with(
            "a private directory",
            HOST,
            vec![good(), Directory("usr/share/doc", 0o700)],
        ),
        with("a whiteout", HOST, vec![good(), Whiteout("usr/bin/whoami")]),
        // Bytes.
        damaged("gzip", Options(&["-comp", "gzip"])),
        damaged("xz", Options(&["-comp", "xz"])),
        damaged("lz4", Options(&["-comp", "lz4"])),
        damaged("zstd", Options(&["-comp", "zstd"])),
        damaged("lzma", Options(&["-comp", "lzma"])),
        damaged("unpadded", Options(&["-nopad"])),
        damaged("truncated", Shell("truncate -s -4096 \"$1\"")),
        damaged("superblock alone", Shell("truncate -s 96 \"$1\"")),
        damaged("empty", Shell(": > \"$1\"")),
        damaged(
            "packed with gzip",
            Shell("gzip \"$1\" && mv \"$1.gz\" \"$1\""),
        ),
        damaged("text", Shell("yes text | head -c 8192 > \"$1\"")),
        damaged(
            "100 bytes behind the padding",
            Shell("head -c 100 /dev/zero >> \"$1\""),
        ),
        damaged(
            "a mebibyte behind the padding",
            Shell("head -c 1M /dev/zero >> \"$1\""),
        ),
        damaged("padded to a sector", Shell(SECTORS)),
        damaged("padded to one sector", Shell(SECTOR)),
    ]
}

/// Makes the image of a case.
fn make(directory: &Path, case: &Case) -> PathBuf {
    let tree = directory.join("tree");
    fs::create_dir_all(&tree).unwrap();
    for part in &case.parts {
        let (path, text) = match part {
            Release(name, text, _) => (
                format!("usr/lib/extension-release.d/extension-release.{name}"),
                *text,
            ),
            File(path, text) | Link(path, text) => ((*path).to_owned(), *text),
            Directory(path, _) | Whiteout(path) => ((*path).to_owned(), ""),
        };
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match part {
            Release(_, _, strict) => {
                fs::write(&path, text).unwrap();
                if let Some(strict) = strict {
                    output_of(
                        Command::new("setfattr")
                            .args(["-n", "user.extension-release.strict", "-v", strict])
                            .arg(&path),
                    );
                }
            }
            File(..) => fs::write(&path, text).unwrap(),
            Link(..) => symlink(text, &path).unwrap(),
            Directory(_, mode) => {
                output_of(
                    Command::new("install")
                        .arg("-dm")
                        .arg(format!("{mode:o}"))
                        .arg(&path),
                );
            }
            Whiteout(_) => {
                output_of(Command::new("mknod").arg(&path).args(["c", "0", "0"]));
            }
        }
    }
    let image = directory.join(IMAGE);
    let mut mksquashfs = Command::new("mksquashfs");
    mksquashfs
        .arg(&tree)
        .arg(&image)
        .args(["-noappend", "-quiet"]);
    if let Options(options) = &case.damage {
        mksquashfs.args(*options);
    }
    output_of(&mut mksquashfs);
    let command = match &case.damage {
        Shell(command) => (*command).to_owned(),
        Packed(command) => format!("set -e; rm $1; cd ${{1%/*}}; {DISK} {command}"),
        _ => return image,
    };
    output_of(
        Command::new("sh")
            .args(["-c", &command, "sh"])
            .arg(&image)
            .arg(&tree),
    );
    image
}

/// What the real program does with every case, with its log.
fn real(scratch: &Scratch, tree: &str, cases: &[(Case, PathBuf)]) -> Vec<(String, String)> {
    let mut list = String::new();
    let good = scratch.join("good.raw");
    for (index, (case, image)) in cases.iter().enumerate() {
        let host = scratch.join(&format!("{index}.os-release"));
        fs::write(&host, case.host).unwrap();
        let out = scratch.join(&format!("{index}.log"));
        let _ = writeln!(
            list,
            "{}\t{}\t{}\t{}",
            image.display(),
            case.link,
            host.display(),
            out.display()
        );
    }
    let list_file = scratch.join("list");
    fs::write(&list_file, list).unwrap();
    let commands = format!(
        "export SYSTEMD_LOG_LEVEL=debug
         while IFS=$(printf '\\t') read -r image name host log; do
             rc=0
             {{ merge store $image $name $host {} || rc=1; }} > $log 2>&1 < /dev/null
             echo exit $rc >> $log
             unmerge
         done < {}\n",
        good.display(),
        list_file.display()
    );
    let outcome = merging(tree, &commands);
    assert!(outcome.status.success(), "{}", text(&outcome.stdout));
    cases
        .iter()
        .enumerate()
        .map(|(index, (case, _))| {
            let log = text(&fs::read(scratch.join(&format!("{index}.log"))).unwrap());
            let exit = log.lines().last().unwrap();
            assert!(matches!(exit, "exit 0" | "exit 1"), "{}: {log}", case.about);
            let merged = log.contains("Merged extensions into '/usr'");
            let used = log
                .lines()
                .find(|line| line.starts_with("Using extensions "));
            let has =
                |name: &str| merged && used.is_some_and(|line| line.contains(&format!("'{name}'")));
            // Later versions list file names, and take `.sysext` off a name.
            let plain = case.link.strip_suffix(".sysext").unwrap_or(case.link);
            let names = [case.link, plain, &format!("{}.raw", case.link), IMAGE];
            let outcome = if names.iter().any(|name| has(name)) {
                "accepted"
            } else if has("zz-good") || has("zz-good.raw") {
                "ignored"
            } else {
                "refused"
            };
            assert!(
                exit != "exit 0" || outcome == "accepted",
                "{}: {log}",
                case.about
            );
            (outcome.to_owned(), log)
        })
        .collect()
}

/// What `check` says of a case.
fn said(case: &Case, image: &Path, host: &Path, client: &str) -> Value {
    let outcome = program()
        .args([
            "check", "--json", "--arch", "x86-64", "--as", case.link, "--client", client,
        ])
        .arg("--os-release")
        .arg(host)
        .arg(image)
        .output()
        .unwrap();
    let answer = json(&outcome);
    if answer["error"]
        .as_str()
        .is_some_and(|error| error.contains("has no ID"))
    {
        return serde_json::json!({"outcome": "refused", "field": "host", "words": ""});
    }
    let verdict = answer["images"][0]["hosts"][0]["verdicts"][0].clone();
    // An image that is merged may still harm its host, by what it hides.
    let on_host = &answer["images"][0]["hosts"][0];
    let code = match verdict["outcome"].as_str() {
        Some("accepted") if on_host["state"] != "breaks" => 0,
        Some("unread") => 3,
        _ => 1,
    };
    assert_eq!(outcome.status.code(), Some(code), "{answer}");
    verdict
}

fn compare(version: &str, tree: &str) {
    compare_all(version, tree, cases());
}

fn compare_all(version: &str, tree: &str, cases: Vec<Case>) {
    assert!(cases.len() >= 40);
    let scratch = Scratch::new();
    let good = make(
        &scratch.join("good"),
        &with("good", HOST, vec![Release("zz-good", "ID=_any\n", None)]),
    );
    fs::rename(good, scratch.join("good.raw")).unwrap();
    let cases: Vec<_> = cases
        .into_iter()
        .enumerate()
        .map(|(index, case)| {
            let image = make(&scratch.join(&format!("case{index}")), &case);
            (case, image)
        })
        .collect();
    let mut problems = Vec::new();
    for (index, ((case, image), (real, log))) in
        cases.iter().zip(real(&scratch, tree, &cases)).enumerate()
    {
        let host = scratch.join(&format!("{index}.os-release"));
        let verdict = said(case, image, &host, &format!("systemd-{version}"));
        if verdict["outcome"] != real.as_str() {
            problems.push(format!("{}: {real}, but check says {verdict}", case.about));
            continue;
        }
        // A key is written in capitals.
        let field = verdict["field"].as_str().unwrap();
        let words = verdict["words"].as_str().unwrap();
        if field.chars().all(|c| c.is_ascii_uppercase() || c == '_') && !log.contains(words) {
            problems.push(format!("{}: the log does not say {words:?}", case.about));
        }
    }
    assert!(
        problems.is_empty(),
        "systemd {version}:\n{}",
        problems.join("\n")
    );
}

/// What makes the images of the cases, and merges them.
const MERGES: Need = all(&[CLIENT, programs!("mksquashfs", "setfattr", "sh")]);

#[test(MERGES, systemd("252"))]
fn systemd_252_does_what_check_says() {
    compare("252", "/");
}

#[test(MERGES, OVER)]
fn systemd_254_does_what_check_says() {
    compare("254", &over(&OVER.path()));
}

#[test(MERGES, TRIXIE)]
fn systemd_257_does_what_check_says() {
    compare("257", &TRIXIE.path().display().to_string());
}

#[test(MERGES, SID)]
fn systemd_262_does_what_check_says() {
    compare("262", &SID.path().display().to_string());
}

/// What makes images of other kinds.
const MAKES: Need = all(&[MERGES, programs!("mkfs.erofs", "mke2fs", "sfdisk")]);

#[test(MAKES, systemd("252"))]
fn systemd_252_takes_what_check_says_of_other_kinds() {
    compare_all("252", "/", other_kinds());
}

#[test(MAKES, OVER)]
fn systemd_254_takes_what_check_says_of_other_kinds() {
    compare_all("254", &over(&OVER.path()), other_kinds());
}

#[test(MAKES, TRIXIE)]
fn systemd_257_takes_what_check_says_of_other_kinds() {
    compare_all("257", &TRIXIE.path().display().to_string(), other_kinds());
}

#[test(MAKES, SID)]
fn systemd_262_takes_what_check_says_of_other_kinds() {
    compare_all("262", &SID.path().display().to_string(), other_kinds());
}

#[test(MAKES, systemd("252"))]
fn systemd_252_takes_what_check_says_of_odd_ones() {
    compare_all("252", "/", odd_ones());
}

#[test(MAKES, OVER)]
fn systemd_254_takes_what_check_says_of_odd_ones() {
    compare_all("254", &over(&OVER.path()), odd_ones());
}

#[test(MAKES, TRIXIE)]
fn systemd_257_takes_what_check_says_of_odd_ones() {
    compare_all("257", &TRIXIE.path().display().to_string(), odd_ones());
}

#[test(MAKES, SID)]
fn systemd_262_takes_what_check_says_of_odd_ones() {
    compare_all("262", &SID.path().display().to_string(), odd_ones());
}

/// Policies that are asked for.
const POLICIES: [&str; 22] = [
    "*",
    "-",
    "~",
    "root=unprotected",
    "root=verity",
    "root=signed",
    "root=signed+absent",
    "root=encrypted",
    "root=unprotected+absent",
    "root=ignore",
    "root=open",
    "=open",
    "=unprotected",
    "usr=unprotected",
    "usr=signed:root=unprotected",
    "usr=absent:root=open",
    "root=unprotected+read-only-on",
    "root=unprotected+read-only-off",
    "root=unprotected+growfs-on",
    "root=signed:root-verity=open",
    "root=unprotected:root-verity=absent",
    "root=unprotected:home=signed",
];

/// Asks the real `systemd-dissect` whether images pass policies, and `check` the same.
fn compare_policies(version: &str, tree: &str) {
    let scratch = Scratch::new();
    let make = |command: &'static str| packed("policy", command);
    let images: Vec<_> = [
        "squashfs $2 $1",
        "squashfs $2 f; disk $1 $root f",
        "squashfs $2 f; disk $1 $root f; sfdisk -q --part-attrs $1 1 GUID:60",
        "squashfs $2/usr f; disk $1 $usr f",
        "squashfs $2 f; disk $1 $root f $home f",
    ]
    .into_iter()
    .enumerate()
    .map(|(index, command)| self::make(&scratch.join(&index.to_string()), &make(command)))
    .collect();
    let host = scratch.join("os-release");
    fs::write(&host, HOST).unwrap();
    let mut commands = "mkdir -p $CLIENT_ROOT/tmp/images\n".to_owned();
    for (index, image) in images.iter().enumerate() {
        let _ = writeln!(
            commands,
            "cp {} $CLIENT_ROOT/tmp/images/{index}.raw",
            image.display()
        );
        for policy in POLICIES {
            let _ = writeln!(
                commands,
                "client systemd-dissect --image-policy='{policy}' --validate /tmp/images/{index}.raw \
                 > /dev/null 2>&1 && echo 'taken {index} {policy}' || echo 'refused {index} {policy}'"
            );
        }
    }
    let outcome = merging(tree, &commands);
    let answers = text(&outcome.stdout);
    for (index, image) in images.iter().enumerate() {
        for policy in POLICIES {
            let client = format!("systemd-{version}");
            let outcome = program()
                .args(["check", "--json", "--arch", "x86-64", "--as", "tool"])
                .args([
                    "--client",
                    &client,
                    "--image-policy",
                    policy,
                    "--os-release",
                ])
                .args([&host, image])
                .output()
                .unwrap();
            let verdict = &json(&outcome)["images"][0]["hosts"][0]["verdicts"][0];
            let word = if verdict["outcome"] == "accepted" {
                "taken"
            } else {
                "refused"
            };
            let line = format!("{word} {index} {policy}\n");
            assert!(
                answers.contains(&line),
                "{version}: not {line}{verdict}\n{answers}"
            );
        }
    }
}

#[test(MAKES, TRIXIE)]
fn policies_are_judged_as_by_systemd_257() {
    compare_policies("257", &TRIXIE.path().display().to_string());
}

#[test(MAKES, SID)]
fn policies_are_judged_as_by_systemd_262() {
    compare_policies("262", &SID.path().display().to_string());
}
