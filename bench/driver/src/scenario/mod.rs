//! One file per scenario.

pub mod drain;
pub mod durable;
pub mod fanout;
pub mod mqtt;
pub mod roundtrip;
pub mod soak;
pub mod sockets;
pub mod stream;
pub mod wake;
pub mod webhook;
