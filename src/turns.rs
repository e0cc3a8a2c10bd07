//! Images of a run that are made side by side, so that what comes of it, and what is said, is as if
//! one had been made after the other.
//!
//! Each image has a [`Turn`]. What is said of it is kept until those before it are done, and so is its
//! change of the store. Before it looks into the store, or takes compressed blocks of others, it
//! waits for those before it that may change what it finds there: see [`Claim`]. Nobody waits for an
//! image that comes later, so that the first one that is not done always goes on.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::parallel::locked;
use crate::report::Report;
use crate::timings::Clocks;

/// The images of a run, in their order.
pub struct Turns {
    state: Mutex<State>,
    moved: Condvar,
}

/// Where they are.
struct State {
    /// The first that is not done.
    first: usize,
    images: Vec<Image>,
}

/// Where one of them is.
struct Image {
    report: Report,
    /// What it is about, once that is known.
    claim: Option<Claim>,
    is_done: bool,
}

/// What an image has to do with others.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    /// The name of the extension.
    pub name: String,
    /// What it takes from others and leaves for them: packages and contents.
    pub contents: BTreeSet<String>,
    /// It looks at all that others have made.
    pub looks_at_all: bool,
}

impl Claim {
    /// Says whether something is another for an image, once that of `before` is done.
    fn waits_for(&self, before: &Self) -> bool {
        // The store tells names apart by the dash behind them.
        let begins = |one: &str, other: &str| {
            let rest = one.strip_prefix(other);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        self.looks_at_all
            || begins(&self.name, &before.name)
            || begins(&before.name, &self.name)
            || !self.contents.is_disjoint(&before.contents)
    }
}

/// What an image of a run may do, and when.
pub struct Turn<'a> {
    turns: &'a Turns,
    number: usize,
    report: Report,
    waited: Cell<Duration>,
}

impl Turns {
    /// Returns the turns of so many images.
    pub fn new(count: usize, report: &Report) -> Self {
        let images = (0..count).map(|_| Image {
            report: report.kept(),
            claim: None,
            is_done: false,
        });
        let images: Vec<_> = images.collect();
        if let Some(first) = images.first() {
            first.report.release();
        }
        Self {
            state: Mutex::new(State { first: 0, images }),
            moved: Condvar::new(),
        }
    }

    /// Begins with the image of that number. Each is begun once, and none before those with lower
    /// numbers.
    pub fn begin(&self, number: usize) -> Turn<'_> {
        let report = self.state().images[number].report.clone();
        Turn {
            turns: self,
            number,
            report,
            waited: Cell::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl Turn<'_> {
    /// Returns what speaks for this image.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Returns how long it waited for others.
    pub fn waited(&self) -> Duration {
        self.waited.get()
    }

    /// Says what the image is about, and waits for those before it that matter to it.
    pub fn claim(&self, claim: Claim) {
        self.turns.state().images[self.number].claim = Some(claim.clone());
        self.turns.moved.notify_all();
        self.wait(|before| {
            before.is_done
                || before
                    .claim
                    .as_ref()
                    .is_some_and(|before| !claim.waits_for(before))
        });
    }

    /// Waits until all images before it are done.
    pub fn come_first(&self) {
        self.wait(|before| before.is_done);
    }

    /// Waits until it holds of all images before it.
    fn wait(&self, holds: impl Fn(&Image) -> bool) {
        let start = Clocks::start();
        let mut state = self.turns.state();
        while !state.images[..self.number].iter().all(&holds) {
            state = (self.turns.moved.wait(state)).unwrap_or_else(PoisonError::into_inner);
        }
        self.waited.set(self.waited.get() + start.passed().0);
    }
}

impl Drop for Turn<'_> {
    /// The image is done, or has failed.
    fn drop(&mut self) {
        let mut state = self.turns.state();
        let State { first, images } = &mut *state;
        images[self.number].is_done = true;
        while images.get(*first).is_some_and(|image| image.is_done) {
            *first += 1;
            if let Some(next) = images.get(*first) {
                next.report.release();
            }
        }
        self.turns.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::report::Verbosity;

    #[test]
    fn which_images_matter_to_others() {
        let claim = |name: &str, packages: &[&str], looks_at_all| Claim {
            name: name.to_owned(),
            contents: packages.iter().map(|name| (*name).to_owned()).collect(),
            looks_at_all,
        };
        let gdb = claim("gdb", &["gdb", "python3"], false);
        for (one, waits) in [
            (claim("gdb", &[], false), true),
            (claim("gdb-extra", &[], false), true),
            (claim("gd", &[], false), false),
            (claim("gdbm", &[], false), false),
            (claim("strace", &["strace"], false), false),
            (claim("python", &["python3"], false), true),
            (claim("strace", &[], true), true),
        ] {
            assert_eq!(one.waits_for(&gdb), waits, "{one:?}");
        }
        // It does not matter to the first what the second looks at.
        assert!(!gdb.waits_for(&claim("strace", &[], true)));
        assert!(gdb.waits_for(&claim("gdb-extra", &[], false)));
    }

    /// Has three images, of which the last two are begun on threads and tell what they do.
    #[test]
    fn images_wait_for_those_before_them() {
        let report = Report::new(Verbosity::default(), true);
        let turns = Turns::new(3, &report);
        let of = |name: &str| Claim {
            name: name.to_owned(),
            ..Claim::default()
        };
        let (tell, told) = channel();
        std::thread::scope(|scope| {
            let first = turns.begin(0);
            for (number, name) in [(1, "b"), (2, "a")] {
                let (tell, turn) = (tell.clone(), turns.begin(number));
                let claim = of(name);
                scope.spawn(move || {
                    turn.claim(claim);
                    tell.send(format!("{number} may look")).unwrap();
                    turn.come_first();
                    tell.send(format!("{number} is first")).unwrap();
                });
            }
            // Until it is known what the first is about, nobody goes on.
            first.claim(of("a"));
            assert_eq!(told.recv().unwrap(), "1 may look");
            drop(first);
            let mut rest = [(); 3].map(|()| told.recv().unwrap());
            assert!(rest[..2].contains(&"1 is first".to_owned()));
            assert_eq!(rest[2], "2 is first");
            rest.sort();
            assert_eq!(rest, ["1 is first", "2 is first", "2 may look"]);
        });
        assert_eq!(turns.state().first, 3);
    }
}
