use types::{OrderId, OrderNo, UnixMillis};

/// A range of ids under which one replica may ask for stock before their orders are written.
///
/// The saga log of many creations, in one row. It stays until each of its ids has an order, holds
/// nothing, or has been released by recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// The first of its ids, which identifies the intent.
    pub first: OrderId,
    /// The last of them.
    pub last: OrderId,
    /// The time from which all its order numbers are generated, so the intent determines them.
    pub numbered_at: UnixMillis,
    /// The end of its holder's lease.
    pub lease_until: UnixMillis,
    /// How many orders were written under it.
    pub written: u64,
    /// Whether recovery has taken it over: no more orders are written under it.
    pub recovering: bool,
}

impl Intent {
    /// Whether `id` is one of its ids.
    pub fn covers(&self, id: OrderId) -> bool {
        (self.first..=self.last).contains(&id)
    }

    /// Its ids, ascending.
    pub fn ids(&self) -> impl Iterator<Item = OrderId> + use<> {
        (self.first.get()..=self.last.get()).filter_map(OrderId::new)
    }

    /// The number of the order `id`.
    pub fn number(&self, id: OrderId) -> OrderNo {
        OrderNo::generate(self.numbered_at, id.get())
    }
}
