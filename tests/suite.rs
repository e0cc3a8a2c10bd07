//! The program as a whole, run as users run it.
//!
//! What a crate can test alone is tested there. Here the binary is run on packages of `fixtures/`,
//! and what it made is shown to programs by other hands: `unsquashfs`, `rpm`, `getcap`,
//! `systemd-sysext`. What a test needs of these stands in its attribute: see `judges`.

#![allow(
    clippy::disallowed_methods,
    reason = "a test reads what it made itself"
)]
#![allow(
    clippy::too_many_lines,
    reason = "a test is a table, or a story that is told from its start to its end"
)]
#![expect(
    clippy::unwrap_used,
    reason = "outside of its #[test] functions, too, a test may fail by a panic"
)]

#[macro_use]
extern crate judges;

mod accounts;
mod base;
mod bills;
mod blocks;
mod boot;
mod bounds;
mod build;
mod by_name;
mod cache;
mod check;
mod ci;
mod client;
mod clients;
mod completion;
mod confext;
mod crowd;
mod delivery;
mod desktop;
mod determinism;
mod disks;
mod docs;
mod english;
mod env_file;
mod fixture_repository;
mod foreseen;
mod gate;
mod gpgcheck;
mod guide;
mod headers;
mod hostile;
mod import;
mod interruption;
mod labels;
mod ledger;
mod loader;
mod lock;
mod mirror;
mod network;
mod numbers;
mod obs;
mod oci;
mod opened;
mod opt;
mod packaging;
mod patches;
mod provenance;
mod pull;
mod readme;
mod real;
mod rebuild;
mod recipe;
mod refusal;
mod repo_files;
mod repository;
mod requests;
mod rpm_oracle;
mod scriptlets;
mod server;
mod services;
mod set;
mod signing;
mod spoken;
mod staged;
mod state;
mod store;
mod sysupdate;
mod takeover;
mod times;
mod transfer;
mod trial;
mod verdicts;
mod why;
mod with;
mod workshop;

fn main() -> std::process::ExitCode {
    judges::run()
}
