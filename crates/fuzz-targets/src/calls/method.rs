use std::rc::Rc;

use rand::rngs::SmallRng;
use tokio::runtime::Runtime;

use super::schema::{Method, Schema};
use super::verdict::call_and_judge;
use super::worlds::World;
use crate::target::Target;
use crate::wire;

/// One method: an input is the bytes of one request.
pub(super) struct MethodTarget {
    pub(super) runtime: Runtime,
    pub(super) world: Box<dyn World>,
    pub(super) schema: Rc<Schema>,
    pub(super) method: Method,
}

impl Target for MethodTarget {
    fn execute(&mut self, input: &[u8]) -> anyhow::Result<()> {
        let world = &mut *self.world;
        self.runtime.block_on(async {
            if call_and_judge(world, &self.schema, &self.method, input).await? {
                world.audit().await?;
                world.restore().await?;
            }
            Ok(())
        })
    }

    fn generate(&self, rng: &mut SmallRng, input: &mut Vec<u8>) {
        let words = self.world.words();
        if self
            .schema
            .request(&self.method, words, rng, input)
            .is_err()
        {
            input.clear();
        }
    }

    fn mutate(&self, rng: &mut SmallRng, input: &mut Vec<u8>) {
        wire::mutate(rng, input);
    }
}
