//! Dependency semantics of RPM, and a solver that adds packages to a fixed base.
//!
//! A [`Pool`] is made of the packages of a base and of what repositories offer, each of them a
//! [`Catalog`]; [`resolve`] answers
//! a [`Request`] with a [`Resolution`], the packages to add with the reason for each, or with a
//! [`Problem`], the rules that stand in the way. Nothing here reads a file, a clock or the
//! environment, and the same input gives the same answer.
//!
//! **The base decides.** Its packages are installed and stay: none is updated, replaced or
//! removed. What the base offers satisfies a requirement before anything else does. A package on
//! offer that shares its name with a package of the base, conflicts with one or obsoletes one is
//! not a candidate, and neither is one that a package of the base conflicts with or obsoletes.
//! That a package of the base lacks something itself is not looked at; but its rich dependencies
//! hold for what is added, as `(langpack if libreoffice)`.
//!
//! **The rules** are those of rpm where it has one: ranges of versions overlap as in
//! `rpmverOverlap`, a provides without a version satisfies every version, obsoletes match names of
//! packages and not what they provide, no package conflicts with itself unless a rich dependency
//! says so, `rpmlib(...)` is taken as satisfied, and packages of one name exclude each other unless
//! their word sizes differ. Among several providers the order is libsolv's as far as it does not
//! depend on the course of the search; the `prefer` module lists it. The search itself is resolvo's.

mod architecture;
mod catalog;
mod chosen;
mod clause;
mod decisions;
mod demand;
mod dependency;
mod error;
mod evaluate;
mod evr;
mod explain;
mod id;
mod index;
mod installed;
mod judge;
mod parse;
mod pattern;
mod pool;
mod prefer;
mod problem;
mod reasons;
mod request;
mod resolution;
mod solvable;
mod solve;

pub use catalog::{Catalog, CatalogBuilder, Kind};
pub use chosen::{Already, Chosen, Reason, Replaced};
pub use dependency::{Capability, Dependency, Rich};
pub use error::Error;
pub use evr::{Comparison, Evr};
pub use installed::Installed;
pub use judge::{judge, judge_among};
pub use pattern::{is_pattern, matches, meant};
pub use pool::{Available, Options, Package, Pool, Repository, Withheld, is_listed};
pub use problem::{Problem, Rule};
pub use request::{Request, Wanted};
pub use resolution::{Resolution, resolve};
pub use solvable::{Nevra, Solvable};
