use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! laws {
    ($($(#[$doc:meta])* $variant:ident $name:literal $law:literal;)+) => {
        /// A law that the databases keep, in the order in which they are reported.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Invariant {
            $($(#[$doc])* $variant,)+
        }

        impl Invariant {
            /// Every law.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),+];

            /// The short name, for programs.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The law in words.
            pub(crate) const fn law(self) -> &'static str {
                match self {
                    $(Self::$variant => $law,)+
                }
            }
        }
    };
}

laws! {
    /// Inventory: the balance is a running total.
    BalanceIsLedger "balance-is-ledger" "a book's balance is what its ledger adds up to";
    /// Inventory: nothing comes from nowhere, nothing vanishes.
    CopiesConserved "copies-conserved" "copies ever restocked are free, reserved or committed";
    /// Inventory: append-only, no lost update.
    LedgerUnbroken "ledger-unbroken" "each entry of a ledger follows from the one before";
    /// Inventory: a key remembers what the ledger says.
    HoldsAddUp "holds-add-up" "a hold is what its ledger entries add up to";
    /// Inventory: every reserved copy is promised to somebody.
    ReservedIsHeld "reserved-is-held" "a book's reserved copies are those that holds hold";
    /// Order against inventory.
    OrderHoldsItems "order-holds-items" "a PENDING or PAID order holds exactly its items";
    /// Order against inventory.
    SettledHoldsNothing "settled-holds-nothing"
        "an order that is shipped, completed or cancelled holds nothing once its tasks are done";
    /// Order against inventory.
    HoldHasOrder "hold-has-order" "a batch hold belongs to an order, or to an open intent";
    /// Order.
    TotalIsItems "total-is-items" "an order's total is the sum of its items";
    /// Order.
    HistoryIsLegal "history-is-legal" "an order came to its state by legal moves alone";
    /// Order.
    OrderIsSound "order-is-sound" "an order's number is of its id, and its notes of its money and its end fit its state";
    /// Order.
    TaskFitsOrder "task-fits-order" "a task does what its order's state asks for";
    /// Order.
    NoTaskParked "no-task-parked" "no task waits for a person";
    /// Order.
    TaskInTime "task-in-time" "tasks are done within a minute";
    /// Order.
    NoOrderOverdue "no-order-overdue" "an unpaid order is cancelled when its deadline passes";
    /// Order.
    NoCreationForgotten "no-creation-forgotten" "a creation is finished or called off in time";
    /// Order against catalog.
    BookExists "book-exists" "an ordered book is in the catalog, published or not";
    /// Payment against order.
    MoneyHasOrder "money-has-order"
        "captured money belongs to a PAID, SHIPPED or COMPLETED order of that amount, or goes back";
    /// Order against payment.
    OrderHasMoney "order-has-money" "an order that counts as paid has its money, and one whose money went back is called off";
    /// Payment.
    PaymentIsSound "payment-is-sound" "a payment, its attempts and its events agree";
    /// Payment.
    AttemptInTime "attempt-in-time" "a gateway's word is had within a minute";
    /// Payment.
    FeedIsGapless "feed-is-gapless" "the payment feed is numbered without a gap";
    /// Order against payment.
    CursorIsBehind "cursor-is-behind" "no event is applied before it happened";
    /// Order against payment.
    FeedIsFollowed "feed-is-followed" "orders follow the payment feed";
    /// Catalog.
    CatalogIsSound "catalog-is-sound" "a book's revision and ISBN are what its followers need";
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Invariant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What it takes to be sure of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nothing more: whatever happens meanwhile cannot explain it.
    Certain,
    /// The same in the next reading: it compares databases that were read one after another.
    SeenAgain,
    /// The same once orders have followed the feed to where it stood in the first reading.
    FeedFollowed,
    /// The same at the end of the wait: a running system mends it by itself.
    NotMended,
}

/// Something that is, or seems, not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The law.
    pub(crate) invariant: Invariant,
    /// What breaks it: `order ORD… (id 7)`, `book 3`.
    pub(crate) subject: String,
    /// How.
    pub(crate) what: String,
    /// What it takes to be sure.
    pub(crate) proof: Proof,
}

impl Finding {
    /// A finding that needs no second look.
    pub(crate) fn certain(
        invariant: Invariant,
        subject: impl Into<String>,
        what: impl Into<String>,
    ) -> Self {
        Self {
            invariant,
            subject: subject.into(),
            what: what.into(),
            proof: Proof::Certain,
        }
    }

    /// The same finding, to be sure of only by `proof`.
    #[must_use]
    pub(crate) fn until(self, proof: Proof) -> Self {
        Self { proof, ..self }
    }

    /// Whether it may be gone once a stopped system runs again.
    pub(crate) const fn is_left_to_do(&self) -> bool {
        matches!(self.proof, Proof::FeedFollowed | Proof::NotMended)
    }

    /// What makes it the same finding in another reading.
    ///
    /// A doubt between two databases is another one once its words differ: then something moved.
    /// What a running system mends stays the same whatever is said of it (how late, how often).
    pub(crate) fn trace(&self) -> (Invariant, String, String) {
        let what = match self.proof {
            Proof::NotMended => String::new(),
            Proof::Certain | Proof::SeenAgain | Proof::FeedFollowed => self.what.clone(),
        };
        (self.invariant, self.subject.clone(), what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_law_has_a_name_of_its_own_that_programs_can_rely_on() {
        let mut names: Vec<_> = Invariant::ALL.iter().map(|law| law.name()).collect();
        assert!(
            names
                .iter()
                .all(|name| name.bytes().all(|b| b == b'-' || b.is_ascii_lowercase()))
        );
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Invariant::ALL.len());
    }

    #[test]
    fn the_page_of_laws_lists_each_in_its_own_words() {
        let page = include_str!("../../../../docs/check.md");
        let listed: Vec<_> = page
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        let laws = Invariant::ALL
            .iter()
            .map(|law| format!("| `{law}` | {} |", law.law()));
        for (line, law) in listed.iter().zip(laws) {
            assert!(line.starts_with(&law), "{line}\nshould start with\n{law}");
        }
        assert_eq!(listed.len(), Invariant::ALL.len());
    }
}
