//! `plan`: recipes split into the jobs of a CI.
//!
//! Jobs are as even as the sizes of images allow, where these are known: the largest recipe goes to
//! the job that has least so far. The same recipes and sizes give the same jobs, whatever the order
//! in which they are typed.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::anyhow;
use serde::Serialize;
use store::Store;

use crate::cli::plan::{Engine, PlanArguments};
use crate::inputs::recipe;
use crate::packages::lock::Lock;
use crate::report::Report;
use crate::words::failure::{Failure, Result, store_failure};
use crate::words::quantity::{bytes, counted};
use crate::words::text::Text;

/// Most jobs of one matrix: GitHub's limit.
const GITHUB_JOBS: usize = 256;
/// Most jobs of one `parallel:matrix`: GitLab's limit.
const GITLAB_JOBS: usize = 200;

/// A recipe, and how much there is to build.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Weighed {
    path: String,
    bytes: Option<u64>,
}

/// Recipes that are built in one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Job {
    job: String,
    recipes: Vec<String>,
    /// How much there is to build, as far as that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

#[derive(Serialize)]
struct Answer {
    jobs: Vec<Job>,
}

/// What GitHub takes as `strategy.matrix`.
#[derive(Serialize)]
struct GithubMatrix {
    include: Vec<GithubJob>,
}

#[derive(Serialize)]
struct GithubJob {
    job: String,
    recipes: String,
}

/// Splits the recipes, and prints the jobs.
pub fn run(arguments: &PlanArguments, report: &Report) -> Result<()> {
    let most = match arguments.matrix {
        Some(Engine::Github) => GITHUB_JOBS,
        Some(Engine::Gitlab) => GITLAB_JOBS,
        Some(Engine::Obs) | None => usize::MAX,
    };
    let wanted = arguments.jobs.map(std::num::NonZero::get);
    if let Some(wanted) = wanted.filter(|wanted| *wanted > most) {
        let text = format!("--jobs {wanted}: a matrix has at most {most} jobs");
        return Err(Failure::usage(text));
    }
    if arguments.matrix == Some(Engine::Obs) && wanted.is_some() {
        return Err(Failure::usage("--jobs can't be used with --matrix obs")
            .hint("the service builds one flavor for each recipe, and decides itself how many at once"));
    }
    let mut recipes = Vec::new();
    for path in &arguments.recipes {
        recipes.push(weighed(path, arguments)?);
    }
    recipes.sort_by(|a, b| a.path.cmp(&b.path));
    recipes.dedup();
    let jobs = split(recipes, wanted.unwrap_or(most));
    if report.is_json() {
        return report.json(&Answer { jobs });
    }
    let mut text = Text::default();
    match arguments.matrix {
        None => text.extend(jobs.iter().map(Job::line)),
        Some(Engine::Github) => text.line(github(jobs)?),
        Some(Engine::Gitlab) => text.extend(gitlab(&jobs).lines()),
        Some(Engine::Obs) => text.extend(obs(&jobs)?.lines()),
    }
    report.print(&text)
}

/// Looks how much there is to build for a recipe.
fn weighed(path: &Path, arguments: &PlanArguments) -> Result<Weighed> {
    let text = path.to_str().unwrap_or_default();
    // They become words of a shell, and texts of other formats.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/+-@=".contains(c);
    if text.is_empty() || text.starts_with('-') || !text.chars().all(is_plain) {
        let text = anyhow!("the path {:?} can't be a word of a job", path.display());
        return Err(
            Failure::refused(text).hint("name recipes with letters, digits and ._+-@= alone")
        );
    }
    let said = recipe::said(path, arguments.arch.as_deref())?;
    let name = said.image.name.as_deref();
    let in_store = match (&arguments.store, name) {
        (Some(store), Some(name)) => image_size(store, name)?,
        _ => None,
    };
    let bytes = match (in_store, &said.image.lock) {
        (None, Some(lock)) if lock.exists() => {
            let lock = Lock::read(lock)?;
            Some(lock.packages.iter().map(|package| package.size).sum())
        }
        (known, _) => known,
    };
    Ok(Weighed {
        path: text.to_owned(),
        bytes,
    })
}

/// The size of the newest image of an extension; none if the store has none.
fn image_size(root: &Path, name: &str) -> Result<Option<u64>> {
    for directory in store::directories(root).map_err(store_failure)? {
        let images = Store::open_for_reading(&directory).and_then(|store| store.images());
        let images = images.map_err(store_failure)?;
        // Of each name the newest comes first.
        if let Some(image) = images.iter().find(|image| image.name() == name) {
            return Ok(image.bytes);
        }
    }
    Ok(None)
}

/// Splits recipes, which are in order, into at most so many jobs.
fn split(recipes: Vec<Weighed>, most: usize) -> Vec<Job> {
    let known: Vec<u64> = recipes.iter().filter_map(|recipe| recipe.bytes).collect();
    // What is not known counts as one of the others.
    let count = u64::try_from(known.len()).unwrap_or(1).max(1);
    let usual = (known
        .iter()
        .fold(0, |sum: u64, size| sum.saturating_add(*size))
        / count)
        .max(1);
    let weight = |recipe: &Weighed| recipe.bytes.unwrap_or(usual);
    let mut parts: Vec<Vec<Weighed>> = vec![Vec::new(); most.min(recipes.len())];
    let mut ordered = recipes;
    ordered.sort_by(|a, b| weight(b).cmp(&weight(a)).then(a.path.cmp(&b.path)));
    let mut sums = vec![0_u64; parts.len()];
    for recipe in ordered {
        let least = (0..sums.len()).min_by_key(|at| (sums[*at], parts[*at].len(), *at));
        if let Some(at) = least {
            sums[at] = sums[at].saturating_add(weight(&recipe));
            parts[at].push(recipe);
        }
    }
    for part in &mut parts {
        part.sort_by(|a, b| a.path.cmp(&b.path));
    }
    parts.sort_by(|a, b| a[0].path.cmp(&b[0].path));
    let mut names = BTreeMap::new();
    (parts.into_iter().enumerate())
        .map(|(at, part)| Job::new(at, part, &mut names))
        .collect()
}

impl Job {
    /// Names a job: by its recipe, or by its number.
    fn new(at: usize, part: Vec<Weighed>, names: &mut BTreeMap<String, usize>) -> Self {
        let name = match part.as_slice() {
            [one] => stem(&one.path),
            _ => format!("images-{}", at + 1),
        };
        let times = names.entry(name.clone()).or_default();
        *times += 1;
        let job = match *times {
            1 => name,
            times => format!("{name}-{times}"),
        };
        let known = part.iter().map(|recipe| recipe.bytes);
        Self {
            job,
            bytes: known.sum(),
            recipes: part.into_iter().map(|recipe| recipe.path).collect(),
        }
    }

    fn line(&self) -> String {
        let size = self.bytes.map_or_else(|| "size unknown".to_owned(), bytes);
        let count = counted(self.recipes.len(), "recipe");
        format!("{}  {count}, {size}: {}", self.job, self.recipes.join(" "))
    }
}

/// The name of a recipe's file, without `.toml` and `.sysext.toml`.
fn stem(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    let name = name.strip_suffix(".toml").unwrap_or(name);
    let name = name.strip_suffix(".sysext").unwrap_or(name);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let name: String = name
        .chars()
        .map(|c| if is_plain(c) { c } else { '-' })
        .collect();
    let name = name.trim_start_matches(['.', '_', '-']);
    if name.is_empty() {
        "recipe".to_owned()
    } else {
        name.to_owned()
    }
}

fn github(jobs: Vec<Job>) -> Result<String> {
    let include = jobs.into_iter().map(|job| GithubJob {
        recipes: job.recipes.join(" "),
        job: job.job,
    });
    let matrix = GithubMatrix {
        include: include.collect(),
    };
    serde_json::to_string(&matrix).map_err(|error| Failure::io("writing the matrix", error))
}

/// A child pipeline: what its jobs do is in another file that is included with it, as `.images`.
fn gitlab(jobs: &[Job]) -> String {
    let mut text = "images:\n  extends: .images\n  parallel:\n    matrix:\n".to_owned();
    for Job { job, recipes, .. } in jobs {
        text += &format!(
            "      - JOB: \"{job}\"\n        RECIPES: \"{}\"\n",
            recipes.join(" ")
        );
    }
    text
}

/// A flavor for each recipe, by which the recipe is known in the package.
fn obs(jobs: &[Job]) -> Result<String> {
    let mut text = "<multibuild>\n".to_owned();
    for Job { job, recipes, .. } in jobs {
        if recipes.iter().any(|path| stem(path) != *job) {
            let text = anyhow!("two recipes are called {}", stem(&recipes[0]));
            return Err(Failure::refused(text).hint("a package has all of them in one directory"));
        }
        text += &format!("  <flavor>{job}</flavor>\n");
    }
    Ok(text + "</multibuild>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipes(sizes: &[(&str, Option<u64>)]) -> Vec<Weighed> {
        let weighed = |(path, bytes): &(&str, Option<u64>)| Weighed {
            path: (*path).to_owned(),
            bytes: *bytes,
        };
        let mut recipes: Vec<_> = sizes.iter().map(weighed).collect();
        recipes.sort_by(|a, b| a.path.cmp(&b.path));
        recipes
    }

    fn shown(sizes: &[(&str, Option<u64>)], most: usize) -> String {
        let jobs = split(recipes(sizes), most);
        let show = |job: &Job| format!("{}={}", job.job, job.recipes.join("+"));
        jobs.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn jobs_are_even() {
        let known = [
            ("a", Some(9)),
            ("b", Some(5)),
            ("c", Some(4)),
            ("d", Some(1)),
        ];
        for (sizes, most, expected) in [
            (&known[..], usize::MAX, "a=a b=b c=c d=d"),
            (&known[..], 4, "a=a b=b c=c d=d"),
            (&known[..], 2, "images-1=a+d images-2=b+c"),
            (&known[..], 1, "images-1=a+b+c+d"),
            (
                &[("a", None), ("b", None), ("c", None)][..],
                2,
                "images-1=a+c b=b",
            ),
            // One that is not known counts as one of the others.
            (
                &[("a", Some(9)), ("b", Some(1)), ("c", None)][..],
                2,
                "a=a images-2=b+c",
            ),
            (
                &[("x/a.toml", None), ("y/a.sysext.toml", None)][..],
                9,
                "a=x/a.toml a-2=y/a.sysext.toml",
            ),
        ] {
            assert_eq!(shown(sizes, most), expected, "{most}");
        }
    }

    #[test]
    fn each_engine_reads_its_own() {
        let jobs = split(recipes(&[("r/a.toml", None), ("r/+b.toml", None)]), 9);
        assert_eq!(
            github(jobs.clone()).unwrap(),
            r#"{"include":[{"job":"b","recipes":"r/+b.toml"},{"job":"a","recipes":"r/a.toml"}]}"#
        );
        assert_eq!(
            gitlab(&jobs),
            "images:\n  extends: .images\n  parallel:\n    matrix:\n      - JOB: \"b\"\n        \
             RECIPES: \"r/+b.toml\"\n      - JOB: \"a\"\n        RECIPES: \"r/a.toml\"\n"
        );
        assert_eq!(
            obs(&jobs).unwrap(),
            "<multibuild>\n  <flavor>b</flavor>\n  <flavor>a</flavor>\n</multibuild>\n"
        );
        let twice = split(recipes(&[("x/a.toml", None), ("y/a.toml", None)]), 9);
        assert!(obs(&twice).is_err());
    }
}
