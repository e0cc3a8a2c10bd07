//! The keys of a recipe: what each is called, of which type it is, and what it means.
//!
//! They are the fields of two structs: [`Own`], for what a recipe says differently from the command
//! line, and [`ImageArguments`], for what has an option of the same name. The reader, the manual and
//! the schema all ask for them here.

use clap::builder::ValueRange;
use clap::{Args as _, Command};
use serde::de::value::Error as Unread;
use serde::de::{Error as _, IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};
use toml::Spanned;

use crate::cli::ImageArguments;
use crate::trial::test::Test;

/// What a recipe says differently from the command line. Its other keys are those of
/// [`ImageArguments`].
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Own {
    pub packages: Vec<String>,
    pub repositories: Vec<Spanned<String>>,
    pub allow: Vec<Spanned<Allow>>,
    pub test: Vec<Spanned<Test>>,
    pub include: Vec<Spanned<String>>,
    /// The parts for an architecture, which are read as tables of their own.
    #[serde(rename = "for")]
    pub parts: IgnoredAny,
}

/// What the manual says of the keys of [`Own`], in their order.
pub const OWN: [(Kind, &str); 6] = [
    (
        Kind::Strings,
        "RPM files, directories of RPM files, and names of packages in the repositories, also with * \
         and ?, a version (a>=1) or a path from the root. An entry with a slash and one that ends in \
         .rpm mean a file; without repositories, so does the name of an existing file",
    ),
    (
        Kind::Strings,
        "Repositories to choose from what the packages require and the base lacks, as --repo takes \
         them",
    ),
    (
        Kind::Findings,
        "Findings that do not stop the build, each with the keys finding (its id, or id:what as after --allow) and reason (why \
         it is acceptable)",
    ),
    (
        Kind::Tests,
        "What has to hold where the image is merged: run (a line for the shell that has to succeed), exists (paths that have \
         to be there) and units (units that systemd has to be able to load). Only a build with --test looks; a test \
         that fails stops it before the image is in the store",
    ),
    (
        Kind::Strings,
        "Files with keys that several recipes share. Their lists come before those of the recipe, in \
         the order in which they are named, and a single value of the recipe wins over theirs. Paths \
         in such a file are relative to it. It may have every key but lock, and include others",
    ),
    (
        Kind::Parts,
        "What holds for one architecture only, as in [for.arm64]: every key but arch, include and \
         for. Its lists are added after those of the recipe, and its single values win. The \
         architecture is that of arch or --arch, one of which must be given",
    ),
];

/// Keys that say something of the whole recipe, so that they can't be in a part for an architecture.
pub const OF_THE_WHOLE: [&str; 3] = ["arch", "include", "for"];

/// A finding that does not stop the build, and why.
#[derive(Default, Deserialize)]
#[serde(default, expecting = "tables with finding and reason, as in [[allow]]")]
pub struct Allow {
    pub finding: Option<Spanned<String>>,
    pub reason: Option<String>,
}

/// The type of a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// Strings, all of which count.
    Strings,
    /// True or false.
    Flag,
    /// A number, or several with dots between them, as a string.
    Number,
    /// Tables of a finding and a reason.
    Findings,
    /// Tables of what has to hold.
    Tests,
    /// A table of tables, each under the name of an architecture.
    Parts,
    /// What becomes of all files of `/etc`, or tables of a path and what becomes of it.
    Settings,
}

impl Kind {
    /// Returns what the manual calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Strings => "list of strings",
            Self::Flag => "true or false",
            Self::Number => "number or string",
            Self::Findings | Self::Tests => "list of tables",
            Self::Parts => "tables",
            Self::Settings => "string or list of tables",
        }
    }
}

/// A key of a recipe.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What it means.
    pub meaning: String,
}

/// Returns all keys of a recipe, in the order of the manual.
pub fn keys() -> Vec<Key> {
    let own = keys_of::<Own>().iter().zip(OWN);
    let mut keys: Vec<_> = own
        .map(|(name, (kind, meaning))| Key {
            name,
            kind,
            meaning: meaning.to_owned(),
        })
        .collect();
    // Options and keys are made of the same fields, so they are in the same order.
    let command = ImageArguments::augment_args(Command::new("recipe"));
    let shared = keys_of::<ImageArguments>().iter();
    keys.extend(shared.zip(command.get_arguments()).map(|(name, option)| {
        let kind = match *name {
            "build-number" => Kind::Number,
            "etc" => Kind::Settings,
            _ if option.get_num_args() == Some(ValueRange::EMPTY) => Kind::Flag,
            _ if matches!(option.get_action(), clap::ArgAction::Append) => Kind::Strings,
            _ => Kind::Text,
        };
        Key {
            name,
            kind,
            meaning: option
                .get_help()
                .map(ToString::to_string)
                .unwrap_or_default(),
        }
    }));
    keys
}

/// Returns the names that serde knows the fields of a struct by.
pub fn keys_of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut keys: &'static [&'static str] = &[];
    // It fails once it was asked, and `keys` is what was wanted.
    let _ = T::deserialize(Fields(&mut keys));
    keys
}

/// A deserializer that has no value, but takes down which fields were asked for.
struct Fields<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = Unread;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Unread> {
        Err(Unread::custom("no struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Unread> {
        *self.0 = fields;
        Err(Unread::custom("no value"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
