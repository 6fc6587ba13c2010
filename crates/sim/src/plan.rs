//! What a seed does: its own mix of faults, at its own rates.
//!
//! Not every fault in every seed: a fault that is everywhere hides what another alone would show
//! ("swarm testing", Groce and others, ISSTA 2012). Each kind is in about half of the seeds.

use std::time::Duration;

use crate::chance::Chance;
use crate::node::Kind;

/// Everything a seed decides before it begins.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Replicas of each service, in the order of [`Kind::ALL`].
    pub(crate) replicas: [u64; 4],
    /// How long an order waits for its payment.
    pub(crate) payment_timeout: Duration,
    /// How long a gateway may take.
    pub(crate) gateway_timeout: Duration,
    /// How long things break.
    pub(crate) chaos: Duration,
    pub(crate) net: NetPlan,
    pub(crate) disk: DiskPlan,
    pub(crate) gateway: GatewayPlan,
    pub(crate) nemesis: NemesisPlan,
    pub(crate) queue: QueuePlan,
    pub(crate) people: PeoplePlan,
}

/// The network. Rates are per thousand messages.
#[derive(Debug, Clone, Default)]
pub(crate) struct NetPlan {
    /// The longest ordinary way, in milliseconds.
    pub(crate) latency_ms_max: u64,
    pub(crate) lose_request: u64,
    pub(crate) lose_reply: u64,
    pub(crate) double: u64,
    pub(crate) late: u64,
    /// The longest that a late message is late.
    pub(crate) late_ms_max: u64,
    /// How many of those who hang up are heard doing so.
    pub(crate) hang_up_heard: u64,
    pub(crate) cut_stream: u64,
}

/// The databases. Rates are per thousand transactions.
#[derive(Debug, Clone, Default)]
pub(crate) struct DiskPlan {
    pub(crate) delay_ms_max: u64,
    pub(crate) refuse: u64,
    pub(crate) unknown: u64,
    pub(crate) fail_read: u64,
    pub(crate) slow: u64,
    /// Crashes right at a commit.
    pub(crate) crash: u64,
}

/// The payment gateway. Rates are per thousand calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct GatewayPlan {
    pub(crate) latency_ms_max: u64,
    pub(crate) refuse: u64,
    pub(crate) lose_answer: u64,
    pub(crate) hang: u64,
    pub(crate) late: u64,
}

/// What breaks from time to time; the mean wait between two, where it does.
#[derive(Debug, Clone, Default)]
pub(crate) struct NemesisPlan {
    pub(crate) crash_every: Option<Duration>,
    pub(crate) stop_every: Option<Duration>,
    pub(crate) power_cut_every: Option<Duration>,
    pub(crate) partition_every: Option<Duration>,
    pub(crate) outage_every: Option<Duration>,
    pub(crate) clock_every: Option<Duration>,
    /// How far a clock is off true time at the most, in milliseconds, its drift left out.
    pub(crate) skew_ms_max: u64,
    /// How wrong clocks go, in millionths.
    pub(crate) drift_ppm_max: u64,
}

/// The delay queue.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueuePlan {
    /// One for all replicas; else each has its own.
    pub(crate) is_shared: bool,
    /// How often it is out of reach, per thousand calls.
    pub(crate) fail: u64,
    pub(crate) flush_every: Option<Duration>,
}

/// Buyers, operators, and what there is to buy.
#[derive(Debug, Clone, Default)]
pub(crate) struct PeoplePlan {
    pub(crate) buyers: u64,
    pub(crate) orders_each: u64,
    pub(crate) books: u64,
    pub(crate) stock: u64,
    pub(crate) restocks: u64,
    pub(crate) price_changes: u64,
    pub(crate) direct_holds: u64,
    pub(crate) stray_payments: u64,
    /// The longest pause between two steps of a buyer, in milliseconds.
    pub(crate) pause_ms_max: u64,
}

impl Plan {
    /// The plan that follows from `chance`.
    pub(crate) fn draw(chance: &Chance) -> Self {
        let replicas = Kind::ALL.map(|_| chance.between(2, 3));
        // One seed in twenty has no faults at all: what breaks there is broken anyway.
        let calm = chance.happens(50);
        let plan = Self {
            replicas,
            payment_timeout: chance.millis(4_000, 25_000),
            gateway_timeout: chance.millis(500, 3_000),
            chaos: chance.millis(15_000, 50_000),
            net: NetPlan::draw(chance),
            disk: DiskPlan::draw(chance),
            gateway: GatewayPlan::draw(chance),
            nemesis: NemesisPlan::draw(chance),
            queue: QueuePlan::draw(chance),
            people: PeoplePlan::draw(chance),
        };
        let plan = plan.with_a_gateway_that_can_be_heard();
        if calm { plan.without_faults() } else { plan }
    }

    /// A gateway that is slower than anybody waits would never be heard at all.
    fn with_a_gateway_that_can_be_heard(mut self) -> Self {
        let timeout = u64::try_from(self.gateway_timeout.as_millis()).unwrap_or(u64::MAX);
        self.gateway.latency_ms_max = self.gateway.latency_ms_max.min(timeout / 4);
        self
    }

    fn without_faults(self) -> Self {
        Self {
            net: NetPlan {
                latency_ms_max: self.net.latency_ms_max.min(5),
                hang_up_heard: 1000,
                ..NetPlan::default()
            },
            disk: DiskPlan {
                delay_ms_max: self.disk.delay_ms_max.min(5),
                ..DiskPlan::default()
            },
            gateway: GatewayPlan {
                refuse: self.gateway.refuse,
                ..GatewayPlan::default()
            },
            nemesis: NemesisPlan::default(),
            queue: QueuePlan {
                is_shared: self.queue.is_shared,
                ..QueuePlan::default()
            },
            ..self
        }
    }
}

/// A rate between the two in half of the seeds, 0 in the others.
fn rate(chance: &Chance, low: u64, high: u64) -> u64 {
    let drawn = chance.between(low, high);
    if chance.happens(500) { drawn } else { 0 }
}

/// A mean wait between the two, in seconds, in half of the seeds.
fn every(chance: &Chance, low: u64, high: u64) -> Option<Duration> {
    let drawn = Duration::from_secs(chance.between(low, high));
    chance.happens(500).then_some(drawn)
}

/// One of a few magnitudes, so that small and large ones are as common.
fn magnitude(chance: &Chance, of: &[u64]) -> u64 {
    chance.pick(of).copied().unwrap_or(0)
}

impl NetPlan {
    fn draw(chance: &Chance) -> Self {
        Self {
            latency_ms_max: magnitude(chance, &[0, 1, 3, 10, 40, 200]),
            lose_request: rate(chance, 2, 120),
            lose_reply: rate(chance, 2, 120),
            double: rate(chance, 5, 150),
            late: rate(chance, 2, 60),
            late_ms_max: magnitude(chance, &[500, 4_000, 20_000]),
            hang_up_heard: magnitude(chance, &[0, 500, 1000]),
            cut_stream: rate(chance, 5, 100),
        }
    }
}

impl DiskPlan {
    fn draw(chance: &Chance) -> Self {
        Self {
            delay_ms_max: magnitude(chance, &[0, 1, 2, 5, 20, 80]),
            refuse: rate(chance, 2, 80),
            unknown: rate(chance, 2, 80),
            fail_read: rate(chance, 2, 50),
            slow: rate(chance, 2, 30),
            crash: rate(chance, 1, 10),
        }
    }
}

impl GatewayPlan {
    fn draw(chance: &Chance) -> Self {
        Self {
            latency_ms_max: magnitude(chance, &[0, 10, 100, 1_000]),
            refuse: magnitude(chance, &[0, 100, 300, 600]),
            lose_answer: rate(chance, 20, 300),
            hang: rate(chance, 10, 200),
            late: rate(chance, 10, 200),
        }
    }
}

impl NemesisPlan {
    fn draw(chance: &Chance) -> Self {
        Self {
            crash_every: every(chance, 1, 12),
            stop_every: every(chance, 4, 20),
            power_cut_every: every(chance, 15, 60),
            partition_every: every(chance, 2, 15),
            outage_every: every(chance, 5, 30),
            clock_every: every(chance, 3, 20),
            skew_ms_max: magnitude(chance, &[0, 5, 300, 2_000, 15_000]),
            drift_ppm_max: magnitude(chance, &[0, 100, 20_000]),
        }
    }
}

impl QueuePlan {
    fn draw(chance: &Chance) -> Self {
        Self {
            is_shared: chance.happens(500),
            fail: rate(chance, 10, 300),
            flush_every: every(chance, 3, 15),
        }
    }
}

impl PeoplePlan {
    fn draw(chance: &Chance) -> Self {
        Self {
            buyers: chance.between(3, 10),
            orders_each: chance.between(3, 9),
            books: chance.between(2, 5),
            stock: magnitude(chance, &[2, 8, 30, 200]),
            restocks: chance.between(2, 8),
            price_changes: chance.between(0, 6),
            direct_holds: chance.between(1, 6),
            stray_payments: chance.between(0, 4),
            pause_ms_max: magnitude(chance, &[20, 500, 4_000]),
        }
    }
}
