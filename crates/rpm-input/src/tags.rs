//! The values of a header by their tags, with errors that name the file and the tag.

use rpm::{Header, IndexTag};

use crate::dependency::{Dependency, Sense};
use crate::error::Error;

/// The tags of a header, with errors that name file and tag.
pub(crate) struct Tags<'a> {
    /// The file as the caller named it.
    pub(crate) origin: &'a str,
    header: &'a Header<IndexTag>,
}

impl<'a> Tags<'a> {
    pub(crate) fn new(origin: &'a str, header: &'a Header<IndexTag>) -> Self {
        Self { origin, header }
    }

    /// Returns the error that a tag is wrong.
    pub(crate) fn wrong(&self, tag: IndexTag, reason: impl Into<String>) -> Error {
        Error::Tag {
            origin: self.origin.to_owned(),
            tag: tag_name(tag),
            reason: reason.into(),
        }
    }

    /// Turns the answer for a missing tag into none.
    fn optional<T>(&self, tag: IndexTag, value: Result<T, rpm::Error>) -> Result<Option<T>, Error> {
        match value {
            Ok(value) => Ok(Some(value)),
            Err(rpm::Error::TagNotFound(_)) => Ok(None),
            Err(error) => Err(self.wrong(tag, error.to_string())),
        }
    }

    /// Returns a string, the untranslated one if there are several.
    pub(crate) fn text(&self, tag: IndexTag) -> Result<Option<String>, Error> {
        let plain = self.header.get_entry_data_as_string(tag);
        let value = plain.or_else(|error| match error {
            rpm::Error::TagNotFound(_) => Err(error),
            _ => self.header.get_entry_data_as_i18n_string(tag),
        });
        Ok(self.optional(tag, value)?.map(str::to_owned))
    }

    /// Returns a number.
    pub(crate) fn number(&self, tag: IndexTag) -> Result<Option<u32>, Error> {
        self.optional(tag, self.header.get_entry_data_as_u32(tag))
    }

    /// Returns a number that is stored under another tag when it needs 64 bits.
    pub(crate) fn wide_number(&self, tag: IndexTag, long: IndexTag) -> Result<Option<u64>, Error> {
        match self.optional(long, self.header.get_entry_data_as_u64(long))? {
            Some(value) => Ok(Some(value)),
            None => Ok(self.number(tag)?.map(u64::from)),
        }
    }

    /// Returns an array of strings.
    pub(crate) fn texts(&self, tag: IndexTag) -> Result<Option<Vec<&str>>, Error> {
        self.optional(tag, self.header.get_entry_data_as_string_array(tag))
    }

    /// Returns an array of 16-bit numbers.
    pub(crate) fn short_numbers(&self, tag: IndexTag) -> Result<Option<Vec<u16>>, Error> {
        self.optional(tag, self.header.get_entry_data_as_u16_array(tag))
    }

    /// Returns an array of 32-bit numbers.
    pub(crate) fn numbers(&self, tag: IndexTag) -> Result<Option<Vec<u32>>, Error> {
        self.optional(tag, self.header.get_entry_data_as_u32_array(tag))
    }

    /// Returns an array of 64-bit numbers.
    pub(crate) fn long_numbers(&self, tag: IndexTag) -> Result<Option<Vec<u64>>, Error> {
        self.optional(tag, self.header.get_entry_data_as_u64_array(tag))
    }

    /// Returns a string that must be there and fit for a file name.
    pub(crate) fn identity(&self, tag: IndexTag) -> Result<String, Error> {
        let value = self
            .text(tag)?
            .ok_or_else(|| self.wrong(tag, "is missing"))?;
        let allowed = |c: char| !c.is_control() && !c.is_whitespace() && c != '/';
        if value.is_empty() || value.starts_with('.') || !value.chars().all(allowed) {
            return Err(self.wrong(tag, format!("{value:?} can't be part of a package's name")));
        }
        Ok(value)
    }

    /// Returns the dependencies that stand in three arrays.
    pub(crate) fn dependencies(
        &self,
        name_tag: IndexTag,
        flags_tag: IndexTag,
        version_tag: IndexTag,
    ) -> Result<Vec<Dependency>, Error> {
        let names = self.texts(name_tag)?.unwrap_or_default();
        // Packages of RPM 2 have dependencies without versions.
        let unversioned = || vec![0; names.len()];
        let flags = self.numbers(flags_tag)?.unwrap_or_else(unversioned);
        let versions = self
            .texts(version_tag)?
            .unwrap_or_else(|| vec![""; names.len()]);
        for (tag, length) in [(flags_tag, flags.len()), (version_tag, versions.len())] {
            if length != names.len() {
                let names = names.len();
                return Err(self.wrong(tag, format!("has {length} values instead of {names}")));
            }
        }
        let rows = names.into_iter().zip(flags).zip(versions);
        Ok(rows
            .map(|((name, flags), evr)| Dependency {
                name: name.to_owned(),
                sense: Sense(flags),
                evr: evr.to_owned(),
            })
            .collect())
    }
}

/// Returns the name of a tag as RPM's documentation has it, without `RPMTAG_`.
fn tag_name(tag: IndexTag) -> &'static str {
    TAG_NAMES
        .iter()
        .find(|(known, _)| *known == tag)
        .map_or("?", |(_, name)| name)
}

/// Makes the table from tags to their names.
macro_rules! tag_names {
    ($($tag:ident = $name:literal),* $(,)?) => {
        const TAG_NAMES: &[(IndexTag, &str)] = &[$((IndexTag::$tag, $name)),*];
    };
}

tag_names! {
    RPMTAG_NAME = "NAME",
    RPMTAG_EPOCH = "EPOCH",
    RPMTAG_VERSION = "VERSION",
    RPMTAG_RELEASE = "RELEASE",
    RPMTAG_ARCH = "ARCH",
    RPMTAG_BUILDTIME = "BUILDTIME",
    RPMTAG_SOURCERPM = "SOURCERPM",
    RPMTAG_LICENSE = "LICENSE",
    RPMTAG_SUMMARY = "SUMMARY",
    RPMTAG_VENDOR = "VENDOR",
    RPMTAG_SIZE = "SIZE",
    RPMTAG_LONGSIZE = "LONGSIZE",
    RPMTAG_PAYLOADFORMAT = "PAYLOADFORMAT",
    RPMTAG_PAYLOADCOMPRESSOR = "PAYLOADCOMPRESSOR",
    RPMTAG_ARCHIVESIZE = "ARCHIVESIZE",
    RPMTAG_LONGARCHIVESIZE = "LONGARCHIVESIZE",
    RPMTAG_PAYLOADSIZEALT = "PAYLOADSIZEALT",
    RPMTAG_PAYLOADSHA256 = "PAYLOADSHA256",
    RPMTAG_PAYLOADSHA256ALGO = "PAYLOADSHA256ALGO",
    RPMTAG_PAYLOADSHA256ALT = "PAYLOADSHA256ALT",
    RPMTAG_PAYLOAD_SHA512 = "PAYLOADSHA512",
    RPMTAG_PAYLOAD_SHA512_ALT = "PAYLOADSHA512ALT",
    RPMTAG_BASENAMES = "BASENAMES",
    RPMTAG_DIRNAMES = "DIRNAMES",
    RPMTAG_DIRINDEXES = "DIRINDEXES",
    RPMTAG_OLDFILENAMES = "OLDFILENAMES",
    RPMTAG_FILEMODES = "FILEMODES",
    RPMTAG_FILESIZES = "FILESIZES",
    RPMTAG_LONGFILESIZES = "LONGFILESIZES",
    RPMTAG_FILEMTIMES = "FILEMTIMES",
    RPMTAG_FILEDIGESTS = "FILEDIGESTS",
    RPMTAG_FILEDIGESTALGO = "FILEDIGESTALGO",
    RPMTAG_FILELINKTOS = "FILELINKTOS",
    RPMTAG_FILEFLAGS = "FILEFLAGS",
    RPMTAG_FILEUSERNAME = "FILEUSERNAME",
    RPMTAG_FILEGROUPNAME = "FILEGROUPNAME",
    RPMTAG_FILERDEVS = "FILERDEVS",
    RPMTAG_FILEDEVICES = "FILEDEVICES",
    RPMTAG_FILEINODES = "FILEINODES",
    RPMTAG_FILELANGS = "FILELANGS",
    RPMTAG_FILECOLORS = "FILECOLORS",
    RPMTAG_FILECAPS = "FILECAPS",
    RPMTAG_FILESTATES = "FILESTATES",
    RPMTAG_PRETRANS = "PRETRANS",
    RPMTAG_PREIN = "PREIN",
    RPMTAG_POSTIN = "POSTIN",
    RPMTAG_PREUN = "PREUN",
    RPMTAG_POSTUN = "POSTUN",
    RPMTAG_POSTTRANS = "POSTTRANS",
    RPMTAG_PREUNTRANS = "PREUNTRANS",
    RPMTAG_POSTUNTRANS = "POSTUNTRANS",
    RPMTAG_VERIFYSCRIPT = "VERIFYSCRIPT",
    RPMTAG_PRETRANSPROG = "PRETRANSPROG",
    RPMTAG_PREINPROG = "PREINPROG",
    RPMTAG_POSTINPROG = "POSTINPROG",
    RPMTAG_PREUNPROG = "PREUNPROG",
    RPMTAG_POSTUNPROG = "POSTUNPROG",
    RPMTAG_POSTTRANSPROG = "POSTTRANSPROG",
    RPMTAG_PREUNTRANSPROG = "PREUNTRANSPROG",
    RPMTAG_POSTUNTRANSPROG = "POSTUNTRANSPROG",
    RPMTAG_VERIFYSCRIPTPROG = "VERIFYSCRIPTPROG",
    RPMTAG_TRIGGERSCRIPTS = "TRIGGERSCRIPTS",
    RPMTAG_TRIGGERSCRIPTPROG = "TRIGGERSCRIPTPROG",
    RPMTAG_TRIGGERFLAGS = "TRIGGERFLAGS",
    RPMTAG_TRIGGERINDEX = "TRIGGERINDEX",
    RPMTAG_FILETRIGGERSCRIPTS = "FILETRIGGERSCRIPTS",
    RPMTAG_FILETRIGGERSCRIPTPROG = "FILETRIGGERSCRIPTPROG",
    RPMTAG_FILETRIGGERFLAGS = "FILETRIGGERFLAGS",
    RPMTAG_FILETRIGGERINDEX = "FILETRIGGERINDEX",
    RPMTAG_TRANSFILETRIGGERSCRIPTS = "TRANSFILETRIGGERSCRIPTS",
    RPMTAG_TRANSFILETRIGGERSCRIPTPROG = "TRANSFILETRIGGERSCRIPTPROG",
    RPMTAG_TRANSFILETRIGGERFLAGS = "TRANSFILETRIGGERFLAGS",
    RPMTAG_TRANSFILETRIGGERINDEX = "TRANSFILETRIGGERINDEX",
    RPMTAG_SHA1HEADER = "SHA1HEADER",
    RPMTAG_SHA256HEADER = "SHA256HEADER",
    RPMTAG_PROVIDENAME = "PROVIDENAME",
    RPMTAG_PROVIDEFLAGS = "PROVIDEFLAGS",
    RPMTAG_PROVIDEVERSION = "PROVIDEVERSION",
    RPMTAG_REQUIRENAME = "REQUIRENAME",
    RPMTAG_REQUIREFLAGS = "REQUIREFLAGS",
    RPMTAG_REQUIREVERSION = "REQUIREVERSION",
    RPMTAG_CONFLICTNAME = "CONFLICTNAME",
    RPMTAG_CONFLICTFLAGS = "CONFLICTFLAGS",
    RPMTAG_CONFLICTVERSION = "CONFLICTVERSION",
    RPMTAG_OBSOLETENAME = "OBSOLETENAME",
    RPMTAG_OBSOLETEFLAGS = "OBSOLETEFLAGS",
    RPMTAG_OBSOLETEVERSION = "OBSOLETEVERSION",
    RPMTAG_RECOMMENDNAME = "RECOMMENDNAME",
    RPMTAG_RECOMMENDFLAGS = "RECOMMENDFLAGS",
    RPMTAG_RECOMMENDVERSION = "RECOMMENDVERSION",
    RPMTAG_SUGGESTNAME = "SUGGESTNAME",
    RPMTAG_SUGGESTFLAGS = "SUGGESTFLAGS",
    RPMTAG_SUGGESTVERSION = "SUGGESTVERSION",
    RPMTAG_SUPPLEMENTNAME = "SUPPLEMENTNAME",
    RPMTAG_SUPPLEMENTFLAGS = "SUPPLEMENTFLAGS",
    RPMTAG_SUPPLEMENTVERSION = "SUPPLEMENTVERSION",
    RPMTAG_ENHANCENAME = "ENHANCENAME",
    RPMTAG_ENHANCEFLAGS = "ENHANCEFLAGS",
    RPMTAG_ENHANCEVERSION = "ENHANCEVERSION",
}
