use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

use super::error::{at_commit, before_commit};
use super::rows::read_row;
use super::text::{render, render_check, render_insert, render_lookup, render_update};
use crate::db::migrate::PASS_BARRIER;
use crate::db::{Access, DbError, Insert, Lookup, Matches, Row, Update, Value};
use crate::turn::Turn;

/// Buffered statements are sent once their text has this many bytes: MariaDB takes 16 MiB by default, MySQL 64.
const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Lifts the limit that a session has on the time of its statements (`SETUP`).
const LIFT_LIMIT: &str =
    "SET @no_limit = 0 /*M! , max_statement_time = 0 */ /*!50700 , max_execution_time = 0 */";
/// How many rows one UPDATE changes at most: each value is looked up in a list of that length.
const UPDATE_ROWS_MAX: usize = 32;

/// A connection to a server. Dropped, it goes back to its pool; after an error it must be closed.
pub(in crate::db) struct MysqlConnection {
    connection: Conn,
    /// The statements that go with the next round trip.
    waiting: Waiting,
    /// Requests since the count was last taken.
    calls: u64,
    /// Whether the transaction is certain to have changed a row.
    has_written: bool,
}

/// Buffered statements, whose answers nobody needs yet.
#[derive(Default)]
struct Waiting {
    text: String,
    /// How many statements `text` holds.
    statements: usize,
}

/// What a statement did.
#[derive(Default)]
struct Answer {
    matched: u64,
    rows: Vec<mysql_async::Row>,
}

/// Why a text of several statements was not carried out to its end.
struct Stopped {
    /// The statement that failed, or whose answer never came.
    at: usize,
    error: Error,
}

impl MysqlConnection {
    pub(super) fn new(connection: Conn) -> Self {
        Self {
            connection,
            waiting: Waiting::default(),
            calls: 0,
            has_written: false,
        }
    }

    /// Closes the connection in the background: the server rolls back what is open.
    pub(super) fn close(self) {
        let closing = self.connection.disconnect();
        #[expect(
            clippy::disallowed_methods,
            reason = "says goodbye; nobody waits for it"
        )]
        let task = tokio::spawn(tokio::time::timeout(super::CONNECT_LIMIT, closing));
        drop(task);
    }

    pub(in crate::db) fn begin(&mut self, access: Access) {
        let limit: &[&str] = match access {
            Access::ReadOnce | Access::Read | Access::Write => &[],
            Access::ReadLong | Access::Migrate => &[LIFT_LIMIT],
        };
        let statements: &[&str] = match access {
            Access::ReadOnce => &[],
            Access::Read | Access::ReadLong => &[
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                "START TRANSACTION WITH CONSISTENT SNAPSHOT",
            ],
            Access::Write | Access::Migrate => &["START TRANSACTION"],
        };
        for statement in limit.iter().chain(statements) {
            self.waiting.next().push_str(statement);
        }
    }

    pub(in crate::db) async fn query(
        &mut self,
        sql: &str,
        args: &[Value],
    ) -> Result<Vec<Row>, DbError> {
        render(self.waiting.next(), sql, args)?;
        read_rows(self.send().await?.pop())
    }

    pub(in crate::db) async fn look_up(
        &mut self,
        lookups: &[Lookup<'_>],
        found: &mut [Vec<Row>],
    ) -> Result<(), DbError> {
        let mut asked = Vec::new();
        for (place, lookup) in lookups.iter().enumerate() {
            for piece in lookup.pieces() {
                asked.push((self.waiting.statements, place));
                render_lookup(self.waiting.next(), lookup, piece);
            }
        }
        if asked.is_empty() {
            return Ok(());
        }
        let mut answers = self.send().await?;
        for (statement, place) in asked {
            let rows = read_rows(answers.get_mut(statement).map(std::mem::take))?;
            if let Some(found) = found.get_mut(place) {
                found.extend(rows);
            }
        }
        Ok(())
    }

    pub(in crate::db) async fn execute(
        &mut self,
        sql: &str,
        args: &[Value],
    ) -> Result<u64, DbError> {
        render(self.waiting.next(), sql, args)?;
        let matched = self.send().await?.pop().unwrap_or_default().matched;
        self.has_written |= matched > 0;
        Ok(matched)
    }

    pub(in crate::db) async fn execute_each(
        &mut self,
        sql: &str,
        each: &[Vec<Value>],
        matches: Matches,
    ) -> Result<(), DbError> {
        for args in each {
            render(self.waiting.next(), sql, args)?;
            self.waiting.check(matches, 1);
            self.has_written |= matches != Matches::Any;
            self.make_room().await?;
        }
        Ok(())
    }

    pub(in crate::db) async fn update_rows(
        &mut self,
        update: &Update,
        rows: &[Vec<Value>],
    ) -> Result<(), DbError> {
        for rows in rows.chunks(UPDATE_ROWS_MAX) {
            render_update(self.waiting.next(), update, rows)?;
            self.waiting.check(update.matches(), rows.len());
            self.has_written |= update.matches() != Matches::Any;
            self.make_room().await?;
        }
        Ok(())
    }

    pub(in crate::db) async fn insert_rows(
        &mut self,
        insert: &Insert,
        rows: &[Vec<Value>],
    ) -> Result<(), DbError> {
        let mut rest = rows;
        while !rest.is_empty() {
            let taken = render_insert(self.waiting.next(), insert, rest, TEXT_BYTES_MAX)?;
            rest = rest.get(taken..).unwrap_or_default();
            self.has_written = true;
            self.make_room().await?;
        }
        Ok(())
    }

    /// Has the server carry out the buffered statements.
    pub(in crate::db) async fn flush(&mut self) -> Result<(), DbError> {
        if self.waiting.text.is_empty() {
            return Ok(());
        }
        self.send().await.map(drop)
    }

    async fn make_room(&mut self) -> Result<(), DbError> {
        if self.waiting.text.len() < TEXT_BYTES_MAX {
            return Ok(());
        }
        self.send().await.map(drop)
    }

    /// Sends the buffered statements in one round trip; returns what each did.
    async fn send(&mut self) -> Result<Vec<Answer>, DbError> {
        let sent = self.exchange(None).await;
        sent.map_err(|stopped| before_commit(stopped.error))
    }

    /// The server stops at the first statement that fails, and the error is that statement's. `turn` is passed on
    /// when all but the last have been carried out.
    async fn exchange(&mut self, turn: Option<&Turn>) -> Result<Vec<Answer>, Stopped> {
        let waiting = std::mem::take(&mut self.waiting);
        self.count_call();
        let mut answers = Vec::with_capacity(waiting.statements);
        let pass = |done: usize| {
            let is_last_left = done.saturating_add(1) == waiting.statements;
            turn.filter(|_| is_last_left).map(Turn::pass)
        };
        pass(0);
        let result = self.connection.query_iter(waiting.text).await;
        let mut result = result.map_err(|error| Stopped { at: 0, error })?;
        for at in 0..waiting.statements {
            // `None` means that the driver keeps an error of this statement.
            if result.columns().is_some() {
                pass(at.saturating_add(1));
            }
            let matched = result.affected_rows();
            // Reading an answer to its end waits for the next one. The driver keeps the error of a statement
            // until its answer is read: read every answer, or the next text would get that error.
            let rows = result.collect().await;
            let rows = rows.map_err(|error| Stopped { at, error })?;
            answers.push(Answer { matched, rows });
        }
        Ok(answers)
    }

    /// Takes the number of requests sent since this was last called.
    pub(in crate::db) fn take_calls(&mut self) -> u64 {
        std::mem::take(&mut self.calls)
    }

    const fn count_call(&mut self) {
        self.calls = self.calls.saturating_add(1);
    }

    pub(in crate::db) async fn script(&mut self, sql: &str) -> Result<(), DbError> {
        self.flush().await?;
        self.count_call();
        self.connection.query_drop(sql).await.map_err(before_commit)
    }

    /// Commits, with the buffered statements in the same round trip; passes `turn` on when the server has
    /// reached the COMMIT. If `is_write`, all that the transaction has read is durable afterwards, too.
    ///
    /// `InnoDB` shows a commit to others before its log is on disk, and makes only the committer wait for that.
    /// A transaction that read such rows and writes is acknowledged after them, as there is one log. One that
    /// only read them would be acknowledged at once, and a server that dies now takes them back: so it writes
    /// a row for the sake of the log.
    pub(in crate::db) async fn commit(
        &mut self,
        is_write: bool,
        turn: &Turn,
    ) -> Result<(), DbError> {
        if is_write && !self.has_written {
            self.waiting.next().push_str(PASS_BARRIER);
        }
        self.waiting.next().push_str("COMMIT");
        let last = self.waiting.statements.saturating_sub(1);
        match self.exchange(Some(turn)).await {
            Ok(_) => Ok(()),
            // A statement failed before the COMMIT. If the connection broke instead, the server may have committed.
            Err(Stopped { at, error }) if at < last && matches!(error, Error::Server(_)) => {
                Err(before_commit(error))
            }
            Err(Stopped { error, .. }) => Err(at_commit(error)),
        }
    }
}

fn read_rows(answer: Option<Answer>) -> Result<Vec<Row>, DbError> {
    let rows = answer.unwrap_or_default().rows;
    rows.into_iter().map(read_row).collect()
}

impl Waiting {
    /// Begins the next statement, whose text is to be appended.
    fn next(&mut self) -> &mut String {
        if !self.text.is_empty() {
            self.text.push_str(";\n");
        }
        self.statements = self.statements.saturating_add(1);
        &mut self.text
    }

    /// Makes the text stop here unless the last statement matched as many rows as it has to.
    fn check(&mut self, matches: Matches, lists: usize) {
        match matches {
            Matches::Any => {}
            Matches::OneEach(_) => render_check(self.next(), lists),
        }
    }
}
