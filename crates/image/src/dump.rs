//! The canonical text of a tree: one name a line, in path order.
//!
//! ```text
//! /usr/bin d 0755 0:0 1700000000
//! /usr/bin/ping f 0755 0:0 1700000000 73728 sha256:5feceb66… security.capability=0x01000002…
//! /usr/bin/ping6 h /usr/bin/ping
//! /usr/bin/tracepath6 l 0777 0:0 1700000000 tracepath
//! ```
//!
//! Fields are separated by one space: path; type (`d`irectory, `f`ile, symbolic `l`ink, `h`ard
//! link to an earlier name, `b`lock, `c`haracter, `p`ipe, `s`ocket); mode in octal; `uid:gid`;
//! modification time; for a file its size in bytes and content id, for a link its target, for a
//! device its number; then extended attributes as `name=0xHEX` in name order. In paths and targets
//! a backslash, a space, control characters and bytes that are not UTF-8 are written as `\xHH`, so
//! that a line can be split at spaces, and means one tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use files::PathBytes;

use crate::tree::{Content, LeafId, Special, Tree, Visit};

/// Returns the canonical text of `tree`.
pub fn dump(tree: &Tree) -> String {
    let mut text = String::new();
    lines(tree, &mut |line| {
        text.push_str(line);
        text.push('\n');
    });
    text
}

/// Hands out the lines of the canonical text of `tree`, without their ends, one after the other.
pub fn lines(tree: &Tree, each: &mut dyn FnMut(&str)) {
    let mut text = String::new();
    let linked = linked(tree);
    let mut first_names: BTreeMap<LeafId, PathBytes> = BTreeMap::new();
    tree.walk(&mut |path, visit| {
        text.clear();
        push(&mut text, format_args!("/{}", escaped(path.bytes())));
        match visit {
            Visit::Directory(_) => text.push_str(" d"),
            Visit::Leaf(id, leaf) => {
                if let Some(first) = first_names.get(&id) {
                    push(&mut text, format_args!(" h /{}", escaped(first.bytes())));
                    each(&text);
                    return;
                }
                if linked.contains(&id) {
                    first_names.insert(id, path.clone());
                }
                text.push_str(match &leaf.content {
                    Content::File { .. } => " f",
                    Content::Symlink(_) => " l",
                    Content::Special(Special::Block(_)) => " b",
                    Content::Special(Special::Character(_)) => " c",
                    Content::Special(Special::Fifo) => " p",
                    Content::Special(Special::Socket) => " s",
                });
            }
        }
        let stat = visit.stat();
        push(
            &mut text,
            format_args!(
                " {:04o} {}:{} {}",
                stat.mode, stat.uid, stat.gid, stat.mtime
            ),
        );
        if let Visit::Leaf(_, leaf) = visit {
            match &leaf.content {
                Content::File { size, id } => push(&mut text, format_args!(" {size} {id}")),
                Content::Symlink(target) => {
                    push(&mut text, format_args!(" {}", escaped(target.bytes())))
                }
                Content::Special(Special::Block(number) | Special::Character(number)) => {
                    push(&mut text, format_args!(" {number:#x}"));
                }
                Content::Special(Special::Fifo | Special::Socket) => {}
            }
        }
        for (name, value) in stat.xattrs.iter() {
            push(&mut text, format_args!(" {}=0x", escaped(name.as_bytes())));
            for byte in value {
                push(&mut text, format_args!("{byte:02x}"));
            }
        }
        each(&text);
    });
}

/// Returns the leaves that have several names.
fn linked(tree: &Tree) -> BTreeSet<LeafId> {
    let mut seen = vec![false; tree.leaf_count()];
    let mut linked = BTreeSet::new();
    tree.walk(&mut |_, visit| {
        if let Visit::Leaf(id, _) = visit
            && let Some(seen) = seen.get_mut(Tree::leaf_index(id))
            && std::mem::replace(seen, true)
        {
            linked.insert(id);
        }
    });
    linked
}

/// Appends to a string, which can't fail.
fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(arguments);
}

fn escaped(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    let escape = |out: &mut String, bytes: &[u8]| {
        for byte in bytes {
            push(out, format_args!("\\x{byte:02x}"));
        }
    };
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\\' || character == ' ' || character.is_control() {
                escape(&mut out, character.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                out.push(character);
            }
        }
        escape(&mut out, chunk.invalid());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::ContentId;
    use crate::tree::{Leaf, Stat};

    #[test]
    fn one_line_a_name() {
        let implicit = Stat::implicit_directory(5);
        let mut tree = Tree::new(implicit.clone());
        let mut stat = Stat {
            mode: 0o4755,
            uid: 1,
            gid: 2,
            mtime: 9,
            ..Stat::default()
        };
        stat.xattrs.insert("user.b".into(), vec![0xff, 0]);
        stat.xattrs.insert("security.a".into(), vec![]);
        let content = Content::File {
            size: 3,
            id: ContentId::new("sha256:00"),
        };
        let id = tree
            .insert_leaf("usr/a b\n", Leaf { stat, content }, &implicit)
            .unwrap();
        tree.link("usr/z", id, &implicit).unwrap();
        let stat = Stat {
            mode: 0o777,
            ..Stat::default()
        };
        let link = Leaf {
            stat,
            content: Content::Symlink("../x\\y".into()),
        };
        tree.insert_leaf("usr/l", link, &implicit).unwrap();
        assert_eq!(
            dump(&tree),
            "/ d 0755 0:0 5\n\
             /usr d 0755 0:0 5\n\
             /usr/a\\x20b\\x0a f 4755 1:2 9 3 sha256:00 security.a=0x user.b=0xff00\n\
             /usr/l l 0777 0:0 0 ../x\\x5cy\n\
             /usr/z h /usr/a\\x20b\\x0a\n"
        );
    }
}
