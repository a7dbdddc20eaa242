//! An order's payment: `POST /v2/checkout/orders/{id}/authorize` and `…/capture`.

use super::{
    Call, PayPal,
    capture::new_capture,
    create::{ORDER_SECONDS, check_instrument},
    errors::ApiError,
    issues::{self, Issue},
    kept::Outcome,
    order::{Intent, Order, Status},
    payments::{Authorization, Held},
    reading::Body,
    sources::{Source, Wallet},
};

/// How long an authorization can be captured.
const AUTHORIZATION_SECONDS: i64 = 29 * 24 * 3600;

impl PayPal {
    /// Authorizes or captures the order, as `asked`.
    pub(super) fn pay_order(
        &mut self,
        call: &mut Call,
        id: &str,
        asked: Intent,
        body: &Body,
    ) -> Result<Outcome, ApiError> {
        let mut order = self.find_order(id)?;
        let source = Source::read(&body.value, body.area)?;
        check_state(&order, asked)?;
        let wallet = match source {
            Source::Vaulted(Wallet::NeedsApproval) if order.status != Status::Approved => {
                order.wallet = Some(Wallet::NeedsApproval);
                order.status = Status::PayerActionRequired;
                order.updated = call.unix();
                let page = self.show(call).approval(&order);
                self.state.put_order(order);
                return Err(ApiError::of(&issues::PAYER_MUST_ACT).payer_action(&page));
            }
            Source::Vaulted(wallet) => wallet,
            _ => match order.status {
                Status::Approved => order.wallet.unwrap_or(Wallet::Plain),
                Status::PayerActionRequired => {
                    let page = self.show(call).approval(&order);
                    return Err(ApiError::of(&issues::PAYER_MUST_ACT).payer_action(&page));
                }
                _ if asked == Intent::Capture => return Err(ApiError::of(&issues::NOT_APPROVED_FOR_CAPTURE)),
                _ => return Err(ApiError::of(&issues::NOT_APPROVED)),
            },
        };
        self.check_invoice(&order)?;
        check_instrument(call, wallet)?;
        order.wallet = Some(wallet);
        self.take_payment(call, order, wallet);
        Ok(Outcome::Order(id.to_owned()))
    }

    /// Holds or takes the order's amount: the payer agreed.
    pub(super) fn take_payment(&mut self, call: &Call, mut order: Order, wallet: Wallet) {
        order.status = Status::Completed;
        order.updated = call.unix();
        order.expires = None;
        let id = self.new_id();
        match order.intent {
            Intent::Authorize => {
                order.authorizations.push(id.clone());
                let held = Authorization {
                    id,
                    order: order.id.clone(),
                    created: call.unix(),
                    updated: call.unix(),
                    amount: order.amount.clone(),
                    status: Held::Created,
                    wallet,
                    custom_id: order.custom_id(),
                    invoice_id: order.invoice_id(),
                    expires: call.unix() + AUTHORIZATION_SECONDS,
                    expired: false,
                    captured: 0,
                    closed: false,
                    parent: None,
                    renewed_by: None,
                };
                self.state.put_order(order.clone());
                self.tell_of_authorization(call, "PAYMENT.AUTHORIZATION.CREATED", &held);
                self.state.put_authorization(held);
            }
            Intent::Capture => {
                order.captures.push(id.clone());
                let taken = new_capture(call, id, &order, wallet);
                self.state.put_order(order.clone());
                self.tell_of_capture(call, &taken);
                self.state.put_capture(taken);
            }
        }
        self.tell_of_order(call, "CHECKOUT.ORDER.COMPLETED", &order);
    }

    /// The payer approved: the order can be paid.
    pub(super) fn approve(&mut self, call: &Call, mut order: Order) -> Order {
        order.status = Status::Approved;
        order.updated = call.unix();
        order.expires = Some(call.unix() + ORDER_SECONDS);
        order.wallet = match order.wallet {
            None | Some(Wallet::NeedsApproval) => Some(Wallet::Plain),
            known => known,
        };
        self.tell_of_order(call, "CHECKOUT.ORDER.APPROVED", &order);
        self.state.put_order(order.clone());
        order
    }

    pub(super) fn tell_of_authorization(&mut self, call: &Call, kind: &str, held: &Authorization) {
        let resource = self.show(call).authorization(held);
        self.emit(call, kind, &held.order, &held.amount, &resource);
    }

    fn tell_of_order(&mut self, call: &Call, kind: &str, order: &Order) {
        let resource = self.show(call).order(order, true);
        self.emit(call, kind, &order.id, &order.amount, &resource);
    }
}

/// Refuses what an order in this state cannot do.
fn check_state(order: &Order, asked: Intent) -> Result<(), ApiError> {
    let refuse = |issue: &Issue| Err(ApiError::of(issue));
    match (asked, order.intent) {
        (Intent::Authorize, Intent::Capture) => return refuse(&issues::INTENT_IS_CAPTURE),
        (Intent::Capture, Intent::Authorize) => return refuse(&issues::INTENT_IS_AUTHORIZE),
        _ => {}
    }
    match (order.status, asked) {
        (Status::Completed, Intent::Authorize) => refuse(&issues::ALREADY_AUTHORIZED),
        (Status::Completed, Intent::Capture) => refuse(&issues::ORDER_ALREADY_CAPTURED),
        (Status::Voided, _) => refuse(&issues::ORDER_EXPIRED),
        _ => Ok(()),
    }
}
