//! Images of a run that are made side by side, so that what comes of it, and what is said, is as if
//! one had been made after the other.
//!
//! Each image has a [`Turn`]. What is said of it is kept until those before it are done, and so is its
//! change of the store. Before it looks into the store, or takes compressed blocks of others, it
//! waits for those before it that may change what it finds there: see [`Claim`]. Nobody waits for an
//! image that comes later, so that the first one that is not done always goes on.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::parallel::locked;
use crate::report::Report;
use crate::timings::Clocks;

/// The images of a run, in their order.
pub struct Turns {
    state: Mutex<State>,
    moved: Condvar,
    /// So many may be packed at once.
    at_once: usize,
}

/// Where they are.
struct State {
    /// The first that is not done.
    first: usize,
    images: Vec<Image>,
    /// The images that have a content, by their numbers.
    holders: BTreeMap<String, BTreeSet<usize>>,
}

/// Where one of them is.
struct Image {
    report: Report,
    /// What it is about, once that is known.
    claim: Option<Claim>,
    is_packing: bool,
    is_packed: bool,
    is_done: bool,
}

/// What an image has to do with others.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    /// The name of the extension.
    pub name: String,
    /// What it takes from others and leaves for them.
    pub contents: BTreeSet<String>,
    /// It looks at all that others have made.
    pub looks_at_all: bool,
}

impl Claim {
    /// Says whether something in the store is another for an image once that of `before` is done.
    fn looks_at(&self, before: &Self) -> bool {
        // The store tells names apart by the dash behind them.
        let begins = |one: &str, other: &str| {
            let rest = one.strip_prefix(other);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        self.looks_at_all || begins(&self.name, &before.name) || begins(&before.name, &self.name)
    }
}

impl State {
    /// Says whether everything is there that the image of that number takes from those before it:
    /// each content comes from the first that has it, unless that was not packed in the end.
    fn has_contents_for(&self, number: usize, claim: &Claim) -> bool {
        let packs = |before: &&usize| {
            let before = &self.images[**before];
            before.is_packed || !before.is_done
        };
        claim.contents.iter().all(|content| {
            let holders = self.holders.get(content);
            let mut before = holders.into_iter().flat_map(|all| all.range(..number));
            let first = before.find(packs);
            first.is_none_or(|first| self.images[*first].is_packed)
        })
    }

    /// Says whether nothing in the store changes for an image by those before it.
    fn has_store_for(&self, number: usize, claim: &Claim) -> bool {
        self.images[..number].iter().all(|before| {
            let its = before.claim.as_ref();
            before.is_done || its.is_some_and(|its| !claim.looks_at(its))
        })
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
    /// Returns the turns of so many images, of which some may be packed at once.
    pub fn new(count: usize, at_once: usize, report: &Report) -> Self {
        let images = (0..count).map(|_| Image {
            report: report.kept(),
            claim: None,
            is_packing: false,
            is_packed: false,
            is_done: false,
        });
        let images: Vec<_> = images.collect();
        if let Some(first) = images.first() {
            first.report.release();
        }
        Self {
            state: Mutex::new(State {
                first: 0,
                images,
                holders: BTreeMap::new(),
            }),
            moved: Condvar::new(),
            at_once,
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
    pub fn claim(&self, claim: &Claim) {
        let number = self.number;
        self.note(claim);
        // What those before it hold is known once it is known what they are about.
        let _state = self.wait(|state| {
            state.has_store_for(number, claim) && state.has_contents_for(number, claim)
        });
    }

    fn note(&self, claim: &Claim) {
        let mut state = self.turns.state();
        for content in &claim.contents {
            let holders = state.holders.entry(content.clone()).or_default();
            holders.insert(self.number);
        }
        state.images[self.number].claim = Some(claim.clone());
        drop(state);
        self.turns.moved.notify_all();
    }

    /// Waits until it may be packed. It need not wait for others before it is.
    pub fn pack(&self) {
        let has_room = |state: &State| {
            let packing = state.images.iter().filter(|image| image.is_packing);
            packing.count() < self.turns.at_once
        };
        self.wait(has_room).images[self.number].is_packing = true;
    }

    /// Says that it is packed, and that what it leaves for others is there.
    pub fn packed(&self) {
        let mut state = self.turns.state();
        let image = &mut state.images[self.number];
        (image.is_packing, image.is_packed) = (false, true);
        drop(state);
        self.turns.moved.notify_all();
    }

    /// Waits until all images before it are done.
    pub fn come_first(&self) {
        let _state = self.wait(|state| state.first >= self.number);
    }

    fn wait(&self, holds: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let start = Clocks::start();
        let mut state = self.turns.state();
        while !holds(&state) {
            state = (self.turns.moved.wait(state)).unwrap_or_else(PoisonError::into_inner);
        }
        self.waited.set(self.waited.get() + start.passed().0);
        state
    }
}

impl Drop for Turn<'_> {
    /// The image is done, or has failed.
    fn drop(&mut self) {
        let mut state = self.turns.state();
        let State { first, images, .. } = &mut *state;
        let image = &mut images[self.number];
        (image.is_packing, image.is_done) = (false, true);
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

    fn claim(name: &str, contents: &[&str], looks_at_all: bool) -> Claim {
        Claim {
            name: name.to_owned(),
            contents: contents.iter().map(|name| (*name).to_owned()).collect(),
            looks_at_all,
        }
    }

    #[test]
    fn which_images_of_the_store_matter_to_others() {
        let gdb = claim("gdb", &["gdb"], false);
        for (name, looks_at_all, looks) in [
            ("gdb", false, true),
            ("gdb-extra", false, true),
            ("gd", false, false),
            ("gdbm", false, false),
            ("strace", false, false),
            ("strace", true, true),
        ] {
            let one = claim(name, &["gdb"], looks_at_all);
            assert_eq!(one.looks_at(&gdb), looks, "{one:?}");
        }
        // It does not matter to the first what the second looks at.
        assert!(!gdb.looks_at(&claim("strace", &[], true)));
        assert!(gdb.looks_at(&claim("gdb-extra", &[], false)));
    }

    #[test]
    fn contents_come_from_the_first_image_that_packs_them() {
        let report = Report::new(Verbosity::default(), true);
        let turns = Turns::new(4, 4, &report);
        let turn = |number, contents: &[&str]| {
            let turn = turns.begin(number);
            let claim = claim(&number.to_string(), contents, false);
            turn.note(&claim);
            (turn, claim)
        };
        let (first, _) = turn(0, &["a"]);
        let (second, its) = turn(1, &["a", "b"]);
        let (_third, a) = turn(2, &["a"]);
        let (_fourth, b) = turn(3, &["b", "c"]);
        let has = || {
            let state = turns.state();
            let all = [(1, &its), (2, &a), (3, &b)];
            all.map(|(number, claim)| state.has_contents_for(number, claim))
        };
        assert_eq!(has(), [false, false, false]);
        first.packed();
        // The third need not wait for the second, which takes the same.
        assert_eq!(has(), [true, true, false]);
        drop(first);
        assert_eq!(has(), [true, true, false]);
        // One that fails, or that is not built, leaves nothing.
        drop(second);
        assert_eq!(has(), [true, true, true]);
    }

    /// Has three images, of which the last two are begun on threads and tell what they do.
    #[test]
    fn images_wait_for_those_before_them() {
        let report = Report::new(Verbosity::default(), true);
        let turns = Turns::new(3, 3, &report);
        let (tell, told) = channel();
        std::thread::scope(|scope| {
            let first = turns.begin(0);
            for (number, name, content) in [(1, "b", "shared"), (2, "a", "own")] {
                let (tell, turn) = (tell.clone(), turns.begin(number));
                let claim = claim(name, &[content], false);
                scope.spawn(move || {
                    turn.claim(&claim);
                    tell.send(format!("{number} may look")).unwrap();
                    turn.come_first();
                    tell.send(format!("{number} is first")).unwrap();
                });
            }
            // Until it is known what the first is about, nobody goes on.
            first.claim(&claim("a", &["shared"], false));
            // One takes what it has packed, the other looks for it in the store.
            assert!(told.try_recv().is_err());
            first.packed();
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
