//! Request coalescing: one call for all callers that ask at the same moment.
//!
//! Callers that were answered together ask together. The first of them, the leader, lets the others join and
//! makes one call for all; later callers form a group of their own. So no caller is answered by a call that
//! began before it asked, and no call waits for another.

use std::collections::BTreeSet;
use std::future::Future;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::oneshot;

/// How many times [`gather`] yields at most.
const ROUNDS_MAX: usize = 16;

/// Yields to the tasks that are ready to run, as long as `count` grows by it, so that callers about to join
/// can do so. Waits for no timer and no I/O.
pub async fn gather(mut count: impl FnMut() -> usize) {
    let mut before = count();
    for _ in 0..ROUNDS_MAX {
        tokio::task::yield_now().await;
        let now = count();
        if now == before {
            return;
        }
        before = now;
    }
}

/// Coalesces concurrent lookups by key into one call.
#[derive(Debug)]
pub struct Coalescer<K, V> {
    keys_max: usize,
    /// The group that callers can join; its leader alone keeps it alive.
    open: Mutex<Weak<Group<K, V>>>,
}

/// The callers that one call serves.
type Group<K, V> = Mutex<Asks<K, V>>;

#[derive(Debug)]
struct Asks<K, V> {
    keys: BTreeSet<K>,
    /// The followers.
    others: Vec<oneshot::Sender<Arc<[V]>>>,
    /// The call is under way: nobody can join any more.
    is_asked: bool,
}

enum Place<K, V> {
    /// Makes the call for all.
    Leader(Arc<Group<K, V>>),
    /// Gets the leader's answer, or a closed channel if the leader fails or is cancelled.
    Follower(oneshot::Receiver<Arc<[V]>>),
}

impl<K: Ord + Clone, V> Coalescer<K, V> {
    /// A coalescer without callers. One call is for at most `keys_max` keys, or for those of a single caller.
    pub const fn new(keys_max: usize) -> Self {
        Self {
            keys_max,
            open: Mutex::new(Weak::new()),
        }
    }

    /// Returns what `ask` finds for `keys` and for the keys of the other callers in the group.
    ///
    /// If the shared call fails, or the caller that makes it is cancelled, each caller asks for its own keys.
    pub async fn find<F, E>(
        &self,
        keys: &[K],
        ask: impl Fn(Vec<K>) -> F + Send,
    ) -> Result<Arc<[V]>, E>
    where
        F: Future<Output = Result<Vec<V>, E>> + Send,
    {
        match self.join(keys) {
            Place::Leader(group) => {
                gather(|| lock(&group).others.len()).await;
                let (keys, others) = {
                    let mut asks = lock(&group);
                    asks.is_asked = true;
                    (mem::take(&mut asks.keys), mem::take(&mut asks.others))
                };
                match ask(keys.into_iter().collect()).await {
                    Ok(found) => {
                        let found: Arc<[V]> = found.into();
                        for other in others {
                            // Fails only if that caller was cancelled.
                            drop(other.send(Arc::clone(&found)));
                        }
                        return Ok(found);
                    }
                    Err(error) if others.is_empty() => return Err(error),
                    Err(_) => {}
                }
            }
            Place::Follower(answer) => {
                if let Ok(found) = answer.await {
                    return Ok(found);
                }
            }
        }
        Ok(ask(keys.to_vec()).await?.into())
    }

    fn join(&self, keys: &[K]) -> Place<K, V> {
        let mut open = lock(&self.open);
        if let Some(group) = open.upgrade() {
            let mut asks = lock(&group);
            if !asks.is_asked && asks.keys.len() + keys.len() <= self.keys_max {
                let (other, answer) = oneshot::channel();
                asks.keys.extend(keys.iter().cloned());
                asks.others.push(other);
                return Place::Follower(answer);
            }
        }
        let group = Arc::new(Mutex::new(Asks {
            keys: keys.iter().cloned().collect(),
            others: Vec::new(),
            is_asked: false,
        }));
        *open = Arc::downgrade(&group);
        Place::Leader(group)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    //! Proves that concurrent callers share one call, that each asks for its own keys where the shared call
    //! comes to nothing, and that none is answered by a call made before it asked.

    use futures::FutureExt;
    use futures::future::{join, join_all};

    use super::*;

    type Asked = Mutex<Vec<Vec<u32>>>;

    /// Finds every key that it is asked for, ten times as large; fails the calls that `fails` picks.
    async fn find(
        coalescer: &Coalescer<u32, u32>,
        asked: &Asked,
        fails: impl Fn(usize) -> bool + Send + Sync,
        keys: &[u32],
    ) -> Result<Vec<u32>, usize> {
        let ask = |keys: Vec<u32>| {
            let turn = {
                let mut asked = lock(asked);
                asked.push(keys.clone());
                asked.len()
            };
            let fails = fails(turn);
            async move {
                tokio::task::yield_now().await;
                if fails {
                    return Err(turn);
                }
                Ok(keys.into_iter().map(|key| key * 10).collect())
            }
        };
        coalescer.find(keys, ask).await.map(|found| found.to_vec())
    }

    #[tokio::test]
    async fn all_who_ask_at_once_are_asked_for_at_once() {
        let (coalescer, asked) = (Coalescer::new(8), Asked::default());
        let keys: [&[u32]; 3] = [&[3, 1], &[2], &[1, 4]];
        let answers = join_all(keys.map(|keys| find(&coalescer, &asked, |_| false, keys))).await;
        for answer in answers {
            assert_eq!(answer.unwrap(), [10, 20, 30, 40]);
        }
        assert_eq!(*lock(&asked), [[1, 2, 3, 4]]);
    }

    #[tokio::test]
    async fn who_comes_after_the_question_was_asked_is_not_answered_by_it() {
        let (coalescer, asked) = (Coalescer::new(8), Asked::default());
        let first = find(&coalescer, &asked, |_| false, &[1]);
        let late = async {
            while lock(&asked).is_empty() {
                tokio::task::yield_now().await;
            }
            find(&coalescer, &asked, |_| false, &[1]).await
        };
        let (first, late) = join(first, late).await;
        assert_eq!((first, late), (Ok(vec![10]), Ok(vec![10])));
        assert_eq!(*lock(&asked), [[1], [1]]);
    }

    #[tokio::test]
    async fn a_question_is_for_as_many_keys_as_it_may_be() {
        let (coalescer, asked) = (Coalescer::new(3), Asked::default());
        let keys: [&[u32]; 4] = [&[1, 2], &[3], &[4], &[5, 6, 7, 8]];
        for answer in join_all(keys.map(|keys| find(&coalescer, &asked, |_| false, keys))).await {
            answer.unwrap();
        }
        let mut asked = lock(&asked).clone();
        asked.sort();
        assert_eq!(asked, [vec![1, 2, 3], vec![4], vec![5, 6, 7, 8]]);
    }

    #[tokio::test]
    async fn where_the_common_question_fails_each_asks_for_its_own() {
        let (coalescer, asked) = (Coalescer::new(8), Asked::default());
        let keys: [&[u32]; 3] = [&[1], &[2], &[3]];
        let answers =
            join_all(keys.map(|keys| find(&coalescer, &asked, |turn| turn < 3, keys))).await;
        assert_eq!(answers, [Err(2), Ok(vec![20]), Ok(vec![30])]);
        assert_eq!(*lock(&asked), [vec![1, 2, 3], vec![1], vec![2], vec![3]]);

        let alone = find(&coalescer, &Asked::default(), |_| true, &[1]).await;
        assert_eq!(alone, Err(1), "who asked alone has its answer");
    }

    #[tokio::test]
    async fn where_the_first_goes_away_the_others_ask() {
        let (coalescer, asked) = (Coalescer::new(8), Asked::default());
        let mut first = Box::pin(find(&coalescer, &asked, |_| false, &[1]));
        assert!(first.as_mut().now_or_never().is_none());
        let mut second = Box::pin(find(&coalescer, &asked, |_| false, &[2]));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        let (second, third) = join(second, find(&coalescer, &asked, |_| false, &[3])).await;
        assert_eq!((second, third), (Ok(vec![20]), Ok(vec![30])));
        assert_eq!(*lock(&asked), [[2], [3]]);
    }
}
