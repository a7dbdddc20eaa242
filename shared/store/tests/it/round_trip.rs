//! Whatever a payment may hold, its row restores it exactly.

use std::time::Duration;

use proptest::{collection::btree_map, option::of, prelude::*, sample::select, strategy::Union};
use tollgate_domain::{
    BootId, CaptureMethod, Details, Failure, KeyHash, Lease, Money, Operation, OperationKind, OperationState,
    PayerTurn, Payment, PaymentId, PaymentStatus, ProviderName, ProviderRequestId, Refund, RefundId, RefundStatus,
    Review, ReviewReason, SettlementId, Timestamp,
};
use tollgate_gateway::{
    contract::{Samples, money},
    ports::Store,
    records::{ChangeSet, Committed},
};

use crate::subject::{OnFile, options};

// Boxed, for what these are nested to would outgrow a test's stack.
fn text() -> BoxedStrategy<String> {
    prop_oneof![".{0,12}", Just("\u{0}\"\\\u{7f}é値💥\n".to_owned()), Just(String::new())].boxed()
}

fn time() -> BoxedStrategy<Timestamp> {
    (Timestamp::MIN.as_microsecond()..=Timestamp::MAX.as_microsecond())
        .prop_map(|micros| Timestamp::from_microsecond(micros).unwrap())
        .boxed()
}

fn amount(code: &'static str) -> BoxedStrategy<Money> {
    (1..=Money::MAX_MINOR).prop_map(move |minor| money(minor, code)).boxed()
}

fn failure() -> BoxedStrategy<Failure> {
    (text(), text(), of(text()))
        .prop_map(|(code, message, provider_code)| Failure { code, message, provider_code })
        .boxed()
}

fn refund(code: &'static str) -> BoxedStrategy<Refund> {
    let status = select(vec![RefundStatus::Pending, RefundStatus::Completed, RefundStatus::Failed]);
    (any::<[u8; 16]>(), amount(code), of(text()), status, of(failure()), of(text()), of(time()), time(), time())
        .prop_map(|(id, amount, reason, status, failure, provider_reference, to_settle_at, created_at, updated_at)| {
            Refund {
                id: RefundId::from_random(id),
                payment_id: PaymentId::from_random(id),
                amount,
                reason,
                status,
                failure,
                provider_reference,
                to_settle_at,
                settlement: to_settle_at.map(|_| SettlementId::from_random(id)),
                created_at,
                updated_at,
            }
        })
        .boxed()
}

fn operation(code: &'static str) -> BoxedStrategy<Operation> {
    use OperationKind::{Authorize, Capture, Refund, Reversal, Void};
    use OperationState::{Dropped, Open, Refused, Succeeded, Waiting};
    let lease = (any::<[u8; 16]>(), time())
        .prop_map(|(owner, call_until)| Lease { owner: BootId::from_random(owner), call_until });
    let payer = (text(), time()).prop_map(|(url, until)| PayerTurn { url, until });
    let what = (
        1..=u32::MAX,
        select(vec![Authorize, Capture, Void, Refund, Reversal]),
        select(ProviderName::ALL.to_vec()),
        amount(code),
        any::<[u8; 16]>(),
        select(vec![Waiting, Open, Succeeded, Refused, Dropped]),
    );
    let words = (
        of(text()),
        of(text()),
        of(payer),
        (of(text()), of(text())),
        of(any::<[u8; 32]>()),
        of(refund(code)),
        of(failure()),
    );
    (what, words, (of(lease), of(time()), time(), of(time()), any::<bool>()))
        .prop_map(
            |(
                (number, kind, provider, amount, request_id, state),
                (transaction_id, progress, payer, (payment_method, return_url), key, refund, failure),
                (lease, last_call_until, opened_at, closed_at, in_suspense),
            )| Operation {
                number,
                kind,
                provider,
                amount,
                request_id: ProviderRequestId::from_random(request_id),
                state,
                lease,
                last_call_until,
                transaction_id,
                progress,
                in_suspense,
                payer,
                payment_method,
                return_url,
                key: key.map(KeyHash),
                refund: refund.map(Box::new),
                failure,
                opened_at,
                closed_at,
            },
        )
        .boxed()
}

/// What never changes of a payment comes from `base`.
fn later(base: Payment, code: &'static str) -> BoxedStrategy<Payment> {
    let whole = base.amount.minor();
    let parts = (0..=whole).prop_flat_map(|captured| {
        (Just(captured), 0..=captured)
            .prop_flat_map(|(captured, refunded)| (Just(captured), Just(refunded), 0..=captured - refunded))
    });
    let provider = (select(ProviderName::ALL.to_vec()), of(text()), any::<[u8; 16]>());
    let rest =
        (of(failure()), of(time()), of(operation(code)), of(operation(code)), any::<u32>(), any::<u32>(), time());
    let after = (of(time()), of(any::<[u8; 16]>()), of((select(ReviewReason::ALL.to_vec()), time())));
    (select(PaymentStatus::ALL.to_vec()), parts, provider, rest, after)
        .prop_map(move |(status, (captured, refunded, reserved), (provider, transaction, request), rest, after)| {
            Payment {
                status,
                captured: money(captured, code),
                refunded: money(refunded, code),
                refund_reserved: money(reserved, code),
                provider,
                provider_transaction_id: transaction.clone(),
                provider_state: transaction,
                provider_request_id: ProviderRequestId::from_random(request),
                failure: rest.0,
                expires_at: rest.1,
                captured_at: after.0,
                settlement: after.1.map(SettlementId::from_random),
                reversed_at: after.0,
                review: after.2.map(|(reason, since)| Review { reason, since }),
                open: rest.2,
                remembered_void: rest.3,
                operations: rest.4,
                events: rest.5,
                updated_at: rest.6,
                ..base.clone()
            }
        })
        .boxed()
}

fn base(samples: &Samples, code: &'static str) -> BoxedStrategy<Payment> {
    let payment = samples.opened().payment;
    let details = (of(text()), of(text()), btree_map(text(), text(), 0..20), of(text())).prop_map(
        |(merchant_reference, description, metadata, return_url)| Details {
            merchant_reference,
            description,
            metadata,
            return_url,
        },
    );
    let method = select(vec![CaptureMethod::Manual, CaptureMethod::Automatic]);
    (details, method, amount(code), time())
        .prop_map(move |(details, capture_method, amount, created_at)| Payment {
            details,
            capture_method,
            amount,
            created_at,
            ..payment.clone()
        })
        .boxed()
}

/// Two versions of one payment.
fn versions(samples: &Samples) -> impl Strategy<Value = (Payment, Payment)> + use<> {
    let bases: Vec<_> = ["JPY", "USD", "KWD"].map(|code| base(samples, code).prop_map(move |base| (base, code))).into();
    Union::new(bases).prop_flat_map(|(base, code)| (later(base.clone(), code), later(base, code))).prop_map(
        |(first, mut second)| {
            second.version = 2;
            (first, second)
        },
    )
}

fn set(samples: &Samples, payment: &Payment) -> ChangeSet {
    let mut set = samples.opened().last().clone();
    set.new_key = None;
    let change = set.payment.as_mut().unwrap();
    change.payment = payment.clone();
    change.history.version = payment.version;
    change.operations = payment.open.iter().chain(&payment.remembered_void).cloned().collect();
    set
}

#[test]
fn a_payments_row_restores_it_exactly() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let subject = OnFile::with(options(1).inline().ephemeral());
    let samples = Samples::new(160);
    let config = ProptestConfig { cases: 400, max_shrink_time: 20_000, ..ProptestConfig::default() };
    proptest!(config, |((mut first, mut second) in versions(&samples))| {
        // A fresh id for every case, shrunk ones included.
        first.id = samples.payment_id();
        second.id = first.id;
        for payment in [&first, &second] {
            let set = set(&samples, payment);
            prop_assert_eq!(runtime.block_on(subject.store.commit(&set)).unwrap(), Committed::Done);
            let found = runtime.block_on(subject.store.payment(payment.id)).unwrap();
            prop_assert_eq!(found.as_ref(), Some(payment));
            // The last of one number is the one that stays.
            for operation in set.payment.unwrap().operations.iter().rev().take(1) {
                let kept = runtime.block_on(subject.store.operation(payment.id, operation.number)).unwrap();
                prop_assert_eq!(kept.as_ref(), Some(operation));
            }
        }
    });
}

#[test]
fn what_is_kept_is_cut_to_microseconds() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let subject = OnFile::with(options(1).inline().ephemeral());
    let samples = Samples::new(161);
    let now = Samples::start() + Duration::from_nanos(999);
    let story = tollgate_gateway::contract::Story::open(&samples, samples.new_payment(), now);
    runtime.block_on(subject.store.commit(story.last())).unwrap();
    let found = runtime.block_on(subject.store.payment(story.payment.id)).unwrap().unwrap();
    assert_eq!(found.created_at, Samples::start());
}
