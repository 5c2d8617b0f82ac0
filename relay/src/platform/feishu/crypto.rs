//! Feishu's body encryption and signatures ("Encrypt Key" in the platform's event guide).

use aes::Aes256;
use base64ct::{Base64, Encoding};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockDecryptMut, KeyIvInit};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::platform::Rejected;
use crate::platform::encoding::{hex, same};

/// Decrypts the `encrypt` string: AES-256-CBC, key = SHA-256 of the Encrypt Key, IV = the first block, PKCS#7.
pub fn decrypt(encrypt_key: &str, encrypt: &str) -> Result<Vec<u8>, Rejected> {
    let bytes = Base64::decode_vec(encrypt).map_err(|_| Rejected::BadBase64)?;
    let (iv, ciphertext) = bytes.split_at_checked(BLOCK_BYTES).ok_or(Rejected::BadLength)?;
    if ciphertext.is_empty() || ciphertext.len() % BLOCK_BYTES != 0 {
        return Err(Rejected::BadLength);
    }
    let key = Sha256::digest(encrypt_key.as_bytes());
    let cipher = cbc::Decryptor::<Aes256>::new_from_slices(&key, iv).map_err(|_| Rejected::BadLength)?;
    cipher.decrypt_padded_vec_mut::<Pkcs7>(ciphertext).map_err(|_| Rejected::BadPadding)
}

/// Checks `X-Lark-Signature`: hex(SHA-256(timestamp ‖ nonce ‖ Encrypt Key ‖ raw body)).
pub fn check_signature(
    timestamp: &str,
    nonce: &str,
    encrypt_key: &str,
    body: &[u8],
    signature: &str,
) -> Result<(), Rejected> {
    let digest = Sha256::new().chain_update(timestamp).chain_update(nonce).chain_update(encrypt_key);
    check(&digest.chain_update(body).finalize(), signature)
}

/// Checks the signature of the old card callback (`card.action.trigger_v1`):
/// hex(SHA-1(timestamp ‖ nonce ‖ Verification Token ‖ raw body)); its body is never encrypted.
pub fn check_card_v1_signature(
    timestamp: &str,
    nonce: &str,
    verification_token: &str,
    body: &[u8],
    signature: &str,
) -> Result<(), Rejected> {
    let digest = Sha1::new().chain_update(timestamp).chain_update(nonce).chain_update(verification_token);
    check(&digest.chain_update(body).finalize(), signature)
}

/// Compares with lower-case hex, which is what the platform sends.
fn check(digest: &[u8], signature: &str) -> Result<(), Rejected> {
    if same(&hex(digest), signature) { Ok(()) } else { Err(Rejected::SignatureMismatch) }
}

const BLOCK_BYTES: usize = 16;
