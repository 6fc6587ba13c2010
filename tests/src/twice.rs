//! Two replicas of every service on the same stores, and calls that go from one to the other.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use futures::future::try_join;
use platform::clock::pause;
use testkit::servers::{RedisServer, mysql};
use tokio::sync::{Mutex, MutexGuard};
use tonic::{Code, Status};

use crate::clients::Clients;
use crate::rpc::Rpc;
use crate::shop::{Layout, Service, Shop};

/// How long a call that was not answered waits before it goes to the other replica.
const RETRY_AFTER: Duration = Duration::from_millis(50);
/// The longest that two replicas, of which one dies now and then, may leave a call without an answer.
const ANSWER_WITHIN: Duration = Duration::from_mins(1);
/// Eight processes at a time are enough for a small machine.
static TURN: Mutex<()> = Mutex::const_new(());

/// Two replicas of each of the four services.
pub struct Twice {
    /// The one and the other: a process a service each.
    pub replicas: [Shop; 2],
    /// Where their deadlines wait and their books are cached.
    pub redis: RedisServer,
    _turn: MutexGuard<'static, ()>,
}

impl Twice {
    /// Starts all eight at once, on empty databases; `None` where there are no servers.
    ///
    /// # Errors
    /// Where they do not start.
    pub async fn open(settings: &[(&str, &str)]) -> anyhow::Result<Option<Self>> {
        let turn = TURN.lock().await;
        let (Some(mysql), Some(redis)) = (mysql().await?, RedisServer::start().await?) else {
            return Ok(None);
        };
        let plan = || Shop::plan().set("TELEMETRY__LOG", "warn");
        let mut replicas = [
            Shop::closed(plan(), Layout::Apart)?,
            Shop::closed(plan(), Layout::Apart)?,
        ];
        let mut shared = vec![
            ("CATALOG__CACHE".to_owned(), format!("{}/1", redis.url())),
            ("ORDER__DELAY_QUEUE".to_owned(), redis.url().to_owned()),
            ("PAYMENT__MOCK__SUCCESS_RATE".to_owned(), "1".to_owned()),
        ];
        for service in Service::ALL {
            let name = service.name().to_uppercase();
            let database = mysql.new_database_setting().await?;
            shared.push((format!("{name}__DATABASE"), database));
            if service != Service::Order {
                let url = |shop: &Shop| format!("http://127.0.0.1:{}", shop.port(service));
                let both = replicas.each_ref().map(url).join(",");
                shared.push((format!("ORDER__{name}"), both));
            }
        }
        for shop in &mut replicas {
            let common = shared.iter().map(|(path, value)| (&**path, &**value));
            for (path, value) in common.chain(settings.iter().copied()) {
                shop.set(path, value);
            }
        }
        let [first, second] = &mut replicas;
        try_join(first.start(), second.start()).await?;
        Ok(Some(Self {
            replicas,
            redis,
            _turn: turn,
        }))
    }

    /// Clients of each replica.
    ///
    /// # Errors
    /// Where an address is none.
    pub fn each(&self) -> anyhow::Result<[Clients; 2]> {
        let [first, second] = &self.replicas;
        Ok([first.clients()?, second.clients()?])
    }

    /// Clients whose every call goes to one replica or the other.
    ///
    /// # Errors
    /// Where an address is none.
    pub fn spread(&self) -> anyhow::Result<Clients> {
        let ports = |service| self.replicas.each_ref().map(|shop| shop.port(service));
        Clients::spread([
            ports(Service::Catalog),
            ports(Service::Inventory),
            ports(Service::Order),
            ports(Service::Payment),
        ])
    }

    /// Runs the auditor, which must find nothing wrong within 30 s.
    ///
    /// # Errors
    /// What it found.
    pub async fn expect_clean(&self) -> anyhow::Result<()> {
        self.replicas[0].expect_clean().await
    }
}

/// Makes a call at the replica whose `turn` it is, and where it is not answered at the other one,
/// and so on.
///
/// # Errors
/// A status that is final, or no answer within a minute.
pub async fn insist<M: Rpc>(
    replicas: &[Clients; 2],
    turn: usize,
    request: M,
) -> anyhow::Result<M::Reply> {
    let asked = Instant::now();
    for clients in replicas.iter().cycle().skip(turn % 2) {
        match clients.call(request.clone()).await {
            Ok(reply) => return Ok(reply),
            Err(status) => ensure!(
                may_be_repeated(&status) && asked.elapsed() < ANSWER_WITHIN,
                "{request:?} for {:?}: {status:?}",
                asked.elapsed()
            ),
        }
        pause(RETRY_AFTER).await;
    }
    bail!("unreachable: the replicas take turns for ever")
}

/// Whether a replica is dead or dying, or an effect in doubt; keys make the next try safe.
fn may_be_repeated(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Unknown | Code::Cancelled
    )
}
