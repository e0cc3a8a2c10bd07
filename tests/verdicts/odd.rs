//! Images with something else in the place of release files, and with odd names.

use super::Damage::Packed;
use super::Part::{Directory, File, Link, Release, Whiteout};
use super::{Case, HOST, LEVEL, RIGHT, damaged, keys, named, with};

/// What is in the place of release files, and names that mean something elsewhere.
pub fn odd_ones() -> Vec<Case> {
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
