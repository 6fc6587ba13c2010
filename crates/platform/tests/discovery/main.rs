//! Proves that calls find the instances of a service that are well, and only those: over fixed
//! addresses, and over Consul (a small one in this process, and a real agent where there is one).
//! Instances are killed, frozen, drained and brought back; no message is ever sent twice.

mod balance;
mod consul;
mod fake_consul;
mod real_consul;
mod relay;
mod replica;
