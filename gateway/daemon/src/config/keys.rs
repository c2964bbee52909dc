//! Whose commands are believed: Ed25519 keys by name.
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{PUBLIC_KEY_LENGTH, Signature, VerifyingKey};
use shouwang_message::Command;

/// The keys of `[commands] trusted_keys`, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedKeys {
    keys: BTreeMap<String, VerifyingKey>,
}

/// Why a key cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    #[error("a trusted key is written name:base64, the name with at most 64 bytes")]
    Form,
    #[error("the key is not 32 bytes of a sound Ed25519 public key")]
    Key,
    #[error("there is a key of this name already")]
    Twice,
}

impl TrustedKeys {
    /// No key is named: unsigned commands are accepted.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The name of the trusted key that signed this command: the key it names, if its signature over
    /// the payload's bytes is valid under strict rules (RFC 8032, no weak keys).
    pub fn signer(&self, command: &Command) -> Option<String> {
        let name = command.key.as_ref()?;
        let key = self.keys.get(name)?;
        let signature = STANDARD.decode(command.signature.as_ref()?).ok()?;
        let signature = Signature::from_slice(&signature).ok()?;
        key.verify_strict(command.payload.as_bytes(), &signature).ok()?;
        Some(name.clone())
    }

    /// Trusts one more key under this name.
    pub fn trust(&mut self, name: &str, key: &[u8; PUBLIC_KEY_LENGTH]) -> Result<(), BadKey> {
        if name.is_empty() || name.len() > 64 {
            return Err(BadKey::Form);
        }
        let key = VerifyingKey::from_bytes(key).map_err(|_| BadKey::Key)?;
        if key.is_weak() {
            return Err(BadKey::Key);
        }
        if self.keys.contains_key(name) {
            return Err(BadKey::Twice);
        }
        self.keys.insert(name.to_owned(), key);
        Ok(())
    }

    /// Takes one entry `name:base64`.
    pub(super) fn add(&mut self, entry: &str) -> Result<(), BadKey> {
        let (name, key) = entry.split_once(':').ok_or(BadKey::Form)?;
        let bytes = STANDARD.decode(key).map_err(|_| BadKey::Key)?;
        self.trust(name, &bytes.try_into().map_err(|_| BadKey::Key)?)
    }
}
