//! The commit of a change set: one round trip. Where a guard is taken, whoever took it is looked up, strongly (rules 13 and
//! 14).

use google_cloud_gax::{error::rpc::Code, retry_policy::NeverRetry};
use google_cloud_spanner::Error;
use tollgate_gateway::records::{ChangeSet, Committed, Guard};

use crate::{
    SpannerStore, calls,
    cells::Row,
    change_set::{self, MUTATIONS_AT_MOST, Omitted, weight},
    error::{Result, Trouble, code},
    history, idempotency,
    reading::Reader,
    received_events, references,
    rows::{Asked, Counted},
    transactions::retries,
};

/// How often a set is sent with less in it, as more of it turns out to be there: by itself once at most.
const ROUNDS: usize = 3;

/// What the guards say of a set that was not taken.
enum Found {
    /// It was committed before (rule 14).
    Ours,
    /// Somebody was first.
    Taken(Guard),
    /// Nobody; some of the rest is there already, and is left out from now on.
    Less,
    /// Nobody, and nothing to leave out.
    Nothing,
}

impl SpannerStore {
    /// Commits `set`, or says which guard is taken.
    pub(crate) async fn commit_set(&self, set: &ChangeSet) -> Result<Committed> {
        let mut omitted = Omitted::default();
        for _ in 0..ROUNDS {
            let refused = match self.write("tollgate:commit", change_set::writes(set, &omitted)).await {
                Ok(()) => return Ok(Committed::Done),
                Err(Trouble::Spanner(error)) if is_guarded(&error) => error,
                Err(trouble) => return Err(trouble),
            };
            match self.guards(set, &mut omitted).await? {
                Found::Ours => return Ok(Committed::Done),
                Found::Taken(guard) => return Ok(Committed::Conflict(guard)),
                Found::Less => {}
                Found::Nothing => return Err(Trouble::Spanner(refused)),
            }
        }
        Err(Trouble::Impossible("what is there already changes all the time"))
    }

    /// Commits mutations in one round trip. It may happen twice, which the guards make harmless; where the answer is lost it
    /// is not known whether it happened.
    pub(crate) async fn write(&self, tag: &'static str, writes: Vec<Counted>) -> Result<()> {
        if writes.is_empty() {
            return Ok(());
        }
        if weight(&writes) > MUTATIONS_AT_MOST {
            return Err(Trouble::Impossible("more mutations than a commit may carry"));
        }
        self.counters.commit();
        let client = self.connection.client().await?;
        let transaction = client
            .write_only_transaction()
            .set_transaction_tag(tag)
            .with_commit_attempt_timeout(self.options.attempt_timeout)
            // Who called sends it again, as it is (rule 14).
            .with_commit_retry_policy(NeverRetry)
            .with_retry_policy(retries(self.options.operation_timeout))
            .build();
        let mutations = writes.into_iter().map(|counted| counted.mutation);
        self.in_time(async { Ok(transaction.write_at_least_once(mutations).await.map(drop)?) }).await
    }

    /// In the order in which conflicts are reported. Only the first guard of a set can tell that the set is here already: its
    /// rows came all at once.
    async fn guards(&self, set: &ChangeSet, omitted: &mut Omitted) -> Result<Found> {
        let snapshot = self.snapshot("tollgate:guards").await?;
        let one = async |asked: Option<Asked>| match asked {
            Some(asked) => snapshot.row(asked).await,
            None => Ok::<Option<Row>, Trouble>(None),
        };
        let version = set.payment.as_ref().map(|change| history::made_by(change.payment.id, change.history.version));
        let version = one(version).await?.map(|row| row.text("change_id")).transpose()?;
        if version == Some(set.change_id) {
            return Ok(Found::Ours);
        }
        if one(set.new_key.as_ref().map(|record| idempotency::one(record.key))).await?.is_some() {
            return Ok(Found::Taken(Guard::IdempotencyKey));
        }
        if version.is_some() {
            return Ok(Found::Taken(Guard::Version));
        }
        let event = set.received.as_ref().map(|event| received_events::one(event.provider, &event.event_id));
        if let Some(row) = one(event).await? {
            let is_ours = set.payment.is_none() && received_events::taken_by(&row)? == set.change_id;
            return Ok(if is_ours { Found::Ours } else { Found::Taken(Guard::ReceivedEvent) });
        }
        let mut less = false;
        if let Some(reference) = &set.reference
            && let Some(row) = snapshot.row(references::one(reference)).await?
        {
            if references::payment(&row)? != reference.payment {
                return Ok(Found::Taken(Guard::Reference));
            }
            less |= !std::mem::replace(&mut omitted.reference, true);
        }
        less |= self.what_is_there(&snapshot, set, omitted).await?;
        Ok(if less { Found::Less } else { Found::Nothing })
    }

    /// Leaves out audit rows that are written, and keys that are forgotten. Whether that is anything new.
    async fn what_is_there(&self, snapshot: &dyn Reader, set: &ChangeSet, omitted: &mut Omitted) -> Result<bool> {
        let mut less = false;
        if !set.calls.is_empty() {
            for row in snapshot.rows(calls::known(&set.calls)).await? {
                less |= omitted.calls.insert(calls::id(&row)?);
            }
        }
        if !set.released_keys.is_empty() {
            let released = || set.released_keys.iter().map(|(key, _)| *key);
            let there = snapshot.rows(idempotency::known(released())).await?;
            let there = there.iter().map(|row| row.digest("key_hash")).collect::<Result<Vec<_>>>()?;
            let own = set.new_key.as_ref().map(|record| record.key);
            for key in released().filter(|key| !there.contains(key) && own != Some(*key)) {
                less |= omitted.released_keys.insert(key);
            }
        }
        Ok(less)
    }
}

/// Whether an insert found a row, or an update found none.
pub(crate) fn is_guarded(error: &Error) -> bool {
    matches!(code(error), Some(Code::AlreadyExists | Code::NotFound))
}
