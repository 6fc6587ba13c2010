use types::{OrderId, OrderNo, UnixMillis};

/// Ids under which one replica may ask for stock before their orders are written down.
///
/// The log of many creations in one row. Each of its ids has an order, or holds nothing, or is given
/// back by recovery: until then the intent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// The first of its ids, by which it goes.
    pub first: OrderId,
    /// The last of them.
    pub last: OrderId,
    /// The moment that all its orders are numbered with: whoever knows the intent knows their numbers.
    pub numbered_at: UnixMillis,
    /// Until when it is its holder's.
    pub lease_until: UnixMillis,
    /// How many orders were written down under it.
    pub written: u64,
    /// Whether recovery holds it: no order is written down under it any more.
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
