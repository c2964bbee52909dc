//! Passwords: what one must be, and Argon2id for keeping it. A hash takes 7 MiB and a while: one at a time, away from
//! the threads that serve pages.
use std::fmt;

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc};
use argon2::{Algorithm, Argon2, Params, Version};
use shouwang_message::Text;

/// OWASP Password Storage Cheat Sheet, the smallest of its equal Argon2id choices: 7 MiB, five passes, one lane. The
/// allocator keeps what one log-in took, and the whole process is promised 64 MiB. `MEMORY_KIB` is in KiB.
const MEMORY_KIB: u32 = 7 * 1_024;
const PASSES: u32 = 5;
const LANES: u32 = 1;
/// Characters: at least what NIST SP 800-63B section 5.1.1.2 asks, at most what a person types.
const SHORTEST: usize = 8;
const LONGEST: usize = 128;
/// Fewer different characters are a pattern.
const DIFFERENT: usize = 4;

/// A password's hash as a PHC string; no log shows it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Hash(String);

impl Hash {
    /// As it lies on disk.
    pub(crate) fn from_text(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(..)")
    }
}

/// Why a new password is refused: a stable code and words for people.
pub(crate) fn objection(password: &str, id: &str) -> Option<(&'static str, Text)> {
    let length = password.chars().count();
    let lower = password.to_lowercase();
    let different: std::collections::BTreeSet<char> = lower.chars().collect();
    let digits: Vec<char> = lower.chars().collect();
    let is_run = digits
        .windows(2)
        .all(|pair| matches!(pair, [one, other] if u32::from(*one).abs_diff(u32::from(*other)) <= 1));
    if !(SHORTEST..=LONGEST).contains(&length) {
        return Some((
            "password_length",
            Text::new("密码应为 8 到 128 个字符", "A password has 8 to 128 characters"),
        ));
    }
    if different.len() < DIFFERENT
        || is_run
        || lower.contains("password")
        || (id.len() > 2 && lower.contains(id))
    {
        let zh = "密码太容易猜:不要用连续或重复的字符,不要含账号";
        let en = "Too easy to guess: no runs, no repetition, not the account's id";
        return Some(("password_weak", Text::new(zh, en)));
    }
    None
}

/// A new password's hash; none if the system gives no randomness or no memory.
pub(crate) fn hash(password: &str) -> Option<Hash> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).ok()?;
    let hash: phc::PasswordHash = argon2()?.hash_password_with_salt(password.as_bytes(), &salt).ok()?;
    Some(Hash(hash.to_string()))
}

/// Whether this is the password. Without a hash it takes as long, so that the time does not say who has an account.
pub(crate) fn is_right(password: &str, hash: Option<&Hash>) -> bool {
    let Some(argon2) = argon2() else { return false };
    let Some(hash) = hash else {
        let mut spent = [0; 32];
        let _ = argon2.hash_password_into(password.as_bytes(), &[0; 16], &mut spent);
        return false;
    };
    match phc::PasswordHash::new(&hash.0) {
        Ok(known) => argon2.verify_password(password.as_bytes(), &known).is_ok(),
        Err(_) => false,
    }
}

fn argon2() -> Option<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_says_how_it_was_made_and_knows_its_password_alone() {
        let kept = hash("梅雨季 2026 青石桥").unwrap();
        assert!(kept.as_str().starts_with("$argon2id$v=19$m=7168,t=5,p=1$"), "{}", kept.as_str());
        assert!(is_right("梅雨季 2026 青石桥", Some(&kept)));
        assert!(!is_right("梅雨季 2026 青石橋", Some(&kept)));
        assert!(!is_right("", None));
        assert_ne!(hash("梅雨季 2026 青石桥").unwrap(), kept, "a salt of its own");
        assert_eq!(format!("{kept:?}"), "Hash(..)");
        assert!(!is_right("anything", Some(&Hash::from_text("$argon2id$broken".into()))));
    }

    #[test]
    fn what_is_guessed_first_is_refused() {
        for (password, code) in [
            ("", "password_length"),
            ("short-7", "password_length"),
            (&"x".repeat(129), "password_length"),
            ("88888888", "password_weak"),
            ("12345678", "password_weak"),
            ("87654321", "password_weak"),
            ("abababab", "password_weak"),
            ("Password1", "password_weak"),
            ("lead-zhang-1", "password_weak"),
        ] {
            assert_eq!(objection(password, "lead-zhang").map(|(code, _)| code), Some(code), "{password}");
        }
        for password in ["梅雨季青石桥水位", "correct horse", "Tr0ub4dor&3"] {
            assert_eq!(objection(password, "lead-zhang"), None, "{password}");
        }
    }
}
