//! Why the program ends other than by a signal, and with which exit code.

use std::fmt;
use std::process::ExitCode;

use crate::store::StoreError;

/// The program ends. Each reason is one line for the person who started it.
#[derive(Debug)]
pub enum Stop {
    /// A setting is missing or wrong: exit code 2.
    Config(String),
    /// This machine, its disk or its model server do not allow going on: exit code 1.
    Failed(String),
    /// The relay does not accept the key: exit code 3.
    Refused(String),
    /// A newer connection of the same agent took over: exit code 4.
    Replaced,
}

impl Stop {
    /// Writes the line to stderr.
    pub fn report(self) -> ExitCode {
        eprintln!("claw-agent: {self}");
        ExitCode::from(match self {
            Stop::Failed(_) => 1,
            Stop::Config(_) => 2,
            Stop::Refused(_) => 3,
            Stop::Replaced => 4,
        })
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Config(line) | Stop::Failed(line) => f.write_str(line),
            Stop::Refused(why) => {
                write!(f, "the relay refused the agent key ({why}): make a new key for this agent and pass it as --key")
            }
            Stop::Replaced => f.write_str(
                "a newer connection of the same agent took over (4409): stop the other one, or give it its own agent",
            ),
        }
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Stop {
        Stop::Failed(error.to_string())
    }
}
