//! Whether the bytes of a disk image are those that its hashes and its signature stand for.

use std::path::Path;

use ::verity::{Certificate, Error};
use anyhow::anyhow;
use files::Links;
use image::Kind;
use image::disk::{Protected, ProvedBy, Unproved};
use serde::Serialize;

use super::{image_failure, mounted_parts};
use crate::words::failure::{Failure, Result};

/// What was found out about a disk image.
#[derive(Debug, Serialize)]
pub struct Proof {
    root_hash: String,
    /// Whether it has a signature.
    signature: Signature,
    /// Who signed it, by the certificate that was given, or by its own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
}

/// What an image has to prove its root hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Signature {
    /// Nothing.
    None,
    /// Room for a signature.
    Deferred,
    /// A signature; no certificate was given to check it with.
    Unchecked,
    /// A signature by the key of a certificate that was given.
    Good,
}

/// Reads all of an image and compares it with its hashes, and these with its signature; that with the
/// certificates, if there are any.
pub fn prove(path: &Path, certificates: &[Certificate]) -> Result<Proof> {
    let name = path.display();
    let refused = |text: String| Failure::refused(anyhow!("{name} {text}"));
    let mut file = files::open(path, Links::Follow)?;
    let kind = Kind::of(&mut file).map_err(|error| image_failure(path, error))?;
    let Kind::Disk(table) = kind else {
        return Err(
            refused("is not a disk image, so it has no hashes".to_owned())
                .hint("build one that has them: --format ddi"),
        );
    };
    let is_certain = table.is_certain(&mut file);
    if !is_certain.map_err(|error| image_failure(path, error))? {
        let text =
            "has a table of partitions and a copy of it that programs read in different ways";
        return Err(refused(text.to_owned()));
    }
    let parts = mounted_parts(&table, None);
    let [part] = &parts[..] else {
        let text = "has not one file system that clients mount, so nothing is said of all of it";
        return Err(refused(text.to_owned()));
    };
    let Some(hashes) = part.hashes else {
        return Err(refused("has no hashes".to_owned()));
    };
    let (data, signature) = (part.data, part.signature);
    let protected = Protected {
        data,
        hashes,
        signature,
    };
    let proved = protected.prove(&mut file).map_err(|error| match error {
        Unproved::Verity(Error::Io(error)) => image_failure(path, error),
        error => Failure::refused(anyhow!("{name}: {error}")),
    })?;
    let root_hash = ::verity::signed_text(&proved.root);
    let (signature, signer) = match proved.by {
        ProvedBy::Signature(block) if certificates.is_empty() => {
            let signer = ::verity::pkcs7::signer(&block.signature);
            let signer = signer.map_err(|error| Failure::refused(anyhow!("{name}: {error}")))?;
            (Signature::Unchecked, Some(signer))
        }
        ProvedBy::Signature(block) => {
            let by = block.verify(certificates);
            let by = by.map_err(|error| Failure::refused(anyhow!("{name}: {error}")))?;
            (Signature::Good, Some(by.to_string()))
        }
        _ if !certificates.is_empty() => return Err(refused("is not signed".to_owned())),
        ProvedBy::Nothing => (Signature::None, None),
        ProvedBy::NothingYet => (Signature::Deferred, None),
    };
    Ok(Proof {
        root_hash,
        signature,
        signer,
    })
}

impl Proof {
    /// Says it in two lines.
    pub fn lines(&self) -> [String; 2] {
        let signer = self.signer.as_deref().unwrap_or_default();
        [
            format!("root hash {}: the whole image matches it", self.root_hash),
            match self.signature {
                Signature::None => "not signed".to_owned(),
                Signature::Deferred => "not signed yet: there is room for a signature".to_owned(),
                Signature::Unchecked => format!(
                    "signature by {signer}: not checked; give its certificate with --verity-cert"
                ),
                Signature::Good => format!("signature by {signer}: good"),
            },
        ]
    }
}
