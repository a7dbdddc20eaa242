//! What every store must do, as checks that each store runs against itself. (What counters must do is in [`counters`], what keeps
//! payments as they were in [`statuses`].)
//!
//! A store's tests write `tollgate_gateway::store_contract!(fresh);`, where `fresh` is an async function that gives a
//! [`Subject`] on an empty store, or `None` where this machine lacks what the store needs. Every check becomes a test of its own, named by what it checks.
//!
//! Must not know: any store.

#![allow(clippy::unwrap_used, reason = "a check fails by panicking")]
#![allow(clippy::similar_names, reason = "a store is told stories")]

use std::collections::BTreeMap;

use async_trait::async_trait;
use tollgate_domain::{PaymentId, Timestamp};

use crate::{
    ports::{
        Agenda, Audit, Deliveries, DeliveryLists, Endpoints, Exceptions, Flags, Merchants, OperatorActs, RecordBooks,
        SettlementChunks, SettlementShards, Settlements, Store, Timelines, store::Upkeep,
    },
    records::{ChangeSet, Committed, Guard},
};

pub mod counters;
mod samples;
pub mod statuses;
mod story;

pub use samples::{Samples, money, yen};
pub use story::Story;

/// A store under test, and a look at what no port shows (yet).
#[async_trait]
pub trait Subject: Send + Sync {
    /// The store.
    type Store: Store
        + Timelines
        + Upkeep
        + Merchants
        + Flags
        + Endpoints
        + Deliveries
        + DeliveryLists
        + Agenda
        + Audit
        + Settlements
        + SettlementChunks
        + RecordBooks
        + Exceptions
        + OperatorActs
        + SettlementShards;

    /// The store.
    fn store(&self) -> &Self::Store;

    /// Every row of every table, as text: equal before and after means that nothing was written.
    async fn contents(&self) -> BTreeMap<String, Vec<String>>;

    /// The events of a payment, by sequence.
    async fn events(&self, payment: PaymentId) -> Vec<EventRow>;

    /// The ledger lines of a payment, by version and line.
    async fn postings(&self, payment: PaymentId) -> Vec<PostingRow>;

    /// The refunds of a payment, by id.
    async fn refunds(&self, payment: PaymentId) -> Vec<RefundRow>;

    /// Deletes at most `limit` rows that expired before `now`, and returns how many: by the store's house-keeping, or as its
    /// database does it in its own time.
    async fn forget(&self, now: Timestamp, limit: u32) -> u32;
}

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its id.
    pub id: String,
    /// Its place among the payment's.
    pub sequence: u32,
    /// What happened.
    pub kind: String,
    /// Whom it tells.
    pub merchant: String,
    /// What it says.
    pub body: String,
    /// When.
    pub at: Timestamp,
}

/// A ledger line as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostingRow {
    /// The change that made it.
    pub version: u64,
    /// The account.
    pub account: String,
    /// Debits above zero, credits below.
    pub signed_minor: i64,
    /// Of what.
    pub currency: String,
}

/// A refund as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundRow {
    /// Its id.
    pub id: String,
    /// How it stands.
    pub status: String,
    /// How much.
    pub minor: i64,
    /// Of what.
    pub currency: String,
    /// The merchant's words.
    pub reason: Option<String>,
    /// The provider's id of it.
    pub reference: Option<String>,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Names every check once: declares its module, exports it, and makes a test of it.
macro_rules! checks {
    (($d:tt) $($module:ident { $($name:ident,)+ })+) => {
        $(
            mod $module;
            pub use $module::{$($name,)+};
        )+

        /// Makes a test of every check, on what the async function `$fresh` gives.
        #[macro_export]
        macro_rules! store_contract {
            ($d fresh:path) => {
                $($(
                    #[tokio::test]
                    async fn $name() {
                        if let Some(subject) = $d fresh().await {
                            $crate::contract::$name(&subject).await;
                        }
                    }
                )+)+
            };
        }
    };
}

checks! { ($)
    commits {
        a_change_set_is_read_back_whole,
        a_version_can_be_made_once,
        of_two_intents_from_one_version_one_is_written,
        of_a_hundred_writers_of_one_version_one_wins_and_the_others_see_the_conflict,
        the_same_change_set_twice_is_done_once,
        a_change_set_sent_again_is_done_even_when_later_versions_exist,
        a_conflict_changes_nothing_at_all,
        a_conflicting_set_does_not_disturb_others_committed_at_the_same_time,
        a_token_is_erased_with_the_closed_operation,
        an_audit_row_written_twice_is_one,
        extreme_values_come_back_unchanged,
    }
    deliveries {
        a_delivery_is_born_with_its_event,
        a_due_delivery_is_claimed_by_one,
        the_oldest_due_delivery_is_the_one_that_is_due_longest_and_not_claimed,
        a_try_is_recorded_once_with_the_delivery_after_it,
        a_delivery_that_was_tried_meanwhile_is_not_rescheduled,
        deliveries_wait_for_their_merchants_endpoint,
        a_try_is_not_written_over_what_happened_meanwhile,
        endpoints_that_are_waited_for_in_vain_are_found,
        the_feed_shows_a_merchants_events_in_the_order_of_their_commits,
    }
    agenda {
        payments_are_due_when_they_say_so,
        a_payment_put_off_is_due_at_its_new_time_or_after_its_next_change,
        what_is_stuck_is_counted_by_status,
        refunds_are_found_by_id_and_by_payment,
    }
    audit {
        the_books_show_all_that_is_kept_with_a_payment,
        the_books_page_through_by_id_as_of_one_moment,
        what_was_found_is_kept_until_it_is_looked_for_again,
        how_far_a_job_came_is_kept,
    }
    guards {
        a_key_binds_one_operation,
        of_a_hundred_payments_with_one_key_one_is_made,
        an_event_is_taken_once,
        an_event_without_effect_sent_again_is_done_once,
        events_of_two_providers_may_share_an_id,
        a_reference_belongs_to_one_payment,
        guards_are_reported_in_order,
    }
    reads {
        what_is_not_there_is_none,
        a_confirmed_commit_is_seen_by_the_next_read,
        lists_are_newest_first_and_ids_break_ties,
        a_list_pages_through_without_gaps_or_repeats_while_payments_are_added,
        a_list_never_shows_another_merchants_payments,
        a_list_finds_by_reference_and_by_status,
        the_timeline_is_in_order_even_with_a_frozen_clock,
        the_timeline_shows_no_other_payment,
    }
    upkeep {
        released_keys_expire_after_their_time_and_unreleased_ones_never,
        taken_events_are_forgotten_after_their_time,
        no_more_is_deleted_than_asked_for,
        a_key_can_be_used_again_once_it_is_forgotten,
    }
    merchants {
        keys_are_found_by_digest_and_revoked,
        nothing_makes_a_key_last_longer,
        a_merchant_can_be_changed,
        merchants_are_paged_through_in_the_order_of_their_ids,
        a_merchants_keys_are_listed_oldest_first_and_nobody_elses,
        sealed_secrets_come_back_unchanged,
        of_two_changes_of_an_endpoint_at_once_one_happens,
    }
    flags {
        flags_come_back_unchanged,
        every_change_of_a_flag_is_kept_once,
        of_two_changes_of_a_flag_at_once_one_happens,
        a_value_that_nobody_can_read_stops_no_other_flag_and_can_be_set_anew,
    }
    exceptions {
        a_subject_has_the_first_record_that_showed_it_and_no_other,
        what_was_captured_in_a_period_is_paged_through_by_provider,
        what_was_given_back_in_a_period_is_paged_through,
        a_transaction_leads_to_its_payment_and_a_payment_to_its_ledger,
        an_exception_comes_back_unchanged_with_who_did_what_to_it,
        of_two_changes_of_an_exception_at_once_one_happens,
        open_exceptions_are_counted_by_kind_and_paged_through_the_oldest_first,
    }
    operators {
        what_operators_did_is_kept_with_what_came_of_it_the_last_one_first,
        deliveries_are_looked_through_by_time_and_the_end_of_the_time_is_outside,
        deliveries_are_looked_for_by_merchant_and_by_how_they_stand,
    }
    settlements {
        a_date_has_one_settlement_and_each_follows_on_the_latest,
        of_two_changes_of_a_settlement_at_once_one_happens,
        a_chunk_is_read_back_whole,
        the_same_chunk_twice_is_done_once,
        of_many_chunks_of_one_number_one_is_committed,
        a_chunk_with_a_payment_that_changed_writes_nothing_and_names_it,
        a_chunk_may_carry_several_versions_of_one_payment,
        what_waits_for_a_settlement_is_paged_through_in_order,
        balances_below_zero_are_paged_through,
        what_waits_for_a_settlement_is_in_one_shard_each,
        each_shard_has_a_lane_of_its_own,
        a_merchants_lines_are_paged_through_in_order,
        every_checkpoint_comes_back_unchanged,
    }
}

/// Commits `set`, which nothing stands against.
async fn done(store: &impl Store, set: &ChangeSet) {
    assert_eq!(store.commit(set).await.unwrap(), Committed::Done);
}

/// Commits every set of the story `told`.
async fn tell(store: &impl Store, told: &Story<'_>) {
    for set in &told.sets {
        done(store, set).await;
    }
}

/// Commits `set`, which `guard` stands against.
async fn conflict(store: &impl Store, set: &ChangeSet, guard: Guard) {
    assert_eq!(store.commit(set).await.unwrap(), Committed::Conflict(guard));
}
