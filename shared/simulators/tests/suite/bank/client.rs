//! A client of the bank with its key, its tokens and its signatures, and a clock that the test moves.

use std::{
    path::Path,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use getrandom::SysRng;
use http::{HeaderMap, Method, Request};
use jiff::{SignedDuration, Timestamp};
use ring::{
    rand::SystemRandom,
    signature::{RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256, RsaKeyPair, RsaPublicKeyComponents},
};
use rsa::{PrivateKey, pkcs1::EncodeRsaPrivateKey, rand_core::UnwrapErr};
use serde_json::{Value, json, value::RawValue};
use tollgate_gateway::ports::Entropy;
use tollgate_simulators::{Answer, Bank, Endpoint, Fault, FaultKind, Interference, Provider, Simulator};

use crate::account::{Counting, noon};

pub(crate) const CLIENT: &str = "tollgate-test";
pub(crate) const HOST: &str = "http://bank.test/bank";
pub(crate) const CONSENTS: &str = "/domestic-payment-consents";
pub(crate) const PAYMENTS: &str = "/domestic-payments";
pub(crate) const AUDIENCE: &str = "tollgate-at-the-bank";
const ISSUED_AT: &str = "http://openbanking.org.uk/iat";
const ISSUER: &str = "http://openbanking.org.uk/iss";
const ANCHOR: &str = "http://openbanking.org.uk/tan";

/// A key to sign with: the client's, or a stranger's.
pub(crate) struct Key(RsaKeyPair);

pub(crate) static OURS: LazyLock<Key> = LazyLock::new(Key::generate);
pub(crate) static STRANGERS: LazyLock<Key> = LazyLock::new(Key::generate);
/// The journal record of a bank's key, so that not every test's bank has to make one.
static BANKS: LazyLock<Box<RawValue>> = LazyLock::new(|| {
    let mut bank = Bank::new(Arc::new(Counting::default()), None);
    let request = Request::get(format!("{HOST}/jwks")).body(Bytes::new()).unwrap();
    let reply = bank.handle(noon(), &request, &mut Interference::None);
    reply.changes.records.into_iter().next().unwrap()
});

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

impl Key {
    fn generate() -> Self {
        let key = PrivateKey::new(&mut UnwrapErr(SysRng), 2048).unwrap();
        Self(RsaKeyPair::from_der(key.to_pkcs1_der().unwrap().as_bytes()).unwrap())
    }

    pub(crate) fn jwk(&self) -> Value {
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(self.0.public());
        json!({"kty": "RSA", "alg": "PS256", "use": "sig", "kid": "k1", "n": encode(public.n), "e": encode(public.e)})
    }

    fn sign(&self, message: &str) -> String {
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0.sign(&RSA_PSS_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
        encode(signature)
    }

    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        format!("{message}.{}", self.sign(&message))
    }

    pub(crate) fn detached(&self, header: &Value, body: &str) -> String {
        let header = encode(header.to_string());
        format!("{header}..{}", self.sign(&format!("{header}.{}", encode(body))))
    }
}

/// Header and payload of a signature that a key of `keys` has made.
///
/// # Panics
/// When none has.
pub(crate) fn verified(keys: &Value, token: &str, detached: Option<&str>) -> (Value, Value) {
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!((parts.len(), parts[1].is_empty()), (3, detached.is_some()), "{token}");
    let payload = detached.map_or_else(|| parts[1].to_owned(), encode);
    let header: Value = serde_json::from_slice(&decode(parts[0])).unwrap();
    assert_eq!(header["alg"], "PS256");
    assert_eq!(header["crit"], json!([ISSUED_AT, ISSUER, ANCHOR]));
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
    let part = |name: &str| decode(key[name].as_str().unwrap());
    RsaPublicKeyComponents { n: part("n"), e: part("e") }
        .verify(&RSA_PSS_2048_8192_SHA256, format!("{}.{payload}", parts[0]).as_bytes(), &decode(parts[2]))
        .unwrap();
    (header, serde_json::from_slice(&decode(&payload)).unwrap())
}

/// An answer that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Got {
    pub(crate) fn made(self) -> Value {
        assert_eq!(self.status, 201, "{}", self.text);
        self.json
    }

    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json
    }

    /// Asserts a refusal with this status and code; answers the path that it names.
    pub(crate) fn refused(&self, status: u16, code: &str) -> String {
        let error = &self.json["Errors"][0];
        assert_eq!((self.status, error["ErrorCode"].as_str()), (status, Some(code)), "{}", self.text);
        error["Path"].as_str().unwrap_or_default().to_owned()
    }

    /// Asserts an OAuth error.
    pub(crate) fn denied(&self, status: u16, error: &str) {
        assert_eq!((self.status, self.json["error"].as_str()), (status, Some(error)), "{}", self.text);
    }
}

pub(crate) fn read(answer: Answer) -> Got {
    let (parts, body) = answer.response.into_parts();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let json = serde_json::from_str(&text).unwrap_or_default();
    Got { status: parts.status.as_u16(), headers: parts.headers, text, json }
}

pub(crate) struct Client {
    pub(crate) simulator: Simulator,
    pub(crate) now: Timestamp,
    pub(crate) id: String,
    keys: u64,
    token: Option<(Timestamp, String)>,
}

pub(crate) fn bank(entropy: impl Entropy + 'static) -> Bank {
    let mut bank = Bank::new(Arc::new(entropy), None);
    bank.restore(&BANKS).unwrap();
    bank
}

impl Client {
    pub(crate) fn new() -> Self {
        Self::of(Simulator::ephemeral(bank(Counting::default())))
    }

    /// A client of a bank that remembers.
    pub(crate) fn open(folder: &Path) -> Self {
        static SEED: AtomicU64 = AtomicU64::new(1 << 40);
        let entropy = Counting(AtomicU64::new(SEED.fetch_add(1 << 24, Ordering::Relaxed)));
        Self::of(Simulator::open(bank(entropy), folder).unwrap())
    }

    fn of(simulator: Simulator) -> Self {
        Self { simulator, now: noon(), id: CLIENT.to_owned(), keys: 0, token: None }
    }

    /// Another client of the same bank.
    pub(crate) fn into_another(self, id: &str) -> Self {
        Self { id: id.to_owned(), token: None, ..self }
    }

    pub(crate) fn with_endpoint(mut self) -> Self {
        self.simulator.set_endpoint(Endpoint { url: "http://merchant.test/hook".into(), secret: AUDIENCE.into() });
        self
    }

    pub(crate) fn call(&mut self, request: &Request<Bytes>) -> Got {
        read(self.simulator.handle(self.now, request))
    }

    pub(crate) fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    pub(crate) fn arm(&mut self, kind: FaultKind) {
        self.simulator.arm(Fault { kind, times: Some(1), ms: None }).unwrap();
    }

    /// A key that was not used yet.
    pub(crate) fn new_key(&mut self) -> String {
        self.keys += 1;
        format!("key-{}-{}", self.now.as_second(), self.keys)
    }

    pub(crate) fn claims(&mut self) -> Value {
        let (now, jti) = (self.now.as_second(), self.new_key());
        let audience = format!("{HOST}/oauth2/token");
        json!({"iss": self.id, "sub": self.id, "aud": audience, "jti": jti, "iat": now, "exp": now + 60})
    }

    pub(crate) fn ask_token(&mut self, assertion: &str, more: &[(&str, &str)]) -> Got {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let mut form = vec![("client_assertion_type", kind), ("client_assertion", assertion)];
        form.extend(more);
        let request = Request::post(format!("{HOST}/oauth2/token"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from(serde_urlencoded::to_string(form).unwrap()))
            .unwrap();
        self.call(&request)
    }

    pub(crate) fn assertion(&mut self) -> String {
        let claims = self.claims();
        OURS.token(&json!({"alg": "PS256", "kid": "k1", "jwk": OURS.jwk()}), &claims)
    }

    pub(crate) fn client_token(&mut self) -> String {
        let is_fresh = |at: &Timestamp| self.now.duration_since(*at).as_secs() < 240;
        if let Some((_, token)) = self.token.as_ref().filter(|(at, _)| is_fresh(at)) {
            return token.clone();
        }
        let assertion = self.assertion();
        let got = self.ask_token(&assertion, &[("grant_type", "client_credentials"), ("scope", "payments")]).ok();
        let token = got["access_token"].as_str().unwrap().to_owned();
        self.token = Some((self.now, token.clone()));
        token
    }

    pub(crate) fn jose(&self) -> Value {
        json!({
            "alg": "PS256", "kid": "k1", "typ": "JOSE", "cty": "application/json",
            ISSUED_AT: self.now.as_second(), ISSUER: self.id, ANCHOR: "openbanking.org.uk",
            "crit": [ISSUED_AT, ISSUER, ANCHOR],
        })
    }

    /// A signed POST of the API.
    pub(crate) fn request(&self, token: &str, path: &str, key: &str, body: &Value) -> Request<Bytes> {
        let text = body.to_string();
        Request::post(format!("{HOST}/open-banking/v4.0/pisp{path}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json; charset=utf-8")
            .header("accept", "application/json")
            .header("x-idempotency-key", key)
            .header("x-fapi-interaction-id", "93bac548-d2de-4546-b106-880a5018460d")
            .header("x-jws-signature", OURS.detached(&self.jose(), &text))
            .body(Bytes::from(text))
            .unwrap()
    }

    pub(crate) fn post_as(&mut self, token: &str, path: &str, key: &str, body: &Value) -> Got {
        let request = self.request(token, path, key, body);
        self.call(&request)
    }

    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Got {
        let (token, key) = (self.client_token(), self.new_key());
        self.post_as(&token, path, &key, body)
    }

    pub(crate) fn get_as(&mut self, token: &str, path: &str) -> Got {
        let request = Request::builder()
            .method(Method::GET)
            .uri(format!("{HOST}/open-banking/v4.0/pisp{path}"))
            .header("authorization", format!("Bearer {token}"))
            .body(Bytes::new())
            .unwrap();
        self.call(&request)
    }

    pub(crate) fn get(&mut self, path: &str) -> Got {
        let token = self.client_token();
        self.get_as(&token, path)
    }

    pub(crate) fn page(&mut self, path: &str) -> Got {
        let request = Request::get(format!("{HOST}{path}")).body(Bytes::new()).unwrap();
        self.call(&request)
    }

    pub(crate) fn jwks(&mut self) -> Value {
        self.page("/jwks").ok()
    }

    /// A consent of ten pounds; answers its id.
    pub(crate) fn consent(&mut self, debtor: &str) -> String {
        id_of(&self.post(CONSENTS, &consent(debtor)).made(), "ConsentId")
    }

    /// Submits a consent as it was made.
    pub(crate) fn submit(&mut self, debtor: &str, id: &str) -> Got {
        self.post(PAYMENTS, &payment(id, &consent(debtor)))
    }

    /// A consent and its payment; answers both ids.
    pub(crate) fn pay(&mut self, debtor: &str) -> (String, String) {
        let consent = self.consent(debtor);
        let payment = self.submit(debtor, &consent).made();
        (consent, id_of(&payment, "DomesticPaymentId"))
    }

    pub(crate) fn consent_status(&mut self, id: &str) -> String {
        status(&self.get(&format!("{CONSENTS}/{id}")).ok())
    }

    pub(crate) fn payment_status(&mut self, id: &str) -> String {
        status(&self.get(&format!("{PAYMENTS}/{id}")).ok())
    }

    /// Delivers every webhook that is due; answers the claims of their tokens.
    pub(crate) fn delivered(&mut self) -> Vec<Value> {
        let keys = self.jwks();
        std::iter::from_fn(|| {
            let webhook = self.simulator.take_webhook(self.now)?;
            self.simulator.webhook_settled(&webhook.event_id, true, self.now);
            Some(verified(&keys, &webhook.body, None).1)
        })
        .collect()
    }
}

pub(crate) fn status(body: &Value) -> String {
    body["Data"]["Status"].as_str().unwrap().to_owned()
}

pub(crate) fn id_of(body: &Value, name: &str) -> String {
    body["Data"][name].as_str().unwrap().to_owned()
}

/// A request for a consent of ten pounds.
pub(crate) fn consent(debtor: &str) -> Value {
    json!({
        "Data": {
            "ReadRefundAccount": "Yes",
            "Initiation": {
                "InstructionIdentification": "req-1",
                "EndToEndIdentification": "pay_01JD0000000000000000000001",
                "InstructedAmount": {"Amount": "10.00", "Currency": "GBP"},
                "DebtorAccount": {
                    "SchemeName": "UK.OBIE.SortCodeAccountNumber", "Identification": debtor, "Name": "A payer",
                },
                "CreditorAccount": {
                    "SchemeName": "UK.OBIE.SortCodeAccountNumber",
                    "Identification": "tollgate-collections",
                    "Name": "Tollgate",
                },
                "RemittanceInformation": {"Unstructured": ["Order 1"]},
                "SupplementaryData": {
                    "tollgate_payment_id": "pay_01JD0000000000000000000001",
                    "tollgate_request_id": "req-1",
                },
            },
        },
        "Risk": {"PaymentContextCode": "EcommerceMerchantInitiatedPayment"},
    })
}

/// The payment of a consent.
pub(crate) fn payment(id: &str, consent: &Value) -> Value {
    json!({"Data": {"ConsentId": id, "Initiation": consent["Data"]["Initiation"]}, "Risk": consent["Risk"]})
}
