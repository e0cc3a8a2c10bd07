//! Where the time of a run went, for `--timings`. It is said to the user, and enters nothing that is
//! made.
//!
//! Each stage has the seconds in which it went on, and the processor time of its threads. A stage whose
//! one busiest thread takes most of the run is what more workers don't help.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use image::squashfs::Busy;
use rustix::time::{ClockId, clock_gettime};
use serde::{Serialize, Serializer};

use crate::parallel::locked;

/// A part of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// What the base has is read.
    Base,
    /// What repositories offer is read.
    Repositories,
    /// Packages are chosen.
    Resolve,
    /// Their files are fetched or opened, their headers read.
    Packages,
    /// The tree is decided.
    Plan,
    /// Payloads are decompressed and compared with their digests.
    Read,
    /// Contents are put into blocks in the order of the plan, and looked at on the way.
    Gather,
    /// Blocks are compressed.
    Compress,
    /// Blocks are written.
    Write,
    /// The image's tables are written, and its blocks kept for others.
    Finish,
    /// The tree is judged, and once it is packed its files.
    Judge,
    /// The image gets its place in the store.
    Publish,
}

impl Stage {
    /// Returns its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Repositories => "repositories",
            Self::Resolve => "resolve",
            Self::Packages => "packages",
            Self::Plan => "plan",
            Self::Read => "read",
            Self::Gather => "gather",
            Self::Compress => "compress",
            Self::Write => "write",
            Self::Finish => "finish",
            Self::Judge => "judge",
            Self::Publish => "publish",
        }
    }
}

/// What a stage took, in all images of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Took {
    /// How often it was gone through.
    pub times: usize,
    /// Most threads that it had at once.
    pub threads: usize,
    /// From its begin to its end.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub wall: Duration,
    /// Processor time of all its threads.
    #[serde(serialize_with = "seconds")]
    pub busy: Duration,
    /// Processor time of the thread that was busy the longest, each time.
    #[serde(serialize_with = "seconds")]
    pub busiest: Duration,
}

impl Took {
    fn add(&mut self, busy: Busy) {
        self.threads = self.threads.max(busy.threads);
        self.busy += busy.all;
        self.busiest += busy.longest;
    }
}

/// What the stages of a run took so far; threads may share it.
#[derive(Debug)]
pub struct Timings {
    start: Instant,
    stages: Mutex<BTreeMap<Stage, Taking>>,
}

/// What a stage took so far.
#[derive(Debug, Default)]
struct Taking {
    took: Took,
    /// What each thread took that helped.
    helpers: Vec<(ThreadId, Duration)>,
}

/// What all stages took, as JSON.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// From the begin of the run until now.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub wall: Duration,
    /// Its stages, in their order.
    pub stages: Vec<Line>,
}

/// A stage of a summary.
#[derive(Debug, Serialize)]
pub struct Line {
    /// Which one it is.
    pub stage: Stage,
    /// What it took.
    #[serde(flatten)]
    pub took: Took,
}

/// Clocks that were started: that of the wall, and that of this thread.
#[derive(Clone, Copy)]
pub struct Clocks {
    wall: Instant,
    thread: Duration,
}

impl Clocks {
    /// Starts them.
    pub fn start() -> Self {
        Self {
            wall: Instant::now(),
            thread: thread_time(),
        }
    }

    /// Returns what passed since then, and the processor time that this thread has used.
    pub fn passed(self) -> (Duration, Duration) {
        let thread = thread_time().saturating_sub(self.thread);
        (self.wall.elapsed(), thread)
    }
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            stages: Mutex::default(),
        }
    }
}

impl Timings {
    /// Does the work of a stage.
    pub fn measure<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let start = Clocks::start();
        let result = work();
        let (wall, busy) = start.passed();
        self.add(stage, wall, Busy::of_thread(busy));
        result
    }

    /// Adds what a stage took, and what its threads did.
    pub fn add(&self, stage: Stage, wall: Duration, busy: Busy) {
        self.note(stage, |taking| {
            taking.took.times += 1;
            taking.took.wall += wall;
            taking.took.add(busy);
        });
    }

    /// Does a part of the work of a stage, on one of so many threads that the stage has beside the one
    /// that it was begun on.
    pub fn help<T>(&self, stage: Stage, threads: usize, work: impl FnOnce() -> T) -> T {
        let before = thread_time();
        let result = work();
        let busy = thread_time().saturating_sub(before);
        let id = std::thread::current().id();
        self.note(stage, |taking| {
            taking.took.threads = taking.took.threads.max(threads);
            taking.took.busy += busy;
            match taking.helpers.iter_mut().find(|(one, _)| *one == id) {
                Some((_, before)) => *before += busy,
                None => taking.helpers.push((id, busy)),
            }
        });
        result
    }

    fn note(&self, stage: Stage, note: impl FnOnce(&mut Taking)) {
        let mut stages = locked(&self.stages);
        note(stages.entry(stage).or_default());
    }

    /// Returns what all stages took so far.
    pub fn summary(&self) -> Summary {
        let stages = locked(&self.stages);
        let lines = stages.iter().map(|(stage, taking)| {
            let helped = taking.helpers.iter().map(|(_, busy)| *busy).max();
            let busiest = taking.took.busiest + helped.unwrap_or_default();
            let took = Took {
                busiest,
                ..taking.took
            };
            Line {
                stage: *stage,
                took,
            }
        });
        Summary {
            wall: self.start.elapsed(),
            stages: lines.collect(),
        }
    }
}

/// Returns the processor time that this thread has used.
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Writes a time as seconds, in which microseconds are the last that counts.
fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_micros() as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stages_took_is_added_up() {
        let timings = Timings::default();
        let second = Duration::from_secs(1);
        let mut busy = Busy::of_thread(second);
        busy.add_thread(2 * second);
        timings.add(Stage::Compress, 3 * second, busy);
        timings.add(Stage::Compress, second, Busy::of_thread(second));
        assert_eq!(timings.measure(Stage::Base, || 7), 7);
        assert_eq!(timings.help(Stage::Base, 4, || 8), 8);
        let summary = timings.summary();
        let [base, compress] = &summary.stages[..] else {
            panic!("{summary:?}");
        };
        assert_eq!(
            (base.stage, base.took.times, base.took.threads),
            (Stage::Base, 1, 4)
        );
        let expected = Took {
            times: 2,
            threads: 2,
            wall: 4 * second,
            busy: 4 * second,
            busiest: 3 * second,
        };
        assert_eq!((compress.stage, compress.took), (Stage::Compress, expected));
        let json = serde_json::to_value(compress).unwrap();
        let expected = serde_json::json!({
            "stage": "compress", "times": 2, "threads": 2, "seconds": 4.0, "busy": 4.0, "busiest": 3.0,
        });
        assert_eq!(json, expected);
        assert_eq!(Stage::Compress.name(), "compress");
    }

    #[test]
    fn the_clock_is_that_of_the_thread() {
        let before = thread_time();
        while thread_time() == before {}
        let other = std::thread::spawn(thread_time).join().unwrap();
        assert!(other < thread_time() + Duration::from_secs(1));
    }
}
