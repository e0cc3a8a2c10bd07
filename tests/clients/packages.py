#!/usr/bin/env python3
"""packages.py DIRECTORY   (as root, on Debian with apt, rpmbuild and createrepo_c)

Makes a repository of real software: a small base and debugging tools with what they need, each
Debian package as an RPM with the same files, owners and modes. Next to `repodata` it writes
`base-packages.txt` and `closure-debug.txt`, names of packages, and `excluded-requires.txt`, what
their ELF files need and no package has.
"""
import grp, os, pwd, re, shutil, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

GROUPS = {
    "base": "zlib1g libgcc-s1 libstdc++6 libzstd1 libsystemd0 libudev1 systemd systemd-sysv dbus".split(),
    "debug": "gdb strace python3-minimal".split(),
}
QUIET = {"_binary_payload": "w3.zstdio", "__os_install_post": "%{nil}", "debug_package": "%{nil}",
         "_build_id_links": "none", "_buildhost": "localhost", "_binary_filedigest_algorithm": "8"}


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{done.stderr}{' '.join(map(str, command))}: exit code {done.returncode}")
    return done.stdout


def version(text):
    """Debian's version as epoch and an RPM's version, which has no hyphen."""
    epoch, _, rest = text.rpartition(":")
    return epoch or "0", re.sub(r"[^A-Za-z0-9._+~^]", ".", rest)


class Package:
    def __init__(self, deb, work):
        fields = run("dpkg-deb", "--field", deb)
        self.fields = dict(line.split(": ", 1) for line in fields.splitlines() if re.match(r"\S+: ", line))
        self.name, self.root = self.fields["Package"], work / "roots" / self.fields["Package"]
        run("dpkg-deb", "--extract", deb, self.root)
        self.files = sorted(path for path in self.root.rglob("*"))
        elf = [str(path) for path in self.files if path.is_file() and not path.is_symlink() and is_elf(path)]
        self.provides, self.needs = elfdeps("--provides", elf), elfdeps("--requires", elf)
        self.provides |= set(names(self.fields.get("Provides", "")))
        if self.name == "libc6":
            self.provides.add("rtld(GNU_HASH)")

    def spec(self, names_of_all, provided):
        epoch, rpm_version = version(self.fields["Version"])
        lines = [f"%global {name} {value}" for name, value in QUIET.items()]
        lines += [f"Name: {self.name}", f"Epoch: {epoch}", f"Version: {rpm_version}", "Release: 1"]
        lines += ["Summary: a package of Debian", "License: see its copyright file", "AutoReqProv: no"]
        lines += ["BuildArch: noarch"] if self.fields["Architecture"] == "all" else []
        lines += [f"Provides: {name}" for name in sorted(self.provides)]
        lines += [f"Requires: {name}" for name in sorted(self.needs & provided)]
        for field in ("Pre-Depends", "Depends"):
            for choice in self.fields.get(field, "").split(","):
                known = [name for name in names(choice.replace("|", ",")) if name in names_of_all]
                lines += [f"Requires: {known[0]}" if len(known) == 1 else f"Requires: ({' or '.join(known)})"] if known else []
        lines += ["%description", self.name, "%install", f"mkdir -p %{{buildroot}}; cp -a {self.root}/. %{{buildroot}}", "%files"]
        for path in self.files:
            status, place = path.lstat(), "/" + str(path.relative_to(self.root))
            is_directory = path.is_dir() and not path.is_symlink()
            # One package owns what all have; RPM makes the rest as it needs them.
            if is_directory and self.name != "base-files" and any(path.iterdir()):
                continue
            mode = "-" if path.is_symlink() else f"{status.st_mode & 0o7777:04o}"
            owner, group = pwd.getpwuid(status.st_uid).pw_name, grp.getgrgid(status.st_gid).gr_name
            quoted = re.sub(r'[\[\]{}*?\\]', "?", place).replace("%", "%%")
            lines.append(f'{"%dir " * is_directory}%attr({mode}, {owner}, {group}) "{quoted}"')
        return "\n".join(lines) + "\n"


def names(dependencies):
    """The names in a list of Debian's dependencies, without versions and architectures."""
    return re.findall(r"(?:^|,)\s*([a-z0-9][a-z0-9+.-]+)", dependencies)


def elfdeps(option, files):
    """What RPM's own generator finds; it fails for objects without dynamic section, too."""
    command = ["/usr/lib/rpm/elfdeps", option]
    found = subprocess.run(command, input="".join(f"{file}\n" for file in files), capture_output=True, text=True)
    return set(found.stdout.split())


def is_elf(path):
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def main(out):
    work = Path(tempfile.mkdtemp(prefix="packages-", dir=out))
    for directory in ("archives/partial", "build", "roots", "specs"):
        (work / directory).mkdir(parents=True)
    (work / "status").touch()
    apt = ["apt-get", "-y", "-o", f"Dir::State::status={work}/status", "-o", "Debug::NoLocking=1",
           "-o", f"Dir::Cache::archives={work}/archives", "-o", "APT::Install-Recommends=0", "-o", "APT::Sandbox::User=root"]
    records = run("apt-cache", "dumpavail").split("\n\n")
    GROUPS["base"] += {re.match(r"Package: (\S+)", record)[1] for record in records if "\nEssential: yes" in record}
    for group, wanted in GROUPS.items():
        closure = re.findall(r"^Inst (\S+)", run(*apt, "--simulate", "install", *wanted), re.M)
        name = "base-packages.txt" if group == "base" else f"closure-{group}.txt"
        (out / name).write_text("".join(f"{name}\n" for name in sorted(closure)))
        run(*apt, "--download-only", "install", *wanted)
    # Two at once that find no database of RPM's both make it, and one of them fails.
    run("rpm", "--query", "--all")
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        packages = list(workers.map(lambda deb: Package(deb, work), sorted((work / "archives").glob("*.deb"))))
        provided = set().union(*(package.provides for package in packages))
        known = {package.name for package in packages} | provided
        list(workers.map(lambda package: build(package, known, provided, work, out), packages))
    excluded = ((package.name, sorted(package.needs - provided)) for package in packages)
    (out / "excluded-requires.txt").write_text("".join(f"{name}: {' '.join(needs)}\n" for name, needs in excluded if needs))
    run("createrepo_c", "--quiet", "--general-compress-type=gz", out, "--excludes", f"{work.name}/*")
    shutil.rmtree(work)


def build(package, known, provided, work, out):
    spec = work / "specs" / f"{package.name}.spec"
    spec.write_text(package.spec(known, provided))
    top = work / "build" / package.name
    run("rpmbuild", "-bb", "--target", "noarch" if package.fields["Architecture"] == "all" else "x86_64",
        "--define", f"_topdir {top}", "--define", f"_rpmdir {out}", "--buildroot", top / "root", spec,
        env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000", "LC_ALL": "C.UTF-8"})
    shutil.rmtree(top)
    shutil.rmtree(package.root)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    main(Path(sys.argv[1]).resolve())
