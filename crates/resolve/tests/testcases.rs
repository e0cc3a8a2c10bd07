//! Runs the cases of `tests/cases`, written in the format of libsolv's `testsolv`.
//!
//! ```text
//! repo system 0 testtags <inline>          the base; any other repository is on offer
//! #>=Pkg: NAME VERSION RELEASE ARCH
//! #>=Prv: CAPABILITY                       also Req Con Obs Rec Sug Sup Enh Fls
//! repo available 0 testtags <inline>       the number is the priority, the higher wins
//! system x86_64 rpm system                 architecture; `system i686+x86_64` is not known
//! poolflags multilib                       ours: 32-bit packages are candidates too
//! solverflags ignorerecommended            weak dependencies are not followed
//! job install name NAME                    or `provides CAPABILITY`, `pkg NEVRA@REPO`, `text WORD`
//! job lock pkg NEVRA                       ours: a line of the lock
//! result transaction,problems <inline>
//! #>install NEVRA@REPO
//! #>already REQUEST                        ours: the base has it
//! #>problem info TEXT
//! ```
//!
//! What `testsolv` knows beyond that is refused, so that no line is passed over. `=Vnd:` and
//! `=Ver:` are accepted and mean nothing here.

#![expect(
    clippy::unwrap_used,
    reason = "what the tests are made of must be sound"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use resolve::{
    Available, Catalog, Dependency, Nevra, Options, Pool, Repository, Request, Solvable, Wanted,
    resolve,
};

#[derive(Default)]
struct Case {
    base: Vec<Solvable>,
    /// Name, priority and packages of each repository.
    repositories: Vec<(String, i32, Vec<Solvable>)>,
    options: Options,
    request: Request,
    expected: BTreeSet<String>,
}

/// Where the `#>` lines that follow belong.
enum Inline {
    Nowhere,
    Base,
    Available,
    Result,
}

impl Case {
    fn parse(text: &str) -> Self {
        let mut case = Self::default();
        case.request.recommends = true;
        let mut inline = Inline::Nowhere;
        let mut wanted_packages = Vec::new();
        for line in text.lines().map(str::trim) {
            if let Some(line) = line.strip_prefix("#>") {
                match inline {
                    Inline::Base => tag(&mut case.base, line),
                    Inline::Available => tag(&mut case.repositories.last_mut().unwrap().2, line),
                    Inline::Result => {
                        assert!(case.expected.insert(line.to_owned()), "twice: {line}");
                    }
                    Inline::Nowhere => panic!("an inline line without a place: {line}"),
                }
                continue;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [] => {}
                [first, ..] if first.starts_with('#') => {}
                ["repo", "system", _, "testtags", "<inline>"] => inline = Inline::Base,
                ["repo", name, priority, "testtags", "<inline>"] => {
                    inline = Inline::Available;
                    let repository = ((*name).to_owned(), priority.parse().unwrap(), Vec::new());
                    case.repositories.push(repository);
                }
                ["system", architecture, "rpm", "system"] => {
                    case.options.architecture = (*architecture).to_owned();
                }
                ["poolflags", "multilib"] => case.options.multilib = true,
                ["solverflags", "ignorerecommended"] => case.request.recommends = false,
                ["job", "install", "name", name] => {
                    case.request.install.push(Wanted::Name((*name).to_owned()));
                }
                ["job", "install", "provides", capability @ ..] => {
                    let dependency = Dependency::parse(&capability.join(" ")).unwrap();
                    case.request.install.push(Wanted::Capability(dependency));
                }
                ["job", "install", "text", text @ ..] => {
                    case.request.install.push(Wanted::Text(text.join(" ")));
                }
                ["job", "install", "pkg", package] => {
                    wanted_packages.push((*package).to_owned());
                }
                ["job", "lock", "pkg", nevra] => {
                    case.request.locked.push(Nevra::parse(nevra).unwrap());
                }
                ["result", "transaction,problems", "<inline>"] => inline = Inline::Result,
                _ => panic!("not understood: {line}"),
            }
        }
        for wanted in wanted_packages {
            let found = case
                .packages()
                .into_iter()
                .find(|&one| case.name_of(one) == wanted);
            case.request.install.push(Wanted::Available(found.unwrap()));
        }
        case
    }

    fn packages(&self) -> Vec<Available> {
        let of = |(repository, (_, _, packages)): (usize, &(_, _, Vec<_>))| {
            (0..packages.len()).map(move |index| Available { repository, index })
        };
        self.repositories.iter().enumerate().flat_map(of).collect()
    }

    fn name_of(&self, package: Available) -> String {
        let (name, _, packages) = &self.repositories[package.repository];
        format!("{}@{name}", packages[package.index].nevra)
    }

    fn run(&self) -> BTreeSet<String> {
        let repository = |(_, priority, packages): &(String, i32, Vec<Solvable>)| Repository {
            catalog: Catalog::of(packages).unwrap(),
            priority: *priority,
            files: Vec::new(),
        };
        let pool = Pool::new(
            self.base.clone(),
            self.repositories.iter().map(repository).collect(),
            self.options.clone(),
        );
        match resolve(&pool, &self.request) {
            Ok(resolution) => {
                let install = |package| format!("install {}", self.name_of(package));
                let already = |number: usize| match &self.request.install[number] {
                    Wanted::Available(package) => format!("already {}", self.name_of(*package)),
                    other => format!("already {other}"),
                };
                let chosen = resolution
                    .chosen
                    .iter()
                    .map(|chosen| install(chosen.package));
                let given = resolution
                    .already
                    .iter()
                    .map(|found| already(found.request));
                chosen.chain(given).collect()
            }
            Err(problem) => {
                let text = problem.to_string();
                text.lines()
                    .map(|line| format!("problem info {line}"))
                    .collect()
            }
        }
    }
}

/// Adds a line of the testtags format to the last package, or begins a package.
fn tag(solvables: &mut Vec<Solvable>, line: &str) {
    let (key, value) = line.split_once(' ').unwrap_or((line, ""));
    if key == "=Pkg:" {
        let words: Vec<&str> = value.split(' ').collect();
        let [name, version, release, arch] = words.as_slice() else {
            panic!("no package: {line}");
        };
        let nevra = Nevra::parse(&format!("{name}-{version}-{release}.{arch}")).unwrap();
        solvables.push(Solvable {
            nevra,
            ..Solvable::default()
        });
        return;
    }
    let solvable = solvables.last_mut().unwrap();
    let list = match key {
        "=Prv:" => &mut solvable.provides,
        "=Req:" => &mut solvable.requires,
        "=Con:" => &mut solvable.conflicts,
        "=Obs:" => &mut solvable.obsoletes,
        "=Rec:" => &mut solvable.recommends,
        "=Sug:" => &mut solvable.suggests,
        "=Sup:" => &mut solvable.supplements,
        "=Enh:" => &mut solvable.enhances,
        "=Fls:" => return solvable.files.push(value.to_owned()),
        "=Vnd:" | "=Ver:" => return,
        _ => panic!("not understood: {line}"),
    };
    list.push(Dependency::parse(value).unwrap());
}

#[test]
fn every_case_gives_its_result() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut paths: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let mut failures = String::new();
    for path in &paths {
        assert_eq!(path.extension().unwrap(), "t", "{}", path.display());
        let case = Case::parse(&fs::read_to_string(path).unwrap());
        let found = case.run();
        if found != case.expected {
            let name = path.file_name().unwrap().display();
            failures += &format!("\n{name}:\n");
            for line in case.expected.difference(&found) {
                failures += &format!("  missing     {line}\n");
            }
            for line in found.difference(&case.expected) {
                failures += &format!("  unexpected  {line}\n");
            }
        }
    }
    assert!(
        paths.len() >= 40,
        "cases are missing in {}",
        directory.display()
    );
    assert!(failures.is_empty(), "{failures}");
}
