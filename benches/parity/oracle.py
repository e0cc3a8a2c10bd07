"""Solves each name on standard input by itself with dnf, in one process.

oracle.py ROOT RECOMMENDS BEST MODULES REPOSITORY...

Prints a line each: the name, `ok` or `fail` or `base` (dnf would change installed packages), and
the packages or the message. Repositories are directories with rpm-md metadata; what `repomd.xml`
lists and is not there is left out. MODULES is empty for no module streams, else a platform such as
`platform:el9`, and after commas the streams to enable.
"""

import os
import re
import sys

import dnf
import dnf.exceptions
import dnf.module.module_base

root, recommends, best = sys.argv[1], sys.argv[2] == "1", sys.argv[3] == "1"
platform, *enabled = sys.argv[4].split(",")
listed_kinds = ("primary", "filelists") + (("modules",) if platform else ())
base = dnf.Base()
conf = base.conf
conf.installroot = root
conf.cachedir = root + "/cache"
conf.persistdir = root + "/persist"
conf.logdir = root
conf.install_weak_deps = recommends
conf.best = best
conf.gpgcheck = False
conf.plugins = False
conf.releasever = "1"
if platform:
    conf.module_platform_id = platform
conf.substitutions["arch"] = conf.substitutions["basearch"] = "x86_64"
for number, directory in enumerate(sys.argv[5:]):
    # A directory of links beside the root, with a list of what is there.
    copy = "%s/repository-%d" % (root, number)
    os.makedirs(copy + "/repodata")
    with open(directory + "/repodata/repomd.xml") as listed:
        text = listed.read()

    def kept(data):
        path = re.search('<location href="([^"]*)"', data.group(0)).group(1)
        if data.group(1) not in listed_kinds:
            return ""
        if not os.path.exists(directory + "/" + path):
            return ""
        os.symlink(os.path.abspath(directory + "/" + path), copy + "/" + path)
        return data.group(0)

    with open(copy + "/repodata/repomd.xml", "w") as listing:
        listing.write(re.sub('(?s)<data type="([^"]*)">.*?</data>', kept, text))
    base.repos.add_new_repo("repository-%d" % number, conf, baseurl=["file://" + copy])
base.fill_sack(load_system_repo=True)
if enabled:
    dnf.module.module_base.ModuleBase(base).enable(enabled)
for line in sys.stdin:
    name = line.strip()
    base.reset(goal=True)
    try:
        base.install(name, strict=True)
        base.resolve()
        items = [(item.action_name, str(item.pkg)) for item in base.transaction or []]
        answer = sorted(package for _, package in items)
        kind = "ok" if all(action == "Install" for action, _ in items) else "base"
        print(name, kind, " ".join(answer), sep="\t")
    except (dnf.exceptions.MarkingError, dnf.exceptions.DepsolveError) as error:
        print(name, "fail", " | ".join(str(error).split("\n")), sep="\t")
