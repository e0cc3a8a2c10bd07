//! Stores on full disks, with builders that are killed, and beside the programs of clients.

#![allow(
    clippy::disallowed_methods,
    reason = "a test reads what it made itself"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a test may fail by a panic, in its functions too"
)]

#[macro_use]
extern crate judges;

mod builders;
mod durability;
mod full_disk;
mod orders;
#[path = "../../src/tests/workshop.rs"]
mod workshop;

use std::process::ExitCode;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The argument that makes this program a builder.
const BUILDER: &str = "--builder";
/// The argument that makes this program add one image.
const ADDER: &str = "--adder";

/// Taken to count what is free on a disk: a child that starts holds files of this process for a
/// moment, and their space.
static CHILDREN: RwLock<()> = RwLock::new(());

/// Lets children start.
fn children() -> RwLockReadGuard<'static, ()> {
    CHILDREN.read().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until no child starts.
fn no_children() -> RwLockWriteGuard<'static, ()> {
    CHILDREN.write().unwrap_or_else(PoisonError::into_inner)
}

fn main() -> ExitCode {
    if std::env::args()
        .nth(1)
        .is_some_and(|first| first == BUILDER)
    {
        builders::child_that_builds_until_it_is_killed();
    }
    if std::env::args().nth(1).is_some_and(|first| first == ADDER) {
        durability::child_that_adds_one_image();
        return ExitCode::SUCCESS;
    }
    judges::run()
}
