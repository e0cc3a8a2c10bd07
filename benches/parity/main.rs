//! Compares what is chosen for a name with what dnf chooses from the same base and repositories.
//!
//! ```text
//! cargo bench --bench parity -- [--names N] [--recommends] [--best] [--base NAME,...] [--verbose]
//!     [--modules PLATFORM[,NAME:STREAM,...]] [--explain] SET=REPOSITORY[,REPOSITORY...]...
//! ```
//!
//! For each set, N names (500 if it is not said) are drawn from the repositories' packages by a
//! fixed rule, and each is resolved by itself, here and by dnf. With `--base`, the base has these
//! packages and what they require: they are put into an RPM database that dnf reads, and taken as
//! the base here. The counts of equal and unequal answers are printed, with `--verbose` also what
//! is unequal. With `--modules`, streams of modules count on both sides: the default ones and those
//! that are named; PLATFORM is what dnf would read from os-release, such as `platform:el9`. With
//! `--explain`, what is said of names that can't be resolved is given to libsolv,
//! which says what of it is not true; `--names 100000` asks for all. Needs python3-dnf, and rpmbuild for `--base`.

#![allow(
    clippy::disallowed_methods,
    reason = "a bench reads what it made itself"
)]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a command for people who develop"
)]

#[expect(dead_code, reason = "the program needs more of it")]
#[path = "../../src/packages/repository/listing.rs"]
mod listing;
#[path = "../../src/packages/streams.rs"]
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use resolve::{
    Catalog, CatalogBuilder, Dependency, Options, Package, Pool, Repository, Request, Solvable,
    Wanted, Withheld, resolve,
};
use rpm_input::repodata::{Filelists, Kind, Modules, Primary, Repomd, Stream};
use sha2::{Digest, Sha256};

struct Run {
    names: usize,
    recommends: bool,
    best: bool,
    verbose: bool,
    explain: bool,
    base: Vec<String>,
    /// The platform, and streams that are enabled.
    modules: Option<(String, BTreeMap<String, String>)>,
}

fn main() {
    let mut run = Run {
        names: 500,
        recommends: false,
        best: false,
        verbose: false,
        explain: false,
        base: Vec::new(),
        modules: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--names" => run.names = arguments.next().unwrap().parse().unwrap(),
            "--recommends" => run.recommends = true,
            "--best" => run.best = true,
            "--verbose" => run.verbose = true,
            "--explain" => run.explain = true,
            "--base" => {
                let names = arguments.next().unwrap();
                run.base = names.split(',').map(str::to_owned).collect();
            }
            "--modules" => {
                let given = arguments.next().unwrap();
                let mut parts = given.split(',');
                let platform = parts.next().unwrap().to_owned();
                let enabled = parts.map(|one| one.split_once(':').unwrap());
                let enabled = enabled.map(|(name, stream)| (name.to_owned(), stream.to_owned()));
                run.modules = Some((platform, enabled.collect()));
            }
            // What cargo adds.
            "--bench" => {}
            set => {
                let (name, directories) = set.split_once('=').unwrap();
                compare(&run, name, &directories.split(',').collect::<Vec<_>>());
            }
        }
    }
}

/// An answer: the packages to add, or a message.
type Answer = Result<BTreeSet<String>, String>;

fn compare(run: &Run, set: &str, directories: &[&str]) {
    let mut sources: Vec<Source> = directories.iter().map(|path| Source::open(path)).collect();
    if let Some((_, enabled)) = &run.modules {
        leave_out(&mut sources, enabled);
    }
    let names = draw(&sources, run.names);
    let base = base(run, &sources);
    let root = std::env::temp_dir().join(format!("parity-{}-{set}", std::process::id()));
    fs::create_dir_all(&root).unwrap();
    install(&base, &root);
    let start = Instant::now();
    let ours = answers(run, &names, &base, &sources);
    let our_time = start.elapsed().as_secs_f64();
    if run.explain {
        fs::remove_dir_all(&root).unwrap();
        explain(set, &ours, directories);
        return;
    }
    let start = Instant::now();
    let theirs = dnf(run, &names, &root, directories);
    let their_time = start.elapsed().as_secs_f64();
    fs::remove_dir_all(&root).unwrap();

    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in &names {
        let (kind, answer) = &theirs[name];
        let class = match (&ours[name], kind.as_str()) {
            (Ok(ours), "ok") => match answer {
                Ok(theirs) if ours == theirs => "both succeed: equal",
                _ => "both succeed: unequal",
            },
            (Err(_), "fail") => "both fail",
            (Ok(_), "base") => "dnf changes the base, we don't",
            (Err(_), "base") => "dnf changes the base, we fail",
            (Ok(_), _) => "dnf fails, we succeed",
            (Err(_), _) => "we fail, dnf succeeds",
        };
        *counts.entry(class).or_default() += 1;
        if run.verbose && !["both succeed: equal", "both fail"].contains(&class) {
            println!("{name}: {class}");
            match (&ours[name], answer) {
                (Ok(ours), Ok(theirs)) => {
                    println!(
                        "  ours    {:?}",
                        ours.difference(theirs).collect::<Vec<_>>()
                    );
                    println!(
                        "  theirs  {:?}",
                        theirs.difference(ours).collect::<Vec<_>>()
                    );
                }
                (Err(text), _) | (_, Err(text)) => println!("  {text}"),
            }
        }
    }
    let packages: usize = sources.iter().map(|source| source.catalog.len()).sum();
    println!(
        "{set}: {} names of {packages} packages, base of {}; {our_time:.1} s, dnf {their_time:.1} s",
        names.len(),
        base.len(),
    );
    for (class, count) in counts {
        println!("  {count:4}  {class}");
    }
}

/// Has libsolv say which lines about names that can't be resolved are not true.
fn explain(set: &str, answers: &BTreeMap<String, Answer>, directories: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/parity/truth.py");
    let mut child = Command::new("/usr/bin/python3")
        .arg(script)
        .args(directories)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let failed = answers
        .iter()
        .filter_map(|(name, answer)| Some((name, answer.as_ref().err()?)));
    let mut input = child.stdin.take().unwrap();
    println!("{set}: {} names can't be resolved", failed.clone().count());
    for (name, problem) in failed {
        for line in problem.lines() {
            writeln!(input, "{name}\t{line}").unwrap();
        }
    }
    drop(input);
    assert!(child.wait().unwrap().success(), "truth.py");
}

/// A repository.
struct Source {
    directory: PathBuf,
    repomd: Repomd,
    catalog: Catalog,
    withheld: BTreeMap<usize, Withheld>,
}

impl Source {
    fn open(directory: &str) -> Self {
        let directory = PathBuf::from(directory);
        let path = directory.join("repodata/repomd.xml");
        let origin = path.display().to_string();
        let repomd = Repomd::parse(&fs::read(&path).unwrap(), &origin).unwrap();
        let listed = repomd.file(&Kind::Primary).unwrap();
        let file = File::open(directory.join(&listed.location)).unwrap();
        let mut primary = Primary::open(Box::new(file), &origin, listed).unwrap();
        let mut builder = CatalogBuilder::new();
        let mut evr = String::new();
        while let Some(package) = primary.next_package().unwrap() {
            listing::add(&mut builder, &package, &mut evr);
        }
        let catalog = builder.finish().unwrap();
        Self {
            directory,
            repomd,
            catalog,
            withheld: BTreeMap::new(),
        }
    }

    fn modules(&self) -> Modules {
        let Some(listed) = self.repomd.file(&Kind::Other("modules".to_owned())) else {
            return Modules::default();
        };
        let file = File::open(self.directory.join(&listed.location)).unwrap();
        Modules::read(Box::new(file), "modules", listed).unwrap()
    }

    /// Returns the repository with the files of these paths, if it has file lists.
    fn with_files(&self, paths: &BTreeSet<String>) -> Repository {
        let mut files = Vec::new();
        let listed = self.repomd.file(&Kind::Filelists);
        let file = listed.and_then(|listed| {
            let file = File::open(self.directory.join(&listed.location)).ok()?;
            Some((listed, file))
        });
        if let Some((listed, file)) = file.filter(|_| !paths.is_empty()) {
            let mut lists =
                Filelists::open(Box::new(file), "filelists", listed, paths.clone()).unwrap();
            let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
            while let Some(list) = lists.next_match().unwrap() {
                owners.entry(list.checksum).or_default().extend(list.files);
            }
            for index in 0..self.catalog.len() {
                let checksum = listing::checksum_hex(&self.catalog, index).unwrap();
                let paths = owners.get(checksum).into_iter().flatten();
                files.extend(paths.map(|path| (index, path.clone())));
            }
        }
        Repository {
            files,
            withheld: self.withheld.clone(),
            ..Repository::new(self.catalog.clone(), 0)
        }
    }
}

/// Withholds what modules leave out.
fn leave_out(sources: &mut [Source], enabled: &BTreeMap<String, String>) {
    let modules: Vec<Modules> = sources.iter().map(Source::modules).collect();
    let mut used: BTreeMap<String, String> = BTreeMap::new();
    for one in &modules {
        used.extend(one.defaults.clone());
    }
    let by_default: BTreeSet<String> = used.keys().cloned().collect();
    used.extend(enabled.clone());
    let may_be_left_out = |module: &&String| !enabled.contains_key(*module);
    let may_be_left_out = by_default.iter().filter(may_be_left_out).cloned().collect();
    let all: Vec<Stream> = modules.into_iter().flat_map(|one| one.streams).collect();
    let active = streams::active(&all, &mut used, &may_be_left_out);
    let active = active
        .unwrap_or_else(|unmet| panic!("{}:{} needs {}", unmet.module, unmet.stream, unmet.need));
    for source in sources {
        let left_out = streams::left_out(&source.catalog, &all, &active).into_iter();
        source.withheld = left_out.map(|index| (index, Withheld::Module)).collect();
    }
}

/// Returns so many of all names, those whose digests come first.
fn draw(sources: &[Source], number: usize) -> Vec<String> {
    let nevras = sources.iter().flat_map(|source| {
        (0..source.catalog.len()).map(|index| source.catalog.nevra(index).unwrap().name)
    });
    let digest = |name: &String| Sha256::digest(name).to_vec();
    let mut names: Vec<String> = nevras.collect::<BTreeSet<_>>().into_iter().collect();
    names.sort_by_cached_key(digest);
    names.truncate(number);
    names
}

/// Makes a pool, again as long as paths are asked for that only file lists have.
fn with_pool<T>(base: &[Solvable], sources: &[Source], mut work: impl FnMut(&Pool) -> T) -> T {
    let options = Options {
        architecture: "x86_64".to_owned(),
        multilib: true,
    };
    let mut paths = BTreeSet::new();
    loop {
        let repositories = sources
            .iter()
            .map(|source| source.with_files(&paths))
            .collect();
        let pool = Pool::new(base.to_vec(), repositories, options.clone());
        let result = work(&pool);
        let before = paths.len();
        paths.extend(pool.unlisted_paths());
        if paths.len() == before {
            return result;
        }
    }
}

fn packages(pool: &Pool, install: Vec<Wanted>, recommends: bool) -> Result<Vec<Solvable>, String> {
    let request = Request {
        install,
        recommends,
        locked: Vec::new(),
    };
    let resolution = resolve(pool, &request).map_err(|problem| problem.to_string())?;
    let chosen = resolution
        .chosen
        .iter()
        .map(|chosen| Package::Available(chosen.package));
    Ok(chosen
        .map(|package| pool.get(package).unwrap().clone())
        .collect())
}

/// Returns the packages of the base.
fn base(run: &Run, sources: &[Source]) -> Vec<Solvable> {
    let install: Vec<Wanted> = run.base.iter().cloned().map(Wanted::Text).collect();
    with_pool(&[], sources, |pool| packages(pool, install.clone(), false)).unwrap()
}

fn answers(
    run: &Run,
    names: &[String],
    base: &[Solvable],
    sources: &[Source],
) -> BTreeMap<String, Answer> {
    with_pool(base, sources, |pool| {
        let answer = |name: &String| -> Answer {
            let found = packages(pool, vec![Wanted::Text(name.clone())], run.recommends)?;
            Ok(found.iter().map(|one| one.nevra.to_string()).collect())
        };
        names
            .iter()
            .map(|name| (name.clone(), answer(name)))
            .collect()
    })
}

/// Puts the base into an RPM database, as packages without files that provide what they have.
fn install(base: &[Solvable], root: &Path) {
    if base.is_empty() {
        return;
    }
    let mut spec = "Name: base-of-parity\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\n\
                    AutoReqProv: no\n%description\nd\n"
        .to_owned();
    for one in base {
        let nevra = &one.nevra;
        let architecture = if nevra.arch == "noarch" {
            "BuildArch: noarch\n"
        } else {
            ""
        };
        spec += &format!(
            "%package -n {}\nEpoch: {}\nVersion: {}\nRelease: {}\nSummary: s\n{architecture}AutoReqProv: no\n",
            nevra.name,
            nevra.evr.epoch.unwrap_or(0),
            nevra.evr.version,
            nevra.evr.release,
        );
        let own = format!("{} = ", nevra.name);
        for (tag, list) in [
            ("Provides", &one.provides),
            ("Requires", &one.requires),
            ("Conflicts", &one.conflicts),
            ("Obsoletes", &one.obsoletes),
            ("Recommends", &one.recommends),
            ("Suggests", &one.suggests),
        ] {
            let texts = list.iter().map(Dependency::to_string);
            let may_be_written =
                |text: &String| !text.starts_with("rpmlib(") && !text.starts_with(&own);
            for text in texts.filter(may_be_written) {
                spec += &format!("{tag}: {text}\n");
            }
        }
        for path in &one.files {
            spec += &format!("Provides: {path}\n");
        }
        spec += &format!("%description -n {0}\nd\n%files -n {0}\n", nevra.name);
    }
    let path = root.join("base.spec");
    fs::write(&path, spec).unwrap();
    let top = format!("_topdir {}/build", root.display());
    run_quietly(
        Command::new("rpmbuild")
            .args(["--target", "x86_64", "-bb", "-D", &top])
            .arg(path),
    );
    let mut made = Vec::new();
    for architecture in ["x86_64", "noarch"] {
        let directory = root.join("build/RPMS").join(architecture);
        let entries = fs::read_dir(directory).into_iter().flatten();
        made.extend(entries.map(|entry| entry.unwrap().path()));
    }
    assert_eq!(made.len(), base.len(), "packages of the base");
    let options = [
        "--justdb",
        "--nodeps",
        "--nosignature",
        "--ignorearch",
        "-i",
        "--root",
    ];
    run_quietly(Command::new("rpm").args(options).arg(root).args(made));
}

fn run_quietly(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// Returns how dnf ends for each name (`ok`, `fail`, `base`), and with what.
fn dnf(
    run: &Run,
    names: &[String],
    root: &Path,
    directories: &[&str],
) -> BTreeMap<String, (String, Answer)> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/parity/oracle.py");
    let flag = |set| if set { "1" } else { "0" };
    let modules = run
        .modules
        .as_ref()
        .map_or(String::new(), |(platform, enabled)| {
            let enabled = enabled
                .iter()
                .map(|(name, stream)| format!(",{name}:{stream}"));
            platform.clone() + &enabled.collect::<String>()
        });
    let mut child = Command::new("/usr/bin/python3")
        .arg(script)
        .arg(root)
        .args([flag(run.recommends), flag(run.best)])
        .arg(modules)
        .args(directories)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input
        .write_all((names.join("\n") + "\n").as_bytes())
        .unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "oracle.py");
    let text = String::from_utf8(output.stdout).unwrap();
    let answer = |line: &str| {
        let mut parts = line.split('\t');
        let mut part = || parts.next().unwrap().to_owned();
        let (name, kind, rest) = (part(), part(), part());
        let answer = match kind.as_str() {
            "fail" => Err(rest),
            _ => Ok(rest
                .split(' ')
                .filter(|one| !one.is_empty())
                .map(str::to_owned)
                .collect()),
        };
        (name, (kind, answer))
    };
    text.lines().map(answer).collect()
}
