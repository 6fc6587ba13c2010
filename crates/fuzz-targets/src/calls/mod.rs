//! Calls: bytes into the real handlers, over the memory stores, through the shell that surrounds
//! every call.

mod around;
mod method;
mod raw;
mod schema;
mod sequence;
mod verdict;
mod worlds;

use std::rc::Rc;

use anyhow::{Context, bail};
use tokio::runtime::{Builder, Runtime};

use crate::target::Target;
use around::Around;
use method::MethodTarget;
use schema::Schema;
use sequence::Sequence;
use worlds::{SERVICES, open_world};

/// The names of all targets that make calls.
pub(crate) fn names() -> anyhow::Result<Vec<String>> {
    let schema = Schema::read()?;
    let mut names: Vec<String> = schema.methods().iter().map(|m| m.target.clone()).collect();
    names.extend(SERVICES.map(sequence_name));
    names.push(around::NAME.to_owned());
    Ok(names)
}

/// The target of that name, with its service started on rows of its own.
pub(crate) fn open(name: &str) -> anyhow::Result<Box<dyn Target>> {
    let schema = Rc::new(Schema::read()?);
    let runtime = single_thread()?;
    if name == around::NAME {
        let world = runtime.block_on(open_world("inventory"))?;
        return Ok(Box::new(Around { runtime, world }));
    }
    if let Some(service) = SERVICES.into_iter().find(|s| sequence_name(s) == name) {
        let world = runtime.block_on(open_world(service))?;
        return Ok(Box::new(Sequence::new(runtime, world, schema, service)));
    }
    let found = schema.methods().iter().find(|m| m.target == name);
    let Some(method) = found.cloned() else {
        bail!("there is none of that name");
    };
    let world = runtime.block_on(open_world(&method.service))?;
    Ok(Box::new(MethodTarget {
        runtime,
        world,
        schema,
        method,
    }))
}

fn sequence_name(service: &str) -> String {
    format!("{service}_calls")
}

/// One thread: what happens between a call and its answer happens in one order, mostly.
fn single_thread() -> anyhow::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")
}
