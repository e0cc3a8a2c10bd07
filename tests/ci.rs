//! The examples of CI in `examples/ci`: the shell of their steps is what runs here, job by job, in
//! checkouts of their own. What an engine does itself stands beside it: artifacts, caches, secrets.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::workshop::{Scratch, fixture, names, output_of, program, sha256sum, text};

/// Where the examples publish.
const SERVER: &str = "www@example.org:/srv/sysext/";

/// Stands in for rsync: copies directories and files, and knows the server.
const RSYNC: &str = r#"#!/bin/sh
set -eu
exclude=
while [ "${1#-}" != "$1" ]; do
    [ "$1" != --exclude ] || { exclude=$2; shift; }
    shift
done
place() { case $1 in "$SERVER"*) echo "$SERVED/${1#"$SERVER"}" ;; *) echo "$1" ;; esac; }
for to; do :; done
to=$(place "$to")
while [ $# -gt 1 ]; do
    from=$(place "$1")
    if [ -d "$from" ]; then
        mkdir -p "$to"
        (cd "$from" && find . -type f ${exclude:+! -name "$exclude"}) | while read -r file; do
            mkdir -p "$to/$(dirname "$file")"
            cp -p "$from/$file" "$to/$file"
        done
    else
        cp -p "$from" "$to"
    fi
    shift
done
"#;

/// An engine with a server, and a directory for each job.
struct Engine(Scratch);

impl Engine {
    fn new() -> Self {
        let engine = Self(Scratch::new());
        for directory in ["served", "bin", "home"] {
            fs::create_dir(engine.0.join(directory)).unwrap();
        }
        for (name, script) in [("rsync", RSYNC), ("cargo", "#!/bin/sh\n")] {
            let path = engine.0.join("bin").join(name);
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        engine
    }

    fn served(&self) -> PathBuf {
        self.0.join("served")
    }

    /// Every file that is served, with its digest.
    fn content(&self) -> BTreeMap<String, String> {
        let files = names(&self.served()).into_iter();
        let files = files.filter(|name| self.served().join(name).is_file());
        files
            .map(|name| (name.clone(), sha256sum(&self.served().join(name))))
            .collect()
    }

    /// The served images.
    fn images(&self) -> Vec<String> {
        let names = names(&self.served()).into_iter();
        names.filter(|name| name.ends_with(".raw")).collect()
    }

    /// A checkout: the recipes, and what they need.
    fn checkout(&self, name: &str) -> PathBuf {
        let root = self.0.join(name);
        fs::create_dir_all(root.join("examples")).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        symlink(source.join("fixtures"), root.join("fixtures")).unwrap();
        output_of(
            Command::new("cp")
                .arg("-a")
                .arg(source.join("examples/ci"))
                .arg(source.join("examples/debug.packages"))
                .arg(root.join("examples")),
        );
        let directory = root.join("examples/ci");
        let public = fs::read(fixture("keys/test.public.asc")).unwrap();
        fs::write(directory.join("store.gpg"), public).unwrap();
        directory
    }

    /// Runs the steps of a job as the engine would, and returns what they said.
    fn run(&self, directory: &Path, steps: &[String], variables: &[(&str, &str)]) -> String {
        let own = Path::new(program().get_program())
            .parent()
            .unwrap()
            .to_owned();
        let path = format!(
            "{}:{}:/usr/bin:/bin",
            self.0.join("bin").display(),
            own.display()
        );
        let mut said = String::new();
        for step in steps {
            let mut command = Command::new("bash");
            command
                .args(["-eo", "pipefail", "-c", step])
                .current_dir(directory)
                .env_clear()
                .env("PATH", &path)
                .env("HOME", self.0.join("home"))
                .env("LC_ALL", "C")
                .env("SERVER", SERVER)
                .env("STORE", SERVER)
                .env("URL", "https://example.org/sysext")
                .env("SERVED", self.served());
            command.envs(variables.iter().copied());
            let outcome = command.output().unwrap();
            let words = text(&outcome.stdout) + &text(&outcome.stderr);
            assert!(outcome.status.success(), "{step}\n{words}");
            said += &words;
        }
        said
    }
}

fn example(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci");
    fs::read_to_string(root.join(path)).unwrap()
}

/// The commands of a job: what is behind `run:` of each step, or in the lists under these keys.
fn steps(yaml: &str, job: &str, keys: &[&str]) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let lines: Vec<_> = yaml.lines().collect();
    let is_job = |line: &&str| {
        line.trim_end() == format!("{job}:") || line.trim().starts_with(&format!("{job}: &"))
    };
    let start = lines
        .iter()
        .position(is_job)
        .unwrap_or_else(|| panic!("{job}"));
    let depth = indent(lines[start]);
    let mut steps = Vec::new();
    let mut at = start + 1;
    let mut is_wanted = keys == [""];
    while at < lines.len()
        && (lines[at].trim().is_empty() || indent(lines[at]) > depth || lines[at].starts_with('#'))
    {
        let line = lines[at].trim_start();
        at += 1;
        let item = line.strip_prefix("- ").unwrap_or(line);
        let command = match item.strip_prefix("run: ") {
            Some(command) if keys == ["run"] => command,
            _ if keys != ["run"] => {
                if indent(lines[at - 1]) == depth + 2 && !line.starts_with("- ") {
                    is_wanted = keys.iter().any(|key| line == format!("{key}:"));
                }
                match line.strip_prefix("- ").filter(|_| is_wanted) {
                    Some(command) => command,
                    None => continue,
                }
            }
            _ => continue,
        };
        if command != "|" {
            steps.push(command.to_owned());
            continue;
        }
        let inner = indent(lines[at]);
        let mut block = String::new();
        while at < lines.len() && (lines[at].trim().is_empty() || indent(lines[at]) >= inner) {
            block += lines[at].get(inner..).unwrap_or_default();
            block.push('\n');
            at += 1;
        }
        steps.push(block);
    }
    assert!(!steps.is_empty(), "{job} has no steps");
    steps
}

/// What three nights publish: all; nothing; what has changed, with a new number.
fn three_nights(engine: &Engine, night: &dyn Fn(usize) -> String) {
    night(0);
    let first = ["hello-0.5.A.git.3-1.x86-64.raw", "payload-1-1.x86-64.raw"];
    assert_eq!(engine.images(), first);
    let before = engine.content();
    assert!(before.contains_key("index.html") && before.contains_key("SHA256SUMS.gpg"));
    assert!(night(1).contains("nothing has changed"));
    assert_eq!(engine.content(), before);
    night(2);
    assert_eq!(
        engine.images(),
        [first[0], "payload-1-1.1.x86-64.raw", first[1]]
    );
    let after = engine.content();
    for image in first {
        assert_eq!(after[image], before[image]);
    }
    let verified = program()
        .args(["store", "verify", "--keyring"])
        .arg(fixture("keys/test.public.asc"))
        .arg(engine.served())
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", text(&verified.stdout));
}

/// In the third night, one recipe has changed.
fn change(directory: &Path, night: usize) {
    if night == 2 {
        let recipe = directory.join("recipes/two.toml");
        let text = fs::read_to_string(&recipe).unwrap();
        fs::write(recipe, text + "block-size = \"128K\"\n").unwrap();
    }
}

fn secret() -> String {
    fs::read_to_string(fixture("keys/test.secret.asc")).unwrap()
}

#[test(programs!("bash", "cp", "cmp", "find", "install"))]
fn the_workflow_for_github() {
    let engine = Engine::new();
    let yaml = example("github/workflow.yml");
    let secret = secret();
    let state = engine.0.join("kept-state");
    let night = |night: usize| {
        let plan = engine.checkout(&format!("{night}-plan"));
        change(&plan, night);
        let output = plan.join("output");
        let shown = output.display().to_string();
        engine.run(
            &plan,
            &steps(&yaml, "  plan", &["run"]),
            &[("GITHUB_OUTPUT", &shown)],
        );
        let output = fs::read_to_string(output).unwrap();
        let matrix: Value =
            serde_json::from_str(output.trim().strip_prefix("matrix=").unwrap()).unwrap();
        let publish = engine.checkout(&format!("{night}-publish"));
        let jobs = matrix["include"].as_array().unwrap();
        assert_eq!(jobs.len(), 2);
        for job in jobs {
            let [name, recipes] = ["job", "recipes"].map(|key| job[key].as_str().unwrap());
            let build = engine.checkout(&format!("{night}-{name}"));
            change(&build, night);
            let variables = [("RECIPES", recipes), ("UPLOAD_KEY", "key")];
            engine.run(&build, &steps(&yaml, "  build", &["run"]), &variables);
            // The artifact.
            let kept = publish.join("jobs").join(format!("built-{name}"));
            fs::create_dir_all(kept.parent().unwrap()).unwrap();
            fs::rename(build.join("built"), kept).unwrap();
        }
        if state.exists() {
            fs::rename(&state, publish.join("state")).unwrap();
        }
        let variables = [("STORE_KEY", secret.as_str()), ("UPLOAD_KEY", "key")];
        let said = engine.run(&publish, &steps(&yaml, "  publish", &["run"]), &variables);
        assert!(!publish.join("store.key").exists());
        fs::rename(publish.join("state"), &state).unwrap();
        said
    };
    three_nights(&engine, &night);
}

#[test(programs!("bash", "cp", "cmp", "find", "install"))]
fn the_pipeline_for_gitlab() {
    let engine = Engine::new();
    let (parent, child) = (
        example("gitlab/gitlab-ci.yml"),
        example("gitlab/images.yml"),
    );
    let key = engine.0.join("key");
    fs::write(&key, secret()).unwrap();
    let key = key.display().to_string();
    let state = engine.0.join("kept-state");
    let fetch = steps(&child, ".fetch", &[""]);
    let night = |night: usize| {
        let plan = engine.checkout(&format!("{night}-plan"));
        engine.run(&plan, &steps(&parent, "plan", &["script"]), &[]);
        let matrix = fs::read_to_string(plan.join("matrix.yml")).unwrap();
        let publish = engine.checkout(&format!("{night}-publish"));
        let value = |line: &str, key: &str| {
            let rest = line.trim_start_matches([' ', '-']).strip_prefix(key)?;
            Some(rest.trim_matches('"').to_owned())
        };
        let jobs = matrix.lines().filter_map(|line| value(line, "JOB: "));
        let recipes = matrix.lines().filter_map(|line| value(line, "RECIPES: "));
        for (name, recipes) in jobs.zip(recipes) {
            let build = engine.checkout(&format!("{night}-{name}"));
            change(&build, night);
            let variables = [
                ("JOB", name.as_str()),
                ("RECIPES", &recipes),
                ("UPLOAD_KEY", &key),
            ];
            // The commands of a job are one script.
            let mut script = fetch.clone();
            script.extend(steps(&child, ".images", &["script"]));
            engine.run(&build, &[script.join("\n")], &variables);
            let kept = publish.join("jobs").join(&name);
            fs::create_dir_all(kept.parent().unwrap()).unwrap();
            fs::rename(build.join("jobs").join(&name), kept).unwrap();
        }
        if state.exists() {
            fs::rename(&state, publish.join("state")).unwrap();
        }
        let mut script = fetch.clone();
        script.extend(steps(&child, "publish", &["script"]));
        let variables = [("STORE_KEY", key.as_str()), ("UPLOAD_KEY", &key)];
        let said = engine.run(&publish, &[script.join("\n")], &variables);
        fs::rename(publish.join("state"), &state).unwrap();
        said
    };
    three_nights(&engine, &night);
}

#[test(programs!("bash", "cp", "cmp", "find"))]
fn the_nightly_script() {
    let engine = Engine::new();
    let directory = engine.checkout("srv");
    let key = directory.join("store.key");
    fs::write(&key, secret()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let night = |night: usize| {
        change(&directory, night);
        let script = format!("nightly/nightly.sh '{}'", directory.display());
        engine.run(&directory, &[script], &[])
    };
    three_nights(&engine, &night);
}

#[test(program("cp"))]
fn a_plan_has_a_job_for_each_recipe_or_as_many_as_were_asked_for() {
    let engine = Engine::new();
    let directory = engine.checkout("plan");
    let plan = |line: &str| {
        let outcome = program()
            .arg("plan")
            .args(line.split(' '))
            .current_dir(&directory)
            .output()
            .unwrap();
        (
            outcome.status.code(),
            text(&outcome.stdout) + &text(&outcome.stderr),
        )
    };
    let all = "recipes/one.toml recipes/two.toml";
    let one = r#"{"include":[{"job":"images-1","recipes":"recipes/one.toml recipes/two.toml"}]}"#;
    // In whatever order, and however often they are typed.
    for line in [
        format!("--matrix github --jobs 1 {all}"),
        "--matrix github --jobs 1 recipes/two.toml recipes/one.toml recipes/two.toml".to_owned(),
    ] {
        assert_eq!(plan(&line), (Some(0), format!("{one}\n")));
    }
    let (_, flavors) = plan("--matrix obs obs/hello.sysext.toml");
    assert_eq!(flavors, example("obs/_multibuild"));
    // Sizes are those of the store's images, or those of the lock's packages.
    let recipe = |name: &str, more: &str| {
        let text = format!(
            "packages = [\"payload-zstd\"]\ninclude = [\"../common.inc.toml\"]\nname = \"{name}\"\n{more}"
        );
        fs::write(directory.join(format!("recipes/{name}.toml")), text).unwrap();
    };
    recipe("a", "");
    recipe("b", "lock = \"b.lock\"\n");
    let built = program()
        .args(["-o", "store", "recipes/a.toml", "recipes/b.toml"])
        .current_dir(&directory)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", text(&built.stderr));
    let (_, shown) = plan("--json --store store recipes/a.toml recipes/two.toml");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let size = fs::metadata(directory.join("store/a-1-1.x86-64.raw"))
        .unwrap()
        .len();
    assert_eq!(shown["jobs"][0]["bytes"], size);
    assert_eq!(shown["jobs"][1].get("bytes"), None);
    let (_, shown) = plan("--json recipes/b.toml");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let size = fs::metadata(fixture("payload-zstd-1-1.noarch.rpm"))
        .unwrap()
        .len();
    assert_eq!(shown["jobs"][0]["bytes"], size);

    fs::write(directory.join("recipes/$(x).toml"), "").unwrap();
    for (line, code, words) in [
        (
            "--matrix github --jobs 257 recipes/one.toml",
            2,
            "at most 256 jobs",
        ),
        (
            "--matrix gitlab --jobs 201 recipes/one.toml",
            2,
            "at most 200 jobs",
        ),
        (
            "--matrix obs --jobs 2 obs/hello.sysext.toml",
            2,
            "--jobs can't be used",
        ),
        (
            "--matrix github recipes/$(x).toml",
            1,
            "can't be a word of a job",
        ),
        ("--matrix github recipes/none.toml", 3, "none.toml"),
    ] {
        let (found, said) = plan(line);
        assert_eq!(found, Some(code), "{line}: {said}");
        assert!(said.contains(words), "{line}: {said}");
    }
}
