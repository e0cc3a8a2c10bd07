//! What can go wrong with a store.

use std::path::PathBuf;

use crate::freshness::DayProblem;
use crate::name::NameProblem;
use crate::serial::Setback;
use crate::sums::SumsProblem;

/// Why a signer could not sign.
pub type SignError = Box<dyn std::error::Error + Send + Sync>;

/// An error of the store; every text names the file it is about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused something.
    #[error("can't {action} {path}", path = .path.display())]
    Io {
        /// A verb phrase, such as `open` or `give a name to`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// Another process has the directory's lock, and keeps it.
    #[error(
        "can't lock {path}: another process has held its lock for {seconds} seconds; see which one: \
         fuser -v {path}",
        path = .path.display()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The directory is on a file system that has no `flock` for directories.
    #[error(
        "can't lock {path}: its file system has no flock for directories (some NFS servers); \
         without it two builds could lose each other's lines in SHA256SUMS, so keep the store on \
         a local file system and copy it from there",
        path = .path.display()
    )]
    LockUnsupported {
        /// The directory.
        path: PathBuf,
        /// What `flock` said.
        source: std::io::Error,
    },
    /// The name of an extension or of a file to be added is not usable.
    #[error("name {name:?} {problem}")]
    Name {
        /// The name as given.
        name: String,
        /// What is wrong with it.
        problem: NameProblem,
    },
    /// The file names of extension, image and manifest don't belong together.
    #[error(
        "image {image:?} and manifest {manifest:?} of extension {name:?} don't belong together: \
         clients expect \"{name}-VERSION.raw\" and \"{name}-VERSION.manifest.gz\""
    )]
    FileNames {
        /// The name of the extension as given.
        name: String,
        /// The image's file name as given.
        image: String,
        /// The manifest's file name as given.
        manifest: String,
    },
    /// A file that comes with an image is not named as what belongs to one.
    #[error("{name:?} is not a name for a file that belongs to the image {image:?}")]
    Attached {
        /// The file's name as given.
        name: String,
        /// The image's file name.
        image: String,
    },
    /// A name is taken by a file with other bytes.
    #[error("{path} exists with different contents", path = .path.display())]
    Exists {
        /// The existing file.
        path: PathBuf,
    },
    /// An image of that name and with other bytes was taken back.
    #[error(
        "{image} was taken back from {path}, and had other contents: clients that have it would not \
         fetch that name again",
        path = .path.display()
    )]
    Withdrawn {
        /// The file name of the image.
        image: String,
        /// The store.
        path: PathBuf,
    },
    /// Clients would not see the image as the newest.
    #[error(
        "{image} would not be the newest: for {order}, {version} is not newer than {newest} of \
         {path}",
        path = .path.display()
    )]
    Older {
        /// The newest image so far.
        path: PathBuf,
        /// The image to be added.
        image: String,
        /// Whose order of versions it is.
        order: &'static str,
        /// The image's version.
        version: String,
        /// The version of the newest image so far.
        newest: String,
    },
    /// The day after which clients refuse the list can't be the one that was given.
    #[error(transparent)]
    Freshness(#[from] DayProblem),
    /// A line of `SHA256SUMS` that some systemd refuses, and with it the whole store.
    #[error(
        "{path}, line {line}: {problem}; systemd refuses the whole store for such a line, so \
         correct or remove it",
        path = .path.display()
    )]
    Sums {
        /// Path of `SHA256SUMS`.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What is wrong with the line.
        problem: SumsProblem,
    },
    /// A name in the store stands for something else than a file, such as a link, or the file is
    /// larger than any store needs or clients read.
    #[error(transparent)]
    File(files::Error),
    /// The directory has a list, and files were to be added beside it.
    #[error(
        "{path} exists: with a NAME.sha256 next to an image, systemd-pull would no longer look at \
         it",
        path = .path.display()
    )]
    Listed {
        /// Path of `SHA256SUMS`.
        path: PathBuf,
    },
    /// There is nothing to sign.
    #[error("{path} lists nothing", path = .path.display())]
    NoList {
        /// Path of `SHA256SUMS`.
        path: PathBuf,
    },
    /// The store is signed, and the change came without a signer.
    #[error(
        "{path} exists, so the store is signed, and a change without a signature would make every \
         client that verifies refuse the store",
        path = .path.display()
    )]
    Unsigned {
        /// Path of the signature.
        path: PathBuf,
    },
    /// The store has a published key, or its list a number, and the list no signature.
    #[error(
        "signature-missing: {path} is gone, and with it what vouches for the list; the store \
         was signed before",
        path = .path.display()
    )]
    SignatureMissing {
        /// Path of the signature.
        path: PathBuf,
    },
    /// The list is not what the key signed.
    #[error(
        "signature-invalid: {path} does not show that key {key} signed the list, so somebody else \
         may have changed it: {problem}",
        path = .path.display()
    )]
    SignatureInvalid {
        /// Path of the signature.
        path: PathBuf,
        /// Fingerprint of the key that was to sign.
        key: String,
        /// What is wrong with the signature.
        problem: String,
    },
    /// The list comes before the last one that was signed here, or is not of this store.
    #[error("rolled-back: {path} {problem}", path = .path.display())]
    Setback {
        /// Path of `SHA256SUMS`.
        path: PathBuf,
        /// What is wrong with it.
        problem: Setback,
    },
    /// A file that a list from elsewhere names is not there.
    #[error("{path} is listed and not there", path = .path.display())]
    Missing {
        /// Path of the file.
        path: PathBuf,
    },
    /// Another key has signed the list.
    #[error(
        "{path} is by key {former}, and key {key} is to sign now: clients that do not have the new \
         key would refuse the store",
        path = .path.display()
    )]
    OtherKey {
        /// Path of the signature.
        path: PathBuf,
        /// Fingerprint of the key that signed before, or those of the published keys.
        former: String,
        /// Fingerprint of the key that was to sign.
        key: String,
    },
    /// The list could not be signed.
    #[error("can't sign {path}", path = .path.display())]
    Sign {
        /// Path of `SHA256SUMS`.
        path: PathBuf,
        /// The signer's reason.
        source: SignError,
    },
    /// A listed name begins with the name of a listed image.
    #[error(
        "{path} can't list {longer:?} together with {image:?}: systemd 254 to 257 take every name \
         that begins with an image's name for that image; rename {longer:?} or take it off the \
         list",
        path = .path.display()
    )]
    ImagePrefix {
        /// Path of `SHA256SUMS`.
        path: PathBuf,
        /// The image.
        image: String,
        /// The name that begins with it.
        longer: String,
    },
    /// A manifest in the store can't be read, so the name of its extension is unknown.
    #[error("{path}: {problem}", path = .path.display())]
    Manifest {
        /// Path of the manifest.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file that was to be copied is not the one that is listed.
    #[error("{path} {problem}", path = .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The archive of definitions is not the one that is listed, or not one of ours.
    #[error("{path} {problem}", path = .path.display())]
    Archive {
        /// Path of the archive.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Verdicts on the images can't be written.
    #[error("{path}: the verdicts {problem}", path = .path.display())]
    Compat {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong with them.
        problem: crate::compat::CompatProblem,
    },
    /// Two extensions can't be served from one directory.
    #[error(
        "pattern-collision: extensions {general:?} and {special:?} can't share {path}: the pattern \
         \"{general}-@v.%a.raw\" by which clients look for {general:?} also matches {image:?}, and \
         they would install it as {general:?}; put one of the two in another directory",
        path = .path.display()
    )]
    NameCollision {
        /// The store.
        path: PathBuf,
        /// The extension whose pattern fits too much, such as `gcc`.
        general: String,
        /// The extension whose image it fits, such as `gcc-32bit`.
        special: String,
        /// That image.
        image: String,
    },
    /// Adding failed, and taking back what had been done failed too.
    #[error("{failed}; then the store could not be restored: {undo}")]
    Undo {
        /// The error that came first.
        failed: Box<Error>,
        /// What could not be taken back; names the file that stays changed.
        #[source]
        undo: Box<Error>,
    },
}

impl From<files::Error> for Error {
    fn from(error: files::Error) -> Error {
        match error {
            files::Error::Io {
                action,
                path,
                source,
            } => Error::Io {
                action,
                path,
                source,
            },
            other => Error::File(other),
        }
    }
}
