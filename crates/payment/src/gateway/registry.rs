use std::collections::BTreeMap;
use std::sync::Arc;

use super::PaymentGateway;
use crate::domain::Method;

/// The gateways that this process may ask, by the name that callers give as `payment_method`.
#[derive(Clone, Default)]
pub struct Gateways(BTreeMap<Method, Arc<dyn PaymentGateway>>);

impl Gateways {
    /// No gateway: nothing can be paid.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `gateway` under `method`, replacing any other of that name.
    #[must_use]
    pub fn with(mut self, method: Method, gateway: Arc<dyn PaymentGateway>) -> Self {
        self.0.insert(method, gateway);
        self
    }

    /// The gateway called `method`, where there is one.
    pub fn find(&self, method: &Method) -> Option<&Arc<dyn PaymentGateway>> {
        self.0.get(method)
    }
}
