//! Conflicts by rpm's own judgement: packages that say them are built, and `rpm --test` is asked
//! whether it would install them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use resolve::{
    Available, Catalog, Dependency, Nevra, Options, Pool, Repository, Request, Solvable, Wanted,
    judge, resolve,
};

/// What packages conflict with, each with what else it provides. The other package is called `d`.
const CONFLICTS: &[(&str, &[&str])] = &[
    ("self", &[]),
    ("d", &[]),
    ("(d and self)", &[]),
    ("(self and d)", &[]),
    ("(self and nosuch)", &[]),
    ("(self or nosuch)", &[]),
    ("(d or nosuch)", &[]),
    ("(d unless self)", &[]),
    ("(d unless p)", &["p"]),
    ("(self unless d)", &[]),
    ("(d and (self or nosuch))", &[]),
    ("(p with q)", &["p", "q"]),
    ("(p with q)", &["p"]),
    ("(p without q)", &["p"]),
    ("(p without q)", &["p", "q"]),
    ("(d without self)", &[]),
    ("(d and (p without q))", &["p"]),
    ("(d or (p with q))", &["p", "q"]),
    ("(d and self)", &["d"]),
    ("d", &["d"]),
];

fn output_of(command: &mut Command) -> (bool, String) {
    let output = command.env("LC_ALL", "C").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), said)
}

/// Builds a package for each conflict, and `d`; returns the directory of the files.
fn build(top: &Path, packages: &[Solvable]) -> PathBuf {
    let mut spec = "Name: base\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\n\
                    BuildArch: noarch\nAutoReqProv: no\n%description\nd\n"
        .to_owned();
    for one in packages {
        let name = &one.nevra.name;
        spec += &format!("%package -n {name}\nSummary: s\n");
        for (tag, list) in [("Provides", &one.provides), ("Conflicts", &one.conflicts)] {
            for dependency in list {
                spec += &format!("{tag}: {dependency}\n");
            }
        }
        spec += &format!("%description -n {name}\nd\n%files -n {name}\n");
    }
    let path = top.join("conflicts.spec");
    fs::write(&path, spec).unwrap();
    let defined = format!("_topdir {}", top.display());
    let (built, said) = output_of(
        Command::new("rpmbuild")
            .args(["--quiet", "-bb", "-D", &defined])
            .arg(path),
    );
    assert!(built, "{said}");
    top.join("RPMS/noarch")
}

#[test(root(), programs!("rpm", "rpmbuild"))]
fn rich_conflicts_are_judged_as_by_rpm() {
    let top = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conflicts");
    let _ = fs::remove_dir_all(&top);
    fs::create_dir_all(&top).unwrap();
    let nevra = |name: &str| Nevra::parse(&format!("{name}-1-1.noarch")).unwrap();
    let mut packages: Vec<Solvable> = (CONFLICTS.iter().enumerate())
        .map(|(number, (conflict, provides))| {
            let name = format!("x{number}");
            let parsed = |text: &str| Dependency::parse(&text.replace("self", &name)).unwrap();
            Solvable {
                nevra: nevra(&name),
                provides: provides.iter().map(|text| parsed(text)).collect(),
                conflicts: vec![parsed(conflict)],
                ..Solvable::default()
            }
        })
        .collect();
    packages.push(Solvable {
        nevra: nevra("d"),
        ..Solvable::default()
    });
    let files = build(&top, &packages);
    let file = |one: &Solvable| files.join(format!("{}.rpm", one.nevra));
    let (d, objecting) = packages.split_last().unwrap();
    let mut refused = 0;
    for (number, x) in objecting.iter().enumerate() {
        let mut can_be_alone = true;
        for (base, added) in [
            (vec![], vec![x]),
            (vec![], vec![x, d]),
            (vec![d], vec![x]),
            (vec![x], vec![d]),
        ] {
            // A base that rpm would refuse is as it is.
            if base.iter().any(|one| one.nevra == x.nevra) && !can_be_alone {
                continue;
            }
            let root = top
                .join(format!("root-{number}-{}-{}", base.len(), added.len()))
                .join(&added[0].nevra.name);
            fs::create_dir_all(&root).unwrap();
            let rpm = |arguments: &[&str], packages: &[&Solvable]| {
                output_of(
                    Command::new("rpm")
                        .arg("--root")
                        .arg(&root)
                        .args(["--dbpath", "/db", "--nosignature", "--justdb", "-i"])
                        .args(arguments)
                        .args(packages.iter().map(|one| file(one))),
                )
            };
            if !base.is_empty() {
                let (installed, said) = rpm(&["--nodeps"], &base);
                assert!(installed, "{said}");
            }
            let (expected, said) = rpm(&["--test"], &added);
            refused += usize::from(!expected);
            can_be_alone &= expected || added.len() + base.len() > 1;

            let row = format!(
                "{} with {} on {}: {said}",
                x.conflicts[0],
                added.len(),
                base.len()
            );
            let repository = Repository::new(Catalog::of(added.iter().copied()).unwrap(), 0);
            let installed = base.iter().map(|one| (*one).clone()).collect();
            let pool = Pool::new(installed, vec![repository], Options::default());
            let available = |index| Available {
                repository: 0,
                index,
            };
            let chosen: Vec<_> = (0..added.len()).map(available).collect();
            let rules = judge(&pool, &chosen);
            assert_eq!(rules.is_empty(), expected, "judged: {row} {rules:?}");
            let request = Request {
                install: chosen.into_iter().map(Wanted::Available).collect(),
                ..Request::default()
            };
            let resolution = resolve(&pool, &request);
            assert_eq!(
                resolution.is_ok(),
                expected,
                "resolved: {row} {resolution:?}"
            );
        }
    }
    assert!(refused > 20, "rpm refused only {refused}");
}
