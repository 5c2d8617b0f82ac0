//! The exact JSON of every frame: `tests/vectors/frames.json`, which the page's codec reads too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use protocol::json::FromJson;
use protocol::{ClientFrame, Code, ServerFrame, decode, encode};
use serde::Serialize;
use serde_json::Value;

#[test]
fn frames() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/frames.json");
    let document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let vectors = document["vectors"].as_array().unwrap();
    assert!(vectors.len() > 30);
    for vector in vectors {
        let (json, valid) = (vector["json"].as_str().unwrap(), vector["valid"].as_bool().unwrap());
        match vector["direction"].as_str().unwrap() {
            "client" => check::<ClientFrame>(json, valid),
            "server" => check::<ServerFrame>(json, valid),
            other => panic!("{other}"),
        }
    }
}

fn check<F: FromJson + Serialize>(json: &str, valid: bool) {
    match decode::<F>(json) {
        Ok(frames) => {
            assert!(valid, "{json}");
            assert_eq!(frames.iter().map(encode).collect::<Vec<_>>(), [json]);
        }
        Err(error) => assert!(!valid, "{json}: {error}"),
    }
}

#[test]
fn peers_of_another_version_are_understood() {
    assert_eq!(decode::<ClientFrame>(r#"{"type":"from_the_future","x":1}"#).unwrap(), [ClientFrame::Unknown]);
    let batch = r#" [{"type":"from_the_future"}, {"type":"ack","seq":1,"new_field":true}]"#;
    assert_eq!(decode::<ClientFrame>(batch).unwrap().len(), 2);
    for frame in [
        r#"{"type":"state","seq":1,"state":"from_the_future"}"#,
        r#"{"type":"error","code":"from_the_future","detail":""}"#,
        r#"{"type":"welcome","user":"u","cursor":"1.1","resumed":{"outcome":"gap","from":1,"to":2,"reason":"from_the_future"},"window":1,"ping_ms":1}"#,
    ] {
        assert!(decode::<ServerFrame>(frame).is_ok(), "{frame}");
    }
}

#[test]
fn every_code_is_written_as_it_is_read() {
    for &code in Code::ALL {
        assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{code}\""));
        assert!((400..600).contains(&code.status()), "{code}");
    }
}
