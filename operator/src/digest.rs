//! Keys by their digests: what people are shown of one, and which one they mean.
//!
//! Must not know: keys themselves. Only their SHA-256 is ever read here.

use anyhow::bail;
use tollgate_gateway::ports::merchants::ApiKey;

use crate::failure::mistaken;

/// How much of a digest a table shows.
const SHOWN_DIGITS: usize = 12;
/// With less than this, a slip of the finger could mean another key.
const DIGITS_AT_LEAST: usize = 6;
/// A whole SHA-256.
const DIGITS_AT_MOST: usize = 64;

/// The whole digest, in hexadecimal.
pub(crate) fn whole(key: &ApiKey) -> String {
    hex::encode(key.digest.0)
}

/// Its beginning, for people.
pub(crate) fn short(key: &ApiKey) -> String {
    whole(key)[..SHOWN_DIGITS].to_owned()
}

/// The one of `keys` whose digest begins with `prefix`. What is no digest is not repeated: it may be a key.
pub(crate) fn find<'a>(keys: &'a [ApiKey], prefix: &str) -> anyhow::Result<&'a ApiKey> {
    let prefix = prefix.to_ascii_lowercase();
    let is_digest = prefix.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_digest || !(DIGITS_AT_LEAST..=DIGITS_AT_MOST).contains(&prefix.len()) {
        return Err(mistaken(format!(
            "DIGEST_PREFIX must be the first {DIGITS_AT_LEAST} or more hexadecimal digits of a digest, as `tollgate keys list` shows it; a key itself is never typed here"
        )));
    }
    let meant: Vec<_> = keys.iter().filter(|key| whole(key).starts_with(&prefix)).collect();
    match meant[..] {
        [key] => Ok(key),
        [] => bail!("the merchant has no key whose digest begins with {prefix}"),
        _ => bail!("{} keys have digests that begin with {prefix}: give more digits", meant.len()),
    }
}

#[cfg(test)]
mod tests {
    use tollgate_domain::{KeyHash, MerchantId, Timestamp};

    use super::*;

    fn key(last: u8) -> ApiKey {
        let mut digest = [0xab; 32];
        digest[8] = last;
        let (merchant, created_at) = (MerchantId::from_random([1; 16]), Timestamp::UNIX_EPOCH);
        ApiKey { digest: KeyHash(digest), merchant, created_at, revoked_at: None }
    }

    #[test]
    fn a_prefix_means_one_key_or_none() {
        let keys = [key(1), key(2)];
        let same = "ab".repeat(8);
        assert_eq!(find(&keys, &format!("{same}01")).unwrap(), &keys[0]);
        assert_eq!(find(&keys, &whole(&keys[1]).to_uppercase()).unwrap(), &keys[1]);
        let ambiguous = find(&keys, &same).unwrap_err().to_string();
        assert!(ambiguous.starts_with("2 keys"), "{ambiguous}");
        assert!(find(&keys, "ffffff").unwrap_err().to_string().contains("no key"));
    }

    #[test]
    fn what_is_no_digest_is_not_repeated() {
        for wrong in ["", "ababa", "tgk_0123456789abcdef", &"a".repeat(65), "äbcdef"] {
            let said = find(&[key(1)], wrong).unwrap_err().to_string();
            assert!(
                said.starts_with("DIGEST_PREFIX") && (wrong.is_empty() || !said.contains(wrong)),
                "{wrong}: {said}"
            );
        }
    }
}
