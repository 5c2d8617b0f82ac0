//! Every vector of `tests/vectors/`, the negative ones too.

mod dingtalk;
mod feishu;
mod qq;
mod telegram;
mod wechat;
mod wecom;

use protocol::Timestamp;
use relay::platform::{Outbound, Rejected};
use serde_json::{Value, json};

/// Runs `check` on every vector, and says how many there were, so that an empty file does not pass.
fn each(file: &str, expected_count: usize, check: impl Fn(&str, &str, &Value, &Value, bool)) {
    let path = format!("{}/../tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let vectors = document["vectors"].as_array().unwrap();
    for vector in vectors {
        let id = vector["id"].as_str().unwrap();
        let valid = vector["valid"].as_bool().unwrap();
        check(id, vector["kind"].as_str().unwrap(), &vector["input"], &vector["expected"], valid);
    }
    assert_eq!(vectors.len(), expected_count, "{file}");
}

fn headers(input: &Value) -> Vec<(String, String)> {
    let headers = input["headers"].as_object().unwrap();
    headers.iter().map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap().to_owned())).collect()
}

/// The suggested name of an error class.
fn name(rejected: Rejected) -> &'static str {
    match rejected {
        Rejected::BadBase64 => "bad_base64",
        Rejected::BadKey => "bad_encoding_aes_key",
        Rejected::BadLength => "bad_length",
        Rejected::BadMessageLength => "bad_message_length",
        Rejected::BadPadding => "bad_padding",
        Rejected::BodyNotJson | Rejected::NotJson => "not_json",
        Rejected::BodyNotXml => "not_xml",
        Rejected::ChallengeRefused => "validation_refused",
        Rejected::MissingEncrypt => "missing_encrypt",
        Rejected::NotUtf8 => "not_utf8",
        Rejected::PlaintextRefused => "plaintext_refused",
        Rejected::ReceiverMismatch => "receive_id_mismatch",
        Rejected::SignatureEncoding => "signature_encoding",
        Rejected::SignatureLength => "signature_length",
        Rejected::SignatureMalformed => "signature_malformed",
        Rejected::SignatureMismatch => "signature_mismatch",
        Rejected::SignatureMissing => "signature_missing",
        Rejected::Stale => "stale_timestamp",
        Rejected::TimestampMissing => "timestamp_missing",
        Rejected::TokenMismatch => "token_mismatch",
        Rejected::TokenMissing => "secret_missing",
        Rejected::TooShort => "too_short",
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key}"))
}

fn unhex(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A text on its way to this address of a platform.
fn outbound(address: &str, conversation: &str, seq: u64, text: &str) -> Outbound {
    let origin = serde_json::from_value(json!({ "account": "main", "message": address })).unwrap();
    Outbound::text(origin, conversation.parse().unwrap(), protocol::Seq(seq), text.into(), None)
}

/// 2024-11-22, when the vectors were signed.
const NOW: Timestamp = Timestamp(1_732_233_600_000);
