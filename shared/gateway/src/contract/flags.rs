//! Flags, and the changes that made them what they are.

use std::time::Duration;

use tollgate_domain::{
    ProviderName,
    routing::{Flag, FlagName, FlagValue, Scope},
};

use super::{Samples, Subject};
use crate::{change_flag, ports::Flags};

const STRIPE: FlagName = FlagName::Provider(ProviderName::Stripe);

fn off(revision: u64) -> Flag {
    let changed_at = Samples::start() + Duration::from_secs(revision);
    let (changed_by, why) = ("Ann 靴".to_owned(), "incident 4711: \"slow\"".to_owned());
    Flag { name: STRIPE, value: FlagValue::Off, revision, changed_at, changed_by, why }
}

/// As they were set, whoever they are for.
pub async fn flags_come_back_unchanged<S: Subject>(subject: &S) {
    let store = subject.store();
    assert_eq!(store.flags().await.unwrap(), []);
    let (merchant, currency) = (Some(Samples::new(90).merchant), Some("KWD".parse().unwrap()));
    let mut all = vec![off(1), Flag { name: FlagName::Provider(ProviderName::Bank), value: FlagValue::Unset, ..off(1) }];
    for (n, (merchant, currency)) in
        [(None, None), (merchant, None), (None, currency), (merchant, currency)].into_iter().enumerate()
    {
        let weights = ProviderName::ALL.into_iter().zip([0, u32::MAX, 7]).take(n).collect();
        let name = FlagName::Weights(Scope { merchant, currency });
        all.push(Flag { name, value: FlagValue::Weights(weights), ..off(1) });
    }
    for flag in &all {
        assert!(store.put_flag(flag).await.unwrap());
    }
    let mut found = store.flags().await.unwrap();
    found.sort_by_key(|flag| flag.name);
    all.sort_by_key(|flag| flag.name);
    assert_eq!(found, all);
    for flag in all {
        assert_eq!(store.flag_changes(flag.name, 10).await.unwrap(), [flag]);
    }
}

/// The last one first; a change that is written twice, as after a lost answer, is one.
pub async fn every_change_of_a_flag_is_kept_once<S: Subject>(subject: &S) {
    let store = subject.store();
    let on_again = Flag { value: FlagValue::Unset, changed_by: "Bob".to_owned(), ..off(2) };
    let all = [off(3), on_again, off(1)];
    for flag in all.iter().rev() {
        assert!(store.put_flag(flag).await.unwrap());
        assert!(store.put_flag(flag).await.unwrap(), "again: done once");
    }
    assert_eq!(store.flag_changes(STRIPE, 10).await.unwrap(), all);
    assert_eq!(store.flag_changes(STRIPE, 2).await.unwrap(), all[..2]);
    assert_eq!(store.flag_changes(STRIPE, 0).await.unwrap(), []);
    assert_eq!(store.flags().await.unwrap(), [off(3)]);
    assert_eq!(store.flag_changes(FlagName::Provider(ProviderName::Bank), 10).await.unwrap(), []);
}

/// The other sees that it lost, and nothing of it is kept. Neither does anything leave a gap.
pub async fn of_two_changes_of_a_flag_at_once_one_happens<S: Subject>(subject: &S) {
    let store = subject.store();
    assert!(!store.put_flag(&off(2)).await.unwrap(), "there is no first");
    assert!(store.put_flag(&off(1)).await.unwrap());
    let other = Flag { changed_by: "Bob".to_owned(), ..off(1) };
    assert!(!store.put_flag(&other).await.unwrap());
    let (one, two) = (off(2), Flag { changed_by: "Bob".to_owned(), ..off(2) });
    let (one, two) = futures::join!(store.put_flag(&one), store.put_flag(&two));
    assert!(one.unwrap() != two.unwrap(), "one of them");
    assert!(!store.put_flag(&off(4)).await.unwrap(), "no gap");
    assert_eq!(store.flag_changes(STRIPE, 10).await.unwrap().len(), 2);
    // Whoever lost looks again and follows.
    let word = ("Bob", "the incident is over");
    let (before, set) = change_flag(store, STRIPE, &FlagValue::Unset, word, Samples::start()).await.unwrap();
    assert_eq!((before, set.revision, set.value), (FlagValue::Off, 3, FlagValue::Unset));
}

/// As a newer program may have written it.
pub async fn a_value_that_nobody_can_read_stops_no_other_flag_and_can_be_set_anew<S: Subject>(subject: &S) {
    let store = subject.store();
    let strange = Flag { value: FlagValue::Unreadable("slowly, at 5 %".to_owned()), ..off(1) };
    let other = Flag { name: FlagName::Provider(ProviderName::Bank), ..off(1) };
    assert!(store.put_flag(&strange).await.unwrap() && store.put_flag(&other).await.unwrap());
    let mut all = store.flags().await.unwrap();
    all.sort_by_key(|flag| flag.name);
    assert_eq!(all, [strange.clone(), other]);
    let word = ("Ann", "put right");
    let (before, set) = change_flag(store, STRIPE, &FlagValue::Off, word, Samples::start()).await.unwrap();
    assert_eq!((before, set.revision), (strange.value, 2));
}
