//! Ed25519 with a key made of the bot's secret ("签名校验"): the platform holds the same one.

use ed25519_dalek::{Signature, Signer, SigningKey};

use crate::platform::Rejected;
use crate::platform::encoding::{hex, unhex};

/// Checks `X-Signature-Ed25519`: hex(sign(timestamp ‖ raw body)).
pub(super) fn check_signature(secret: &str, timestamp: &str, body: &[u8], signature: &str) -> Result<(), Rejected> {
    let bytes = unhex(signature).ok_or(Rejected::SignatureEncoding)?;
    let bytes: [u8; 64] = bytes.try_into().map_err(|_| Rejected::SignatureLength)?;
    // The second half is a number, little-endian, below the order of the group: others are the same signature once more.
    let (_, number) = bytes.split_at(32);
    if number.iter().rev().ge(ORDER.iter()) {
        return Err(Rejected::SignatureMalformed);
    }
    let signed = [timestamp.as_bytes(), body].concat();
    let key = signing_key(secret).verifying_key();
    key.verify_strict(&signed, &Signature::from_bytes(&bytes)).map_err(|_| Rejected::SignatureMismatch)
}

/// hex(sign(text)). It proves to whoever has it that the text is the platform's: see [`super::verify`].
pub(super) fn sign(secret: &str, text: &str) -> String {
    hex(&signing_key(secret).sign(text.as_bytes()).to_bytes())
}

/// What the platform's signatures are checked with.
pub fn public_key(secret: &str) -> [u8; 32] {
    signing_key(secret).verifying_key().to_bytes()
}

/// The seed is the secret, again and again, cut to 32 bytes. Settings without a secret are refused by `check`.
fn signing_key(secret: &str) -> SigningKey {
    let mut seed = [0; 32];
    for (place, byte) in seed.iter_mut().zip(secret.bytes().cycle()) {
        *place = byte;
    }
    SigningKey::from_bytes(&seed)
}

/// 2^252 + 27742317777372353535851937790883648493, big-endian (RFC 8032).
const ORDER: [u8; 32] = [
    0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0xde, 0xf9, 0xde, 0xa2, 0xf7, 0x9c, 0xd6, 0x58, 0x12,
    0x63, 0x1a, 0x5c, 0xf5, 0xd3, 0xed,
];
