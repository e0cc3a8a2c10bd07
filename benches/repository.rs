//! How fast packages are chosen from a large repository, as ratios against dnf and zypper in the
//! same run.
//!
//! ```text
//! cargo bench --bench repository -- [--rounds N] [--package NAME] [--recommends] [--dnf5-root ROOT]
//!     DIRECTORY-WITH-REPODATA
//! ```
//!
//! Cold: metadata are parsed and the package with all that it requires is chosen for an empty
//! system. Warm: the same again, from the cache of each program. The sides are run in turn;
//! medians count. On a machine with other work the time of the processors says more than wall time;
//! both are printed. With `--dnf5-root`, dnf5 of a system in that directory is a side, too; the
//! repository is copied into it. The packages themselves need not be there: no side gets to read one. Ours ends
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

/// Wall time and time of the processors in seconds, and peak memory in MiB.
#[derive(Clone, Copy)]
struct Run {
    wall: f64,
    processors: f64,
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
const SIDES: [Side; 4] = [
    Side {
        name: "sysext-build",
        forget: "rm -rf $work/cache",
        commands: "\"$program\" --base $work/base --os-release $work/os-release --arch x86_64 \
             --cache-dir $work/cache --repo \"$repo\" --dry-run $recommends \"$package\" 2> $work/said; \
             grep -q 'but it is missing' $work/said || grep -q '^resolve ' $work/said",
    },
    Side {
        name: "dnf",
        // The cache is in the root that is installed into.
        forget: "rm -rf $work/dnf-root/$work/dnf-cache",
        commands: "dnf -q -c $work/dnf.conf --installroot=$work/dnf-root --releasever=12 \
             --setopt=install_weak_deps=$weak install --assumeno \"$package\" > $work/said 2>&1; \
             grep -q 'Operation aborted' $work/said",
    },
    Side {
        name: "dnf5",
        forget: "test -n \"$dnf5\" && rm -rf \"$dnf5/bench\" && mkdir -p \"$dnf5/bench/root\" && \
             cp -r \"$repo/repodata\" \"$dnf5/bench/\"",
        commands: "test -n \"$dnf5\" || exit 1; chroot \"$dnf5\" dnf5 -q --repofrompath=bench,file:///bench \
             --repo=bench --installroot=/bench/root --setopt=cachedir=/bench/cache \
             --setopt=reposdir=/bench/none --releasever=12 --setopt=install_weak_deps=$weak \
             --no-gpgchecks install --assumeno \"$package\" > $work/said 2>&1; \
             grep -q 'Operation aborted' $work/said",
    },
    Side {
        name: "zypper",
        forget: "rm -rf $work/zypper-root/var/cache/zypp",
        commands: "zypper -q --non-interactive --no-gpg-checks --root $work/zypper-root \
             install --dry-run $zypper \"$package\" > $work/said 2>&1; \
             grep -q 'to install' $work/said",
    },
];

fn main() {
    let (mut rounds, mut repo) = (5, None);
    let mut asked = Asked {
        package: "gdb".to_owned(),
        ..Asked::default()
    };
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rounds" => rounds = arguments.next().unwrap().parse().unwrap(),
            "--package" => asked.package = arguments.next().unwrap(),
            "--recommends" => asked.recommends = true,
            "--dnf5-root" => asked.dnf5 = arguments.next().unwrap(),
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
        shell(&work, &repo, &asked, side.forget);
        if run(&work, &repo, &asked, side).is_none() {
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
            shell(&work, &repo, &asked, side.forget);
            cold.extend(run(&work, &repo, &asked, side));
            warm.extend(run(&work, &repo, &asked, side));
        }
    }
    println!(
        "| | cold: wall, processors, s | warm | ours / its, cold: wall, processors | warm | peak, MiB |"
    );
    println!("|---|---|---|---|---|---|");
    let ours = results
        .first()
        .map(|(_, cold, warm)| (median(cold), median(warm)));
    for (side, cold, warm) in &results {
        let (cold, warm) = (median(cold), median(warm));
        let (our_cold, our_warm) = ours.unwrap();
        println!(
            "| {} | {:.2}, {:.2} | {:.3}, {:.3} | {:.2}, {:.2} | {:.2}, {:.2} | {:.0} |",
            side.name,
            cold.wall,
            cold.processors,
            warm.wall,
            warm.processors,
            our_cold.wall / cold.wall,
            our_cold.processors / cold.processors,
            our_warm.wall / warm.wall,
            our_warm.processors / warm.processors,
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

/// What each side is asked for.
#[derive(Default)]
struct Asked {
    package: String,
    recommends: bool,
    /// The root of a system with dnf5, if there is one.
    dnf5: String,
}

fn shell(work: &Path, repo: &Path, asked: &Asked, commands: &str) -> bool {
    let [recommends, weak, zypper] = match asked.recommends {
        true => ["--recommends", "1", "--recommends"],
        false => ["", "0", "--no-recommends"],
    };
    Command::new("/usr/bin/time")
        .args(["-q", "-f", "%M %U %S", "-o"])
        .arg(work.join("memory"))
        .args(["sh", "-c", commands])
        .env("work", work)
        .env("repo", repo)
        .env("package", &asked.package)
        .env("dnf5", &asked.dnf5)
        .env("recommends", recommends)
        .env("weak", weak)
        .env("zypper", zypper)
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
fn run(work: &Path, repo: &Path, asked: &Asked, side: &Side) -> Option<Run> {
    let start = Instant::now();
    let succeeded = shell(work, repo, asked, side.commands);
    let wall = start.elapsed().as_secs_f64();
    let used = fs::read_to_string(work.join("memory")).ok()?;
    let used: Vec<f64> = (used.lines().last()?.split_whitespace())
        .filter_map(|number| number.parse().ok())
        .collect();
    let [memory, user, system] = used[..] else {
        return None;
    };
    succeeded.then_some(Run {
        wall,
        processors: user + system,
        memory: memory / 1024.0,
    })
}

/// Returns the run of median wall time, with the largest memory of all.
fn median(runs: &[Run]) -> Run {
    let mut runs = runs.to_vec();
    let memory = runs.iter().map(|run| run.memory).fold(0.0, f64::max);
    let mut middle = |of: fn(&Run) -> f64| {
        runs.sort_by(|a, b| of(a).total_cmp(&of(b)));
        runs.get(runs.len() / 2).map_or(f64::NAN, of)
    };
    Run {
        wall: middle(|run| run.wall),
        processors: middle(|run| run.processors),
        memory,
    }
}
