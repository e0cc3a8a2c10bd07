//! A real debugger from a repository of real software, over the base that it was made for: the
//! packages that are chosen are what makes it run.

use std::path::Path;

use crate::client::{CLIENT, merged};
use crate::workshop::{REAL_BASE, REPOSITORY, Scratch, program, real_base, rpms_below, text};

#[test(REAL_BASE, CLIENT)]
fn what_is_chosen_makes_a_debugger_run() {
    let packages = REPOSITORY.path();
    let base = real_base(&packages);
    let scratch = Scratch::new();
    let gdb = rpms_below(&packages).into_iter().find(|file| {
        let name = file.file_name().unwrap().to_str().unwrap();
        name.starts_with("gdb-") && name.as_bytes()[4].is_ascii_digit()
    });
    let alone = scratch.join("alone");
    let chosen = scratch.join("chosen");
    let build = |store: &Path| {
        let mut build = program();
        build.arg("--base").arg(&base).arg("-o").arg(store);
        build.args(["--name", "gdb", "--image-version", "1"]);
        build
    };
    let mut whole = build(&chosen);
    whole.arg("--repo").arg(&packages);
    let outcomes = [
        build(&alone)
            .args(["--allow", "unmet-requirement", "--allow", "soname-missing"])
            .arg(gdb.unwrap())
            .output()
            .unwrap(),
        whole.arg("gdb").output().unwrap(),
    ];
    for outcome in outcomes {
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    }
    // It merges, and the loader does not find what nobody chose.
    let image = "gdb-1.x86-64.raw";
    let tree = base.display().to_string();
    let host = base.join("usr/lib/os-release");
    let run_gdb = |store: &Path| {
        let image = store.join(image);
        merged(&tree, "store", &image, "gdb", &host, "gdb --version")
    };
    let said = run_gdb(&alone);
    assert!(said.ends_with("exit 127\n"), "{said}");
    assert!(
        said.contains("error while loading shared libraries"),
        "{said}"
    );

    let said = run_gdb(&chosen);
    assert!(said.ends_with("exit 0\n"), "{said}");
    assert!(said.contains("GNU gdb"), "{said}");

    // Repositories leave this one out where a version of it is required, too; headers don't.
    let mut why = program();
    let outcome = why
        .arg("why")
        .arg(chosen.join(image))
        .arg("libc.so.6()(64bit)");
    let said = text(&outcome.output().unwrap().stdout);
    assert!(said.starts_with("libc6-"), "{said}");
}
