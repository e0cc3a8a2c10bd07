//! A case in the format of libsolv's `testsolv`: reads it, solves it, and says what came out.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use resolve::{
    Available, Catalog, Dependency, Nevra, Options, Pool, Repository, Request, Solvable, Wanted,
    resolve,
};

use crate::testtags;

/// Name, priority and packages of a repository.
type Offered = (String, i32, Vec<Solvable>);

/// What only matters where packages of the base are changed, or how much is said.
const FLAGS_OF_NO_MATTER: [&str; 16] = [
    "allowdowngrade",
    "allowarchchange",
    "allownamechange",
    "allowuninstall",
    "allowvendorchange",
    "bestobeypolicy",
    "breakorphans",
    "dupallowarchchange",
    "dupallowdowngrade",
    "dupallownamechange",
    "dupallowvendorchange",
    "keepexplicitobsoletes",
    "keeporphans",
    "noautotarget",
    "noupdateprovide",
    "yumobsoletes",
];

/// A case, or one of several in a file.
#[derive(Clone, Default)]
pub struct Case {
    /// The repository that is the base, by the name that `system` gives it.
    system: Option<String>,
    /// All repositories, the base among them.
    pub repositories: Vec<Offered>,
    pub options: Options,
    pub request: Request,
    /// Packages of which one is wanted, by `NEVRA@REPOSITORY`.
    wanted: Vec<Vec<String>>,
    /// Lines of the result; none if the case has none that is about packages.
    pub expected: Option<BTreeSet<String>>,
    /// What the case asks for that is not what this solver is for.
    pub outside: Option<String>,
    /// Whether something stands in it that `testsolv` does not know.
    pub is_ours: bool,
}

/// Where the `#>` lines that follow belong.
enum Inline {
    Nowhere,
    Repository,
    Result,
}

impl Case {
    /// Reads all cases of a file.
    pub fn read(path: &Path) -> Result<Vec<Self>, String> {
        let text = load(path)?;
        let directory = path.parent().unwrap_or(Path::new("."));
        let mut cases = Vec::new();
        let mut case = Self::default();
        case.request.recommends = true;
        let mut inline = Inline::Nowhere;
        for line in text.lines().map(str::trim) {
            if let Some(line) = line.strip_prefix("#>") {
                case.inline(&inline, line)?;
                continue;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [] => {}
                [first, ..] if first.starts_with('#') => {}
                ["nextjob", ..] => {
                    let next = Self {
                        system: case.system.clone(),
                        repositories: case.repositories.clone(),
                        options: case.options.clone(),
                        request: Request {
                            recommends: true,
                            ..Request::default()
                        },
                        ..Self::default()
                    };
                    cases.push(std::mem::replace(&mut case, next));
                }
                words => inline = case.line(words, directory)?,
            }
        }
        cases.push(case);
        Ok(cases)
    }

    fn inline(&mut self, inline: &Inline, line: &str) -> Result<(), String> {
        match inline {
            Inline::Repository => {
                let last = self.repositories.last_mut();
                let (_, _, packages) = last.ok_or("a package before any repository")?;
                testtags::read(line, packages)
            }
            Inline::Result => {
                self.expected
                    .get_or_insert_default()
                    .insert(line.to_owned());
                Ok(())
            }
            Inline::Nowhere => Ok(()),
        }
    }

    fn line(&mut self, words: &[&str], directory: &Path) -> Result<Inline, String> {
        match *words {
            ["repo", name, priority, "empty", ..] => self.add(name, priority),
            ["repo", name, priority, "testtags", "<inline>"] => {
                self.add(name, priority);
                return Ok(Inline::Repository);
            }
            ["repo", name, priority, "testtags", file] => {
                self.add(name, priority);
                let text = load(&directory.join(file))?;
                if let Some((_, _, packages)) = self.repositories.last_mut() {
                    testtags::read(&text, packages)?;
                }
            }
            ["system", architecture, kind, ref installed @ ..] => {
                if !["rpm", "*"].contains(&kind) {
                    self.refuse("packages that are not RPM's");
                }
                self.options.architecture = match architecture {
                    "unset" | "-" => String::new(),
                    _ => architecture.to_owned(),
                };
                self.system = installed.first().map(|name| (*name).to_owned());
            }
            ["poolflags", ref flags @ ..] => {
                self.options.multilib |= flags.contains(&"implicitobsoleteusescolors");
            }
            ["solverflags", ref flags @ ..] => {
                for flag in flags {
                    match flag.trim_start_matches('!') {
                        "ignorerecommended" => self.request.recommends = flag.starts_with('!'),
                        flag if FLAGS_OF_NO_MATTER.contains(&flag) => {}
                        flag => self.refuse(&format!("solverflags {flag}")),
                    }
                }
            }
            ["job", ref job @ ..] => self.job(job)?,
            ["disable", ref what @ ..] => self.disable(what)?,
            ["result", flags, ref source @ ..] => {
                if !flags.split(',').any(|flag| flag == "transaction") {
                    return Ok(Inline::Nowhere);
                }
                self.expected = Some(BTreeSet::new());
                match *source {
                    ["<inline>"] => return Ok(Inline::Result),
                    [file] => {
                        let text = load(&directory.join(file))?;
                        self.expected = Some(text.lines().map(str::to_owned).collect());
                    }
                    _ => {}
                }
            }
            ["feature", ..] => {}
            ["genid" | "evrcmp", ..] => self.refuse("the order of versions, or ids"),
            ["namespace", ..] => self.refuse("namespaces"),
            _ => return Err(format!("not understood: {}", words.join(" "))),
        }
        Ok(Inline::Nowhere)
    }

    fn add(&mut self, name: &str, priority: &str) {
        let number = priority
            .split('.')
            .next()
            .and_then(|number| number.parse().ok());
        self.repositories
            .push((name.to_owned(), number.unwrap_or(0), Vec::new()));
    }

    fn refuse(&mut self, what: &str) {
        self.outside.get_or_insert_with(|| what.to_owned());
    }

    fn job(&mut self, job: &[&str]) -> Result<(), String> {
        let (job, flags) = match job.split_last() {
            Some((last, rest)) if last.starts_with('[') && last.ends_with(']') => {
                (rest, last.trim_matches(['[', ']']))
            }
            _ => (job, ""),
        };
        for flag in flags.split(',').filter(|flag| !flag.is_empty()) {
            let only_says_what_was_typed = flag.starts_with("set") || flag == "noautoset";
            if !only_says_what_was_typed {
                self.refuse(&format!("jobs with [{flag}]"));
            }
        }
        match *job {
            ["noop", ..] => {}
            ["install", "name", name] => self.want(Wanted::Name(name.to_owned())),
            ["install", "name" | "provides", ref capability @ ..] => {
                let wanted = testtags::dependency(&capability.join(" "))?;
                self.want(Wanted::Capability(wanted));
            }
            ["install", "text", ref text @ ..] => {
                self.is_ours = true;
                self.want(Wanted::Text(text.join(" ")));
            }
            ["install", "pkg" | "oneof", ref packages @ ..] => {
                let packages = packages.iter().map(|package| (*package).to_owned());
                self.wanted.push(packages.collect());
            }
            ["only", "pkg", nevra] => {
                self.is_ours = true;
                let nevra = Nevra::parse(nevra).ok_or(format!("no package: {nevra}"))?;
                self.request.locked.push(nevra);
            }
            ["lock", ref what @ ..] => self.disable(what)?,
            [
                "install",
                "all" | "repo" | "selection" | "selection_matchdeps",
                ..,
            ] => self.refuse(&format!("job {}", job.join(" "))),
            // Every pool leaves these out.
            [
                "blacklist",
                "provides",
                "retracted-patch-package()" | "ptf()" | "ptf-package()",
            ] => {}
            [
                kind @ ("update" | "erase" | "distupgrade" | "verify" | "favor" | "disfavor"
                | "multiversion" | "noobsoletes" | "allowuninstall" | "userinstalled"
                | "droporphaned" | "excludefromweak" | "weakendeps" | "blacklist"),
                ..,
            ] => {
                // What dnf says of kernels in each of its cases matters where one is there.
                let is_of_kernels = kind == "multiversion" && !self.has_any(&job[1..]);
                if !is_of_kernels {
                    self.refuse(&format!("job {kind}"));
                }
            }
            _ => return Err(format!("not understood: job {}", job.join(" "))),
        }
        Ok(())
    }

    fn want(&mut self, wanted: Wanted) {
        self.request.install.push(wanted);
    }

    /// Takes away packages that must not be added; those of the base stay anyhow.
    fn disable(&mut self, what: &[&str]) -> Result<(), String> {
        let what = what.iter().copied().filter(|word| !word.starts_with('['));
        let what: Vec<&str> = what.collect();
        let system = self.system.clone();
        for (repository, _, packages) in &mut self.repositories {
            if Some(&*repository) != system.as_ref() {
                packages.retain(|package| !is_meant(&what, repository, package));
            }
        }
        Ok(())
    }

    fn has_any(&self, what: &[&str]) -> bool {
        let mut all = self
            .repositories
            .iter()
            .flat_map(|(repository, _, packages)| {
                packages.iter().map(move |package| (repository, package))
            });
        all.any(|(repository, package)| is_meant(what, repository, package))
    }

    /// Returns the base and what is on offer.
    pub fn split(&self) -> (Vec<Solvable>, Vec<&Offered>) {
        let is_base = |one: &&Offered| Some(&one.0) == self.system.as_ref();
        let (base, offered): (Vec<_>, Vec<_>) = self.repositories.iter().partition(is_base);
        let base = base.iter().flat_map(|(_, _, packages)| packages.clone());
        (base.collect(), offered)
    }

    /// Solves the case; returns what came out, a line each.
    pub fn run(&self) -> Result<BTreeSet<String>, String> {
        let (base, offered) = self.split();
        let name_of = |package: Available| {
            let (name, _, packages) = offered[package.repository];
            format!("{}@{name}", packages[package.index].nevra)
        };
        let mut request = self.request.clone();
        for wanted in &self.wanted {
            let all = offered
                .iter()
                .enumerate()
                .flat_map(|(repository, (_, _, packages))| {
                    (0..packages.len()).map(move |index| Available { repository, index })
                });
            let found: Vec<_> = all
                .filter(|package| wanted.contains(&name_of(*package)))
                .collect();
            let of_base = |one: &Solvable| {
                let system = self.system.as_deref().unwrap_or_default();
                wanted.contains(&format!("{}@{system}", one.nevra))
            };
            match found.as_slice() {
                _ if base.iter().any(of_base) => {}
                [] => return Err(format!("unknown package {}", wanted.join(" "))),
                [only] => request.install.push(Wanted::Available(*only)),
                _ => request.install.push(Wanted::OneOf(found)),
            }
        }
        let mut repositories = Vec::new();
        for (_, priority, packages) in &offered {
            repositories.push(Repository::new(
                Catalog::of(packages).map_err(|error| error.to_string())?,
                *priority,
            ));
        }
        let pool = Pool::new(base, repositories, self.options.clone());
        Ok(match resolve(&pool, &request) {
            Ok(resolution) => {
                let already = |number: usize| match request.install.get(number) {
                    Some(Wanted::Available(package)) => format!("already {}", name_of(*package)),
                    Some(other) => format!("already {other}"),
                    None => String::new(),
                };
                let chosen = resolution.chosen.iter();
                let chosen = chosen.map(|chosen| format!("install {}", name_of(chosen.package)));
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
        })
    }
}

/// Returns whether a selection (`pkg`, `name`, `provides`, `repo`) means the package.
fn is_meant(what: &[&str], repository: &str, package: &Solvable) -> bool {
    let offers = |wanted: &Dependency| {
        let Dependency::Simple(wanted) = wanted else {
            return false;
        };
        let mut provides = package.provides.iter();
        provides
            .any(|offer| matches!(offer, Dependency::Simple(offer) if wanted.satisfied_by(offer)))
            || package.files.contains(&wanted.name)
    };
    let is_named = |wanted: &Dependency| {
        let own = format!("{} = {}", package.nevra.name, package.nevra.evr);
        let own = Dependency::parse(&own);
        matches!((wanted, own), (Dependency::Simple(wanted), Ok(Dependency::Simple(own)))
            if wanted.satisfied_by(&own))
    };
    match *what {
        ["pkg", name] => name == format!("{}@{repository}", package.nevra),
        ["repo", name] => name == repository,
        ["name", ref text @ ..] => {
            testtags::dependency(&text.join(" ")).is_ok_and(|wanted| is_named(&wanted))
        }
        ["provides", ref text @ ..] => testtags::dependency(&text.join(" "))
            .is_ok_and(|wanted| is_named(&wanted) || offers(&wanted)),
        _ => false,
    }
}

/// Reads a text file, compressed or not.
fn load(path: &Path) -> Result<String, String> {
    let failed = |error| format!("{}: {error}", path.display());
    let bytes = std::fs::read(path).map_err(failed)?;
    let mut text = String::new();
    match path.extension().is_some_and(|extension| extension == "gz") {
        true => flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text),
        false => bytes.as_slice().read_to_string(&mut text),
    }
    .map_err(failed)?;
    Ok(text)
}
