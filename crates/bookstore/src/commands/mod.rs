//! The command tree: one short file a subcommand.

mod check;
mod demo;
mod doctor;
mod import;
mod load;
mod migrate;
mod resume;
mod serve;
mod server;
mod signal;
mod up;

use std::process::ExitCode;

use clap::Subcommand;

use crate::config::Config;

/// What the program can be told to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in one process
    Up(up::UpArgs),
    /// Run one service in its own process
    Serve(serve::ServeArgs),
    /// Bring the databases' schemas up to date
    Migrate(migrate::MigrateArgs),
    /// Check the configuration, and whether everything it names can be reached
    Doctor(doctor::DoctorArgs),
    /// Load books and stock from a CSV file into a running system
    Import(import::ImportArgs),
    /// Play through an order's life, and what can go wrong in it, and tell what happened
    Demo(demo::DemoArgs),
    /// Audit all databases: is any book, order or payment not as it must be?
    Check(check::CheckArgs),
    /// Put load on a running system, measure it, and verify that every answer was true
    Load(Box<load::LoadArgs>),
    /// Wake tasks that were parked, once what they were refused for is set right
    Resume(resume::ResumeArgs),
}

impl Command {
    /// Whether this command serves calls, and so logs what it does.
    pub(crate) const fn is_server(&self) -> bool {
        matches!(self, Self::Up(_) | Self::Serve(_))
    }

    /// Runs the command to its end.
    pub(crate) async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        match self {
            Self::Up(args) => up::run(args, config).await,
            Self::Serve(args) => serve::run(args, config).await,
            Self::Migrate(args) => migrate::run(args, config).await,
            Self::Doctor(args) => doctor::run(args, config).await,
            Self::Import(args) => import::run(args, config).await,
            Self::Demo(args) => demo::run(args, config).await,
            Self::Check(args) => check::run(args, config).await,
            Self::Load(args) => load::run(*args, config).await,
            Self::Resume(args) => resume::run(args, config).await,
        }
    }
}
