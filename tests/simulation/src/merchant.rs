//! Merchants and payers: what they ask for, how often, and what they were told.
//!
//! Must not know: how the gateway does it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tollgate_domain::{
    CaptureMethod, Details, MerchantId, Money, Payment, PaymentId, PaymentStatus, ProviderName, Refund, RefundId,
    RefundStatus,
};
use tollgate_gateway::{CreatePayment, Error, Gateway, RefundPayment, Target, ports::StoreError};

use crate::{
    executor::{Owner, locked},
    instance::context,
    messages::{merchant, return_of},
    world::{MERCHANTS, STORM, World},
};

/// How long a merchant waits for an answer.
const PATIENCE: Duration = Duration::from_secs(35);
/// So long they sell; then comes the settlement, and what is given back.
const SALE: u64 = 6 * 3600;
/// When what was sold is settled.
const SETTLED: Duration = Duration::from_secs(7 * 3600 + 3600);
/// Who is stubborn asks so often.
const STUBBORN: u32 = 40;

/// What merchants were told.
#[derive(Default)]
pub(crate) struct Told {
    /// The payment of each key.
    pub(crate) intents: BTreeMap<(usize, String), PaymentId>,
    /// Every status that was answered.
    pub(crate) statuses: BTreeMap<PaymentId, BTreeSet<&'static str>>,
    /// What a confirmed capture took.
    pub(crate) captured: BTreeMap<PaymentId, i64>,
    /// Every status of a refund that was answered.
    pub(crate) refunds: BTreeMap<RefundId, BTreeSet<&'static str>>,
}

/// What a merchant does with a payment that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Capture,
    CapturePart,
    Void,
    Both,
    Nothing,
}

/// One thing that somebody wants to buy.
#[derive(Debug, Clone)]
struct Intent {
    merchant: usize,
    key: String,
    amount: i64,
    tokens: BTreeMap<ProviderName, String>,
    automatic: bool,
    then: Then,
    /// How often the merchant asks.
    tries: u32,
}

/// Why there is no answer that ends the matter.
enum Unanswered {
    /// To be asked again.
    Later,
    /// For good.
    Never,
}

/// Opens the shops: everybody who wants to buy something comes at some time.
pub(crate) fn go_shopping(world: &Arc<World>, payments: u64) {
    for number in 0..payments {
        let (intent, at) = (Intent::any(world, number), world.stage.dice.secs(0, SALE));
        let world = Arc::clone(world);
        let executor = world.stage.executor.clone();
        executor.spawn(Owner::WORLD, async move {
            world.stage.pause(at).await;
            Shop { world, intent }.sell().await;
        });
    }
    let world = Arc::clone(world);
    let executor = world.stage.executor.clone();
    executor.spawn(Owner::WORLD, after_the_storm(world));
}

/// Once nothing goes wrong any more, nobody is turned away, whatever happened to others' cards.
async fn after_the_storm(world: Arc<World>) {
    world.stage.pause(STORM + Duration::from_secs(3600)).await;
    for number in 0..12 {
        let card = if number < 11 { "pm_card_visa_chargeDeclined" } else { "pm_card_visa" };
        let intent = Intent {
            merchant: 0,
            key: format!("calm-{number}"),
            amount: 1000,
            tokens: BTreeMap::from([(ProviderName::Stripe, card.to_owned())]),
            automatic: false,
            then: Then::Nothing,
            tries: 1,
        };
        let answer = world.ask(PATIENCE, |gateway| intent.ask(intent.amount, gateway)).await;
        if !matches!(answer, Some(Ok(_))) {
            world.stage.story.is_wrong(None, format!("turned away though all is well: {:?}", answer.map(Result::err)));
        }
    }
}

impl Intent {
    fn any(world: &World, number: u64) -> Self {
        let dice = &world.stage.dice;
        let card = || match dice.below(20) {
            0 | 1 => "pm_card_visa_chargeDeclined",
            2..=4 => "pm_card_threeDSecure2Required",
            5 | 6 => "pm_card_pendingRefund",
            7 => "pm_card_refundFail",
            _ => "pm_card_visa",
        };
        let wallet = || match dice.below(12) {
            0 => "vault-declined",
            1 | 2 => "vault-needs-approval",
            3 => "vault-refund-pending",
            4 => "vault-refund-failed",
            _ => "vault-ok",
        };
        let is_muddled = world.stage.weather.is_muddled();
        let tokens = match dice.below(20) {
            _ if is_muddled && dice.chance(500) => {
                vec![(ProviderName::Stripe, card()), (ProviderName::Paypal, wallet())]
            }
            0..=8 => vec![(ProviderName::Stripe, card())],
            9..=11 => vec![(ProviderName::Paypal, wallet())],
            _ => vec![(ProviderName::Stripe, card()), (ProviderName::Paypal, wallet())],
        };
        Self {
            merchant: dice.index(MERCHANTS),
            key: format!("order-{number}"),
            amount: i64::try_from(100 + dice.below(90_000)).unwrap_or(100),
            tokens: tokens.into_iter().map(|(name, token)| (name, token.to_owned())).collect(),
            automatic: dice.chance(250),
            then: match dice.below(20) {
                0..=9 => Then::Capture,
                10..=12 => Then::CapturePart,
                13 | 14 => Then::Void,
                15..=17 => Then::Both,
                _ => Then::Nothing,
            },
            tries: if dice.chance(200) { 1 } else { STUBBORN },
        }
    }

    fn ask(
        &self,
        amount: i64,
        gateway: Gateway,
    ) -> impl Future<Output = Result<(Payment, bool), Error>> + Send + 'static {
        let command = CreatePayment {
            merchant: merchant(self.merchant),
            idempotency_key: self.key.clone(),
            amount: yen(amount),
            payment_method: self.tokens.clone(),
            provider: None,
            capture_method: if self.automatic { CaptureMethod::Automatic } else { CaptureMethod::Manual },
            details: Details {
                return_url: Some("https://shop.test/thanks".to_owned()),
                // How it was paid, for whoever looks at the end.
                merchant_reference: Some(self.tokens.values().cloned().collect::<Vec<_>>().join(" ")),
                ..Details::default()
            },
        };
        async move { gateway.create_payment(command, context()).await.map(|done| (done.payment, done.known)) }
    }
}

fn yen(minor: i64) -> Money {
    let currency = "JPY".parse();
    currency.ok().and_then(|currency| Money::new(minor, currency).ok()).unwrap_or_else(|| unreachable!("an amount"))
}

/// One sale, from the merchant's side of the counter.
struct Shop {
    world: Arc<World>,
    intent: Intent,
}

impl Shop {
    fn who(&self) -> MerchantId {
        merchant(self.intent.merchant)
    }

    fn chance(&self, per_mille: u64) -> bool {
        self.world.stage.dice.chance(per_mille)
    }

    async fn pause(&self, least: u64, most: u64) {
        self.world.stage.pause(self.world.stage.dice.secs(least, most)).await;
    }

    /// Asks until an answer ends the matter, at most so often.
    async fn until_answered<T, W>(&self, tries: u32, ask: impl Fn(Gateway) -> W) -> Option<T>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let rate = self.world.stage.weather.rates().merchant;
        for attempt in 1..=tries {
            let is_lost = self.world.stage.dice.rarely(rate);
            let answer = if is_lost { None } else { self.world.ask(PATIENCE, &ask).await };
            match answer.filter(|_| !self.world.stage.dice.rarely(rate)) {
                Some(Ok(answer)) => return Some(answer),
                Some(Err(error)) => match self.read(&error) {
                    Unanswered::Later => {}
                    Unanswered::Never => return None,
                },
                None => {}
            }
            self.pause(1, 10 + 30 * u64::from(attempt)).await;
        }
        None
    }

    /// Whether an error is worth another try. What no merchant may ever see is wrong.
    fn read(&self, error: &Error) -> Unanswered {
        match error {
            Error::ProviderUnavailable { .. } | Error::KeyInUse | Error::Store(StoreError::Unavailable(_)) => {
                Unanswered::Later
            }
            Error::Refused(tollgate_domain::Refusal::OperationInProgress) => Unanswered::Later,
            Error::Refused(_) | Error::ProviderRefused(_) => Unanswered::Never,
            other => {
                self.world.stage.story.is_wrong(None, format!("{} is answered: {other:?}", self.intent.key));
                Unanswered::Never
            }
        }
    }

    async fn sell(&self) {
        let asks_twice = if self.world.stage.weather.is_muddled() { 600 } else { 120 };
        let payment = if self.chance(asks_twice) {
            let (one, other) = futures::join!(self.create(), self.create_again());
            one.or(other)
        } else {
            self.create().await
        };
        let Some(payment) = payment else { return };
        if self.chance(60) {
            self.change_the_body().await;
        }
        let payment = self.let_the_payer_act(payment).await;
        self.go_on(&payment).await;
        if self.chance(100) {
            self.pause(3600, 8 * 3600).await;
            self.create().await;
        }
        self.give_back(payment.id).await;
    }

    /// Makes the payment, or finds it made.
    async fn create(&self) -> Option<Payment> {
        let mut last = None;
        for _ in 0..self.intent.tries.min(10) {
            let made = self.until_answered(self.intent.tries, |gateway| self.intent.ask(self.intent.amount, gateway));
            let (payment, known) = made.await?;
            self.takes(&payment);
            let key = (self.intent.merchant, self.intent.key.clone());
            let first = *locked(&self.world.told).intents.entry(key).or_insert(payment.id);
            if first != payment.id {
                let what = format!("{} was {first} before: one key, two payments", self.intent.key);
                self.world.stage.story.is_wrong(Some(payment.id), what);
            }
            let payers_turn = payment.open.as_ref().is_some_and(|open| open.payer.is_some());
            last = Some(payment);
            if known || payers_turn {
                break;
            }
            self.pause(5, 120).await;
        }
        last
    }

    /// The payer presses again, at once or while he waits.
    async fn create_again(&self) -> Option<Payment> {
        if self.chance(500) {
            self.pause(0, 8).await;
        }
        self.create().await
    }

    /// Another request with the same key: refused, always.
    async fn change_the_body(&self) {
        let answer = self.world.ask(PATIENCE, |gateway| self.intent.ask(self.intent.amount + 1, gateway)).await;
        if let Some(Ok((payment, _))) = answer {
            let what = format!("{} was used for another amount before, and is answered", self.intent.key);
            self.world.stage.story.is_wrong(Some(payment.id), what);
        }
    }

    /// Remembers what was answered.
    fn takes(&self, payment: &Payment) {
        let mut told = locked(&self.world.told);
        told.statuses.entry(payment.id).or_default().insert(payment.status.as_str());
        drop(told);
        self.world.stage.story.tell(Owner::WORLD, Some(payment.id), "the merchant is told", || {
            format!("{} ({}), version {}", payment.status.as_str(), self.intent.key, payment.version)
        });
    }

    async fn look(&self, id: PaymentId) -> Option<Payment> {
        let who = self.who();
        let payment = self.until_answered(10, move |gateway| async move { gateway.get_payment(who, id).await }).await?;
        self.takes(&payment);
        Some(payment)
    }

    /// The payer approves, refuses, or stays away; and comes back, or not.
    async fn let_the_payer_act(&self, payment: Payment) -> Payment {
        let Some(page) = payment.open.as_ref().and_then(|open| open.payer.as_ref()).map(|turn| turn.url.clone()) else {
            return payment;
        };
        let is_card = page.contains("/3ds/");
        let button = match self.world.stage.dice.below(10) {
            0..=6 => "approve",
            7 => {
                if is_card {
                    "fail"
                } else {
                    "cancel"
                }
            }
            _ => return payment,
        };
        if self.chance(100) {
            self.pause(3600, 8 * 3600).await;
        } else {
            self.pause(5, 900).await;
        }
        let page = page.split('?').next().unwrap_or_default();
        let page = match page.strip_suffix("/checkoutnow") {
            Some(folder) => {
                format!("{folder}/checkoutnow/{}", payment.provider_transaction_id.clone().unwrap_or_default())
            }
            None => page.to_owned(),
        };
        let back = self.world.providers.press(&page, button, &self.world.stage);
        self.world
            .stage
            .story
            .tell(Owner::WORLD, Some(payment.id), "the payer presses", || format!("{button} {back:?}"));
        if let Some((opaque, query)) = back.as_deref().and_then(return_of).filter(|_| self.chance(700)) {
            let returns =
                move |gateway: Gateway| async move { gateway.payer_returned(&opaque, &query, context()).await };
            _ = self.world.ask(PATIENCE, returns).await;
        }
        self.pause(1, 60).await;
        self.look(payment.id).await.unwrap_or(payment)
    }

    async fn go_on(&self, payment: &Payment) {
        let part = (payment.amount.minor() / 2).max(1);
        match (payment.status, self.intent.then) {
            (PaymentStatus::Authorized, Then::Capture) if self.chance(100) => {
                futures::join!(self.capture(payment, None, 1), self.capture(payment, None, 2));
            }
            (PaymentStatus::Authorized, Then::Capture) => self.capture(payment, None, 1).await,
            (PaymentStatus::Authorized, Then::CapturePart) => self.capture(payment, Some(part), 1).await,
            (PaymentStatus::Authorized, Then::Both) => {
                futures::join!(self.capture(payment, None, 1), self.void(payment));
            }
            // What is not known yet can be voided all the same.
            (PaymentStatus::Authorized, Then::Void) | (PaymentStatus::Pending, Then::Void | Then::Both) => {
                self.void(payment).await;
            }
            _ => {}
        }
    }

    async fn capture(&self, payment: &Payment, minor: Option<i64>, number: u32) {
        let target = self.target(payment.id, &format!("capture-{number}"));
        let ask = |gateway: Gateway| {
            let target = target.clone();
            async move { gateway.capture_payment(target, minor, context()).await }
        };
        let Some(done) = self.until_answered(self.intent.tries, ask).await else { return };
        self.takes(&done.payment);
        let expected = minor.unwrap_or(payment.amount.minor());
        // A payment that is over by something else is an answer to a retry, too.
        if done.known && done.payment.captured.minor() > 0 {
            locked(&self.world.told).captured.insert(payment.id, expected);
        }
    }

    async fn void(&self, payment: &Payment) {
        let target = self.target(payment.id, "void");
        let ask = |gateway: Gateway| {
            let target = target.clone();
            async move { gateway.void_payment(target, context()).await }
        };
        if let Some(done) = self.until_answered(self.intent.tries, ask).await {
            self.takes(&done.payment);
        }
    }

    fn target(&self, payment: PaymentId, what: &str) -> Target {
        let idempotency_key = format!("{}-{what}", self.intent.key);
        Target { merchant: self.who(), payment, idempotency_key }
    }

    /// Gives back a part, or all, or more than there is, once it is settled; sometimes twice at once.
    async fn give_back(&self, id: PaymentId) {
        if !self.chance(350) {
            return;
        }
        let now = self.world.stage.executor.now();
        self.world.stage.pause(SETTLED.saturating_sub(now)).await;
        self.pause(0, 3 * 3600).await;
        let Some(payment) = self.look(id).await else { return };
        if payment.status != PaymentStatus::Settled {
            return;
        }
        let captured = payment.captured.minor();
        let part = (captured * 6 / 10).max(1);
        match self.world.stage.dice.below(4) {
            0 => {
                futures::join!(
                    self.refund(id, Some(part), 1),
                    self.refund(id, Some(part), 2),
                    self.refund(id, Some(part), 3),
                );
            }
            1 => {
                self.refund(id, Some((captured / 3).max(1)), 1).await;
                self.refund(id, Some((captured / 3).max(1)), 2).await;
                self.refund(id, None, 3).await;
            }
            2 => self.refund(id, Some(captured + 1), 1).await,
            _ => self.refund(id, None, 1).await,
        }
    }

    async fn refund(&self, id: PaymentId, minor: Option<i64>, number: u32) {
        let target = self.target(id, &format!("refund-{number}"));
        let ask = |gateway: Gateway| {
            let (target, command) = (target.clone(), RefundPayment { minor, reason: None });
            async move { gateway.refund_payment(target, command, context()).await }
        };
        let Some(done) = self.until_answered(self.intent.tries, ask).await else { return };
        self.takes_refund(&done.refund);
    }

    fn takes_refund(&self, refund: &Refund) {
        let status = match refund.status {
            RefundStatus::Pending => "PENDING",
            RefundStatus::Completed => "COMPLETED",
            RefundStatus::Failed => "FAILED",
        };
        locked(&self.world.told).refunds.entry(refund.id).or_default().insert(status);
        self.world.stage.story.tell(Owner::WORLD, Some(refund.payment_id), "the merchant is told", || {
            format!("refund {} of {} is {status}", refund.id, refund.amount.minor())
        });
    }
}
