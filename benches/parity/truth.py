"""Asks libsolv whether the lines of explanations are true.

truth.py REPOSITORY...

Reads `NAME<tab>LINE` on standard input, what was said of the name that was asked for, and prints each
line that is not true. Prints how many of each kind there were at the end. Repositories are
directories with rpm-md metadata; the base is empty. Needs python3-solv.
"""

import collections
import re
import sys

import solv

pool = solv.Pool()
# What Debian builds has its own rules for versions unless it is told.
pool.setdisttype(solv.Pool.DISTTYPE_RPM)
pool.setarch("x86_64")
for number, directory in enumerate(sys.argv[1:]):
    repo = pool.add_repo("repository-%d" % number)
    with open(directory + "/repodata/repomd.xml") as listed:
        text = listed.read()
    for kind, flags in (("primary", 0), ("filelists", solv.Repo.REPO_EXTEND_SOLVABLES)):
        data = re.search('(?s)<data type="%s">.*?</data>' % kind, text)
        path = data and re.search('<location href="([^"]*)"', data.group(0)).group(1)
        file = path and solv.xfopen(directory + "/" + path)
        if file:
            repo.add_rpmmd(file, None if kind == "primary" else "FL", flags)
pool.addfileprovides()
pool.createwhatprovides()

by_nevra = collections.defaultdict(list)
for solvable in pool.solvables:
    name, evr, arch = solvable.name, solvable.evr, solvable.arch
    by_nevra["%s-%s.%s" % (name, evr, arch)].append(solvable)


def dependency(text):
    if text.startswith("("):
        return pool.parserpmrichdep(text)
    name, _, rest = text.partition(" ")
    if not rest:
        return pool.Dep(name)
    comparison, _, evr = rest.partition(" ")
    flags = 0
    for sign, flag in (("<", solv.REL_LT), (">", solv.REL_GT), ("=", solv.REL_EQ)):
        flags |= flag if sign in comparison else 0
    return pool.Dep(name).Rel(flags, pool.Dep(evr))


def providers(text):
    return [one for one in pool.whatprovides(dependency(text)) if not one.isinstalled()]


installable = {}


def can_be_installed(solvable):
    if solvable.id not in installable:
        solver = pool.Solver()
        solver.set_flag(solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 1)
        job = pool.Job(solv.Job.SOLVER_INSTALL | solv.Job.SOLVER_SOLVABLE, solvable.id)
        installable[solvable.id] = solvable.installable() and not solver.solve([job])
    return installable[solvable.id]


def lists(nevra, key, text):
    def is_listed(one):
        found = one.lookup_deparray(key)
        if key == solv.SOLVABLE_REQUIRES:
            found = found + one.lookup_deparray(key, solv.SOLVABLE_PREREQMARKER)
        wanted = dependency(text)
        return any(dep == wanted for dep in found)

    return any(is_listed(one) for one in by_nevra[nevra])


def is_provider(nevra, text):
    return any("%s-%s.%s" % (one.name, one.evr, one.arch) == nevra for one in providers(text))


def nothing_provides(found):
    return not providers(found["dep"]) and lists(found["by"], solv.SOLVABLE_REQUIRES, found["dep"])


def nothing_requested(found):
    return not providers(found["dep"])


def not_installable(found):
    if not lists(found["by"], solv.SOLVABLE_REQUIRES, found["dep"]):
        return False
    return not any(can_be_installed(one) for one in providers(found["dep"]))


def requires(found):
    named = re.sub(" or [0-9]+ more$", "", found["named"]).split(" or ")
    is_said = lists(found["by"], solv.SOLVABLE_REQUIRES, found["dep"])
    return is_said and all(is_provider(one, found["dep"]) for one in named)


def conflicts(found):
    is_said = lists(found["by"], solv.SOLVABLE_CONFLICTS, found["dep"])
    return is_said and is_provider(found["other"], found["dep"])


def obsoletes(found):
    return lists(found["by"], solv.SOLVABLE_OBSOLETES, found["dep"])


def both(found):
    solver = pool.Solver()
    jobs = []
    for nevra in (found["by"], found["other"]):
        ids = [one.id for one in by_nevra[nevra]]
        what = pool.towhatprovides(ids)
        jobs.append(pool.Job(solv.Job.SOLVER_INSTALL | solv.Job.SOLVER_SOLVABLE_ONE_OF, what))
    return bool(solver.solve(jobs))


def architecture(found):
    return not any(one.installable() for one in by_nevra[found["by"]])


KINDS = [
    (r"nothing provides requested (?P<dep>.*)", nothing_requested),
    (r"nothing provides (?P<dep>.*) needed by (?P<by>\S+)", nothing_provides),
    (r"package (?P<by>\S+) requires (?P<dep>.*), but none of the providers can be installed", not_installable),
    (r"package (?P<by>\S+) requires (?P<dep>.*), provided by (?P<named>.*)", requires),
    (r"package (?P<by>\S+) conflicts with (?P<dep>.*) provided by (?P<other>\S+)", conflicts),
    (r"package (?P<by>\S+) obsoletes (?P<dep>.*) provided by (?P<other>\S+)", obsoletes),
    (r"cannot install both (?P<by>\S+) and (?P<other>\S+)", both),
    (r"package (?P<by>\S+) does not have a compatible architecture", architecture),
    (r"[0-9]+ other candidates? can't be installed either", lambda found: True),
]
counts = collections.Counter()
for line in sys.stdin:
    name, _, said = line.rstrip("\n").partition("\t")
    for number, (pattern, is_true) in enumerate(KINDS):
        found = re.fullmatch(pattern, said)
        if found:
            word = "true" if is_true(found) else "false"
            counts[word, pattern.replace("(?P", "(").split("(<")[0] + "..." + str(number)] += 1
            break
    else:
        word = "unknown"
        counts[word, said] += 1
    if word != "true":
        print("%s: %s: %s" % (word, name, said))
for (word, pattern), count in sorted(counts.items()):
    print("  %4d  %s  %s" % (count, word, pattern))
