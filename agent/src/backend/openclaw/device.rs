//! Who this agent is to a gateway: an Ed25519 key pair, made once and kept in the state directory. A gateway knows a
//! device again by it, also after a restart, and lets it stop its own turns only.
//! OpenClaw's docs/gateway/protocol/auth.md, "Device identity and pairing".

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use ed25519_dalek::{SECRET_KEY_LENGTH, Signer, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::error::Stop;

/// The identity.
pub struct Device {
    key: SigningKey,
    id: String,
}

/// What a device says about a connection, and signs.
pub struct Claim<'a> {
    /// The kind of client, from the gateway's closed list.
    pub client: &'a str,
    /// How it runs, from the gateway's closed list.
    pub mode: &'a str,
    /// The system it runs on, in lower case.
    pub platform: &'a str,
    /// `operator`.
    pub role: &'a str,
    /// What it asks to be allowed.
    pub scopes: &'a [&'a str],
    /// The gateway's token or password; empty without.
    pub token: &'a str,
}

/// The gateway's `connect.challenge`.
#[derive(Debug, serde::Deserialize)]
pub struct Challenge {
    /// Never the same twice.
    pub nonce: String,
    /// The gateway's clock, in milliseconds since 1970. Signed as it is, so that this machine's clock may be wrong.
    pub ts: u64,
}

impl Device {
    /// Reads the identity from the state directory, or makes it there, readable by its owner alone. One process at a
    /// time: the store's lock sees to that.
    pub fn open(state_dir: &Path) -> Result<Device, Stop> {
        let path = state_dir.join(FILE);
        let cannot = |what: &str| Stop::Failed(format!("the device key {} {what}", path.display()));
        let seed = match fs::read_to_string(&path) {
            Ok(text) => {
                let mut seed = [0; SECRET_KEY_LENGTH];
                let read = Base64::decode(text.trim(), &mut seed).is_ok_and(|bytes| bytes.len() == SECRET_KEY_LENGTH);
                if !read {
                    return Err(cannot(
                        "is damaged: delete it, and a new one is made, which a gateway may want to approve",
                    ));
                }
                seed
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let seed = random().ok_or_else(|| cannot("cannot be made: this system has no random numbers"))?;
                write(&path, &Base64::encode_string(&seed))
                    .map_err(|error| cannot(&format!("cannot be written: {error}")))?;
                seed
            }
            Err(error) => return Err(cannot(&format!("cannot be read: {error}"))),
        };
        Ok(Device::new(&seed))
    }

    fn new(seed: &[u8; SECRET_KEY_LENGTH]) -> Device {
        let key = SigningKey::from_bytes(seed);
        // The id is the fingerprint of the public key, which the gateway computes again.
        let id = hex(&Sha256::digest(key.verifying_key().as_bytes()));
        Device { key, id }
    }

    /// 64 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `device` of the `connect` request: proves that this challenge reached the owner of the key. The signed text is the
    /// gateway's version 3, which binds the platform too; this program has no device family.
    pub fn prove(&self, claim: &Claim<'_>, challenge: &Challenge) -> Value {
        let Claim { client, mode, platform, role, scopes, token } = claim;
        let Challenge { nonce, ts } = challenge;
        let scopes = scopes.join(",");
        let text = format!("v3|{}|{client}|{mode}|{role}|{scopes}|{ts}|{token}|{nonce}|{platform}|", self.id);
        json!({
            "id": self.id,
            "publicKey": Base64UrlUnpadded::encode_string(self.key.verifying_key().as_bytes()),
            "signature": Base64UrlUnpadded::encode_string(&self.key.sign(text.as_bytes()).to_bytes()),
            "signedAt": ts,
            "nonce": nonce,
        })
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn random() -> Option<[u8; SECRET_KEY_LENGTH]> {
    let mut seed = [0; SECRET_KEY_LENGTH];
    rustls::crypto::ring::default_provider().secure_random.fill(&mut seed).ok()?;
    Some(seed)
}

/// Renamed when it is whole and on disk: a crash leaves no half of a key.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut options = File::options();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&fresh)?;
    file.write_all(format!("{text}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

const FILE: &str = "openclaw-device.key";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let made = Device::open(dir.path()).unwrap();
        assert_eq!(Device::open(dir.path()).unwrap().id(), made.id());
        assert_ne!(Device::open(tempfile::tempdir().unwrap().path()).unwrap().id(), made.id());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(dir.path().join(FILE), "AAAA").unwrap();
        let line = Device::open(dir.path()).err().unwrap().to_string();
        assert!(line.contains("is damaged: delete it") && !line.contains("AAAA"), "{line}");
    }

    #[test]
    fn the_signed_text_is_the_gateways() {
        let device = Device::new(&[7; SECRET_KEY_LENGTH]);
        let scopes = ["operator.read", "operator.write"];
        let claim = Claim {
            client: "gateway-client",
            mode: "backend",
            platform: "linux",
            role: "operator",
            scopes: &scopes,
            token: "t0ken",
        };
        let proof = device.prove(&claim, &Challenge { nonce: "n-1".into(), ts: 1_795_312_480_674 });
        // Made by Node from the text that OpenClaw documents, which a gateway took. Whoever changes the text is refused by
        // every gateway: DEVICE_AUTH_SIGNATURE_INVALID.
        let signature = "UDLa2EGHPU4xPMVZ3pSvplQ_63PEFvAm3Z6gSRW1e2qaeNXSZNROgp1x1nJmMV2SRd2Ok3M2NC9Jzo_s4CRcDA";
        assert_eq!(proof["signature"], signature);
        assert_eq!(device.id(), "fe812c12f3ab4ce6ac5db69ac352f906cb1b11ef43fb33e252ef7ff552263889");
        assert_eq!((&proof["signedAt"], &proof["nonce"]), (&json!(1_795_312_480_674_u64), &json!("n-1")));
    }
}
