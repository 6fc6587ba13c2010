//! The creation of an order: written once its stock is held; or before that, and then confirmed,
//! dropped or abandoned.

use std::sync::Arc;

use types::{OrderId, OrderStatus, UnixMillis};

use crate::domain::{
    AbandonedBy, Birth, Inserted, Intent, Moved, NewOrder, Order, Rows, Stage, Stamp, TaskKind,
    Verdict,
};

impl Rows {
    pub(super) fn insert(&mut self, new: &NewOrder) -> Inserted {
        if let Some(there) = self.orders.get(&new.id) {
            return Inserted::Repeat(Box::new(there.clone()));
        }
        if let Some(request) = &new.request
            && let Some(earlier) = self.order_of_request(new.user_id, &request.key)
        {
            let same = earlier.request.as_ref() == Some(request);
            return if same {
                Inserted::Repeat(Box::new(earlier.clone()))
            } else {
                Inserted::Conflict
            };
        }
        if let Birth::Held { intent, .. } = new.birth {
            let is_creators = |intent: &&mut Intent| !intent.recovering && intent.covers(new.id);
            let Some(intent) = self.intents.edit(&intent).filter(is_creators) else {
                return Inserted::Overtaken;
            };
            intent.written = intent.written.saturating_add(1);
        }
        if let Some(request) = &new.request {
            self.requests
                .insert((new.user_id, request.key.clone()), new.id);
        }
        self.orders.put(new.id, new.as_written());
        self.items.put(new.id, Arc::clone(&new.items));
        Inserted::New
    }

    pub(super) fn confirm(
        &mut self,
        id: OrderId,
        at: UnixMillis,
        expire_at: UnixMillis,
    ) -> Option<Moved> {
        let order = self.orders.get(&id)?;
        let verdict = match order.stage {
            Stage::Creating => Verdict::Now,
            // Whatever has happened to it since, it did become an order.
            Stage::Live(_) => Verdict::Before,
            Stage::Abandoned => Verdict::Illegal,
        };
        if verdict == Verdict::Now {
            let order = self.orders.edit(&id)?;
            order.stage = Stage::Live(OrderStatus::Pending);
            order.updated_at = at;
            order.expire_at = expire_at;
        }
        self.report(id, verdict, Vec::new())
    }

    pub(super) fn drop_order(&mut self, id: OrderId) -> Option<Moved> {
        if self.orders.get(&id)?.stage != Stage::Creating {
            return self.report(id, Verdict::Illegal, Vec::new());
        }
        self.forget_request(id);
        self.items.remove(&id);
        let order = self.orders.remove(&id)?;
        Some(Moved {
            order,
            verdict: Verdict::Now,
            tasks: Vec::new(),
        })
    }

    pub(super) fn abandon(&mut self, id: OrderId, by: AbandonedBy, stamp: Stamp) -> Option<Moved> {
        let order = self.orders.get(&id)?;
        let verdict = match (order.stage, by) {
            (Stage::Creating, AbandonedBy::Recovery) if order.expire_at > stamp.at => {
                Verdict::NotDue
            }
            (Stage::Creating, AbandonedBy::Creator | AbandonedBy::Recovery) => Verdict::Now,
            (Stage::Abandoned, _) => Verdict::Before,
            (Stage::Live(_), _) => Verdict::Illegal,
        };
        let mut tasks = Vec::new();
        if verdict == Verdict::Now {
            // Frees the key: the caller may try again and succeed.
            self.forget_request(id);
            let order = self.orders.edit(&id)?;
            order.stage = Stage::Abandoned;
            order.updated_at = stamp.at;
            order.request = None;
            let release = stamp.task(id, TaskKind::Release, Some(order.order_no.clone()));
            self.record_task(release, &mut tasks);
        }
        self.report(id, verdict, tasks)
    }

    fn forget_request(&mut self, id: OrderId) {
        if let Some(order) = self.orders.get(&id)
            && let Some(request) = &order.request
        {
            self.requests.remove(&(order.user_id, request.key.clone()));
        }
    }
}

impl NewOrder {
    /// The order as it is first written down.
    pub(crate) fn as_written(&self) -> Order {
        let (stage, expire_at) = match self.birth {
            Birth::Creating { lease_until } => (Stage::Creating, lease_until),
            Birth::Held { expire_at, .. } => (Stage::Live(OrderStatus::Pending), expire_at),
        };
        Order {
            id: self.id,
            order_no: self.order_no.clone(),
            user_id: self.user_id,
            total: self.total,
            stage,
            created_at: self.at,
            updated_at: self.at,
            expire_at,
            request: self.request.clone(),
            payment: None,
            refunded: false,
            cancelled: None,
        }
    }
}
