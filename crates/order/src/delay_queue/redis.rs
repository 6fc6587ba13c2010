use std::time::Duration;

use async_trait::async_trait;
use platform::combiner::{Batch, BatchWriter, Combiner, CombinerLimits, WriteError};
use platform::db::DbError;
use platform::deadline::{Deadline, DeadlinePassed};
use platform::redis::{Redis, RedisError, RedisUrl, Script, cmd};
use types::{OrderId, UnixMillis};

use super::{DelayQueue, QueueError};
use crate::store::DueOrder;

/// The sorted set: member = order id, score = deadline in milliseconds. The tag in braces keeps all
/// keys of a script on one node of a cluster.
const KEY: &str = "bookstore:{orders}:deadlines";
/// How many members one command names at the most.
const MEMBERS_MAX: usize = 512;
/// How long adding an order may take: as long as a call to Redis may.
const WAIT_LIMIT: Duration = Duration::from_millis(300);

/// Claims what is due by moving it a lease ahead, atomically: of two claimers one gets an entry,
/// and an entry whose claimer dies comes back.
const CLAIM_DUE: &str = r"
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(due) do
  redis.call('ZADD', KEYS[1], 'XX', ARGV[3], member)
end
return due
";

/// Deadlines in Redis, one queue for all replicas.
///
/// What Redis loses, or does not take, the sweep of the database finds.
pub struct RedisQueue {
    redis: Redis,
    arrivals: Combiner<DueOrder, Result<(), RedisError>>,
    claim_due: Script,
}

/// Combines orders that come one by one: those that come at once are added by one command.
struct Arrivals(Redis);

#[async_trait]
impl BatchWriter for Arrivals {
    type Op = DueOrder;
    type Out = Result<(), RedisError>;

    fn name(_: &DueOrder) -> &'static str {
        "order.schedule"
    }

    async fn write(&self, batch: Batch<DueOrder>) -> Result<Vec<Self::Out>, DbError> {
        let put = put_in(&self.0, &batch).await;
        Ok(vec![put; batch.len()])
    }
}

async fn put_in(redis: &Redis, entries: &[DueOrder]) -> Result<(), RedisError> {
    for entries in entries.chunks(MEMBERS_MAX) {
        let mut add = cmd("ZADD");
        add.arg(KEY);
        for entry in entries {
            add.arg(entry.due_at.get()).arg(entry.id.get());
        }
        let _added: u64 = redis.call(&add).await?;
    }
    Ok(())
}

impl RedisQueue {
    /// Connects to the server at `url`.
    ///
    /// # Errors
    /// A server that is out of reach or refuses the login.
    pub async fn connect(url: &RedisUrl) -> Result<Self, QueueError> {
        let redis = Redis::connect(url, "order.delay_queue").await?;
        let arrivals = Arrivals(redis.clone());
        Ok(Self {
            redis,
            arrivals: Combiner::start("order.schedule", arrivals, CombinerLimits::default()),
            claim_due: Script::new(CLAIM_DUE),
        })
    }

    async fn remove_members(&self, members: &[Vec<u8>]) -> Result<(), QueueError> {
        for members in members.chunks(MEMBERS_MAX) {
            let mut remove = cmd("ZREM");
            remove.arg(KEY).arg(members);
            let _removed: u64 = self.redis.call(&remove).await?;
        }
        Ok(())
    }

    /// Removes members that name no order: they would come back for ever.
    async fn remove_strays(&self, strays: &[Vec<u8>]) -> Result<(), QueueError> {
        if let Some(first) = strays.first() {
            let count = strays.len();
            tracing::warn!(
                first = %first.escape_ascii(),
                count,
                "entries of the delay queue that are no orders"
            );
        }
        self.remove_members(strays).await
    }
}

/// The order that a member names. `07` parses as 7 and would be removed as `7`, never as itself: it names none.
fn read_member(member: &[u8]) -> Option<OrderId> {
    let text = str::from_utf8(member).ok()?;
    let id = text.parse().ok().and_then(OrderId::new)?;
    (id.to_string() == text).then_some(id)
}

#[async_trait]
impl DelayQueue for RedisQueue {
    async fn schedule(&self, entries: &[DueOrder]) -> Result<(), QueueError> {
        if let [entry] = entries {
            let deadline = Deadline::after(WAIT_LIMIT);
            let put = deadline.within(self.arrivals.submit(*entry, deadline));
            Ok(put.await???)
        } else {
            Ok(put_in(&self.redis, entries).await?)
        }
    }

    async fn claim_due(
        &self,
        now: UnixMillis,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<OrderId>, QueueError> {
        let mut claim = self.claim_due.key(KEY);
        claim.arg(now.get()).arg(limit).arg(now.plus(lease).get());
        // As bytes: a member that is not UTF-8 must not fail the claim of the others.
        let members: Vec<Vec<u8>> = self.redis.call_script(&claim).await?;
        let (mut claimed, mut strays) = (Vec::with_capacity(members.len()), Vec::new());
        for member in members {
            match read_member(&member) {
                Some(id) => claimed.push(id),
                None => strays.push(member),
            }
        }
        // A failure here does not fail the claim.
        if let Err(error) = self.remove_strays(&strays).await {
            tracing::debug!(%error, "strays stay in the delay queue");
        }
        Ok(claimed)
    }

    async fn remove(&self, orders: &[OrderId]) -> Result<(), QueueError> {
        let members = orders.iter().map(|id| id.to_string().into_bytes());
        self.remove_members(&members.collect::<Vec<_>>()).await
    }
}

impl From<DeadlinePassed> for QueueError {
    fn from(error: DeadlinePassed) -> Self {
        Self(error.to_string())
    }
}

impl From<WriteError> for QueueError {
    fn from(error: WriteError) -> Self {
        Self(error.to_string())
    }
}

impl From<RedisError> for QueueError {
    fn from(error: RedisError) -> Self {
        Self(error.to_string())
    }
}
