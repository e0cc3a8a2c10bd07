//! Bills of materials of system extension images: SPDX 2.3 and CycloneDX 1.5, in JSON.
//!
//! All that they say is in the image's manifest, so each is a pure function of it. The same manifest
//! gives the same bytes; times are the image's own, and what must be unique is made of the content.
//!
//! An image holds packages and relies on others of its base. Both are listed, since both decide
//! whether a weakness concerns a host; what is said of a package tells which it is.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        reason = "a test reads what it made itself"
    )
)]

mod bill;
mod cyclonedx;
mod json;
mod licence;
mod names;
mod spdx_json;
mod time;

pub use bill::{Bill, Error, Missing, Subject};
pub use licence::Licence;
pub use names::purl;

/// A form of a bill of materials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// SPDX 2.3 in JSON.
    Spdx,
    /// CycloneDX 1.5 in JSON.
    CycloneDx,
}

impl Format {
    /// Every form.
    pub const ALL: [Self; 2] = [Self::Spdx, Self::CycloneDx];

    /// Returns what takes the place of `.raw` in the name of an image's bill.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Spdx => ".spdx.json",
            Self::CycloneDx => ".cdx.json",
        }
    }

    /// Writes a bill in this form. `version` is that of the program that makes it.
    ///
    /// # Errors
    /// It can't be written as JSON.
    pub fn write(self, bill: &Bill<'_>, version: &str) -> serde_json::Result<Vec<u8>> {
        match self {
            Self::Spdx => spdx_json::write(bill, version),
            Self::CycloneDx => cyclonedx::write(bill, version),
        }
    }
}
