//! The duty room's own key: gateways that name it in `trusted_keys` believe commands signed by it and no others. It is
//! made once, on the duty room's own disk, and never leaves it; what gateways are given is its public half.
use std::fmt;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use shouwang_message::{Command, Id};

/// Bytes of the secret from which an Ed25519 key is made (RFC 8032, 5.1.5).
const SEED: usize = 32;
const FILE: &str = "command-key";

/// Signs commands as one duty room.
pub struct Signer {
    name: Id,
    key: Ed25519KeyPair,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    #[error("cannot read the command key {path}: {source}; run this as the duty room's user or root")]
    Read { path: PathBuf, source: std::io::Error },
    #[error(
        "everybody can read the command key {0}: run chmod 600 {0}, or delete it and name the new one to the gateways"
    )]
    Open(PathBuf),
    #[error(
        "{0} is no command key: it holds the base64 of {SEED} bytes; put it back from a backup, or delete it and name the new one to the gateways"
    )]
    Broken(PathBuf),
    #[error(
        "cannot write the command key {path}: {source}; start the duty room once, or run this as its user or root"
    )]
    Write { path: PathBuf, source: std::io::Error },
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
}

impl Signer {
    /// The key in `file`, or the one in `state_dir`, which is made if it is not there yet.
    pub fn open(name: &Id, state_dir: &Path, file: Option<&Path>) -> Result<Self, SigningError> {
        let own = state_dir.join(FILE);
        let path = file.unwrap_or(&own);
        let seed = match (file, Self::check(path)) {
            (_, Ok(())) => read(path)?,
            (None, Err(SigningError::Read { source, .. })) if source.kind() == ErrorKind::NotFound => {
                make(state_dir, path)?
            }
            (_, Err(error)) => return Err(error),
        };
        let key =
            Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| SigningError::Broken(path.into()))?;
        Ok(Self { name: name.clone(), key })
    }

    /// Whether a named key can be used.
    pub(crate) fn check(file: &Path) -> Result<(), SigningError> {
        let about =
            std::fs::metadata(file).map_err(|source| SigningError::Read { path: file.into(), source })?;
        if about.permissions().mode() & 0o007 != 0 {
            return Err(SigningError::Open(file.into()));
        }
        read(file).map(drop)
    }

    /// As a gateway's `[commands] trusted_keys` has it: `name:base64`.
    pub fn trusted_key(&self) -> String {
        format!("{}:{}", self.name, STANDARD.encode(self.key.public_key().as_ref()))
    }

    /// The command with our name and our signature over its payload.
    pub(crate) fn signed(&self, command: Command) -> Command {
        let signature = STANDARD.encode(self.key.sign(command.payload.as_bytes()).as_ref());
        Command { key: Some(self.name.to_string()), signature: Some(signature), ..command }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.name)
    }
}

fn read(path: &Path) -> Result<[u8; SEED], SigningError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| SigningError::Read { path: path.into(), source })?;
    let seed = STANDARD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
    seed.ok_or_else(|| SigningError::Broken(path.into()))
}

/// Whole or not at all, for the owner of the directory: root may be who asks.
fn make(state_dir: &Path, path: &Path) -> Result<[u8; SEED], SigningError> {
    let mut seed = [0; SEED];
    getrandom::fill(&mut seed).map_err(SigningError::Randomness)?;
    let new = state_dir.join(".command-key.new");
    let write = || {
        let _ = std::fs::remove_file(&new);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(format!("{}\n", STANDARD.encode(seed)).as_bytes())?;
        file.sync_all()?;
        let owner = std::fs::metadata(state_dir)?;
        if owner.uid() != std::fs::metadata(&new)?.uid() {
            chown(&new, Some(owner.uid()), Some(owner.gid()))?;
        }
        // Two that make it at once: the first one's stays.
        match std::fs::hard_link(&new, path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => std::fs::remove_file(&new)?,
        }
        std::fs::File::open(state_dir)?.sync_all()
    };
    write().map_err(|source| SigningError::Write { path: path.into(), source })?;
    read(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path, file: Option<&Path>) -> Result<Signer, SigningError> {
        Signer::open(&"duty-1".parse().unwrap(), dir, file)
    }

    #[test]
    fn a_key_is_made_once_and_signs_alike_ever_after() {
        let dir = tempfile::tempdir().unwrap();
        let command = || Command { payload: "{\"txn\":\"t\"}".into(), key: None, signature: None };
        let first = open(dir.path(), None).unwrap();
        let file = dir.path().join("command-key");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let again = open(dir.path(), None).unwrap();
        assert_eq!(first.signed(command()), again.signed(command()));
        assert_eq!(first.signed(command()).key.as_deref(), Some("duty-1"));
        assert_eq!(first.trusted_key(), again.trusted_key());
        let seed = std::fs::read_to_string(&file).unwrap();
        assert!(!format!("{first:?} {}", first.trusted_key()).contains(seed.trim()));
        // The same key, named in the configuration.
        assert_eq!(open(Path::new("/nowhere"), Some(&file)).unwrap().trusted_key(), first.trusted_key());
    }

    /// RFC 8032, 7.1, test 1.
    #[test]
    fn it_is_the_ed25519_of_the_standard() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        std::fs::write(&file, "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let signer = open(dir.path(), Some(&file)).unwrap();
        assert_eq!(signer.trusted_key(), "duty-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
        let signed = signer.signed(Command { payload: String::new(), key: None, signature: None });
        let signature =
            "5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM7rMYeOXAc+bRr0lv18FlbviRlUUFDjnoQCw==";
        assert_eq!(signed.signature.as_deref(), Some(signature));
    }

    #[test]
    fn a_key_that_others_read_or_that_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("command-key");
        std::fs::write(&file, "hunter2").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(open(dir.path(), None).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let broken = open(dir.path(), None).unwrap_err().to_string();
        assert!(broken.contains("is no command key") && !broken.contains("hunter2"), "{broken}");
        assert!(open(dir.path(), Some(&dir.path().join("nowhere"))).is_err());
        assert!(
            open(Path::new("/nowhere"), None).unwrap_err().to_string().contains("start the duty room once")
        );
    }
}
