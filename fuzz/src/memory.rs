//! How much one input makes the code under test allocate. A Worker's isolate has 128 MB for everyone in it, so a small
//! input that needs a hundred is a bug as much as a panic; and so is memory that is not given back.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Runs a target on an input: it may hold at most `mib` MiB at once, and must give all back.
pub fn within(mib: usize, mut run: impl FnMut()) {
    // What is made once per process (tables, caches) is not a leak: a leak is there again and again.
    let mut before = LIVE.load(Relaxed);
    for _ in 0..4 {
        PEAK.store(before, Relaxed);
        run();
        let held = PEAK.load(Relaxed).saturating_sub(before);
        assert!(held <= mib << 20, "one input made the code hold {held} bytes at once, more than {mib} MiB");
        let after = LIVE.load(Relaxed);
        if after <= before {
            return;
        }
        before = after;
    }
    panic!("this input leaks memory every time");
}

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: hands every call on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}
