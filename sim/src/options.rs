//! The command line.

/// What to run.
pub struct Options {
    /// The first seed.
    pub from: u64,
    /// How many seeds, at least.
    pub seeds: u64,
    /// How many messages are committed, at least.
    pub messages: u64,
    /// Threads.
    pub jobs: usize,
    /// Only this seed.
    pub seed: Option<u64>,
    /// Print every event.
    pub trace: bool,
}

impl Options {
    /// Reads `--name value`.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let mut options = Options { from: 0, seeds: 200, messages: 0, jobs, seed: None, trace: false };
        while let Some(word) = words.next() {
            if word == "--trace" {
                options.trace = true;
                continue;
            }
            let value = words.next().ok_or(format!("{word}: a number is missing"))?;
            let number: u64 = value.parse().map_err(|_| format!("{word} {value}: not a number"))?;
            match word.as_str() {
                "--from" => options.from = number,
                "--jobs" => options.jobs = number.clamp(1, 64) as usize,
                "--messages" => options.messages = number,
                "--seed" => options.seed = Some(number),
                "--seeds" => options.seeds = number,
                _ => return Err(format!("{word}: not known")),
            }
        }
        Ok(options)
    }
}

/// For whoever got it wrong.
pub const USAGE: &str = "sim [--from SEED] [--seeds N] [--messages N] [--jobs N]
sim --seed SEED [--trace]";
