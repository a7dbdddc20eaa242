//! What happens to a test whose part is missing: it says so and is skipped, unless it must not be.
//!
//! Must not know: which parts there are.

use std::env;

/// Is the part `name` present? If it is not, says how to get it; the test should then return.
///
/// # Panics
/// When the part is missing and `TOLLGATE_REQUIRE`, a list with commas, names it.
#[allow(clippy::print_stderr, reason = "a skipped test has no other way to say so")]
pub fn require(name: &str, present: bool, how_to_get: &str) -> bool {
    if !present {
        let required = env::var("TOLLGATE_REQUIRE").unwrap_or_default();
        let is_required = required.split(',').any(|part| part.trim() == name);
        assert!(!is_required, "`{name}` is required and missing: {how_to_get}");
        eprintln!("skipped: `{name}` is missing: {how_to_get}");
    }
    present
}
