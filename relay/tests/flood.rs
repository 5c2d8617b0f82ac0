//! Whoever says too much is closed, and what a connection may say comes back as time passes.

use crate::support::{Sqlite, World};
use relay::hub::{Options, PeerId};
use relay::limit::{FLOOD_BURST_S, FLOOD_BYTES_PER_FRAME};

/// Ten frames a second.
fn world() -> World {
    World::with(Sqlite::new(), Options { frames_per_s: 10, ..Options::default() })
}

/// A device that has `left` frames of its burst left.
fn with_left(world: &mut World, left: u64) -> PeerId {
    let device = world.device(None);
    // Its hello was one.
    for _ in left..10 * FLOOD_BURST_S - 1 {
        world.says(device, r#"{"type":"of_another_version"}"#);
    }
    device
}

/// Whether it says one more frame and stays.
fn says_one(world: &mut World, device: PeerId) -> bool {
    says_bytes(world, device, 30)
}

/// Whether it says one more frame of so many bytes and stays.
fn says_bytes(world: &mut World, device: PeerId, bytes: usize) -> bool {
    let frame = r#"{"type":"of_another_version"}"#;
    world.says(device, &format!("{frame}{}", " ".repeat(bytes - frame.len())));
    !world.closed.contains_key(&device)
}

#[test]
fn whoever_says_too_much_is_closed_and_may_come_back() {
    let mut world = world();
    let loud = world.device(None);
    let quiet = world.device(None);
    for n in 0..10 * FLOOD_BURST_S - 1 {
        world.says(loud, &format!(r#"{{"type":"of_another_version","n":{n}}}"#));
    }
    assert_eq!(world.closed.get(&loud), None, "what was saved up");
    world.says(loud, r#"{"type":"of_another_version"}"#);
    assert_eq!(world.closed.get(&loud), Some(&4429));
    world.sends(quiet, "m1", "nobody else waits");
    assert_eq!(world.messages(quiet), ["nobody else waits"]);
    // A batch counts as its frames; a second gives back ten.
    let back = world.device(None);
    let batch = format!("[{}]", vec![r#"{"type":"of_another_version"}"#; 59].join(","));
    for _ in 0..10 {
        world.says(back, &batch);
    }
    world.advance_ms(1_000);
    for _ in 0..10 {
        world.says(back, r#"{"type":"of_another_version"}"#);
    }
    assert_eq!(world.closed.get(&back), None);
    for _ in 0..10 {
        world.says(back, r#"{"type":"of_another_version"}"#);
    }
    assert_eq!(world.closed.get(&back), Some(&4429));
    // Bytes count too.
    let wordy = world.device(None);
    for _ in 0..3 {
        world.says(wordy, &format!(r#"{{"type":"of_another_version","text":"{}"}}"#, "x".repeat(500_000)));
    }
    assert_eq!(world.closed.get(&wordy), Some(&4429));
}

#[test]
fn a_second_gives_back_its_frames() {
    let mut world = world();
    let device = with_left(&mut world, 0);
    world.advance_ms(999);
    assert!((0..9).all(|_| says_one(&mut world, device)));
    assert!(!says_one(&mut world, device), "ten only after the whole of it");
    let device = with_left(&mut world, 0);
    world.advance_ms(2 * FLOOD_BURST_S * 1000);
    assert!((0..10 * FLOOD_BURST_S).all(|_| says_one(&mut world, device)), "a whole burst, after a pause");
    assert!(!says_one(&mut world, device), "and no more, however long that was");
}

#[test]
fn less_than_a_frame_s_time_is_not_forgotten() {
    let mut world = world();
    let device = with_left(&mut world, 1);
    world.advance_ms(50);
    assert!(says_one(&mut world, device));
    world.advance_ms(50);
    assert!(says_one(&mut world, device), "twice half a frame");
    world.advance_ms(50);
    assert!(!says_one(&mut world, device), "and not twice");
}

#[test]
fn a_clock_that_goes_back_gives_back_from_then_on() {
    let mut world = world();
    let device = with_left(&mut world, 1);
    world.now.0 -= 10_000;
    assert!(says_one(&mut world, device));
    world.advance_ms(100);
    assert!(says_one(&mut world, device));
    assert!(!says_one(&mut world, device));
}

#[test]
fn a_second_gives_back_its_bytes() {
    let mut world = world();
    let device = world.device(None);
    let hello = r#"{"type":"hello","capabilities":["deltas"]}"#.len();
    let (burst, per_s) = (10 * FLOOD_BYTES_PER_FRAME * FLOOD_BURST_S, 10 * FLOOD_BYTES_PER_FRAME);
    assert!(says_bytes(&mut world, device, burst as usize / 2));
    assert!(says_bytes(&mut world, device, burst as usize / 2 - hello));
    world.advance_ms(100);
    assert!(says_bytes(&mut world, device, per_s as usize / 10), "a tenth of a second's");
    assert!(!says_bytes(&mut world, device, 30));
}
