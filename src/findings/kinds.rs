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
        "two packages own the same path with different files; if allowed, the first package wins",
        why "An image can have only one file at a path. rpm would refuse to install these two \
         packages together, so neither package can count on finding its own file there.",
        repair "Remove one of the two packages. If the difference does not matter, --allow \
         file-conflict keeps the file of the package that comes first.";

    BELOW_LINK: Always "below-link",
        "the path of a file leads through a link or another file of the image",
        why "One package has a symbolic link or a file where another has a directory. Writing \
         through the link would put files where neither package meant them to be, perhaps \
         outside the image.",
        repair "Remove one of the two packages, or build two images.";

    EMPTY_IMAGE: Always "empty-image",
        "no file is left in /usr or /opt, so systemd would merge nothing",
        why "systemd-sysext merges only /usr and /opt. These packages have nothing there, or \
         rules left all of it out.",
        repair "See what was left out with --verbose. Files that belong in /usr can be added \
         with --overlay.";

    ARCHITECTURE: Fatal "architecture",
        "a package or the base is for a different architecture than the image",
        why "The image states its architecture, and systemd ignores it on any other. Programs \
         for another architecture would not start.",
        repair "Use packages that are built for the base, or describe the base that they are for with \
                --base. Where no base is known, --arch sets the image's architecture.";

    SCRIPTLET_REQUIREMENT: Note "scriptlet-requirement",
        "only scriptlets of a package require something that neither the base nor the image provides",
        why "The header says that a requirement is for %pre, %post or another scriptlet. No scriptlet is run, \
             on no host, so nothing is missing.",
        repair "Nothing to do. What the scriptlet would have done is data, or named by another finding.";

    UNMET_REQUIREMENT: Fatal "unmet-requirement",
        "a package requires something that neither the base nor the image provides",
        why "The package declares that it does not work without this. A missing library keeps a \
         program from starting; other missing requirements show only when the program is used.",
        repair "Add the package that provides it, or let --repo find it. If the image does not \
         need it for its purpose, --allow unmet-requirement builds without it.";

    CONFLICT: Fatal "conflict",
        "a package of the image conflicts with a package of the base",
        why "One of the two packages declares that it can't be installed together with the \
         other. A merged system has both.",
        repair "Use another version of the package, or another package that does the same.";

    UNKNOWN_IN_BASE: Note "unknown-in-base",
        "only the names of the base's packages are known, and no repository has some of them",
        why "A list of names does not say what the packages provide, and no repository has these \
         packages. A library that the image needs may be in one of them, so missing libraries do \
         not stop a build for this base.",
        repair "Add the repository that the base was built from with --repo. To go on with what the \
                next build of each package provides: --assume-next-build.";

    ASSUMED_IN_BASE: Note "assumed-in-base",
        "what packages of the base provide was assumed from other builds of them",
        why "The base's list names builds that no repository has any more, and --assume-next-build \
             takes what the next build of the same name provides in their place. The two may differ: \
             a library that only the newer one has is missing on the base.",
        repair "Describe the base with its RPM database or root directory, or add the repository that \
                it was built from. With --strict it stops the build.";

    UNCHECKED_BASE: Note "unchecked-base",
        "not all that the image needs was looked up, because too little is known of the base",
        why "If a library or program that the image needs is not there, it does not run, and nothing \
             says so before. It is fatal for an image that states ID=_any, which claims that every \
             system has what it needs.",
        repair "Describe the base with --base: its root directory, its RPM database, or a list of its \
                packages together with --repo. If you know that all is there, use --allow \
                unchecked-base.";

    INTERPRETER_MISSING: Fatal "interpreter-missing",
        "the loader of a program or the interpreter of a command script is missing",
        why "The kernel starts a program through the loader that it names, and a script through \
         its interpreter. If that is missing, the shell says \"not found\" although the file is \
         there.",
        repair "Add the package that contains it. Programs for another C library or architecture \
         need their own loader.";

    TEST_FAILED: Fatal "test-failed",
        "a test of the recipe does not hold on the base with the image merged",
        why "The recipe says that it has to hold, so the image is not what it is meant to be.",
        repair "Run the command by hand: sysext-build try IMAGE --base ROOT. An image that was built without \
         --test is there to be looked at.";

    SONAME_MISSING: Fatal "soname-missing",
        "a library that a program or library needs is in neither the image nor the base",
        why "A program does not start if the loader can't find one of its libraries. This is \
         what usually breaks after an OS update: the base has moved to the library's next \
         version.",
        repair "Rebuild the image for this base, so that packages that fit it are chosen, or add \
         the package that contains the library with --repo.";

    LIBRARY_NOT_ON_SEARCH_PATH: Fatal "library-not-on-search-path",
        "a library exists, but not where the loader looks for it",
        why "The loader looks in its built-in directories, in those that the program names \
         (RUNPATH), and in ld.so.cache, which a merge does not rebuild. A library anywhere else \
         is not found, even if ld.so.conf names its directory.",
        repair "Use --overlay to add a link in a directory that is searched, or set \
         LD_LIBRARY_PATH in a wrapper script.";

    SYMBOL_VERSION_MISSING: Fatal "symbol-version-missing",
        "the library that the loader finds lacks a symbol version that is needed",
        why "The library is there, but older than the one that the program was built with. The \
         loader refuses to start the program.",
        repair "Build the image from packages that were made for this base.";

    LIBRARY_UNLOADABLE: Fatal "library-unloadable",
        "the loader finds a file with the library's name, but can't load it",
        why "The loader takes the first file with the right name. If it is not a library of the \
         program's kind, the program does not start, even if a good one comes later in the \
         search path.",
        repair "Find out which package contains the file, and leave it out.";

    NEEDS_ITS_HOST: Note "needs-its-host",
        "a plugin needs a library that only the program that loads it can provide",
        why "A plugin is loaded by a program that has its own libraries loaded already. The \
         plugin could not be loaded alone, which matters only if that program is missing, too.",
        repair "Nothing to do if the program that loads the plugin is in the image or the base.";

    DLOPEN_MISSING: Note "dlopen-missing",
        "a library that a program says it loads on first use is missing",
        why "The program loads this library when a feature is first used, and says so in its \
         file. Without the library, the program runs, but the feature fails.",
        repair "Add the package that contains the library if you need the feature.";

    SCRIPT_INTERPRETER_MISSING: Note "script-interpreter-missing",
        "the interpreter of a script outside the command directories is missing",
        why "The script is not a command of its own but, for example, sample code or part of \
         another program. It names an interpreter that is missing.",
        repair "Add the interpreter's package if the script is meant to be run.";

    ELF_UNREAD: Note "elf-unread",
        "an ELF file can't be read, so what it needs is not known",
        why "The file begins like a program or library, but is damaged or of an unknown kind. It \
         may be test data.",
        repair "Nothing to do if it is data. If not, get the package again.";

    IN_BASE: Note "in-base",
        "the base already has the package, in this or another version",
        why "An image need not contain what the base already has. If the versions differ, the \
         image's files replace the base's while the image is merged, and every program of the \
         base that uses them gets the other version.",
        repair "Leave the package out. If you want the other version, check what else uses it.";

    REPLACED: Note "replaced",
        "a package that was asked for is obsolete, and another one is taken in its place",
        why "The other package says that it obsoletes the one that was named. dnf and zypper take it \
         too, but it may be another program, with other commands.",
        repair "Ask for the package that takes its place. If you want the old one, name its version: \
         NAME-VERSION.";

    LINK_OVER_DIRECTORY: Fatal "link-over-directory",
        "a symbolic link replaces a directory of the base; once merged, it hides everything in \
         it",
        why "In a merge the image's link takes the directory's place, and everything that the \
         base has in the directory is gone. If that is /usr/lib64 or /usr/lib, no program starts \
         any more, not even the one that would undo the merge.",
        repair "The package was made for systems where that directory is a link. The rules \
         usr-merge and sbin-merge move files for the usual ones; for others, repackage.";

    DIRECTORY_MODE: Note "directory-mode",
        "a directory's mode or owner differs from the base's or another image's, and nobody loses \
         or gains by it",
        why "In a merge a directory has the mode and owner that the uppermost image gives it. Here \
         nobody is kept out who was let in, and nobody may write who could not.",
        repair "Nothing to do. Directories that no package describes get the base's mode \
         automatically.";

    DIRECTORY_ACCESS: Fatal "directory-access",
        "a directory's mode or owner locks out users whom the base or another image lets in, or \
         lets them write where they may not",
        why "In a merge a directory has the mode and owner that the uppermost image gives it. With \
         a /usr/bin of mode 0700, only root can run anything; in one that others may write, they \
         can replace programs.",
        repair "Set mode and owner in the package or the overlay to the base's. Directories that \
         no package describes get the base's mode automatically.";

    OVERLAYFS_ATTRIBUTE: Fatal "overlayfs-attribute",
        "a file or directory has an attribute by which overlayfs hides or redirects what is below it",
        why "A merge is an overlayfs, and the image is a layer of it. A directory with \
         trusted.overlay.opaque hides everything that the base has in it, such as all commands; \
         other attributes make other files appear. They stay behind where the upper layer of an \
         overlay mount was copied.",
        repair "Copy the files from the mounted overlay instead of its upper layer, or remove the \
         attributes with setfattr -x.";

    READ_ONLY: Note "read-only",
        "/opt is a link of the base, and what it leads to is read-only while the image is merged",
        why "systemd follows the link and merges over the directory that it leads to. That is often \
         below /var, where programs expect to write; while an image with files in /opt is merged, \
         they can't.",
        repair "Nothing to do if nothing else is installed there at run time. If something is, build with \
         --opt usr, which moves the image's files to /usr/lib/opt.";

    NAMES_MOVED: Note "names-moved",
        "a file names a directory of /opt that is in /usr/lib/opt in the image",
        why "--opt usr moves /opt to /usr/lib/opt, and writes the new path into links, units, launchers and \
             scripts of shells. In programs, and in texts that may mean something else, the old path is \
             still there, and nothing is at it.",
        repair "See whether the program finds its files by where it is itself, as most do: sysext-build try. \
                What a library path or a setting names can be given with --overlay, or in a drop-in with \
                Environment=.";

    NO_KERNEL: Fatal "no-kernel",
        "kernel modules are for a kernel that the base does not have",
        why "A kernel loads modules from the directory of its own release alone. Modules for another \
         one are never found, and would not fit.",
        repair "Use the package that was built for the base's kernel, or build for a base that has \
         this one.";

    VERMAGIC: Fatal "vermagic",
        "a kernel module is in the directory of one kernel, and was built for another",
        why "A module says for which kernel it was built (vermagic). Unless both were made with \
             versions of symbols, a kernel refuses the modules of another one.",
        repair "Get the package that was built for the kernel. modinfo FILE shows what a module says.";

    WEAK_MODULES: Note "weak-modules",
        "kernel modules were built for another kernel, and fit by the checksums of symbols alone",
        why "A kernel with versions of symbols takes a module of another release if all symbols that \
             it uses have the same checksums. It still looks in the directory of its own release \
             alone: weak-modules makes links there when a package is installed, and no scriptlet is \
             run.",
        repair "Add the links with --overlay, in usr/lib/modules/RELEASE/weak-updates, and run depmod \
                after each merge; or use the package that was built for the base's kernel.";

    UNLABELLED: Note "unlabelled",
        "the base enforces SELinux, and the image's files have no labels",
        why "systemd labels nothing when it merges an image. A file without a label has the type \
             unlabeled_t, which most services may neither read nor execute.",
        repair "Leave --selinux auto, which is the default, with a base whose /etc/selinux has the file \
                contexts of its policy, or name them: --selinux FILE_CONTEXTS.";

    NEEDS_DEPMOD: Note "needs-depmod",
        "kernel modules are found only after depmod has run",
        why "modprobe finds modules through modules.dep, an index of all modules of a kernel. An \
         image can't bring it: its copy would hide the base's, and with it the base's modules.",
        repair "Make the index on the host after each merge with depmod, or load the module by its \
         path with insmod.";

    IMAGE_CONFLICT: Fatal "image-conflict",
        "two images that are merged together have different files at one path",
        why "systemd merges images in the order of their names, compared as versions, and the last \
         one wins. Programs of the other image get its files, too, and may not work with them.",
        repair "Build one image of both, take the file out of one of them, or put it in a \
         directory of its own. If either file will do, use --allow image-conflict. With --each, \
         each image is judged alone.";

    CACHE_HIDDEN: Fatal "cache-hidden",
        "an index that a program makes of many files hides that of the base or of another image",
        why "Files such as modules.dep, gschemas.compiled and mime.cache list what there was when \
         they were made. Only the uppermost is seen, and what the other lists is not found: with an \
         image's modules.dep, no module of the base.",
        repair "Leave the index out of the image and make it on the host after each merge, with \
         depmod or the program that the message names; of two images, one may be built of both.";

    LOADS_ANOTHER: Note "loads-another",
        "a program gets a library from elsewhere than without the other images",
        why "The loader takes the first library of the right name. With these images, that is \
         another file than the one that the program got before: it has all versions that the \
         program asks for, but may be older or behave otherwise.",
        repair "Make sure that the library fits. If not, put the image's copy in a directory of its \
         own and let RUNPATH lead there. --allow loads-another accepts it.";

    LIBRARY_TWICE: Note "library-twice",
        "two images bring different libraries of one name in different directories",
        why "Each program loads the one that its loader finds first, and a process that needs both \
         gets only one of them.",
        repair "See which one each program gets. If a wrong one is among them, build one image of \
         both, or keep the library out of directories that every program searches.";

    BASE_BREAKS: Fatal "base-breaks",
        "a program of the base no longer starts once the images are merged",
        why "The loader finds a library of an image that cannot take the place of the base's. What \
         breaks may be the shell, or the program that would undo the merge.",
        repair "Leave the library out of the image, or put it in a directory of its own that only \
         the image's programs search.";

    TOO_MANY_IMAGES: Fatal "too-many-images",
        "so many images, with names so long, can't be merged by one mount",
        why "systemd hands the paths of all images to Linux in one line of at most 4095 bytes. If \
         it is longer, the mount fails, and no image is merged at all.",
        repair "Build fewer images, or give them shorter names.";

    DIRECTORY_OVER_LINK: Fatal "directory-over-link",
        "a directory replaces a link of the base; once merged, it hides everything behind the \
         link",
        why "In a merge the image's directory takes the link's place, and what the base reaches \
         through the link is no longer there. On a system with merged /usr/sbin, a directory \
         /usr/sbin hides every program that is called by that path.",
        repair "Build with --base, so that the rules usr-merge and sbin-merge move the files to \
         where the link leads. For other links, repackage.";

    SHADOWS_BASE: Fatal "shadows-base",
        "a file or link of the base would be replaced by a different one",
        why "While the image is merged, the base's file is hidden. If it is a library, every \
         program of the base uses the image's copy: an older one may lack what they need, and a \
         security update of the base has no effect until the image is rebuilt.",
        repair "Leave out the package that contains the file if the base's will do. If replacing \
         it is the purpose of the image, use --allow shadows-base.";

    COMMAND_IN_BASE: Note "command-in-base",
        "the base has a program of the same name in another command directory",
        why "The merged system has two programs of the same name, in two directories. Which of \
         them a user gets depends on PATH, and a script that uses the full path gets the base's.",
        repair "Nothing to do if both do the same. If not, leave one out, or call it by its full \
         path.";

    LIBRARY_IN_BASE: Note "library-in-base",
        "the base has a library of the same name in another library directory",
        why "The merged system has two copies of the library. A program gets the one that its \
         loader finds first, which may be older than the one that it was built with.",
        repair "Leave the library out of the image if the base's will do. Packages of other \
         distributions may keep libraries in other directories.";

    DANGLING_LINK: Note "dangling-link",
        "a symbolic link points to nothing in the image or the base",
        why "Opening the link fails with \"No such file or directory\". Links into \
         /etc/alternatives are made by update-alternatives when a package is installed, which \
         never happens here; others point into a package that is not in the image.",
        repair "Add the package that contains the target, or your own link with --overlay. A \
         dangling link in documentation does no harm.";

    LEFT_OUT: Note "left-out",
        "a rule left files out that the packages' programs may need",
        why "A rule has left out files that an installation would have brought: files outside \
         /usr and /opt are never merged, and devices do not work in an image.",
        repair "See the list with --verbose. Files that are needed can be put in another place \
         with --overlay; --keep switches a rule off.";

    OTHER_VERSION_ID: Note "other-version-id",
        "the directory has images for another version of the OS, whose clients are offered this one",
        why "systemd-sysupdate takes the newest image of a directory, whatever it is for. On another \
         VERSION_ID systemd ignores it, so a client there loses the extension with the update.",
        repair "Give each version of the OS a directory, and put %w into the address that store \
         sysupdate writes; or build with --match sysext-level or any, if the image fits both.";

    LIBRARY_DIRECTORY: Note "library-directory",
        "a library is where the loader finds it only by an ld.so.cache that has the directory",
        why "An installation runs ldconfig, which writes the directories of ld.so.conf.d into \
         ld.so.cache. Nothing is run for an image, and a cache of its own would hide the base's.",
        repair "Run ldconfig on the host after the merge, with the directory in its own \
         ld.so.conf.d; or start the program with LD_LIBRARY_PATH. With --base DIRECTORY it is \
         looked up whether the base has it.";

    GHOST_COMMAND: Note "ghost-command",
        "a command of a package is made when the package is installed, so it is not in the image",
        why "The package owns the path but does not contain the file (%ghost). A scriptlet makes \
         it, most often as a link by update-alternatives, and no scriptlet is run for an image.",
        repair "Call the program by the name that is in the image, or add the link with --overlay.";

    LINK_INTO_LEFT_OUT: Fatal "link-into-left-out",
        "a unit, a command or a launcher needs a file that was left out, so it can't start",
        why "systemd does not start a service whose EnvironmentFile=, program or directory is \
         missing, or for which a condition does not hold. A command that is a link, a desktop \
         entry and a D-Bus service need the program that they lead to. A rule or --etc left it out.",
        repair "Have the file in the image: leave out --etc drop or name its path with --etc \
         PATH=factory, or put what does without it into the image with --overlay. If the host has \
         the file, or nobody starts the program: --allow link-into-left-out.";

    REFERS_TO_LEFT_OUT: Note "refers-to-left-out",
        "a link or a script refers to a file that was left out",
        why "The link leads to nothing, or the script has no interpreter. What is behind it may be \
         made by a scriptlet, as links into /etc/alternatives are, and no scriptlet is run for an \
         image.",
        repair "Add the file, or a link of your own, with --overlay. Nothing to do if the host has it.";

    PROGRAM_MISSING: Note "program-missing",
        "a unit starts a program that is in neither the image nor the base, or is not executable",
        why "systemd does not start a service whose program is missing. It is a note, since another \
             image may bring the program, or a drop-in of the host name another one.",
        repair "Add the package that has the program, or a unit of your own with --overlay. If nobody \
                starts the unit on this base: --allow program-missing.";

    NOT_EXECUTABLE: Fatal "not-executable",
        "a program in a directory of commands can be executed by nobody",
        why "The file has no bit that lets anybody execute it, not even root. A shell that is to start \
             it says that permission is denied.",
        repair "Set the mode in the package, or add the file with the right mode with --overlay.";

    PATH_MISSING: Note "path-missing",
        "a unit that the image starts needs a file that is in neither the image nor the base",
        why "systemd does not start a service whose EnvironmentFile= is missing, unless a hyphen precedes the \
             path.",
        repair "Have the file in the image, with --overlay and --etc PATH=factory for what is in /etc; or make it \
                on the host, and allow it: --allow path-missing.";

    SETTINGS_MODE: Note "settings-mode",
        "a unit or another setting of systemd may not be read by everybody",
        why "systemd tells everybody what is in it, so that the mode hides nothing, but programs that look \
             for the file itself fail for users.",
        repair "Nothing to do for the system's own services. --overlay can bring the file with mode 0644.";

    ACCOUNT_MISSING: Note "account-missing",
        "a unit runs as a user or group that nobody makes, so it can't start",
        why "Neither a sysusers.d snippet of the image nor the base has the account. systemd does not \
             start a service whose user is not there.",
        repair "Add a sysusers.d snippet that makes the account with --overlay, and run \
         systemd-sysusers on the host after the merge; or make the account on the host.";

    ACCOUNTS_MADE: Note "accounts-made",
        "the image has a sysusers.d snippet with the accounts that scriptlets would have made",
        why "Installing the packages would have made these users and groups. No scriptlet is run for an \
             image, so what useradd, groupadd and usermod were to do is written down for \
             systemd-sysusers. The image's own unit runs that after a merge, before its services.",
        repair "Nothing to do. With --no-merge-unit: run systemd-sysusers on the host after the merge, and \
                then start the services.";

    ACCOUNT_UNREAD: Note "account-unread",
        "a scriptlet makes or changes an account in a way that only running it would tell",
        why "The name or number comes from a variable or a program, or the command is one that has no \
             counterpart in sysusers.d. Nothing is run for an image, so it is not done.",
        repair "Look at the script with rpm -qp --scripts. If the image needs the account, add a \
         sysusers.d snippet with --overlay.";

    STATE_MADE: Note "state-made",
        "the image has a tmpfiles.d snippet that makes files of /etc and directories of /var",
        why "Packages have files outside of /usr and /opt, which no merge reaches. Those of /etc and \
             /var/lib are copied from /usr/share/factory to a host that has none, and directories \
             are made. The image's own unit has systemd-tmpfiles do that after a merge, before its \
             services. What was made stays when the image is gone.",
        repair "Nothing to do. With --no-merge-unit: run systemd-tmpfiles --create on the host after the \
                merge, and then start the services. To leave files of /etc out: --etc drop, or \
                --etc PATH=drop.";

    IN_COMPANION: Note "in-companion",
        "files of /etc are in a companion image, which hosts need besides the image",
        why "--etc confext asks for it. systemd-sysext merges /usr and /opt, systemd-confext (254 and \
             newer) merges /etc, and neither takes an image that is for the other. The definition for \
             systemd-sysupdate updates the two together. While a confext is merged, all of /etc is \
             read-only on the host, unless systemd-confext is told otherwise (--mutable=, 256 and newer).",
        repair "Nothing to do where hosts get both images. To have files copied to hosts instead: --etc \
                factory, or --etc PATH=factory.";

    ETC_READ_ONLY: Note "etc-read-only",
        "the host has to make something in /etc, which is read-only while the companion is merged",
        why "systemd-sysusers and systemd-tmpfiles can't write to /etc then. What they made before stays, \
             under the confext.",
        repair "The first time, run systemd-sysext refresh before systemd-confext refresh; or let \
                systemd-confext be mutable on the host (--mutable=yes, 256 and newer).";

    COMPANION_NOEXEC: Note "companion-noexec",
        "a program of /etc is in the companion image, where nothing can be executed",
        why "systemd-confext mounts what it merges with noexec and nosuid. A shell that is given the file \
             still reads it.",
        repair "Have the file copied to hosts with --etc PATH=factory.";

    COMPANION_MATCH: Note "companion-match",
        "a companion fits other versions of the system than its image",
        why "--match sysext-level has the image fit all systems of one SYSEXT_LEVEL. systemd-confext compares \
             CONFEXT_LEVEL instead, which the base does not have, so the companion is compared by \
             VERSION_ID, or fits any version where the base has none.",
        repair "Ask the makers of the base for a CONFEXT_LEVEL, or build both with --match version-id.";

    NO_CONFEXT: Fatal "no-confext",
        "the base has no systemd-confext, so a companion image for /etc is never merged there",
        why "systemd-confext came with systemd 254. On an older one the image has none of the files that \
             are in its companion.",
        repair "Have the files copied to hosts: --etc factory, which is the default.";

    PATH_UNKNOWN: Note "path-unknown",
        "an option names a path of packages that none of them has",
        why "It may be a mistyped one, or a package has its file somewhere else since its last version. \
             The option does nothing.",
        repair "See what the packages have with rpm -qlp, and mend or remove the option.";

    STATE_REFUSED: Note "state-refused",
        "a package has something of one user in a directory of another, which no tmpfiles.d line makes",
        why "Who owns a directory could put a link in the place of a file there. So systemd-tmpfiles \
             makes nothing in it for anybody else (unsafe path transition), not even for root.",
        repair "Have the service make it when it starts. If it needs it before, make it on the host.";

    LOADER_CONFIGURATION: Note "loader-configuration",
        "a package says where libraries are, and only ldconfig on the host would read it",
        why "Files of /etc/ld.so.conf.d name directories for ldconfig, which writes the loader's cache. \
             No merge runs it, so programs do not find libraries in these directories.",
        repair "Run ldconfig on the host once systemd-tmpfiles has made the file, or start \
                ldconfig.service after it at boot.";

    MOVED: Note "moved",
        "a rule moved files",
        why "Files are not where the package has them, but in the directory where the base keeps \
         such files. Programs that use the old path reach them through the base's link.",
        repair "Nothing to do, unless a program is known to look at its own path. --keep \
         switches the rule off.";

    OWNER: Note "owner",
        "files of another user or group were given to root",
        why "User and group numbers differ from system to system, so these files could end up \
         with a stranger. They belong to root now, without set-uid and set-gid bits. A number is \
         kept if the base's root directory fixes it, or a scriptlet does and nobody else on the \
         base has it; all others systemd-sysusers gives on the host, after the image was made.",
        repair "If a service needs to own them, have it create them at run time with tmpfiles.d.";

    SET_UID: Note "set-uid",
        "a program keeps its set-uid or set-gid bit or its file capabilities",
        why "Anyone who starts this program gets another user's rights, or special rights of the \
         kernel. An image keeps that, as an installation would.",
        repair "Make sure that this is intended. With --strict it stops the build.";

    SCRIPTLET: Note "scriptlet",
        "a command of a scriptlet or trigger is neither done as data nor known to be harmless",
        why "Installing the package would run this command. Nothing is run for an image, so what it would \
             do is missing, and whether that matters only the command can tell. Commands that are \
             understood are not named: those that only ask or say something, that are for updates and \
             removals, and whose effect the image has as data.",
        repair "Look at the script with rpm -qp --scripts. What the image needs of it can be added with \
                --overlay; what it does not need can be allowed: --allow scriptlet:PACKAGE.";

    NOT_STARTED: Note "not-started",
        "a service of a package is in the image, and nothing starts it",
        why "Installing the package would have started it, or left that to the system's presets. An image \
             starts a unit only where it says so, since what systemctl enable makes is outside of it.",
        repair "If it is to run: start = [\"UNIT\"] in the recipe, or --start UNIT. If an administrator is to \
                start it: --allow not-started.";

    UNIT_MASKED: Note "unit-masked",
        "a unit of the image is a link to /dev/null, so that nothing can start it",
        why "A package masks a unit by such a link, its own or one of the system. As long as the image is \
             merged, that holds for the host, too, unless /etc has a unit of that name.",
        repair "Nothing to do, unless the host needs the unit.";

    UNIT_IGNORED: Fatal "unit-ignored",
        "systemd ignores a drop-in or a dependency that the image brings, so what it asks for never happens",
        why "Of a directory UNIT.d systemd reads files that end in .conf alone, and it knows a unit by its \
             full name alone. Anything else it passes over, and says so at most in its log: the service never \
             starts.",
        repair "Give the drop-in a name that ends in .conf, and units their full names, such as a.service. \
                --start UNIT writes such a drop-in.";

    INDEX_NOT_MADE: Note "index-not-made",
        "an index below /usr does not list what the image brings, and can't be made on the host",
        why "Loaders of pictures, for one, are looked up in an index that an installation makes \
             again, and a merged /usr is read-only. An image's own would hide the base's entries. \
             gschemas.compiled, mimeinfo.cache and mime.cache are made of the sources of both, if the base \
             is a root directory or has none.",
        repair "For these three, name the root directory of the base: --base ROOT. For others, have \
                the base's own index list them: put the packages into the base. If the programs of the \
                image do without: --allow index-not-made.";

    INDEX_INCOMPLETE: Note "index-incomplete",
        "a file is wrong, so the index that is made of it and of others leaves out that or what is wrong in it",
        why "An installation would leave it out, too, and say so where nobody looks. A schema of settings \
             with an error is not there for programs, which end when they ask for it.",
        repair "Mend the file or tell its packagers. If nothing asks for it: --allow index-incomplete.";

    OVERLAY_REPLACES: Note "overlay-replaces",
        "the overlay replaces a package's file",
        why "A file of the overlay takes the place of a package's.",
        repair "Nothing to do: that is what an overlay is for. Check that each replacement is \
         intended.";

    OVERLAY_ATTRIBUTE: Note "overlay-attribute",
        "extended attributes of the overlay, such as access control lists, are not in the image",
        why "An image keeps the attributes that users put on files (user.*) and file \
             capabilities. Access control lists, attributes of overlayfs and those of other \
             security modules belong to the machine that has the overlay, or can't be stored.",
        repair "Nothing to do if the file needs none of them. If it does, use mode and owner \
                instead, or set the attribute at run time with tmpfiles.d.";

    POLICY_MODULE: Note "policy-module",
        "the image brings a module of SELinux's policy, which the host has to load",
        why "The types that a module defines count once it is in the policy of the host, which is outside of \
             an image. Until then files that have such a label are as if they had none.",
        repair "Load it on each host that enforces SELinux: semodule -i PATH. It stays when the image is gone.";

    STALE_CACHE: Note "stale-cache",
        "a compiled file or a cache does not fit what it was made from, so its program ignores it",
        why "Python's bytecode records the time and size of its source, fontconfig's caches record \
             the time of their directory, and GTK and Guile compare times. Where they differ, the \
             program does the work again at each start: on a read-only /usr nothing is kept.",
        repair "If an overlay replaces the source, compile it there, too: python3 -m compileall \
                --invalidation-mode unchecked-hash, for instance. Else the package is built so, and \
                programs only start more slowly.";

    UNSIGNED_PACKAGE: Fatal "unsigned-package",
        "signatures are required, and a package has none that covers all of it",
        why "Without a signature that covers all of it, a package may come from anyone, and its \
         programs run as root on every client.",
        repair "Get the package from a repository that signs its packages, or accept unsigned \
         ones with --allow unsigned-package.";

    NO_HEADER_DIGEST: Fatal "no-header-digest",
        "neither a digest nor a checked signature covers the header of a package",
        why "The header holds the mode, owner and capabilities of each file. If nothing covers \
             it, one flipped bit can make a program set-uid unnoticed. rpm and dnf refuse such a \
             package, too.",
        repair "Get the package again, or rebuild it: every rpmbuild of the last 20 years writes \
                a digest. If it is signed, give its key with --keyring.";

    UNTRUSTED_KEY: Fatal "untrusted-key",
        "signatures are required, and a package is signed with a key that was not given",
        why "The package is signed, but with a key that you have not said you trust.",
        repair "If you trust the key, add it to the keyring.";

    BAD_SIGNATURE: Fatal "bad-signature",
        "a package is not what was signed, or its signature or key is not valid",
        why "The package was changed after it was signed, or the key had expired, was revoked, \
         or may not sign.",
        repair "Get the package again from another mirror. Do not use this one.";

    UNCHECKED_REPOSITORY: Note "unchecked-repository",
        "packages come from a network, and no signature of them or of their list is checked",
        why "Anyone who controls the server, or the way to it, can put any program into the \
         packages that come from there, and it would run as root on every client.",
        repair "Give the repository's keys with --keyring, or set gpgcheck=1 and gpgkey= in its \
         .repo file.";

    FOREIGN_CACHE: Fatal "foreign-cache",
        "with --offline, a repository's list comes from a cache that this user's runs did not write",
        why "The list says which packages there are and what they must be. This one may be old, or \
         somebody else's: the cache was copied here, or brought back by a CI system, and no server \
         is asked whether it is right.",
        repair "Run once without --offline, or use --locked: a lock says what each package must be. \
         If you filled the cache elsewhere yourself, use --allow foreign-cache.";

    OLDER_METADATA: Note "older-metadata",
        "a repository's list is older than one that was seen before",
        why "The repository has gone back, which its owner rarely wants. Somebody who controls a \
         mirror can serve an old list with its old, valid signature, so that nothing newer is \
         chosen, and no update.",
        repair "Use another mirror, or ask the repository's owner. With --strict it stops the build.";

    WEAK_CHECKSUM: Note "weak-checksum",
        "nothing better than MD5 or SHA-1 says what a file of a repository must be",
        why "Two files with the same MD5 or SHA-1 can be made, so the one who made the file may \
         have another that fits. A signature of the list or a lock does not help: it covers the \
         checksum.",
        repair "Ask the repository's owner to run createrepo_c with its default, SHA-256. Packages \
         that are signed, and checked with --keyring, need no checksum.";

    UNREADABLE_KEY: Note "unreadable-key",
        "a key of a keyring was skipped because it can't be read",
        why "One of the keys in the keyring is damaged or of an unknown kind. Packages signed \
         with it count as signed with an unknown key.",
        repair "If packages are signed with it, export the key again.";

    KEY_FILE_MODE: Note "key-file-mode",
        "others can read the file with the secret signing key",
        why "Anyone who can read the secret key can publish images in your name.",
        repair "Run chmod 600 on the file. If others may have read it, make a new key and give \
         its public part to the clients.";

    STORE_GONE: Note "store-gone",
        "a store that was signed here before is gone, and a new one begins in its place",
        why "Whatever it listed is no longer offered. Someone who can write to the directory, but \
             has no key, can do no more than remove things.",
        repair "If you emptied the directory, there is nothing to do. If not, find out who did, and put \
                the list, its signature and the images back.";

    NOT_REMEMBERED: Note "not-remembered",
        "which list of a store was signed last is not known here, or can't be noted",
        why "An older list, with its own good signature, could be put back, and the next build would \
             go on from it.",
        repair "Name a directory that you can write to with --state-dir DIR, and keep it from one build \
                to the next.";

    FIRST_SIGNATURE: Note "first-signature",
        "a list that was not signed, or by another key, gets its first signature by this one, which \
         also covers what is already listed",
        why "Clients trust what the key signs. Anyone who could write to the store until now may \
             have added images that you did not build. A store that was signed, but lost its \
             signature, its published key and the number of its list, looks the same.",
        repair "If the store was signed before, find out who removed its signature. If not, there \
                is nothing to do: this is reported only once.";

    ANY_ARCHITECTURE: Note "any-architecture",
        "neither packages nor base state an architecture, so the image gets this machine's",
        why "All packages are noarch and nothing is known of the base's architecture, but sysextmgr \
         and systemd-sysupdate need one in its name.",
        repair "Set it with --arch, and build one image for each architecture of your clients.";

    SYSEXTMGR_NAME: Note "sysextmgr-name",
        "sysextmgr, the client of openSUSE MicroOS, does not find the image by the extension's name",
        why "sysextmgr takes all before the last hyphen of a file name for the extension's name. A \
             package's version and release have a hyphen between them, so a part of the version is \
             taken for the name. systemd-sysupdate and systemd-sysext are not concerned.",
        repair "Give the image a version without a hyphen: --image-version VERSION, with \
                --build-number N for what grows with each build. If clients do not use sysextmgr, \
                there is nothing to do.";

    FOREIGN_PACKAGE: Note "foreign-package",
        "a package was built for another distribution than the image states",
        why "Distributions have different versions of libraries, and different names and places for \
             what packages need. On a host without RPM packages the image is for that host, unless \
             another system is named, so it is merged nowhere else.",
        repair "Name the system that the image is for: --os-release FILE or --base. If the package is \
                meant for this one, there is nothing to do.";

    NOT_MERGED: Fatal "not-merged",
        "a client skips the image on this host; other images are not affected",
        why "systemd-sysext skips an image that does not state the host's ID and VERSION_ID (or \
         SYSEXT_LEVEL), or that states another architecture or scope. At most it says \"No \
         suitable extensions found\", and its exit code is 0.",
        repair "Build the image for this host, or with --match sysext-level or --match any if \
         the image fits that. The reasons above the table name the field and the two values.";

    EXECUTION_DENIED: Fatal "execution-denied",
        "the base executes only what is on signed dm-verity, and the image is not",
        why "With RestrictFileSystemAccess=, systemd 261 lets nothing be executed from an overlay, and \
             a merge is one; 262 looks at the layers, with Linux 7.2 and newer. The image is merged, \
             but its programs and libraries are refused.",
        repair "Build a signed disk image (--format ddi --verity-key KEY --verity-cert CERTIFICATE), for a \
                base with systemd 262 and Linux 7.2; or leave the restriction out of the base.";

    SIGNER_UNKNOWN: Fatal "signer-unknown",
        "a policy demands a signature in the image, and the base has no certificate of its signer",
        why "systemd and Linux check the signature of the hashes in the image against certificates: those \
             in /etc/verity.d, /run/verity.d and /usr/lib/verity.d, and those that the kernel has, which \
             nobody sees in files. An image by another signer is refused.",
        repair "Put the certificate into /etc/verity.d/NAME.crt of the base. If the kernel has it: \
                --allow signer-unknown.";

    HOST_POLICY: Note "host-policy",
        "the base demands something of images, and whether that counts or is met is not known",
        why "Settings such as ImagePolicy= and RestrictFileSystemAccess= are read by newer versions of \
             systemd alone, and keys that sign images may be in the kernel, where nobody sees them.",
        repair "Try the image on the host, or give check a base whose packages are known.";

    BLOCKS_ALL: Fatal "blocks-all",
        "a client refuses the image on this host, and merges nothing as long as it is there",
        why "systemd-sysext reads the metadata of all images before it merges any. If one can't \
         be read, or has no extension-release file of its name, it stops there, and no other \
         image is merged either.",
        repair "Remove the image from /etc/extensions and /var/lib/extensions at once. Images \
         that this program builds have the file under two names, and an attribute that allows \
         any other name.";

    UNREAD: Fatal "unread",
        "this program can't read the image, so what clients do with it is not known",
        why "The image is compressed, encrypted or in a format that this program does not read. \
         Clients may well merge it; nothing was found that speaks against it, nor for it.",
        repair "Try it on a host: systemd-dissect IMAGE, then systemd-sysext merge. With --allow \
         unread, check passes over it.";

    PATTERN_COLLISION: Always "pattern-collision",
        "systemd-sysupdate would take another extension's image for this one's",
        why "systemd-sysupdate looks for NAME-@v.%a.raw, where @v matches anything that may be a \
         version. The other extension's images match, most likely as the newest version, and \
         would be installed as this one.",
        repair "Serve the two from separate directories, as --layout per-name does.";

    NO_VERSION_ID: Note "no-version-id",
        "the base has no VERSION_ID: systemd accepts the image, sysextmgr does not",
        why "A rolling system without VERSION_ID accepts every image of its ID, even one that \
         was made for it a year ago. sysextmgr does not accept an image without VERSION_ID.",
        repair "Nothing to do for systemd; check images with --base after each update of the \
         system.";
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
