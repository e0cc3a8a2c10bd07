//! Every kind of finding, each in one place: its name, what it does to a build, what it says, why
//! that matters to those who use the image, and what to do about it.
//!
//! A finding refers to its kind by value, so a mistyped one does not compile. `explain` prints all
//! of an entry, `rules` its first line.

use super::FindingKind;
use super::Severity::{Always, Fatal, Note};

/// Declares the kinds, and the list of all of them in the same order.
macro_rules! kinds {
    ($($name:ident: $severity:ident $id:literal, $about:literal, why $why:literal, repair $repair:literal;)*) => {
        $(
            #[doc = $about]
            pub static $name: FindingKind = FindingKind {
                id: $id,
                severity: $severity,
                about: $about,
                why: $why,
                repair: $repair,
            };
        )*
        /// Every kind, in the order in which `rules` lists them.
        pub static FINDINGS: &[&FindingKind] = &[$(&$name),*];
    };
}

kinds! {
    FILE_CONFLICT: Fatal "file-conflict",
        "two packages own one path with different files, or a directory with different modes or owners",
        why "An image has one file at a path. rpm would refuse to install these two packages together, \
         and so neither package can rely on the file being its own.",
        repair "Take one of the two packages out. If the difference does not matter, --allow \
         file-conflict keeps what the package has that comes first.";

    BELOW_LINK: Always "below-link",
        "a file is below a path that is a link or a file in another place of the image",
        why "One package has a link or a file where another has a directory with files in it. Written \
         through the link, the files would end up in a place that neither package means, perhaps \
         outside the image.",
        repair "Take one of the two packages out, or build two images.";

    EMPTY_IMAGE: Always "empty-image",
        "no file is left for /usr or /opt, so systemd would merge nothing",
        why "systemd-sysext merges /usr and /opt and nothing else. Of these packages nothing is there, \
         or rules left all of it out, so that a merge would change nothing.",
        repair "Look at what was left out with --verbose. Files that belong in /usr can be brought with \
         --overlay.";

    ARCHITECTURE: Fatal "architecture",
        "a package is for another architecture than the image",
        why "The image says for which architecture it is, and systemd ignores it on any other. \
         Programs for another architecture could not be started.",
        repair "Take packages of one architecture, or name the image's with --arch.";

    UNMET_REQUIREMENT: Fatal "unmet-requirement",
        "neither the base nor a package of the image provides what a package requires",
        why "The package says that it does not work without this. A library that is missing keeps a \
         program from starting; other requirements show only when the program is used.",
        repair "Add the package that provides it, or let --repo find it. If it is not needed for what \
         the image is for, --allow unmet-requirement builds without.";

    CONFLICT: Fatal "conflict",
        "two packages of the image, or one of it and one of the base, can't be on one system",
        why "One package states that it can't be on one system with the other, or replaces it; or two \
         versions of one package are to be in the image. In a merged system both are there.",
        repair "Take one of the two out, another version of it, or another package that does the same.";

    UNKNOWN_IN_BASE: Note "unknown-in-base",
        "the base is known by its packages' names, and no repository has one of them",
        why "The base is known by a list of names only. What a package provides stands in its header, \
         and no repository has that, so what it provides can't be counted on. A library that \
         an image needs may be one of those, so missing libraries stop no build over this base.",
        repair "Add the repository that the base was made of with --repo.";

    INTERPRETER_MISSING: Fatal "interpreter-missing",
        "the loader of a program or the interpreter of a command's script is not there",
        why "The kernel starts a program through the loader that it names, and a script through its \
         interpreter. Without that, the shell says \"not found\" although the file is there.",
        repair "Add the package that has it. Programs for another C library or architecture need their \
         own loader.";

    SONAME_MISSING: Fatal "soname-missing",
        "a library that a program or library needs is neither in the image nor in the base",
        why "The loader ends a program that it can't find a library for, before its first instruction. \
         After an OS update this is the usual break: the base has moved to the library's next \
         version.",
        repair "Build the image again for this base, so that packages are chosen that fit it, or add the \
         package that has the library with --repo.";

    LIBRARY_NOT_ON_SEARCH_PATH: Fatal "library-not-on-search-path",
        "a library is there, but not where the loader looks for this program",
        why "The loader looks in its built-in directories, in those that the program names (RUNPATH), \
         and in ld.so.cache, which a merge does not make anew. A library elsewhere is not found, \
         even if ld.so.conf names its directory.",
        repair "Bring a link in a directory that is searched with --overlay, or set LD_LIBRARY_PATH in a \
         wrapper.";

    SYMBOL_VERSION_MISSING: Fatal "symbol-version-missing",
        "the library that the loader finds does not define a version of symbols that is needed",
        why "The library is there, in a version that is older than the one the program was built with. \
         The loader refuses to start the program.",
        repair "Build the image from packages that were made for this base.";

    LIBRARY_UNLOADABLE: Fatal "library-unloadable",
        "the loader finds a file under a library's name that it can't load",
        why "The loader takes the first file of the right name. If that is no library of the program's \
         kind, the program ends, though there may be a good one further on.",
        repair "Find out which package brings the file, and leave it out.";

    NEEDS_ITS_HOST: Note "needs-its-host",
        "a plugin needs a library that only the program that loads it can bring",
        why "A plugin is loaded by a program that has its libraries loaded already. Alone it could not \
         be loaded, which is no fault unless the program is missing, too.",
        repair "Nothing, if the program that loads the plugin is in the image or the base.";

    DLOPEN_MISSING: Note "dlopen-missing",
        "a library that is loaded when it is first used, as a program says of itself, is not there",
        why "A program loads this library when a feature is first used, and says so in its file. \
         Without it the program runs and the feature fails.",
        repair "Add the package that has the library, if the feature is wanted.";

    SCRIPT_INTERPRETER_MISSING: Note "script-interpreter-missing",
        "the interpreter of a script that is no command of its own is not there",
        why "A script that is not in a directory of commands, such as an example or a helper of \
         another program, names an interpreter that is not there.",
        repair "Add the interpreter's package if the script is meant to be run.";

    ELF_UNREAD: Note "elf-unread",
        "an ELF file is not sound, so what it needs is not known",
        why "The file begins like a program or library and is damaged or of an unknown kind. It may \
         be test data; what it would need is not known.",
        repair "Nothing, if it is data. Otherwise get the package again.";

    IN_BASE: Note "in-base",
        "the base has the package already, in this version or another",
        why "What the base has need not be in an image. Where the versions differ, the image's files \
         take the place of the base's as long as the image is merged, and every program of the \
         base that uses them gets the other version.",
        repair "Leave the package out. If another version is what you want, check what else uses it.";

    LINK_OVER_DIRECTORY: Fatal "link-over-directory",
        "a symbolic link stands where the base has a directory: merged, it hides all of it",
        why "In a merge the image's link takes the directory's place, and everything that the base has \
         in the directory is gone. With /usr/lib64 or /usr/lib that leaves a system on which no \
         program starts, not even the one that would undo the merge.",
        repair "The package was made for systems where that directory is a link. The rules usr-merge and \
         sbin-merge move files for the usual ones; otherwise repackage.";

    DIRECTORY_MODE: Note "directory-mode",
        "a directory has another mode or owner than in the base; merged, the image's wins",
        why "In a merge a directory has the mode and owner that the image gives it. One that is more \
         private than the base's locks users out; one that is more open lets them in.",
        repair "Set the mode in the package or the overlay to the base's. Directories that no package \
         describes get the base's mode by themselves.";

    DIRECTORY_OVER_LINK: Fatal "directory-over-link",
        "a directory stands where the base has a link: merged, it hides all behind the link",
        why "In a merge the image's directory takes the link's place, and what the base reaches \
         through the link is gone from there. On a system with merged /usr/sbin, a directory \
         /usr/sbin hides every program that is called by that path.",
        repair "Build with --base, so that the rules usr-merge and sbin-merge move the files to where the \
         link leads. For other links, repackage.";

    SHADOWS_BASE: Fatal "shadows-base",
        "a file or link of the base would be replaced by a different one",
        why "As long as the image is merged, the base's file is not seen. If it is a library, every \
         program of the base gets the image's; an older one lacks what they need, and a security \
         update of the base has no effect until the image is built again.",
        repair "Leave out the package that brings the file, if the base's will do. If replacing it is the \
         purpose of the image, --allow shadows-base.";

    COMMAND_IN_BASE: Note "command-in-base",
        "the base has a program of that name in another directory of programs",
        why "Two programs of one name are on the merged system, in two directories. Which of them a \
         user gets depends on PATH, and a script that names the path gets the base's.",
        repair "Nothing, if both do the same. Otherwise leave one out, or call it by its path.";

    LIBRARY_IN_BASE: Note "library-in-base",
        "the base has a library of that name in another directory of libraries",
        why "Two copies of one library are on the merged system. A program gets the one that its loader \
         finds first, which may be older than what it was built with.",
        repair "Leave the library out of the image, if the base's will do. Packages of another \
         distribution keep their libraries in directories of other names.";

    DANGLING_LINK: Note "dangling-link",
        "a symbolic link leads to nothing, in the image and in the base",
        why "Whoever opens the link gets \"No such file or directory\". Links into /etc/alternatives \
         are made by update-alternatives when a package is installed, which never happens here; \
         others lead to a package that is not in the image.",
        repair "Add the package that has the target, or bring a link of your own with --overlay. A link \
         in documentation does no harm.";

    LEFT_OUT: Note "left-out",
        "a rule left files out that the packages' programs may miss",
        why "A rule has left files out that an installation would have brought: what is outside /usr \
         and /opt is never merged, and devices do not work in an image.",
        repair "Look at the list with --verbose. Files that are needed can be brought to another place \
         with --overlay; --keep switches a rule off.";

    MOVED: Note "moved",
        "a rule moved files",
        why "Files are at another path than in the package, where the base has the directory that they \
         belong in. Programs that name the old path get there through the base's link.",
        repair "Nothing, unless a program is known to look at its own path. --keep switches the rule off.";

    OWNER: Note "owner",
        "files of another user or group were given to root",
        why "User and group numbers differ from system to system, so that files of another user would \
         belong to a stranger. They are root's now, without set-uid and set-gid.",
        repair "If a service needs to own them, let it make them at run time, by tmpfiles.d.";

    SET_UID: Note "set-uid",
        "a program is set-uid or set-gid, or has file capabilities: it keeps them",
        why "Whoever starts this program gets another user's rights, or special rights of the kernel. \
         An image keeps that, as an installation would.",
        repair "Make sure that it is wanted. --strict stops a build for it.";

    SCRIPTLET: Note "scriptlet",
        "a package has scriptlets that an installation would have run; none ever is",
        why "Installing the package would have run this script, to make users, directories, caches or \
         configuration. In an image nothing runs, so what it would have done is missing.",
        repair "Look at the script with rpm -qp --scripts. What it does can often be had by sysusers.d, \
         tmpfiles.d or --overlay.";

    OVERLAY_REPLACES: Note "overlay-replaces",
        "the overlay replaces a package's file",
        why "A file of the prepared tree is in the place of a package's.",
        repair "Nothing: that is what an overlay is for. Look that each is meant.";

    OVERLAY_ATTRIBUTE: Note "overlay-attribute",
        "extended attributes of the overlay, such as access control lists, are not in the image",
        why "An image keeps what users put on files (user.*) and file capabilities. Access control \
         lists, attributes of overlayfs and those of other security modules are of the machine that \
         has the overlay, or can't be stored.",
        repair "Nothing, if the file needs none. Otherwise express it by mode and owner, or set it at run \
         time by tmpfiles.d.";

    UNSIGNED_PACKAGE: Fatal "unsigned-package",
        "signatures are asked for, and a package has none that covers all of it",
        why "Without a signature over all of it, a package may come from anyone, and its programs run \
         as root on every client.",
        repair "Get the package from a repository that signs, or name the packages that are exempt by \
         --allow unsigned-package.";

    NO_HEADER_DIGEST: Fatal "no-header-digest",
        "no digest covers the header of a package, nor does a signature that was checked",
        why "The header says which mode, owner and capabilities each file has. Where nothing covers \
         it, one flipped bit makes a program set-uid, and nobody sees it. rpm and dnf refuse such a \
         package, too.",
        repair "Get the package again, or build it again: every rpmbuild of the last 20 years writes a \
         digest. Name the keys that it is signed with by --keyring, if it is signed.";

    UNTRUSTED_KEY: Fatal "untrusted-key",
        "signatures are asked for, and a package is signed by a key that was not given",
        why "The package is signed, by someone whose key you have not given.",
        repair "If the key is one to trust, add it to the keyring.";

    BAD_SIGNATURE: Fatal "bad-signature",
        "a package is not what was signed, or its signature or key does not count",
        why "The package was changed after it was signed, or the key had expired, was revoked, or may \
         not sign.",
        repair "Get the package again from another mirror. Do not use this one.";

    UNCHECKED_REPOSITORY: Note "unchecked-repository",
        "packages come from a network, and no signature of them or of their list is checked",
        why "Whoever is between you and the server, or owns the server, can put any program into the \
         packages that come from there, and it would run as root on every client.",
        repair "Give the repository's keys with --keyring, or gpgcheck=1 and gpgkey= in its .repo file.";

    UNREADABLE_KEY: Note "unreadable-key",
        "a key of a keyring was passed over, since it can't be read",
        why "One of the keys in the keyring is damaged or of an unknown kind. Packages that it signed \
         count as signed by a stranger.",
        repair "Export the key again, if packages are signed by it.";

    KEY_FILE_MODE: Note "key-file-mode",
        "the file of the secret key that signs can be read by others",
        why "Whoever reads the secret key can publish images under your name.",
        repair "chmod 600 the file. If others may have read it, make a new key and tell the clients.";

    FIRST_SIGNATURE: Note "first-signature",
        "a store that was not signed has lines already, and they are signed with the new one",
        why "Clients take what the key signs. Whoever could write to the store so far may have put \
         there what you did not build; and a store that was signed and has lost both its signature \
         and its published key looks the same.",
        repair "If the store was signed before, find out who removed its signature. Otherwise nothing \
         has to be done: it is said once.";

    ANY_ARCHITECTURE: Note "any-architecture",
        "no package is for an architecture, so the image is for this machine's",
        why "All packages are noarch, so the image could be for any architecture, but sysextmgr and \
         systemd-sysupdate want one in its name.",
        repair "Name it with --arch, and build one image for each architecture that you have clients of.";

    NOT_MERGED: Fatal "not-merged",
        "a client passes over the image on this host; other images are not affected",
        why "systemd-sysext passes over an image that does not state the host's ID and VERSION_ID (or \
         SYSEXT_LEVEL), or states another architecture or scope. It says \"No suitable extensions \
         found\" at most, and its exit code is 0.",
        repair "Build the image for this host, or with --match sysext-level or any where that is true. \
         The reasons below the table name the field and the two values.";

    BLOCKS_ALL: Fatal "blocks-all",
        "a client refuses the image on this host, and merges nothing as long as it is there",
        why "systemd-sysext reads the metadata of all images before it merges any. One that can't be \
         read, or has no extension-release file of its name, ends that, and no other image is \
         merged either.",
        repair "Take the image away from /etc/extensions and /var/lib/extensions at once. An image of \
         this program has its file under two names, and an attribute that allows any other.";

    PATTERN_COLLISION: Fatal "pattern-collision",
        "systemd-sysupdate would take another extension's image for this one's",
        why "systemd-sysupdate looks for NAME-@v.%a.raw, in which @v can be anything that may be a \
         version. The other extension's images fit, most likely as the newest version, and would \
         be installed as this one.",
        repair "Serve the two from directories of their own.";

    NO_VERSION_ID: Note "no-version-id",
        "the base has no VERSION_ID: systemd accepts the image, sysextmgr does not",
        why "A rolling system without VERSION_ID takes every image of its ID, also those that were \
         made for it a year ago. sysextmgr does not take an image without VERSION_ID.",
        repair "Nothing for systemd; check images with --base after each update of the system.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_in_sentences_and_once() {
        for (index, kind) in FINDINGS.iter().enumerate() {
            for text in [kind.why, kind.repair] {
                assert!(text.ends_with('.'), "{}: {text}", kind.id);
            }
            assert!(!kind.about.ends_with('.'), "{}", kind.id);
            let twin = FINDINGS.iter().skip(index + 1);
            assert!(
                twin.into_iter().all(|other| other.id != kind.id),
                "{}",
                kind.id
            );
        }
    }
}
