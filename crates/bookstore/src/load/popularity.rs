//! Which book is asked for: Zipf's law, by which the book at rank `r` is drawn in proportion to `1 / r^s`.

#![expect(
    clippy::float_arithmetic,
    reason = "a distribution; nobody's money is in it"
)]

use rand::Rng;
use rand::distr::Distribution;
use rand::distr::weighted::{Error, WeightedIndex};

/// Draws ranks, counted from 0: the most popular first.
pub(super) struct Popularity {
    ranks: WeightedIndex<f64>,
    books: u32,
}

impl Popularity {
    /// Popularity of `books` books (1 and more) with the exponent `s`; 0 makes all alike.
    pub(super) fn zipf(books: u32, s: f64) -> Result<Self, Error> {
        let weights = (1..=books).map(|rank| f64::from(rank).powf(-s));
        let ranks = WeightedIndex::new(weights)?;
        Ok(Self { ranks, books })
    }

    /// One book.
    pub(super) fn draw(&self, rng: &mut impl Rng) -> u32 {
        u32::try_from(self.ranks.sample(rng)).unwrap_or(u32::MAX)
    }

    /// `count` different books, or all there are.
    pub(super) fn draw_different(&self, count: u32, rng: &mut impl Rng) -> Vec<u32> {
        let mut drawn = Vec::new();
        for _ in 0..count.min(self.books) {
            let mut rank = self.draw(rng);
            // The next in rank takes the place of one that is in already: drawing again would take
            // for ever where one book is nearly all there is.
            while drawn.contains(&rank) {
                rank = (rank + 1) % self.books;
            }
            drawn.push(rank);
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn frequencies(books: u32, s: f64) -> Vec<u32> {
        let (popularity, mut rng) = (
            Popularity::zipf(books, s).unwrap(),
            StdRng::seed_from_u64(7),
        );
        let mut seen = vec![0; usize::try_from(books).unwrap()];
        for _ in 0..200_000 {
            seen[usize::try_from(popularity.draw(&mut rng)).unwrap()] += 1;
        }
        seen
    }

    #[test]
    fn ranks_are_drawn_by_zipfs_law() {
        let seen = frequencies(100, 1.0);
        // 1 in 5.187, the hundredth harmonic number, is the first; the tenth is a tenth of it.
        assert!((37_500..39_600).contains(&seen[0]), "{}", seen[0]);
        assert!((3_500..4_250).contains(&seen[9]), "{}", seen[9]);
        assert!(seen[99] > 200, "{}", seen[99]);
    }

    #[test]
    fn an_exponent_of_zero_makes_all_alike() {
        let seen = frequencies(10, 0.0);
        assert!(
            seen.iter().all(|n| (19_000..21_000).contains(n)),
            "{seen:?}"
        );
    }

    #[test]
    fn different_books_are_different_however_popular_one_is() {
        let (popularity, mut rng) = (
            Popularity::zipf(10, 50.0).unwrap(),
            StdRng::seed_from_u64(7),
        );
        for _ in 0..100 {
            let drawn = popularity.draw_different(10, &mut rng);
            assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), 10);
        }
        assert_eq!(popularity.draw_different(99, &mut rng).len(), 10);
    }
}
