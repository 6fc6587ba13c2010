//! Reads for the auditor: the catalog's database as it is, while the service runs or not.

use std::collections::HashSet;

use platform::args;
use platform::db::{Database, DatabaseUrl, DbError, Tx, Value};
use types::{BookId, Isbn};

/// The catalog's database, opened read-only.
pub struct Audit {
    db: Database,
}

/// Something in the database that no run of the service can have left there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A book has a revision that was never handed out, so followers will miss its next change.
    #[error("revision {revision} was never handed out")]
    RevisionAhead {
        /// The book.
        id: i64,
        /// Its revision.
        revision: i64,
    },
    /// A book's `isbn_key` is not the normal form of its ISBN.
    #[error("its ISBN is compared by a key that is not its own")]
    IsbnKeyDiffers {
        /// The book.
        id: i64,
    },
}

impl Fault {
    /// The book's id, as it is stored.
    pub const fn book(&self) -> i64 {
        match self {
            Self::RevisionAhead { id, .. } | Self::IsbnKeyDiffers { id } => *id,
        }
    }
}

const COUNT: &str = "SELECT COUNT(*) FROM books";
const FIND: &str = "SELECT id FROM books WHERE id IN";
const REVISIONS_AHEAD: &str = "
SELECT id, revision FROM books
WHERE revision >= (SELECT next FROM id_counters WHERE name = 'book_changes') ORDER BY id";
const ISBNS: &str = "
SELECT id, isbn, isbn_key FROM books WHERE isbn IS NOT NULL OR isbn_key IS NOT NULL ORDER BY id";

impl Audit {
    /// Opens the database of an existing catalog.
    ///
    /// # Errors
    /// `Unavailable` where there is no such file; a server is not asked before the first read.
    pub fn open(url: &DatabaseUrl) -> Result<Self, DbError> {
        Ok(Self {
            db: Database::open_read_only(url)?,
        })
    }

    /// How many books there are, unpublished ones included.
    pub async fn count_books(&self) -> Result<u64, DbError> {
        self.db
            .read_long("audit.count_books", |tx| Box::pin(count_books_in(tx)))
            .await
    }

    /// Which of `ids` no book has; in the order given.
    pub async fn find_missing(&self, ids: Vec<BookId>) -> Result<Vec<BookId>, DbError> {
        let list: Vec<Value> = ids.iter().copied().map(Value::from).collect();
        let found: HashSet<i64> = self
            .db
            .read_long("audit.find_books", move |tx| {
                let list = list.clone();
                Box::pin(async move {
                    let rows = tx.query_in(FIND, list, "").await?;
                    rows.iter().map(|row| row.int(0)).collect()
                })
            })
            .await?;
        Ok(ids
            .into_iter()
            .filter(|id| !found.contains(&id.as_i64()))
            .collect())
    }

    /// Looks for what no run of the service can have left behind: first revisions, then ISBNs, each by
    /// ascending id of the book.
    pub async fn find_faults(&self) -> Result<Vec<Fault>, DbError> {
        self.db
            .read_long("audit.find_faults", |tx| Box::pin(find_faults_in(tx)))
            .await
    }

    /// Closes the database.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

async fn count_books_in(tx: &mut Tx) -> Result<u64, DbError> {
    let rows = tx.query(COUNT, args![]).await?;
    let count = rows.first().map_or(Ok(0), |row| row.int(0))?;
    u64::try_from(count).map_err(|_| DbError::corrupt("COUNT(*) of books"))
}

async fn find_faults_in(tx: &mut Tx) -> Result<Vec<Fault>, DbError> {
    let mut faults = Vec::new();
    for row in tx.query(REVISIONS_AHEAD, args![]).await? {
        faults.push(Fault::RevisionAhead {
            id: row.int(0)?,
            revision: row.int(1)?,
        });
    }
    for row in tx.query(ISBNS, args![]).await? {
        let own_key = row.opt_text(1)?.and_then(|isbn| Isbn::new(&isbn));
        let stored_key = row.opt_bytes(2)?;
        if own_key.as_ref().map(|key| key.as_str().as_bytes()) != stored_key.as_deref() {
            faults.push(Fault::IsbnKeyDiffers { id: row.int(0)? });
        }
    }
    Ok(faults)
}
