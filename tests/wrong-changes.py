#!/usr/bin/env python3
"""Makes wrong changes that would do harm, one after the other, and fails if a test does not see one.

    tests/wrong-changes.py [NAME-PART...]

Each is made in a clone of HEAD and judged by the tests of the lowest level that can see it. Where
code moves, its text below moves along.
"""

import os
import subprocess
import sys

from mutants import ROOT, prepare, run

WORK = os.path.join(ROOT, "target", "wrong-changes")
SECONDS = 200
STORE_LIB = ["-p", "sysext-store", "--lib"]
JUDGED = ["-p", "sysext-store", "--test", "judged", "--"]


def unit(tests):
    return ["--bin", "sysext-build", "--", tests]


COMPOSE = "src/plan/compose.rs"
FILTER = "src/plan/filter.rs"
RETRIEVE = "src/packages/repository/retrieve.rs"

# Name, file, text to replace (all of its occurrences), replacement, arguments of `cargo test`.
CHANGES = [
    ("an older list extended",
     "crates/store/src/serial.rs", "found.number < number", "false", STORE_LIB),
    ("another list of the last number extended",
     "crates/store/src/serial.rs", "digest(list) != last.sha256", "false", STORE_LIB),
    ("the list of another store extended",
     "crates/store/src/serial.rs", "found.store != last.serial.store", "false", STORE_LIB),
    ("an older list extended where it was not said",
     "crates/store/src/ledger.rs", "!signing.restored", "false", STORE_LIB),
    ("a number that does not grow",
     "crates/store/src/serial.rs", "number.unwrap_or(0) + 1", "number.unwrap_or(1)", STORE_LIB),
    ("a list with a number taken for one that was never signed",
     "crates/store/src/ledger.rs", "Ok(serial::of(sums).map(|_| SUMS))", "Ok(None)", STORE_LIB),
    ("a manifest believed that is not the listed one",
     "crates/store/src/inventory.rs", "Sha256::digest(&bytes)[..] != sha256[..]", "false", STORE_LIB),
    ("a list of the same second as the one before",
     "crates/store/src/temporary.rs", "self.follow(directory, target)?;", "", STORE_LIB),
    ("another user's notes believed",
     "src/publish/signing/memory.rs", ".check_private()", ".set_mode(0o755)", unit("signing::memory::")),
    ("a file that is not a lock overwritten",
     "src/packages/lock.rs", "!is_lock(&bytes)", "false", unit("packages::lock::")),
    ("set-uid kept on a file whose owner became root",
     COMPOSE, "mode &= !0o4000;", "", unit("plan::compose::")),
    ("set-gid kept on a file whose group became root",
     COMPOSE, "mode &= !0o2000;", "", unit("plan::compose::")),
    ("contents of one MD5 shared",
     COMPOSE, '"{}:{}@{package}/{file}", digest.tag(), digest.hex', '"{}:{}", digest.tag(), digest.hex',
     unit("plan::compose::")),
    ("files of one path compared without their mode",
     COMPOSE, "(file.mode, file.owner.clone(), file.group.clone())",
     "(file.owner.clone(), file.group.clone())", unit("plan::compose::")),
    ("files of one path compared without their owner",
     COMPOSE, "(file.mode, file.owner.clone(), file.group.clone())",
     "(file.mode, file.group.clone())", unit("plan::compose::")),
    ("files of one path compared without their group",
     COMPOSE, "(file.mode, file.owner.clone(), file.group.clone())",
     "(file.mode, file.owner.clone())", unit("plan::compose::")),
    ("the 32-bit program wins",
     COMPOSE, "two.color > one.color", "two.color < one.color", unit("plan::compose::")),
    ("sbin-merge never switched on",
     FILTER, "rules.on.insert(SBIN_MERGE.name);", "", unit("plan::filter::")),
    ("the base not asked whether sbin is merged",
     "src/plan/mod.rs", "settings.rules.for_base(base.merged_sbin)", "settings.rules.clone()",
     unit("plan::tests::")),
    ("modes of described directories overwritten",
     COMPOSE, "&& !self.described.contains(path)", "", unit("plan::compose::")),
    ("modes of the base's directories not adopted",
     "src/plan/mod.rs", "plan.adopt_access(&|path| files.directory_access(path))?;", "let _ = files;",
     unit("plan::tests::")),
    ("set-id bits of an overlay not read",
     "src/plan/overlay.rs", "& 0o7777", "& 0o777", unit("plan::overlay::")),
    ("set-id bits of an overlay not kept",
     COMPOSE, "without_set_id(file.mode, is_directory, uid.is_some(), gid.is_some());", "file.mode & 0o777;",
     unit("plan::compose::")),
    ("set-uid of an overlay's stranger kept",
     COMPOSE, "without_set_id(file.mode, is_directory, uid.is_some(), gid.is_some());", "file.mode;",
     unit("plan::compose::")),
    ("hard links with the attributes of their first name",
     COMPOSE, "*last.unwrap_or(&file)", "{ let _ = last; file }", unit("plan::compose::")),
    ("a header that nothing covers not refused",
     "src/packages/trust.rs", "findings.extend(uncovered(package, file));", "let _ = uncovered;",
     unit("packages::trust::")),
    ("packages not judged by each other without a base",
     "src/packages/choose/mod.rs", "rules: judge_among(packages)?,", "rules: Vec::new(),",
     unit("packages::choose::")),
    ("no lib32 in usr-merge",
     FILTER, '("lib32", "usr/lib32"),', "", unit("plan::filter::")),
    ("config() counted as required",
     "src/packages/choose/mod.rs", "!need.is_config() && ", "", unit("packages::choose::")),
    ("name of a fetched package not compared",
     RETRIEVE, "listed.name == found.name\n        &&", "", unit("packages::repository::retrieve::")),
    ("release of a fetched package not compared",
     RETRIEVE, "&& listed.evr.release == found.release", "", unit("packages::repository::retrieve::")),
    ("a fetched package compared with nothing",
     RETRIEVE, "check_identity(repository, one.index, &package)?;", "let _ = check_identity;",
     ["--test", "suite", "--", "repository::"]),
    ("old shadows not subtracted",
     "src/check/survey.rs", "self.shadows.retain(|one| !known.shadows.contains(one));", "",
     unit("check::survey::")),
    ("--from not subtracted",
     "src/check/survey.rs", "found.subtract(&known);", "let _ = &known;", unit("check::survey::")),
    ("hard links unpacked as files of their own",
     "src/pack/unpack.rs", "written.insert(*leaf, path);", "", unit("pack::unpack::")),
    ("the page says signed if any list is",
     "src/publish/page/read.rs", "signers.iter().all(", "signers.iter().any(", unit("publish::page::")),
    ("the page says signed if the last list is",
     "src/publish/page/read.rs", "is_signed(&signers);", "is_signed(&signers[signers.len() - 1..]);",
     unit("publish::page::")),
    ("contents not synced",
     "crates/store/src/temporary.rs", "self.file.sync_all()", "Ok(())", [*JUDGED, "durability::"]),
    ("contents that were there not synced",
     "crates/store/src/directory.rs", "file.sync_all().map_err(|e| self.error(\"sync\", name, e))",
     "{ let _ = file; Ok(()) }", [*JUDGED, "durability::"]),
    ("the directory not synced",
     "crates/store/src/directory.rs", "self.file.sync_all()", "io::Result::Ok(())",
     [*JUDGED, "durability::"]),
    ("no lock",
     "crates/store/src/directory.rs", "pub(crate) fn lock(&self) -> Result<(), Error> {",
     "pub(crate) fn lock(&self) -> Result<(), Error> {\n        return Ok(());",
     [*STORE_LIB, "transaction::"]),
    ("no lock among many builders",
     "crates/store/src/directory.rs", "pub(crate) fn lock(&self) -> Result<(), Error> {",
     "pub(crate) fn lock(&self) -> Result<(), Error> {\n        return Ok(());",
     [*JUDGED, "builders::"]),
]


def test(arguments):
    """Builds tests and runs them: `passes`, `fails`, `hangs` or `does not compile`."""
    command = ["cargo", "test", "-q", "--locked", *arguments]
    targets = command[: command.index("--")] if "--" in command else command
    if run([*targets, "--no-run"], WORK).returncode:
        return "does not compile"
    try:
        return "fails" if run(command, WORK, SECONDS).returncode else "passes"
    except subprocess.TimeoutExpired:
        return "hangs"


def judge(file, text, replacement, arguments):
    """Makes one change, and says what comes of it."""
    path = os.path.join(WORK, file)
    with open(path, encoding="utf-8") as source:
        before = source.read()
    if text not in before:
        return "text not found"
    with open(path, "w", encoding="utf-8") as source:
        source.write(before.replace(text, replacement))
    try:
        return test(arguments)
    finally:
        with open(path, "w", encoding="utf-8") as source:
            source.write(before)


def main():
    parts = sys.argv[1:]
    prepare(WORK)
    changes = [one for one in CHANGES if not parts or any(part in one[0] for part in parts)]
    for arguments in {tuple(one[-1]): None for one in changes}:
        if (verdict := test(arguments)) != "passes":
            sys.exit(f"without a change: {verdict}: cargo test {' '.join(arguments)}")
    bad = 0
    for name, *change in changes:
        verdict = judge(*change)
        bad += verdict != "fails"
        print(f"{verdict:<16} {name}: cargo test {' '.join(change[-1])}", flush=True)
    sys.exit(f"{bad} of {len(changes)} wrong changes fail no test" if bad else None)


if __name__ == "__main__":
    main()
