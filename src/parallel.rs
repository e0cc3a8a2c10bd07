//! Work on several items at once, with the results in the order of the items.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Calls `work` for each item on up to `threads` threads. After the first error no further item is
/// begun; the error is that of the first item that has one.
pub fn map<T: Sync, R: Send, E: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            scope.spawn(|| {
                while let Some((number, item)) = take(&next, items) {
                    let result = work(item);
                    if result.is_err() {
                        next.store(items.len(), Ordering::Relaxed);
                    }
                    let mut results = locked(&results);
                    results.push((number, result));
                }
            });
        }
    });
    let mut results = results
        .into_inner()
        .unwrap_or_else(|held| held.into_inner());
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Locks what threads share. What a thread held that panicked is as it left it: the panic ends the run.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns what a thread did that was waited for; a panic of it goes on here.
pub fn finished<T>(thread: std::thread::Result<T>) -> T {
    thread.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Gives each item that `next` returns to `work`, on up to `threads` threads, and its result to
/// `take`, in the order of the items. `next` and `take` run on this thread, and the first error of
/// either is the same as on one thread: what was begun is taken before an error of `next` counts.
///
/// Items come with their weight. Those at work together weigh `most` at most, unless one alone is
/// heavier.
pub fn stream<T: Send, R: Send, E>(
    (threads, most): (usize, usize),
    mut next: impl FnMut() -> Result<Option<(T, usize)>, E>,
    work: impl Fn(T) -> R + Sync,
    mut take: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    if threads < 2 {
        while let Some((item, _)) = next()? {
            take(work(item))?;
        }
        return Ok(());
    }
    let (jobs, waiting) = sync_channel::<(T, SyncSender<R>)>(threads);
    let waiting = Mutex::new(waiting);
    std::thread::scope(|scope| {
        // Moved in, so that the threads see the end of the jobs however this ends.
        let jobs = jobs;
        for _ in 0..threads {
            scope.spawn(|| serve(&waiting, &work));
        }
        let mut begun: VecDeque<(usize, Receiver<R>)> = VecDeque::new();
        let mut weighs = 0;
        let end = loop {
            let (item, weight) = match next() {
                Ok(Some(item)) => item,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            while begun.len() >= 2 * threads || (weighs + weight > most && !begun.is_empty()) {
                let Some((weight, result)) = begun.pop_front() else {
                    break;
                };
                weighs -= weight;
                // A thread that is gone has panicked, and so does this one at the end.
                result.recv().map_or(Ok(()), &mut take)?;
            }
            let (sender, result) = sync_channel(1);
            begun.push_back((weight, result));
            weighs += weight;
            if jobs.send((item, sender)).is_err() {
                break Ok(());
            }
        };
        for (_, result) in begun {
            result.recv().map_or(Ok(()), &mut take)?;
        }
        end
    })
}

/// Works until there are no more jobs.
fn serve<T, R>(waiting: &Mutex<Receiver<(T, SyncSender<R>)>>, work: &impl Fn(T) -> R) {
    loop {
        let waiting = locked(waiting);
        let job = waiting.recv();
        drop(waiting);
        let Ok((item, result)) = job else {
            return;
        };
        // Nobody waits for it after an error.
        let _ = result.send(work(item));
    }
}

fn take<'a, T>(next: &AtomicUsize, items: &'a [T]) -> Option<(usize, &'a T)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    Some((number, items.get(number)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_items() {
        let items: Vec<usize> = (0..100).collect();
        for threads in [1, 3, 200] {
            let doubled = map(&items, threads, |item| Ok::<_, ()>(item * 2)).unwrap();
            assert!(
                doubled
                    .iter()
                    .enumerate()
                    .all(|(n, doubled)| *doubled == n * 2)
            );
        }
        let failed = map(
            &items,
            3,
            |item| if *item < 50 { Ok(()) } else { Err(*item) },
        );
        assert!(failed.unwrap_err() >= 50);
        assert_eq!(map(&[0_u8; 0], 3, |_| Ok::<_, ()>(1)), Ok(Vec::new()));
    }

    #[test]
    fn a_stream_is_as_on_one_thread() {
        // What it gives, and what fails: the 7th item when it is made, or results.
        for (made, failing, expected, error) in [
            (20, &[][..], 20, None),
            (7, &[][..], 7, Some(7)),
            (7, &[5, 3][..], 3, Some(3)),
            (20, &[0][..], 0, Some(0)),
        ] {
            for threads in [1, 2, 5] {
                let mut items = 0..made;
                let mut taken = Vec::new();
                let outcome = stream(
                    (threads, 50),
                    || match items.next() {
                        None if made == 7 => Err(7),
                        item => Ok(item.map(|item| (item, 10 * item))),
                    },
                    |item| match failing.contains(&item) {
                        true => Err(item),
                        false => Ok(item),
                    },
                    |result| {
                        taken.push(result?);
                        Ok(())
                    },
                );
                assert_eq!(
                    outcome.err(),
                    error.filter(|_| made == 7 || !failing.is_empty())
                );
                assert!(taken.iter().copied().eq(0..expected), "{taken:?}");
            }
        }
    }

    #[test]
    fn what_is_at_work_has_a_weight() {
        let at_work = AtomicUsize::new(0);
        for (weight, most) in [(10, 30), (100, 100)] {
            let mut items = 0..50;
            let work = |weight: usize| {
                let now = at_work.fetch_add(weight, Ordering::SeqCst) + weight;
                std::thread::yield_now();
                at_work.fetch_sub(weight, Ordering::SeqCst);
                now
            };
            let outcome = stream(
                (8, 30),
                || Ok::<_, ()>(items.next().map(|_| (weight, weight))),
                work,
                |now| match now <= most {
                    true => Ok(()),
                    false => Err(()),
                },
            );
            assert_eq!(outcome, Ok(()));
        }
    }
}
