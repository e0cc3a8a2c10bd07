//! What can be typed after `build`, the default verb.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use store::BestBefore;

use super::sbom::BillForm;
use super::{NetworkArguments, SigningArguments, VeritySigningArguments};
use crate::alive::places::Etc;
use crate::plan::build_number::Numbering;
use crate::plan::matching::Matching;
use crate::publish::disk::Format;
use crate::report::Verbosity;
use crate::trial::test::Test;

/// The arguments of `build`.
#[derive(Clone, Debug, Default, Args)]
pub struct BuildArguments {
    /// RPM files, directories of RPM files or, with --repo, names of packages; the first package
    /// names the image, and files come before names. Or recipes (FILE.toml), one image each
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// What a recipe asks for by name: never a file, whatever is in the working directory.
    #[arg(skip)]
    pub names: Vec<String>,
    /// Why a recipe allows findings, each by its id; those are in `allow`, too.
    #[arg(skip)]
    pub reasons: BTreeMap<String, String>,
    /// What has to hold where a recipe's image is merged.
    #[arg(skip)]
    pub tests: Vec<Test>,
    /// What a recipe can say of its image, too.
    #[command(flatten)]
    pub image: ImageArguments,

    /// Address of the store that the image will be in, so that the installed image can update itself
    #[arg(long, value_name = "URL", help_heading = "Image")]
    pub sysupdate_url: Option<String>,
    /// Whether these updates must be signed by a key that the client trusts [default: yes if the
    /// store is signed]
    #[arg(
        long,
        value_name = "WHETHER",
        help_heading = "Image",
        value_enum,
        requires = "sysupdate_url"
    )]
    pub sysupdate_verify: Option<Whether>,

    /// Repository to choose packages from, and what they require: a directory, an http, https or
    /// file URL, or a .repo file, as [NAME=]PLACE[,priority=N]
    #[arg(long, value_name = "REPO", help_heading = "Base")]
    pub repo: Vec<String>,
    /// Accept only packages that are signed by a key in FILE, or in the files of a directory
    #[arg(long, value_name = "FILE", help_heading = "Trust")]
    pub keyring: Vec<PathBuf>,
    /// Trust the keys that .repo files name as gpgkey, each for its own repository
    #[arg(long, help_heading = "Trust")]
    pub import_keys: bool,
    /// Accept only repositories whose repomd.xml is signed, even if no .repo file asks for it
    #[arg(long, help_heading = "Trust")]
    pub repo_gpgcheck: bool,
    /// Choose nothing: take the packages that the --lock FILE names, and stop if anything has changed
    #[arg(long, help_heading = "Base")]
    pub locked: bool,
    /// Directory for the image, its manifest and SHA256SUMS
    #[arg(
        short,
        long,
        value_name = "DIR",
        help_heading = "Result",
        default_value = "."
    )]
    pub output: PathBuf,
    /// Where images are placed in DIR, and how their files are named
    #[arg(long, value_enum, default_value_t, help_heading = "Result")]
    pub layout: LayoutName,
    /// Write NAME.sha256 next to each file instead of SHA256SUMS, as the Open Build Service expects
    #[arg(
        long,
        help_heading = "Result",
        conflicts_with_all = ["layout", "best_before", "sign_key", "gpg_key", "allow_older"]
    )]
    pub obs: bool,
    /// Replace an image that has the same file name and other contents
    #[arg(long, help_heading = "Result")]
    pub replace: bool,
    /// Add the image even if DIR has a newer one of that name
    #[arg(long, help_heading = "Result")]
    pub allow_older: bool,
    /// Make clients refuse SHA256SUMS after this day (systemd 260 and newer): YYYY-MM-DD
    #[arg(long, value_name = "DAY", help_heading = "Result")]
    pub best_before: Option<BestBefore>,
    /// Show the plan and write nothing; reads only the packages' headers
    #[arg(long, help_heading = "Result")]
    pub dry_run: bool,
    /// Also write the image's files into DIR, which must be empty or new
    #[arg(
        long,
        value_name = "DIR",
        help_heading = "Result",
        conflicts_with = "dry_run"
    )]
    pub tree: Option<PathBuf>,

    /// What signs the list.
    #[command(flatten)]
    pub signing: SigningArguments,
    /// Put a signed statement next to the image that says how it was built (SLSA, in-toto, a bundle of
    /// sigstore), with the secret key in FILE, Ed25519 or ECDSA P-256 in PEM
    #[arg(long, value_name = "FILE", help_heading = "Signature")]
    pub provenance: Option<PathBuf>,
    /// With --format ddi: what signs what is in the image.
    #[command(flatten)]
    pub verity_signing: VeritySigningArguments,
    /// Instead of a key: `defer` leaves room for a signature, for sign-verity; `unsigned` makes hashes
    /// that nothing signs
    #[arg(
        long,
        value_name = "WHAT",
        help_heading = "Signature",
        value_enum,
        conflicts_with_all = ["verity_key", "verity_signer", "verity_cert"]
    )]
    pub verity: Option<WithoutKey>,

    /// Number of compression threads; any number makes the same image [default: one per core]
    #[arg(short, long, value_name = "N", help_heading = "Packing")]
    pub jobs: Option<usize>,
    /// Keep compressed blocks in the cache for other images and the next run, up to SIZE (K, M, G
    /// and T are powers of 1024); 0 keeps none [default: 4G for recipes without --obs, else 0]
    #[arg(long, value_name = "SIZE", help_heading = "Packing")]
    pub block_cache: Option<String>,

    /// Build in spite of a finding that would stop the build; with WHAT only where the finding
    /// speaks of that, as in file-conflict:/usr/bin/vi (`*` and `?` stand for anything)
    #[arg(long, value_name = "FINDING[:WHAT]", help_heading = "Rules")]
    pub allow: Vec<String>,
    /// Try out what the recipe's [[test]] tables say, on the base's files and without root, before
    /// the image is in the store
    #[arg(long, help_heading = "Rules", conflicts_with = "dry_run")]
    pub test: bool,
    /// Stop the build for notes, too
    #[arg(long, help_heading = "Rules")]
    pub strict: bool,

    /// How to fetch.
    #[command(flatten)]
    pub network: NetworkArguments,

    /// Print at the end where the time went: for each stage its seconds, and the processor time of its
    /// threads
    #[arg(long, help_heading = "Output")]
    pub timings: bool,

    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// What can be typed and is in a recipe under the same name: the key `block-size` is the option
/// `--block-size`. What has a default is an `Option`, since a recipe may say it, too; the defaults
/// are in `src/inputs`.
#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ImageArguments {
    /// Add a prepared tree: DIR/usr and DIR/opt; its files replace those of packages
    #[arg(long, value_name = "DIR")]
    pub overlay: Option<PathBuf>,
    /// Name of the extension; if a package has that name, the image gets its version
    #[arg(short, long, value_name = "NAME", help_heading = "Image")]
    pub name: Option<String>,
    /// Version of the image, instead of the main package's version and release
    #[arg(long, value_name = "VERSION", help_heading = "Image")]
    #[serde(rename = "version")]
    pub image_version: Option<String>,
    /// Number that grows with each build of the same version, such as 7 or 29.1:
    /// NAME-VERSION.N.ARCH.raw; `auto`: one more than the newest in the store has, if what the
    /// image is built from has changed since, else nothing is built [default: none; auto in a
    /// recipe]
    #[arg(long, value_name = "N|auto|none", help_heading = "Image")]
    pub build_number: Option<Numbering>,
    /// Architecture of the image, as systemd or RPM spell it
    #[arg(long, value_name = "ARCH", help_heading = "Image")]
    pub arch: Option<String>,
    /// Where the image may be merged: one or more of system, portable, initrd [default: system]
    #[arg(long, value_name = "SCOPE", help_heading = "Image")]
    pub scope: Option<String>,
    /// SELinux labels of the image's files: `auto` takes the base's own file contexts, if it has SELinux
    /// switched on, a path those of another file; `none` leaves labels out [default: auto]
    #[arg(long, value_name = "auto|none|FILE_CONTEXTS", help_heading = "Image")]
    pub selinux: Option<PathBuf>,
    /// Start this unit with the system once the image is merged, as in docker.socket
    #[arg(long, value_name = "UNIT", help_heading = "Image")]
    pub start: Vec<String>,
    /// Start the image's units, too, that the presets of the base enable by name; the base must be a
    /// root directory
    #[arg(
        long,
        help_heading = "Image",
        num_args = 0,
        default_missing_value = "true"
    )]
    pub preset: Option<bool>,
    /// Leave out the unit that does on the host what the image's files need after a merge, such as
    /// making their users
    #[arg(
        long,
        help_heading = "Image",
        num_args = 0,
        default_missing_value = "true"
    )]
    pub no_merge_unit: Option<bool>,
    /// The base: a root directory, an RPM database, a list of packages (rpm -qa, KIWI's
    /// .packages) or mkosi's manifest; its packages must provide what the image requires
    #[arg(long, value_name = "BASE", help_heading = "Base")]
    pub base: Option<PathBuf>,
    /// Use as the base what installing these packages from the repositories would give,
    /// recommended packages included
    #[arg(
        long,
        value_name = "NAME",
        help_heading = "Base",
        value_delimiter = ',',
        conflicts_with = "base"
    )]
    pub base_install: Vec<String>,
    /// Where no repository has the build of a package that the base's list names, assume that it
    /// provides what the next build of the same name and architecture does, or the newest if
    /// there is none
    #[arg(
        long,
        help_heading = "Base",
        num_args = 0,
        default_missing_value = "true"
    )]
    pub assume_next_build: Option<bool>,
    /// Write the packages that were chosen to FILE, for --locked
    #[arg(long, value_name = "FILE", help_heading = "Base")]
    pub lock: Option<PathBuf>,
    /// os-release file of the base, instead of this host's
    #[arg(long, value_name = "FILE", help_heading = "Base")]
    pub os_release: Option<PathBuf>,
    /// What stands for $releasever in URLs of repositories [default: the release that the base's
    /// packages provide, else VERSION_ID]
    #[arg(long, value_name = "VERSION", help_heading = "Base")]
    pub releasever: Option<String>,
    /// What stands for another variable in .repo files, as in /etc/dnf/vars and /etc/zypp/vars.d
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Base")]
    pub set: Vec<String>,
    /// Choose no package of this name from the repositories; `*` and `?` stand for anything
    #[arg(long, value_name = "NAME", help_heading = "Base")]
    pub exclude: Vec<String>,
    /// Enable this stream of a module; without it, those that the base has enabled and the default
    /// ones are
    #[arg(long, value_name = "NAME:STREAM", help_heading = "Base")]
    pub module: Vec<String>,
    /// Also add what the packages recommend, where possible
    #[arg(
        long,
        help_heading = "Base",
        num_args = 0,
        default_missing_value = "true"
    )]
    pub recommends: Option<bool>,
    /// What the image and a client's os-release must have in common [default: version-id]
    #[arg(long = "match", value_name = "WHAT", help_heading = "Base", value_enum)]
    #[serde(rename = "match", deserialize_with = "by_name")]
    pub matching: Option<Matching>,
    /// Also judge the image together with those that clients may merge with it: an image, or a store,
    /// of which the newest image of each other extension counts that is for the same systems
    #[arg(long, value_name = "STORE|IMAGE", help_heading = "Base")]
    pub with: Vec<PathBuf>,
    /// Compressor, with its level after a colon: zstd[:1-22], xz[:0-9], gzip[:1-9], lz4
    /// [default: zstd:6]
    #[arg(long, value_name = "TYPE", help_heading = "Packing")]
    pub compression: Option<String>,
    /// What the image file is: a bare file system, or a disk image with its hashes and their signature
    /// [default: squashfs]
    #[arg(long, value_name = "FORMAT", help_heading = "Packing", value_enum)]
    #[serde(deserialize_with = "by_name")]
    pub format: Option<Format>,
    /// Block size, a power of two from 4K to 1M [default: 1M]
    #[arg(long, value_name = "SIZE", help_heading = "Packing")]
    pub block_size: Option<String>,
    /// Switch a rule off (see `sysext-build rules`)
    #[arg(long, value_name = "RULE", help_heading = "Rules")]
    pub keep: Vec<String>,
    /// Leave out this path and what is below it; or switch on a rule that is off by default, such as
    /// drop-docs
    #[arg(long, value_name = "PATH|RULE", help_heading = "Rules")]
    pub drop: Vec<String>,
    /// What becomes of files that packages have below /etc: `factory` puts them where the base reads
    /// them below /usr, or has systemd-tmpfiles copy them to hosts that have none; `confext` puts
    /// these into a companion image for systemd-confext; `drop` leaves them out; with PATH only of this file or what is below this directory [default: factory]
    #[arg(
        long,
        value_name = "[PATH=]factory|confext|drop",
        help_heading = "Rules",
        value_parser = str::parse::<Etc>
    )]
    #[serde(deserialize_with = "settings")]
    pub etc: Vec<Etc>,
    /// Move what packages have in /opt: `usr` to /usr/lib/opt, with links, units, launchers and scripts
    /// that name it
    #[arg(long, value_name = "usr", help_heading = "Rules", value_enum)]
    #[serde(deserialize_with = "by_name")]
    pub opt: Option<OptPlace>,
    /// Put a bill of materials next to the image: spdx, cyclonedx or both, with a comma between
    #[arg(
        long,
        value_name = "FORM",
        help_heading = "Result",
        value_enum,
        value_delimiter = ','
    )]
    pub sbom: Vec<BillForm>,
    /// Put an index of its pieces next to the image, by which clients fetch only what changed
    #[arg(
        long,
        help_heading = "Result",
        num_args = 0,
        default_missing_value = "true"
    )]
    pub blocks: Option<bool>,
}

/// Where what packages have in `/opt` goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OptPlace {
    /// Below /usr, which every base leaves to images
    Usr,
}

impl OptPlace {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Usr => "usr",
        }
    }
}

/// Reads a value that clap knows by name.
fn by_name<'de, D: Deserializer<'de>, T: ValueEnum>(value: D) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(value)?;
    T::from_str(&text, false).map(Some).map_err(|_| {
        let known = T::value_variants().iter();
        let known = known.filter_map(|one| Some(one.to_possible_value()?.get_name().to_owned()));
        let known = known.collect::<Vec<_>>().join(", ");
        D::Error::custom(format_args!("{text:?} is not one of {known}"))
    })
}

/// Reads what is said of files of `/etc`: of all, or a table for each path.
fn settings<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<Etc>, D::Error> {
    value.deserialize_any(Said)
}

/// What is said of one path of `/etc`, or without one, of all.
#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "tables with path and as, as in [[etc]]"
)]
struct OfPath {
    path: Option<String>,
    r#as: String,
}

struct Said;

impl<'de> Visitor<'de> for Said {
    type Value = Vec<Etc>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a string, or tables with path and as, as in [[etc]]")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<Etc>, E> {
        let treatment = text.parse().map_err(E::custom)?;
        Ok(vec![Etc {
            path: None,
            treatment,
        }])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut tables: A) -> Result<Vec<Etc>, A::Error> {
        let mut all = Vec::new();
        while let Some(OfPath { path, r#as }) = tables.next_element()? {
            let path = path.map_or_else(String::new, |path| path + "=");
            let said = path + &r#as;
            all.push(said.parse().map_err(A::Error::custom)?);
        }
        Ok(all)
    }
}

/// The layout of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LayoutName {
    /// One directory for all extensions
    #[default]
    Flat,
    /// One directory for each extension, with its own SHA256SUMS
    PerName,
    /// per-name, with file names like those of Flatcar's bakery: NAME-VERSION-ARCH.raw
    Flatcar,
    /// per-name, with file names like those of Fedora's sysexts: NAME-VERSION-VERSION_ID-ARCH.raw
    Fedora,
}

/// What there is of a signature where no key makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WithoutKey {
    /// Room for one
    Defer,
    /// None
    Unsigned,
}

/// Whether updates must be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Whether {
    /// They must
    Yes,
    /// They need not
    No,
}
