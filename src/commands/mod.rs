//! One module a verb.

pub mod build;
pub mod check;
mod completions;
pub mod diff;
pub mod explain;
pub mod gate;
pub mod generate;
mod hosts;
pub mod import;
pub mod init;
pub mod inspect;
pub mod plan;
pub mod pull;
pub mod rebuild;
pub mod rules;
pub mod sbom;
pub mod sign_verity;
pub mod store;
pub mod trial;
pub mod why;
