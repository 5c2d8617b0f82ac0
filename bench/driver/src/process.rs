//! What the server process costs: CPU time and memory, from `/proc`. And what the driver costs, which shares the
//! machine's cores with it.

use std::fs;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::failure::{Failure, Result, during, fail};

/// A process on this machine.
#[derive(Clone, Debug)]
pub struct Process {
    folder: String,
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Resident.
    pub rss: u64,
    /// Resident, shared pages counted in part; absent when the kernel does not tell.
    pub pss: Option<u64>,
}

/// CPU time since a process began, by both of the kernel's accounts.
#[derive(Clone, Copy, Debug)]
struct Cpu {
    /// Threads that exist, exact.
    tasks: Duration,
    /// All threads, also those that ended, in ticks of 10 ms.
    all: Duration,
}

impl Process {
    /// The process with this number.
    pub fn new(pid: u32) -> Result<Process> {
        let process = Process { folder: format!("/proc/{pid}") };
        process.cpu().map_err(|Failure(why)| Failure(format!("--pid {pid}: is the server running? {why}")))?;
        Ok(process)
    }

    /// The driver itself.
    fn this() -> Process {
        Process { folder: "/proc/self".into() }
    }

    /// What it holds now.
    pub fn memory(&self) -> Result<Memory> {
        let rss = kib_line(&self.read("status")?, "VmRSS:");
        let rss = rss.ok_or_else(|| Failure(format!("{}/status: no VmRSS: did the server end?", self.folder)))?;
        let pss = self.read("smaps_rollup").ok().and_then(|text| kib_line(&text, "Pss:"));
        Ok(Memory { rss, pss })
    }

    fn cpu(&self) -> Result<Cpu> {
        let folder = format!("{}/task", self.folder);
        let mut tasks = Duration::ZERO;
        for task in fs::read_dir(&folder).map_err(during(&folder))? {
            let path = task.map_err(during(&folder))?.path().join("schedstat");
            match fs::read_to_string(&path) {
                Ok(text) => tasks += Duration::from_nanos(first_number(&text)),
                // The thread has just ended.
                Err(error) if error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(ESRCH) => {}
                Err(error) => return fail(format!("{}: {error}", path.display())),
            }
        }
        // Fields 14 and 15, counted behind the name in brackets, which may hold spaces.
        let stat = self.read("stat")?;
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).map(first_number).sum();
        Ok(Cpu { tasks, all: Duration::from_millis(10 * ticks) })
    }

    fn read(&self, name: &str) -> Result<String> {
        let path = format!("{}/{name}", self.folder);
        fs::read_to_string(&path).map_err(during(path))
    }
}

/// Measures the server from now on.
pub struct Meter {
    server: Process,
    server_cpu: Cpu,
    driver_cpu: Cpu,
    began: Instant,
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Of the measured window.
    pub seconds: f64,
    /// The server's, with what trailed behind the last message.
    pub cpu: Duration,
    /// The driver's.
    pub driver_cpu: Duration,
    /// The server's, at the end.
    pub memory: Memory,
}

impl Meter {
    /// Begins.
    pub fn start(server: &Process) -> Result<Meter> {
        let (server_cpu, driver_cpu) = (server.cpu()?, Process::this().cpu()?);
        Ok(Meter { server: server.clone(), server_cpu, driver_cpu, began: Instant::now() })
    }

    /// Ends: the clock now, the CPU time [`TRAIL`] later, since a server may still be tidying up.
    pub async fn stop(self) -> Result<Cost> {
        let seconds = self.began.elapsed().as_secs_f64();
        sleep(TRAIL).await;
        self.stop_now(seconds)
    }

    /// Ends after so many seconds, of which the caller has waited for what trails behind.
    pub fn stop_now(self, seconds: f64) -> Result<Cost> {
        let cpu = between(self.server_cpu, self.server.cpu()?);
        let driver_cpu = between(self.driver_cpu, Process::this().cpu()?);
        Ok(Cost { seconds, cpu, driver_cpu, memory: self.server.memory()? })
    }
}

/// The larger of both accounts: the first misses threads that ended, the second is coarse.
fn between(before: Cpu, after: Cpu) -> Duration {
    let tasks = after.tasks.saturating_sub(before.tasks);
    let all = after.all.saturating_sub(before.all);
    // Within its grain the coarse account says nothing.
    if all > tasks + TICKS_GRAIN { all } else { tasks }
}

fn first_number(text: &str) -> u64 {
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn kib_line(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(first_number(line) * 1024)
}

/// How long the server may take to settle.
pub const TRAIL: Duration = Duration::from_millis(50);
/// User and system time are each rounded to 10 ms, at both ends.
const TICKS_GRAIN: Duration = Duration::from_millis(40);
/// `No such process`: a thread ended between being listed and being read.
const ESRCH: i32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_time_and_memory() {
        let this = Process::this();
        let before = this.cpu().unwrap();
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(100) {
            std::hint::black_box(began);
        }
        let used = between(before, this.cpu().unwrap());
        assert!(used > Duration::from_millis(20), "{used:?}");
        assert!(this.memory().unwrap().rss > 1024 * 1024);
    }

    #[test]
    fn threads_that_ended_count() {
        let before = Cpu { tasks: Duration::from_secs(5), all: Duration::from_secs(5) };
        let after = Cpu { tasks: Duration::from_secs(4), all: Duration::from_secs(7) };
        assert_eq!(between(before, after), Duration::from_secs(2));
        let after = Cpu { tasks: Duration::from_millis(5_012), all: Duration::from_millis(5_030) };
        assert_eq!(between(before, after), Duration::from_millis(12));
    }

    #[test]
    fn no_such_process() {
        assert!(Process::new(u32::MAX).is_err());
    }
}
