//! What happened, for people: kept only when a seed is replayed.

use std::cell::RefCell;
use std::rc::Rc;

/// Where lines go. Clones share it, so that it outlives a panic.
#[derive(Clone, Default)]
pub struct Trace(Option<Rc<RefCell<Lines>>>);

#[derive(Default)]
struct Lines {
    all: Vec<String>,
    prints: bool,
}

impl Trace {
    /// Keeps nothing.
    pub fn off() -> Trace {
        Trace(None)
    }

    /// Keeps every line.
    pub fn kept() -> Trace {
        Trace(Some(Rc::default()))
    }

    /// Keeps every line, and prints it.
    pub fn printed() -> Trace {
        Trace(Some(Rc::new(RefCell::new(Lines { all: Vec::new(), prints: true }))))
    }

    /// Adds a line, which is made only if it is wanted.
    pub fn note(&self, line: impl FnOnce() -> String) {
        if let Some(lines) = &self.0 {
            let mut line = line();
            if line.len() > LINE_BYTES_MAX {
                line.truncate(line.floor_char_boundary(LINE_BYTES_MAX));
                line.push('…');
            }
            let mut lines = lines.borrow_mut();
            if lines.prints {
                println!("{line}");
            }
            lines.all.push(line);
        }
    }

    /// Every line.
    pub fn lines(&self) -> Vec<String> {
        self.0.as_ref().map(|lines| lines.borrow().all.clone()).unwrap_or_default()
    }

    /// The last lines.
    pub fn tail(&self, count: usize) -> Vec<String> {
        let lines = self.lines();
        lines[lines.len().saturating_sub(count)..].to_vec()
    }
}

const LINE_BYTES_MAX: usize = 400;
