//! Idempotency keys: their scope, what a request is recognised by, and what a repeated one gets (rules 11 and 12).

use futures::future::BoxFuture;
use sha2::{Digest, Sha256};
use tollgate_domain::{KeyHash, MerchantId, Operation, OperationKind, OperationState, Payment};

use crate::{
    Context, Done, Error, Gateway,
    done::follow_up,
    ports::provider::Pass,
    records::{Cause, Committed, Guard, IdempotencyRecord},
};

/// Changes when the way of hashing does, so that a key used before a release is not taken for another request.
const VERSION: &str = "v1";
/// How often a lost race is tried again before the answer is that another operation is in progress.
pub(crate) const RACES: usize = 16;

/// The routes that keys are scoped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// `POST /v1/payments`
    Create,
    /// `POST /v1/payments/{id}/capture`
    Capture,
    /// `POST /v1/payments/{id}/void`
    Void,
    /// `POST /v1/payments/{id}/refund`
    Refund,
}

impl Route {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Refund => "refund",
        }
    }
}

/// A key in its scope, with what the request is recognised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) hash: KeyHash,
    pub(crate) fingerprint: KeyHash,
}

impl Key {
    /// `path` is the concrete path; `parts` the parsed body with defaults left out, as name and value.
    pub(crate) fn new(merchant: MerchantId, route: Route, key: &str, path: &str, parts: &[(&str, &str)]) -> Self {
        let merchant = merchant.to_string();
        let hash = digest([VERSION, &merchant, route.as_str(), key].into_iter());
        let body = parts.iter().flat_map(|(name, value)| [*name, *value]);
        let fingerprint = digest([VERSION, path].into_iter().chain(body));
        Self { hash, fingerprint }
    }
}

/// Every part with its length before it: no two lists of parts give the same bytes.
fn digest<'a>(parts: impl Iterator<Item = &'a str>) -> KeyHash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    KeyHash(hasher.finalize().into())
}

impl Gateway {
    /// What a request with a key that was used before gets: the resource as it is now, the refusal again, or the
    /// interrupted work taken up where it was cut off.
    ///
    /// Boxed, as it is the rare path: a first request must not carry its size along.
    pub(crate) fn replay<'a>(
        &'a self,
        key: Key,
        record: IdempotencyRecord,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Done, Error>> {
        Box::pin(self.replay_now(key, record, context))
    }

    async fn replay_now(&self, key: Key, record: IdempotencyRecord, context: &Context) -> Result<Done, Error> {
        if record.fingerprint != key.fingerprint {
            return Err(Error::KeyReused);
        }
        for _ in 0..RACES {
            let payment = self.load(record.payment).await?.ok_or(Error::Internal)?;
            let operation = self.operation_of_key(&payment, &record).await?;
            if let Some(open) = follow_up(&payment, &operation).cloned() {
                return self.replay_follow_up(payment, &open, &record, context).await;
            }
            if operation.state != OperationState::Open || operation.payer.is_some() {
                return Done::of(payment, &operation, None).map(Done::replayed);
            }
            if self.is_in_flight(&operation).await? {
                return Err(Error::KeyInUse);
            }
            if !self.may_send_again(&operation)? {
                // Nothing is leased for asking: retries must not put off the time when "no such request" counts.
                self.resolve_by_asking(payment, Cause::Merchant, context).await?;
                let payment = self.load(record.payment).await?.ok_or(Error::Internal)?;
                let operation = self.operation_of_key(&payment, &record).await?;
                return Done::of(payment, &operation, None).map(Done::replayed);
            }
            let taken = payment.take_over(self.lease(), self.now()).ok_or(Error::Internal)?;
            let taken_payment = taken.payment.clone();
            let set = self.change_set(Some(&payment), taken, Cause::Merchant, context);
            match self.commit(&set).await? {
                Committed::Done => return self.resume(taken_payment, context).await.map(Done::replayed),
                Committed::Conflict(Guard::Version) => {}
                Committed::Conflict(_) => return Err(Error::Internal),
            }
        }
        Err(Error::KeyInUse)
    }

    /// What follows by itself for an automatic payment was cut off, or its outcome is not known: it is taken up again, for
    /// it is a part of what the key's request asked for. A refusal of it is no answer to the payment's creation: the
    /// payment shows it.
    async fn replay_follow_up(
        &self,
        payment: Payment,
        open: &Operation,
        record: &IdempotencyRecord,
        context: &Context,
    ) -> Result<Done, Error> {
        if !self.is_in_flight(open).await? {
            if self.may_send_again(open)? {
                let taken = payment.take_over(self.lease(), self.now()).ok_or(Error::Internal)?;
                let taken_payment = taken.payment.clone();
                let set = self.change_set(Some(&payment), taken, Cause::Merchant, context);
                // Who lost the race leaves it to whoever won.
                if self.commit(&set).await? == Committed::Done {
                    match self.resume(taken_payment, context).await {
                        Ok(_) | Err(Error::ProviderRefused(_) | Error::ProviderUnavailable { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
            } else {
                self.resolve_by_asking(payment, Cause::Merchant, context).await?;
            }
        }
        let payment = self.load(record.payment).await?.ok_or(Error::Internal)?;
        let operation = self.operation_of_key(&payment, record).await?;
        Done::of(payment, &operation, None).map(Done::replayed)
    }

    /// The operation that a key stands for: where the payment was moved on to another provider, the one there.
    async fn operation_of_key(&self, payment: &Payment, record: &IdempotencyRecord) -> Result<Operation, Error> {
        let mut number = record.operation;
        loop {
            let operation = self.operation_of(payment, number).await?;
            if !operation.was_left_behind() {
                return Ok(operation);
            }
            number += 1;
        }
    }

    /// Whether a call of it may be on its way: somebody who is not known to be gone holds the right to send.
    pub(crate) async fn is_in_flight(&self, operation: &Operation) -> Result<bool, Error> {
        match operation.lease.filter(|lease| self.now() < lease.call_until) {
            Some(lease) => Ok(!self.owner_is_gone(lease.owner).await?),
            None => Ok(false),
        }
    }

    /// Whether the same request may be sent again with its id: while the provider still knows that id and it is not overdue
    /// (a provider that keeps its own error under the id would answer that for ever, and each sending puts off the time when
    /// "no such request" counts); and, for what moves held money, until it can be asked about and sent afresh. A clock that went back
    /// says nothing about the provider's. Not where the provider was seen to keep an error under that id.
    pub(crate) fn may_send_again(&self, operation: &Operation) -> Result<bool, Error> {
        let provider = self.provider(operation.provider).ok_or(Error::ProviderUnavailable { retry_after: None })?;
        let (now, opened_at) = (self.now(), operation.opened_at);
        let known = now >= opened_at
            && now < opened_at + provider.terms().resend_window
            && now < operation.resolve_by()
            && !self.kept_errors.has(operation.request_id);
        Ok(match operation.kind {
            OperationKind::Authorize => known,
            OperationKind::Capture | OperationKind::Void | OperationKind::Refund | OperationKind::Reversal => {
                known && !operation.nobody_may_send(now)
            }
        })
    }

    /// Takes up an operation that this process has just taken over: sends it again with its id, and asks where that
    /// leaves it unknown.
    pub(crate) async fn resume(&self, payment: Payment, context: &Context) -> Result<Done, Error> {
        let carried = self.carry_out(payment, Pass::free(), context).await?;
        if carried.operation.state == OperationState::Open
            && carried.operation.payer.is_none()
            && carried.not_reached.is_none()
        {
            let (payment, operation) = self.ask(carried.payment, &carried.operation, context).await?;
            return Done::of(payment, &operation, None);
        }
        Done::of(carried.payment, &carried.operation, carried.not_reached)
    }

    /// The operation as it now is: on the payment's row while it is open, else its own row.
    pub(crate) async fn operation_of(&self, payment: &Payment, number: u32) -> Result<Operation, Error> {
        let on_row = [&payment.open, &payment.remembered_void];
        if let Some(operation) = on_row.into_iter().flatten().find(|operation| operation.number == number) {
            return Ok(operation.clone());
        }
        self.load_operation(payment.id, number).await?.ok_or(Error::Internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(route: Route, key: &str, path: &str, parts: &[(&str, &str)]) -> Key {
        Key::new(MerchantId::from_random([1; 16]), route, key, path, parts)
    }

    #[test]
    fn a_key_is_scoped_to_merchant_and_route() {
        let one = key(Route::Create, "k", "/v1/payments", &[]);
        assert_eq!(one, key(Route::Create, "k", "/v1/payments", &[]));
        assert_ne!(one.hash, key(Route::Capture, "k", "/v1/payments", &[]).hash);
        assert_ne!(one.hash, Key::new(MerchantId::from_random([2; 16]), Route::Create, "k", "/v1/payments", &[]).hash);
    }

    #[test]
    fn another_path_or_body_is_another_request_under_the_same_key() {
        let one = key(Route::Capture, "k", "/v1/payments/a/capture", &[("amount", "1")]);
        for other in [
            key(Route::Capture, "k", "/v1/payments/b/capture", &[("amount", "1")]),
            key(Route::Capture, "k", "/v1/payments/a/capture", &[("amount", "2")]),
            key(Route::Capture, "k", "/v1/payments/a/capture", &[]),
            // Parts cannot be shifted into one another.
            key(Route::Capture, "k", "/v1/payments/a/capture", &[("amount1", "")]),
        ] {
            assert_eq!(one.hash, other.hash);
            assert_ne!(one.fingerprint, other.fingerprint);
        }
    }
}
