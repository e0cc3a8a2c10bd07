//! The disk image around a file system: what proves that, and what is written once it is packed.

use ::verity::{Certificate, Digest};
use anyhow::anyhow;
use architecture::{Architecture, Designator, Role, partition_type};
use clap::ValueEnum;
use image::disk::{Guid, Kinds, Proof};
use manifest::{BuiltFrom, ImageFile};
use sha2::{Digest as _, Sha256};

use super::built_from;
use super::signing::{RootKey, RootSigner};
use crate::findings::Finding;
use crate::pack::Around;
use crate::words::failure::{Failure, Result};

/// What an image file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A bare file system
    #[default]
    Squashfs,
    /// A disk (DDI) with the file system, its hashes and their signature
    Ddi,
}

/// What proves the file system of a disk image.
#[derive(Clone, Debug)]
pub enum Proving {
    /// Nothing but its hashes.
    Unsigned,
    /// A signature that comes later.
    Deferred,
    /// A signature by this key.
    Signed(Box<RootKey>),
}

impl Proving {
    /// Returns what decides how an image that is proved so is another.
    pub fn described(&self) -> String {
        let of = |certificate: &Certificate| hex::encode(certificate.fingerprint());
        match self {
            Self::Unsigned => "ddi, unsigned".to_owned(),
            Self::Deferred => "ddi, signed later".to_owned(),
            Self::Signed(key) => format!("ddi, signed by {}", of(&key.certificate)),
        }
    }
}

/// What proves images, ready to do so.
pub enum Prover {
    /// Nothing.
    Unsigned,
    /// A key that signs later.
    Deferred,
    /// This key.
    Signed(Box<RootSigner>),
}

impl Prover {
    /// Opens the key, if there is one. May ask for its passphrase.
    pub fn open(proving: &Proving) -> Result<Self> {
        Ok(match proving {
            Proving::Unsigned => Self::Unsigned,
            Proving::Deferred => Self::Deferred,
            Proving::Signed(key) => Self::Signed(Box::new(RootSigner::open(key)?)),
        })
    }

    /// Returns what proves a root hash.
    pub fn prove(&self, root: Digest) -> Result<Proof> {
        Ok(match self {
            Self::Unsigned => Proof::None,
            Self::Deferred => Proof::Later,
            Self::Signed(signer) => Proof::Signed(signer.sign(root)?),
        })
    }

    /// Says what is wrong with the file of the key.
    pub fn finding(&self) -> Option<&Finding> {
        match self {
            Self::Unsigned | Self::Deferred => None,
            Self::Signed(signer) => signer.finding.as_ref(),
        }
    }

    /// Says what proves it.
    pub fn words(&self) -> String {
        match self {
            Self::Unsigned => "not signed".to_owned(),
            Self::Deferred => "to be signed".to_owned(),
            Self::Signed(signer) => format!("signed by {}", signer.certificate),
        }
    }

    /// Returns what a manifest says of an image file with this root hash.
    pub fn described(&self, root: &Digest) -> ImageFile {
        let image = |signature, signed_by| ImageFile {
            format: ImageFile::DDI.to_owned(),
            root_hash: Some(hex::encode(root)),
            signature: Some(str::to_owned(signature)),
            signed_by,
            ..ImageFile::default()
        };
        match self {
            Self::Unsigned => image(ImageFile::NOT_SIGNED, None),
            Self::Deferred => image(ImageFile::DEFERRED, None),
            Self::Signed(signer) => signed(root, &signer.certificate),
        }
    }
}

/// Returns what a manifest says of an image file with this root hash that has a signature.
pub fn signed(root: &Digest, certificate: &Certificate) -> ImageFile {
    ImageFile {
        format: ImageFile::DDI.to_owned(),
        root_hash: Some(hex::encode(root)),
        signature: Some(ImageFile::SIGNED.to_owned()),
        signed_by: Some(hex::encode(certificate.fingerprint())),
        ..ImageFile::default()
    }
}

/// Returns what a manifest says of a bare file system.
pub fn bare() -> ImageFile {
    ImageFile {
        format: ImageFile::SQUASHFS.to_owned(),
        ..ImageFile::default()
    }
}

/// Returns what is around the file system of an image that is built from this. The same contents get
/// the same hashes.
pub fn around<'a>(
    architecture: Architecture,
    built_from: Option<&BuiltFrom>,
    prove: &'a dyn Fn(Digest) -> Result<Proof>,
) -> Result<Around<'a>> {
    let mut salt = Sha256::new_with_prefix("salt of the hashes\n");
    salt.update(built_from.map(built_from::of_contents).unwrap_or_default());
    Ok(Around {
        salt: salt.finalize().into(),
        kinds: kinds(architecture)?,
        prove,
    })
}

/// Fails where there is no disk image for an architecture.
pub fn check_architecture(architecture: Architecture) -> Result<()> {
    kinds(architecture).map(drop)
}

fn kinds(architecture: Architecture) -> Result<Kinds> {
    let name = architecture.systemd();
    let of = |role| Guid::parse(partition_type(name, Designator::Root, role)?);
    match (of(Role::Data), of(Role::Hashes), of(Role::Signature)) {
        (Some(data), Some(hashes), Some(signature)) => Ok(Kinds {
            name: format!("root-{name}"),
            types: [data, hashes, signature],
        }),
        _ => Err(Failure::refused(anyhow!(
            "--format ddi: there are no types of partitions for the architecture {name}"
        ))
        .hint("build a bare file system: --format squashfs")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_architecture_has_its_partitions() {
        for name in Architecture::names() {
            let architecture = Architecture::named(name).unwrap();
            let found = kinds(architecture).map(|kinds| kinds.name);
            match name {
                "sparc" | "sparc64" => drop(found.unwrap_err()),
                _ => assert_eq!(found.unwrap(), format!("root-{name}")),
            }
        }
    }
}
