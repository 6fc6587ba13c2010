use std::collections::BTreeMap;

use types::{BookId, Fen, Fingerprint, Fingerprinter, Quantity, UserId, Violations};

use super::Item;

/// The most lines a request may have.
pub const ITEMS_MAX: usize = 100;
/// The most copies of one book an order may hold, on a line and over all lines.
pub const QUANTITY_MAX: i32 = 9999;

/// One book that somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The book.
    pub book_id: BookId,
    /// How many copies: 1 to 9999.
    pub quantity: Quantity,
}

/// What somebody wants to order: 1 to 100 books, each once, in the order they were first named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basket(Vec<Line>);

/// What the catalog says of a book now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// The book.
    pub book_id: BookId,
    /// Its title.
    pub title: String,
    /// What one copy costs.
    pub price: Fen,
    /// Whether it was withdrawn from sale.
    pub unpublished: bool,
}

/// A basket with titles and prices, as the order will keep them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedBasket {
    /// The items, in the basket's order.
    pub items: Vec<Item>,
    /// What they cost together: 1 to 10^15 fen.
    pub total: Fen,
}

/// The result of pricing a basket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pricing {
    /// It can be ordered.
    Priced(PricedBasket),
    /// This book is missing or withdrawn.
    BookNotFound(BookId),
    /// The total is zero, or more than an order may cost.
    TotalOutOfRange,
}

impl Basket {
    /// Reads the lines of a request as they are on the wire, each (book id, quantity), and merges
    /// those of one book. What is wrong is added to `violations` under `items…`; then there is no
    /// basket.
    pub fn read(
        lines: impl ExactSizeIterator<Item = (u64, i32)>,
        violations: &mut Violations,
    ) -> Option<Self> {
        if lines.len() == 0 || lines.len() > ITEMS_MAX {
            violations.add("items", format!("must have 1 to {ITEMS_MAX} lines"));
            return None;
        }
        let mut basket = Self(Vec::with_capacity(lines.len()));
        let mut sound = true;
        for (index, (book_id, quantity)) in lines.enumerate() {
            let line = read_line(index, book_id, quantity, violations);
            sound &= line.is_some_and(|line| basket.add(line, index, violations));
        }
        sound.then_some(basket)
    }

    /// Adds a line, merged with its book's earlier one; `false` where that makes too many copies.
    fn add(&mut self, line: Line, index: usize, violations: &mut Violations) -> bool {
        let same_book = self
            .0
            .iter_mut()
            .find(|earlier| earlier.book_id == line.book_id);
        let Some(earlier) = same_book else {
            self.0.push(line);
            return true;
        };
        let sum = earlier
            .quantity
            .checked_add(line.quantity)
            .and_then(orderable);
        if let Some(sum) = sum {
            earlier.quantity = sum;
        } else {
            let description = "one book: at most 9999 copies over all lines";
            violations.add(format!("items[{index}].quantity"), description);
        }
        sum.is_some()
    }

    /// The lines, each book once.
    pub fn lines(&self) -> &[Line] {
        &self.0
    }

    /// Identifies the request, whatever the order of its lines and however they were split.
    pub fn fingerprint(&self, user_id: UserId) -> Fingerprint {
        let mut sorted = self.0.clone();
        sorted.sort_by_key(|line| line.book_id);
        sorted
            .iter()
            .fold(
                Fingerprinter::new("create_order").with(user_id.get()),
                |hash, line| hash.with(line.book_id.get()).with(line.quantity.get()),
            )
            .finish()
    }

    /// Attaches titles and prices to the books and sums the total, with checked arithmetic.
    pub fn price(&self, quotes: &[Quote]) -> Pricing {
        let on_sale: BTreeMap<BookId, &Quote> = quotes
            .iter()
            .filter(|quote| !quote.unpublished)
            .map(|quote| (quote.book_id, quote))
            .collect();
        let mut items = Vec::with_capacity(self.0.len());
        let mut total = Some(Fen::ZERO);
        for line in &self.0 {
            let Some(quote) = on_sale.get(&line.book_id) else {
                return Pricing::BookNotFound(line.book_id);
            };
            let cost = quote.price.checked_times(line.quantity);
            total = total
                .zip(cost)
                .and_then(|(sum, cost)| sum.checked_add(cost));
            items.push(Item {
                book_id: line.book_id,
                book_title: quote.title.clone(),
                quantity: line.quantity,
                price: quote.price,
            });
        }
        match total.and_then(|sum| Fen::amount(sum.get())) {
            Some(total) => Pricing::Priced(PricedBasket { items, total }),
            None => Pricing::TotalOutOfRange,
        }
    }
}

fn read_line(
    index: usize,
    book_id: u64,
    quantity: i32,
    violations: &mut Violations,
) -> Option<Line> {
    let book_id = violations.require(
        &format!("items[{index}].book_id"),
        BookId::new(book_id),
        "must be between 1 and 2^53",
    );
    let quantity = violations.require(
        &format!("items[{index}].quantity"),
        Quantity::new(quantity).and_then(orderable),
        "must be between 1 and 9999",
    );
    Some(Line {
        book_id: book_id?,
        quantity: quantity?,
    })
}

fn orderable(quantity: Quantity) -> Option<Quantity> {
    (quantity.get() <= QUANTITY_MAX).then_some(quantity)
}

#[cfg(test)]
mod tests {
    //! Proves how lines are read, merged, fingerprinted and priced.

    use proptest::prelude::*;
    use types::{AMOUNT_FEN_MAX, PRICE_FEN_MAX};

    use super::*;

    fn read(lines: &[(u64, i32)]) -> Result<Basket, Violations> {
        let mut violations = Violations::default();
        Basket::read(lines.iter().copied(), &mut violations).ok_or(violations)
    }

    fn quote(book: u64, fen: i64) -> Quote {
        Quote {
            book_id: BookId::new(book).unwrap(),
            title: format!("book {book}"),
            price: Fen::price(fen).unwrap(),
            unpublished: false,
        }
    }

    fn user(id: u64) -> UserId {
        UserId::new(id).unwrap()
    }

    #[test]
    fn a_book_named_twice_is_summed_where_it_stood_first() {
        let basket = read(&[(7, 1), (3, 2), (7, 4)]).unwrap();
        let lines: Vec<_> = basket
            .lines()
            .iter()
            .map(|l| (l.book_id.get(), l.quantity.get()))
            .collect();
        assert_eq!(lines, [(7, 5), (3, 2)]);
    }

    #[test]
    fn every_bad_line_is_named() {
        type Lines<'a> = &'a [(u64, i32)];
        let too_many = vec![(1, 1); ITEMS_MAX + 1];
        let cases: [(Lines<'_>, &[&str]); 7] = [
            (&[], &["items"]),
            (&too_many, &["items"]),
            (&[(0, 1)], &["items[0].book_id"]),
            (
                &[(1, 0), (2, 10_000)],
                &["items[0].quantity", "items[1].quantity"],
            ),
            (
                &[(u64::MAX, -1)],
                &["items[0].book_id", "items[0].quantity"],
            ),
            (&[(1, 9999), (1, 1)], &["items[1].quantity"]),
            (&[(1, 5000), (2, 1), (1, 5000)], &["items[2].quantity"]),
        ];
        for (lines, fields) in cases {
            let violations = read(lines).unwrap_err();
            assert_eq!(violations.fields().collect::<Vec<_>>(), fields, "{lines:?}");
        }
        assert!(
            read(&vec![(1, 99); ITEMS_MAX]).is_ok(),
            "9,900 of one book on 100 lines"
        );
    }

    #[test]
    fn prices_are_summed_and_missing_books_found() {
        let basket = read(&[(1, 2), (2, 1)]).unwrap();
        let Pricing::Priced(priced) = basket.price(&[quote(2, 100), quote(1, 12_800)]) else {
            panic!("both are on sale");
        };
        assert_eq!(priced.total.get(), 25_700);
        assert_eq!(priced.items[0].book_title, "book 1");
        assert_eq!(priced.items[1].price.get(), 100);

        let missing = BookId::new(2).unwrap();
        assert_eq!(basket.price(&[quote(1, 1)]), Pricing::BookNotFound(missing));
        let withdrawn = Quote {
            unpublished: true,
            ..quote(2, 1)
        };
        assert_eq!(
            basket.price(&[quote(1, 1), withdrawn]),
            Pricing::BookNotFound(missing)
        );
    }

    #[test]
    fn an_order_costs_something_and_not_too_much() {
        let free = read(&[(1, 3)]).unwrap();
        assert_eq!(free.price(&[quote(1, 0)]), Pricing::TotalOutOfRange);

        let dear = read(&[(1, 1000)]).unwrap();
        let Pricing::Priced(most) = dear.price(&[quote(1, PRICE_FEN_MAX)]) else {
            panic!("10^15 is allowed");
        };
        assert_eq!(most.total.get(), AMOUNT_FEN_MAX);
        let over = read(&[(1, 1000), (2, 1)]).unwrap();
        let quotes = [quote(1, PRICE_FEN_MAX), quote(2, 1)];
        assert_eq!(over.price(&quotes), Pricing::TotalOutOfRange);
    }

    proptest! {
        #[test]
        fn the_fingerprint_sees_what_is_wanted_and_not_how_it_is_listed(
            lines in prop::collection::vec((1_u64..20, 1_i32..50), 1..30),
            rotate in 0_usize..30,
        ) {
            let basket = read(&lines).unwrap();
            let print = basket.fingerprint(user(1));

            let mut other = lines.clone();
            other.rotate_left(rotate % lines.len());
            prop_assert_eq!(read(&other).unwrap().fingerprint(user(1)), print);

            let split: Vec<_> =
                lines.iter().flat_map(|(book, n)| [(*book, 1), (*book, n - 1)]).filter(|l| l.1 > 0).collect();
            if split.len() <= ITEMS_MAX {
                prop_assert_eq!(read(&split).unwrap().fingerprint(user(1)), print);
            }

            other[0].1 += 1;
            prop_assert_ne!(read(&other).unwrap().fingerprint(user(1)), print);
            prop_assert_ne!(basket.fingerprint(user(2)), print);
        }

        #[test]
        fn the_total_is_the_sum_of_the_items(
            lines in prop::collection::vec((1_u64..20, 1_i32..50), 1..30),
            prices in prop::collection::vec(1_i64..=PRICE_FEN_MAX, 20),
        ) {
            let basket = read(&lines).unwrap();
            let quotes: Vec<_> =
                prices.iter().zip(1..).map(|(fen, book)| quote(book, *fen)).collect();
            let exact: i128 = lines
                .iter()
                .map(|(book, n)| i128::from(*n) * i128::from(prices[usize::try_from(*book).unwrap() - 1]))
                .sum();
            match basket.price(&quotes) {
                Pricing::Priced(priced) => prop_assert_eq!(i128::from(priced.total.get()), exact),
                Pricing::TotalOutOfRange => prop_assert!(exact > i128::from(AMOUNT_FEN_MAX)),
                Pricing::BookNotFound(book) => prop_assert!(false, "{book} is on sale"),
            }
        }
    }
}
