//! Any answer on its way to Feishu, in the short form of `long_text`, up to the limit of an answer.
//!
//! Holds: no panic; it ends; the parts together are the text, but for `<at`, which would call people; each request is
//! JSON within the platform's 150,000 bytes, with an idempotency key of its own; only the last part is called so.
#![no_main]

use std::collections::BTreeSet;

use claw_relay_fuzz::{feishu, long_text, memory};
use protocol::Seq;
use protocol::limit::TEXT_BYTES_MAX;
use relay::platform::{Outbound, send};
use relay::store::Origin;
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|data: &[u8]| memory::within(64, || run(&long_text(data, TEXT_BYTES_MAX))));

fn run(text: &str) {
    let account = feishu::account("", feishu::TOKEN);
    let origin = Origin { account: account.id.clone(), message: "om_1".into() };
    let conversation = "feishu:main:oc_1".parse().unwrap();
    let (seq, files, buttons) = (Seq(2), Vec::new(), Vec::new());
    let (text_of, question) = (text.to_owned(), None);
    let mut outbound = Outbound { origin, conversation, seq, text: text_of, files, buttons, part: 0, question };
    let (mut joined, mut keys, mut is_rich) = (String::new(), BTreeSet::new(), false);
    loop {
        let call = send(&account, &outbound).expect("a part that was announced");
        if outbound.part == 0 {
            assert_eq!(send(&account, &outbound).as_ref(), Ok(&call), "a retry is the same request");
        }
        assert_eq!(call.request.url, "https://open.feishu.cn/open-apis/im/v1/messages/om_1/reply");
        let body = call.request.body.expect("a POST");
        assert!(body.len() <= 150_000, "part {} has {} bytes", outbound.part, body.len());
        let body: Value = serde_json::from_str(&body).unwrap();
        let content: Value = serde_json::from_str(body["content"].as_str().unwrap()).unwrap();
        is_rich |= body["msg_type"] == "post";
        let part = content["text"].as_str().or(content["zh_cn"]["content"][0][0]["text"].as_str()).unwrap();
        assert!(!part.is_empty() || text.is_empty(), "an empty part would be refused");
        joined.push_str(part);
        let key = body["uuid"].as_str().unwrap().to_owned();
        assert!(key.len() <= 50 && keys.insert(key), "Feishu takes 50 characters, each key once");
        outbound.part += 1;
        if call.is_last {
            break;
        }
    }
    // In parts, Markdown is written anew: a block of code that is cut begins again.
    if !is_rich {
        let readable = |text: &str| text.replace("＜at", "<at").replace("＜/at", "</at");
        assert_eq!(readable(&joined), readable(text));
    }
    assert!(!joined.contains("<at") && !joined.contains("</at"));
    assert!(send(&account, &outbound).is_err(), "nothing follows the last part");
}
