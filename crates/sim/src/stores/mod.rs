//! The databases of the simulated world: each service's own model store behind a disk that is slow,
//! refuses, and now and then does not say what it did.

mod catalog;
mod inventory;
mod order;
mod payment;

use std::sync::Arc;
use std::time::Duration;

use platform::clock::pause;
use platform::db::DbError;

use crate::cluster;
use crate::node::{Kind, Life, Place};
use crate::tally::Moment;
use crate::world::{World, lock};

pub(crate) use catalog::CatalogDisk;
pub(crate) use inventory::InventoryDisk;
pub(crate) use order::OrderDisk;
pub(crate) use payment::PaymentDisk;

/// One process's way to its service's database.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) world: Arc<World>,
    pub(crate) life: Life,
}

/// What becomes of one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    Refused,
    Contended,
    /// The connection breaks before the commit arrives.
    LostUndone,
    /// The connection breaks before the answer arrives.
    LostDone,
    /// The process dies before the commit.
    DiesBefore,
    /// The process dies after the commit, and hears nothing of it.
    DiesAfter,
}

impl Disk {
    fn kind(&self) -> Option<Kind> {
        match self.life.place {
            Place::Replica(kind, _) => Some(kind),
            Place::People => None,
        }
    }

    fn is_away(&self) -> bool {
        self.kind()
            .is_some_and(|kind| lock(&self.world.outages).contains(&kind))
    }

    /// How long a way to the database or back takes.
    fn way(&self) -> Duration {
        let plan = &self.world.plan.disk;
        let chance = &self.world.chances.disk;
        if chance.happens(self.world.rate(plan.slow)) {
            self.world.count(Moment::DiskSlow);
            return chance.millis(200, 3_000);
        }
        chance.millis(0, plan.delay_ms_max)
    }

    fn fate(&self) -> Fate {
        let plan = &self.world.plan.disk;
        let chance = &self.world.chances.disk;
        let is = |rate| chance.happens(self.world.rate(rate));
        if is(plan.refuse) {
            if chance.happens(300) {
                Fate::Contended
            } else {
                Fate::Refused
            }
        } else if is(plan.unknown) {
            if chance.happens(500) {
                Fate::LostDone
            } else {
                Fate::LostUndone
            }
        } else if is(plan.crash) {
            if chance.happens(600) {
                Fate::DiesAfter
            } else {
                Fate::DiesBefore
            }
        } else {
            Fate::Done
        }
    }

    /// Reads on a snapshot.
    pub(crate) async fn read<T>(
        &self,
        work: impl Future<Output = Result<T, DbError>>,
    ) -> Result<T, DbError> {
        self.life.goes_on().await;
        self.wait(self.way()).await;
        let chance = &self.world.chances.disk;
        if self.is_away() || chance.happens(self.world.rate(self.world.plan.disk.fail_read)) {
            self.world.count(Moment::ReadFailed);
            return Err(DbError::Unavailable("simulated".to_owned()));
        }
        let read = work.await;
        self.wait(self.way()).await;
        read
    }

    /// Runs one transaction. `work` commits when it is polled, at once and as a whole, and looks at
    /// the laws; where it is never polled nothing happened.
    pub(crate) async fn write<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, DbError>>,
    ) -> Result<T, DbError> {
        self.life.goes_on().await;
        let fate = self.fate();
        self.wait(self.way()).await;
        let lost = || DbError::OutcomeUnknown("simulated".to_owned());
        let moment = match fate {
            _ if self.is_away() => Some(Moment::DiskRefused),
            Fate::Refused | Fate::Contended => Some(Moment::DiskRefused),
            Fate::LostUndone => Some(Moment::DiskUnknownLost),
            Fate::LostDone => Some(Moment::DiskUnknownDone),
            Fate::DiesBefore => Some(Moment::CrashBeforeCommit),
            Fate::DiesAfter => Some(Moment::CrashAfterCommit),
            Fate::Done => None,
        };
        if let Some(moment) = moment {
            self.world.count(moment);
            self.tell(moment, what);
        }
        match fate {
            _ if self.is_away() => return Err(DbError::Unavailable("simulated".to_owned())),
            Fate::Refused => return Err(DbError::Unavailable("simulated".to_owned())),
            Fate::Contended => return Err(DbError::Contention("simulated".to_owned())),
            Fate::LostUndone => return Err(lost()),
            Fate::DiesBefore => {
                self.die();
                self.life.goes_on().await;
            }
            Fate::Done | Fate::LostDone | Fate::DiesAfter => {}
        }
        let written = work.await?;
        if fate == Fate::DiesAfter {
            self.die();
        }
        self.life.goes_on().await;
        self.wait(self.way()).await;
        if fate == Fate::LostDone {
            return Err(lost());
        }
        Ok(written)
    }

    /// Ends the process that runs this very transaction.
    fn die(&self) {
        self.life.end();
        cluster::crash(&self.world, self.life.place);
    }

    async fn wait(&self, wait: Duration) {
        if !wait.is_zero() {
            pause(wait).await;
        }
        self.life.goes_on().await;
    }

    fn tell(&self, moment: Moment, what: &str) {
        let place = self.life.place;
        self.world
            .trace
            .tell(format_args!("{place} {}: {what}", moment.name()));
    }
}
