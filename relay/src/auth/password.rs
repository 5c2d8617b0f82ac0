//! Passwords, as Argon2id (RFC 9106) keeps them.

use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq;

use super::{decode, encode};

/// One of the settings that OWASP's Password Storage Cheat Sheet holds equal: that with the least memory, 7 MiB, since a
/// Wasm memory never shrinks and is shared with everything else in the isolate. `tests/e2e/accounts.test.mjs` prints how
/// long a sign-in takes.
const MEMORY_KIB: u32 = 7 * 1024;
const PASSES: u32 = 5;
const LANES: u32 = 1;
const HASH_BYTES: usize = 32;

/// How a password is kept, in the PHC string format. `salt` is random.
pub fn hash(password: &str, salt: &[u8; 16]) -> String {
    let digest = digest(password, salt, MEMORY_KIB, PASSES, LANES).expect("these parameters are good");
    format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${}${}", encode(salt), encode(&digest))
}

/// Whether this is the password that was kept. `None` when nobody has that login: as much work as for a wrong password,
/// so that time does not tell who has one.
pub fn verify(password: &str, kept: Option<&str>) -> bool {
    let Some(kept) = kept.and_then(Kept::read) else {
        let _ = std::hint::black_box(digest(password, &[0; 16], MEMORY_KIB, PASSES, LANES));
        return false;
    };
    let digest = digest(password, &kept.salt, kept.memory, kept.passes, kept.lanes);
    digest.is_some_and(|digest| digest.ct_eq(&kept.digest).into())
}

/// Characters of a password: below, it is guessed; above, hashing it is a way to keep us busy.
pub fn is_acceptable(password: &str) -> bool {
    (PASSWORD_CHARACTERS_MIN..=PASSWORD_CHARACTERS_MAX).contains(&password.chars().count())
}

fn digest(password: &str, salt: &[u8], memory: u32, passes: u32, lanes: u32) -> Option<[u8; HASH_BYTES]> {
    let params = Params::new(memory, passes, lanes, Some(HASH_BYTES)).ok()?;
    let mut digest = [0; HASH_BYTES];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(password.as_bytes(), salt, &mut digest).ok()?;
    Some(digest)
}

/// What [`hash`] wrote, perhaps with parameters of an earlier version.
struct Kept {
    memory: u32,
    passes: u32,
    lanes: u32,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

impl Kept {
    fn read(kept: &str) -> Option<Kept> {
        let mut parts = kept.strip_prefix("$argon2id$v=19$")?.split('$');
        let (params, salt, digest) = (parts.next()?, decode(parts.next()?)?, decode(parts.next()?)?);
        let mut numbers = params.split(',').map(|pair| pair.split_once('=')?.1.parse().ok());
        Some(Kept { memory: numbers.next()??, passes: numbers.next()??, lanes: numbers.next()??, salt, digest })
    }
}

/// NIST SP 800-63B-4 §3.1.1.2 asks for 15 where a password is all there is, and for 8 beside another proof; 12 with a
/// limit on tries is OWASP ASVS 5's middle.
pub const PASSWORD_CHARACTERS_MIN: usize = 12;
/// The longest password.
pub const PASSWORD_CHARACTERS_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_password_alone_is_accepted() {
        let kept = hash("correct horse battery", &[7; 16]);
        assert!(kept.starts_with("$argon2id$v=19$m=7168,t=5,p=1$"), "{kept}");
        assert!(verify("correct horse battery", Some(&kept)));
        assert!(!verify("correct horse batterz", Some(&kept)));
        assert!(!verify("", Some(&kept)));
        assert!(!verify("correct horse battery", None));
        assert!(!verify("correct horse battery", Some("$argon2id$v=19$m=7168,t=5,p=1$$")));
        assert_ne!(kept, hash("correct horse battery", &[8; 16]), "salted");
    }

    /// Parameters may be raised later: what was kept says which it was made with.
    #[test]
    fn kept_with_other_parameters() {
        let digest = digest("correct horse battery", &[7; 16], 64, 2, 1).unwrap();
        let kept = format!("$argon2id$v=19$m=64,t=2,p=1${}${}", encode(&[7; 16]), encode(&digest));
        assert!(verify("correct horse battery", Some(&kept)));
    }

    #[test]
    fn length_counts_characters() {
        assert!(!is_acceptable("elevenchars"));
        assert!(is_acceptable("密码密码密码密码密码密码"));
        assert!(!is_acceptable(&"x".repeat(129)));
    }
}
