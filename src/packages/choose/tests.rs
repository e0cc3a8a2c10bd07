//! Packages as values in; what is chosen with its reason, what is needed, and what is said out.

use std::cell::RefCell;

use super::*;
use crate::base;
use rpm_input::{File, FileKind, Nevra, Sense};

/// Makes a package of `NEVRA [; KIND DEPENDENCY]...`, with `P` for provides, `R`, `B` by a
/// scriptlet, `C`, `O`, `W` for
/// recommends, `S` for supplements, and `F` for a file. It provides its own name, as all do.
fn package(line: &str) -> Package {
    let mut words = line.split("; ");
    let nevra = resolve::Nevra::parse(words.next().unwrap()).unwrap();
    let mut package = Package::named(Nevra {
        name: nevra.name.clone(),
        epoch: nevra.evr.epoch,
        version: nevra.evr.version.clone(),
        release: nevra.evr.release.clone(),
        arch: nevra.arch,
    });
    let own = format!("{} = {}", nevra.name, nevra.evr);
    package.provides.push(dependency(&own));
    let mut files = Vec::new();
    for word in words {
        let (kind, text) = word.split_once(' ').unwrap();
        match kind {
            "P" => package.provides.push(dependency(text)),
            "R" => package.requires.push(dependency(text)),
            // By a scriptlet before the installation.
            "B" => {
                let mut need = dependency(text);
                need.sense = Sense(need.sense.0 | Sense::SCRIPT_PRE.0);
                package.requires.push(need);
            }
            "C" => package.conflicts.push(dependency(text)),
            "O" => package.obsoletes.push(dependency(text)),
            "W" => package.recommends.push(dependency(text)),
            "S" => package.supplements.push(dependency(text)),
            _ => files.push(File::new(text.to_owned(), FileKind::Regular)),
        }
    }
    package.files = files.into_iter().collect();
    package
}

fn dependency(text: &str) -> rpm_input::Dependency {
    let (name, range) = match text.split_once(' ') {
        Some((name, range)) if !text.starts_with('(') => (name, range),
        _ => (text, ""),
    };
    let (comparison, evr) = range.split_once(' ').unwrap_or_default();
    let bit = |letter, sense: Sense| match comparison.contains(letter) {
        true => sense.0,
        false => 0,
    };
    rpm_input::Dependency {
        name: name.to_owned(),
        sense: Sense(bit('<', Sense::LESS) | bit('>', Sense::GREATER) | bit('=', Sense::EQUAL)),
        evr: evr.to_owned(),
    }
}

fn packages(lines: &[&str]) -> Vec<Package> {
    lines.iter().map(|line| package(line)).collect()
}

#[test]
fn what_an_image_needs_of_its_base() {
    for (lines, expected) in [
        (&["a-1-1.noarch; R b; R c"][..], &["b", "c"][..]),
        (&["a-1-1.noarch; R b", "b-1-1.noarch"], &[]),
        // Said once, in the order of bytes.
        (
            &["a-1-1.noarch; R y; R x", "b-1-1.noarch; R y"],
            &["x", "y"],
        ),
        // By version: of a package, of a provides, of one that states none.
        (&["a-1-1.noarch; R b >= 2", "b-1-1.noarch"], &["b >= 2"]),
        (&["a-1-1.noarch; R b = 1", "b-1-7.noarch"], &[]),
        (&["a-1-1.noarch; R x >= 2", "b-1-1.noarch; P x = 1:1"], &[]),
        (
            &["a-1-1.noarch; R x > 1", "b-1-1.noarch; P x = 1"],
            &["x > 1"],
        ),
        (&["a-1-1.noarch; R x > 1", "b-1-1.noarch; P x"], &[]),
        // What is about installing, not running.
        (&["a-1-1.noarch; R rpmlib(PayloadIsZstd) <= 5.4.18-1"], &[]),
        (&["a-1-1.noarch; R config(a) = 1-1; R config(b) = 1-1"], &[]),
        // A program has two paths, other files have one.
        (
            &["a-1-1.noarch; R /bin/sh", "b-1-1.noarch; F /usr/bin/sh"],
            &[],
        ),
        (
            &["a-1-1.noarch; R /usr/bin/sh", "b-1-1.noarch; F /bin/sh"],
            &[],
        ),
        (
            &["a-1-1.noarch; R /usr/sbin/x", "b-1-1.noarch; F /sbin/x"],
            &[],
        ),
        (
            &["a-1-1.noarch; R /lib/x", "b-1-1.noarch; F /usr/lib/x"],
            &["/lib/x"],
        ),
        // Rich ones: met inside whatever the base has, or not.
        (&["a-1-1.noarch; R (b or c)", "b-1-1.noarch"], &[]),
        (&["a-1-1.noarch; R (b or c)"], &["(b or c)"]),
        (
            &["a-1-1.noarch; R (b and c)", "b-1-1.noarch"],
            &["(b and c)"],
        ),
        (&["a-1-1.noarch; R (b if c)", "b-1-1.noarch"], &[]),
        (&["a-1-1.noarch; R (b if c)"], &["(b if c)"]),
        (&["a-1-1.noarch; R (a unless c)"], &["(a unless c)"]),
        (
            &["a-1-1.noarch; R (x with y)", "b-1-1.noarch; P x; P y"],
            &[],
        ),
        (
            &[
                "a-1-1.noarch; R (x with y)",
                "b-1-1.noarch; P x",
                "c-1-1.noarch; P y",
            ],
            &["(x with y)"],
        ),
        (&["a-1-1.noarch; R (x without y)", "b-1-1.noarch; P x"], &[]),
        (&["a-1-1.noarch; R (b or"], &["(b or"]),
    ] {
        let packages = packages(lines);
        let packages: Vec<_> = packages.iter().collect();
        assert_eq!(requires(&packages), expected, "{lines:?}");
    }
}

#[test]
fn what_a_base_does_not_meet() {
    let base = packages(&[
        "glibc-2-1.noarch; P libc = 2; F /usr/bin/sh",
        "office-1-1.noarch",
    ]);
    let image = packages(&["a-1-1.noarch"]);
    let (base, image) = (installed(base.iter()), installed(image.iter()));
    for (need, met) in [
        ("libc", true),
        ("libc >= 3", false),
        ("/bin/sh", true),
        ("/usr/bin/sh", true),
        ("/bin/bash", false),
        ("(nosuch-a or nosuch-b)", false),
        ("(nosuch or libc)", true),
        ("(langpack if office)", false),
        ("(langpack if other)", true),
        ("(langpack if a)", false),
        ("(a unless office)", false),
        ("(nosuch", false),
    ] {
        let needs = [need.to_owned()];
        assert_eq!(unmet(&needs, &base, &image).is_empty(), met, "{need}");
    }
}

/// What the tests below choose from.
const OFFERED: [&str; 9] = [
    "tool-1-1.x86_64; R libz; R shell; W docs",
    "zlib-1-1.x86_64; P libz",
    "zlib-ng-1-1.x86_64; P libz",
    "docs-1-1.noarch",
    "shell-2-1.x86_64",
    "newer-1-1.x86_64; R shell >= 2",
    "foe-1-1.x86_64; C shell",
    "arm-1-1.aarch64",
    "both-1-1.x86_64; R tool; R nosuch",
];

/// Answers a question: what is chosen with the reason for it, what is said, what was not added.
fn answer(base: &Base, names: &[&str], recommends: bool) -> Result<Vec<String>> {
    let offered = packages(&OFFERED);
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let choice = choose(Question {
        base,
        repositories: vec![repository(offered.iter(), None)?],
        owners: &|_| Ok(vec![Owners::new()]),
        headers: Vec::new(),
        wanted: Vec::new(),
        names: &names,
        recommends,
        assume_next_build: false,
        architecture: Architecture::named("x86-64").unwrap(),
    })?;
    let nevra = |package: &Available| offered[package.index].nevra.to_string();
    let chosen = choice.chosen.iter().map(|(package, reason)| {
        let words = reason.words().unwrap_or_else(|| "asked for".to_owned());
        format!("{}: {words}", nevra(package))
    });
    let said = choice.findings.iter();
    let said = said.map(|finding| format!("{}: {}", finding.kind.id, finding.text));
    let wishes = choice.not_added.iter().map(|wish| format!("not {wish}"));
    Ok(chosen.chain(said).chain(wishes).collect())
}

fn base_of(lines: &[&str]) -> Base {
    Base {
        packages: Some(packages(lines)),
        ..Base::default()
    }
}

#[test]
fn what_is_chosen_and_why() {
    let shell = "shell-1-1.x86_64";
    for (base, names, recommends, expected) in [
        // The base wins every choice, and only what it lacks is added.
        (
            base_of(&[shell, "zlib-ng-0-1.x86_64; P libz"]),
            &["tool"][..],
            false,
            &["tool-1-1.x86_64: asked for", "not docs"][..],
        ),
        (
            base_of(&[shell]),
            &["tool"],
            true,
            &[
                "tool-1-1.x86_64: asked for",
                "zlib-1-1.x86_64: libz needed by tool-1-1.x86_64",
                "docs-1-1.noarch: docs recommended by tool-1-1.x86_64",
            ],
        ),
        (
            base_of(&[shell]),
            &["docs", "shell"],
            false,
            &[
                "docs-1-1.noarch: asked for",
                "in-base: shell-1-1.x86_64 is already in the base",
            ],
        ),
    ] {
        assert_eq!(answer(&base, names, recommends).unwrap(), expected);
    }
}

#[test]
fn what_no_base_of_these_packages_allows() {
    for (names, expected) in [
        // Packages of the base are never replaced.
        (
            &["newer"][..],
            "cannot install both shell-2-1.x86_64 and shell-1-1.x86_64 from the base",
        ),
        (
            &["foe"],
            "package foe-1-1.x86_64 conflicts with shell provided by shell-1-1.x86_64",
        ),
        (
            &["arm"],
            "package arm-1-1.aarch64 does not have a compatible architecture",
        ),
        (
            &["both"],
            "nothing provides nosuch needed by both-1-1.x86_64",
        ),
        (
            &["shell"],
            "there is nothing to add: shell-1-1.x86_64 is already in the base",
        ),
    ] {
        let failure = answer(&base_of(&["shell-1-1.x86_64"]), names, false).unwrap_err();
        let text = failure.source.to_string();
        assert!(text.contains(expected), "{names:?}: {text}");
    }
    let failure = answer(&Base::default(), &["tool"], false).unwrap_err();
    let text = failure.source.to_string();
    assert_eq!(text, "--repo needs a base with known packages");
}

#[test]
fn a_base_by_name_is_looked_up() {
    let listed = |lines: &str| Base {
        named: Named::Listed(base::parse_list(lines).unwrap()),
        ..Base::default()
    };
    // One that no repository has provides nothing but its name.
    let text = "no repository has 1 of the base's 2 packages, so what they provide is not known, \
                and whether programs find their libraries is not checked: other-1-1.noarch";
    for (base, provided, expected) in [
        (
            listed("zlib-ng-1-1.x86_64\nshell-2-1.x86_64"),
            true,
            vec![
                "tool-1-1.x86_64: asked for".to_owned(),
                "not docs".to_owned(),
            ],
        ),
        (
            listed("shell-2-1.x86_64\nother-1-1.noarch"),
            false,
            vec![
                "tool-1-1.x86_64: asked for".to_owned(),
                "zlib-1-1.x86_64: libz needed by tool-1-1.x86_64".to_owned(),
                format!("unknown-in-base: {text}"),
                "not docs".to_owned(),
            ],
        ),
    ] {
        assert_eq!(answer(&base, &["tool"], false).unwrap(), expected);
        let offered = packages(&OFFERED);
        let repositories = [repository(offered.iter(), None).unwrap()];
        let (known, unknown) = provided_by_list(&base, &repositories, false);
        assert_eq!((known.is_some(), unknown.is_none()), (provided, provided));
    }
}

#[test]
fn another_build_stands_for_a_listed_package() {
    let base = Base {
        named: Named::Listed(base::parse_list("shell-1-1.x86_64\nzlib-0-1.x86_64").unwrap()),
        ..Base::default()
    };
    let offered = packages(&OFFERED);
    let ask = |name: &str, assume_next_build| {
        choose(Question {
            base: &base,
            repositories: vec![repository(offered.iter(), None).unwrap()],
            owners: &|_| Ok(vec![Owners::new()]),
            headers: Vec::new(),
            wanted: Vec::new(),
            names: &[name.to_owned()],
            recommends: false,
            assume_next_build,
            architecture: Architecture::named("x86-64").unwrap(),
        })
    };
    let assumed = [
        "shell-1-1.x86_64 (from shell-2-1.x86_64)",
        "zlib-0-1.x86_64 (from zlib-1-1.x86_64)",
    ];
    let choice = ask("tool", true).unwrap();
    assert_eq!(choice.chosen.len(), 1);
    assert_eq!(choice.assumed, assumed);
    assert!(choice.provided.is_some());
    let said: Vec<_> = (choice.findings.iter())
        .map(|finding| format!("{}: {}", finding.kind.id, finding.text))
        .collect();
    let text = format!(
        "assumed-in-base: what 2 of the base's 2 packages provide is assumed from other builds of \
         them: {}",
        assumed.join(", ")
    );
    assert_eq!(said, [text]);
    // The version is that of the list, whatever another build's is.
    let failure = ask("newer", true).unwrap_err();
    assert_eq!(
        failure.lines().to_string().lines().next(),
        Some("cannot install both shell-2-1.x86_64 and shell-1-1.x86_64 from the base")
    );
}

#[test]
fn paths_that_metadata_leave_out_are_looked_up_once() {
    let offered = packages(&[
        "a-1-1.noarch; R /usr/share/x; R /usr/share/y",
        "b-1-1.noarch",
    ]);
    let asked = RefCell::new(Vec::new());
    let choice = choose(Question {
        base: &base_of(&["c-1-1.noarch; F /usr/share/y"]),
        repositories: vec![repository(offered.iter(), None).unwrap()],
        owners: &|paths| {
            asked.borrow_mut().extend(paths.iter().cloned());
            Ok(vec![vec![(1, "/usr/share/x".to_owned())]])
        },
        headers: Vec::new(),
        wanted: Vec::new(),
        names: &["a".to_owned()],
        recommends: false,
        assume_next_build: false,
        architecture: Architecture::named("x86-64").unwrap(),
    });
    let chosen = choice.unwrap().chosen;
    assert_eq!(
        chosen.iter().map(|(one, _)| one.index).collect::<Vec<_>>(),
        [0, 1]
    );
    assert_eq!(asked.into_inner(), ["/usr/share/x"]);
}

#[test]
fn packages_that_were_named_are_judged() {
    let base = base_of(&["shell-1-1.x86_64; P sh = 1", "zlib-1-1.x86_64; P libz"]);
    for (lines, rules, relies_on) in [
        (
            &["a-1-1.x86_64; R sh; R b; R libz", "b-1-1.x86_64; R libz"][..],
            &[][..],
            &["shell-1-1.x86_64: sh", "zlib-1-1.x86_64: libz"][..],
        ),
        (
            &["a-1-1.x86_64; R (nosuch-a or nosuch-b); C shell"],
            &[
                "nothing provides (nosuch-a or nosuch-b) needed by a-1-1.x86_64",
                "package a-1-1.x86_64 conflicts with shell provided by shell-1-1.x86_64",
            ],
            &[],
        ),
        (
            &["a-1-1.x86_64", "a-2-1.x86_64"],
            &["cannot install both a-1-1.x86_64 and a-2-1.x86_64"],
            &[],
        ),
    ] {
        let packages = packages(lines);
        let packages: Vec<_> = packages.iter().collect();
        let judgement = judge(&packages, &base).unwrap();
        let mut said: Vec<_> = judgement.rules.iter().map(ToString::to_string).collect();
        said.sort();
        assert_eq!(said, rules);
        let relied = judgement.relies_on.iter();
        let relied: Vec<_> = relied
            .map(|one| format!("{}: {}", one.nevra, one.provides.join(" ")))
            .collect();
        assert_eq!(relied, relies_on);
    }
}

#[test]
fn reasons_are_recorded_with_names() {
    let offered = packages(&[
        "a-1-1.noarch; R b; W c",
        "b-1-1.noarch; R base >= 1",
        "c-1-1.noarch",
        "d-1-1.noarch; S (a and base)",
    ]);
    let base = base_of(&["base-1-1.noarch"]);
    let question = |recommends| Question {
        base: &base,
        repositories: vec![repository(offered.iter(), None).unwrap()],
        owners: &|_| Ok(vec![Owners::new()]),
        // As a file that was named.
        headers: Vec::new(),
        wanted: vec![Available {
            repository: 0,
            index: 0,
        }],
        names: &[],
        recommends,
        assume_next_build: false,
        architecture: Architecture::named("x86-64").unwrap(),
    };
    let choice = choose(question(true)).unwrap();
    let a = || "a-1-1.noarch".to_owned();
    let reasons: Vec<_> = choice
        .chosen
        .iter()
        .map(|(package, reason)| (package.index, reason.clone()))
        .collect();
    assert_eq!(
        reasons,
        [
            (0, Reason::Requested),
            (
                1,
                Reason::Requires {
                    capability: "b".to_owned(),
                    by: a()
                }
            ),
            (
                2,
                Reason::Recommends {
                    capability: "c".to_owned(),
                    by: a()
                }
            ),
            (
                3,
                Reason::Supplements {
                    capability: "(a and base)".to_owned()
                }
            ),
        ]
    );
    assert_eq!(choice.not_added, [""; 0]);
    let choice = choose(question(false)).unwrap();
    assert_eq!(choice.not_added, ["c"]);
    // What the headers say counts: they may need more than metadata list.
    let mut headers = packages(&[
        "a-1-1.noarch; R b; R base",
        "b-1-1.noarch; R base >= 1; R nosuch",
    ]);
    headers.truncate(2);
    let relied = choice.relies_on(&headers.iter().collect::<Vec<_>>());
    assert_eq!(
        relied,
        [ReliedOn {
            nevra: "base-1-1.noarch".to_owned(),
            provides: vec!["base".to_owned(), "base >= 1".to_owned()],
        }]
    );
}

#[test]
fn what_takes_the_place_of_what_was_asked_for_is_said() {
    let offered = packages(&[
        "old-1-1.noarch",
        "new-2-1.noarch; O old < 2",
        "tool-1-1.noarch",
        "tool-3-1.noarch",
        "all-tools-1-1.noarch; O tool < 2",
    ]);
    let bare = base_of(&["base-1-1.noarch"]);
    let having = base_of(&["kept-1-1.noarch; O old"]);
    let place = "obsoletes old, which was asked for, and takes its place";
    for (base, name, expected) in [
        (&bare, "old", format!("new-2-1.noarch {place}")),
        (&bare, "old-1", String::new()),
        (&bare, "new", String::new()),
        (&bare, "tool", String::new()),
        (
            &having,
            "old",
            format!(
                "there is nothing to add: kept-1-1.noarch is already in the base, kept-1-1.noarch \
                 {place}"
            ),
        ),
    ] {
        let choice = choose(Question {
            base,
            repositories: vec![repository(offered.iter(), None).unwrap()],
            owners: &|_| Ok(vec![Owners::new()]),
            headers: Vec::new(),
            wanted: Vec::new(),
            names: &[name.to_owned()],
            recommends: false,
            assume_next_build: false,
            architecture: Architecture::named("x86-64").unwrap(),
        });
        let said = match choice {
            Ok(choice) => {
                let texts = choice.findings.iter().map(|finding| &*finding.text);
                texts.collect::<Vec<_>>().join(", ")
            }
            Err(failure) => failure.lines().to_string(),
        };
        assert_eq!(said, expected, "{name}");
    }
}

#[test]
fn builds_that_left_the_repository_are_the_first_reason() {
    let offered = packages(&[
        "bash-5-1.x86_64; P sh",
        "bash-5-0.x86_64; P sh",
        "tool-1-1.x86_64; R sh",
        "broken-1-1.x86_64; R bash < 1",
        "old-bash-user-1-1.x86_64; R bash = 5-0",
    ]);
    let cause = "no repository has these builds of the base's packages, so it is not known what they \
                 provide: bash-5-9.x86_64";
    for (list, name, is_said) in [
        ("bash-5-9.x86_64", "tool", true),
        ("bash-5-9.x86_64", "broken", true),
        // Of a package that a repository has all is known.
        ("bash-5-1.x86_64", "broken", false),
        ("bash-5-1.x86_64", "old-bash-user", false),
        ("bash-5-9.x86_64", "nosuch", false),
    ] {
        let base = Base {
            named: Named::Listed(base::parse_list(list).unwrap()),
            ..Base::default()
        };
        let choice = choose(Question {
            base: &base,
            repositories: vec![repository(offered.iter(), None).unwrap()],
            owners: &|_| Ok(vec![Owners::new()]),
            headers: Vec::new(),
            wanted: Vec::new(),
            names: &[name.to_owned()],
            recommends: false,
            assume_next_build: false,
            architecture: Architecture::named("x86-64").unwrap(),
        });
        let said = choice.unwrap_err().lines().to_string();
        assert_eq!(said.starts_with(cause), is_said, "{list} {name}: {said}");
        assert!(!said.contains("would do") || !is_said, "{said}");
    }
}

#[test]
fn what_only_scriptlets_need_refuses_nothing() {
    let base = base_of(&["there-1-1.noarch"]);
    let offered = packages(&[
        "adduser-1-1.noarch; R nowhere",
        "b-1-1.noarch",
        "c-1-1.noarch",
    ]);
    for (named, expected) in [
        // What can be had is chosen, as by dnf.
        ("a-1-1.noarch; B b; R there", Ok(("a b", ""))),
        (
            "a-1-1.noarch; B shadow; R c",
            Ok((
                "a c",
                "shadow can't be had, which a-1-1.noarch needs by its scriptlets alone, and none is run",
            )),
        ),
        // Its provider needs something that is nowhere.
        (
            "a-1-1.noarch; B adduser; B shadow",
            Ok((
                "a",
                "adduser can't be had, which a-1-1.noarch needs by its scriptlets alone, and none is run, \
                 shadow can't be had, which a-1-1.noarch needs by its scriptlets alone, and none is run",
            )),
        ),
        (
            "a-1-1.noarch; B shadow; R shadow",
            Err("nothing provides shadow needed by a-1-1.noarch"),
        ),
        (
            "a-1-1.noarch; B shadow; R nobody",
            Err("nothing provides nobody needed by a-1-1.noarch"),
        ),
    ] {
        let named = [package(named)];
        let choice = choose(Question {
            base: &base,
            repositories: vec![
                repository(named.iter(), None).unwrap(),
                repository(offered.iter(), None).unwrap(),
            ],
            owners: &|_| Ok(vec![Owners::new(), Owners::new()]),
            headers: named.iter().collect(),
            wanted: vec![Available {
                repository: 0,
                index: 0,
            }],
            names: &[],
            recommends: false,
            assume_next_build: false,
            architecture: Architecture::named("x86-64").unwrap(),
        });
        let all: Vec<_> = named.iter().chain(&offered).collect();
        match (choice, expected) {
            (Ok(choice), Ok((names, said))) => {
                let at = |one: &Available| one.repository * named.len() + one.index;
                let chosen = choice.chosen.iter();
                let chosen: Vec<_> = chosen.map(|(one, _)| &*all[at(one)].nevra.name).collect();
                let texts = choice.findings.iter().map(|finding| &*finding.text);
                assert_eq!(
                    (&*chosen.join(" "), &*texts.collect::<Vec<_>>().join(", ")),
                    (names, said)
                );
            }
            (Err(failure), Err(expected)) => assert_eq!(failure.lines().to_string(), expected),
            (choice, expected) => panic!("{expected:?}, but {:?}", choice.map(|it| it.chosen)),
        }
    }
}

#[test]
fn wishes_that_are_there_or_nowhere_are_not_missed() {
    let base = base_of(&["there-1-1.noarch", "shell-1-1.x86_64"]);
    let offered = packages(&[
        "a-1-1.noarch; W there; W nowhere; W b; W c; R b",
        "b-1-1.noarch",
        "c-1-1.noarch",
    ]);
    let choice = choose(Question {
        base: &base,
        repositories: vec![repository(offered.iter(), None).unwrap()],
        owners: &|_| Ok(vec![Owners::new()]),
        headers: Vec::new(),
        wanted: Vec::new(),
        names: &["a".to_owned()],
        recommends: false,
        assume_next_build: false,
        architecture: Architecture::named("x86-64").unwrap(),
    });
    assert_eq!(choice.unwrap().not_added, ["c"]);
}

#[test]
fn what_a_looked_up_base_provides() {
    let offered = packages(&["a-1-1.noarch; P x; F /usr/bin/a", "b-1-1.noarch"]);
    let repositories = [repository(offered.iter(), None).unwrap()];
    let listed = |lines: &str| Base {
        named: Named::Listed(base::parse_list(lines).unwrap()),
        ..Base::default()
    };
    let (known, unknown) = provided_by_list(&listed("a-1-1.noarch"), &repositories, false);
    assert!(unknown.is_none());
    let known = format!("{:?}", known.unwrap().capabilities);
    let expected =
        "Capabilities { names: {\"a\", \"x\"}, files: {\"/bin/a\", \"/usr/bin/a\"}, lists: Some(";
    assert!(known.starts_with(expected), "{known}");
    // A base that would be installed for it may have become another one, and one that is known by
    // its headers is not looked up.
    let install = Base {
        named: Named::Install(vec!["a".to_owned()]),
        ..Base::default()
    };
    for base in [install, base_of(&["a-1-1.noarch"])] {
        let (known, unknown) = provided_by_list(&base, &repositories, false);
        assert!(known.is_none() && unknown.is_none());
    }
}

#[test]
fn names_are_shortened() {
    for (count, expected) in [
        (0, ""),
        (1, "p0"),
        (5, "p0, p1, p2, p3, p4"),
        (6, "p0, p1, p2, p3, p4, 1 more"),
    ] {
        let names: Vec<_> = (0..count).map(|number| format!("p{number}")).collect();
        assert_eq!(shortened(&names), expected);
        let unknown = Unknown {
            packages: names,
            is_assumable: false,
        };
        let said = unknown.finding(7).map(|finding| finding.text);
        assert_eq!(said.is_some(), count > 0);
        assert!(said.is_none_or(|text| text.ends_with(&format!(": {expected}"))));
    }
}

#[test]
fn what_is_a_name_and_what_a_file() {
    let scratch = crate::words::scratch::Scratch::new();
    scratch.write("strace", b"");
    scratch.write("checkout/source.c", b"");
    scratch.write("rpms/a.rpm", b"");
    for (input, expected) in [
        ("strace", true),
        ("gdb", true),
        ("gcc-c++", true),
        ("gtk*", true),
        ("a>=1", true),
        ("a = 1.2", true),
        ("libz.so.1()(64bit)", true),
        ("(a or /b)", true),
        ("pkgconfig(a/b)", true),
        ("/usr/bin/no-such-tool", true),
        // What is there is not asked.
        ("/bin/sh", true),
        ("checkout", true),
        ("rpms", false),
        ("rpms/", false),
        ("/usr", false),
        ("/usr/", false),
        ("/a.rpm", false),
        ("strace.rpm", false),
        ("./strace", false),
        ("dir/strace.rpm", false),
        ("dir/strace", false),
    ] {
        let path = scratch.path().join(input);
        assert_eq!(is_request(input, &path), expected, "{input}");
    }
    for (input, expected) in [("strace", true), ("strace.rpm", false), ("./strace", false)] {
        assert_eq!(may_be_name(Path::new(input)), expected, "{input}");
    }
}

#[test]
fn without_a_known_base_packages_are_judged_by_each_other() {
    for (lines, expected) in [
        (
            &["a-1-1.x86_64; R nosuch; C shell", "b-1-1.x86_64"][..],
            &[][..],
        ),
        (
            &["a-1-1.x86_64; C b < 2", "b-1-1.x86_64"],
            &["package a-1-1.x86_64 conflicts with b < 2 provided by b-1-1.x86_64"],
        ),
        (
            &["a-1-1.x86_64; O b", "b-1-1.x86_64"],
            &["package a-1-1.x86_64 obsoletes b provided by b-1-1.x86_64"],
        ),
        (
            &["a-2-1.x86_64", "a-1-1.x86_64"],
            &["cannot install both a-2-1.x86_64 and a-1-1.x86_64"],
        ),
    ] {
        let packages = packages(lines);
        let packages: Vec<_> = packages.iter().collect();
        let judgement = judge(&packages, &Base::default()).unwrap();
        let said: Vec<_> = judgement.rules.iter().map(ToString::to_string).collect();
        assert_eq!(said, expected, "{lines:?}");
        assert!(judgement.relies_on.is_empty(), "{lines:?}");
    }
}
