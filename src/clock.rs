//! Time and randomness, which the core does not have.

use protocol::Timestamp;

use crate::error::Error;

/// The time now. In production it stands still while code runs, and moves on after I/O.
pub fn now() -> Timestamp {
    Timestamp(js_sys::Date::now() as u64)
}

/// A time for people, in UTC (ISO 8601).
pub fn show(at: Timestamp) -> String {
    js_sys::Date::new(&(at.0 as f64).into()).to_iso_string().into()
}

/// `N` random bytes.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal("random", error))?;
    Ok(bytes)
}

/// `N` random bytes as URL-safe text.
pub fn random<const N: usize>() -> Result<String, Error> {
    random_bytes::<N>().map(|bytes| relay::auth::encode(&bytes))
}
