//! Images written down by hand, and what becomes of their programs.

use super::*;
use crate::capabilities::Capabilities;
use crate::inventory::Linkage;

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

fn object(text: &str) -> Object {
    let mut object = Object {
        abi: "elf64-x86-64".parse().unwrap(),
        interpreter: None,
        needed: Vec::new(),
        versions: BTreeMap::new(),
        soname: None,
        defines: None,
        rpath: None,
        runpath: None,
        no_default_directories: false,
        program: false,
        dlopen: Vec::new(),
        built_in: Vec::new(),
    };
    for word in text.split_whitespace() {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let value = value.to_owned();
        match key {
            "program" => object.interpreter = Some(LOADER.to_owned()),
            "pie" => object.program = true,
            "needs" => {
                let mut parts = value.split('@').map(str::to_owned);
                let name = parts.next().unwrap();
                object
                    .versions
                    .entry(name.clone())
                    .or_default()
                    .extend(parts);
                object.needed.push(name);
            }
            "versions" => {
                let (name, version) = value.split_once('@').unwrap();
                object
                    .versions
                    .entry(name.to_owned())
                    .or_default()
                    .push(version.to_owned());
            }
            "soname" => object.soname = Some(value),
            "defines" => {
                object.defines = Some(
                    value
                        .split(',')
                        .filter(|one| !one.is_empty())
                        .map(str::to_owned)
                        .collect(),
                );
            }
            "rpath" => object.rpath = Some(value),
            "runpath" => object.runpath = Some(value),
            "nodeflib" => object.no_default_directories = true,
            "abi" => object.abi = value.parse().unwrap(),
            "built-in" => object.built_in = value.split(':').map(str::to_owned).collect(),
            _ => panic!("{word}"),
        }
    }
    object.versions.retain(|_, versions| !versions.is_empty());
    object
}

/// Makes an image of lines such as `usr/bin/a: program needs=libb.so@B_1` and `usr/lib/x -> y`. It
/// has a loader.
fn image(text: &str) -> Linkage {
    let mut linkage = Linkage::default();
    let loader = object("soname=ld-linux-x86-64.so.2 defines=GLIBC_2.3 built-in=/lib64:/usr/lib64");
    linkage.insert(format!("usr{LOADER}"), loader, false);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some((path, target)) = line.split_once(" -> ") {
            linkage.links.insert(path.to_owned(), target.to_owned());
        } else {
            let (path, rest) = line.split_once(':').unwrap();
            linkage.insert(path.to_owned(), object(rest), true);
        }
    }
    linkage
}

/// Says of each problem what it is, shortly.
fn brief(problems: &[Problem]) -> Vec<String> {
    problems
        .iter()
        .map(|problem| match problem {
            Problem::Interpreter { path } => format!("loader {path}"),
            Problem::Missing {
                by,
                name,
                elsewhere,
                ..
            } if elsewhere.is_empty() => {
                format!("{by} misses {name}")
            }
            Problem::Missing {
                by,
                name,
                elsewhere,
                ..
            } => {
                format!("{by} misses {name}, at {}", elsewhere.join(" "))
            }
            Problem::Version {
                by,
                library,
                version,
                ..
            } => {
                format!("{by} misses {version} in {library}")
            }
            Problem::Unloadable { by, library, .. } => format!("{by} can't load {library}"),
        })
        .collect()
}

/// Starts `/usr/bin/a` of an image that lies over nothing.
fn start(text: &str) -> Vec<String> {
    let image = image(text);
    let view = View::new(&image, Base::Nothing);
    brief(
        &Loader::new(&view, Processor::Oldest)
            .start("usr/bin/a")
            .unwrap(),
    )
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn what_a_program_finds() {
    for (case, text, expected) in [
        (
            "in a built-in directory, through a link",
            "usr/bin/a: program needs=libb.so.1@B_1
             usr/lib64/libb.so.1 -> libb.so.1.2
             usr/lib64/libb.so.1.2: soname=libb.so.1 defines=B_1,B_2",
            &[][..],
        ),
        ("nothing", "usr/bin/a: program needs=libb.so.1", &["/usr/bin/a misses libb.so.1"]),
        (
            "in a directory that is not searched",
            "usr/bin/a: program needs=libb.so.1
             usr/lib64/private/libb.so.1: soname=libb.so.1",
            &["/usr/bin/a misses libb.so.1, at /usr/lib64/private/libb.so.1"],
        ),
        (
            "too few versions",
            "usr/bin/a: program needs=libb.so.1@B_1@B_3
             usr/lib64/libb.so.1: defines=B_1,B_2",
            &["/usr/bin/a misses B_3 in /lib64/libb.so.1"],
        ),
        (
            "a library without versions meets every need",
            "usr/bin/a: program needs=libb.so.1@B_1
             usr/lib64/libb.so.1: soname=libb.so.1",
            &[],
        ),
        (
            "one with its base version alone does not",
            "usr/bin/a: program needs=libb.so.1@B_1
             usr/lib64/libb.so.1: defines=",
            &["/usr/bin/a misses B_1 in /lib64/libb.so.1"],
        ),
        (
            "the needs of a library, and the loader's own name",
            "usr/bin/a: program needs=libb.so.1
             usr/lib64/libb.so.1: needs=libc.so.1 needs=ld-linux-x86-64.so.2@GLIBC_2.3@GLIBC_2.9",
            &[
                "/lib64/libb.so.1 misses libc.so.1",
                "/lib64/libb.so.1 misses GLIBC_2.9 in /lib64/ld-linux-x86-64.so.2",
            ],
        ),
        (
            "versions of what nothing loads",
            "usr/bin/a: program versions=libb.so.1@B_1
             usr/lib64/libb.so.1: defines=B_1",
            &["/usr/bin/a misses B_1 in nothing that is loaded"],
        ),
        (
            "$ORIGIN, ${LIB} and a relative directory",
            "usr/bin/a: program needs=libb.so.1 needs=libd.so.1 runpath=lib:$ORIGIN/../lib64/private/:/opt/${LIB}
             usr/lib64/private/libb.so.1: soname=libb.so.1
             opt/lib64/libd.so.1: soname=libd.so.1",
            &[],
        ),
        (
            "a run path is not for the needs of libraries",
            "usr/bin/a: program needs=libb.so.1 runpath=/usr/lib64/private
             usr/lib64/private/libb.so.1: needs=libc.so.1
             usr/lib64/private/libc.so.1: soname=libc.so.1",
            &["/usr/lib64/private/libb.so.1 misses libc.so.1, at /usr/lib64/private/libc.so.1"],
        ),
        (
            "an rpath is",
            "usr/bin/a: program needs=libb.so.1 rpath=/usr/lib64/private
             usr/lib64/private/libb.so.1: needs=libc.so.1
             usr/lib64/private/libc.so.1: soname=libc.so.1",
            &[],
        ),
        (
            "but not for a library with a run path",
            "usr/bin/a: program needs=libb.so.1 rpath=/usr/lib64/private
             usr/lib64/private/libb.so.1: needs=libc.so.1 runpath=/usr/lib64/other
             usr/lib64/private/libc.so.1: soname=libc.so.1",
            &["/usr/lib64/private/libb.so.1 misses libc.so.1, at /usr/lib64/private/libc.so.1"],
        ),
        (
            "an rpath beside a run path is void",
            "usr/bin/a: program needs=libb.so.1 rpath=/usr/lib64/private runpath=/usr/lib64/other
             usr/lib64/private/libb.so.1: soname=libb.so.1",
            &["/usr/bin/a misses libb.so.1, at /usr/lib64/private/libb.so.1"],
        ),
        (
            "the first file ends the search, whatever its versions",
            "usr/bin/a: program needs=libb.so.1@B_2 runpath=/opt/old
             opt/old/libb.so.1: defines=B_1
             usr/lib64/libb.so.1: defines=B_1,B_2",
            &["/usr/bin/a misses B_2 in /opt/old/libb.so.1"],
        ),
        (
            "another ABI is passed over",
            "usr/bin/a: program needs=libb.so.1 runpath=/opt/32
             opt/32/libb.so.1: abi=elf32-i386
             usr/lib64/libb.so.1: soname=libb.so.1",
            &[],
        ),
        (
            "loaded already by its soname",
            "usr/bin/a: program needs=libc.so.1
             usr/lib64/libc.so.1: needs=libreal.so.3 needs=libb.so.1 runpath=/opt/x
             opt/x/libreal.so.3: soname=libb.so.1 defines=B_9",
            &[],
        ),
        (
            "no default directories",
            "usr/bin/a: program nodeflib needs=libb.so.1
             usr/lib64/libb.so.1: soname=libb.so.1",
            &["/usr/bin/a misses libb.so.1, at /usr/lib64/libb.so.1"],
        ),
        (
            "a path as a name",
            "usr/bin/a: program needs=/opt/b.so needs=$ORIGIN/../lib64/c.so needs=./d.so
             opt/b.so: soname=b
             usr/lib64/c.so: soname=c
             usr/bin/d.so: soname=d",
            &["/usr/bin/a misses ./d.so, at /usr/bin/d.so"],
        ),
        (
            "a program in the place of a library",
            "usr/bin/a: program needs=libb.so.1
             usr/lib64/libb.so.1: pie",
            &["/usr/bin/a can't load /lib64/libb.so.1"],
        ),
    ] {
        assert_eq!(start(text), expected, "{case}");
    }
}

#[test]
fn a_program_without_its_loader() {
    let mut image = image("usr/bin/a: program needs=libb.so.1\nusr/lib64/libb.so.1: soname=x");
    image.libraries.remove("usr/lib64/ld-linux-x86-64.so.2");
    let view = View::new(&image, Base::Nothing);
    let loader = Loader::new(&view, Processor::Oldest);
    assert_eq!(
        brief(&loader.start("usr/bin/a").unwrap()),
        ["loader /lib64/ld-linux-x86-64.so.2"]
    );
    assert_eq!(loader.start("usr/bin/b"), None);
}

#[test]
fn libraries_for_better_processors() {
    let image = image(
        "usr/bin/a: program needs=libb.so.1@B_1
         usr/lib64/libb.so.1: defines=B_1
         usr/lib64/glibc-hwcaps/x86-64-v3/libb.so.1: defines=B_0",
    );
    let view = View::new(&image, Base::Nothing);
    assert!(view.has_hwcaps());
    let start = |processor| brief(&Loader::new(&view, processor).start("usr/bin/a").unwrap());
    assert!(start(Processor::Oldest).is_empty());
    assert_eq!(
        start(Processor::Newest),
        ["/usr/bin/a misses B_1 in /lib64/glibc-hwcaps/x86-64-v3/libb.so.1"]
    );
}

#[test]
fn libraries_on_their_own() {
    let image = image(
        "usr/bin/a: program needs=libb.so.1
         usr/lib64/libb.so.1: needs=libc.so.1
         usr/lib64/libc.so.1: soname=libc.so.1
         usr/lib64/plugins/p.so: needs=libc.so.1 needs=libd.so.1",
    );
    let view = View::new(&image, Base::Nothing);
    let loader = Loader::new(&view, Processor::Oldest);
    assert!(brief(&loader.start("usr/bin/a").unwrap()).is_empty());
    for (path, reached) in [
        ("usr/lib64/libc.so.1", true),
        ("usr/lib64/plugins/p.so", false),
    ] {
        assert_eq!(loader.is_reached(path), reached, "{path}");
    }
    let problems = loader.load_library("usr/lib64/plugins/p.so").unwrap();
    assert_eq!(
        brief(&problems),
        ["/usr/lib64/plugins/p.so misses libd.so.1"]
    );
    for (name, found) in [("libc.so.1", true), ("libz.so.1", false)] {
        assert_eq!(
            loader.finds("usr/lib64/plugins/p.so", name),
            found,
            "{name}"
        );
    }
}

#[test]
fn a_base_known_by_its_packages() {
    let mut image = image(
        "usr/bin/a: program needs=libb.so.1@B_1@B_2 needs=libc.so.6@GLIBC_2.3 needs=libd.so.1 versions=ld-linux-x86-64.so.2@GLIBC_2.3
         usr/lib64/libd.so.1: needs=libe.so.1",
    );
    image.libraries.remove("usr/lib64/ld-linux-x86-64.so.2");
    let packages = Capabilities::new(
        [
            "libb.so.1()(64bit)",
            "libb.so.1(B_1)(64bit)",
            "libc.so.6()(64bit)",
            "libc.so.6(GLIBC_2.3)(64bit)",
            "libe.so.1",
            "ld-linux-x86-64.so.2(GLIBC_2.3)(64bit)",
        ]
        .map(str::to_owned),
        ["/lib64/libc.so.6", "/usr/lib64/ld-linux-x86-64.so.2"].map(str::to_owned),
    );
    let view = View::new(&image, Base::Packages(&packages));
    let loader = Loader::new(&view, Processor::Oldest);
    assert_eq!(
        brief(&loader.start("usr/bin/a").unwrap()),
        [
            "/usr/bin/a misses B_2 in libb.so.1",
            "/lib64/libd.so.1 misses libe.so.1",
        ]
    );
}

#[test]
fn a_base_whose_files_are_known_in_part() {
    let lists = |path: &str| path.contains("bin/");
    let capabilities = |names: &[&str], files: &[&str]| {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        Capabilities::new(owned(names), owned(files))
    };
    let image = image("usr/bin/a: program needs=libc.so.6");
    let abi = image.programs["usr/bin/a"].abi;
    let mut image = image;
    image.libraries.clear();
    let libc = ["libc.so.6()(64bit)"];
    let own = abi.loader().unwrap();
    for (names, files, path, in_part, wholly) in [
        // What would be listed is not there unless it is.
        (&[][..], &["/usr/bin/perl"][..], "/bin/perl", true, true),
        (&[], &["/usr/bin/perl"], "/usr/bin/python3", false, false),
        (&["/bin/sh"], &[], "/usr/bin/sh", true, true),
        // Of what would not be, nothing is known.
        (&[], &[], "/usr/lib/tool/run", true, false),
    ] {
        let all = capabilities(names, files);
        let some = all.clone().with_files_in_part(lists);
        for (base, expected) in [(&some, in_part), (&all, wholly)] {
            let view = View::new(&image, Base::Packages(base));
            assert_eq!(view.has_file(path), expected, "{path}");
        }
    }
    // A loader that comes with the C library is there or not there with it; of others, nothing is known.
    for (names, path, in_part, wholly) in [
        (&libc[..], own, true, true),
        (&[], own, false, false),
        (&["ld-linux-x86-64.so.2()(64bit)"], own, true, true),
        (&libc, "/lib/ld-other.so.1", true, false),
    ] {
        let all = capabilities(names, &[]);
        let some = all.clone().with_files_in_part(lists);
        for (base, expected) in [(&some, in_part), (&all, wholly)] {
            let view = View::new(&image, Base::Packages(base));
            assert_eq!(view.has_loader(path, abi), expected, "{path} {names:?}");
        }
    }
    // No library is there that no package provides, though files of libraries are never listed.
    for (names, problems) in [
        (&libc[..], &[][..]),
        (&[], &["/usr/bin/a misses libc.so.6"]),
    ] {
        let some = capabilities(names, &[]).with_files_in_part(lists);
        let view = View::new(&image, Base::Packages(&some));
        let loader = Loader::new(&view, Processor::Oldest);
        let found = brief(&loader.start("usr/bin/a").unwrap());
        let found: Vec<_> = found.iter().filter(|one| one.contains(".so.6")).collect();
        assert_eq!(found, problems.iter().collect::<Vec<_>>(), "{names:?}");
    }
}

#[test]
fn what_a_program_loads() {
    let image = image(
        "usr/bin/a: program needs=libb.so.1 needs=libp.so.1 needs=ld-linux-x86-64.so.2
         usr/bin/b -> a
         usr/lib64/libb.so.1 -> libb.so.1.2
         usr/lib64/libb.so.1.2: soname=libb.so.1 needs=libc.so.1 needs=libp.so.1
         usr/lib64/libc.so.1: soname=libc.so.1 needs=libb.so.1",
    );
    let packages = Capabilities::new(["libp.so.1()(64bit)".to_owned()], []);
    let view = View::new(&image, Base::Packages(&packages));
    let loader = Loader::new(&view, Processor::Oldest);
    let file = |name: &str, path: &str, file: &str| Library {
        name: name.to_owned(),
        path: Some(path.to_owned()),
        file: Some(Place {
            in_image: true,
            path: file.to_owned(),
        }),
    };
    let provided = Library {
        name: "libp.so.1".to_owned(),
        path: None,
        file: None,
    };
    let expected = [
        file("libb.so.1", "/lib64/libb.so.1", "usr/lib64/libb.so.1.2"),
        provided,
        file("libc.so.1", "/lib64/libc.so.1", "usr/lib64/libc.so.1"),
    ];
    for path in ["usr/bin/a", "usr/bin/b", "bin/a"] {
        let start = loader.start_merged(path).unwrap();
        assert_eq!(start.libraries, expected, "{path}");
        assert_eq!(start.problems, [], "{path}");
    }
    assert_eq!(loader.start_merged("usr/lib64/libc.so.1"), None);
    assert_eq!(loader.start_merged("usr/bin/c"), None);
}

/// A library in a directory of its own is in the image, and the loader finds it by the base's
/// cache alone.
#[test]
fn libraries_that_only_a_cache_finds() {
    let needs = |text: &str| {
        let cached = crate::Needs::of(&image(text)).cached;
        let cached = cached.into_iter();
        let lines = cached.map(|(name, paths)| {
            let paths: Vec<_> = paths.into_iter().collect();
            format!("{name} {}", paths.join(" "))
        });
        lines.collect::<Vec<_>>().join(", ")
    };
    let library = "usr/lib64/own/libb.so.1: soname=libb.so.1";
    for (program, expected) in [
        (
            "usr/bin/a: program needs=libb.so.1",
            "libb.so.1 /usr/lib64/own/libb.so.1",
        ),
        (
            "usr/bin/a: program needs=libb.so.1 runpath=/usr/lib64/own",
            "",
        ),
        ("usr/bin/a: program needs=libc.so.1", ""),
        // A plugin has what its program has loaded.
        ("usr/lib64/own/plugin.so: needs=libb.so.1", ""),
    ] {
        assert_eq!(
            needs(&format!("{program}\n{library}")),
            expected,
            "{program}"
        );
    }
}
