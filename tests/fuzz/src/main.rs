//! libFuzzer's program: runs the target that `TOLLGATE_FUZZ_TARGET` names. `scripts/fuzz` builds it with coverage and starts it.
//!
//! Must not know: what a target does.
#![no_main]

use std::sync::OnceLock;

use tollgate_fuzz::{Target, target};

static CHOSEN: OnceLock<Target> = OnceLock::new();

fn chosen() -> Target {
    let name = std::env::var("TOLLGATE_FUZZ_TARGET").expect("TOLLGATE_FUZZ_TARGET names a target");
    target(&name).unwrap_or_else(|| panic!("there is no target {name}"))
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| (CHOSEN.get_or_init(chosen).run)(input));
