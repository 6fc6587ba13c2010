use types::{Fen, OrderId, PaymentNo, PaymentStatus, UnixMillis};

use super::Method;

/// One try at charging one order, and, where it succeeded, at giving the money back.
///
/// An order may have many attempts, one after the other; only the last one can be open or hold
/// money, since a new one begins only after the one before was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The attempt's name, and the gateway's idempotency key.
    pub payment_no: PaymentNo,
    /// The order that is paid.
    pub order_id: OrderId,
    /// What is charged.
    pub amount: Fen,
    /// The gateway that is asked.
    pub method: Method,
    /// How far it has come.
    pub state: AttemptState,
    /// When the gateway is to be asked again; present exactly while the attempt is open. Whoever
    /// works on the attempt keeps this ahead of the clock, so it is also the worker's lease.
    pub next_check_at: Option<UnixMillis>,
    /// When it began.
    pub created_at: UnixMillis,
    /// When its state last changed; rescheduling a check does not count.
    pub updated_at: UnixMillis,
}

impl Attempt {
    /// Whether the gateway's word is still awaited.
    pub fn is_open(&self) -> bool {
        self.state.is_open()
    }

    pub(super) fn open(&mut self, state: AttemptState, check_at: UnixMillis, now: UnixMillis) {
        debug_assert!(state.is_open() && self.state.may_become(state));
        self.state = state;
        self.next_check_at = Some(check_at);
        self.updated_at = now;
    }

    pub(super) fn close(&mut self, state: AttemptState, now: UnixMillis) {
        debug_assert!(!state.is_open() && self.state.may_become(state));
        self.state = state;
        self.next_check_at = None;
        self.updated_at = now;
    }
}

/// How far an attempt has come; the numbers are the database's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttemptState {
    /// 1: the gateway is being asked to charge; whether it did is not known.
    Charging,
    /// 2: the money was captured.
    Charged,
    /// 3: the gateway refused; the end of this attempt.
    Refused,
    /// 4: the gateway is being asked to give the money back; whether it did is not known.
    Refunding,
    /// 5: the money was given back; the end.
    Refunded,
}

impl AttemptState {
    /// Every state, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::Charging,
        Self::Charged,
        Self::Refused,
        Self::Refunding,
        Self::Refunded,
    ];

    /// The number in the database.
    pub const fn number(self) -> i32 {
        match self {
            Self::Charging => 1,
            Self::Charged => 2,
            Self::Refused => 3,
            Self::Refunding => 4,
            Self::Refunded => 5,
        }
    }

    /// Parses the number; `None` if it is not a state.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|state| i64::from(state.number()) == number)
    }

    /// What the payment is while its last attempt is in this state.
    ///
    /// A payment whose refund is under way is still PAID: until the gateway confirms the refund,
    /// the money has not gone back.
    pub const fn status(self) -> PaymentStatus {
        match self {
            Self::Charging => PaymentStatus::Pending,
            Self::Charged | Self::Refunding => PaymentStatus::Paid,
            Self::Refused => PaymentStatus::Failed,
            Self::Refunded => PaymentStatus::Refunded,
        }
    }

    /// Whether the gateway's word is still awaited.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Charging | Self::Refunding)
    }

    /// The state machine: whether an attempt may go from here to `next`.
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Charging, Self::Charged | Self::Refused)
                | (Self::Charged, Self::Refunding)
                // A gateway may refuse a refund: then the charge stands.
                | (Self::Refunding, Self::Refunded | Self::Charged)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_and_nothing_else_is_a_state() {
        for state in AttemptState::ALL {
            assert_eq!(
                AttemptState::from_number(i64::from(state.number())),
                Some(state)
            );
        }
        assert_eq!(AttemptState::from_number(0), None);
        assert_eq!(AttemptState::from_number(6), None);
    }

    #[test]
    fn an_attempt_moves_only_along_its_arrows() {
        use AttemptState::{Charged, Charging, Refunded, Refunding, Refused};
        let legal = [
            (Charging, Charged),
            (Charging, Refused),
            (Charged, Refunding),
            (Refunding, Refunded),
            (Refunding, Charged),
        ];
        for from in AttemptState::ALL {
            for to in AttemptState::ALL {
                assert_eq!(
                    from.may_become(to),
                    legal.contains(&(from, to)),
                    "{from:?} to {to:?}"
                );
            }
        }
    }

    #[test]
    fn money_once_given_back_or_refused_never_moves_again() {
        for end in [AttemptState::Refused, AttemptState::Refunded] {
            assert!(
                !AttemptState::ALL
                    .into_iter()
                    .any(|next| end.may_become(next))
            );
        }
    }
}
