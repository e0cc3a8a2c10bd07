//! The signatures of a package's header, as bytes, and the bytes that they cover.
//!
//! ```text
//! signature header                                        covers
//! OPENPGP (278)  packets in base64, since RPM 4.20        the header
//! RSAHEADER (268), DSAHEADER (267)  a packet, since 4.0   the header
//! SIGPGP (1002), SIGGPG (1005)  a packet                  header and payload
//! ```
//!
//! The last row is of RPM 3 and was dropped in RPM 6. It is not used here: what the header
//! promises of the payload is checked anyway, so that it would prove nothing more, and take a pass
//! over the payload before the first byte of it can be believed.
//!
//! What the header is covered by says nothing about the signature header itself. Of what is read
//! from there, only the MD5 of header and payload is of consequence; so a package in which
//! something has no better digest is not vouched for by any signature of its header.

use std::io::BufRead;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::file::FileKind;
use crate::header::Prefix;
use crate::package::{DigestScope, Package};
use crate::tags::{Tag, Tags};

/// A package's header with the signatures over it.
#[derive(Clone, Debug)]
pub struct SignedHeader {
    /// The header as it stands in the file, which is what the signatures cover.
    pub header: Vec<u8>,
    /// OpenPGP signatures, each one or more packets; none of them has been checked.
    pub signatures: Vec<Vec<u8>>,
    /// There are signatures of header and payload, which are not used.
    pub has_payload_signature: bool,
    /// All contents have digests in the header, so a signature of the header vouches for them.
    pub covers_contents: bool,
}

impl Package {
    /// Reads the signatures from the start of the file that this package was read from.
    ///
    /// # Errors
    ///
    /// [`Error::Changed`] if it is another file than before; [`Error::Header`] if a signature is no
    /// base64 where it should be; [`Error::Io`].
    pub fn signed_header(&self, input: &mut impl BufRead) -> Result<SignedHeader, Error> {
        let prefix = Prefix::read(input, &self.origin)?;
        if <[u8; 32]>::from(Sha256::digest(&prefix.bytes)) != self.prefix.sha256 {
            return Err(Error::Changed {
                origin: self.origin.clone(),
            });
        }
        let signature = Tags::new(&self.origin, prefix.signature_values());
        Ok(SignedHeader {
            header: prefix.header().to_vec(),
            signatures: signatures(&signature)?,
            has_payload_signature: signature.has(Tag::SIG_PGP) || signature.has(Tag::SIG_GPG),
            covers_contents: self.covers_contents(),
        })
    }

    /// Says whether each content has a digest in the header, its own or that of the payload.
    fn covers_contents(&self) -> bool {
        let is_in_header = |scope| scope != DigestScope::HeaderAndPayload;
        let mut digests = self.payload.digests.iter();
        digests.any(|digest| is_in_header(digest.scope))
            || self.files.iter().all(|file| {
                file.kind != FileKind::Regular
                    || file.size == 0
                    || file.digest.is_some()
                    || file.flags.is_ghost()
            })
    }
}

/// Returns the signatures over the header.
fn signatures(signature: &Tags<'_>) -> Result<Vec<Vec<u8>>, Error> {
    if let Some(texts) = signature.strings(Tag::SIG_OPENPGP)? {
        let decoded = texts.map(|text| BASE64_STANDARD.decode(text));
        return decoded
            .collect::<Result<_, _>>()
            .map_err(|error| Error::Header {
                origin: signature.origin.to_owned(),
                part: "signature header",
                reason: error.to_string(),
            });
    }
    let mut signatures = Vec::new();
    for tag in [Tag::SIG_RSA, Tag::SIG_DSA] {
        signatures.extend(signature.octets(tag)?.map(<[u8]>::to_vec));
    }
    Ok(signatures)
}
