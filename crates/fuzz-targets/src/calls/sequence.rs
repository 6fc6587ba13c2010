use std::rc::Rc;

use rand::RngExt;
use rand::rngs::SmallRng;
use tokio::runtime::Runtime;

use super::schema::{Method, Schema};
use super::verdict::call_and_judge;
use super::worlds::World;
use crate::target::Target;
use crate::{mutate, wire};

/// The most calls of one execution.
const CALLS_MAX: usize = 24;

/// One service: an input is a list of calls, each the number of a method, the length of the request
/// in two bytes, and the request.
pub(super) struct Sequence {
    runtime: Runtime,
    world: Box<dyn World>,
    schema: Rc<Schema>,
    methods: Vec<Method>,
}

impl Sequence {
    pub(super) fn new(
        runtime: Runtime,
        world: Box<dyn World>,
        schema: Rc<Schema>,
        service: &str,
    ) -> Self {
        let of_service = schema.methods().iter().filter(|m| m.service == service);
        Self {
            runtime,
            world,
            methods: of_service.cloned().collect(),
            schema,
        }
    }

    fn append_call(&self, rng: &mut SmallRng, input: &mut Vec<u8>) {
        let Some(method) = mutate::pick(rng, &self.methods) else {
            return;
        };
        let mut message = Vec::new();
        let words = self.world.words();
        if self
            .schema
            .request(method, words, rng, &mut message)
            .is_ok()
        {
            let number = self.methods.iter().position(|m| m.name == method.name);
            write_call(
                u8::try_from(number.unwrap_or(0)).unwrap_or(0),
                &message,
                input,
            );
        }
    }
}

impl Target for Sequence {
    fn execute(&mut self, input: &[u8]) -> anyhow::Result<()> {
        let world = &mut *self.world;
        self.runtime.block_on(async {
            let mut changed = false;
            for (number, message) in read_calls(input) {
                let at = usize::from(number)
                    .checked_rem(self.methods.len())
                    .unwrap_or(0);
                if let Some(method) = self.methods.get(at) {
                    changed |= call_and_judge(world, &self.schema, method, message).await?;
                }
            }
            if changed {
                world.audit().await?;
                world.restore().await?;
            }
            Ok(())
        })
    }

    fn generate(&self, rng: &mut SmallRng, input: &mut Vec<u8>) {
        input.clear();
        for _ in 0..rng.random_range(1..=12_u8) {
            self.append_call(rng, input);
        }
    }

    /// Changes one call, or takes it out, or says it twice, or has two change places.
    fn mutate(&self, rng: &mut SmallRng, input: &mut Vec<u8>) {
        let mut calls: Vec<(u8, Vec<u8>)> = read_calls(input)
            .map(|(number, message)| (number, message.to_vec()))
            .collect();
        if calls.is_empty() {
            self.append_call(rng, input);
            return;
        }
        let at = rng.random_range(0..calls.len());
        match rng.random_range(0..6_u8) {
            0 => {
                calls.remove(at);
            }
            1 => {
                let twin = calls[at].clone();
                calls.push(twin);
            }
            2 => calls[at].0 = rng.random(),
            3 => {
                let other = rng.random_range(0..calls.len());
                calls.swap(at, other);
            }
            _ => wire::mutate(rng, &mut calls[at].1),
        }
        input.clear();
        for (number, message) in calls.iter().take(CALLS_MAX) {
            write_call(*number, message, input);
        }
    }
}

fn write_call(number: u8, message: &[u8], input: &mut Vec<u8>) {
    let len = u16::try_from(message.len()).unwrap_or(u16::MAX);
    input.push(number);
    input.extend_from_slice(&len.to_be_bytes());
    input.extend_from_slice(message.get(..usize::from(len)).unwrap_or(message));
}

/// The calls in an input; a last one that is cut off has what is left.
fn read_calls(input: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = input;
    std::iter::from_fn(move || {
        let ([number, high, low], after) = rest.split_first_chunk::<3>()?;
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        let (message, after) = after.split_at_checked(len)?;
        rest = after;
        Some((*number, message))
    })
    .take(CALLS_MAX)
}
