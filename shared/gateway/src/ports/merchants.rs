//! Who may call, and what belongs to a merchant.

use async_trait::async_trait;
use tollgate_domain::{KeyHash, MerchantId, Timestamp};

use super::StoreError;

/// A merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merchant {
    /// Its id.
    pub id: MerchantId,
    /// What people call it.
    pub name: String,
    /// Requests a minute; `None` is the default of the rate limiter.
    pub requests_per_minute: Option<u32>,
    /// Our fee on what is settled, in hundredths of a per cent.
    pub fee_basis_points: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An API key: only its SHA-256 is ever stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiKey {
    /// SHA-256 of the whole key.
    pub digest: KeyHash,
    /// Whose it is.
    pub merchant: MerchantId,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub revoked_at: Option<Timestamp>,
}

/// Where a merchant's webhooks go, with the secrets that sign them: encrypted by the caller with `SECRETS_KEY`; the
/// store never sees them in clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// Whose it is.
    pub merchant: MerchantId,
    /// Where to.
    pub url: String,
    /// The signing secret, sealed.
    pub sealed_secret: Vec<u8>,
    /// Those before it, newest first; each signs along until the time given.
    pub sealed_previous: Vec<(Vec<u8>, Timestamp)>,
    /// It answered 410: deliveries wait until the merchant sets it again.
    pub paused_at: Option<Timestamp>,
    /// One more with every change: of two changes at once, one happens.
    pub revision: u64,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Merchants whose endpoint deliveries wait for though nothing keeps them, among some.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WaitedFor {
    /// Whose.
    pub waited_for: Vec<MerchantId>,
    /// Where to go on; `None`: that was the last merchant.
    pub next: Option<MerchantId>,
}

/// Merchants and their keys. Few rows, read through a short cache.
#[async_trait]
pub trait Merchants: Send + Sync + 'static {
    /// The key with this digest and its merchant; revoked keys included, the caller decides.
    async fn by_key(&self, digest: KeyHash) -> Result<Option<(ApiKey, Merchant)>, StoreError>;

    /// A merchant.
    async fn merchant(&self, id: MerchantId) -> Result<Option<Merchant>, StoreError>;

    /// Makes a merchant, or changes it.
    async fn put_merchant(&self, merchant: &Merchant) -> Result<(), StoreError>;

    /// Makes a key, or revokes one. Nothing makes a key last longer: the earlier of two revocations counts, whoever wrote
    /// first.
    async fn put_api_key(&self, key: &ApiKey) -> Result<(), StoreError>;

    /// At most `limit` merchants in the order of their ids, those behind `after`. For operators; no request needs it.
    async fn merchants(&self, after: Option<MerchantId>, limit: u32) -> Result<Vec<Merchant>, StoreError>;

    /// A merchant's keys, revoked ones included, oldest first; digests break ties. A merchant has few. For operators.
    async fn keys(&self, merchant: MerchantId) -> Result<Vec<ApiKey>, StoreError>;
}

/// Where merchants' webhooks go.
#[async_trait]
pub trait Endpoints: Send + Sync + 'static {
    /// A merchant's endpoint.
    async fn endpoint(&self, merchant: MerchantId) -> Result<Option<WebhookEndpoint>, StoreError>;

    /// Makes or changes a merchant's endpoint: revision 1 must be new, any other follows the one before. `false`:
    /// somebody else was faster; nothing was written.
    async fn put_endpoint(&self, endpoint: &WebhookEndpoint) -> Result<bool, StoreError>;

    /// Looks at `limit` merchants at most for whom deliveries wait, behind `after` in their order, and at nobody else: those
    /// whose endpoint is there and not paused.
    async fn waited_for(&self, after: Option<MerchantId>, limit: u32) -> Result<WaitedFor, StoreError>;

    /// Makes at most `limit` deliveries due at `at` that wait for the merchant's endpoint. Returns how many.
    async fn release_waiting(&self, merchant: MerchantId, at: Timestamp, limit: u32) -> Result<u32, StoreError>;
}
