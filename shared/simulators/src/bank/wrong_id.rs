//! An answer about another object than was asked for, signed as if it were right.

use bytes::Bytes;
use http::Response;
use serde_json::Value;

use super::Bank;

impl Bank {
    /// `body` with another payment's or consent's id.
    pub(super) fn swap_id(&self, body: &[u8]) -> Bytes {
        let same = || Bytes::copy_from_slice(body);
        let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return same() };
        let data = &value["Data"];
        let (name, prefix) = match (data["DomesticPaymentId"].is_string(), data["ConsentId"].is_string()) {
            (true, _) => ("DomesticPaymentId", "dp-"),
            (false, true) => ("ConsentId", "dpc-"),
            _ => return same(),
        };
        let mut others = self.state.consents_in_order().rev().filter_map(|consent| match prefix {
            "dp-" => consent.payment.as_deref(),
            _ => Some(consent.id.as_str()),
        });
        let other = others.find(|other| data[name] != *other).map(ToOwned::to_owned);
        value["Data"][name] = other.unwrap_or_else(|| self.random(prefix, 24)).into();
        value.to_string().into()
    }

    /// The same for a whole answer, with a signature that fits: whoever looks at the signature alone is misled.
    pub(super) fn swap_id_and_sign(&self, now: i64, response: &mut Response<Bytes>) {
        *response.body_mut() = self.swap_id(response.body());
        let body = response.body().clone();
        self.sign_answer(now, &body, response.headers_mut());
    }
}
