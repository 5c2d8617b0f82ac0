//! WXBizMsgCrypt: how callbacks of WeCom, official accounts and mini programs are encrypted and signed. Official pages:
//! developer.work.weixin.qq.com "加解密方案说明", developers.weixin.qq.com "消息加解密说明".
//!
//! The key is the base64 of 32 bytes without its `=`. AES-256-CBC, the IV is the key's first half, PKCS#7 to blocks of
//! 32 bytes. In it: 16 random bytes, the text's length (4 bytes, big-endian), the text, whom it is for.

use aes::Aes256;
use base64ct::{Base64, Encoding};
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};
use protocol::Timestamp;
use sha1::{Digest, Sha1};

use crate::platform::encoding::{hex, same};
use crate::platform::{Raw, Rejected};

/// An EncodingAESKey, read.
pub struct Key([u8; 32]);

impl Key {
    /// Reads 43 characters of base64. The last one may hold two bits too many, as in the platform's own sample, which
    /// strict decoders refuse.
    pub fn read(encoding_aes_key: &str) -> Option<Key> {
        let (head, last) = encoding_aes_key.split_at_checked(KEY_CHARS - 1)?;
        let mut chars = last.chars();
        let last = ALPHABET.find(chars.next()?)? & !3;
        let last = ALPHABET.get(last..=last).filter(|_| chars.next().is_none())?;
        let bytes = Base64::decode_vec(&[head, last, "="].concat()).ok()?;
        bytes.try_into().ok().map(Key)
    }

    /// Decrypts a text that was meant for `receiver`.
    pub fn open(&self, encrypt: &str, receiver: &str) -> Result<String, Rejected> {
        let bytes = Base64::decode_vec(encrypt).map_err(|_| Rejected::BadBase64)?;
        let plain = self.decrypt(&bytes)?;
        let (length, rest) = plain
            .get(RANDOM_BYTES..)
            .and_then(|after| after.split_first_chunk::<LENGTH_BYTES>())
            .ok_or(Rejected::TooShort)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (text, meant_for) = rest.split_at_checked(length).ok_or(Rejected::BadMessageLength)?;
        if meant_for != receiver.as_bytes() {
            return Err(Rejected::ReceiverMismatch);
        }
        String::from_utf8(text.to_vec()).map_err(|_| Rejected::NotUtf8)
    }

    /// Encrypts a text that is meant for `receiver`.
    pub fn seal(&self, random: &[u8; RANDOM_BYTES], text: &str, receiver: &str) -> String {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes();
        let mut plain = [&random[..], &length, text.as_bytes(), receiver.as_bytes()].concat();
        let padding = PAD_BYTES_MAX - plain.len() % PAD_BYTES_MAX;
        plain.resize(plain.len() + padding, padding as u8);
        let cipher = cbc::Encryptor::<Aes256>::new(&self.0.into(), &self.iv().into());
        Base64::encode_string(&cipher.encrypt_padded_vec_mut::<NoPadding>(&plain))
    }

    /// Decrypts bytes.
    pub fn decrypt(&self, bytes: &[u8]) -> Result<Vec<u8>, Rejected> {
        let mut opening = self.opening();
        let mut plain = opening.next(bytes);
        plain.append(&mut opening.end()?);
        Ok(plain)
    }

    /// Decrypts bytes as they come, as files of AI bots are.
    pub fn opening(&self) -> Opening {
        Opening { cipher: cbc::Decryptor::new(&self.0.into(), &self.iv().into()), held: Vec::new() }
    }

    fn iv(&self) -> [u8; 16] {
        let Key([iv @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _]) = self;
        *iv
    }
}

/// Something that is being decrypted. The padding is removed by hand: libraries expect it to fill blocks of 16 bytes, and
/// refuse every second message.
pub struct Opening {
    cipher: cbc::Decryptor<Aes256>,
    /// What may be padding, and what is no whole block yet.
    held: Vec<u8>,
}

impl Opening {
    /// As much as is certain after these bytes.
    pub fn next(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let whole = self.held.len().saturating_sub(PAD_BYTES_MAX) / BLOCK_BYTES * BLOCK_BYTES;
        let rest = self.held.split_off(whole);
        let mut plain = std::mem::replace(&mut self.held, rest);
        self.decrypt(&mut plain);
        plain
    }

    /// The rest.
    pub fn end(mut self) -> Result<Vec<u8>, Rejected> {
        let mut plain = std::mem::take(&mut self.held);
        if plain.is_empty() || !plain.len().is_multiple_of(BLOCK_BYTES) {
            return Err(Rejected::BadLength);
        }
        self.decrypt(&mut plain);
        let padding = plain.last().copied().unwrap_or_default();
        let kept = plain.len().checked_sub(padding.into()).ok_or(Rejected::BadPadding)?;
        let is_filled = plain.iter().skip(kept).all(|&byte| byte == padding);
        if !(1..=PAD_BYTES_MAX).contains(&padding.into()) || !is_filled {
            return Err(Rejected::BadPadding);
        }
        plain.truncate(kept);
        Ok(plain)
    }

    fn decrypt(&mut self, blocks: &mut [u8]) {
        for block in blocks.chunks_exact_mut(BLOCK_BYTES) {
            self.cipher.decrypt_block_mut(Block::from_mut_slice(block));
        }
    }
}

type Block = cbc::cipher::generic_array::GenericArray<u8, cbc::cipher::consts::U16>;

/// hex(SHA-1(the parts, sorted, joined)).
pub fn signature(parts: &[&str]) -> String {
    // Four of them: the library's sort is 3 KB of code.
    let mut sorted: Vec<&str> = Vec::with_capacity(parts.len());
    for part in parts {
        let place = sorted.iter().take_while(|before| *before <= part).count();
        sorted.insert(place, part);
    }
    hex(&Sha1::digest(sorted.concat()))
}

/// Checks the query parameter `name`, which signs the token, two other parameters and, where there is one, a text.
/// One that differs from `now` by more than `age_s_max` seconds is too old to be a repetition.
pub fn check_signature(
    raw: &Raw<'_>,
    name: &str,
    token: &str,
    signed: &[&str],
    now: Timestamp,
    age_s_max: u64,
) -> Result<(), Rejected> {
    let given = raw.param(name).ok_or(Rejected::SignatureMissing)?;
    let timestamp = raw.param("timestamp").ok_or(Rejected::TimestampMissing)?;
    let nonce = raw.param("nonce").ok_or(Rejected::SignatureMissing)?;
    let parts = [&[token, &timestamp, &nonce], signed].concat();
    if !same(&signature(&parts), &given) {
        return Err(Rejected::SignatureMismatch);
    }
    let sent_s: u64 = timestamp.parse().map_err(|_| Rejected::SignatureMismatch)?;
    if sent_s.abs_diff(now.0 / 1000) > age_s_max {
        return Err(Rejected::Stale);
    }
    Ok(())
}

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const KEY_CHARS: usize = 43;
const RANDOM_BYTES: usize = 16;
const LENGTH_BYTES: usize = 4;
const PAD_BYTES_MAX: usize = 32;
const BLOCK_BYTES: usize = 16;
