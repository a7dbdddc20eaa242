//! Which amounts and currencies Stripe takes.

use super::errors::ApiError;

/// Stripe's presentment currencies.
const CURRENCIES: &str = "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp \
    byn bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel ghs gip gmd gnf gtq gyd hkd \
    hnl hrk htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk \
    mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd \
    scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xof xpf yer \
    zar zmw";
/// Three decimals, of which cards carry two.
const LAST_DIGIT_ZERO: &str = "bhd jod kwd omr tnd";
/// Decimals on the wire, none in life.
const WHOLE_HUNDREDS: &str = "isk ugx";
/// Stripe's amounts have up to eight digits.
const LARGEST: i64 = 99_999_999;

fn lists(currencies: &str, currency: &str) -> bool {
    currencies.split_ascii_whitespace().any(|known| known == currency)
}

/// The currency in lower case, if Stripe takes it.
pub(super) fn currency(given: &str) -> Result<String, ApiError> {
    let currency = given.to_ascii_lowercase();
    if lists(CURRENCIES, &currency) {
        return Ok(currency);
    }
    let message = format!("Invalid currency: {given}. Stripe currently supports these currencies: {CURRENCIES}");
    Err(ApiError::invalid(message).param("currency"))
}

/// Refuses an amount that Stripe does not take; `param` is what it came in.
pub(super) fn check(amount: i64, currency: &str, param: &str) -> Result<(), ApiError> {
    if amount < 1 {
        let message = "This value must be greater than or equal to 1.";
        return Err(ApiError::invalid(message).code("parameter_invalid_integer").param(param));
    }
    if amount > LARGEST {
        let message = format!("Amount must be no more than {LARGEST} {currency}");
        return Err(ApiError::invalid(message).code("amount_too_large").param(param));
    }
    let step = match currency {
        _ if lists(LAST_DIGIT_ZERO, currency) => 10,
        _ if lists(WHOLE_HUNDREDS, currency) => 100,
        _ => 1,
    };
    if amount % step != 0 {
        let message = format!("Invalid amount: in {currency} it must be evenly divisible by {step}.");
        return Err(ApiError::invalid(message).code("invalid_charge_amount").param(param));
    }
    Ok(())
}

/// An amount as Stripe writes it, in the minor units of ISO 4217: Stripe still writes ISK and UGX with two decimals that
/// they do not have, and MGA without the two that it has.
pub(super) fn in_iso_minor_units(amount: i64, currency: &str) -> i64 {
    match currency {
        "isk" | "ugx" => amount / 100,
        "mga" => amount * 100,
        _ => amount,
    }
}
