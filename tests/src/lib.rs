//! Harness of the whole-system tests: the program as a real process, and clients over real ports.
//!
//! Owns: finding the binary ([`program`]), starting, killing and restarting it ([`Shop`]), calling
//! it ([`Clients`]), the few steps that most stories begin with ([`goods`]), the one that is
//! told of every layout ([`transcript`]), two replicas of everything ([`twice`]), a storm of orders
//! over them ([`storm`]), and all of these behind one face ([`System`]).
//! Never does: a look inside; what a test knows it learns as a user would, through ports and
//! commands, and, where it plants a fault or asks when something was done, from the databases
//! ([`read_rows`]).
//!
//! Start reading at [`Shop`].

mod clients;
mod command;
pub mod goods;
mod pace;
mod ports;
mod process;
mod program;
mod rows;
mod shop;
pub mod storm;
mod system;
pub mod transcript;
pub mod twice;

pub use clients::{Clients, ENGLISH};
pub use command::{Ran, run_to_end, run_within};
pub use pace::Pace;
pub use program::{program, program_with_crash_points, repository, setting, setting_number};
pub use rows::read_rows;
pub use shop::{Layout, Service, Shop, ShopPlan};
pub use system::System;
