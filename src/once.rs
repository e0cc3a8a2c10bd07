//! Values that several images of a run need, each made once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::parallel::locked;

/// Values by what they are made of. Threads that want the same one wait until one of them has made it.
#[derive(Debug)]
pub struct Once<K, V>(Mutex<BTreeMap<K, Place<V>>>);

/// Where a value goes once it is made.
type Place<V> = Arc<Mutex<Option<Arc<V>>>>;

impl<K, V> Default for Once<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord, V> Once<K, V> {
    /// Returns the value of that key, and makes it if it is not there. One that can't be made is tried
    /// again for whoever asks next.
    pub fn get<E>(&self, key: K, make: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        let place = Arc::clone(locked(&self.0).entry(key).or_default());
        let mut value = locked(&place);
        if let Some(value) = &*value {
            return Ok(Arc::clone(value));
        }
        let made = Arc::new(make()?);
        *value = Some(Arc::clone(&made));
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_value_is_made_once() {
        let once = Once::default();
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (once, made) = (&once, &made);
                scope.spawn(move || {
                    let value = once.get(number % 2, || {
                        made.fetch_add(1, Ordering::SeqCst);
                        Ok::<_, ()>(number % 2 * 10)
                    });
                    assert_eq!(*value.unwrap(), number % 2 * 10);
                });
            }
        });
        assert_eq!(made.into_inner(), 2);
        // What fails is not kept.
        assert_eq!(once.get(7, || Err("no")).unwrap_err(), "no");
        assert_eq!(*once.get(7, || Ok::<_, ()>(70)).unwrap(), 70);
    }
}
