//! Desktop entries, judged by update-desktop-database.

use std::fs;

use caches::{Contents, desktop};

use super::{Scratch, run};

/// Entries, by their names.
const ENTRIES: &[(&str, &str)] = &[
    (
        "b.desktop",
        "[Desktop Entry]\nName=b\nMimeType=text/plain;image/png;bad;x-scheme-handler/http;\n",
    ),
    (
        "a.desktop",
        "# x\n[Desktop Entry]\nName=a\nMimeType=image/png;text/plain;text/plain;application/vnd.a+b-c.d\n",
    ),
    (
        "hidden.desktop",
        "[Desktop Entry]\nHidden=true\nMimeType=text/plain\n",
    ),
    (
        "shown.desktop",
        "[Desktop Entry]\nHidden=false\nNoDisplay=true\nMimeType=text/x-y;\n",
    ),
    (
        "sub/dir/c.desktop",
        "[Desktop Entry]\nMimeType= text/plain;text/ html; text/css;te xt/x;/a;b/;text/a/b;\n",
    ),
    (
        "media.desktop",
        "[Desktop Entry]\nMimeType=foo/bar;x-foo/bar;chemical/x;font/ttf;inode/directory;x-content/audio-cd;model/stl;multipart/x;message/x;audio/x;video/x\n",
    ),
    (
        "actions.desktop",
        "[Desktop Entry]\nName=c\n[Desktop Action x]\nMimeType=text/w;\n",
    ),
    (
        "late.desktop",
        "[Desktop Action x]\nMimeType=text/w;\n[Desktop Entry]\nMimeType=text/v;\n",
    ),
    (
        "twice.desktop",
        "[Desktop Entry]\nMimeType=text/one;\nMimeType=text/two;\n",
    ),
    ("none.desktop", "[Desktop Entry]\nMimeType=\n"),
    ("wrong.desktop", "Name=c\nMimeType=text/z\n"),
    ("empty.desktop", ""),
    ("not-an-entry", "[Desktop Entry]\nMimeType=text/none;\n"),
];

#[test(program("update-desktop-database"))]
fn types_are_listed_as_by_the_tool() {
    let scratch = Scratch::new("desktop");
    let mut sources = Contents::new();
    for (name, text) in ENTRIES {
        let path = scratch.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        sources.insert((*name).to_owned(), text.as_bytes().to_vec());
    }
    run("update-desktop-database", &[scratch.path()]);
    let judged = fs::read_to_string(scratch.path().join(desktop::NAME)).unwrap();
    let made = desktop::make(&sources);
    let text = String::from_utf8(made.files[desktop::NAME].clone()).unwrap();
    assert_eq!(text, judged);
    let ignored: Vec<_> = made.ignored.iter().map(|one| one.file.as_str()).collect();
    assert_eq!(ignored, ["wrong.desktop"]);

    sources.retain(|name, _| ["none.desktop", "empty.desktop"].contains(&name.as_str()));
    assert!(desktop::make(&sources).files.is_empty());
}
