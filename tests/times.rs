//! Times that contents record: the programs that compare them say whether they fit.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::workshop::{Scratch, os_release, output_of, program, text};

/// The time of what a package has, later than [`EPOCH`].
const OWN: u64 = 1_700_000_000;
/// `SOURCE_DATE_EPOCH`.
const EPOCH: u64 = 1_600_000_000;

/// Writes a file, and what is above it.
fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Gives a file or directory a time.
fn touch(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    File::open(path).unwrap().set_modified(time).unwrap();
}

/// Writes a module that says a word, of this time, and compiles it.
fn module(path: &Path, word: &str, seconds: u64) {
    write(path, &format!("WORD = {word:?}\n"));
    touch(path, seconds);
    output_of(Command::new("python3").args(["-m", "py_compile"]).arg(path));
}

/// Makes a package of a directory's files as they are, and of no directory; returns its path.
fn package(scratch: &Scratch, name: &str, root: &Path) -> PathBuf {
    let spec = scratch.join(&format!("{name}.spec"));
    let text = format!(
        "%global __os_install_post %{{nil}}\nName: {name}\nVersion: 1\nRelease: 1\nSummary: x\n\
         License: MIT\nBuildArch: noarch\n%description\nx\n%install\nmkdir -p %{{buildroot}}\n\
         cp -a {0}/usr %{{buildroot}}\n(cd %{{buildroot}}; find . -type f | sed s/.//) > list\n\
         %files -f list\n",
        root.display()
    );
    fs::write(&spec, text).unwrap();
    output_of(
        Command::new("rpmbuild")
            .args(["-bb", "--define"])
            .arg(format!("_topdir {}", scratch.join("build").display()))
            .arg(&spec),
    );
    scratch.join(&format!("build/RPMS/noarch/{name}-1-1.noarch.rpm"))
}

/// Builds an image and unpacks it; returns the unpacked tree and what was said.
fn built(
    scratch: &Scratch,
    packages: &[&Path],
    overlay: Option<&Path>,
    epoch: u64,
) -> (PathBuf, String) {
    let output = scratch.join("out");
    let _ = fs::remove_dir_all(&output);
    let mut command = program();
    command
        .env("SOURCE_DATE_EPOCH", epoch.to_string())
        .arg("--os-release")
        .arg(os_release("tumbleweed"))
        .args([
            "--name",
            "x",
            "--image-version",
            "1",
            "--arch",
            "x86_64",
            "-o",
        ])
        .arg(&output)
        .args(packages);
    if let Some(overlay) = overlay {
        command.arg("--overlay").arg(overlay);
    }
    let outcome = command.output().unwrap();
    let said = text(&outcome.stderr);
    assert!(outcome.status.success(), "{said}");
    let root = scratch.join("root");
    let _ = fs::remove_dir_all(&root);
    let mut unpack = Command::new("unsquashfs");
    let unpack = unpack.args(["-quiet", "-no-progress", "-d"]).arg(&root);
    output_of(unpack.arg(output.join("x-1.x86-64.raw")));
    (root, said)
}

/// Imports a module, and returns the word that it says, and whether Python took its bytecode.
fn imported(root: &Path, name: &str) -> (String, bool) {
    let mut python = Command::new("python3");
    python
        .args(["-B", "-v", "-c"])
        .arg(format!("import {name}; print({name}.WORD)"))
        .env("PYTHONPATH", root.join("usr/lib/modules-of-python"));
    let outcome = python.output().unwrap();
    let said = text(&outcome.stderr);
    assert!(outcome.status.success(), "{said}");
    let fits = said.contains(&format!("/{name}.py\n")) && said.contains(" matches ");
    let of_it = said.lines().any(|line| {
        line.contains(" matches ") && line.ends_with(&format!("/modules-of-python/{name}.py"))
    });
    (text(&outcome.stdout).trim().to_owned(), fits && of_it)
}

#[test(programs!("python3", "rpmbuild", "unsquashfs"))]
fn python_takes_the_bytecode_of_an_image() {
    let scratch = Scratch::new();
    let modules = "usr/lib/modules-of-python";
    let files = scratch.join("files");
    for name in ["packaged", "patched"] {
        module(&files.join(modules).join(format!("{name}.py")), "old", OWN);
    }
    // As if it had been patched after it was compiled.
    module(&files.join(modules).join("stale.py"), "old", OWN);
    touch(&files.join(modules).join("stale.py"), OWN + 5);
    let package = package(&scratch, "modules", &files);

    let overlay = scratch.join("overlay");
    module(&overlay.join(modules).join("added.py"), "new", OWN - 7);
    // A checkout has any times.
    touch(&overlay.join(modules).join("added.py"), OWN + 99);
    write(&overlay.join(modules).join("patched.py"), "WORD = 'new'\n");

    // With the second the overlay's file would have the very time and size that the package's
    // bytecode records.
    for epoch in [EPOCH, OWN] {
        let (root, said) = built(&scratch, &[&package], Some(&overlay), epoch);
        for (name, word, fits) in [
            ("packaged", "old", true),
            ("added", "new", true),
            ("patched", "new", false),
            ("stale", "old", false),
        ] {
            let expected = (word.to_owned(), fits);
            assert_eq!(imported(&root, name), expected, "{name} {epoch}: {said}");
        }
        let finding = "note      stale-cache: 2 files of bytecode not from the source in the image";
        assert!(said.contains(finding), "{said}");
        let late = said.contains("later than SOURCE_DATE_EPOCH: 2 times, ");
        assert_eq!(late, epoch == EPOCH, "{said}");
    }
}

#[test(programs!("gtk-update-icon-cache", "rpmbuild", "unsquashfs"))]
fn gtk_takes_the_icon_cache_of_an_image() {
    let scratch = Scratch::new();
    let files = scratch.join("files");
    let theme = files.join("usr/share/icons/theme");
    write(&theme.join("16x16/apps/a.png"), "x");
    write(&theme.join("index.theme"), "[Icon Theme]\nName=x\n");
    let update = |theme: &Path| {
        let mut update = Command::new("gtk-update-icon-cache");
        output_of(update.args(["--quiet", "--index-only"]).arg(theme));
        fs::metadata(theme.join("icon-theme.cache"))
            .unwrap()
            .modified()
            .unwrap()
    };
    for path in ["16x16/apps/a.png", "index.theme"] {
        touch(&theme.join(path), OWN - 9);
    }
    update(&theme);
    touch(&theme.join("icon-theme.cache"), OWN);
    let package = package(&scratch, "theme", &files);
    let more = scratch.join("more");
    write(&more.join("usr/share/icons/theme/16x16/apps/b.png"), "x");
    let newest = OWN + 1_000_000_000;
    for (packages, overlay, epoch, fits) in [
        // Nobody owns the directory, which gets the image's time.
        (&[&*package][..], None, newest, true),
        (&[&package], None, EPOCH, true),
        (&[], Some(&files), EPOCH, true),
        (&[&package], Some(&more), EPOCH, false),
    ] {
        let (root, said) = built(&scratch, packages, overlay.map(PathBuf::as_path), epoch);
        let theme = root.join("usr/share/icons/theme");
        let before = fs::metadata(theme.join("icon-theme.cache"))
            .unwrap()
            .modified()
            .unwrap();
        assert_eq!(update(&theme) == before, fits, "{said}");
        let finding = "stale-cache: 1 theme with icons that its cache does not have, so GTK does not \
                       use the cache: /usr/share/icons/theme\n";
        assert_eq!(said.contains(finding), !fits, "{said}");
    }
}

#[test(programs!("fc-cache", "rpmbuild", "unsquashfs"))]
fn fontconfig_takes_the_font_caches_of_an_image() {
    let scratch = Scratch::new();
    let fonts = "usr/share/fonts/of-image";
    let configure = |root: &Path| {
        let text = format!(
            "<?xml version=\"1.0\"?><!DOCTYPE fontconfig SYSTEM \"urn:fontconfig:fonts.dtd\">\
             <fontconfig><dir>/{fonts}</dir><cachedir>/usr/lib/fontconfig/cache</cachedir>\
             </fontconfig>"
        );
        write(&root.join("etc/fonts/fonts.conf"), &text);
    };
    // What fontconfig does not use, it writes again.
    let cache = |root: &Path| {
        let mut cache = Command::new("fc-cache");
        cache
            .arg("--sysroot")
            .arg(root)
            .env_remove("FONTCONFIG_FILE");
        output_of(cache.env_remove("SOURCE_DATE_EPOCH"));
        let files = fs::read_dir(root.join("usr/lib/fontconfig/cache")).unwrap();
        let mut files = files.map(|file| file.unwrap().path());
        let cache = files.find(|path| path.to_string_lossy().contains(".cache-"));
        fs::read(cache.unwrap()).unwrap()
    };
    let files = scratch.join("files");
    write(&files.join(fonts).join("README"), "x");
    touch(&files.join(fonts), OWN);
    configure(&files);
    fs::create_dir_all(files.join("usr/lib/fontconfig/cache")).unwrap();
    let made = cache(&files);
    fs::remove_dir_all(files.join("etc")).unwrap();
    let package = package(&scratch, "fonts", &files);
    let more = scratch.join("more");
    write(&more.join(fonts).join("b.ttf"), "x");
    for (packages, overlay, fits) in [
        (&[&*package][..], None, true),
        (&[], Some(&files), true),
        (&[&package], Some(&more), false),
    ] {
        let (root, said) = built(&scratch, packages, overlay.map(PathBuf::as_path), EPOCH);
        configure(&root);
        assert_eq!(cache(&root) == made, fits, "{said}");
        let finding = "so fontconfig does not use it: /usr/lib/fontconfig/cache/";
        assert_eq!(said.contains(finding), !fits, "{said}");
    }
}
