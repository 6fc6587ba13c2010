use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many batches read what they touch after one that failed.
const WARY_BATCHES: u32 = 64;

/// A cache of what one writer wrote last, so that its next batch need not read it.
///
/// It proves nothing: its contents may not be committed yet, and others write, too. A decision based on it
/// must be checked by the database as it is written, by compare-and-set: a key must be new, or all that was
/// decided on must still be in the row. Its version alone does not prove that: it is reused after a rollback.
/// If that check or anything else fails, all is forgotten, and the next batches read what they touch: so
/// replicas that write the same rows conflict now and then, and not at every step.
#[derive(Debug, Default)]
pub struct Remembered<M>(Mutex<Inner<M>>);

#[derive(Debug, Default)]
struct Inner<M> {
    memory: M,
    /// How many more batches must read what they touch.
    wary: u32,
}

/// One batch's use of the cache, from its begin to the end of its commit. Dropped uncommitted, it has failed.
#[derive(Debug)]
pub struct Recall<M: Default> {
    remembered: Arc<Remembered<M>>,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Begun,
    Committed,
}

impl<M: Default> Remembered<M> {
    /// A batch that is about to begin.
    pub fn recall(self: &Arc<Self>) -> Recall<M> {
        Recall {
            remembered: Arc::clone(self),
            state: Mutex::new(State::New),
        }
    }

    fn forget(&self) {
        let mut inner = lock(&self.0);
        inner.memory = M::default();
        inner.wary = WARY_BATCHES;
    }
}

impl<M: Default> Recall<M> {
    /// Begins; returns what `decide` makes of the cache, or `None` if the batch has to read. A batch that
    /// begins again has failed before.
    pub fn begin<T>(&self, decide: impl FnOnce(&M) -> Option<T>) -> Option<T> {
        if self.pass_to(State::Begun) != State::New {
            self.remembered.forget();
        }
        let mut inner = lock(&self.remembered.0);
        if inner.wary > 0 {
            inner.wary = inner.wary.saturating_sub(1);
            return None;
        }
        decide(&inner.memory)
    }

    /// Notes what the batch wrote, before its commit: batches that begin meanwhile build on it.
    pub fn note(&self, note: impl FnOnce(&mut M)) {
        note(&mut lock(&self.remembered.0).memory);
    }

    /// Marks the batch as committed.
    pub fn end(&self) {
        self.pass_to(State::Committed);
    }

    fn pass_to(&self, state: State) -> State {
        std::mem::replace(&mut *lock(&self.state), state)
    }
}

impl<M: Default> Drop for Recall<M> {
    fn drop(&mut self) {
        if *lock(&self.state) == State::Begun {
            self.remembered.forget();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(recall: &Recall<Vec<u32>>) -> Option<u32> {
        recall.begin(|memory| memory.last().copied())
    }

    #[test]
    fn a_batch_that_fails_is_forgotten_and_makes_the_next_ones_read() {
        let remembered = Arc::new(Remembered::<Vec<u32>>::default());
        let write = |number| {
            let recall = remembered.recall();
            let recalled = last(&recall);
            recall.note(|memory| memory.push(number));
            recall.end();
            recalled
        };
        assert_eq!((write(1), write(2)), (None, Some(1)));
        let failed = remembered.recall();
        assert_eq!(last(&failed), Some(2));
        failed.note(|memory| memory.push(3));
        drop(failed);
        for _ in 0..WARY_BATCHES {
            assert_eq!(write(4), None);
        }
        assert_eq!(write(5), Some(4));
    }

    #[test]
    fn a_batch_goes_by_what_another_has_not_committed_yet_and_reads_at_its_second_try() {
        let remembered = Arc::new(Remembered::<Vec<u32>>::default());
        let (first, second) = (remembered.recall(), remembered.recall());
        assert_eq!(last(&first), None);
        first.note(|memory| memory.push(1));
        assert_eq!(last(&second), Some(1));
        second.note(|memory| memory.push(2));
        first.end();
        assert_eq!(last(&second), None, "it failed, and is tried again");
        second.note(|memory| memory.push(3));
        second.end();
        drop((first, second));
        let third = remembered.recall();
        assert_eq!(last(&third), None, "still wary");
        third.end();
        third.note(|memory| assert_eq!(memory, &[3]));
    }
}
