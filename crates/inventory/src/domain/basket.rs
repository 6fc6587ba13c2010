use types::{BookId, Quantity};

/// The most lines one batch may have, as sent, before lines of one book are summed.
pub const BASKET_ITEMS_MAX: usize = 100;

/// Some copies of one book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The book.
    pub book: BookId,
    /// How many copies.
    pub quantity: Quantity,
}

/// What a batch asks for: each book once, in the order in which the request first named it.
///
/// Never empty, and at most [`BASKET_ITEMS_MAX`] lines long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basket(Vec<Line>);

/// Why lines do not make a basket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BasketError {
    /// There are no lines.
    Empty,
    /// There are more than [`BASKET_ITEMS_MAX`] lines.
    TooLong,
    /// The line at `index` makes the sum of its book overflow `i32`.
    SumOverflows {
        /// The position in the request, from 0.
        index: usize,
    },
}

impl Basket {
    /// Sums lines that name the same book; the first of them keeps its place.
    pub fn new(lines: &[Line]) -> Result<Self, BasketError> {
        if lines.is_empty() {
            return Err(BasketError::Empty);
        }
        if lines.len() > BASKET_ITEMS_MAX {
            return Err(BasketError::TooLong);
        }
        let mut summed: Vec<Line> = Vec::with_capacity(lines.len());
        for (index, line) in lines.iter().enumerate() {
            // A basket is short: a linear scan is cheaper than a map.
            match summed.iter_mut().find(|kept| kept.book == line.book) {
                None => summed.push(*line),
                Some(kept) => {
                    kept.quantity = kept
                        .quantity
                        .checked_add(line.quantity)
                        .ok_or(BasketError::SumOverflows { index })?;
                }
            }
        }
        Ok(Self(summed))
    }

    /// The lines, in the request's order.
    pub fn lines(&self) -> &[Line] {
        &self.0
    }

    /// The lines by ascending book id: the same in any two requests for the same copies.
    pub fn sorted(&self) -> Vec<Line> {
        let mut lines = self.0.clone();
        lines.sort_unstable_by_key(|line| line.book);
        lines
    }
}
