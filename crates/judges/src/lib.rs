//! A test harness for tests that need a judge: a program by other hands, root, or data that is not
//! in the repository.
//!
//! A suite is a test target with `harness = false` whose root has these two lines, after which its
//! `#[test]` is the one of this crate, in all of its modules:
//!
//! ```ignore
//! #[macro_use]
//! extern crate judges;
//!
//! fn main() -> std::process::ExitCode { judges::run() }
//! ```
//!
//! What a test needs stands in its attribute, `#[test(program("rpm"), root())]`. If it is missing,
//! the test is reported as ignored, with what is missing; where `CI` is set, as failed. There is no
//! way to ask whether something is there, so no test can pass because it is not; and paths are
//! given only to tests that declare them.
//!
//! `CI_WITHOUT=corpora` tells CI that the corpora, which are not in the repository, are not expected.

mod need;

use std::cell::Cell;
use std::process::ExitCode;

pub use inventory::submit;
pub use judges_macro::test;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
pub use need::{Need, all, cached, corpus, named, program, repository, root, systemd};

/// A test of a suite, as the attribute registers it.
pub struct Test {
    /// The path of the module, beginning with the suite.
    pub module: &'static str,
    /// The name of the function.
    pub name: &'static str,
    /// What must be there for the test to say anything.
    pub needs: &'static [Need],
    /// The function.
    pub run: fn(),
}

inventory::collect!(Test);

thread_local! {
    /// The needs of the test that runs on this thread.
    static DECLARED: Cell<&'static [Need]> = const { Cell::new(&[]) };
}

/// Runs the suite with the arguments of `cargo test`.
pub fn run() -> ExitCode {
    let is_ci = variable("CI").is_some();
    let mut tests: Vec<_> = inventory::iter::<Test>().collect();
    tests.sort_unstable_by_key(|test| (test.module, test.name));
    let trials = tests.into_iter().map(|test| {
        let path = test.module.split_once("::").map_or("", |(_, path)| path);
        let separator = if path.is_empty() { "" } else { "::" };
        Trial::ignorable_test(format!("{path}{separator}{}", test.name), move || {
            let missing: Vec<_> = test.needs.iter().flat_map(Need::missing).collect();
            let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
            let names = format!("missing: {}", names.join(", "));
            if is_ci && missing.iter().any(Need::is_for_ci) {
                return Err(Failed::from(format!("{names}; CI has to have it")));
            }
            if !missing.is_empty() {
                return Ok(Completion::ignored_with(names));
            }
            DECLARED.set(test.needs);
            (test.run)();
            Ok(Completion::Completed)
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// Says whether the test that runs on this thread declares a need.
fn is_declared(need: &Need) -> bool {
    DECLARED
        .get()
        .iter()
        .any(|declared| declared.contains(need))
}

#[expect(
    clippy::disallowed_methods,
    reason = "what a machine has is for its environment to say"
)]
fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
