//! Caches of desktops: what their own programs make of an image's files and the base's.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::base::{base, system_package};
use crate::workshop::{Scratch, output_of, packaged, program, run, text};

const SCHEMAS: &str = "usr/share/glib-2.0/schemas";

/// A schema with one key.
fn schema(id: &str, default: &str) -> String {
    format!(
        "<schemalist><schema id='{id}' path='/{}/'><key name='size' type='i'>\
         <default>{default}</default></key></schema></schemalist>",
        id.replace('.', "/")
    )
}

/// Makes a package of a directory's files; returns its path.
fn package(scratch: &Scratch, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let root = scratch.join(&format!("of-{name}"));
    write(&root, files);
    let spec = format!(
        "Name: {name}\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n\
         %description\nx\n%install\nmkdir -p %{{buildroot}}\ncp -a {0}/usr %{{buildroot}}\n\
         (cd %{{buildroot}}; find . -type f | sed s/.//) > list\n%files -f list\n\
         %post\nglib-compile-schemas /{SCHEMAS} || :\nupdate-mime-database /usr/share/mime &> /dev/null || :\n",
        root.display()
    );
    packaged(scratch, name, &spec)
}

/// Writes files below a directory.
fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Builds an image; returns its file, its tree, and what was said.
fn build(scratch: &Scratch, package: &Path, more: &[&OsStr]) -> (Vec<u8>, PathBuf, String) {
    let (tree, output) = (scratch.join("tree"), scratch.join("out"));
    let _ = fs::remove_dir_all(&tree);
    let outcome = program()
        .args(["--name", "x", "--image-version", "1", "--arch", "x86_64"])
        .args(["--allow", "unchecked-base", "--allow", "shadows-base"])
        .args(["--replace", "--block-cache", "64M", "--tree"])
        .args([&tree, Path::new("-o"), &output, package])
        .args(more)
        .output()
        .unwrap();
    let said = text(&outcome.stderr);
    assert!(outcome.status.success(), "{said}");
    (fs::read(output.join("x-1.x86-64.raw")).unwrap(), tree, said)
}

#[test(programs!("rpm", "rpmbuild", "glib-compile-schemas"))]
fn schemas_of_image_and_base_are_compiled_together() {
    let scratch = Scratch::new();
    let own = schema("org.own", "1");
    let at = |name: &str| format!("{SCHEMAS}/{name}");
    let (first, both, wrong) = (
        at("org.own.gschema.xml"),
        at("both.gschema.xml"),
        at("wrong.gschema.xml"),
    );
    let new = package(
        &scratch,
        "new",
        &[
            (&first, &own),
            (&both, &schema("org.both", "2")),
            (&wrong, "<schemalist>"),
            (&at("30_new.gschema.override"), "[org.base]\nsize=7\n"),
            (&at("gschemas.compiled"), "of the package alone"),
        ],
    );
    let system = system_package(&scratch);
    let root = base(&scratch, &[&system]);
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    write(
        &root,
        &[
            (&at("org.base.gschema.xml"), &schema("org.base", "3")),
            (&both, &schema("org.both.before", "4")),
            (
                &at("mine.gschema.override"),
                "[org.own]\nsize=8\n[org.base]\nnothing=1\n",
            ),
            (&at("gschemas.compiled"), "of the base"),
        ],
    );
    let of_base = [OsStr::new("--base"), root.as_os_str()];

    // What glib-compile-schemas makes where both are merged.
    let judged = |tree: &Path| {
        let merged = scratch.join("merged");
        let _ = fs::remove_dir_all(&merged);
        for layer in [&root, tree] {
            let mut copy = Command::new("cp");
            output_of(copy.args(["-rT"]).args([&layer.join(SCHEMAS), &merged]));
        }
        fs::remove_file(merged.join("gschemas.compiled")).unwrap();
        output_of(Command::new("glib-compile-schemas").arg(&merged));
        fs::read(merged.join("gschemas.compiled")).unwrap()
    };
    let (image, tree, said) = build(&scratch, &new, &of_base);
    let compiled = fs::read(tree.join(at("gschemas.compiled"))).unwrap();
    assert!(compiled == judged(&tree), "{said}");
    let made = format!("/{SCHEMAS}/gschemas.compiled, made of 4 files and 2 of the base");
    assert!(said.contains(&made), "{said}");
    assert_eq!(said.matches("gschemas.compiled lacks").count(), 1, "{said}");
    let left_out =
        format!("gschemas.compiled lacks what is wrong in /{wrong} (of new-1-1.noarch): line 1: ");
    assert!(said.contains(&left_out), "{said}");
    assert!(
        !said.contains("index-not-made") && !said.contains("cache-hidden"),
        "{said}"
    );

    // The same from blocks that were kept, and other bytes where the base has changed.
    let (again, _, said) = build(&scratch, &new, &of_base);
    assert!(
        again == image && said.contains("taken from the cache"),
        "{said}"
    );
    let check = |file: &Path| {
        let arguments = [
            OsStr::new("check"),
            "--base".as_ref(),
            root.as_ref(),
            file.as_ref(),
        ];
        let outcome = run(arguments);
        text(&outcome.stdout)
    };
    let file = scratch.join("out/x-1.x86-64.raw");
    assert!(!check(&file).contains("cache-hidden"), "{}", check(&file));
    write(
        &root,
        &[(&at("later.gschema.xml"), &schema("org.later", "5"))],
    );
    assert!(check(&file).contains("cache-hidden"), "{}", check(&file));
    let (other, tree, said) = build(&scratch, &new, &of_base);
    let compiled = fs::read(tree.join(at("gschemas.compiled"))).unwrap();
    assert!(other != image && compiled == judged(&tree), "{said}");

    // What the overlay brings stays.
    let overlay = scratch.join("overlay");
    write(&overlay, &[(&at("gschemas.compiled"), "of somebody")]);
    let mut arguments = of_base.to_vec();
    arguments.extend([
        "--overlay".as_ref(),
        overlay.as_os_str(),
        "--allow".as_ref(),
        "cache-hidden".as_ref(),
    ]);
    let (_, tree, said) = build(&scratch, &new, &arguments);
    let compiled = fs::read_to_string(tree.join(at("gschemas.compiled"))).unwrap();
    assert_eq!(compiled, "of somebody", "{said}");
}

#[test(programs!("rpm", "rpmbuild"))]
fn an_index_is_not_made_where_it_would_hide_the_bases() {
    let scratch = Scratch::new();
    let path = format!("{SCHEMAS}/org.own.gschema.xml");
    let new = package(&scratch, "new", &[(&path, &schema("org.own", "1"))]);
    let old = format!("{SCHEMAS}/org.base.gschema.xml");
    let old = package(&scratch, "old", &[(&old, &schema("org.base", "1"))]);
    let system = system_package(&scratch);
    let compiled = |tree: &Path| tree.join(SCHEMAS).join("gschemas.compiled").exists();

    // A database lists files, and has none of them.
    let root = base(&scratch, &[&system, &old.display().to_string()]);
    let (_, tree, said) = build(&scratch, &new, &["--base".as_ref(), root.as_os_str()]);
    assert!(!compiled(&tree), "{said}");
    assert!(
        said.contains("it would hide the schemas of settings of the base"),
        "{said}"
    );
    assert_eq!(said.matches("index-not-made").count(), 1, "{said}");

    let (_, tree, said) = build(&scratch, &new, &["--match".as_ref(), "any".as_ref()]);
    assert!(!compiled(&tree), "{said}");
    assert!(
        said.contains("are not known") && said.contains("index-not-made"),
        "{said}"
    );

    // A base without schemas has nothing to hide.
    let bare = Scratch::new();
    let plain = package(&scratch, "plain", &[("usr/share/plain", "x")]);
    let root = base(&bare, &[&system, &plain.display().to_string()]);
    let (_, tree, said) = build(&scratch, &new, &["--base".as_ref(), root.as_os_str()]);
    assert!(
        compiled(&tree) && !said.contains("index-not-made"),
        "{said}"
    );
}

/// Returns the layers of a directory as they are merged, without its cache, which is made again there.
fn merged(scratch: &Scratch, layers: [&Path; 2], directory: &str, tool: &[&str]) -> PathBuf {
    let merged = scratch.join("merged");
    let _ = fs::remove_dir_all(&merged);
    for layer in layers {
        let mut copy = Command::new("cp");
        output_of(copy.args(["-rT"]).args([&layer.join(directory), &merged]));
    }
    output_of(Command::new(tool[0]).args(&tool[1..]).arg(&merged));
    merged
}

#[test(programs!("rpm", "rpmbuild", "gtk-update-icon-cache", "update-desktop-database"))]
fn icons_and_entries_of_image_and_base_are_listed_together() {
    let scratch = Scratch::new();
    let entry = |types: &str| format!("[Desktop Entry]\nName=x\nMimeType={types}\n");
    let (theme, other) = ("usr/share/icons/hicolor", "usr/share/icons/other");
    let entries = "usr/share/applications";
    let new = package(
        &scratch,
        "new",
        &[
            (
                &format!("{entries}/new.desktop"),
                &entry("text/plain;text/new;"),
            ),
            (&format!("{theme}/48x48/apps/new.png"), "new"),
            (&format!("{theme}/scalable/apps/new.svg"), "new"),
            (&format!("{other}/48x48/apps/new.png"), "new"),
        ],
    );
    let system = system_package(&scratch);
    let root = base(&scratch, &[&system]);
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    write(
        &root,
        &[
            (
                &format!("{entries}/base.desktop"),
                &entry("text/plain;text/base;"),
            ),
            (
                &format!("{entries}/kde/deep.desktop"),
                &entry("text/plain;"),
            ),
            (&format!("{theme}/icon-theme.cache"), "of the base"),
            (&format!("{theme}/index.theme"), "[Icon Theme]\n"),
            (&format!("{theme}/48x48/apps/base.png"), "base"),
            (&format!("{theme}/48x48/apps/data.png"), "base"),
            (
                &format!("{theme}/48x48/apps/data.icon"),
                "[Icon Data]\nDisplayName=x\n",
            ),
            (&format!("{other}/48x48/apps/base.png"), "base"),
        ],
    );
    std::os::unix::fs::symlink("base.png", root.join(theme).join("48x48/apps/link.png")).unwrap();
    let of_base = [OsStr::new("--base"), root.as_os_str()];
    let (_, tree, said) = build(&scratch, &new, &of_base);

    let made = fs::read(tree.join(theme).join("icon-theme.cache")).unwrap();
    let tool = ["gtk-update-icon-cache", "--force", "--ignore-theme-index"];
    let judged = merged(&scratch, [&root, &tree], theme, &tool);
    assert!(
        made == fs::read(judged.join("icon-theme.cache")).unwrap(),
        "{said}"
    );
    // GTK takes it for current: nothing of the theme is newer.
    let time = |path: &str| {
        fs::metadata(tree.join(theme).join(path))
            .unwrap()
            .modified()
            .unwrap()
    };
    assert!(time("icon-theme.cache") >= time(""), "{said}");
    // Without a cache of the base, GTK reads the directories.
    assert!(!tree.join(other).join("icon-theme.cache").exists());
    assert!(
        !said.contains("stale-cache") && !said.contains("cache-hidden"),
        "{said}"
    );

    let made = fs::read_to_string(tree.join(entries).join("mimeinfo.cache")).unwrap();
    let judged = merged(
        &scratch,
        [&root, &tree],
        entries,
        &["update-desktop-database"],
    );
    assert_eq!(
        made,
        fs::read_to_string(judged.join("mimeinfo.cache")).unwrap()
    );
    assert!(
        made.contains("text/plain=base.desktop;kde-deep.desktop;new.desktop;"),
        "{made}"
    );

    let file = scratch.join("out/x-1.x86-64.raw");
    let outcome = run([
        OsStr::new("check"),
        "--base".as_ref(),
        root.as_ref(),
        file.as_ref(),
    ]);
    assert!(
        !text(&outcome.stdout).contains("cache-hidden"),
        "{}",
        text(&outcome.stdout)
    );

    // An entry that opens no files has no part in it.
    let dull = [(
        &*format!("{entries}/dull.desktop"),
        "[Desktop Entry]\nName=x\n",
    )];
    let dull = package(&scratch, "dull", &dull);
    let (_, tree, said) = build(&scratch, &dull, &of_base);
    assert!(
        !tree.join(entries).join("mimeinfo.cache").exists(),
        "{said}"
    );
}

#[test(programs!("rpm", "rpmbuild", "update-mime-database"))]
fn types_of_files_of_image_and_base_are_known_together() {
    let scratch = Scratch::new();
    let mime = "usr/share/mime";
    let definitions = |within: &str| {
        format!(
            "<mime-info xmlns='http://www.freedesktop.org/standards/shared-mime-info'>{within}</mime-info>"
        )
    };
    let of = |name: &str, within: &str| format!("<mime-type type='{name}'>{within}</mime-type>");
    let magic = "<magic><match type='string' offset='0' value='NEW'/></magic>";
    let new = package(
        &scratch,
        "new",
        &[
            (
                &format!("{mime}/packages/new.xml"),
                &definitions(
                    &(of("text/x-new", &format!("<glob pattern='*.new'/>{magic}"))
                        + &of("text/x-both", "<comment>of the image</comment>")
                        + &of("text/x-wrong", "<glob/>")),
                ),
            ),
            (
                &format!("{mime}/packages/both.xml"),
                &definitions(&of("text/x-later", "<comment>later</comment>")),
            ),
        ],
    );
    let system = system_package(&scratch);
    let root = base(&scratch, &[&system]);
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    let of_base = of(
        "text/x-base",
        "<glob pattern='*.base'/><alias type='text/b'/>",
    ) + &of(
        "text/x-both",
        "<comment>of the base</comment><icon name='i'/>",
    );
    write(
        &root,
        &[
            (&format!("{mime}/packages/base.xml"), &definitions(&of_base)),
            (
                &format!("{mime}/packages/both.xml"),
                &definitions(&of("text/x-before", "")),
            ),
        ],
    );
    output_of(Command::new("update-mime-database").arg(root.join(mime)));
    let options = [OsStr::new("--base"), root.as_os_str()];
    let (image, tree, said) = build(&scratch, &new, &options);

    // What the tool makes where both are merged; the base has what the image does not bring.
    let judged = merged(&scratch, [&root, &tree], mime, &["update-mime-database"]);
    let files = |root: &Path| {
        let files = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap);
        let files = files.filter(|entry| entry.file_type().is_file());
        let files = files.map(|entry| entry.path().strip_prefix(root).unwrap().to_owned());
        files.collect::<std::collections::BTreeSet<_>>()
    };
    for name in files(&judged) {
        let own = tree.join(mime).join(&name);
        let seen = if own.exists() {
            own
        } else {
            root.join(mime).join(&name)
        };
        assert!(
            fs::read(seen).unwrap() == fs::read(judged.join(&name)).unwrap(),
            "{}: {said}",
            name.display()
        );
    }
    let own: Vec<_> = files(&tree.join(mime)).into_iter().collect();
    let own: Vec<_> = own.iter().map(|name| name.to_str().unwrap()).collect();
    assert_eq!(
        own,
        [
            "globs",
            "globs2",
            "magic",
            "mime.cache",
            "packages/both.xml",
            "packages/new.xml",
            "text/x-both.xml",
            "text/x-later.xml",
            "text/x-new.xml",
            "text/x-wrong.xml",
            "types"
        ]
    );
    let made = format!("/{mime}/mime.cache, made of 2 files and 1 of the base");
    assert!(said.contains(&made), "{said}");
    assert!(
        said.contains("text/x-wrong: <glob> has no pattern"),
        "{said}"
    );
    assert!(
        !said.contains("cache-hidden") && !said.contains("index-not-made"),
        "{said}"
    );
    assert_eq!(build(&scratch, &new, &options).0, image);

    let file = scratch.join("out/x-1.x86-64.raw");
    let arguments = ["check", "--base"].map(OsStr::new);
    let outcome = run(arguments
        .into_iter()
        .chain([root.as_os_str(), file.as_os_str()]));
    let said = text(&outcome.stdout);
    assert!(!said.contains("cache-hidden"), "{said}");

    // What the base gets later, the image hides.
    let later = of("text/x-late", "<alias type='text/late'/>");
    write(
        &root,
        &[(&format!("{mime}/packages/late.xml"), &definitions(&later))],
    );
    output_of(Command::new("update-mime-database").arg(root.join(mime)));
    let outcome = run(arguments
        .into_iter()
        .chain([root.as_os_str(), file.as_os_str()]));
    let said = text(&outcome.stdout);
    assert!(said.contains("cache-hidden"), "{said}");
}
