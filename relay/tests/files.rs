//! Files beside messages: stored, shown, and handed over after their words, one by one.

use crate::support::{self, World};
use protocol::json;
use protocol::{File, FileKind, ServerFrame, Timestamp};
use relay::file::Link;
use relay::hub::outbound;
use relay::platform::{self, Account, FILE_PART, Sent};

fn file(world: &World, name: &str) -> File {
    let user = support::user();
    let (id, kind, media_type) = (format!("fil_{name}").parse().unwrap(), FileKind::Image, Some("image/png".into()));
    let link = Link { user, id, name: name.into(), kind, media_type, bytes: Some(9), source: None };
    link.file(&support::keys(), "https://relay.example", world.now, Timestamp(world.now.0 + 1_000_000))
}

fn written(files: &[File]) -> String {
    serde_json::to_string(files).unwrap()
}

#[test]
fn they_are_stored_and_shown() {
    let mut world = World::new();
    let (agent, device) = (world.agent(None), world.device(None));
    let files = [file(&world, "a"), file(&world, "b")];
    world.says(device, &format!(r#"{{"type":"send","id":"m","text":"","files":{}}}"#, written(&files)));
    assert_eq!(world.envelopes(agent)[0].files, files);
    world.says(agent, &format!(r#"{{"type":"reply","reply_to":1,"text":"","files":{}}}"#, written(&files[..1])));
    assert_eq!(world.envelopes(device)[1].files, files[..1]);
    world.hibernate();
    let late = world.device(None);
    assert_eq!(world.envelopes(late).iter().map(|message| message.files.len()).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn what_is_no_file_is_refused() {
    let mut world = World::new();
    let device = world.device(None);
    let good = file(&world, "a");
    let refused = |world: &mut World, files: &str| {
        world.says(device, &format!(r#"{{"type":"send","id":"m","text":"hi","files":{files}}}"#));
        match world.heard[&device].last() {
            Some(ServerFrame::Error { detail, id: Some(id), .. }) if id.as_str() == "m" => detail.clone(),
            other => panic!("{other:?}"),
        }
    };
    let forged = File { url: format!("{}x", good.url), ..good.clone() };
    assert!(refused(&mut world, &written(&[good.clone(), forged])).starts_with("files[1].url: "));
    assert_eq!(refused(&mut world, &written(&vec![good.clone(); 11])), "files: at most 10");
    world.advance_ms(2_000_000);
    assert!(refused(&mut world, &written(&[good])).starts_with("files[0].url: "));
    assert!(world.envelopes(device).is_empty());
}

/// Words, then each file; what a crash or a refusal cuts off goes on where it was.
#[test]
fn they_follow_their_words_to_the_platform() {
    let mut world = World::new();
    let agent = world.agent(None);
    world.post("om_1", "draw").unwrap();
    let files = [file(&world, "a"), file(&world, "b")];
    world.says(agent, &format!(r#"{{"type":"reply","reply_to":1,"text":"two","files":{}}}"#, written(&files)));
    let mut verdicts = [Sent::Partly, Sent::Taken, Sent::Taken, busy(), Sent::Taken].into_iter();
    let mut handed = Vec::new();
    for _ in 0..2 {
        handed.extend(world.ring(|_| verdicts.next().unwrap()).iter().map(|delivery| delivery.part));
        world.crash();
        world.advance_ms(5_000);
    }
    assert_eq!(handed, [0, 1, FILE_PART, FILE_PART + 1, FILE_PART + 1]);
    assert_eq!(world.sql.count("deliveries"), 0);
}

#[test]
fn a_file_alone_has_no_words() {
    let mut world = World::new();
    let agent = world.agent(None);
    world.post("om_1", "draw").unwrap();
    let files = [file(&world, "a")];
    world.says(agent, &format!(r#"{{"type":"reply","reply_to":1,"text":"","files":{}}}"#, written(&files)));
    let handed = world.ring(|_| Sent::Taken);
    assert_eq!(handed.iter().map(|delivery| delivery.part).collect::<Vec<_>>(), [FILE_PART]);
    assert_eq!(handed[0].files, files);
}

#[test]
fn buttons_under_a_file_alone_are_words_before_it() {
    let mut world = World::new();
    let agent = world.agent(None);
    world.post("om_1", "draw").unwrap();
    let buttons = r#"[{"label":"Again","text":"draw again"}]"#;
    let files = written(&[file(&world, "a")]);
    world.says(agent, &format!(r#"{{"type":"reply","reply_to":1,"text":"","files":{files},"buttons":{buttons}}}"#));
    let handed = world.ring(|_| Sent::Taken);
    assert_eq!(handed.iter().map(|delivery| delivery.part).collect::<Vec<_>>(), [0, FILE_PART]);
    let account = r#"{"id":"main","platform":"feishu","app_id":"a","app_secret":"s","encrypt_key":"k"}"#;
    let account: Account = json::read(account).unwrap();
    let call = platform::send(&account, &outbound(handed[0].clone())).unwrap();
    assert!(call.request.body.unwrap().contains("Again: `draw again`"));
}

fn busy() -> Sent {
    Sent::Later { after_ms: None, why: "busy".into() }
}
