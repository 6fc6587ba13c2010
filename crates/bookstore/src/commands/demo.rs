//! `bookstore demo`: an order's life and what can go wrong in it, played for a person to read.

use std::io;
use std::process::ExitCode;

use clap::Args;

use super::signal::Signals;
use crate::config::Config;
use crate::demo::{Against, Scene, Stage, play};

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// The system to play on [default: the running one; one of its own where none is running]
    #[arg(long, value_enum)]
    against: Option<Against>,
}

/// Plays all chapters; exit code 1 where an answer was not as promised.
pub(crate) async fn run(args: DemoArgs, config: Config) -> anyhow::Result<ExitCode> {
    let locale = config.locale();
    let mut signals = Signals::listen()?;
    let scene = Box::pin(Scene::set(args.against, config)).await?;
    let mut stage = Stage::new(scene.clients(), locale, Box::new(io::stdout()));
    let played = signals.within(Box::pin(play(&mut stage, &scene))).await;
    // Also after a signal: a system of its own must not leave its folder behind.
    scene.strike().await;
    match played {
        Err(code) => Ok(code),
        Ok(Ok(true)) => Ok(ExitCode::SUCCESS),
        Ok(Ok(false)) => Ok(ExitCode::FAILURE),
        Ok(Err(error)) => Err(error.into()),
    }
}
