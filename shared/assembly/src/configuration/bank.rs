//! The variables of the bank: where it is, who we are there, and which accounts money goes to and comes back from.

use std::str::FromStr;

use tollgate_domain::Currency;
use tollgate_providers::{BankAccount, QuotaSettings, bank::is_signing_key};
use tollgate_runtime::{Secret, Variables, config::Read};

use super::guard::{self, QuotaVariables};

/// Sort code and account number, as accounts in the United Kingdom go by.
const SCHEME: &str = "UK.OBIE.SortCodeAccountNumber";

/// Longer names of keys are none.
const KEY_ID_MAX: usize = 128;

/// Each bank has its own limits.
const QUOTA: QuotaVariables = QuotaVariables {
    account: ("BANK_REQUESTS_PER_SECOND", "off"),
    endpoint: ("BANK_ENDPOINT_REQUESTS_PER_SECOND", "off"),
};

/// Where and as whom the bank is called.
#[derive(Debug)]
pub struct BankConfiguration {
    /// Its API.
    pub api_url: String,
    /// Its own name, and where payers reach its page.
    pub issuer: String,
    /// Our client id.
    pub client_id: String,
    /// What we sign with: RSA, in PKCS #8 (PEM).
    pub signing_key: Secret,
    /// Its name at the bank.
    pub signing_key_id: String,
    /// Where payments go.
    pub creditor: BankAccount,
    /// Where refunds are paid from.
    pub refunds_from: BankAccount,
    /// The currencies that it moves; none: every one.
    pub currencies: Vec<Currency>,
    /// Whom its events are signed for.
    pub events_audience: String,
    /// How often it is called at most.
    pub quota: QuotaSettings,
}

/// `GBP,EUR`, or `all`.
struct Currencies(Vec<Currency>);

impl FromStr for Currencies {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        if text == "all" {
            return Ok(Self(Vec::new()));
        }
        let codes = text.split(',').map(|code| code.trim().parse());
        codes.collect::<Result<_, _>>().map(Self).map_err(|_| "must be codes of ISO 4217 with commas between, or all")
    }
}

/// No client id and no key: the bank is off. A part of what it needs is a mistake.
pub(super) fn read(vars: &mut Variables) -> Read<Option<BankConfiguration>> {
    let web = &["http", "https"];
    let api_url = vars.var("BANK_API_URL", "the bank's API: tokens, payments and keys are below it").url(web);
    let api_url = api_url.optional();
    let issuer = vars.var("BANK_ISSUER", "the bank's own name, where payers reach its page; without it, its API's");
    let issuer = issuer.url(web).optional();
    let client_id = vars.var("BANK_CLIENT_ID", "our client id at the bank; without it the bank is off").optional();
    let signing_key = vars.var("BANK_SIGNING_KEY", "what we sign with: RSA, PKCS #8 in PEM").secret().optional();
    let key_id = vars.var("BANK_SIGNING_KEY_ID", "that key's name at the bank").optional();
    let creditor = read_account(vars, ["BANK_CREDITOR_SCHEME", "BANK_CREDITOR_ACCOUNT", "BANK_CREDITOR_NAME"]);
    let refunds =
        read_account(vars, ["BANK_REFUNDS_FROM_SCHEME", "BANK_REFUNDS_FROM_ACCOUNT", "BANK_REFUNDS_FROM_NAME"]);
    let currencies =
        vars.var("BANK_CURRENCIES", "the currencies that it moves, with commas between, or all").parse::<Currencies>();
    let currencies = currencies.or("GBP");
    let audience = vars.var("BANK_EVENTS_AUDIENCE", "whom its events are signed for; without it, our client id");
    let audience = audience.optional();
    let quota = guard::read_quota(vars, &QUOTA);
    let (api_url, issuer, client_id, signing_key, key_id) = (api_url?, issuer?, client_id?, signing_key?, key_id?);
    let (creditor, refunds, currencies, audience, quota) = (creditor?, refunds?, currencies?, audience?, quota?);
    if client_id.is_none() && signing_key.is_none() && key_id.is_none() {
        return Ok(None);
    }
    let (Some(api_url), Some(client_id), Some(signing_key), Some(signing_key_id), Some(account), Some(name)) =
        (api_url, client_id, signing_key, key_id, creditor.account, creditor.name)
    else {
        let needed = "BANK_CLIENT_ID, BANK_SIGNING_KEY, BANK_SIGNING_KEY_ID, BANK_API_URL, BANK_CREDITOR_ACCOUNT and \
            BANK_CREDITOR_NAME are set together, or none of them";
        return Err(vars.refuse(needed));
    };
    // What stands in one line of a file has its line breaks written out.
    let signing_key = Secret::new(signing_key.expose().replace("\\n", "\n"));
    let mut mistaken = None;
    if !is_signing_key(signing_key.expose()) {
        let needed = "BANK_SIGNING_KEY is not valid (must be an RSA key of 2048 bits or more in PKCS #8, PEM: \
            -----BEGIN PRIVATE KEY-----)";
        mistaken = Some(vars.refuse(needed));
    }
    if signing_key_id.len() > KEY_ID_MAX || !signing_key_id.bytes().all(|byte| byte.is_ascii_graphic()) {
        mistaken = Some(vars.refuse("BANK_SIGNING_KEY_ID is not valid (must be plain text without spaces)"));
    }
    if let Some(mistaken) = mistaken {
        return Err(mistaken);
    }
    let creditor =
        BankAccount { scheme: creditor.scheme.unwrap_or_else(|| SCHEME.to_owned()), identification: account, name };
    let refunds_from = BankAccount {
        scheme: refunds.scheme.unwrap_or_else(|| creditor.scheme.clone()),
        identification: refunds.account.unwrap_or_else(|| creditor.identification.clone()),
        name: refunds.name.unwrap_or_else(|| creditor.name.clone()),
    };
    Ok(Some(BankConfiguration {
        issuer: issuer.as_ref().unwrap_or(&api_url).as_str().to_owned(),
        api_url: api_url.as_str().to_owned(),
        events_audience: audience.unwrap_or_else(|| client_id.clone()),
        client_id,
        signing_key,
        signing_key_id,
        creditor,
        refunds_from,
        currencies: currencies.0,
        quota,
    }))
}

/// An account, as far as it is told.
struct Told {
    scheme: Option<String>,
    account: Option<String>,
    name: Option<String>,
}

fn read_account(vars: &mut Variables, [scheme, account, name]: [&'static str; 3]) -> Read<Told> {
    let scheme = vars.var(scheme, "what kind of number the account goes by").optional();
    let account = vars.var(account, "the account's number").optional();
    let name = vars.var(name, "whose account it is").optional();
    Ok(Told { scheme: scheme?, account: account?, name: name? })
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    /// A throw-away key, as it stands in one line of a file.
    static KEY: LazyLock<String> = LazyLock::new(|| {
        include_str!("../../../../functions/sandbox/src/bank_throw_away_key.pem").replace('\n', "\\n")
    });

    static WHOLE: LazyLock<[(&str, &str); 6]> = LazyLock::new(|| {
        [
            ("BANK_API_URL", "https://api.bank.example"),
            ("BANK_CLIENT_ID", "tollgate"),
            ("BANK_SIGNING_KEY", &KEY),
            ("BANK_SIGNING_KEY_ID", "k1"),
            ("BANK_CREDITOR_ACCOUNT", "20000319470104"),
            ("BANK_CREDITOR_NAME", "Tollgate"),
        ]
    });

    fn read(values: &[(&str, &str)]) -> Result<Option<BankConfiguration>, Vec<String>> {
        let mut vars = Variables::of(values.iter().copied());
        let read = super::read(&mut vars);
        vars.finish().map_err(|mistakes| mistakes.0)?;
        read.map_err(|_| vec!["a mistake that was not noted".to_owned()])
    }

    #[test]
    fn what_is_not_said_follows_from_what_is() {
        let bank = read(&*WHOLE).unwrap().unwrap();
        assert_eq!((bank.issuer.as_str(), bank.events_audience.as_str()), ("https://api.bank.example", "tollgate"));
        assert_eq!((&bank.refunds_from, bank.creditor.scheme.as_str()), (&bank.creditor, SCHEME));
        assert_eq!(bank.currencies, ["GBP".parse().unwrap()]);
        assert!(
            bank.signing_key.expose().starts_with("-----BEGIN PRIVATE KEY-----\n"),
            "line breaks can be written out"
        );
        let mut more = WHOLE.to_vec();
        more.extend([
            ("BANK_REFUNDS_FROM_ACCOUNT", "20000319470105"),
            ("BANK_CURRENCIES", "GBP, EUR"),
            ("BANK_ISSUER", "https://bank.example"),
        ]);
        let bank = read(&more).unwrap().unwrap();
        assert_eq!((bank.refunds_from.identification.as_str(), bank.currencies.len()), ("20000319470105", 2));
        assert_eq!((bank.refunds_from.name.as_str(), bank.issuer.as_str()), ("Tollgate", "https://bank.example"));
        more.push(("BANK_CURRENCIES", "all"));
        assert!(read(&more).unwrap().unwrap().currencies.is_empty());
    }

    #[test]
    fn none_of_it_is_off_and_a_part_of_it_is_one_mistake_that_repeats_no_secret() {
        assert!(read(&[]).unwrap().is_none());
        for left_out in 0..WHOLE.len() {
            let mut part = WHOLE.to_vec();
            let (name, _) = part.remove(left_out);
            let mistakes = read(&part).unwrap_err();
            assert!(mistakes.len() == 1 && mistakes[0].contains(name), "{name}: {mistakes:?}");
            assert!(!mistakes[0].contains(&KEY[40..60]), "{mistakes:?}");
        }
        let mut wrong = WHOLE.to_vec();
        wrong[2].1 = "the key that is none";
        wrong[3].1 = "two words";
        let wrong = read(&wrong).unwrap_err();
        assert!(wrong.len() == 2 && wrong[0].starts_with("BANK_SIGNING_KEY is"), "both at once: {wrong:?}");
        assert!(wrong[1].starts_with("BANK_SIGNING_KEY_ID") && !wrong[0].contains("that is none"), "{wrong:?}");
        let wrong = read(&[("BANK_CURRENCIES", "pounds")]).unwrap_err();
        assert!(wrong.len() == 1 && wrong[0].starts_with("BANK_CURRENCIES"), "{wrong:?}");
    }
}
