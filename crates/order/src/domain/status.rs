use types::OrderStatus;

/// Where an order stands, including the two stages that no caller ever sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Written, but its stock is not yet known to be held. For an order with a key, the row is the saga's log.
    Creating,
    /// An order as callers know it.
    Live(OrderStatus),
    /// Never became an order; whatever was deducted for it is given back by a task.
    Abandoned,
}

/// The state machine: every legal transition.
pub const MOVES: [(Stage, Stage); 7] = [
    (Stage::Creating, Stage::Live(OrderStatus::Pending)),
    (Stage::Creating, Stage::Abandoned),
    (
        Stage::Live(OrderStatus::Pending),
        Stage::Live(OrderStatus::Paid),
    ),
    (
        Stage::Live(OrderStatus::Pending),
        Stage::Live(OrderStatus::Cancelled),
    ),
    (
        Stage::Live(OrderStatus::Paid),
        Stage::Live(OrderStatus::Shipped),
    ),
    (
        Stage::Live(OrderStatus::Paid),
        Stage::Live(OrderStatus::Cancelled),
    ),
    (
        Stage::Live(OrderStatus::Shipped),
        Stage::Live(OrderStatus::Completed),
    ),
];

/// Whether the state machine has a transition from `from` to `to`. Staying put is not one.
pub fn is_legal(from: Stage, to: Stage) -> bool {
    MOVES.contains(&(from, to))
}

impl Stage {
    /// Every stage, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Creating,
        Self::Live(OrderStatus::Pending),
        Self::Live(OrderStatus::Paid),
        Self::Live(OrderStatus::Shipped),
        Self::Live(OrderStatus::Completed),
        Self::Live(OrderStatus::Cancelled),
        Self::Abandoned,
    ];

    /// The number in the database: 0, the wire's 1 to 5, and 6.
    pub const fn number(self) -> i32 {
        match self {
            Self::Creating => 0,
            Self::Live(status) => status.number(),
            Self::Abandoned => 6,
        }
    }

    /// Reads the number; `None` where it is no stage.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|stage| i64::from(stage.number()) == number)
    }

    /// The name in audits and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Live(status) => status.name(),
            Self::Abandoned => "ABANDONED",
        }
    }

    /// The state as callers see it; `None` while there is no order to see.
    pub const fn shown(self) -> Option<OrderStatus> {
        match self {
            Self::Live(status) => Some(status),
            Self::Creating | Self::Abandoned => None,
        }
    }
}

#[cfg(test)]
mod tests {
    //! Proves that the state machine has exactly the transitions that proto/ promises.

    use OrderStatus::{Cancelled, Completed, Paid, Pending, Shipped};

    use super::*;

    #[test]
    fn of_all_49_pairs_exactly_seven_are_legal() {
        let arrows = |from: Stage| -> Vec<Stage> {
            Stage::ALL
                .into_iter()
                .filter(|to| is_legal(from, *to))
                .collect()
        };
        assert_eq!(
            arrows(Stage::Creating),
            [Stage::Live(Pending), Stage::Abandoned]
        );
        assert_eq!(
            arrows(Stage::Live(Pending)),
            [Stage::Live(Paid), Stage::Live(Cancelled)]
        );
        assert_eq!(
            arrows(Stage::Live(Paid)),
            [Stage::Live(Shipped), Stage::Live(Cancelled)]
        );
        assert_eq!(arrows(Stage::Live(Shipped)), [Stage::Live(Completed)]);
        assert_eq!(arrows(Stage::Live(Completed)), []);
        assert_eq!(arrows(Stage::Live(Cancelled)), []);
        assert_eq!(arrows(Stage::Abandoned), []);
    }

    #[test]
    fn no_stage_can_be_entered_twice() {
        // The machine has no cycle: this is why (order, state) can be a primary key of history.
        for start in Stage::ALL {
            let mut reached = vec![start];
            let mut next = 0;
            while let Some(from) = reached.get(next).copied() {
                next += 1;
                for to in Stage::ALL.into_iter().filter(|to| is_legal(from, *to)) {
                    assert_ne!(to, start);
                    reached.push(to);
                }
            }
        }
    }

    #[test]
    fn numbers_read_back_and_hidden_stages_stay_hidden() {
        for stage in Stage::ALL {
            assert_eq!(Stage::from_number(i64::from(stage.number())), Some(stage));
            assert_eq!(stage.shown().is_some(), (1..=5).contains(&stage.number()));
        }
        assert_eq!(Stage::from_number(7), None);
        assert_eq!(Stage::from_number(-1), None);
    }
}
