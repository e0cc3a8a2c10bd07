#!/usr/bin/env python3
"""What an update costs, by real packages in two versions: generations.py PROGRAM OLD NEW PACKAGE[,PACKAGE...]...
[--block-size=SIZE]...
[--recipe=RECIPE --base=ROOT]

OLD and NEW have a directory for each package, with what it installs; on Debian, with its security updates:

    apt-cache madison PACKAGE                 # the versions
    apt-get download PACKAGE=VERSION
    dpkg-deb -x PACKAGE_*.deb OLD/PACKAGE

With a recipe, OLD is a directory of RPMs, all that it takes on a base with that root directory, and NEW has later ones
of some, such as next.py makes. Needs createrepo_c then.

An image is made of all packages of OLD, and one for each argument, in which these packages are those of NEW. A client
with the first image pulls each of the others: by blocks (list and index included), and by a patch. Prints what was fetched as
a share of the image, the time of each pull beside the time that it takes to read and hash both images, and what
making the patch took. Each block size is a row of its own, with the size and the time of the first build. With casync, what its chunks of 16, 64 and 256 KiB come to.
Fails if an image that arrives is another.
"""

import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

program = pathlib.Path(sys.argv[1]).resolve()
old, new = (pathlib.Path(path).resolve() for path in sys.argv[2:4])
options = [argument for argument in sys.argv[4:] if argument.startswith("--")]
sizes = [option for option in options if option.startswith("--block-size=")] or ["--block-size=1M"]
updates = [argument.split(",") for argument in sys.argv[4:] if argument not in options]
given = dict(option.split("=", 1) for option in options)
recipe, base = given.get("--recipe"), given.get("--base")
FINDINGS = ["unchecked-base", "soname-missing", "interpreter-missing", "symbol-version-missing", "library-unloadable",
            "shadows-base", "not-executable", "path-missing"]


def run(*words, cwd=None):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True, cwd=cwd).stdout


def timed(*words, **more):
    start = time.monotonic()
    said = run(*words, **more)
    return said, time.monotonic() - start


def digest(path):
    return hashlib.sha256(path.read_bytes()).digest()


def names(directory):
    """Returns the RPMs of a directory by the names of their packages."""
    rpms = sorted(directory.rglob("*.rpm"))
    listed = run("rpm", "-qp", "--nosignature", "--qf", "%{NAME}\n", *rpms).splitlines()
    return dict(zip(listed, rpms, strict=True))


of_old, of_new = (names(old), names(new)) if recipe else ({}, {})
name = pathlib.Path(recipe).stem if recipe else "all"


def build(store, version, updated, block_size):
    """Makes an image, and returns it and the time that it took."""
    options = ["-q", block_size, "--arch", "x86-64", "--image-version", version, "-o", store / "store"]
    took = (build_of_rpms if recipe else build_of_trees)(store, version, updated, options)
    return store / "store" / f"{name}-{version}.x86-64.raw", took


def build_of_rpms(store, version, updated, options):
    repository = store / f"rpms-{version}"
    repository.mkdir()
    for rpm in (of_old | {package: of_new[package] for package in updated}).values():
        shutil.copy(rpm, repository)
    run("createrepo_c", "-q", repository)
    _, took = timed(program, *options, "--base", base, "--repo", repository, recipe)
    shutil.rmtree(repository)
    return took


def build_of_trees(store, version, updated, options):
    tree = store / "tree"
    for package in sorted(path.name for path in old.iterdir()):
        source = (new if package in updated else old) / package
        for top in ["usr", "lib"]:
            if (source / top).is_dir():
                into = tree / "usr" / ("lib" if top == "lib" else "")
                shutil.copytree(source / top, into, symlinks=True, dirs_exist_ok=True)
    allowed = [word for finding in FINDINGS for word in ("--allow", finding)]
    _, took = timed(program, *options, "--match", "any", *allowed, "--name", name, "--overlay", tree)
    shutil.rmtree(tree)
    return took


def casync(work, images, size):
    """Returns the bytes of the chunks of the second image that the first one does not have."""
    store, lengths = work / f"chunks-{size}", []
    for image in images:
        run("casync", "make", f"--chunk-size={size}", f"--store={store}", work / "x.caibx", image)
        lengths.append(sum(path.stat().st_size for path in store.rglob("*.cacnk")))
    shutil.rmtree(store)
    return lengths[1] - lengths[0]


print(f"{'packages':<44} {'block':>5} {'image':>10} {'built':>7} {'blocks':>8} {'patch':>8} {'index':>8} {'pull':>11}"
      f" {'patched':>8} {'made in':>8}" + (f" {'casync 16K':>11} {'64K':>7} {'256K':>7}" if shutil.which("casync") else ""))


def compare(work, updated, version, block_size):
    first, took = build(work, 1, [], block_size)
    image, _ = build(work, version, updated, block_size)
    size = image.stat().st_size
    index = image.with_suffix(".blocks")
    run(program, "store", "index", work / "store")
    start = time.monotonic()
    digest(first), digest(image)
    read = time.monotonic() - start
    row = {}
    for way in ["blocks", "patch"]:
        made = 0
        if way == "patch":
            _, made = timed(program, "store", "delta", work / "store", "--from", "9")
        into = work / "into"
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir()
        shutil.copy(first, into)
        said, pulled = timed(program, "pull", work / "store", f"{name}@{version}", "--into", into, "--unsigned",
                             "--arch", "x86-64", "--json")
        said = json.loads(said)
        if digest(into / image.name) != digest(image):
            raise SystemExit(f"{image.name}: another image arrived")
        if said.get("is_patched", False) != (way == "patch"):
            raise SystemExit(f"{image.name}: it did not come by {way}")
        row[way] = (said["fetched"] + (index.stat().st_size if way == "blocks" else 0), pulled, made)
    share = [f"{row[way][0] / size:>8.2%}" for way in row]
    line = (f"{','.join(updated)[:44]:<44} {block_size.partition('=')[2]:>5} {size:>10} {took:>5.2f} s {share[0]} {share[1]}"
            f" {index.stat().st_size / size:>8.4%} {row['blocks'][1]:>4.2f}/{read:.2f} s {row['patch'][1]:>6.2f} s"
            f" {row['patch'][2]:>6.1f} s")
    if shutil.which("casync"):
        line += "".join(f" {casync(work, [first, image], kib << 10) / size:>{11 if kib == 16 else 7}.2%}"
                        for kib in [16, 64, 256])
    print(line, flush=True)


for updated in updates:
    for block_size in sizes:
        with tempfile.TemporaryDirectory() as work:
            compare(pathlib.Path(work), updated, 2, block_size)
