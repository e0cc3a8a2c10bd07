//! Why a package is in an image: what is recorded of a resolution, and read again by `why`.
//!
//! The reasons stand in the manifest beside an image, at each of its `packages`, and in the plan
//! that `--dry-run --json` prints, as `resolution`. A reason names one other package, which has a
//! reason of its own, until one is reached that was asked for.

use serde::{Deserialize, Serialize};

/// Why a package was chosen. The first reason is recorded where there are several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Reason {
    /// The user named it, or its file.
    Requested,
    /// Another package requires what it provides.
    Requires {
        /// The dependency, as RPM writes it.
        capability: String,
        /// NEVRA of who requires it.
        by: String,
    },
    /// Another package recommends what it provides.
    Recommends {
        /// The dependency, as RPM writes it.
        capability: String,
        /// NEVRA of who recommends it.
        by: String,
    },
    /// It says of itself that it belongs to what is there.
    Supplements {
        /// The dependency, as RPM writes it.
        capability: String,
    },
}

impl Reason {
    /// Returns the reason in words; nothing for what was asked for.
    pub fn words(&self) -> Option<String> {
        match self {
            Self::Requested => None,
            Self::Requires { capability, by } => Some(format!("{capability} needed by {by}")),
            Self::Recommends { capability, by } => {
                Some(format!("{capability} recommended by {by}"))
            }
            Self::Supplements { capability } => Some(format!("it supplements {capability}")),
        }
    }
}

/// A package of an image, as far as `why` asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// Its NEVRA.
    pub nevra: String,
    /// Why it is there.
    pub reason: Reason,
    /// The capabilities that it offers.
    pub provides: Vec<String>,
}

/// A package of the base that an image relies on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReliedOn {
    /// Its NEVRA.
    pub nevra: String,
    /// What of it the image's packages require.
    pub provides: Vec<String>,
}
