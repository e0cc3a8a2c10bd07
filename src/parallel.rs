//! Work on several items at once, with the results in the order of the items.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

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
                    let mut results = results.lock().unwrap_or_else(|held| held.into_inner());
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
}
