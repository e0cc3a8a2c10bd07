//! What an answer is made of: each package to add with its reason, and what was there already.

use crate::demand::Demand;
use crate::dependency::Dependency;
use crate::id::Id;
use crate::pool::{Available, Package};

/// A package to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Which package it is.
    pub package: Available,
    /// Why it is added; the first reason if there are several.
    pub reason: Reason,
}

/// Why a package is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It satisfies the request of that number.
    Requested(usize),
    /// Another package requires it; one of the base can do so by a rich dependency.
    Requires {
        /// Who requires it.
        by: Package,
        /// The dependency.
        dependency: String,
    },
    /// Another package that is added recommends it.
    Recommends {
        /// Who recommends it.
        by: Package,
        /// The dependency.
        dependency: String,
    },
    /// It says of itself that it should be added to what is there.
    Supplements {
        /// The dependency.
        dependency: String,
    },
}

/// A request that needs nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Already {
    /// Number of the request.
    pub request: usize,
    /// The package of the base that satisfies it; none if no single one does.
    pub base: Option<usize>,
}

/// A package that was asked for by name, and of which another one has taken the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// Number of the request.
    pub request: usize,
    /// The package that obsoletes it; one that is added, or one of the base.
    pub by: Package,
}

/// A weak dependency that can be met by adding something.
pub(crate) struct Wish<'a> {
    pub(crate) package: Id,
    pub(crate) dependency: &'a Dependency,
    /// Whether the package wishes itself to be added.
    pub(crate) supplements: bool,
    pub(crate) demands: Vec<Demand<'a>>,
}
