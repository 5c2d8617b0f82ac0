//! Secrets at rest: envelope encryption with AES-256-GCM.
//!
//! Each value has a data key of its own, which is wrapped by the deployment's newest master key. Both layers are bound to
//! the place where the value stands (table, row, column), so that a value moved elsewhere does not open. A new master
//! key means wrapping the data keys anew; the values stay as they are.

use std::fmt;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};

use super::{Secret, WeakSecret, decode, encode};

/// The master keys, newest first.
pub struct Seals(Vec<Secret>);

/// Where a value stands.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Which table, or object.
    pub table: &'a str,
    /// Which row.
    pub row: &'a str,
    /// Which column.
    pub column: &'a str,
}

/// A value does not open: changed, moved, or sealed with a key that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sealed value does not open: its SEALING_KEY is missing, or it was changed or moved")
    }
}

/// Random bytes for one sealing: a data key and two nonces.
pub type Randomness = [u8; DATA_KEY_BYTES + 2 * NONCE_BYTES];

impl Seals {
    /// From the secrets of the setting `SEALING_KEY`: see [`Secret::list`].
    pub fn derive(setting: &str) -> Result<Seals, WeakSecret> {
        Secret::list(setting).map(Seals)
    }

    /// `s1.{master key's id}.{wrapped data key}.{sealed value}`
    pub fn seal(&self, place: Place<'_>, value: &str, random: &Randomness) -> String {
        let (data_key, nonces) = random.split_at(DATA_KEY_BYTES);
        let (wrap_nonce, nonce) = nonces.split_at(NONCE_BYTES);
        let master = self.newest();
        let wrapped = encrypt(&master.derive(PURPOSE), wrap_nonce, place, &master.id(), data_key);
        let sealed = encrypt(data_key, nonce, place, "", value.as_bytes());
        format!("{VERSION}.{}.{}.{}", master.id(), encode(&wrapped), encode(&sealed))
    }

    /// The value that was sealed at this place.
    pub fn open(&self, place: Place<'_>, sealed: &str) -> Result<String, Broken> {
        let [kid, wrapped, value] = parts(sealed)?;
        let data_key = self.unwrap(place, kid, wrapped)?;
        let value = decrypt(&data_key, place, "", &decode(value).ok_or(Broken)?)?;
        String::from_utf8(value).map_err(|_| Broken)
    }

    /// The same value under the newest master key; `None` when it is already. Needs a nonce.
    pub fn rewrap(&self, place: Place<'_>, sealed: &str, nonce: &[u8; NONCE_BYTES]) -> Result<Option<String>, Broken> {
        let [kid, wrapped, value] = parts(sealed)?;
        let master = self.newest();
        if kid == master.id() {
            return Ok(None);
        }
        let data_key = self.unwrap(place, kid, wrapped)?;
        let wrapped = encrypt(&master.derive(PURPOSE), nonce, place, &master.id(), &data_key);
        Ok(Some(format!("{VERSION}.{}.{}.{value}", master.id(), encode(&wrapped))))
    }

    fn unwrap(&self, place: Place<'_>, kid: &str, wrapped: &str) -> Result<Vec<u8>, Broken> {
        let master = self.0.iter().find(|secret| secret.id() == kid).ok_or(Broken)?;
        decrypt(&master.derive(PURPOSE), place, kid, &decode(wrapped).ok_or(Broken)?)
    }

    fn newest(&self) -> &Secret {
        self.0.first().expect("Secret::list refuses none")
    }
}

/// Whether a stored text is sealed; one from before there was sealing is not.
pub fn is_sealed(text: &str) -> bool {
    text.starts_with("s1.")
}

fn parts(sealed: &str) -> Result<[&str; 3], Broken> {
    let parts: Vec<&str> = sealed.split('.').collect();
    match parts.as_slice() {
        [VERSION, kid, wrapped, value] => Ok([kid, wrapped, value]),
        _ => Err(Broken),
    }
}

/// Nonce, ciphertext and tag.
fn encrypt(key: &[u8], nonce: &[u8], place: Place<'_>, more: &str, value: &[u8]) -> Vec<u8> {
    let cipher = Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(key));
    let payload = Payload { msg: value, aad: &bound_to(place, more) };
    let sealed = cipher.encrypt(Nonce::from_slice(nonce), payload).expect("far below the 64 GiB that GCM takes");
    [nonce, &sealed].concat()
}

fn decrypt(key: &[u8], place: Place<'_>, more: &str, sealed: &[u8]) -> Result<Vec<u8>, Broken> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES).ok_or(Broken)?;
    if key.len() != DATA_KEY_BYTES {
        return Err(Broken);
    }
    let cipher = Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(key));
    let payload = Payload { msg: sealed, aad: &bound_to(place, more) };
    cipher.decrypt(Nonce::from_slice(nonce), payload).map_err(|_| Broken)
}

/// Each part after its length, so that no two places read the same.
fn bound_to(place: Place<'_>, more: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [VERSION, place.table, place.row, place.column, more] {
        bytes.extend_from_slice(&(part.len() as u32).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

const VERSION: &str = "s1";
const PURPOSE: &str = "seal";
const DATA_KEY_BYTES: usize = 32;
/// GCM's own nonce length, 96 bits. Data keys are used once, and master keys wrap far fewer than 2^32 of them.
pub const NONCE_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "an-old-master-key-of-thirty-two-bytes";
    const NEW: &str = "a-newer-master-key-of-thirty-two-bytes";
    const HERE: Place<'_> = Place { table: "accounts", row: "main", column: "settings" };

    fn seals(setting: &str) -> Seals {
        Seals::derive(setting).unwrap()
    }

    fn random(seed: u8) -> Randomness {
        std::array::from_fn(|at| seed.wrapping_mul(31).wrapping_add(at as u8))
    }

    #[test]
    fn opens_where_it_was_sealed_alone() {
        let seals = seals(OLD);
        let sealed = seals.seal(HERE, "app-secret 密", &random(1));
        assert!(is_sealed(&sealed) && !sealed.contains("app-secret"));
        assert!(!is_sealed("app-secret 密") && !is_sealed(""));
        assert_eq!(seals.open(HERE, &sealed).as_deref(), Ok("app-secret 密"));
        for place in [
            Place { row: "other", ..HERE },
            Place { column: "other", ..HERE },
            Place { table: "other", ..HERE },
            Place { table: "account", row: "smain", ..HERE },
        ] {
            assert_eq!(seals.open(place, &sealed), Err(Broken), "{place:?}");
        }
    }

    #[test]
    fn two_values_cannot_be_mixed() {
        let seals = seals(OLD);
        let (one, two) = (seals.seal(HERE, "one", &random(1)), seals.seal(HERE, "two", &random(2)));
        let [one, two]: [Vec<&str>; 2] = [one.split('.').collect(), two.split('.').collect()];
        assert_eq!(seals.open(HERE, &[one[0], one[1], one[2], two[3]].join(".")), Err(Broken));
        for at in 0..one.len() {
            let mut changed = one.clone();
            let flipped = format!("{}A", &one[at][..one[at].len() - 1]);
            changed[at] = &flipped;
            if changed != one {
                assert_eq!(seals.open(HERE, &changed.join(".")), Err(Broken), "part {at}");
            }
        }
        for text in ["", "s1", "s1...", "s1.a.b.c", "s2.a.b.c", "plain"] {
            assert_eq!(seals.open(HERE, text), Err(Broken), "{text}");
        }
    }

    #[test]
    fn master_keys_rotate() {
        let sealed = seals(OLD).seal(HERE, "secret", &random(1));
        let both = seals(&format!("{NEW} {OLD}"));
        assert_eq!(both.open(HERE, &sealed).as_deref(), Ok("secret"));
        let again = both.rewrap(HERE, &sealed, &[9; NONCE_BYTES]).unwrap().unwrap();
        assert_eq!(both.rewrap(HERE, &again, &[9; NONCE_BYTES]), Ok(None));
        assert_eq!(seals(NEW).open(HERE, &again).as_deref(), Ok("secret"));
        assert_eq!(seals(NEW).open(HERE, &sealed), Err(Broken));
        assert_eq!(seals(OLD).open(HERE, &again), Err(Broken));
        assert_eq!(both.rewrap(Place { row: "x", ..HERE }, &sealed, &[9; NONCE_BYTES]), Err(Broken));
    }
}
