#!/usr/bin/env python3
"""Prints how many small wrong changes to the policy fail a test of their own level.

    tests/mutants.py [--count 160] [--seed 1] [--only PATH-PREFIX] [--unit] [--list]

Draws mutants of src/plan, src/packages, src/publish, crates/store and crates/clients by a fixed
seed, puts each in place in a clone of HEAD, and runs the tests of its level: the unit tests first,
then, while it survives, the modules of the suite that are about its room. One that does not compile
does not count. Needs cargo-mutants, which lists the changes (`cargo install cargo-mutants`).
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORK = os.path.join(ROOT, "target", "mutants")
UNIT = ["--bin", "sysext-build"]
SUITE = ["--test", "suite", "--"]
# The tests of a room, cheapest first.
LEVELS = {
    "src/plan/": [UNIT, *([*SUITE, one] for one in ("build::", "recipe::", "check::"))],
    "src/packages/": [
        UNIT,
        *([*SUITE, one] for one in ("repository::", "lock::", "by_name::", "gpgcheck::", "network::", "base::")),
    ],
    "src/publish/": [UNIT, *([*SUITE, one] for one in ("signing::", "delivery::", "store::", "build::"))],
    "crates/store/": [["-p", "sysext-store", "--lib"], ["-p", "sysext-store", "--test", "judged"]],
    "crates/clients/": [["-p", "sysext-clients"], [*SUITE, "verdicts::"]],
}
TEST_FILES = ("/tests/", "/tests.rs", "/scratch.rs")
SECONDS = 200


def run(arguments, work=WORK, timeout=None):
    """Runs a command to its end, or ends it and all that it started."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True}
    with subprocess.Popen(arguments, cwd=work, text=True, **options) as process:
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(arguments, process.returncode, output, errors)


def prepare(work=WORK):
    """Makes the clone, or moves it to HEAD; its target directory stays."""
    if not os.path.isdir(work):
        subprocess.run(["git", "clone", "-q", ROOT, work], check=True)
    subprocess.run(["git", "-C", work, "fetch", "-q", ROOT, "HEAD"], check=True)
    subprocess.run(["git", "-C", work, "reset", "-q", "--hard", "FETCH_HEAD"], check=True)


def mutants(only):
    globs = [argument for place in LEVELS for argument in ("-f", place + "**/*.rs")]
    listed = run(["cargo", "mutants", "--list", "--json", "--workspace", *globs])
    if listed.returncode != 0:
        sys.exit("cargo mutants: " + listed.stderr)
    found = [one for one in json.loads(listed.stdout) if not any(part in one["file"] for part in TEST_FILES)]
    return sorted((one for one in found if one["file"].startswith(only)), key=lambda one: one["name"])


def put_in_place(mutant):
    """Applies a mutant and returns what stood there."""
    path = os.path.join(WORK, mutant["file"])
    with open(path, encoding="utf-8") as file:
        text = file.read()
    lines = text.splitlines(keepends=True)
    offset = lambda at: sum(map(len, lines[: at["line"] - 1])) + at["column"] - 1
    span = mutant["span"]
    with open(path, "w", encoding="utf-8") as file:
        file.write(text[: offset(span["start"])] + mutant["replacement"] + text[offset(span["end"]) :])
    return path, text


def judge(mutant, unit):
    """Returns `unviable`, `killed` or `survived`."""
    level = next(level for place, level in LEVELS.items() if mutant["file"].startswith(place))
    level = level[:1] if unit else level
    for arguments in level:
        flags = ["cargo", "test", "-q", "--locked", *arguments]
        targets = flags[: flags.index("--")] if "--" in flags else flags
        compiled = run([*targets, "--no-run"])
        if compiled.returncode != 0:
            return "unviable"
        try:
            if run(flags, timeout=SECONDS).returncode != 0:
                return "killed"
        except subprocess.TimeoutExpired:
            return "killed"
    return "survived"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=160, help="viable mutants to judge")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="mutants of files that begin with this")
    parser.add_argument("--list", action="store_true", help="list what would be drawn")
    parser.add_argument("--unit", action="store_true", help="ask the unit tests alone, which is quick")
    options = parser.parse_args()
    prepare()
    drawn = mutants(options.only)
    total = len(drawn)
    random.Random(options.seed).shuffle(drawn)
    if options.list:
        print("\n".join(one["name"] for one in drawn[: options.count]))
        return
    counts = dict.fromkeys(("killed", "survived", "unviable"), 0)
    for mutant in drawn:
        if counts["killed"] + counts["survived"] >= options.count:
            break
        path, text = put_in_place(mutant)
        try:
            verdict = judge(mutant, options.unit)
        finally:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        counts[verdict] += 1
        print(f"{verdict:<9} {mutant['name']}", flush=True)
    viable = counts["killed"] + counts["survived"]
    print(f"{counts['killed']} of {viable} viable mutants killed ({100 * counts['killed'] / max(viable, 1):.1f}%), "
          f"{counts['unviable']} did not compile; drawn from {total} with seed {options.seed}")


if __name__ == "__main__":
    main()
