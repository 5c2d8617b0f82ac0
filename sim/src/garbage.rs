//! Clients that do not keep to the protocol: refused, perhaps closed, and without effect on anyone else.

use protocol::limit::{BATCH_FRAMES_MAX, FRAME_BYTES_MAX, TEXT_BYTES_MAX};

use crate::network::{Owner, Said, Up};
use crate::world::World;

impl World {
    /// Someone sends something that is not allowed, or not known.
    pub fn garbage(&mut self) {
        let open = self.network.which(|connection| connection.client && connection.intact && connection.relay);
        let Some(&peer) = self.random.pick(&open) else { return };
        let is_agent = match self.network.connections[&peer].owner {
            Owner::Agent(index) => {
                self.agents[index].naughty = true;
                true
            }
            Owner::Device(index) => {
                self.devices[index].naughty = true;
                false
            }
        };
        let text = match self.random.below(16) {
            0 => "not JSON".to_owned(),
            1 => return self.network.up(peer, Up::Binary),
            2 => format!("[{}]", vec![r#"{"type":"ack","seq":0}"#; BATCH_FRAMES_MAX + 1].join(",")),
            3 => r#"{"type":"ack","seq":9007199254740991}"#.to_owned(),
            4 => r#"{"type":"ack","seq":-1}"#.to_owned(),
            5 => r#"{"type":"hello"}"#.to_owned(),
            6 => r#"{"type":"hello","cursor":"nonsense"}"#.to_owned(),
            7 => r#"{"type":"of_another_version","seq":1}"#.to_owned(),
            8 => r#"[{"type":"of_another_version"},{"type":"ack","seq":0},[]]"#.to_owned(),
            // An agent would take the refusal for that of its own answer 1.
            9 if is_agent => r#"{"type":"send","id":"reply:123456789","text":"mine"}"#.to_owned(),
            9 => r#"{"type":"send","id":"reply:1","text":"mine"}"#.to_owned(),
            10 => r#"{"type":"send","id":"empty","text":""}"#.to_owned(),
            11 if is_agent => r#"{"type":"reply","reply_to":123456789,"text":"to nobody"}"#.to_owned(),
            11 => r#"{"type":"reply","reply_to":1,"text":"by a device"}"#.to_owned(),
            12 if is_agent => r#"{"type":"delta","reply_to":123456789,"offset":0,"text":"to nobody"}"#.to_owned(),
            12 => r#"{"type":"delta","reply_to":1,"offset":0,"text":"by a device"}"#.to_owned(),
            13 if self.random.chance(50) => {
                format!(r#"{{"type":"send","id":"long","text":"{}"}}"#, "x".repeat(TEXT_BYTES_MAX + 1))
            }
            14 if self.random.chance(20) => "x".repeat(FRAME_BYTES_MAX + 1),
            _ => r#"{"type":"fail","reply_to":0,"reason":"no reason"}"#.to_owned(),
        };
        self.network.up(peer, Up::Text(text, Said { frames: BATCH_FRAMES_MAX, ..Said::default() }));
    }
}
