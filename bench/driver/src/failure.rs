//! Why a run counts for nothing.

use std::fmt;

/// One line for the person who started it. Whatever the cause, there is no report then.
#[derive(Debug)]
pub struct Failure(pub String);

/// What may fail here.
pub type Result<T> = std::result::Result<T, Failure>;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A failure in words.
pub fn fail<T>(line: impl Into<String>) -> Result<T> {
    Err(Failure(line.into()))
}

/// Says what was being done when something went wrong: `open.map_err(during("connecting"))`.
pub fn during<E: fmt::Display>(what: impl fmt::Display) -> impl FnOnce(E) -> Failure {
    move |error| Failure(format!("{what}: {error}"))
}
