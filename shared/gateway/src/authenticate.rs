//! Who calls: API keys by digest, through a cache of at most 5 s, so that a payment needs no read (rule 16) and a
//! revoked key is refused within that time. While the store is away, a key that was good counts on: merchants see their
//! payments from the cache. A key that was revoked just before counts on until the store can be asked again.
//!
//! However many come with a key at once, the store is asked about it once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tollgate_domain::{KeyHash, MerchantId};

use crate::{
    Error, StoreCall, StoreGuard,
    ports::{Entropy, Merchants, StoreError, Time, merchants::Merchant},
};

/// How long an answer of the store counts, from when it was asked: a revocation is seen within this time.
const CACHED_FOR: Duration = Duration::from_secs(5);
/// While the store is away it is not asked about a key more often than this.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How many keys are remembered: a bound against floods of made-up keys.
const CACHED_AT_MOST: usize = 10_000;
/// Of keys that were never seen, so many are asked about at once: a flood from many addresses, too, leaves the store alone.
const STRANGERS_AT_ONCE: usize = 32;
/// A store that does not say who calls within this is unavailable.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than any key of ours: such a header is not even hashed.
const KEY_LEN_AT_MOST: usize = 128;

/// Knows merchants by their API keys.
pub struct Authenticator {
    merchants: Arc<dyn Merchants>,
    guard: Arc<StoreGuard>,
    time: Arc<dyn Time>,
    cache: Mutex<HashMap<KeyHash, Known>>,
    questions: Mutex<HashMap<KeyHash, Question>>,
}

/// What the store says of a key, for everybody who waits for it.
type Answer = Result<Option<Arc<Merchant>>, StoreError>;

/// What the store is being asked. Whoever waits for the answer holds it; once nobody does, it is over.
struct Question {
    asked_at: Duration,
    answer: WeakShared<BoxFuture<'static, Answer>>,
    is_strangers: bool,
}

/// What the store said of a digest. Its absence is remembered like its presence.
#[derive(Clone)]
struct Known {
    merchant: Option<Arc<Merchant>>,
    /// Until when it counts, on the clock that a sandbox does not move.
    until: Duration,
}

/// A key, as far as this process knows it without asking anybody.
pub enum Recalled {
    /// This merchant's.
    Known(Arc<Merchant>),
    /// Nobody's.
    Nobodys,
    /// It was a merchant's a while ago, or the store is being asked about it already: its answer is to be waited for.
    Expected(Digested),
    /// The store has to be asked.
    Unknown(Digested),
}

/// Why nobody knows whose a key is.
#[derive(Debug)]
pub enum Unasked {
    /// So many others that were never seen are being asked about that this one is not.
    Crowded,
    /// The store gave no answer.
    NoAnswer(Error),
}

/// A key to ask the store about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digested {
    digest: KeyHash,
    /// Never seen, as far as this process remembers.
    is_strangers: bool,
}

impl Authenticator {
    /// Asks `merchants`, behind `guard`.
    pub fn new(merchants: Arc<dyn Merchants>, guard: Arc<StoreGuard>, time: Arc<dyn Time>) -> Self {
        Self { merchants, guard, time, cache: Mutex::default(), questions: Mutex::default() }
    }

    /// The merchant whose key this is, or `None`.
    pub async fn authenticate(&self, api_key: &str) -> Result<Option<Arc<Merchant>>, Unasked> {
        match self.recall(api_key) {
            Recalled::Known(merchant) => Ok(Some(merchant)),
            Recalled::Nobodys => Ok(None),
            Recalled::Expected(key) | Recalled::Unknown(key) => self.ask(key).await,
        }
    }

    /// What is known of `api_key` without a read.
    pub fn recall(&self, api_key: &str) -> Recalled {
        if api_key.is_empty() || api_key.len() > KEY_LEN_AT_MOST {
            return Recalled::Nobodys;
        }
        let digest = api_key_digest(api_key);
        let now = self.time.monotonic();
        let is_known = match self.cache().get(&digest) {
            Some(Known { merchant: Some(merchant), until }) if now < *until => {
                return Recalled::Known(Arc::clone(merchant));
            }
            Some(Known { merchant: None, until }) if now < *until => return Recalled::Nobodys,
            Some(Known { merchant, .. }) => merchant.is_some(),
            None => false,
        };
        if is_known || self.is_asked(&digest) {
            Recalled::Expected(Digested { digest, is_strangers: false })
        } else {
            Recalled::Unknown(Digested { digest, is_strangers: true })
        }
    }

    fn is_asked(&self, digest: &KeyHash) -> bool {
        self.questions().get(digest).is_some_and(|question| question.answer.upgrade().is_some())
    }

    /// Asks the store whose key this is, or waits for what it answers somebody else. While it is away, a key that was
    /// good before counts on.
    pub async fn ask(&self, key: Digested) -> Result<Option<Arc<Merchant>>, Unasked> {
        let (asked_at, answer) = self.question(key).ok_or(Unasked::Crowded)?;
        self.learn(key.digest, asked_at, answer.await).map_err(Unasked::NoAnswer)
    }

    /// The question about a key, which may have been put before; `None`: too many are about keys that were never seen.
    fn question(&self, key: Digested) -> Option<(Duration, Shared<BoxFuture<'static, Answer>>)> {
        let mut questions = self.questions();
        questions.retain(|_, question| question.answer.upgrade().is_some());
        if let Some(Question { asked_at, answer, .. }) = questions.get(&key.digest)
            && let Some(answer) = answer.upgrade()
        {
            return Some((*asked_at, answer));
        }
        if key.is_strangers && questions.values().filter(|question| question.is_strangers).count() >= STRANGERS_AT_ONCE
        {
            return None;
        }
        // From before it is asked: what changes while the store answers may not be in it.
        let asked_at = self.time.monotonic();
        let answer = self.read(key.digest).boxed().shared();
        if let Some(answer) = answer.downgrade() {
            questions.insert(key.digest, Question { asked_at, answer, is_strangers: key.is_strangers });
        }
        Some((asked_at, answer))
    }

    fn read(&self, digest: KeyHash) -> impl Future<Output = Answer> + Send + 'static {
        let (merchants, guard, time) = (Arc::clone(&self.merchants), Arc::clone(&self.guard), Arc::clone(&self.time));
        async move {
            let found = guard.call(StoreCall::Other, STORE_TIMEOUT, merchants.by_key(digest)).await?;
            Ok(found
                .filter(|(key, _)| bool::from(key.digest.0.ct_eq(&digest.0)))
                .filter(|(key, _)| key.revoked_at.is_none_or(|at| time.now() < at))
                .map(|(_, merchant)| Arc::new(merchant)))
        }
    }

    fn learn(&self, digest: KeyHash, asked_at: Duration, answer: Answer) -> Result<Option<Arc<Merchant>>, Error> {
        match answer {
            Ok(merchant) => {
                self.remember(digest, merchant.clone(), asked_at + CACHED_FOR);
                Ok(merchant)
            }
            Err(error @ StoreError::Unavailable(_)) => self.was_good(digest).ok_or_else(|| error.into()).map(Some),
            Err(error) => Err(error.into()),
        }
    }

    /// The merchant of a key that was good when the store last said anything of it.
    fn was_good(&self, digest: KeyHash) -> Option<Arc<Merchant>> {
        let mut cache = self.cache();
        let known = cache.get_mut(&digest)?;
        let merchant = known.merchant.clone()?;
        known.until = self.time.monotonic() + ASKED_AGAIN_AFTER;
        Some(merchant)
    }

    fn remember(&self, digest: KeyHash, merchant: Option<Arc<Merchant>>, until: Duration) {
        let now = self.time.monotonic();
        let mut cache = self.cache();
        if cache.len() >= CACHED_AT_MOST && !cache.contains_key(&digest) {
            // Good keys first stay: they are what merchants go on with while the store is away.
            cache.retain(|_, known| known.merchant.is_some() || now < known.until);
            // Still full: a flood of made-up keys. Theirs are not remembered; merchants' are, in their place.
            if cache.len() >= CACHED_AT_MOST {
                if merchant.is_none() {
                    return;
                }
                cache.retain(|_, known| known.merchant.is_some());
            }
            if cache.len() >= CACHED_AT_MOST {
                cache.retain(|_, known| now < known.until);
            }
            if cache.len() >= CACHED_AT_MOST {
                return;
            }
        }
        cache.insert(digest, Known { merchant, until });
    }

    fn questions(&self) -> MutexGuard<'_, HashMap<KeyHash, Question>> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cache(&self) -> MutexGuard<'_, HashMap<KeyHash, Known>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the store keeps of an API key.
pub fn api_key_digest(api_key: &str) -> KeyHash {
    KeyHash(Sha256::digest(api_key.as_bytes()).into())
}

/// What every API key begins with.
pub const API_KEY_PREFIX: &str = "tgk_";

/// A new API key: shown once, never stored. 128 random bits behind a prefix that scanners can recognise.
pub fn new_api_key(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    let first = MerchantId::from_random(bytes).to_string();
    format!("{API_KEY_PREFIX}{}", &first[MerchantId::PREFIX.len()..])
}
