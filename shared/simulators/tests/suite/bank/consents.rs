//! Consents: what is taken, what is refused, and what is said of them.

use serde_json::{Value, json};

use super::client::{CONSENTS, Client, consent, id_of, status};

#[test]
fn an_exempt_debtor_needs_no_approval_and_others_do() {
    let mut client = Client::new();
    for (debtor, expected) in [
        ("debtor-ok", "AUTH"),
        ("debtor-no-funds", "AUTH"),
        ("debtor-slow", "AUTH"),
        ("tollgate-collections", "AUTH"),
        ("debtor-needs-consent", "AWAU"),
        ("08080021325698", "AWAU"),
    ] {
        let made = client.post(CONSENTS, &consent(debtor)).made();
        assert_eq!(status(&made), expected, "{debtor}");
        let id = id_of(&made, "ConsentId");
        assert_eq!(client.get(&format!("{CONSENTS}/{id}")).ok(), made, "what is shown later is what was made");
    }
    let mut anyones = consent("");
    anyones["Data"]["Initiation"].as_object_mut().unwrap().remove("DebtorAccount");
    assert_eq!(status(&client.post(CONSENTS, &anyones).made()), "AWAU", "the payer chooses the account");
}

#[test]
fn a_consent_comes_back_with_all_that_was_asked() {
    let mut client = Client::new();
    let mut asked = consent("debtor-ok");
    asked["Data"]["Authorisation"] = json!({"AuthorisationType": "Single"});
    asked["Data"]["SCASupportData"] = json!({"RequestedSCAExemptionType": "EcommerceGoods"});
    let made = client.post(CONSENTS, &asked).made();
    for (name, value) in asked["Data"].as_object().unwrap() {
        assert_eq!(made["Data"][name], *value, "{name}");
    }
    assert_eq!(made["Risk"], asked["Risk"]);
    assert_eq!(made["Data"]["CreationDateTime"], "2026-11-20T12:00:00+00:00");
    let id = id_of(&made, "ConsentId");
    let link = format!("http://bank.test/bank/open-banking/v4.0/pisp{CONSENTS}/{id}");
    assert_eq!(made["Links"]["Self"], link.as_str());
}

#[test]
fn funds_are_confirmed_while_the_consent_stands() {
    let mut client = Client::new();
    for (debtor, available) in [("debtor-ok", true), ("debtor-no-funds", false)] {
        let id = client.consent(debtor);
        let path = format!("{CONSENTS}/{id}/funds-confirmation");
        let result = client.get(&path).ok()["Data"]["FundsAvailableResult"].clone();
        assert_eq!(result, json!({"FundsAvailableDateTime": "2026-11-20T12:00:00+00:00", "FundsAvailable": available}));
        client.submit(debtor, &id).made();
        assert_eq!(client.get(&path).refused(400, "U009"), "Data.Status");
    }
    let waiting = client.consent("debtor-needs-consent");
    client.get(&format!("{CONSENTS}/{waiting}/funds-confirmation")).refused(403, "U028");
}

#[test]
fn money_has_the_decimals_of_its_currency() {
    let mut client = Client::new();
    for (amount, currency, minor) in [
        ("1000", "JPY", 1000),
        ("10.00", "GBP", 1000),
        ("10", "GBP", 1000),
        ("10.5", "EUR", 1050),
        ("1.234", "KWD", 1234),
    ] {
        let mut asked = consent("debtor-ok");
        asked["Data"]["Initiation"]["InstructedAmount"] = json!({"Amount": amount, "Currency": currency});
        client.post(CONSENTS, &asked).made();
        let last = client.simulator.transactions().pop().unwrap();
        assert_eq!((last.amount, last.currency.as_str()), (minor, currency));
    }
}

#[test]
fn what_is_wrong_is_named_by_its_path() {
    let mut client = Client::new();
    let long = "x".repeat(36);
    let cases: [(&str, Option<Value>, &str, &str); 15] = [
        ("/Data/Initiation/InstructedAmount/Amount", Some(json!("10.005")), "U002", ""),
        ("/Data/Initiation/InstructedAmount/Amount", Some(json!("ten")), "U002", ""),
        ("/Data/Initiation/InstructedAmount/Amount", Some(json!(10)), "U002", ""),
        ("/Data/Initiation/InstructedAmount/Amount", Some(json!("0.00")), "U002", ""),
        ("/Data/Initiation/InstructedAmount/Currency", Some(json!("gbp")), "U002", ""),
        ("/Data/Initiation/InstructedAmount/Currency", Some(json!("ZZZ")), "U023", ""),
        ("/Data/Initiation/EndToEndIdentification", Some(json!(long)), "U002", ""),
        ("/Data/Initiation/EndToEndIdentification", None, "U004", ""),
        ("/Data/Initiation/CreditorAccount/Name", None, "U004", ""),
        ("/Data/Initiation/Colour", Some(json!("blue")), "U005", ""),
        ("/Data/Initiation/DebtorAccount/Identification", Some(json!("debtor-unheard-of")), "U002", ""),
        ("/Data/ReadRefundAccount", Some(json!("yes")), "U002", ""),
        (
            "/Data/Authorisation",
            Some(json!({"AuthorisationType": "Single", "CompletionDateTime": "2026-11-20T12:00:00Z"})),
            "U003",
            "Data.Authorisation.CompletionDateTime",
        ),
        (
            "/Data/Initiation/RemittanceInformation/Unstructured",
            Some(json!(["x".repeat(141)])),
            "U002",
            "Data.Initiation.RemittanceInformation.Unstructured[0]",
        ),
        ("/Risk", None, "U004", ""),
    ];
    for (pointer, value, code, path) in cases {
        let mut asked = consent("debtor-ok");
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = asked.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => _ = parent.insert(name.to_owned(), value),
            None => _ = parent.remove(name),
        }
        let expected = if path.is_empty() { pointer[1..].replace('/', ".") } else { path.to_owned() };
        assert_eq!(client.post(CONSENTS, &asked).refused(400, code), expected, "{pointer}");
    }
    client.post(CONSENTS, &json!([])).refused(400, "U010");
    assert!(client.simulator.transactions().is_empty());
}

#[test]
fn ids_and_paths_that_are_not_there_are_told_apart() {
    let mut client = Client::new();
    let id = client.consent("debtor-ok");
    client.get(&format!("{CONSENTS}/dpc-0")).refused(400, "U011");
    client.get("/domestic-payments/dp-0").refused(400, "U011");
    client.get("/international-payments/1").refused(404, "U011");
    client.get(CONSENTS).refused(405, "U010");
    let mut other = client.into_another("somebody-else");
    other.get(&format!("{CONSENTS}/{id}")).refused(400, "U011");
}
