//! What a run prints: one JSON object.

use serde_json::{Map, Value, json};

use crate::options::{Common, SystemName};
use crate::process::Cost;
use crate::samples::{Samples, Sorted};

/// Names and numbers. Times are µs unless the name says otherwise.
pub struct Report(Map<String, Value>);

impl Report {
    /// Of this scenario and system.
    pub fn new(scenario: &str, common: &Common) -> Report {
        let system = match common.system {
            SystemName::Plain => "plain",
            SystemName::Relay => "relay",
        };
        Report::named(scenario, system)
    }

    /// Of a system that is neither.
    pub fn named(scenario: &str, system: &str) -> Report {
        Report(Map::new()).with("scenario", scenario).with("system", system)
    }

    /// Adds a field.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Report {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Adds what so many messages cost.
    pub fn cost(self, messages: u64, cost: Cost) -> Report {
        let per_message = |cpu: std::time::Duration| round(cpu.as_secs_f64() * 1e6 / messages.max(1) as f64);
        self.with("messages", messages)
            .with("seconds", round(cost.seconds))
            .with("cpu_us_per_message", per_message(cost.cpu))
            .with("driver_cpu_us_per_message", per_message(cost.driver_cpu))
            .with("rss_bytes", cost.memory.rss)
            .with("pss_bytes", cost.memory.pss)
    }

    /// Adds percentiles: `{prefix}p50_us`, …
    pub fn latency(self, prefix: &str, samples: Samples) -> Report {
        let sorted = samples.sort();
        let us = |percent| round(sorted.percentile_us(percent));
        self.with(&format!("{prefix}p50_us"), us(50.0))
            .with(&format!("{prefix}p90_us"), us(90.0))
            .with(&format!("{prefix}p99_us"), us(99.0))
            .with(&format!("{prefix}max_us"), round(Sorted::max_us(&sorted)))
    }

    /// As JSON.
    pub fn json(self) -> String {
        json!(self.0).to_string()
    }
}

/// Three digits behind the point say enough.
pub fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
