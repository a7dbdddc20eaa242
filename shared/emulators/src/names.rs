//! Names that no other test uses, in this process or in another.

use std::{
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::SystemTime,
};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A name that starts with `prefix`: letters, digits and `-` follow. 25 characters at most come after the prefix.
pub fn fresh_name(prefix: &str) -> String {
    format!("{prefix}-{}", unique("-"))
}

/// A name for a database as Spanner takes it: at most 30 characters, lower case, digits and `_`.
pub fn fresh_database_name() -> String {
    format!("t_{}", unique("_"))
}

/// Process ids come again, and so does the counter: the time, in milliseconds, tells their uses apart.
#[allow(clippy::disallowed_methods, reason = "a name for a test, not a time that anything follows")]
fn unique(between: &str) -> String {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // 35 bits of milliseconds come again after a year.
    let millis = since_1970.as_millis() % (1 << 35);
    format!("{millis:x}{between}{:x}{between}{number:x}", process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_once_and_is_short_enough_for_a_database() {
        let names: Vec<String> = (0..1000).map(|_| fresh_database_name()).collect();
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
        for name in names {
            assert!(name.len() <= 30 && name.starts_with("t_"), "{name}");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name}");
        }
        assert!(fresh_name("topic").len() <= "topic".len() + 26);
    }
}
