//! Whether the bytes of a disk image are those that its hashes and its signature stand for.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use ::verity::{Certificate, Digest, Error, SignatureBlock};
use anyhow::anyhow;
use files::Links;
use image::disk::{Partition, Protected, Proved, ProvedBy, Unproved};
use image::{Kind, Section};
use serde::Serialize;

use super::opened::has_hashes;
use super::{image_failure, is_refusal, mounted_parts};
use crate::words::digest::sha256;
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
    let parts = Parts::of(path, &mut file)?;
    let proved = parts.prove(path, &mut file)?;
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

/// Says what is wrong with the bytes of a disk that has one file system and its hashes.
pub fn damage(path: &Path) -> Result<Option<String>> {
    let mut file = files::open(path, Links::Follow)?;
    let Ok(parts) = Parts::of(path, &mut file) else {
        return Ok(None);
    };
    let hashes = Section::new(&mut file, parts.hashes.start, parts.hashes.length);
    if !hashes
        .and_then(has_hashes)
        .map_err(|error| image_failure(path, error))?
    {
        return Ok(None);
    }
    match parts.partitions().prove(&mut file) {
        // What its signature is worth is said elsewhere.
        Ok(_) | Err(Unproved::Verity(Error::SignatureBlock(_))) => Ok(None),
        Err(Unproved::Verity(Error::Io(error))) if !is_refusal(&error) => {
            Err(image_failure(path, error))
        }
        Err(problem) => Ok(Some(problem.to_string())),
    }
}

/// Reads all of an image that waits for a signature, and returns the root hash to sign.
pub fn hash_to_sign(path: &Path) -> Result<Digest> {
    let mut file = files::open(path, Links::Follow)?;
    let parts = Parts::of(path, &mut file)?;
    let proved = parts.prove(path, &mut file)?;
    let has_room = parts.partitions().has_room(&proved);
    has_room.map_err(|error| unproved(path, error))?;
    Ok(proved.root)
}

/// Reads all of an image that is signed, and returns what its signature's partition has.
pub fn signature(path: &Path) -> Result<SignatureBlock> {
    let mut file = files::open(path, Links::Follow)?;
    let parts = Parts::of(path, &mut file)?;
    match parts.prove(path, &mut file)?.by {
        ProvedBy::Signature(block) => Ok(block),
        _ => Err(Failure::refused(anyhow!(
            "{} is not signed",
            path.display()
        ))),
    }
}

/// Returns the SHA-256 that an image with room for a signature has with this one; as it is, if the
/// signature is of something else.
pub fn digest_with(path: &Path, block: &SignatureBlock) -> Result<Digest> {
    let mut file = files::open(path, Links::Refuse)?;
    let parts = Parts::of(path, &mut file)?;
    let proved = parts.prove(path, &mut file)?;
    parts
        .partitions()
        .has_room(&proved)
        .map_err(|error| unproved(path, error))?;
    let failed = |error| image_failure(path, error);
    file.rewind().map_err(failed)?;
    let Some(room) = parts.signature.filter(|_| proved.root == block.root) else {
        return Ok(sha256(&mut file).map_err(failed)?.1);
    };
    let block = block.to_bytes().map_err(Failure::refused)?;
    let mut after = files::open(path, Links::Refuse)?;
    let after_room = room.start + block.len() as u64;
    after.seek(SeekFrom::Start(after_room)).map_err(failed)?;
    let mut whole = file.take(room.start).chain(&*block).chain(after);
    Ok(sha256(&mut whole).map_err(failed)?.1)
}

/// Reads all of an image, and writes a signature of its root hash into the room that there is for it.
/// One that the key of the certificate has signed stays as it is. Returns the root hash.
pub fn sign<F: Read + Write + Seek>(
    path: &Path,
    file: &mut F,
    certificate: &Certificate,
    sign: impl FnOnce(Digest) -> Result<SignatureBlock>,
) -> Result<Digest> {
    let parts = Parts::of(path, file)?;
    let proved = parts.prove(path, file)?;
    if let ProvedBy::Signature(block) = &proved.by
        && block.verify(std::slice::from_ref(certificate)).is_ok()
    {
        return Ok(proved.root);
    }
    let partitions = parts.partitions();
    partitions
        .has_room(&proved)
        .map_err(|error| unproved(path, error))?;
    let block = sign(proved.root)?;
    let signed = partitions.sign(file, &proved, &block);
    signed.map_err(|error| unproved(path, error))?;
    Ok(proved.root)
}

/// The partitions of an image that has one file system and its hashes.
struct Parts {
    data: Partition,
    hashes: Partition,
    signature: Option<Partition>,
}

impl Parts {
    fn of<F: Read + Seek>(path: &Path, file: &mut F) -> Result<Self> {
        let refused = |text: &str| Failure::refused(anyhow!("{} {text}", path.display()));
        let kind = Kind::of(file).map_err(|error| image_failure(path, error))?;
        let Kind::Disk(table) = kind else {
            return Err(refused("is not a disk image, so it has no hashes")
                .hint("build one that has them: --format ddi"));
        };
        let is_certain = table.is_certain(file);
        if !is_certain.map_err(|error| image_failure(path, error))? {
            let text =
                "has a table of partitions and a copy of it that programs read in different ways";
            return Err(refused(text));
        }
        let parts = mounted_parts(&table, None);
        let [part] = &parts[..] else {
            let text =
                "has not one file system that clients mount, so nothing is said of all of it";
            return Err(refused(text));
        };
        let hashes = part.hashes.ok_or_else(|| refused("has no hashes"))?;
        Ok(Self {
            data: part.data.clone(),
            hashes: hashes.clone(),
            signature: part.signature.cloned(),
        })
    }

    fn partitions(&self) -> Protected<'_> {
        Protected {
            data: &self.data,
            hashes: &self.hashes,
            signature: self.signature.as_ref(),
        }
    }

    fn prove<F: Read + Seek>(&self, path: &Path, file: &mut F) -> Result<Proved> {
        let proved = self.partitions().prove(file);
        proved.map_err(|error| unproved(path, error))
    }
}

fn unproved(path: &Path, error: Unproved) -> Failure {
    match error {
        Unproved::Verity(Error::Io(error)) => image_failure(path, error),
        error => Failure::refused(anyhow!("{}: {error}", path.display())),
    }
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
