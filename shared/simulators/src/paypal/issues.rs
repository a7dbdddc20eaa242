//! PayPal's issue codes, with the words and the status that each comes with.
//!
//! The words differ between the calls of the API, as PayPal's specification has them.

/// A reason to refuse a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Issue {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) description: &'static str,
}

/// The calls that share their words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Area {
    /// `POST /v2/checkout/orders`.
    Create,
    /// An order's `authorize` and `capture`.
    Order,
    /// `/v2/payments`.
    Payments,
}

const fn malformed(code: &'static str, description: &'static str) -> Issue {
    Issue { status: 400, code, description }
}

const fn refused(code: &'static str, description: &'static str) -> Issue {
    Issue { status: 422, code, description }
}

pub(super) const fn missing(area: Area) -> Issue {
    malformed(
        "MISSING_REQUIRED_PARAMETER",
        match area {
            Area::Create => "A required parameter is missing.",
            Area::Order => "A required field / parameter is missing",
            Area::Payments => "A required field / parameter is missing.",
        },
    )
}

pub(super) const fn invalid(area: Area) -> Issue {
    malformed(
        "INVALID_PARAMETER_VALUE",
        match area {
            Area::Create | Area::Order => "A parameter value is not valid.",
            Area::Payments => "The value of a field is invalid.",
        },
    )
}

pub(super) const fn length(area: Area) -> Issue {
    malformed(
        "INVALID_STRING_LENGTH",
        match area {
            Area::Create | Area::Order => "The value of a field is either too short or too long",
            Area::Payments => "The value of a field is either too short or too long.",
        },
    )
}

pub(super) const fn currency(area: Area) -> Issue {
    refused(
        "INVALID_CURRENCY_CODE",
        match area {
            Area::Create | Area::Order => {
                "Currency code is invalid or is not currently supported. Please refer \
                 https://developer.paypal.com/api/rest/reference/currency-codes/ for list of supported currency codes."
            }
            Area::Payments => {
                "Currency code is invalid or is not currently supported. Please refer \
                 https://developer.paypal.com/docs/api/reference/currency-codes/ for list of supported currency codes."
            }
        },
    )
}

/// More than PayPal's amounts can hold. The payments calls have no code of their own for it.
pub(super) const fn too_large(area: Area) -> Issue {
    match area {
        Area::Create | Area::Order => {
            refused("MAX_VALUE_EXCEEDED", "Should be less than or equal to 999999999999999.99.")
        }
        Area::Payments => SYNTAX,
    }
}

pub(super) const SYNTAX: Issue =
    malformed("INVALID_PARAMETER_SYNTAX", "The value of a field does not conform to the expected format.");
pub(super) const MALFORMED_JSON: Issue = malformed("MALFORMED_REQUEST_JSON", "The request JSON is not well formed.");
pub(super) const TOO_FEW: Issue =
    malformed("INVALID_ARRAY_MIN_ITEMS", "The number of items in an array parameter is too small.");
pub(super) const NOT_SUPPORTED: Issue = malformed("NOT_SUPPORTED", "This field is not currently supported.");
pub(super) const REQUEST_ID_REQUIRED: Issue = malformed(
    "PAYPAL_REQUEST_ID_REQUIRED",
    "A PayPal-Request-Id is required if you are trying to process payment for an Order. Please specify a \
     PayPal-Request-Id or Create the Order without a 'payment_source' specified.",
);
pub(super) const NO_SUCH_RESOURCE: Issue = Issue {
    status: 404,
    code: "INVALID_RESOURCE_ID",
    description: "Specified resource ID does not exist. Please check the resource ID and try again.",
};
pub(super) const IN_PROGRESS: Issue = Issue {
    status: 409,
    code: "PREVIOUS_REQUEST_IN_PROGRESS",
    description: "A previous request on this resource is currently in progress. Please wait for sometime and try again. \
                  It is best to space out the initial and the subsequent request(s) to avoid receiving this error.",
};
/// Not in PayPal's catalogue of the v2 calls; the code and the words are those of its older calls.
pub(super) const DUPLICATE_REQUEST_ID: Issue =
    refused("DUPLICATE_REQUEST_ID", "The value of PayPal-Request-Id header has already been used");

pub(super) const NOT_POSITIVE: Issue = refused(
    "CANNOT_BE_ZERO_OR_NEGATIVE",
    "Must be greater than zero. If the currency supports decimals, only two decimal place precision is supported.",
);
pub(super) const PRECISION: Issue =
    refused("DECIMAL_PRECISION", "If the currency supports decimals, only two decimal place precision is supported.");
pub(super) const NO_DECIMALS: Issue = refused(
    "DECIMALS_NOT_SUPPORTED",
    "Currency does not support decimals. Please refer to https://developer.paypal.com/docs/api/reference/currency-codes/ \
     for more information.",
);
pub(super) const SEVERAL_UNITS: Issue = refused(
    "UNSUPPORTED_INTENT",
    "`intent=AUTHORIZE` is not supported for multiple purchase units. Only `intent=CAPTURE` is supported.",
);

pub(super) const DECLINED: Issue = refused(
    "INSTRUMENT_DECLINED",
    "The instrument presented  was either declined by the processor or bank, or it can't be used for this payment.",
);
pub(super) const NO_CARDS: Issue = refused(
    "NOT_ENABLED_FOR_CARD_PROCESSING",
    "The API Caller account is not setup to be able to process card payments. Please contact PayPal customer support.",
);
pub(super) const NO_AGREEMENT: Issue =
    refused("BILLING_AGREEMENT_NOT_FOUND", "The requested Billing Agreement token was not found.");
pub(super) const NO_TOKEN: Issue =
    refused("TOKEN_ID_NOT_FOUND", "Specified token was not found. Verify the token and try the request again.");
pub(super) const ORDER_INVOICE_USED: Issue = refused(
    "DUPLICATE_INVOICE_ID",
    "Duplicate Invoice ID detected. To avoid a potential duplicate transaction your account setting requires that \
     Invoice Id be unique for each transaction.",
);
pub(super) const NOT_APPROVED: Issue = refused(
    "ORDER_NOT_APPROVED",
    "Payer has not yet approved the Order for payment. Please redirect the payer to the 'rel':'approve' url returned as \
     part of the HATEOAS links within the Create Order call.",
);
pub(super) const NOT_APPROVED_FOR_CAPTURE: Issue = refused(
    "ORDER_NOT_APPROVED",
    "Payer has not yet approved the Order for payment. Please redirect the payer to the 'rel':'approve' url returned as \
     part of the HATEOAS links within the Create Order call or provide a valid `payment_source` in the request.",
);
pub(super) const PAYER_MUST_ACT: Issue = refused(
    "PAYER_ACTION_REQUIRED",
    "Transaction cannot complete successfully, instruct the buyer to return to PayPal.",
);
pub(super) const INTENT_IS_CAPTURE: Issue = refused(
    "ACTION_DOES_NOT_MATCH_INTENT",
    "Order was created with an intent to 'CAPTURE'. Please use v2/checkout/orders/order_id/capture to complete the \
     transaction or alternately Create an order with an intent of 'AUTHORIZE'.",
);
pub(super) const INTENT_IS_AUTHORIZE: Issue = refused(
    "ACTION_DOES_NOT_MATCH_INTENT",
    "Order was created with an intent to 'AUTHORIZE'. Please use v2/checkout/orders/order_id/authorize to complete the \
     transaction or alternately Create an order with an intent of 'CAPTURE'.",
);
pub(super) const ALREADY_AUTHORIZED: Issue = refused(
    "ORDER_ALREADY_AUTHORIZED",
    "Order already authorized.If 'intent=AUTHORIZE' only one authorization per order is allowed.",
);
pub(super) const ORDER_ALREADY_CAPTURED: Issue = refused(
    "ORDER_ALREADY_CAPTURED",
    "Order already captured.If 'intent=CAPTURE' only one capture per order is allowed.",
);
pub(super) const ORDER_EXPIRED: Issue = refused(
    "ORDER_EXPIRED",
    "Order is expired and hence cannot be authorized. Please contact Customer Support if you need to increase your order \
     validity period.",
);

pub(super) const VOIDED: Issue =
    refused("AUTHORIZATION_VOIDED", "A voided authorization cannot be captured or reauthorized. ");
pub(super) const EXPIRED: Issue = refused("AUTHORIZATION_EXPIRED", "An expired authorization cannot be captured.");
pub(super) const ALREADY_CAPTURED: Issue =
    refused("AUTHORIZATION_ALREADY_CAPTURED", "Authorization has previously been captured.");
pub(super) const CAPTURE_TOO_LARGE: Issue = refused(
    "MAX_CAPTURE_AMOUNT_EXCEEDED",
    "Capture amount exceeds allowable limit. Please contact customer service or your account manager to request the \
     change to your overage limit. The default overage limit is 115%, which allows the sum of all captures to be up to \
     115% of the order amount. The ability to over capture is subjected to regulatory approvals.",
);
pub(super) const OTHER_CURRENCY_CAPTURED: Issue =
    refused("AUTH_CAPTURE_CURRENCY_MISMATCH", "Currency of capture must be the same as currency of authorization.");
pub(super) const OTHER_CURRENCY_REAUTHORIZED: Issue = refused(
    "AUTH_CURRENCY_MISMATCH",
    "The currency specified during reauthorization should be the same as the currency specified in the original \
     authorization. Please check the currency of the authorization for which you are trying to reauthorize and try again.",
);
pub(super) const PAYMENT_INVOICE_USED: Issue = refused(
    "DUPLICATE_INVOICE_ID",
    "Requested invoice_id has been previously captured. Possible duplicate transaction.",
);
pub(super) const PAYER_CANNOT_PAY: Issue = refused(
    "PAYER_CANNOT_PAY",
    "Payer cannot pay for this transaction. Please contact the payer to find other ways to pay for this transaction.",
);
pub(super) const TRANSACTION_REFUSED: Issue =
    refused("TRANSACTION_REFUSED", "PayPal's internal controls prevent authorization from being captured.");
pub(super) const NO_SECOND_REAUTHORIZATION: Issue = refused(
    "REAUTHORIZATION_NOT_SUPPORTED",
    "A reauthorize cannot be attempted on an authorization_id that is the result of a prior reauthorization or on an \
     authorization made on an Order saved using the `v2/orders/id/save` API.",
);
pub(super) const PREVIOUSLY_CAPTURED: Issue =
    refused("PREVIOUSLY_CAPTURED", "Authorization has been previously captured and hence cannot be voided.");
pub(super) const PREVIOUSLY_VOIDED: Issue =
    refused("PREVIOUSLY_VOIDED", "Authorization has been previously voided and hence cannot be voided again.");
pub(super) const CANNOT_BE_VOIDED: Issue =
    refused("CANNOT_BE_VOIDED", "A reauthorization cannot be voided. Please void the original parent authorization.");

pub(super) const FULLY_REFUNDED: Issue =
    refused("CAPTURE_FULLY_REFUNDED", "The capture has already been fully refunded");
pub(super) const REFUND_TOO_LARGE: Issue = refused(
    "REFUND_AMOUNT_EXCEEDED",
    "The refund amount must be less than or equal to the capture amount that has not yet been refunded.",
);
pub(super) const OTHER_CURRENCY_REFUNDED: Issue =
    refused("REFUND_CAPTURE_CURRENCY_MISMATCH", "Refund must be in the same currency as the capture");
pub(super) const REFUND_TOO_LATE: Issue =
    refused("REFUND_TIME_LIMIT_EXCEEDED", "You are over the time limit to perform a refund on this capture");
pub(super) const REFUND_NOT_ALLOWED: Issue = refused("REFUND_NOT_ALLOWED", "Capture cannot be refunded.");
pub(super) const CHARGED_BACK: Issue = refused(
    "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK",
    "Refunds are not allowed on this capture due to a chargeback on the card or bank. Please contact the payee to \
     resolve the chargeback.",
);
pub(super) const CAPTURE_PENDING: Issue = refused(
    "PENDING_CAPTURE",
    "Cannot initiate a refund as the capture is pending. Capture is typically pending when the payer has funded the \
     transaction using e-check/bank funded.",
);
pub(super) const REFUND_INVOICE_USED: Issue =
    refused("DUPLICATE_INVOICE_ID", "Invoice ID was previously used to refund a capture.");

/// The transaction report's.
pub(super) const RESULTSET_TOO_LARGE: Issue = malformed(
    "RESULTSET_TOO_LARGE",
    "Result set size is greater than the maximum limit. Change the filter criteria and try again.",
);
