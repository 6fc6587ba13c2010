use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many batches read what they touch after one that failed.
const WARY_BATCHES: u32 = 64;

/// What one writer committed last, so that its next batch need not read it.
///
/// What is remembered proves nothing: whoever decides by it must have the database compare when it is
/// written, a key that must be new, a version or a state that must have stayed. Where that goes wrong, or
/// anything else, all is forgotten, and the next batches read what they touch: replicas that write the same
/// rows are in each other's way now and then, and not at every step.
#[derive(Debug, Default)]
pub struct Remembered<M>(Mutex<Inner<M>>);

#[derive(Debug, Default)]
struct Inner<M> {
    memory: M,
    /// A batch has begun, and its end was not heard of: it failed, if another one begins.
    is_open: bool,
    /// How many batches shall still read what they touch.
    wary: u32,
}

impl<M: Default> Remembered<M> {
    /// Begins a batch; answers what `decide` makes of the memory. `None`: the batch has to read.
    pub fn begin<T>(&self, decide: impl FnOnce(&M) -> Option<T>) -> Option<T> {
        let mut inner = self.lock();
        if inner.is_open {
            inner.memory = M::default();
            inner.wary = WARY_BATCHES;
        }
        inner.is_open = true;
        if inner.wary > 0 {
            inner.wary = inner.wary.saturating_sub(1);
            return None;
        }
        decide(&inner.memory)
    }

    /// Ends the batch that began last: it is committed, and `note` notes what it left.
    pub fn end(&self, note: impl FnOnce(&mut M)) {
        let mut inner = self.lock();
        inner.is_open = false;
        note(&mut inner.memory);
    }

    fn lock(&self) -> MutexGuard<'_, Inner<M>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_fails_is_forgotten_and_makes_the_next_ones_read() {
        let remembered = Remembered::<Vec<u32>>::default();
        let recall = || remembered.begin(|memory| memory.last().copied());
        assert_eq!(recall(), None);
        remembered.end(|memory| memory.push(1));
        assert_eq!(recall(), Some(1));
        // It failed: nobody said that it ended.
        for _ in 0..WARY_BATCHES {
            assert_eq!(recall(), None);
            remembered.end(|memory| memory.push(2));
        }
        assert_eq!(recall(), Some(2));
        remembered.end(|memory| assert!(!memory.contains(&1)));
    }
}
