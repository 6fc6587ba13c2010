//! Every step there is. The lists come from the code: a call that changes something, an operation of
//! a store, a method of a gateway or of a queue that is new does not compile here, or is missed by a
//! test, until it has a name below; with the name it gets every treatment. Only a new read that
//! order asks of another service has to be thought of.

use order::domain::{AbandonedBy, Birth, CancelCause, IntentStep, LeaseStep, TaskStep};

macro_rules! steps {
    ($(#[$doc:meta])* $name:ident { $($variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum $name { $($variant),+ }

        impl $name {
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),+];
        }
    };
}

macro_rules! methods {
    ($($variant:ident $path:literal),+ $(,)?) => {
        steps! {
            /// The calls that change something, and those that order makes.
            Method { $($variant),+ }
        }

        impl Method {
            /// The name on the wire.
            pub(crate) const fn path(self) -> &'static str {
                match self { $(Self::$variant => $path),+ }
            }
        }
    };
}

methods! {
    PublishBook "/catalog.v1.CatalogService/PublishBook",
    UpdateBook "/catalog.v1.CatalogService/UpdateBook",
    UnpublishBook "/catalog.v1.CatalogService/UnpublishBook",
    BatchGetBooks "/catalog.v1.CatalogService/BatchGetBooks",
    GetStock "/inventory.v1.InventoryService/GetStock",
    RestockInventory "/inventory.v1.InventoryService/RestockInventory",
    DeductStock "/inventory.v1.InventoryService/DeductStock",
    ReleaseStock "/inventory.v1.InventoryService/ReleaseStock",
    BatchDeductStock "/inventory.v1.InventoryService/BatchDeductStock",
    DeductBatches "/inventory.v1.InventoryService/DeductBatches",
    BatchReleaseStock "/inventory.v1.InventoryService/BatchReleaseStock",
    CommitStock "/inventory.v1.InventoryService/CommitStock",
    CreateOrder "/order.v1.OrderService/CreateOrder",
    PayOrder "/order.v1.OrderService/PayOrder",
    CancelOrder "/order.v1.OrderService/CancelOrder",
    ShipOrder "/order.v1.OrderService/ShipOrder",
    CompleteOrder "/order.v1.OrderService/CompleteOrder",
    Pay "/payment.v1.PaymentService/Pay",
    GetPaymentStatus "/payment.v1.PaymentService/GetPaymentStatus",
    Refund "/payment.v1.PaymentService/Refund",
    WatchPayments "/payment.v1.PaymentService/WatchPayments",
}

impl Method {
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|method| method.path() == path)
    }

    /// Whether it changes something; else order asks for it.
    pub(crate) const fn changes(self) -> bool {
        !matches!(
            self,
            Self::BatchGetBooks | Self::GetStock | Self::GetPaymentStatus | Self::WatchPayments
        )
    }

    /// The calls that order makes.
    pub(crate) const UPSTREAM: [Self; 10] = [
        Self::BatchGetBooks,
        Self::GetStock,
        Self::BatchDeductStock,
        Self::DeductBatches,
        Self::BatchReleaseStock,
        Self::CommitStock,
        Self::Pay,
        Self::GetPaymentStatus,
        Self::Refund,
        Self::WatchPayments,
    ];

    /// The call that takes back what this one did.
    pub(crate) const fn undone_by(self) -> Option<Self> {
        match self {
            Self::DeductStock | Self::BatchDeductStock | Self::DeductBatches => {
                Some(Self::BatchReleaseStock)
            }
            Self::Pay => Some(Self::Refund),
            _ => None,
        }
    }
}

steps! {
    /// What order's store writes.
    OrderStep {
        Insert, Confirm, Drop, CallOff, Recover, Cancel, Expire, Ship, Complete, Pay, Follow,
        ClaimTask, EndTask, FailTask, ResumeTask, TakeLease, FreeLease, InsertHeld, OpenIntent, TakeIntent,
        CloseIntent,
    }
}

impl OrderStep {
    pub(crate) const fn of(op: &order::domain::Op) -> Self {
        use order::domain::Op;
        match op {
            Op::Insert(new) => match new.birth {
                Birth::Creating { .. } => Self::Insert,
                Birth::Held { .. } => Self::InsertHeld,
            },
            Op::Confirm { .. } => Self::Confirm,
            Op::Drop { .. } => Self::Drop,
            Op::Abandon { by, .. } => match by {
                AbandonedBy::Creator => Self::CallOff,
                AbandonedBy::Recovery => Self::Recover,
            },
            Op::Cancel { why, .. } => match why {
                // The last two are written by the feed's own step alone.
                CancelCause::Asked(_) | CancelCause::WrongAmount | CancelCause::Refunded => {
                    Self::Cancel
                }
                CancelCause::Expired => Self::Expire,
            },
            Op::Ship { .. } => Self::Ship,
            Op::Complete { .. } => Self::Complete,
            Op::Pay { .. } => Self::Pay,
            Op::Follow { .. } => Self::Follow,
            Op::Task { step, .. } => match step {
                TaskStep::Claim { .. } => Self::ClaimTask,
                TaskStep::Done => Self::EndTask,
                TaskStep::Fail { .. } => Self::FailTask,
                TaskStep::Resume { .. } => Self::ResumeTask,
            },
            Op::Lease { step, .. } => match step {
                LeaseStep::Take { .. } => Self::TakeLease,
                LeaseStep::Free => Self::FreeLease,
            },
            Op::Intent { step, .. } => match step {
                IntentStep::Open(_) => Self::OpenIntent,
                IntentStep::TakeOver { .. } => Self::TakeIntent,
                IntentStep::Close => Self::CloseIntent,
            },
        }
    }
}

steps! {
    /// What order's store reads for its sagas and workers.
    OrderRead { Order, Request, DueOrders, DueIntents, Written, DueTasks, Cursor, Ids }
}

steps! {
    /// What payment's store writes.
    PaymentStep { BeginPay, SettleCharge, BeginRefund, SettleRefund, Reschedule }
}

impl PaymentStep {
    pub(crate) const fn of(op: &payment::domain::Op) -> Self {
        use payment::domain::Op;
        match op {
            Op::BeginPay(_) => Self::BeginPay,
            Op::SettleCharge(_) => Self::SettleCharge,
            Op::BeginRefund(_) => Self::BeginRefund,
            Op::SettleRefund(_) => Self::SettleRefund,
            Op::Reschedule(_) => Self::Reschedule,
        }
    }
}

steps! {
    /// What payment's store reads for its calls and workers.
    PaymentRead { Record, Due, Events, Serials }
}

steps! {
    /// What inventory's store writes.
    StockStep { Restock, Deduct, Release, BatchDeduct, BatchRelease, Commit }
}

impl StockStep {
    pub(crate) const fn of(op: &inventory::domain::Op) -> Self {
        use inventory::domain::Command;
        match &op.command {
            Command::Restock(_) => Self::Restock,
            Command::Deduct(_) => Self::Deduct,
            Command::Release(_) => Self::Release,
            Command::BatchDeduct(_) => Self::BatchDeduct,
            Command::BatchRelease(_) => Self::BatchRelease,
            Command::Commit(_) => Self::Commit,
        }
    }
}

steps! {
    /// What the catalog's store writes.
    BookStep { Publish, Update, Unpublish }
}

impl BookStep {
    pub(crate) const fn of(op: &catalog::domain::Op) -> Self {
        use catalog::domain::Op;
        match op {
            Op::Publish(_) => Self::Publish,
            Op::Update(_) => Self::Update,
            Op::Unpublish(_) => Self::Unpublish,
        }
    }
}

steps! {
    /// What payment asks of a gateway.
    GatewayStep { Charge, Query, Refund }
}

steps! {
    /// What order asks of its delay queue.
    QueueStep { Schedule, ClaimDue, Remove }
}

/// One step of one flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// A call of a buyer or an operator.
    Asked(Method),
    /// A call of order to another service.
    Upstream(Method),
    /// A unit of work of order's store.
    Order(OrderStep),
    /// A read of order's store.
    OrderRead(OrderRead),
    /// A unit of work of payment's store.
    Payment(PaymentStep),
    /// A read of payment's store.
    PaymentRead(PaymentRead),
    /// A unit of work of inventory's store.
    Stock(StockStep),
    /// A unit of work of the catalog's store.
    Book(BookStep),
    /// A call to the gateway.
    Gateway(GatewayStep),
    /// A call to the delay queue.
    Queue(QueueStep),
}

impl Step {
    /// Every one of them.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        let asked = Method::ALL
            .iter()
            .copied()
            .filter(|method| method.changes());
        all.extend(asked.map(Self::Asked));
        all.extend(Method::UPSTREAM.map(Self::Upstream));
        all.extend(OrderStep::ALL.iter().copied().map(Self::Order));
        all.extend(OrderRead::ALL.iter().copied().map(Self::OrderRead));
        all.extend(PaymentStep::ALL.iter().copied().map(Self::Payment));
        all.extend(PaymentRead::ALL.iter().copied().map(Self::PaymentRead));
        all.extend(StockStep::ALL.iter().copied().map(Self::Stock));
        all.extend(BookStep::ALL.iter().copied().map(Self::Book));
        all.extend(GatewayStep::ALL.iter().copied().map(Self::Gateway));
        all.extend(QueueStep::ALL.iter().copied().map(Self::Queue));
        all
    }
}
