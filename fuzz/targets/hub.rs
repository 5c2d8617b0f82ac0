//! The whole core: each line of the input is something that happens to a Hub. README.md lists the letters.
//!
//! Holds, checked by `World` after every line: `handle` neither fails nor panics; whatever is sent decodes, within its
//! limits; a device's timeline has no hole, an agent hears only of its own questions; a message is accepted once, at one
//! place, and can be read for ever; hibernation and a failing store change nothing; when the faults stop, all that waits
//! comes to an end.
#![no_main]

use claw_relay_fuzz::world::{Sqlite, World};
use claw_relay_fuzz::{expand, memory, text};
use protocol::Seq;
use relay::hub::{Input, Log, Options, PeerId, Role};
use relay::platform::Sent;
use relay::store::{Origin, Question};

thread_local! {
    static SQLITE: Sqlite = Sqlite::new();
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let script = text(data);
    SQLITE.with(|sql| memory::within(96, || run(sql, &script)));
});

fn run(sql: &Sqlite, script: &str) {
    let (options, script) = options(script);
    let mut world = World::new(sql.clone(), options);
    // Long texts and repetitions cost time: together they have a limit, beyond which nothing more happens.
    let mut left = BYTES_MAX;
    let (mut times, mut fails) = (1, None);
    for line in script.lines().take(LINES_MAX) {
        let mut chars = line.chars();
        let (Some(what), Some(which)) = (chars.next(), chars.next()) else { continue };
        match what {
            '*' => times = 1usize << (which as usize % 16).min(9),
            'E' => fails = Some(which as u32 % 64),
            _ => {
                for n in 1..=times {
                    let rest = chars.as_str().replace('#', &n.to_string());
                    let rest = expand(&rest, left.min(1_100_000));
                    let cost = rest.len() + 2_000;
                    if cost > left {
                        break;
                    }
                    left -= cost;
                    match (happens(&mut world, what, which, rest), fails.take()) {
                        (None, _) => {}
                        (Some(input), None) => world.input(input),
                        (Some(input), Some(statements)) => world.fails(input, statements),
                    }
                }
                times = 1;
            }
        }
    }
    world.finish();
}

/// Makes a line an input, or does at once what is none.
fn happens(world: &mut World, what: char, which: char, rest: String) -> Option<Input> {
    let peer = PeerId(1 + which as u64 % 16);
    let is_open = world.sockets.contains_key(&peer);
    match what {
        'A' if rest.len() <= NAME_BYTES_MAX => {
            let id = format!("agt_{}", which as u32 % 64).parse().unwrap();
            world.open(Role::Agent { id, name: rest });
        }
        'B' => world.now.0 -= 1 << (which as u64 % 32),
        'C' if is_open => return Some(Input::Closed(peer)),
        'D' => world.open(Role::Device),
        'F' => return Some(Input::Flush),
        'H' => world.hibernate(),
        'K' => world.crash(),
        'L' if is_open => return Some(Input::Stalled(peer)),
        'N' => return Some(Input::Silent(world.silent())),
        'P' => {
            let (message, text) = rest.split_once(' ').unwrap_or((&rest, ""));
            let id = format!("feishu:main:{message}").parse().ok()?;
            let conversation = format!("feishu:main:{which}").parse().ok()?;
            let origin = Some(Origin { account: "main".parse().unwrap(), message: message.into() });
            let question = Question {
                id,
                conversation,
                via: "feishu".into(),
                sender: Some("ou_1".into()),
                name: (which as u64 % 2 == 0).then(|| message.to_owned()),
                group: which as u64 % 3 == 0,
                text: text.to_owned(),
                files: Vec::new(),
                origin,
            };
            return Some(Input::Posted(question));
        }
        'R' => return Some(Input::Recalled(format!("feishu:main:{rest}").parse().ok()?)),
        'T' => world.now.0 = (world.now.0 + (1 << (which as u64 % 32))).min(1 << 50),
        'V' => {
            let (delivery, part) = world.deliveries.first().map(|delivery| (delivery.seq, delivery.part))?;
            let ms = rest.parse().unwrap_or(0);
            let sent = match which {
                'l' => Sent::Later { after_ms: None, why: rest },
                'L' => Sent::Later { after_ms: Some(ms), why: "busy".into() },
                'p' => Sent::Partly,
                'r' => Sent::Refused(rest),
                'w' => Sent::Wait { ms },
                _ => Sent::Taken,
            };
            return Some(Input::Delivered(delivery, part, sent));
        }
        'X' if is_open => return Some(Input::Binary(peer)),
        'Y' => return Some(Input::Replayed(Seq(rest.parse().ok()?))),
        'Z' => world.spend_ticket(&rest),
        '!' => return Some(Input::Tick),
        '>' if is_open => return Some(Input::received(peer, &rest)),
        _ => {}
    }
    None
}

/// The first line, when it begins with `O`: the time to live, and what is logged.
fn options(script: &str) -> (Options, &str) {
    let Some((line, rest)) = script.strip_prefix('O').and_then(|rest| rest.split_once('\n')) else {
        return (Options::default(), script);
    };
    let mut chars = line.chars();
    let ttl_ms = 1000 << (chars.next().unwrap_or('A') as u64 % 22);
    let log = match chars.next() {
        Some('b') => Log::Bodies,
        Some('o') => Log::Off,
        _ => Log::Ids,
    };
    (Options { ttl_ms, log, ..Options::default() }, rest)
}

const BYTES_MAX: usize = 3 * 512 * 1024;
const LINES_MAX: usize = 200;
/// As the API allows them.
const NAME_BYTES_MAX: usize = 100;
