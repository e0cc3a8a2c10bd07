//! A base of which there is only a list of names: what repositories say that its packages provide
//! decides whether the image's programs would start over it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::workshop::{
    REAL_BASE, REPOSITORY, Scratch, names, os_release, output_of, program, real_base, rpms_below,
    text,
};

/// Compiles something that needs no C library.
fn gcc(directory: &Path, output: &str, source: &str, more: &[&str]) {
    fs::write(directory.join("source.c"), source).unwrap();
    output_of(
        Command::new("gcc")
            .args(["-nostdlib", "-Wl,--no-as-needed", "-o", output, "source.c"])
            .args(more)
            .current_dir(directory),
    );
}

/// Makes a package that says of itself only what it is told to: no dependency generator runs.
fn rpm(scratch: &Scratch, name: &str, version: &str, provides: &[&str], files: &[(&str, &Path)]) {
    let provides: String = (provides.iter())
        .map(|capability| format!("Provides: {capability}\n"))
        .collect();
    let install: String = (files.iter())
        .map(|(path, file)| format!("install -D {} %{{buildroot}}{path}\n", file.display()))
        .collect();
    let listed: String = files.iter().map(|(path, _)| format!("{path}\n")).collect();
    let spec = scratch.join(&format!("{name}.spec"));
    let content = format!(
        "%global debug_package %{{nil}}\n%global __os_install_post %{{nil}}\n\
         Name: {name}\nVersion: {version}\nRelease: 1\nSummary: x\nLicense: MIT\nAutoReqProv: no\n\
         {provides}%description\nx\n%install\n{install}%files\n{listed}"
    );
    fs::write(&spec, content).unwrap();
    output_of(
        Command::new("rpmbuild")
            .args(["-bb", "--target", "x86_64", "--define"])
            .arg(format!("_topdir {}", scratch.join("build").display()))
            .arg("--define")
            .arg(format!("_rpmdir {}", scratch.join("repo").display()))
            .arg(&spec),
    );
}

/// Makes a repository of a program whose package does not say that it needs a library, two
/// versions of that library, and a system.
fn repository(scratch: &Scratch) -> PathBuf {
    let work = scratch.join("work");
    let repo = scratch.join("repo");
    fs::create_dir_all(&work).unwrap();
    let versions = "G_1 { global: one; }; G_2 { global: two; };";
    fs::write(work.join("map"), versions).unwrap();
    gcc(
        &work,
        "libgreet.so.1",
        "void one(void) {} void two(void) {}",
        &[
            "-shared",
            "-fPIC",
            "-Wl,-soname,libgreet.so.1",
            "-Wl,--version-script=map",
        ],
    );
    gcc(
        &work,
        "app",
        "void two(void); void _start(void) { two(); }",
        &["libgreet.so.1"],
    );
    fs::write(work.join("script"), "#!/usr/bin/greeter\n").unwrap();
    fs::write(work.join("unlisted"), "#!/usr/lib/greet/run\n").unwrap();
    let library = work.join("libgreet.so.1");
    let both = [
        "libgreet.so.1()(64bit)",
        "libgreet.so.1(G_1)(64bit)",
        "libgreet.so.1(G_2)(64bit)",
    ];
    let in_place = [
        ("/usr/lib64/libgreet.so.1", &*library),
        ("/usr/bin/greeter", &*library),
        ("/usr/lib/greet/run", &*library),
    ];
    rpm(scratch, "system", "1", &["libc.so.6()(64bit)"], &[]);
    rpm(scratch, "greet", "1", &both[..2], &in_place);
    rpm(scratch, "greet", "2", &both, &in_place);
    let app = work.join("app");
    rpm(scratch, "app", "1", &[], &[("/usr/bin/app", &app)]);
    let scripts = [
        ("/usr/bin/greeting", work.join("script")),
        ("/usr/bin/unlisted", work.join("unlisted")),
    ];
    let scripts = scripts.each_ref().map(|(path, file)| (*path, &**file));
    rpm(scratch, "scripts", "1", &[], &scripts);
    rpm(scratch, "scripts-lib", "1", &[], &scripts[1..]);
    output_of(Command::new("createrepo_c").arg("--quiet").arg(&repo));
    // A reader of the metadata sees no files but programs.
    let listed = output_of(
        Command::new("sh")
            .args(["-c", "zstdcat -f \"$0\"/repodata/*primary.xml* 2>/dev/null || zcat \"$0\"/repodata/*primary.xml.gz"])
            .arg(&repo),
    );
    assert!(listed.contains("<file>/usr/bin/greeter</file>"), "{listed}");
    assert!(!listed.contains("<file>/usr/lib"), "{listed}");
    repo
}

#[test(programs!("gcc", "rpmbuild", "createrepo_c", "zstdcat"))]
fn what_packages_of_a_list_provide_decides() {
    let scratch = Scratch::new();
    let repo = repository(&scratch);
    let list = scratch.join("list");
    let store = scratch.join("store");
    let run = |packages: &str, base: &[&str], wanted: &str| -> Output {
        fs::write(&list, packages).unwrap();
        let _ = fs::remove_dir_all(&store);
        program()
            .arg("--os-release")
            .arg(os_release("tumbleweed"))
            .args(["--arch", "x86_64"])
            .args(base)
            .arg("--repo")
            .arg(&repo)
            .arg("-o")
            .arg(&store)
            .arg(wanted)
            .output()
            .unwrap()
    };
    let by_list = ["--base", list.to_str().unwrap()];
    let system = "system-1-1.x86_64\n";
    let whole = "system-1-1.x86_64\ngreet-2-1.x86_64\n";
    let install = ["--base-install", "system"];
    let missing = "soname-missing: libgreet.so.1: cannot open shared object file (required by \
                   /usr/bin/app)";
    for (wanted, packages, base, problem) in [
        ("app", whole, &by_list[..], None),
        ("app", system, &by_list, Some(missing)),
        (
            "app",
            "system-1-1.x86_64\ngreet-1-1.x86_64\n",
            &by_list,
            Some("symbol-version-missing: libgreet.so.1: version `G_2' not found"),
        ),
        (
            "app",
            "greet-2-1.x86_64\n",
            &by_list,
            Some("interpreter-missing: /lib64/ld-linux-x86-64.so.2: no such file"),
        ),
        ("app", "", &["--base-install", "system,greet"], None),
        ("app", "", &install, Some(missing)),
        ("scripts", whole, &by_list, None),
        (
            "scripts",
            system,
            &by_list,
            Some("interpreter-missing: /usr/bin/greeter: no such file"),
        ),
    ] {
        let outcome = run(packages, base, wanted);
        let said = text(&outcome.stderr);
        let case = format!("{wanted} over {packages:?} {base:?}: {said}");
        assert_eq!(outcome.status.success(), problem.is_none(), "{case}");
        assert_eq!(store.exists(), problem.is_none(), "{case}");
        assert!(!said.contains("unknown-in-base"), "{case}");
        assert!(!said.contains("/usr/lib/greet/run"), "{case}");
        if let Some(problem) = problem {
            assert_eq!(outcome.status.code(), Some(1), "{case}");
            assert!(said.contains(problem), "{case}");
        }
    }
    // What a lock names is judged, too: the list is held by the lock, what is in an overlay is not.
    let lock = scratch.join("lock");
    let lock = ["--lock", lock.to_str().unwrap()];
    let outcome = run(system, &[&by_list[..], &lock].concat(), "scripts-lib");
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    let tree = scratch.join("tree");
    fs::create_dir_all(tree.join("usr/bin")).unwrap();
    fs::copy(scratch.join("work/app"), tree.join("usr/bin/app")).unwrap();
    let overlay = ["--locked", "--overlay", tree.to_str().unwrap()];
    let locked = [&by_list[..], &lock, &overlay].concat();
    let outcome = run(system, &locked, "scripts-lib");
    assert_eq!(outcome.status.code(), Some(1));
    assert!(
        text(&outcome.stderr).contains(missing),
        "{}",
        text(&outcome.stderr)
    );
    // A package that no repository has may have the library.
    let outcome = run("system-1-1.x86_64\nother-1-1.x86_64\n", &by_list, "app");
    let said = text(&outcome.stderr);
    assert!(outcome.status.success(), "{said}");
    let note = "unknown-in-base: no repository has 1 of the base's 2 packages, so what they \
                provide is not known, and whether programs find their libraries is not checked: \
                other-1-1.x86_64";
    assert!(said.contains(note), "{said}");
    assert!(!names(&store).is_empty());
}

#[test(REAL_BASE)]
fn a_list_of_a_real_base_decides_as_its_files_do() {
    let packages = REPOSITORY.path();
    let root = real_base(&packages);
    let scratch = Scratch::new();
    let of_base = fs::read_to_string(packages.join("base-packages.txt")).unwrap();
    let listed: String = (rpms_below(&packages).iter())
        .filter_map(|file| file.file_stem()?.to_str().map(str::to_owned))
        .filter(|nevra| {
            let name = nevra.rsplitn(3, '-').nth(2);
            of_base.lines().any(|line| Some(line) == name)
        })
        .map(|nevra| format!("{nevra}\n"))
        .collect();
    let list = scratch.join("list");
    fs::write(&list, listed).unwrap();
    let said_of = |base: &Path| -> Vec<String> {
        let outcome = program()
            .args([
                "--match",
                "any",
                "--allow",
                "unchecked-base",
                "--name",
                "gdb",
                "--image-version",
                "1",
            ])
            .args(["--compression", "zstd:1", "--arch", "x86_64", "--replace"])
            .arg("--base")
            .arg(base)
            .arg("--repo")
            .arg(&packages)
            .arg("-o")
            .arg(scratch.join("store"))
            .arg("gdb")
            .output()
            .unwrap();
        let said = text(&outcome.stderr);
        assert!(outcome.status.success(), "{said}");
        assert!(!said.contains("unknown-in-base"), "{said}");
        let of_closure = said.lines().filter(|line| line.contains("-missing: "));
        of_closure.map(str::to_owned).collect()
    };
    // Scripts among its data name interpreters that neither has; of libraries, none is missing.
    let by_files = said_of(&root);
    assert!(
        by_files
            .iter()
            .all(|line| line.contains("script-interpreter-missing"))
    );
    assert!(!by_files.is_empty());
    assert_eq!(said_of(&list), by_files);
}
