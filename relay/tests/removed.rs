//! An agent that is no more: whoever asked it hears so where they asked. Found by the simulation, seed 28.

use crate::support::World;
use relay::hub::Input;
use relay::platform::Sent;

#[test]
fn a_chat_hears_of_it_also_when_a_device_asked_there_last() {
    let mut world = World::new();
    world.agent(None);
    let device = world.device(None);
    world.post("om_1", "asked on the platform").unwrap();
    world.says(device, r#"{"type":"send","id":"m1","conversation":"feishu:main:oc_1","text":"asked on the page"}"#);
    world.input(Input::Removed("agt_1".parse().unwrap()));
    assert_eq!(world.ring(|_| Sent::Taken).len(), 1, "its writer is told, as when questions expire");
}
