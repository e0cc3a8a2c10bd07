//! Icons of themes, judged by gtk-update-icon-cache.

use std::fs;
use std::path::Path;

use caches::{Contents, icons};

use super::{Scratch, run};

/// Files that say something of an image.
const DATA: &[(&str, &str)] = &[
    (
        "scalable/apps/rect.icon",
        "[Icon Data]\nEmbeddedTextRectangle=1,2,300,-4\n",
    ),
    (
        "scalable/apps/all.icon",
        "[Icon Data]\nDisplayName=All\nDisplayName[de]=Alle\nDisplayName[fr]=All\n\
         AttachPoints=1,2|3,4\nEmbeddedTextRectangle=1,2,3,4\n",
    ),
    (
        "scalable/apps/named.icon",
        "[Icon Data]\nDisplayName=named\nDisplayName[de]=Alle\n",
    ),
    ("scalable/apps/nothing.icon", "[Icon Data]\n"),
    ("scalable/apps/wrong.icon", "x\n"),
    (
        "scalable/apps/alone.icon",
        "[Icon Data]\nDisplayName=alone\n",
    ),
    ("16x16/apps/only.icon", "[Icon Data]\n"),
];

fn compare(root: &Path, sources: &Contents) {
    let option = Path::new("--force");
    run(
        "gtk-update-icon-cache",
        &[option, Path::new("--ignore-theme-index"), root],
    );
    let judged = fs::read(root.join(icons::NAME)).unwrap();
    let made = icons::make(sources);
    assert!(
        made.files[icons::NAME] == judged,
        "{} sources: other bytes",
        sources.len()
    );
}

#[test(program("gtk-update-icon-cache"))]
fn icons_are_listed_as_by_the_tool() {
    let scratch = Scratch::new("icons");
    let root = scratch.path();
    let mut sources = Contents::new();
    let mut add = |path: &str, text: &str| {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        sources.insert(path.to_owned(), text.as_bytes().to_vec());
        sources.clone()
    };
    add("index.theme", "[Icon Theme]\nName=x\n");
    add("top.png", "");
    for size in ["16x16", "48x48", "48x48@2", "scalable", "symbolic"] {
        for name in [
            "a", "all", "named", "rect", "nothing", "wrong", "x.y", "scalable",
        ] {
            let end = if size.starts_with('s') { "svg" } else { "png" };
            add(&format!("{size}/apps/{name}.{end}"), "");
        }
        add(&format!("{size}/places/folder.xpm"), "");
        add(&format!("{size}/places/folder.png"), "");
        add(&format!("{size}/z.png"), "");
        add(&format!("{size}/notes.txt"), "");
    }
    let few = add("deep/er/and/deeper/it.svg", "");
    compare(root, &few);
    for (path, text) in DATA {
        add(path, text);
    }
    for count in [20, 100, 400, 1500] {
        for number in 0..count {
            add(&format!("scalable/status/status-{number}.svg"), "");
            add(
                &format!("{}x16/many/many-{}.png", number % 7, number * 3),
                "",
            );
        }
        let all = add("last.svg", "");
        compare(root, &all);
    }
    assert!(icons::make(&Contents::new()).files.is_empty());
}
