//! How long look-ups take: `cargo bench -p sysext-selinux -- FILE_CONTEXTS LIST`, where LIST has a
//! path on each line. The paths are looked up until there are 100 000 look-ups, from nothing.

#![allow(clippy::print_stdout, reason = "it is what a bench is for")]
#![allow(
    clippy::disallowed_methods,
    reason = "a bench reads what its user names"
)]

use std::time::Instant;

use selinux::{FileContexts, FileType};

const LOOK_UPS: usize = 100_000;

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let (Some(contexts), Some(list)) = (arguments.next(), arguments.next()) else {
        return println!("usage: cargo bench -p sysext-selinux -- FILE_CONTEXTS LIST");
    };
    let list = std::fs::read(list).unwrap_or_default();
    let paths: Vec<_> = list
        .split(|byte| *byte == b'\n')
        .filter(|path| !path.is_empty())
        .collect();
    let mut times = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        let mut contexts = match FileContexts::open(&contexts) {
            Ok(contexts) => contexts,
            Err(error) => return println!("{error}"),
        };
        let read = start.elapsed();
        let labels = paths.iter().cycle().take(LOOK_UPS);
        let labelled =
            labels.filter(|path| matches!(contexts.label(path, FileType::Regular), Ok(Some(_))));
        let labelled = labelled.count();
        times.push((start.elapsed(), read, labelled));
    }
    times.sort_unstable();
    if let Some((all, read, labelled)) = times.get(times.len() / 2) {
        let (all, read) = (all.as_secs_f64(), read.as_secs_f64());
        println!(
            "{LOOK_UPS} look-ups of {} paths: {all:.3} s, {read:.3} s of it to read; {labelled} have a label",
            paths.len()
        );
    }
}
