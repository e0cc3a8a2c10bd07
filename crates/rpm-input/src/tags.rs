//! The values of a header by their tags, with errors that name the file and the tag.

use std::borrow::Cow;

use crate::dependency::{Dependency, Sense};
use crate::error::Error;
use crate::header::{Strings, Value, Values};

/// The tags of a header, with errors that name file and tag.
pub(crate) struct Tags<'a> {
    /// The file as the caller named it.
    pub(crate) origin: &'a str,
    values: Values<'a>,
}

/// A tag, by its number and its name as RPM's documentation has it, without `RPMTAG_`.
#[derive(Clone, Copy)]
pub(crate) struct Tag {
    pub(crate) number: u32,
    name: &'static str,
}

impl<'a> Tags<'a> {
    pub(crate) fn new(origin: &'a str, values: Values<'a>) -> Self {
        Self { origin, values }
    }

    /// Returns the error that a tag is wrong.
    pub(crate) fn wrong(&self, tag: Tag, reason: impl Into<String>) -> Error {
        Error::Tag {
            origin: self.origin.to_owned(),
            tag: tag.name,
            reason: reason.into(),
        }
    }

    /// Returns what `take` makes of the value of a tag, if the header has the tag; an error if it
    /// has it with values of another type.
    fn value<T>(
        &self,
        tag: Tag,
        expected: &str,
        take: impl FnOnce(Value<'a>) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        match self.values.get(tag.number) {
            None => Ok(None),
            Some(value) => match take(value) {
                Some(value) => Ok(Some(value)),
                None => Err(self.wrong(tag, format!("holds something else than {expected}"))),
            },
        }
    }

    /// Says whether the header has a tag.
    pub(crate) fn has(&self, tag: Tag) -> bool {
        self.values.get(tag.number).is_some()
    }

    /// Returns a string, the untranslated one if there are several.
    pub(crate) fn text(&self, tag: Tag) -> Result<Option<String>, Error> {
        let first = self.strings(tag)?.and_then(|mut strings| strings.next());
        Ok(first.map(|text| String::from_utf8_lossy(text).into_owned()))
    }

    /// Returns a number.
    pub(crate) fn number(&self, tag: Tag) -> Result<Option<u32>, Error> {
        Ok(self.numbers(tag)?.and_then(|numbers| numbers.get(0)))
    }

    /// Returns a number of 64 bits.
    pub(crate) fn long_number(&self, tag: Tag) -> Result<Option<u64>, Error> {
        Ok(self.long_numbers(tag)?.and_then(|numbers| numbers.get(0)))
    }

    /// Returns a number that is stored under another tag when it needs 64 bits.
    pub(crate) fn wide_number(&self, tag: Tag, long: Tag) -> Result<Option<u64>, Error> {
        match self.long_number(long)? {
            Some(value) => Ok(Some(value)),
            None => Ok(self.number(tag)?.map(u64::from)),
        }
    }

    /// Returns an array of strings as bytes.
    pub(crate) fn strings(&self, tag: Tag) -> Result<Option<Strings<'a>>, Error> {
        self.value(tag, "strings", |value| match value {
            Value::Strings(strings) => Some(strings),
            _ => None,
        })
    }

    /// Returns an array of strings. RPM does not look at their encoding either.
    pub(crate) fn texts(&self, tag: Tag) -> Result<Option<Vec<Cow<'a, str>>>, Error> {
        let strings = self.strings(tag)?;
        Ok(strings.map(|strings| strings.map(String::from_utf8_lossy).collect()))
    }

    /// Returns bytes.
    pub(crate) fn octets(&self, tag: Tag) -> Result<Option<&'a [u8]>, Error> {
        self.value(tag, "bytes", |value| match value {
            Value::Octets(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// Returns an array of 16-bit numbers.
    pub(crate) fn short_numbers(&self, tag: Tag) -> Result<Option<Shorts<'a>>, Error> {
        self.value(tag, "16-bit numbers", |value| match value {
            Value::Shorts(bytes) => Some(Numbers(bytes)),
            _ => None,
        })
    }

    /// Returns an array of 32-bit numbers.
    pub(crate) fn numbers(&self, tag: Tag) -> Result<Option<Words<'a>>, Error> {
        self.value(tag, "32-bit numbers", |value| match value {
            Value::Words(bytes) => Some(Numbers(bytes)),
            _ => None,
        })
    }

    /// Returns an array of 64-bit numbers.
    pub(crate) fn long_numbers(&self, tag: Tag) -> Result<Option<Longs<'a>>, Error> {
        self.value(tag, "64-bit numbers", |value| match value {
            Value::Longs(bytes) => Some(Numbers(bytes)),
            _ => None,
        })
    }

    /// Returns a string that must be there and fit for a file name.
    pub(crate) fn identity(&self, tag: Tag) -> Result<String, Error> {
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
        name_tag: Tag,
        flags_tag: Tag,
        version_tag: Tag,
    ) -> Result<Vec<Dependency>, Error> {
        let names = self.texts(name_tag)?.unwrap_or_default();
        let count = names.len();
        // Packages of RPM 2 have dependencies without versions.
        let flags = self.numbers(flags_tag)?;
        let versions = self.strings(version_tag)?;
        for (tag, length) in [
            (flags_tag, flags.map(|flags| flags.len())),
            (version_tag, versions.as_ref().map(ExactSizeIterator::len)),
        ] {
            if let Some(length) = length.filter(|length| *length != count) {
                return Err(self.wrong(tag, format!("has {length} values instead of {count}")));
            }
        }
        let mut versions = versions.into_iter().flatten();
        let rows = names.into_iter().enumerate().map(|(position, name)| {
            let flags = flags.and_then(|flags| flags.get(position));
            let evr = versions.next().unwrap_or_default();
            Dependency {
                name: name.into_owned(),
                sense: Sense(flags.unwrap_or(0)),
                evr: String::from_utf8_lossy(evr).into_owned(),
            }
        });
        Ok(rows.collect())
    }
}

/// An array of big-endian numbers of `N` bytes each, as a header holds it.
#[derive(Clone, Copy)]
pub(crate) struct Numbers<'a, const N: usize>(&'a [u8]);

/// Numbers of 16 bits.
pub(crate) type Shorts<'a> = Numbers<'a, 2>;
/// Numbers of 32 bits.
pub(crate) type Words<'a> = Numbers<'a, 4>;
/// Numbers of 64 bits.
pub(crate) type Longs<'a> = Numbers<'a, 8>;

impl<'a, const N: usize> Numbers<'a, N> {
    /// Returns how many there are.
    pub(crate) fn len(self) -> usize {
        self.0.len() / N
    }

    fn bytes(self, position: usize) -> Option<&'a [u8; N]> {
        self.0.get(position.checked_mul(N)?..)?.first_chunk()
    }
}

impl Shorts<'_> {
    /// Returns the number at a position.
    pub(crate) fn get(self, position: usize) -> Option<u16> {
        self.bytes(position).map(|bytes| u16::from_be_bytes(*bytes))
    }
}

impl Words<'_> {
    /// Returns the number at a position.
    pub(crate) fn get(self, position: usize) -> Option<u32> {
        self.bytes(position).map(|bytes| u32::from_be_bytes(*bytes))
    }
}

impl Longs<'_> {
    /// Returns the number at a position.
    pub(crate) fn get(self, position: usize) -> Option<u64> {
        self.bytes(position).map(|bytes| u64::from_be_bytes(*bytes))
    }
}

/// Makes a constant of each tag.
macro_rules! tags {
    ($($tag:ident = $number:literal),* $(,)?) => {
        impl Tag {
            $(
                pub(crate) const $tag: Self = Self {
                    number: $number,
                    name: stringify!($tag),
                };
            )*
        }
    };
}

// Those of a header.
tags! {
    NAME = 1000,
    EPOCH = 1003,
    VERSION = 1001,
    RELEASE = 1002,
    ARCH = 1022,
    BUILDTIME = 1006,
    SOURCERPM = 1044,
    LICENSE = 1014,
    SUMMARY = 1004,
    DISTRIBUTION = 1010,
    VENDOR = 1011,
    SIZE = 1009,
    LONGSIZE = 5009,
    PAYLOADFORMAT = 1124,
    PAYLOADCOMPRESSOR = 1125,
    ARCHIVESIZE = 1046,
    PAYLOADSIZEALT = 5113,
    PAYLOADSHA256 = 5092,
    PAYLOADSHA256ALGO = 5093,
    PAYLOADSHA256ALT = 5097,
    PAYLOADSHA512 = 5121,
    PAYLOADSHA512ALT = 5122,
    BASENAMES = 1117,
    DIRNAMES = 1118,
    DIRINDEXES = 1116,
    OLDFILENAMES = 1027,
    FILEMODES = 1030,
    FILESIZES = 1028,
    LONGFILESIZES = 5008,
    FILEMTIMES = 1034,
    FILEDIGESTS = 1035,
    FILEDIGESTALGO = 5011,
    FILELINKTOS = 1036,
    FILEFLAGS = 1037,
    FILEUSERNAME = 1039,
    FILEGROUPNAME = 1040,
    FILERDEVS = 1033,
    FILEDEVICES = 1095,
    FILEINODES = 1096,
    FILELANGS = 1097,
    FILECOLORS = 1140,
    FILECAPS = 5010,
    FILESTATES = 1029,
    PRETRANS = 1151,
    PREIN = 1023,
    POSTIN = 1024,
    PREUN = 1025,
    POSTUN = 1026,
    POSTTRANS = 1152,
    PREUNTRANS = 5103,
    POSTUNTRANS = 5104,
    VERIFYSCRIPT = 1079,
    PRETRANSPROG = 1153,
    PREINPROG = 1085,
    POSTINPROG = 1086,
    PREUNPROG = 1087,
    POSTUNPROG = 1088,
    POSTTRANSPROG = 1154,
    PREUNTRANSPROG = 5105,
    POSTUNTRANSPROG = 5106,
    VERIFYSCRIPTPROG = 1091,
    TRIGGERSCRIPTS = 1065,
    TRIGGERNAME = 1066,
    TRIGGERSCRIPTPROG = 1092,
    TRIGGERFLAGS = 1068,
    TRIGGERINDEX = 1069,
    FILETRIGGERSCRIPTS = 5066,
    FILETRIGGERNAME = 5069,
    FILETRIGGERSCRIPTPROG = 5067,
    FILETRIGGERFLAGS = 5072,
    FILETRIGGERINDEX = 5070,
    TRANSFILETRIGGERSCRIPTS = 5076,
    TRANSFILETRIGGERNAME = 5079,
    TRANSFILETRIGGERSCRIPTPROG = 5077,
    TRANSFILETRIGGERFLAGS = 5082,
    TRANSFILETRIGGERINDEX = 5080,
    SHA1HEADER = 269,
    SHA256HEADER = 273,
    PROVIDENAME = 1047,
    PROVIDEFLAGS = 1112,
    PROVIDEVERSION = 1113,
    REQUIRENAME = 1049,
    REQUIREFLAGS = 1048,
    REQUIREVERSION = 1050,
    CONFLICTNAME = 1054,
    CONFLICTFLAGS = 1053,
    CONFLICTVERSION = 1055,
    OBSOLETENAME = 1090,
    OBSOLETEFLAGS = 1114,
    OBSOLETEVERSION = 1115,
    RECOMMENDNAME = 5046,
    RECOMMENDFLAGS = 5048,
    RECOMMENDVERSION = 5047,
    SUGGESTNAME = 5049,
    SUGGESTFLAGS = 5051,
    SUGGESTVERSION = 5050,
    SUPPLEMENTNAME = 5052,
    SUPPLEMENTFLAGS = 5054,
    SUPPLEMENTVERSION = 5053,
    ENHANCENAME = 5055,
    ENHANCEFLAGS = 5057,
    ENHANCEVERSION = 5056,
    SOURCEPACKAGE = 1106,
}

// Those of a signature header.
tags! {
    SIG_DSA = 267,
    SIG_GPG = 1005,
    SIG_LONGARCHIVESIZE = 271,
    SIG_MD5 = 1004,
    SIG_OPENPGP = 278,
    SIG_PAYLOADSIZE = 1007,
    SIG_PGP = 1002,
    SIG_RSA = 268,
    SIG_SHA1 = 269,
    SIG_SHA256 = 273,
}
