//! How fast packages are chosen from a large repository, as ratios against dnf and zypper in the
//! same run.
//!
//! ```text
//! cargo bench --bench repository -- [--rounds N] [--package NAME] DIRECTORY-WITH-REPODATA
//! ```
//!
//! Cold: metadata are parsed and the package with all that it requires is chosen for an empty
//! system. Warm: the same again, from the cache of each program. The sides are run in turn;
//! medians count. The packages themselves need not be there: no side gets to read one. Ours ends
//! with the word that the first of them is missing, dnf with `--assumeno`, zypper with `--dry-run`.
//! Needs dnf, zypper, GNU time; one that is missing is left out.

#![allow(
    clippy::disallowed_methods,
    reason = "a bench reads what it made itself"
)]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a command for people who develop"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Wall time in seconds and peak memory in MiB.
#[derive(Clone, Copy)]
struct Run {
    wall: f64,
    memory: f64,
}

/// A program that chooses packages: how to make its cache empty, and how to run it.
struct Side {
    name: &'static str,
    forget: &'static str,
    commands: &'static str,
}

/// Shell commands; `$work` is a directory of their own, `$repo` the repository, `$package` what
/// is wanted, `$program` this program.
const SIDES: [Side; 3] = [
    Side {
        name: "sysext-build",
        forget: "rm -rf $work/cache",
        commands: "\"$program\" --base $work/base --os-release $work/os-release --arch x86_64 \
             --cache-dir $work/cache --repo \"$repo\" --dry-run \"$package\" 2> $work/said; \
             grep -q 'it is not there' $work/said || grep -q '^resolve ' $work/said",
    },
    Side {
        name: "dnf",
        // The cache is in the root that is installed into.
        forget: "rm -rf $work/dnf-root/$work/dnf-cache",
        commands: "dnf -q -c $work/dnf.conf --installroot=$work/dnf-root --releasever=12 \
             --setopt=install_weak_deps=0 install --assumeno \"$package\" > $work/said 2>&1; \
             grep -q 'Operation aborted' $work/said",
    },
    Side {
        name: "zypper",
        forget: "rm -rf $work/zypper-root/var/cache/zypp",
        commands: "zypper -q --non-interactive --no-gpg-checks --root $work/zypper-root \
             install --dry-run --no-recommends \"$package\" > $work/said 2>&1; \
             grep -q 'to install' $work/said",
    },
];

fn main() {
    let (mut rounds, mut package, mut repo) = (5, "gdb".to_owned(), None);
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rounds" => rounds = arguments.next().unwrap().parse().unwrap(),
            "--package" => package = arguments.next().unwrap(),
            _ => repo = Some(argument),
        }
    }
    let Some(repo) = repo else {
        println!("usage: cargo bench --bench repository -- DIRECTORY-WITH-REPODATA");
        return;
    };
    let repo = fs::canonicalize(repo).unwrap();
    let work = std::env::temp_dir().join(format!("sysext-build-bench-{}", std::process::id()));
    prepare(&work, &repo);
    let mut results = Vec::new();
    for side in &SIDES {
        if run(&work, &repo, &package, side).is_none() {
            println!("{} is left out: it is missing, or chose nothing", side.name);
            println!(
                "{}",
                fs::read_to_string(work.join("said")).unwrap_or_default()
            );
            continue;
        }
        results.push((side, Vec::new(), Vec::new()));
    }
    for _ in 0..rounds {
        for (side, cold, warm) in &mut results {
            shell(&work, &repo, &package, side.forget);
            cold.extend(run(&work, &repo, &package, side));
            warm.extend(run(&work, &repo, &package, side));
        }
    }
    println!("| | cold, s | warm, s | ours cold / its | ours warm / its | peak, MiB |");
    println!("|---|---|---|---|---|---|");
    let ours = results
        .first()
        .map(|(_, cold, warm)| (median(cold), median(warm)));
    for (side, cold, warm) in &results {
        let (cold, warm) = (median(cold), median(warm));
        let (our_cold, our_warm) = ours.unwrap();
        println!(
            "| {} | {:.2} | {:.3} | {:.2} | {:.2} | {:.0} |",
            side.name,
            cold.wall,
            warm.wall,
            our_cold.wall / cold.wall,
            our_warm.wall / warm.wall,
            cold.memory.max(warm.memory),
        );
    }
    let _ = fs::remove_dir_all(&work);
}

/// Writes the settings of each side.
fn prepare(work: &Path, repo: &Path) {
    let zypper = work.join("zypper-root/etc/zypp/repos.d");
    for directory in [&zypper, &work.join("dnf-root"), &work.join("no-repos")] {
        fs::create_dir_all(directory).unwrap();
    }
    let url = format!("file://{}", repo.display());
    fs::write(work.join("base"), "nothing-1-1.noarch\n").unwrap();
    fs::write(work.join("os-release"), "ID=bench\nVERSION_ID=12\n").unwrap();
    let settings = format!(
        "[main]\ncachedir={work}/dnf-cache\nreposdir={work}/no-repos\nplugins=0\ngpgcheck=0\n\
         [bench]\nname=bench\nbaseurl={url}\n",
        work = work.display()
    );
    fs::write(work.join("dnf.conf"), settings).unwrap();
    let settings = format!("[bench]\nname=bench\nbaseurl={url}\nenabled=1\ngpgcheck=0\n");
    fs::write(zypper.join("bench.repo"), settings).unwrap();
}

fn shell(work: &Path, repo: &Path, package: &str, commands: &str) -> bool {
    Command::new("/usr/bin/time")
        .args(["-q", "-f", "%M", "-o"])
        .arg(work.join("memory"))
        .args(["sh", "-c", commands])
        .env("work", work)
        .env("repo", repo)
        .env("package", package)
        .env("program", env!("CARGO_BIN_EXE_sysext-build"))
        .env("XDG_STATE_HOME", work.join("state"))
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs a side once; nothing if it did not choose.
fn run(work: &Path, repo: &Path, package: &str, side: &Side) -> Option<Run> {
    let start = Instant::now();
    let succeeded = shell(work, repo, package, side.commands);
    let wall = start.elapsed().as_secs_f64();
    let memory = fs::read_to_string(work.join("memory")).ok()?;
    let memory = memory.lines().last()?.trim().parse::<f64>().ok()? / 1024.0;
    succeeded.then_some(Run { wall, memory })
}

/// Returns the run of median wall time, with the largest memory of all.
fn median(runs: &[Run]) -> Run {
    let mut runs = runs.to_vec();
    runs.sort_by(|a, b| a.wall.total_cmp(&b.wall));
    let memory = runs.iter().map(|run| run.memory).fold(0.0, f64::max);
    let middle = runs.get(runs.len() / 2).copied();
    let wall = middle.map_or(f64::NAN, |run| run.wall);
    Run { wall, memory }
}
