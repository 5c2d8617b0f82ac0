//! Handlers of `/v1/admin`: for operators.

pub mod accounts;
pub mod secrets;
pub mod users;
