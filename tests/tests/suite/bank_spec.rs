//! Every request that is made of the simulated bank, and everything that it says, held against Open Banking UK's published
//! API.

use std::{fs, path::Path, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use getrandom::SysRng;
use http::{HeaderMap, Method, Request};
use jiff::{SignedDuration, Timestamp};
use rsa::{
    PrivateKey, PublicKey, pss,
    rand_core::UnwrapErr,
    signature::{Keypair, RandomizedSigner, SignatureEncoding},
    traits::PublicKeyParts,
};
use serde_json::{Value, json};
use sha2::Sha256;
use tollgate_simulators::{Bank, Endpoint, Fault, FaultKind, Simulator};
use tollgate_tests::{ports::SystemEntropy, requirements::provider_specs};

const HOST: &str = "http://bank.test/bank";
const CLIENT: &str = "tollgate";
const CONSENTS: &str = "/domestic-payment-consents";
const PAYMENTS: &str = "/domestic-payments";
const JSON: &str = "application/json; charset=utf-8";

/// The published API: payments, and what clients are told.
struct Spec {
    payments: Value,
    notifications: Value,
}

impl Spec {
    fn read(folder: &Path) -> Self {
        let read =
            |file: &str| -> Value { serde_json::from_str(&fs::read_to_string(folder.join(file)).unwrap()).unwrap() };
        Self {
            payments: read("obie_domestic_payments_v4_subset.openapi.json"),
            notifications: read("obie_event_notification_v4.openapi.json"),
        }
    }

    /// Where the payments API is.
    fn root(&self) -> &str {
        self.payments["servers"][0]["url"].as_str().unwrap()
    }

    fn operation(&self, method: &Method, path: &str) -> &Value {
        let operation = &self.payments["paths"][template(path)][method.as_str().to_lowercase()];
        assert!(operation.is_object(), "the spec has no {method} {path}");
        operation
    }

    fn check_request(&self, request: &Request<Bytes>, path: &str) {
        let operation = self.operation(request.method(), path);
        check_headers(&self.payments, &operation["parameters"], request.headers(), path);
        let schema = &operation["requestBody"]["content"][JSON]["schema"];
        if schema.is_object() {
            let body = serde_json::from_slice(request.body()).unwrap();
            check(&self.payments, schema, &body, &format!("the request to {path}"));
        }
    }

    fn check_answer(&self, method: &Method, path: &str, answer: &http::Response<Bytes>) {
        let status = answer.status().as_u16();
        let context = format!("{method} {path} {status}");
        let response = &self.operation(method, path)["responses"][status.to_string()];
        assert!(response.is_object(), "{context} is not in the spec");
        let response = resolve(&self.payments, response);
        for (name, header) in response["headers"].as_object().unwrap() {
            // `Retry-After` is not marked as required, and has to be there all the same.
            let value = answer.headers().get(name).unwrap_or_else(|| panic!("{context} has no {name}"));
            check(&self.payments, &header["schema"], &typed(value.to_str().unwrap(), header), &context);
        }
        assert_eq!(answer.headers()["content-type"], JSON, "{context}");
        let body: Value = serde_json::from_slice(answer.body()).unwrap();
        let error = json!({"$ref": "#/components/schemas/OBErrorResponse1"});
        // Some errors have no body in the spec: these have the common one.
        let schema = response["content"][JSON].get("schema").unwrap_or(&error);
        check(&self.payments, schema, &body, &context);
        check_names(&body);
    }
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => value,
    }
}

/// A header's value as its schema wants it.
fn typed(text: &str, header: &Value) -> Value {
    match header["schema"]["type"].as_str() {
        Some("integer") => text.parse::<i64>().unwrap().into(),
        _ => text.into(),
    }
}

fn check(document: &Value, schema: &Value, value: &Value, context: &str) {
    let mut root = schema.clone();
    root["components"] = document["components"].clone();
    let validator = jsonschema::options().should_validate_formats(true).build(&root).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{context}: {errors:#?}\n{value:#}");
}

fn check_headers(document: &Value, parameters: &Value, headers: &HeaderMap, context: &str) {
    for parameter in parameters.as_array().unwrap() {
        let parameter = resolve(document, parameter);
        let name = parameter["name"].as_str().unwrap();
        match headers.get(name) {
            _ if parameter["in"] != "header" => {}
            Some(value) => check(document, &parameter["schema"], &value.to_str().unwrap().into(), context),
            None => assert_ne!(parameter["required"], true, "{context} has no {name}"),
        }
    }
}

/// The names of schemes and instruments are Open Banking's.
fn check_names(value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(check_names),
        Value::Object(members) => {
            for name in ["SchemeName", "LocalInstrument"] {
                if let Some(word) = members.get(name).and_then(Value::as_str) {
                    assert!(word.starts_with("UK.OBIE."), "{name} is {word}");
                }
            }
            members.values().for_each(check_names);
        }
        _ => {}
    }
}

/// `/domestic-payments/dp-1` is `/domestic-payments/{DomesticPaymentId}` in the spec.
fn template(path: &str) -> String {
    let names = [("dpc-", "{ConsentId}"), ("dp-", "{DomesticPaymentId}")];
    let part = |part: &str| -> String {
        names.iter().find(|(prefix, _)| part.starts_with(prefix)).map_or(part, |(_, name)| name).to_owned()
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A walk through the API that checks every step.
struct Walk {
    spec: Spec,
    bank: Simulator,
    key: pss::SigningKey<Sha256>,
    now: Timestamp,
    token: String,
    posts: usize,
    checked: usize,
    /// The statuses of answers that were seen.
    seen: Vec<u16>,
}

impl Walk {
    fn new(spec: Spec) -> Self {
        let key = PrivateKey::new(&mut UnwrapErr(SysRng), 2048).unwrap();
        let mut bank = Simulator::ephemeral(Bank::new(Arc::new(SystemEntropy), None));
        bank.set_endpoint(Endpoint { url: "http://merchant.test/".into(), secret: "tollgate-at-the-bank".into() });
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let (token, seen) = (String::new(), Vec::new());
        let mut walk = Self { spec, bank, key: pss::SigningKey::new(key), now, token, posts: 0, checked: 0, seen };
        walk.take_token();
        walk
    }

    fn sign(&self, message: &str) -> String {
        encode(self.key.sign_with_rng(&mut UnwrapErr(SysRng), message.as_bytes()).to_bytes())
    }

    fn take_token(&mut self) {
        let public: PublicKey = self.key.verifying_key().into();
        let jwk = json!({"kty": "RSA", "kid": "k1", "n": encode(public.n_bytes()), "e": encode(public.e_bytes())});
        let now = self.now.as_second();
        let claims = json!({
            "iss": CLIENT, "sub": CLIENT, "aud": format!("{HOST}/oauth2/token"), "jti": format!("token-{now}"),
            "exp": now + 60,
        });
        let header = json!({"alg": "PS256", "kid": "k1", "jwk": jwk});
        let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let assertion = format!("{message}.{}", self.sign(&message));
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", "payments"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        let request = Request::post(format!("{HOST}/oauth2/token"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from(serde_urlencoded::to_string(form).unwrap()))
            .unwrap();
        let answer = self.bank.handle(self.now, &request).response;
        let body: Value = serde_json::from_slice(answer.body()).unwrap();
        body["access_token"].as_str().unwrap().clone_into(&mut self.token);
    }

    fn request(&self, method: &Method, path: &str, body: &str) -> Request<Bytes> {
        let [issued_at, issuer, anchor] = ["iat", "iss", "tan"].map(|name| format!("http://openbanking.org.uk/{name}"));
        let mut header = json!({"alg": "PS256", "kid": "k1", "crit": [issued_at, issuer, anchor]});
        header[&issued_at] = self.now.as_second().into();
        header[&issuer] = CLIENT.into();
        header[&anchor] = "openbanking.org.uk".into();
        let header = encode(header.to_string());
        let signature = self.sign(&format!("{header}.{}", encode(body)));
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{HOST}{}{path}", self.spec.root()))
            .header("authorization", format!("Bearer {}", self.token))
            .header("x-fapi-auth-date", "Fri, 20 Nov 2026 12:00:00 GMT")
            .header("x-fapi-interaction-id", "93bac548-d2de-4546-b106-880a5018460d");
        if *method == Method::POST {
            request = request
                .header("content-type", JSON)
                .header("x-idempotency-key", format!("k-{}", self.posts))
                .header("x-jws-signature", format!("{header}..{signature}"));
        }
        request.body(Bytes::from(body.to_owned())).unwrap()
    }

    fn answer(&mut self, request: &Request<Bytes>, path: &str) -> Value {
        let answer = self.bank.handle(self.now, request).response;
        self.spec.check_answer(request.method(), path, &answer);
        self.checked += 1;
        self.seen.push(answer.status().as_u16());
        serde_json::from_slice(answer.body()).unwrap()
    }

    /// Posts what the spec allows.
    fn post(&mut self, path: &str, body: &Value) -> Value {
        self.posts += 1;
        let request = self.request(&Method::POST, path, &body.to_string());
        self.spec.check_request(&request, path);
        self.answer(&request, path)
    }

    /// Posts something that it does not.
    fn post_wrong(&mut self, path: &str, change: impl FnOnce(&mut Request<Bytes>), body: &str) {
        self.posts += 1;
        let mut request = self.request(&Method::POST, path, body);
        change(&mut request);
        let answer = self.answer(&request, path);
        assert!(answer["Errors"].is_array(), "{answer}");
    }

    fn get(&mut self, path: &str) -> Value {
        let request = self.request(&Method::GET, path, "");
        self.spec.check_request(&request, path);
        self.answer(&request, path)
    }

    /// Everything that can be seen of one payment.
    fn pay(&mut self, consent: &Value) {
        let made = self.post(CONSENTS, consent);
        let id = made["Data"]["ConsentId"].as_str().unwrap().to_owned();
        let path = format!("{CONSENTS}/{id}");
        self.get(&path);
        self.get(&format!("{path}/funds-confirmation"));
        let paid = self.post(PAYMENTS, &payment(&id, consent));
        self.get(&path);
        let Some(id) = paid["Data"]["DomesticPaymentId"].as_str() else { return };
        for _ in 0..8 {
            self.get(&format!("{PAYMENTS}/{id}"));
            self.get(&format!("{PAYMENTS}/{id}/payment-details"));
            let Some(due) = self.bank.next_due() else { break };
            self.now = due;
            self.bank.advance(due);
            self.take_token();
        }
    }

    /// Checks the webhooks that were posted; answers how many.
    fn check_webhooks(&mut self) -> usize {
        let operation = &self.spec.notifications["paths"]["/event-notifications"]["post"];
        let media = operation["requestBody"]["content"].as_object().unwrap().keys().next().unwrap();
        let mut count = 0;
        while let Some(webhook) = self.bank.take_webhook(self.now) {
            check_headers(&self.spec.notifications, &operation["parameters"], &webhook.headers, "a webhook");
            assert_eq!(webhook.headers["content-type"], media.as_str());
            let claims = BASE64_URL_SAFE_NO_PAD.decode(webhook.body.split('.').nth(1).unwrap()).unwrap();
            check_claims(&serde_json::from_slice(&claims).unwrap());
            self.bank.webhook_settled(&webhook.event_id, true, self.now);
            count += 1;
        }
        count
    }
}

/// The claims of an event, as the API's data dictionary has them.
fn check_claims(claims: &Value) {
    let names = |value: &Value| -> Vec<String> {
        let mut names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    assert_eq!(names(claims), ["aud", "events", "iat", "iss", "jti", "sub", "toe", "txn"]);
    assert!(claims["iat"].is_i64() && claims["toe"].is_i64());
    let subject = &claims["events"]["urn:uk:org:openbanking:events:resource-update"]["subject"];
    assert_eq!(subject["subject_type"], "http://openbanking.org.uk/rid_http://openbanking.org.uk/rty");
    let link = &subject["http://openbanking.org.uk/rlk"][0];
    assert_eq!((&link["link"], &link["version"]), (&claims["sub"], &json!("v4.0")));
    let id = subject["http://openbanking.org.uk/rid"].as_str().unwrap();
    assert!(claims["sub"].as_str().unwrap().ends_with(id));
}

fn consent(debtor: &str, amount: &str, currency: &str) -> Value {
    json!({
        "Data": {
            "ReadRefundAccount": "Yes",
            "Initiation": {
                "InstructionIdentification": "01JD0000000000000000000001",
                "EndToEndIdentification": "pay_01JD0000000000000000000001",
                "LocalInstrument": "UK.OBIE.FPS",
                "InstructedAmount": {"Amount": amount, "Currency": currency},
                "DebtorAccount": {"SchemeName": "UK.OBIE.SortCodeAccountNumber", "Identification": debtor},
                "CreditorAccount": {
                    "SchemeName": "UK.OBIE.SortCodeAccountNumber", "Identification": "tollgate-1", "Name": "Tollgate",
                },
                "RemittanceInformation": {"Unstructured": ["A book"]},
                "SupplementaryData": {"tollgate_payment_id": "pay_01JD0000000000000000000001"},
            },
            "Authorisation": {"AuthorisationType": "Single", "CompletionDateTime": "2027-01-01T00:00:00+00:00"},
            "SCASupportData": {"RequestedSCAExemptionType": "EcommerceGoods"},
        },
        "Risk": {
            "PaymentContextCode": "EcommerceMerchantInitiatedPayment",
            "MerchantCategoryCode": "5942",
            "ContractPresentIndicator": true,
        },
    })
}

fn payment(id: &str, consent: &Value) -> Value {
    json!({"Data": {"ConsentId": id, "Initiation": consent["Data"]["Initiation"]}, "Risk": consent["Risk"]})
}

fn errors(walk: &mut Walk) {
    let good = consent("debtor-ok", "10.00", "GBP");
    let made = walk.post(CONSENTS, &good);
    let id = made["Data"]["ConsentId"].as_str().unwrap().to_owned();
    for path in [format!("{CONSENTS}/dpc-0"), format!("{PAYMENTS}/dp-0"), format!("{PAYMENTS}/dp-0/payment-details")] {
        walk.get(&path);
    }
    for (path, body) in [(CONSENTS, good.clone()), (PAYMENTS, payment(&id, &good))] {
        let text = body.to_string();
        for name in ["x-jws-signature", "x-idempotency-key", "authorization", "content-type"] {
            walk.post_wrong(path, |request| _ = request.headers_mut().remove(name), &text);
        }
        walk.post_wrong(
            path,
            |request| _ = request.headers_mut().insert("accept", "image/png".parse().unwrap()),
            &text,
        );
        for broken in ["", "{", "[]", "{}", r#"{"Data":{},"Risk":{}}"#] {
            walk.post_wrong(path, |_| {}, broken);
        }
        let mut deep = body.clone();
        let mut nested = json!("x");
        for _ in 0..60 {
            nested = json!({ "x".repeat(60): nested });
        }
        deep["Data"]["Initiation"]["SupplementaryData"] = nested;
        walk.post(path, &deep);
        for kind in [FaultKind::Error500, FaultKind::RateLimit] {
            walk.bank.arm(Fault { kind, times: Some(1), ms: None }).unwrap();
            walk.post(path, &body);
        }
        walk.bank.arm(Fault { kind: FaultKind::Slow, times: Some(1), ms: None }).unwrap();
        walk.post(path, &body);
        walk.posts -= 1;
        walk.post(path, &body);
    }
    let mut other = good.clone();
    other["Data"]["Initiation"]["InstructedAmount"]["Amount"] = "11.00".into();
    let id = walk.post(CONSENTS, &good)["Data"]["ConsentId"].as_str().unwrap().to_owned();
    walk.posts -= 1;
    walk.post(CONSENTS, &other);
    walk.post(PAYMENTS, &payment(&id, &other));
}

#[test]
fn every_request_answer_and_event_is_as_open_banking_specifies() {
    let Some(folder) = provider_specs() else { return };
    let mut walk = Walk::new(Spec::read(&folder));
    for debtor in [
        "debtor-ok",
        "debtor-no-funds",
        "debtor-slow",
        "debtor-step-by-step",
        "debtor-late-reject",
        "debtor-blocked",
        "debtor-needs-consent",
        "tollgate-1",
    ] {
        walk.pay(&consent(debtor, "10.00", "GBP"));
    }
    for (amount, currency) in [("1000", "JPY"), ("1.234", "KWD"), ("9999999999999.99", "EUR")] {
        walk.pay(&consent("debtor-ok", amount, currency));
    }
    let mut anyones = consent("debtor-ok", "10.00", "GBP");
    anyones["Data"]["Initiation"].as_object_mut().unwrap().remove("DebtorAccount");
    walk.pay(&anyones);
    walk.bank.arm(Fault { kind: FaultKind::Decline, times: Some(1), ms: None }).unwrap();
    walk.pay(&consent("debtor-ok", "10.00", "GBP"));
    errors(&mut walk);
    walk.now += SignedDuration::from_hours(1);
    walk.bank.advance(walk.now);
    let webhooks = walk.check_webhooks();
    assert!(walk.checked > 100 && webhooks > 40, "{} answers, {webhooks} webhooks", walk.checked);
    for status in [200, 201, 400, 401, 403, 406, 409, 415, 429, 500] {
        assert!(walk.seen.contains(&status), "no answer was a {status}");
    }
}
