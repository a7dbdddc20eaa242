//! `POST /v1/payments`: two commits, one provider call, no read (rule 16).

use std::collections::BTreeMap;

use tollgate_domain::{CaptureMethod, Details, MerchantId, Money, NewPayment, Payment, PaymentId, ProviderName};

use crate::{
    Context, Done, Error, Gateway, Route,
    idempotency::Key,
    ports::FailPoint,
    records::{Cause, Committed, Guard, IdempotencyRecord},
};

/// A payment to be made: parsed and authenticated; past this point nothing is validated again but by the rules.
#[derive(Debug, Clone)]
pub struct CreatePayment {
    /// Whose.
    pub merchant: MerchantId,
    /// The merchant's key.
    pub idempotency_key: String,
    /// How much; not zero.
    pub amount: Money,
    /// The payer's token at each provider that may be used.
    pub payment_method: BTreeMap<ProviderName, String>,
    /// The provider to use, where the merchant has chosen.
    pub provider: Option<ProviderName>,
    /// When the money is taken.
    pub capture_method: CaptureMethod,
    /// The merchant's words.
    pub details: Details,
}

impl CreatePayment {
    /// Defaults are left out, so that stating one is the same request.
    fn key(&self) -> Key {
        // Without `..`: a field that is forgotten here would make two requests of different meaning the same.
        let Self { merchant, idempotency_key, amount, payment_method, provider, capture_method, details } = self;
        let Details { merchant_reference, description, metadata, return_url } = details;
        let (minor, currency) = (amount.minor().to_string(), amount.currency());
        let mut parts = vec![("amount", minor.as_str()), ("currency", currency.code())];
        let tokens: Vec<_> =
            payment_method.iter().map(|(name, token)| (format!("payment_method/{name}"), token)).collect();
        parts.extend(tokens.iter().map(|(name, token)| (name.as_str(), token.as_str())));
        parts.extend(provider.map(|provider| ("provider", provider.as_str())));
        if *capture_method != CaptureMethod::default() {
            parts.push(("capture_method", capture_method.as_str()));
        }
        for (name, value) in
            [("merchant_reference", merchant_reference), ("description", description), ("return_url", return_url)]
        {
            parts.extend(value.as_deref().map(|value| (name, value)));
        }
        let metadata: Vec<_> = metadata.iter().map(|(name, value)| (format!("metadata/{name}"), value)).collect();
        parts.extend(metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        Key::new(*merchant, Route::Create, idempotency_key, "/v1/payments", &parts)
    }
}

impl Gateway {
    /// Makes a payment, or gives the one that this key made.
    pub async fn create_payment(&self, command: CreatePayment, context: Context) -> Result<Done, Error> {
        let gateway = self.clone();
        self.run(async move { gateway.create(command, &context).await }).await
    }

    async fn create(&self, command: CreatePayment, context: &Context) -> Result<Done, Error> {
        let key = command.key();
        let mut plan = match self.plan(&command, &key).await {
            Ok(plan) => plan,
            // What is refused before the intent may have been made before the provider was turned off.
            Err(error) => return self.replay_or(key, error, context).await,
        };
        let (chosen, pass) = match self.next_candidate(&mut plan).await {
            Ok(chosen) => chosen,
            Err(error) => return self.replay_or(key, error, context).await,
        };
        let id = self.payment_id();
        let new = NewPayment {
            id,
            merchant: command.merchant,
            amount: command.amount,
            provider: chosen.provider.name(),
            payment_method: chosen.token.clone(),
            return_url: self.settings.return_links.url(id),
            capture_method: command.capture_method,
            details: command.details,
        };
        let mut change = Payment::open(new, self.attempt(), key.hash, self.now());
        change.detail = Some(plan.why(&chosen));
        let payment = change.payment.clone();
        let mut set = self.change_set(None, change, Cause::Merchant, context);
        set.new_key = Some(key.record(payment.id, 1, self.now()));
        self.ports.fail_points.pass(FailPoint::BeforeIntent);
        match self.commit(&set).await? {
            Committed::Done => {
                self.ports.fail_points.pass(FailPoint::AfterIntent);
                let carried = self.carry_out(payment, pass, context).await?;
                // Boxed, as it is the rare path.
                let carried = Box::pin(self.fail_over(carried, plan, context)).await?;
                Done::of(carried.payment, &carried.operation, carried.not_reached)
            }
            Committed::Conflict(Guard::IdempotencyKey) => {
                // Nothing new is sent. What is sent again asks for itself, and a breaker that is half open may have no second place.
                drop(pass);
                let record = self.load_key(key.hash).await?.ok_or(Error::Internal)?;
                self.replay(key, record, context).await
            }
            Committed::Conflict(_) => Err(Error::Internal),
        }
    }

    /// The answer of the request that used this key before, or `error` if there was none: a refusal that wrote
    /// nothing never hides what an earlier request did.
    pub(crate) async fn replay_or(&self, key: Key, error: Error, context: &Context) -> Result<Done, Error> {
        match self.load_key(key.hash).await? {
            Some(record) => self.replay(key, record, context).await,
            None => Err(error),
        }
    }
}

impl Key {
    pub(crate) fn record(
        &self,
        payment: PaymentId,
        operation: u32,
        created_at: tollgate_domain::Timestamp,
    ) -> IdempotencyRecord {
        IdempotencyRecord { key: self.hash, fingerprint: self.fingerprint, payment, operation, created_at }
    }
}
