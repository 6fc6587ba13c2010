//! The scenarios: which operations a run is made of.

use clap::ValueEnum;
use rand::{Rng, RngExt};
use serde::{Serialize, Serializer};

use crate::service::Service;

/// What a run does, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// Read one book
    GetBook,
    /// Read ten books in one call
    BatchGet,
    /// Search, half for a whole title and half for a word of many titles
    Search,
    /// Read an order; a thousand are made before the run
    GetOrder,
    /// Deduct one copy of a book, all books alike
    DeductUniform,
    /// Deduct one copy, always of the same book
    DeductHot,
    /// Order two books
    CreateOrder,
    /// Order a copy of the one book on sale, of which there are --stock, also when none is left
    FlashSale,
    /// Order two books, and pay until the gateway accepts
    OrderAndPay,
    /// A shop's day: 40 % read a book, 15 search, 10 read ten books, 10 read an order, 10 order, 9 order
    /// and pay, 4 order and cancel, 2 order, pay, ship and complete
    MixedDay,
}

/// What one buyer does at a time; its latency is that of all its calls together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    GetBook,
    BatchGet,
    Search,
    GetOrder,
    Deduct,
    CreateOrder,
    OrderAndPay,
    OrderAndCancel,
    OrderToTheEnd,
}

impl Operation {
    /// The name in reports.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::GetBook => "get-book",
            Self::BatchGet => "batch-get",
            Self::Search => "search",
            Self::GetOrder => "get-order",
            Self::Deduct => "deduct",
            Self::CreateOrder => "create-order",
            Self::OrderAndPay => "order-and-pay",
            Self::OrderAndCancel => "order-and-cancel",
            Self::OrderToTheEnd => "order-to-the-end",
        }
    }
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Scenario {
    /// The name on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What is done next.
    pub(super) fn draw(self, rng: &mut impl Rng) -> Operation {
        match self {
            Self::GetBook => Operation::GetBook,
            Self::BatchGet => Operation::BatchGet,
            Self::Search => Operation::Search,
            Self::GetOrder => Operation::GetOrder,
            Self::DeductUniform | Self::DeductHot => Operation::Deduct,
            Self::CreateOrder | Self::FlashSale => Operation::CreateOrder,
            Self::OrderAndPay => Operation::OrderAndPay,
            Self::MixedDay => match rng.random_range(0..100_u32) {
                0..40 => Operation::GetBook,
                40..55 => Operation::Search,
                55..65 => Operation::BatchGet,
                65..75 => Operation::GetOrder,
                75..85 => Operation::CreateOrder,
                85..94 => Operation::OrderAndPay,
                94..98 => Operation::OrderAndCancel,
                _ => Operation::OrderToTheEnd,
            },
        }
    }

    /// How many books it has, where that cannot be chosen: the one on sale has one beside it to warm up on.
    pub(super) const fn books(self) -> Option<u32> {
        match self {
            Self::DeductHot => Some(1),
            Self::FlashSale => Some(2),
            _ => None,
        }
    }

    /// Whether some books are asked for more often than others.
    pub(super) const fn chooses_by_popularity(self) -> bool {
        !matches!(
            self,
            Self::DeductUniform | Self::DeductHot | Self::FlashSale
        )
    }

    /// Whether the catalog has to have the books.
    pub(super) const fn needs_books(self) -> bool {
        !matches!(self, Self::DeductUniform | Self::DeductHot)
    }

    /// Whether the books are searched for, so that the index has to know them.
    pub(super) const fn searches(self) -> bool {
        matches!(self, Self::Search | Self::MixedDay)
    }

    /// Whether copies are taken, so that the run needs books and stock that nobody else touches.
    pub(super) const fn takes_stock(self) -> bool {
        !matches!(self, Self::GetBook | Self::BatchGet | Self::Search)
    }

    /// Whether orders are made.
    pub(super) const fn makes_orders(self) -> bool {
        self.takes_stock() && self.needs_books()
    }

    /// The services that it calls.
    pub(crate) const fn services(self) -> &'static [Service] {
        if self.makes_orders() {
            &Service::ALL
        } else if self.takes_stock() {
            &[Service::Inventory]
        } else {
            &[Service::Catalog]
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn a_mixed_day_has_its_shares() {
        let shares = [
            (Operation::GetBook, 40),
            (Operation::Search, 15),
            (Operation::BatchGet, 10),
            (Operation::GetOrder, 10),
            (Operation::CreateOrder, 10),
            (Operation::OrderAndPay, 9),
            (Operation::OrderAndCancel, 4),
            (Operation::OrderToTheEnd, 2),
        ];
        let mut rng = StdRng::seed_from_u64(1);
        let mut drawn: BTreeMap<_, u32> = BTreeMap::new();
        for _ in 0..100_000 {
            *drawn.entry(Scenario::MixedDay.draw(&mut rng)).or_default() += 1;
        }
        for (operation, share) in shares {
            let count = drawn[&operation];
            let (least, most) = (share * 1000 * 9 / 10, share * 1000 * 11 / 10);
            assert!((least..=most).contains(&count), "{operation:?}: {count}");
        }
    }

    #[test]
    fn every_other_scenario_is_one_operation() {
        let mut rng = StdRng::seed_from_u64(1);
        for scenario in Scenario::value_variants() {
            if *scenario == Scenario::MixedDay {
                continue;
            }
            let first = scenario.draw(&mut rng);
            assert!((0..100).all(|_| scenario.draw(&mut rng) == first));
        }
    }
}
