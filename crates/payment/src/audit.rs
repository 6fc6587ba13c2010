//! Reads for the auditor: every payment, for comparison with orders, and whatever breaks a rule
//! that can be checked within this database alone.
//!
//! One snapshot, a few passes of aggregate SQL; safe beside a running service.

use std::fmt;

use platform::args;
use platform::db::{Database, DbError, Row, Tx};
use types::{Fen, OrderId, PaymentNo, PaymentStatus, UnixMillis};

/// What an audit read and found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// Every payment, by ascending order id.
    pub payments: Vec<PaymentRow>,
    /// Attempts that wait for the gateway's word, the oldest first.
    pub open_attempts: Vec<OpenAttempt>,
    /// The last event of the feed; 0 where there is none.
    pub last_event_id: u64,
    /// What is wrong inside this database.
    pub findings: Vec<Finding>,
}

/// The part of a payment that can be compared with its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRow {
    /// The order.
    pub order_id: OrderId,
    /// The last attempt.
    pub payment_no: PaymentNo,
    /// What it charges.
    pub amount: Fen,
    /// What became of it.
    pub status: PaymentStatus,
    /// When it last changed.
    pub updated_at: UnixMillis,
}

/// An attempt to charge or to refund whose outcome is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAttempt {
    /// Its number.
    pub payment_no: PaymentNo,
    /// The order.
    pub order_id: OrderId,
    /// Since when the gateway is being asked.
    pub since: UnixMillis,
}

/// A rule that a row breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What breaks it.
    pub subject: Subject,
    /// The rule, in words.
    pub rule: &'static str,
}

/// What a rule is about, named as it is stored: a row that breaks a rule may have an id or a number that
/// none can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The payment of an order, or its events together.
    Order(i64),
    /// One attempt.
    Attempt(String),
    /// One event.
    Event(i64),
    /// The feed as a whole.
    Feed,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(id) => write!(f, "order {id}"),
            Self::Attempt(number) => write!(f, "attempt {number}"),
            Self::Event(id) => write!(f, "event {id}"),
            Self::Feed => f.write_str("the feed"),
        }
    }
}

/// A rule and the SQL that finds whatever breaks it: one column, which `subject` reads.
struct Rule {
    subject: fn(&Row) -> Result<Subject, DbError>,
    words: &'static str,
    sql: &'static str,
}

const RULES: [Rule; 6] = [
    Rule {
        subject: order,
        words: "its payment says what its last attempt says",
        sql: "SELECT p.order_id FROM payments p \
            LEFT JOIN payment_attempts a ON a.payment_no = p.payment_no \
            WHERE a.payment_no IS NULL OR a.order_id <> p.order_id OR a.amount <> p.amount \
            OR p.status <> CASE a.state WHEN 1 THEN 1 WHEN 3 THEN 4 WHEN 5 THEN 3 ELSE 2 END \
            ORDER BY p.order_id",
    },
    Rule {
        subject: attempt,
        words: "only an order's last attempt is open or holds money",
        sql: "SELECT a.payment_no FROM payment_attempts a \
            LEFT JOIN payments p ON p.payment_no = a.payment_no \
            WHERE p.payment_no IS NULL AND a.state <> 3 ORDER BY a.payment_no",
    },
    Rule {
        subject: attempt,
        words: "an attempt is asked about again exactly while it is open",
        sql: "SELECT payment_no FROM payment_attempts \
            WHERE (next_check_at IS NULL) <> (state NOT IN (1, 4)) ORDER BY payment_no",
    },
    Rule {
        subject: event,
        words: "it tells of an attempt that exists, with its order and its amount",
        sql: "SELECT e.id FROM payment_events e \
            LEFT JOIN payment_attempts a ON a.payment_no = e.payment_no \
            WHERE a.payment_no IS NULL OR a.order_id <> e.order_id OR a.amount <> e.amount \
            ORDER BY e.id",
    },
    Rule {
        subject: order,
        words: "refusals come first, then one payment, then at most one refund",
        sql: "SELECT order_id FROM payment_events GROUP BY order_id \
            HAVING SUM(CASE WHEN status = 2 THEN 1 ELSE 0 END) > 1 \
            OR SUM(CASE WHEN status = 3 THEN 1 ELSE 0 END) \
                > SUM(CASE WHEN status = 2 THEN 1 ELSE 0 END) \
            OR MIN(CASE WHEN status = 2 THEN id END) < MAX(CASE WHEN status = 4 THEN id END) \
            OR MIN(CASE WHEN status = 3 THEN id END) < MAX(CASE WHEN status = 2 THEN id END) \
            ORDER BY order_id",
    },
    Rule {
        subject: order,
        words: "the feed's last word about it is what its payment says",
        sql: "SELECT p.order_id FROM payments p \
            LEFT JOIN (SELECT order_id, MAX(id) AS id FROM payment_events GROUP BY order_id) latest \
                ON latest.order_id = p.order_id \
            LEFT JOIN payment_events e ON e.id = latest.id \
            WHERE (p.status = 1 AND e.status <> 4) \
            OR (p.status <> 1 AND (e.id IS NULL OR e.status <> p.status)) \
            ORDER BY p.order_id",
    },
];

fn order(row: &Row) -> Result<Subject, DbError> {
    row.int(0).map(Subject::Order)
}

fn attempt(row: &Row) -> Result<Subject, DbError> {
    row.text(0).map(Subject::Attempt)
}

fn event(row: &Row) -> Result<Subject, DbError> {
    row.int(0).map(Subject::Event)
}

/// Audits the whole database on one snapshot.
pub async fn audit(database: &Database) -> Result<Audit, DbError> {
    database
        .read_long("audit payments", |tx| Box::pin(audit_in(tx)))
        .await
}

async fn audit_in(tx: &mut Tx) -> Result<Audit, DbError> {
    let mut findings = Vec::new();
    for rule in &RULES {
        for row in tx.query(rule.sql, args![]).await? {
            findings.push(Finding {
                subject: (rule.subject)(&row)?,
                rule: rule.words,
            });
        }
    }
    let last_event_id = check_feed(tx, &mut findings).await?;
    Ok(Audit {
        payments: list_payments(tx).await?,
        open_attempts: list_open(tx).await?,
        last_event_id,
        findings,
    })
}

async fn check_feed(tx: &mut Tx, findings: &mut Vec<Finding>) -> Result<u64, DbError> {
    let sql = "SELECT COUNT(*), COALESCE(MIN(id), 1), COALESCE(MAX(id), 0), \
        (SELECT next FROM id_counters WHERE name = 'payment_events') FROM payment_events";
    let Some(row) = tx.query(sql, args![]).await?.into_iter().next() else {
        return Ok(0);
    };
    let (count, first, last) = (row.int(0)?, row.int(1)?, row.int(2)?);
    if first != 1 || count != last || row.opt_int(3)? != last.checked_add(1) {
        let rule = "events are numbered 1, 2, 3 without a gap, up to the counter";
        findings.push(Finding {
            subject: Subject::Feed,
            rule,
        });
    }
    u64::try_from(last).map_err(|_| DbError::corrupt("payment_events.id"))
}

async fn list_payments(tx: &mut Tx) -> Result<Vec<PaymentRow>, DbError> {
    let sql = "SELECT order_id, payment_no, amount, status, updated_at FROM payments \
        ORDER BY order_id";
    let read = |row: &Row| {
        Ok(PaymentRow {
            order_id: read_order_id(row, 0)?,
            payment_no: read_payment_no(row, 1)?,
            amount: Fen::stored(row.int(2)?),
            status: PaymentStatus::from_number(row.int(3)?)
                .ok_or_else(|| DbError::corrupt("payments.status"))?,
            updated_at: row.time(4)?,
        })
    };
    tx.query(sql, args![]).await?.iter().map(read).collect()
}

async fn list_open(tx: &mut Tx) -> Result<Vec<OpenAttempt>, DbError> {
    let sql = "SELECT payment_no, order_id, updated_at FROM payment_attempts \
        WHERE next_check_at IS NOT NULL ORDER BY updated_at, payment_no";
    let read = |row: &Row| {
        Ok(OpenAttempt {
            payment_no: read_payment_no(row, 0)?,
            order_id: read_order_id(row, 1)?,
            since: row.time(2)?,
        })
    };
    tx.query(sql, args![]).await?.iter().map(read).collect()
}

fn read_order_id(row: &Row, column: usize) -> Result<OrderId, DbError> {
    OrderId::from_i64(row.int(column)?).ok_or_else(|| DbError::corrupt("order_id"))
}

fn read_payment_no(row: &Row, column: usize) -> Result<PaymentNo, DbError> {
    PaymentNo::parse(&row.text(column)?).ok_or_else(|| DbError::corrupt("payment_no"))
}
