//! Shards and digests: what keeps rows that are made together apart, so that no server takes all of the present.

use sha2::{Digest as _, Sha256};
use tollgate_domain::{MerchantId, PaymentId, ProviderName};
use tollgate_store_records::Named;

/// How many shards the jobs' indexes have.
pub(crate) const SHARDS: i64 = 64;
/// How many a merchant's lists have.
pub(crate) const LIST_SHARDS: i64 = 16;

/// The shard of a payment and of everything that belongs to it.
pub(crate) fn shard(payment: PaymentId) -> i64 {
    // Ids are random, to their last byte (and where they begin with the time, the end is).
    i64::from(payment.to_bytes()[15]) % SHARDS
}

/// The shard of a payment in its merchant's lists; the database computes it from the shard, too.
pub(crate) fn list_shard(payment: PaymentId) -> i64 {
    shard(payment) % LIST_SHARDS
}

/// The key of a merchant's reference.
pub(crate) fn reference_hash(merchant: MerchantId, reference: &str) -> [u8; 32] {
    digest(&merchant.to_string(), reference)
}

/// The key of a provider's event.
pub(crate) fn event_hash(provider: ProviderName, event: &str) -> [u8; 32] {
    digest(provider.name(), event)
}

/// The key of a provider's transaction.
pub(crate) fn provider_reference_hash(provider: ProviderName, reference: &str) -> [u8; 32] {
    digest(provider.name(), reference)
}

/// `first` never holds the byte between the two, so no two pairs are told as one.
fn digest(first: &str, second: &str) -> [u8; 32] {
    let mut sha = Sha256::new();
    sha.update(first.as_bytes());
    sha.update([0]);
    sha.update(second.as_bytes());
    sha.finalize().into()
}
