//! The books of a run: which they are, and what is true of them.

use api::catalog::v1::Book;

/// Titles begin with these, so that each is a word of many titles.
const TOPICS: [&str; 8] = [
    "微服务",
    "分布式系统",
    "Databases",
    "操作系统",
    "Programming Rust",
    "编译原理",
    "Algorithms",
    "人工智能",
];
/// Ids from here up to 2^52 are ours: far from those that the catalog counts out, and below those that
/// `import` makes.
const LOWEST_ID: u64 = 1 << 51;
/// Bits of an id that tell one book of a shelf from another.
const RANK_BITS: u32 = 20;
/// The most books that a shelf has.
pub(crate) const BOOKS_MAX: u32 = 1 << RANK_BITS;
/// How many people buy, each under an id of its own in the same range.
pub(super) const BUYERS: u32 = 1_000;

/// A number of books, ranked by popularity from 0 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shelf {
    number: u32,
    books: u32,
}

impl Shelf {
    /// The one that every run reads from, and that stays in the shop.
    pub(super) const fn lasting(books: u32) -> Self {
        Self { number: 0, books }
    }

    /// One that no run has used, so that nothing else moves its stock.
    pub(super) fn new(books: u32) -> Self {
        Self {
            number: (rand::random::<u32>() >> 1).max(1),
            books,
        }
    }

    /// How many books it has.
    pub(super) const fn books(self) -> u32 {
        self.books
    }

    /// Whether the books stay in the shop after the run.
    pub(super) const fn is_lasting(self) -> bool {
        self.number == 0
    }

    pub(super) fn id(self, rank: u32) -> u64 {
        self.first_id() | u64::from(rank)
    }

    pub(super) fn ids(self) -> Vec<u64> {
        (0..self.books).map(|rank| self.id(rank)).collect()
    }

    /// The rank of the book with this id.
    pub(super) fn rank(self, id: u64) -> Option<u32> {
        let rank = u32::try_from(id.checked_sub(self.first_id())?).ok()?;
        (rank < self.books).then_some(rank)
    }

    /// In fen.
    pub(super) fn price_fen(rank: u32) -> i64 {
        1_900 + i64::from(rank % 80) * 100
    }

    pub(super) fn title(self, rank: u32) -> String {
        format!("{} {} 第{rank}册", Self::topic(rank), self.label())
    }

    /// A word of every title of this shelf, and of no other.
    pub(super) fn label(self) -> String {
        format!("load{:08x}", self.number)
    }

    /// What the title begins with.
    pub(super) fn topic(rank: u32) -> &'static str {
        TOPICS[usize::try_from(rank).unwrap_or(0) % TOPICS.len()]
    }

    pub(super) fn book(self, rank: u32) -> Book {
        Book {
            id: self.id(rank),
            title: self.title(rank),
            author: "bookstore load".to_owned(),
            price: Self::price_fen(rank),
            description: "A book that a load test reads, orders and pays for. ".repeat(4),
            ..Book::default()
        }
    }

    /// An id of a buyer who buys of this shelf alone.
    pub(super) fn buyer(self, number: u32) -> u64 {
        self.first_id() | u64::from(number)
    }

    /// A key that only this run uses: `what` tells one from another.
    pub(super) fn key(self, what: &str) -> String {
        format!("{}-{what}", self.label())
    }

    fn first_id(self) -> u64 {
        LOWEST_ID | (u64::from(self.number) << RANK_BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_in_their_range_and_tell_the_rank() {
        let shelf = Shelf {
            number: u32::MAX >> 1,
            books: BOOKS_MAX,
        };
        for rank in [0, 17, BOOKS_MAX - 1] {
            let id = shelf.id(rank);
            assert!((1 << 51..1 << 52).contains(&id), "{id}");
            assert_eq!(shelf.rank(id), Some(rank));
        }
        assert_eq!(Shelf::lasting(10).id(0), 1 << 51);
        assert_eq!(Shelf::lasting(10).rank((1 << 51) + 10), None);
        assert_eq!(shelf.rank(1), None);
        assert!(!Shelf::new(1).is_lasting());
        assert!(shelf.key("9").len() <= 64);
    }
}
