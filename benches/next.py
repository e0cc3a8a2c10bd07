#!/usr/bin/env python3
"""A next generation of RPMs that have none: next.py RPMS NEW PACKAGE=KIND...

RPMS is a directory of packages. NEW gets those that are named, built again by rpmbuild with what their headers say, a
higher release, later times of all files, and contents that are changed in one of these ways:

    file      one text of 1 to 16 KiB has another line
    library   the largest program or library is as after a small change: in its middle third every 256 bytes an address
              is another one, and 2 KiB are shifted
    package   each file is changed in its way

The same packages are always changed to the same bytes. Needs rpmbuild, rpm2cpio and cpio.
"""

import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

rpms, new = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
OFF = ["debug_package", "__os_install_post", "__arch_install_post"]
CONFIG, DOC, NOREPLACE, GHOST, LICENSE = 1, 2, 16, 64, 128
DAY = 86400


def query(rpm, form):
    command = ["rpm", "-qp", "--nosignature", "--qf", form, str(rpm)]
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="surrogateescape").stdout


def noise(seed, length):
    return hashlib.shake_256(seed.encode()).digest(length)


def is_binary(contents):
    return b"\0" in contents[:4096]


def as_text(name, contents):
    at = contents.find(b"\n", len(contents) // 2) + 1
    return contents[:at] + b"# " + noise(name, 8).hex().encode() + b"\n" + contents[at:]


def as_binary(name, contents):
    contents = bytearray(contents)
    third = len(contents) // 3
    addresses = noise(name, 4 * (third // 256))
    for number in range(third // 256):
        at = third + 256 * number
        contents[at : at + 4] = addresses[4 * number : 4 * number + 4]
    middle = len(contents) // 2
    contents[middle + 16 : middle + 2064] = contents[middle : middle + 2048]
    return bytes(contents)


def change(files, kind):
    """Changes files that a package installs, and says which."""
    if kind == "file":
        small = (path for path in files if 1024 <= path.stat().st_size <= 16384 and not is_binary(path.read_bytes()))
        chosen = [next(small)]
    elif kind == "library":
        programs = (path for path in files if path.read_bytes()[:4] == b"\x7fELF")
        chosen = [max(programs, key=lambda path: path.stat().st_size)]
    else:
        chosen = files
    for path in chosen:
        contents = path.read_bytes()
        path.write_bytes((as_binary if is_binary(contents) else as_text)(path.name, contents))
    return chosen


def escaped(text):
    return text.replace("%", "%%")


def spec(rpm, root):
    """Returns what builds a package again whose files are in a directory."""
    lines = [f"%global {name} %{{nil}}" for name in OFF]
    lines += ["%global _build_id_links none", "%global _binary_payload w3.zstdio", "AutoReqProv: no"]
    head = query(rpm, "Name: %{NAME}\nVersion: %{VERSION}\nRelease: %{RELEASE}.1\nEpoch: %|EPOCH?{%{EPOCH}}:{0}|\n"
                      "License: %{LICENSE}\nSummary: %{SUMMARY}\n")
    lines.append(escaped(head.strip()))
    for tag, name in [("Provides", "PROVIDE"), ("Requires", "REQUIRE"), ("Conflicts", "CONFLICT")]:
        listed = query(rpm, f"[%{{{name}NAME}} %{{{name}FLAGS:depflags}} %{{{name}VERSION}}\n]").splitlines()
        lines += [f"{tag}: {escaped(line.strip())}" for line in listed if line.strip() and not line.startswith("rpmlib(")]
    lines += ["%description", "A next generation.", "%install", "rm -rf %{buildroot}", f"cp -a {root} %{{buildroot}}"]
    for section, name in [("pre", "PREIN"), ("post", "POSTIN"), ("preun", "PREUN"), ("postun", "POSTUN")]:
        interpreter = query(rpm, f"%|{name}PROG?{{[%{{{name}PROG}} ]}}:{{}}|").strip()
        if interpreter:
            lines += [f"%{section} -p {interpreter}", escaped(query(rpm, f"%|{name}?{{%{{{name}}}}}:{{}}|"))]
    lines.append("%files")
    form = "[%{FILENAMES}\t%{FILEMODES}\t%{FILEUSERNAME}\t%{FILEGROUPNAME}\t%{FILEFLAGS}\n]"
    for line in query(rpm, form).splitlines():
        path, mode, user, group, flags = line.split("\t")
        mode, flags = int(mode), int(flags)
        kind = mode & 0o170000
        words = ["%dir"] if kind == 0o040000 else []
        words += ["%config(noreplace)" if flags & NOREPLACE else "%config"] if flags & CONFIG else []
        words += [word for bit, word in [(GHOST, "%ghost"), (LICENSE, "%license"), (DOC, "%doc")] if flags & bit][:1]
        words.append(f"%attr({'-' if kind == 0o120000 else format(mode & 0o7777, '04o')},{user},{group})")
        name = re.sub(r"[\[\]{}*\\]", "?", path)
        lines.append(" ".join([*words, f'"{escaped(name)}"']))
        if flags & GHOST and not (root / path[1:]).exists():
            (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            (root / path[1:]).touch()
    return "\n".join(lines) + "\n"


def build(rpm, kind, work):
    root = work / "root"
    root.mkdir()
    subprocess.run(f"rpm2cpio '{rpm}' | cpio -idm --quiet", shell=True, check=True, cwd=root)
    paths = sorted(path for path in root.rglob("*") if not path.is_symlink())
    files = [path for path in paths if path.is_file()]
    times = {path: path.stat().st_mtime for path in paths}
    chosen = change(files, kind)
    for path, time in times.items():
        os.utime(path, (time + DAY, time + DAY))
    (work / "spec").write_text(spec(rpm, root), errors="surrogateescape")
    defines = {"_topdir": work / "top", "_rpmdir": new, "_buildhost": "next.invalid",
               "_rpmfilename": "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm", "use_source_date_epoch_as_buildtime": 1,
               "clamp_mtime_to_source_date_epoch": 0}
    words = [word for name, value in defines.items() for word in ("--define", f"{name} {value}")]
    target = query(rpm, "%{ARCH}") + "-linux"
    command = ["rpmbuild", "-bb", "--quiet", "--target", target, *words, "--buildroot", work / "buildroot", work / "spec"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"})
    if done.returncode:
        raise SystemExit(f"{rpm}: {done.stderr}")
    print(f"{rpm.name}: {len(chosen)} of {len(files)} files, {sum(path.stat().st_size for path in chosen)} bytes", flush=True)


new.mkdir(parents=True, exist_ok=True)
known = {query(rpm, "%{NAME}"): rpm for rpm in rpms.rglob("*.rpm")}
for argument in sys.argv[3:]:
    package, _, kind = argument.partition("=")
    with tempfile.TemporaryDirectory() as work:
        build(known[package], kind, pathlib.Path(work))
