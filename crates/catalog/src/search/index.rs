use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use types::{BookId, Isbn, Page};

use super::text::{Reading, contains, fold, lookups_of, parts_of_key, read, terms_of};
use crate::domain::Listing;

/// Why a book was found; the better reason comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Rank {
    /// The keyword is the book's ISBN.
    Isbn,
    /// The keyword is the title, mark for mark.
    TitleIs,
    /// The keyword reads as the title does: `三体` and `《三体》`.
    TitleEquals,
    /// The title starts with the keyword.
    TitleStarts,
    /// The title holds the keyword.
    TitleContains,
    /// An author's name holds the keyword.
    Author,
    /// All words of the keyword are there, apart from each other: `1984 orwell`.
    Scattered,
}

impl Rank {
    const ALL: [Self; 7] = [
        Self::Isbn,
        Self::TitleIs,
        Self::TitleEquals,
        Self::TitleStarts,
        Self::TitleContains,
        Self::Author,
        Self::Scattered,
    ];
}

/// One page of what a keyword found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The books of the page: by rank, within a rank by ascending id.
    pub ids: Vec<BookId>,
    /// How many books all pages hold together.
    pub total: u64,
}

/// The published books, by their words and ISBNs.
///
/// The postings only preselect candidates; each is then checked against the whole keyword. So what
/// is found, and its rank, is exact.
#[derive(Debug, Default)]
pub struct Index {
    entries: HashMap<BookId, Entry>,
    /// Under each term (`text::terms_of`) the books that have it, ascending.
    postings: BTreeMap<Box<str>, Vec<BookId>>,
    isbns: HashMap<Isbn, BookId>,
}

/// A book as it is indexed.
#[derive(Debug)]
struct Entry {
    /// The title with its marks, folded.
    spelled: Box<str>,
    /// The keys of its readings.
    title: Box<[Box<str>]>,
    author: Box<[Box<str>]>,
    isbn: Option<Isbn>,
}

impl Index {
    /// How many books can be found.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Indexes a book in its newest state, or removes it if it is unpublished. Idempotent. States
    /// of one book must come in the order of their revisions.
    pub fn put(&mut self, listing: &Listing) {
        self.remove(listing.id);
        if listing.unpublished {
            return;
        }
        let entry = Entry {
            spelled: fold(&listing.title).into(),
            title: keys_of(&listing.title),
            author: keys_of(&listing.author),
            isbn: listing.isbn.clone(),
        };
        for term in entry.parts().iter().flat_map(|part| terms_of(part)) {
            let books = self.postings.entry(term.into()).or_default();
            if let Err(place) = books.binary_search(&listing.id) {
                books.insert(place, listing.id);
            }
        }
        if let Some(isbn) = &listing.isbn {
            self.isbns.insert(isbn.clone(), listing.id);
        }
        self.entries.insert(listing.id, entry);
    }

    fn remove(&mut self, id: BookId) {
        let Some(entry) = self.entries.remove(&id) else {
            return;
        };
        for term in entry.parts().iter().flat_map(|part| terms_of(part)) {
            let Some(books) = self.postings.get_mut(term) else {
                continue;
            };
            if let Ok(place) = books.binary_search(&id) {
                books.remove(place);
            }
            if books.is_empty() {
                self.postings.remove(term);
            }
        }
        // The ISBN may already belong to another book, whose change came first.
        if let Some(isbn) = entry.isbn
            && self.isbns.get(&isbn) == Some(&id)
        {
            self.isbns.remove(&isbn);
        }
    }

    /// Finds the books that `keyword` names: the page asked for, and how many there are.
    ///
    /// Every word of the keyword must occur in the title or among the authors, starting at the
    /// beginning of a word (a run of Chinese: anywhere); or the keyword is the book's ISBN.
    pub fn search(&self, keyword: &str, page: Page) -> Found {
        let ranked = self.ranked(keyword);
        let total: usize = ranked.iter().map(Vec::len).sum();
        let skip = usize::try_from(page.offset()).unwrap_or(usize::MAX);
        let size = usize::try_from(page.size()).unwrap_or(usize::MAX);
        let ids = ranked.into_iter().flatten().skip(skip).take(size).collect();
        Found {
            ids,
            total: u64::try_from(total).unwrap_or(u64::MAX),
        }
    }

    /// The books found, one list per rank, each ascending.
    fn ranked(&self, keyword: &str) -> Vec<Vec<BookId>> {
        let (wanted, spelled) = (read(keyword), fold(keyword));
        let by_isbn = Isbn::new(keyword).and_then(|isbn| self.isbns.get(&isbn).copied());

        let mut candidates: Vec<BookId> = by_isbn.into_iter().collect();
        for reading in &wanted {
            candidates.extend(self.candidates(reading));
        }
        candidates.sort();
        candidates.dedup();

        let mut ranked = vec![Vec::new(); Rank::ALL.len()];
        for id in candidates {
            let Some(entry) = self.entries.get(&id) else {
                continue;
            };
            let rank = if by_isbn == Some(id) {
                Some(Rank::Isbn)
            } else if *entry.spelled == *spelled {
                Some(Rank::TitleIs)
            } else {
                entry.rank(&wanted)
            };
            let place = rank.and_then(|rank| Rank::ALL.iter().position(|other| *other == rank));
            if let Some(books) = place.and_then(|place| ranked.get_mut(place)) {
                books.push(id);
            }
        }
        ranked
    }

    /// Every book that may match the reading: those under its rarest term.
    fn candidates(&self, reading: &Reading) -> Vec<BookId> {
        let lookups = reading.parts.iter().flat_map(|part| lookups_of(part));
        let books_under = |lookup: &&str| self.postings_from(lookup).map(Vec::len).sum::<usize>();
        let rarest = lookups.min_by_key(books_under);
        rarest
            .into_iter()
            .flat_map(|lookup| self.postings_from(lookup))
            .flatten()
            .copied()
            .collect()
    }

    /// The posting lists of all terms that begin with `start`.
    fn postings_from<'a>(&'a self, start: &'a str) -> impl Iterator<Item = &'a Vec<BookId>> {
        self.postings
            .range::<str, _>((Bound::Included(start), Bound::Unbounded))
            .take_while(move |(term, _)| term.starts_with(start))
            .map(|(_, books)| books)
    }
}

impl Entry {
    /// The words and runs of all its keys.
    fn parts(&self) -> Vec<String> {
        self.title
            .iter()
            .chain(&self.author)
            .flat_map(|key| parts_of_key(key))
            .collect()
    }

    /// The best rank that any reading of the keyword gives the book; `None`: it does not match.
    fn rank(&self, wanted: &[Reading]) -> Option<Rank> {
        wanted
            .iter()
            .filter_map(|reading| self.rank_of(reading))
            .min()
    }

    fn rank_of(&self, wanted: &Reading) -> Option<Rank> {
        let key = wanted.key.as_str();
        if self.title.iter().any(|title| **title == *key) {
            Some(Rank::TitleEquals)
        } else if self.title.iter().any(|title| title.starts_with(key)) {
            Some(Rank::TitleStarts)
        } else if self.title.iter().any(|title| contains(title, key)) {
            Some(Rank::TitleContains)
        } else if self.author.iter().any(|author| contains(author, key)) {
            Some(Rank::Author)
        } else {
            let holds = |part: &String| {
                self.title
                    .iter()
                    .chain(&self.author)
                    .any(|key| contains(key, part))
            };
            wanted.parts.iter().all(holds).then_some(Rank::Scattered)
        }
    }
}

fn keys_of(text: &str) -> Box<[Box<str>]> {
    read(text)
        .into_iter()
        .map(|reading| reading.key.into())
        .collect()
}

#[cfg(test)]
mod tests;
