//! Operations whose provider keeps an error under their id: to send them again only brings that error again, puts off the
//! time when "no such request" counts, and costs a call. They are asked about instead.
//!
//! Of this instance alone, and forgotten with it: another one finds out by sending once more, which does no harm.
//!
//! Must not know: which provider keeps what.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, PoisonError},
};

use tollgate_domain::ProviderRequestId;

/// So many are remembered, the latest.
const REMEMBERED: usize = 10_000;

/// Ids under which a provider repeated an error.
#[derive(Default)]
pub(crate) struct KeptErrors(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    known: HashSet<ProviderRequestId>,
    by_age: VecDeque<ProviderRequestId>,
}

impl KeptErrors {
    /// The provider repeated an error for `id`.
    pub(crate) fn remember(&self, id: ProviderRequestId) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.known.insert(id) {
            return;
        }
        all.by_age.push_back(id);
        if all.by_age.len() > REMEMBERED
            && let Some(oldest) = all.by_age.pop_front()
        {
            all.known.remove(&oldest);
        }
    }

    /// Whether it did.
    pub(crate) fn has(&self, id: ProviderRequestId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).known.contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_remembered_and_no_more_than_so_many() {
        let errors = KeptErrors::default();
        let id = |number: u32| {
            let mut bytes = [0; 16];
            bytes[12..].copy_from_slice(&number.to_be_bytes());
            ProviderRequestId::from_random(bytes)
        };
        let all: Vec<_> = (0..20_000).map(id).collect();
        for id in &all {
            errors.remember(*id);
            errors.remember(*id);
        }
        assert!(all[10_000..].iter().all(|id| errors.has(*id)));
        assert!(!all[..10_000].iter().any(|id| errors.has(*id)));
    }
}
