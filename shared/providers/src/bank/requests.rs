//! What is sent to the bank: each request from the payment and operation as committed, or from what was consented to, so
//! that sending it again is sending the same.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tollgate_domain::{Money, Operation, Payment, ProviderRequestId};

use super::{
    Bank, BankAccount, amounts,
    api::Ask,
    objects::Consent,
    view::{Expected, is_id},
};

const CONSENTS: &str = "/domestic-payment-consents";
const PAYMENTS: &str = "/domestic-payments";
/// How much of a merchant's words the bank takes.
const DESCRIPTION_MAX: usize = 140;
const ACCOUNT_MAX: usize = 256;
/// How long an idempotency key may be.
const KEY_MAX: usize = 40;
/// How long the payer's page can be opened: longer than the payer has.
const PAGE_SECONDS: i64 = 3600;
/// Longer URLs are not sent to payers.
const URL_MAX_LEN: usize = 4096;

/// Why a request cannot be made: nothing is sent. For the log.
pub(super) type Unsendable = &'static str;

/// Asks for a consent to `payment`. Money cannot move by it alone.
pub(super) fn consent(bank: &Bank, payment: &Payment, operation: &Operation) -> Result<Ask, Unsendable> {
    let debtor = operation.payment_method.as_deref().ok_or("the payer's account is not known any more")?;
    if debtor.is_empty() || debtor.chars().count() > ACCOUNT_MAX {
        return Err("the payer's account is none");
    }
    let mut initiation = json!({
        "InstructionIdentification": short(operation.request_id),
        "EndToEndIdentification": payment.id.to_string(),
        "InstructedAmount": amount(operation.amount)?,
        "DebtorAccount": {"SchemeName": bank.creditor.scheme, "Identification": debtor},
        "CreditorAccount": account(&bank.creditor),
        "SupplementaryData": {
            "tollgate_payment_id": payment.id.to_string(),
            "tollgate_request_id": operation.request_id.to_string(),
        },
    });
    let description: String =
        payment.details.description.iter().flat_map(|text| text.chars()).take(DESCRIPTION_MAX).collect();
    if !description.trim().is_empty() {
        initiation["RemittanceInformation"] = json!({"Unstructured": [description]});
    }
    let body = json!({
        "Data": {"ReadRefundAccount": "Yes", "Initiation": initiation},
        "Risk": {"PaymentContextCode": "EcommerceMerchantInitiatedPayment"},
    });
    Ok(Ask::post(CONSENTS, operation.request_id.to_string(), body))
}

/// Asks for a consent to give money back to the account `to`, as the bank has shown it, from our own.
pub(super) fn consent_to_give_back(
    bank: &Bank,
    expected: &Expected,
    to: &Value,
    operation: &Operation,
    marks: &Value,
) -> Result<Ask, Unsendable> {
    let text = |name: &str| to[name].as_str().filter(|text| !text.is_empty());
    let (Some(scheme), Some(identification)) = (text("SchemeName"), text("Identification")) else {
        return Err("the bank shows no account that money can go back to");
    };
    let mut creditor = json!({
        "SchemeName": scheme, "Identification": identification, "Name": text("Name").unwrap_or("The payer"),
    });
    if let Some(second) = text("SecondaryIdentification") {
        creditor["SecondaryIdentification"] = second.into();
    }
    let initiation = json!({
        "InstructionIdentification": short(operation.request_id),
        "EndToEndIdentification": expected.end_to_end,
        "InstructedAmount": amount(expected.amount)?,
        "DebtorAccount": account(&bank.refunds_from),
        "CreditorAccount": creditor,
        "SupplementaryData": marks,
    });
    let body = json!({
        "Data": {"ReadRefundAccount": "No", "Initiation": initiation},
        "Risk": {"PaymentContextCode": "TransferToThirdParty"},
    });
    Ok(Ask::post(CONSENTS, operation.request_id.to_string(), body))
}

/// Shows a consent.
pub(super) fn show_consent(id: &str) -> Result<Ask, Unsendable> {
    consent_path(id).map(Ask::get)
}

/// Asks whether there is money for a consent.
pub(super) fn funds(id: &str) -> Result<Ask, Unsendable> {
    Ok(Ask::get(format!("{}/funds-confirmation", consent_path(id)?)))
}

/// Uses a consent: the one call that moves money, in the words that were consented to. Its key comes from the consent, which
/// can be used once: whoever knows the consent can ask for its payment again, by whichever operation it was made.
pub(super) fn submit(consent: &Consent) -> Result<Ask, Unsendable> {
    let data = &consent.data;
    consent_path(&data.consent_id)?;
    let body = json!({
        "Data": {"ConsentId": data.consent_id, "Initiation": data.initiation}, "Risk": consent.risk,
    });
    let mut key = hex::encode(Sha256::digest(&data.consent_id));
    key.truncate(KEY_MAX);
    Ok(Ask::post(PAYMENTS, key, body))
}

/// Shows a payment.
pub(super) fn show_payment(id: &str) -> Result<Ask, Unsendable> {
    is_id(id).then(|| Ask::get(format!("{PAYMENTS}/{id}"))).ok_or("the payment's id is not one of the bank's")
}

/// Where the payer approves: the bank's page, with a request that we have signed (RFC 9101). It is signed anew each time.
pub(super) fn approval_page(bank: &Bank, consent: &str, operation: &Operation) -> Result<String, Unsendable> {
    let returns_to = operation.return_url.as_deref().ok_or("there is no address that the payer could come back to")?;
    let (client, now) = (&bank.api.client_id, bank.api.time.now().as_second());
    let intent = json!({"openbanking_intent_id": {"value": consent, "essential": true}});
    let state = operation.request_id.to_string();
    let claims = json!({
        "iss": client, "aud": bank.issuer, "client_id": client, "response_type": "code",
        "scope": "openid payments", "redirect_uri": returns_to, "state": state, "nonce": state,
        "iat": now, "nbf": now, "exp": now + PAGE_SECONDS, "claims": {"id_token": intent},
    });
    let request = bank.api.key.token(&claims, &Value::Null).map_err(|_| "the request to the payer cannot be signed")?;
    let query = [
        ("client_id", client.as_str()),
        ("response_type", "code"),
        ("scope", "openid payments"),
        ("request", &request),
    ];
    let query = serde_urlencoded::to_string(query).map_err(|_| "the page's address cannot be written")?;
    let url = format!("{}/authorize?{query}", bank.issuer);
    (url.len() <= URL_MAX_LEN).then_some(url).ok_or("the page's address is too long")
}

/// An operation's id in 32 characters: some fields have 35.
fn short(id: ProviderRequestId) -> String {
    id.to_string().replace('-', "")
}

fn consent_path(id: &str) -> Result<String, Unsendable> {
    is_id(id).then(|| format!("{CONSENTS}/{id}")).ok_or("the consent's id is not one of the bank's")
}

fn account(account: &BankAccount) -> Value {
    json!({"SchemeName": account.scheme, "Identification": account.identification, "Name": account.name})
}

fn amount(amount: Money) -> Result<Value, Unsendable> {
    let value = amounts::to_wire(amount).ok_or("the amount cannot be written")?;
    Ok(json!({"Amount": value, "Currency": amount.currency().code()}))
}
