//! What findings mean at length: why each matters, and what to do about it. A finding's `about`
//! says what was found; `explain` prints all three.

/// An explanation of one kind of finding.
pub struct Explanation {
    /// The finding's name.
    pub id: &'static str,
    /// Why it matters to whoever uses the image.
    pub why: &'static str,
    /// What to do about it.
    pub repair: &'static str,
}

const fn of(id: &'static str, why: &'static str, repair: &'static str) -> Explanation {
    Explanation { id, why, repair }
}

/// One for each kind of finding, in the order of [`FINDINGS`](super::FINDINGS).
pub const EXPLANATIONS: &[Explanation] = &[
    of(
        "file-conflict",
        "An image has one file at a path. rpm would refuse to install these two packages together, \
         and so neither package can rely on the file being its own.",
        "Take one of the two packages out. If the difference does not matter, --allow \
         file-conflict keeps the file of the package that comes first.",
    ),
    of(
        "below-link",
        "One package has a link or a file where another has a directory with files in it. Written \
         through the link, the files would end up in a place that neither package means, perhaps \
         outside the image.",
        "Take one of the two packages out, or build two images.",
    ),
    of(
        "empty-image",
        "systemd-sysext merges /usr and /opt and nothing else. Of these packages nothing is there, \
         or rules left all of it out, so that a merge would change nothing.",
        "Look at what was left out with --verbose. Files that belong in /usr can be brought with \
         --overlay.",
    ),
    of(
        "architecture",
        "The image says for which architecture it is, and systemd ignores it on any other. \
         Programs for another architecture could not be started.",
        "Take packages of one architecture, or name the image's with --arch.",
    ),
    of(
        "unmet-requirement",
        "The package says that it does not work without this. A library that is missing keeps a \
         program from starting; other requirements show only when the program is used.",
        "Add the package that provides it, or let --repo find it. If it is not needed for what \
         the image is for, --allow unmet-requirement builds without.",
    ),
    of(
        "conflict",
        "One package states that it can't be on one system with the other. In a merged system \
         both are there.",
        "Take another version of the package, or another package that does the same.",
    ),
    of(
        "unknown-in-base",
        "The base is known by a list of names only. What a package provides stands in its header, \
         and no repository has that, so what it provides can't be counted on. A library that \
         an image needs may be one of those, so missing libraries stop no build over this base.",
        "Add the repository that the base was made of with --repo.",
    ),
    of(
        "in-base",
        "What the base has need not be in an image. Where the versions differ, the image's files \
         take the place of the base's as long as the image is merged, and every program of the \
         base that uses them gets the other version.",
        "Leave the package out. If another version is what you want, check what else uses it.",
    ),
    of(
        "link-over-directory",
        "In a merge the image's link takes the directory's place, and everything that the base has \
         in the directory is gone. With /usr/lib64 or /usr/lib that leaves a system on which no \
         program starts, not even the one that would undo the merge.",
        "The package was made for systems where that directory is a link. The rules usr-merge and \
         sbin-merge move files for the usual ones; otherwise repackage.",
    ),
    of(
        "directory-mode",
        "In a merge a directory has the mode and owner that the image gives it. One that is more \
         private than the base's locks users out; one that is more open lets them in.",
        "Set the mode in the package or the overlay to the base's. Directories that no package \
         describes get the base's mode by themselves.",
    ),
    of(
        "directory-over-link",
        "In a merge the image's directory takes the link's place, and what the base reaches \
         through the link is gone from there. On a system with merged /usr/sbin, a directory \
         /usr/sbin hides every program that is called by that path.",
        "Build with --base, so that the rules usr-merge and sbin-merge move the files to where the \
         link leads. For other links, repackage.",
    ),
    of(
        "shadows-base",
        "As long as the image is merged, the base's file is not seen. If it is a library, every \
         program of the base gets the image's; an older one lacks what they need, and a security \
         update of the base has no effect until the image is built again.",
        "Leave out the package that brings the file, if the base's will do. If replacing it is the \
         purpose of the image, --allow shadows-base.",
    ),
    of(
        "command-in-base",
        "Two programs of one name are on the merged system, in two directories. Which of them a \
         user gets depends on PATH, and a script that names the path gets the base's.",
        "Nothing, if both do the same. Otherwise leave one out, or call it by its path.",
    ),
    of(
        "library-in-base",
        "Two copies of one library are on the merged system. A program gets the one that its loader \
         finds first, which may be older than what it was built with.",
        "Leave the library out of the image, if the base's will do. Packages of another \
         distribution keep their libraries in directories of other names.",
    ),
    of(
        "dangling-link",
        "Whoever opens the link gets \"No such file or directory\". Links into /etc/alternatives \
         are made by update-alternatives when a package is installed, which never happens here; \
         others lead to a package that is not in the image.",
        "Add the package that has the target, or bring a link of your own with --overlay. A link \
         in documentation does no harm.",
    ),
    of(
        "interpreter-missing",
        "The kernel starts a program through the loader that it names, and a script through its \
         interpreter. Without that, the shell says \"not found\" although the file is there.",
        "Add the package that has it. Programs for another C library or architecture need their \
         own loader.",
    ),
    of(
        "soname-missing",
        "The loader ends a program that it can't find a library for, before its first instruction. \
         After an OS update this is the usual break: the base has moved to the library's next \
         version.",
        "Build the image again for this base, so that packages are chosen that fit it, or add the \
         package that has the library with --repo.",
    ),
    of(
        "library-not-on-search-path",
        "The loader looks in its built-in directories, in those that the program names (RUNPATH), \
         and in ld.so.cache, which a merge does not make anew. A library elsewhere is not found, \
         even if ld.so.conf names its directory.",
        "Bring a link in a directory that is searched with --overlay, or set LD_LIBRARY_PATH in a \
         wrapper.",
    ),
    of(
        "symbol-version-missing",
        "The library is there, in a version that is older than the one the program was built with. \
         The loader refuses to start the program.",
        "Build the image from packages that were made for this base.",
    ),
    of(
        "library-unloadable",
        "The loader takes the first file of the right name. If that is no library of the program's \
         kind, the program ends, though there may be a good one further on.",
        "Find out which package brings the file, and leave it out.",
    ),
    of(
        "needs-its-host",
        "A plugin is loaded by a program that has its libraries loaded already. Alone it could not \
         be loaded, which is no fault unless the program is missing, too.",
        "Nothing, if the program that loads the plugin is in the image or the base.",
    ),
    of(
        "dlopen-missing",
        "A program loads this library when a feature is first used, and says so in its file. \
         Without it the program runs and the feature fails.",
        "Add the package that has the library, if the feature is wanted.",
    ),
    of(
        "script-interpreter-missing",
        "A script that is not in a directory of commands, such as an example or a helper of \
         another program, names an interpreter that is not there.",
        "Add the interpreter's package if the script is meant to be run.",
    ),
    of(
        "elf-unread",
        "The file begins like a program or library and is damaged or of an unknown kind. It may \
         be test data; what it would need is not known.",
        "Nothing, if it is data. Otherwise get the package again.",
    ),
    of(
        "left-out",
        "A rule has left files out that an installation would have brought: what is outside /usr \
         and /opt is never merged, and devices do not work in an image.",
        "Look at the list with --verbose. Files that are needed can be brought to another place \
         with --overlay; --keep switches a rule off.",
    ),
    of(
        "moved",
        "Files are at another path than in the package, where the base has the directory that they \
         belong in. Programs that name the old path get there through the base's link.",
        "Nothing, unless a program is known to look at its own path. --keep switches the rule off.",
    ),
    of(
        "owner",
        "User and group numbers differ from system to system, so that files of another user would \
         belong to a stranger. They are root's now, without set-uid and set-gid.",
        "If a service needs to own them, let it make them at run time, by tmpfiles.d.",
    ),
    of(
        "set-uid",
        "Whoever starts this program gets another user's rights, or special rights of the kernel. \
         An image keeps that, as an installation would.",
        "Make sure that it is wanted. --strict stops a build for it.",
    ),
    of(
        "scriptlet",
        "Installing the package would have run this script, to make users, directories, caches or \
         configuration. In an image nothing runs, so what it would have done is missing.",
        "Look at the script with rpm -qp --scripts. What it does can often be had by sysusers.d, \
         tmpfiles.d or --overlay.",
    ),
    of(
        "overlay-replaces",
        "A file of the prepared tree is in the place of a package's.",
        "Nothing: that is what an overlay is for. Look that each is meant.",
    ),
    of(
        "unsigned-package",
        "Without a signature over all of it, a package may come from anyone, and its programs run \
         as root on every client.",
        "Get the package from a repository that signs, or name the packages that are exempt by \
         --allow unsigned-package.",
    ),
    of(
        "untrusted-key",
        "The package is signed, by someone whose key you have not given.",
        "If the key is one to trust, add it to the keyring.",
    ),
    of(
        "bad-signature",
        "The package was changed after it was signed, or the key had expired, was revoked, or may \
         not sign.",
        "Get the package again from another mirror. Do not use this one.",
    ),
    of(
        "unreadable-key",
        "One of the keys in the keyring is damaged or of an unknown kind. Packages that it signed \
         count as signed by a stranger.",
        "Export the key again, if packages are signed by it.",
    ),
    of(
        "unchecked-repository",
        "Whoever is between you and the server, or owns the server, can put any program into the \
         packages that come from there, and it would run as root on every client.",
        "Give the repository's keys with --keyring, or gpgcheck=1 and gpgkey= in its .repo file.",
    ),
    of(
        "key-file-mode",
        "Whoever reads the secret key can publish images under your name.",
        "chmod 600 the file. If others may have read it, make a new key and tell the clients.",
    ),
    of(
        "any-architecture",
        "All packages are noarch, so the image could be for any architecture, but sysextmgr and \
         systemd-sysupdate want one in its name.",
        "Name it with --arch, and build one image for each architecture that you have clients of.",
    ),
    of(
        "no-version-id",
        "A rolling system without VERSION_ID takes every image of its ID, also those that were \
         made for it a year ago. sysextmgr does not take an image without VERSION_ID.",
        "Nothing for systemd; check images with --base after each update of the system.",
    ),
    of(
        "not-merged",
        "systemd-sysext passes over an image that does not state the host's ID and VERSION_ID (or \
         SYSEXT_LEVEL), or states another architecture or scope. It says \"No suitable extensions \
         found\" at most, and its exit code is 0.",
        "Build the image for this host, or with --match sysext-level or any where that is true. \
         The reasons below the table name the field and the two values.",
    ),
    of(
        "blocks-all",
        "systemd-sysext reads the metadata of all images before it merges any. One that can't be \
         read, or has no extension-release file of its name, ends that, and no other image is \
         merged either.",
        "Take the image away from /etc/extensions and /var/lib/extensions at once. An image of \
         this program has its file under two names, and an attribute that allows any other.",
    ),
    of(
        "pattern-collision",
        "systemd-sysupdate looks for NAME-@v.%a.raw, in which @v can be anything that may be a \
         version. The other extension's images fit, most likely as the newest version, and would \
         be installed as this one.",
        "Serve the two from directories of their own.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::FINDINGS;

    #[test]
    fn every_finding_has_one() {
        let explained: Vec<_> = EXPLANATIONS.iter().map(|one| one.id).collect();
        for kind in FINDINGS {
            assert!(explained.contains(&kind.id), "{} has none", kind.id);
        }
        for id in explained {
            assert!(
                FINDINGS.iter().any(|kind| kind.id == id),
                "{id} is no finding"
            );
        }
        for one in EXPLANATIONS {
            for text in [one.why, one.repair] {
                assert!(text.ends_with('.'), "{}: {text}", one.id);
            }
        }
    }
}
