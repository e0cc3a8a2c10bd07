//! The versions of systemd whose rules are known, and what changed with each.
//!
//! A new version is a member of [`Systemd`] and its rules here, which begin with those of the
//! version before.

/// A version of systemd whose rules are known.
///
/// The rules changed in these versions; one in between behaves like the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Systemd {
    /// 252, of Debian 12.
    V252,
    /// 254.
    V254,
    /// 257 in its later point releases (257.13), which know `ID_LIKE`; of Debian 13.
    V257,
    /// 262.
    V262,
}

/// What differs between versions.
#[derive(Debug)]
pub(crate) struct Rules {
    /// The version's number.
    number: u16,
    /// What later versions pass over ends the run, and nothing is merged.
    pub(crate) refuses_what_others_pass_over: bool,
    /// A backslash at the end of a comment of os-release makes the next line a part of it.
    pub(crate) continues_comments: bool,
    /// An extension-release file may be called after the image's name up to `_` or `+`.
    pub(crate) cuts_names: bool,
    /// An entry `NAME.sysext` of the search path is known as `NAME`.
    pub(crate) strips_sysext: bool,
    /// Release files are looked up by the name of the image's path, without what says how the image
    /// is stored.
    pub(crate) looks_up_paths: bool,
    /// Ends of file names that say how an image is stored.
    pub(crate) stored: &'static [&'static str],
    /// It knows of confexts, and tells an image by its release file.
    pub(crate) knows_confexts: bool,
    /// It merges a confext that fits as if it were a sysext, and the other way round.
    pub(crate) takes_other_class: bool,
    /// It mounts ext2 and ext3, too.
    pub(crate) takes_old_ext: bool,
    /// The root hash is made of the identities of partitions where nothing else says it, so that a
    /// partition for hashes counts.
    pub(crate) derives_root_hash: bool,
    /// The ID of an image may be one of the host's `ID_LIKE`.
    pub(crate) takes_id_like: bool,
    /// Characters that `@v` of a pattern matches beside letters, digits and `._+-`.
    pub(crate) version_characters: &'static str,
    /// A file name must end where a pattern does.
    pub(crate) anchors_patterns: bool,
    /// A listed name with `%` makes systemd-sysupdate refuse the whole list.
    pub(crate) refuses_percent: bool,
    /// How messages call the extension-release file.
    pub(crate) release_file: &'static str,
    /// How messages call what `SYSEXT_LEVEL` counts.
    pub(crate) api: &'static str,
    /// What is said of an image with an os-release file of its own.
    pub(crate) has_os_release: &'static str,
}

static V252: Rules = Rules {
    number: 252,
    refuses_what_others_pass_over: true,
    continues_comments: true,
    cuts_names: false,
    strips_sysext: false,
    looks_up_paths: true,
    stored: &[".xz", ".gz", ".bz2", ".raw", ".qcow2", ".img", ".bin"],
    knows_confexts: false,
    takes_other_class: false,
    takes_old_ext: true,
    derives_root_hash: false,
    takes_id_like: false,
    version_characters: ",",
    anchors_patterns: false,
    refuses_percent: false,
    release_file: "extension-release",
    api: "sysext API",
    has_os_release: "Extension image contains /usr/lib/os-release file, which is not allowed \
                     (it may carry /etc/os-release), refusing.",
};

static V254: Rules = Rules {
    number: 254,
    refuses_what_others_pass_over: false,
    continues_comments: false,
    cuts_names: true,
    knows_confexts: true,
    takes_other_class: true,
    takes_old_ext: false,
    release_file: "release file",
    api: "API",
    has_os_release: "Extension contains '/usr/lib/os-release', which is not allowed, refusing.",
    ..V252
};

static V257: Rules = Rules {
    number: 257,
    strips_sysext: true,
    stored: &[
        ".xz",
        ".gz",
        ".bz2",
        ".sysext.raw",
        ".confext.raw",
        ".raw",
        ".qcow2",
        ".img",
        ".bin",
    ],
    takes_other_class: false,
    takes_id_like: true,
    ..V254
};

static V262: Rules = Rules {
    number: 262,
    derives_root_hash: true,
    looks_up_paths: false,
    stored: &[
        ".xz", ".gz", ".bz2", ".zst", ".raw", ".qcow2", ".img", ".bin",
    ],
    version_characters: "~^",
    anchors_patterns: true,
    refuses_percent: true,
    ..V257
};

impl Systemd {
    /// Every version, oldest first.
    pub const ALL: [Self; 4] = [Self::V252, Self::V254, Self::V257, Self::V262];

    /// Says whether it has `systemd-confext`, which came with 254.
    #[must_use]
    pub fn has_confext(self) -> bool {
        self.rules().knows_confexts
    }

    /// Returns the number.
    #[must_use]
    pub fn number(self) -> u16 {
        self.rules().number
    }

    /// Returns what differs between versions.
    pub(crate) fn rules(self) -> &'static Rules {
        match self {
            Self::V252 => &V252,
            Self::V254 => &V254,
            Self::V257 => &V257,
            Self::V262 => &V262,
        }
    }
}
