//! The bodies of consents and payments, after `OBWriteDomesticConsent4` and `OBWriteDomestic2` of version 4.0.

use serde_json::Value;

use super::{
    errors::ApiError,
    shape::{self, Field, Kind, optional, required},
};

const ANYTHING: &[Field] = &[];
/// `UK.OBIE.SortCodeAccountNumber` and others; banks add their own.
const SCHEME: Kind = Kind::Text(70);

const PROXY: &[Field] =
    &[required("Identification", Kind::Text(2048)), required("Code", Kind::Text(4)), optional("Type", Kind::Text(35))];
const DEBTOR_ACCOUNT: &[Field] = &[
    required("SchemeName", SCHEME),
    required("Identification", Kind::Text(256)),
    optional("Name", Kind::Text(350)),
    optional("SecondaryIdentification", Kind::Text(34)),
    optional("Proxy", Kind::Open(PROXY)),
];
const CREDITOR_ACCOUNT: &[Field] = &[
    required("SchemeName", SCHEME),
    required("Identification", Kind::Text(256)),
    required("Name", Kind::Text(350)),
    optional("SecondaryIdentification", Kind::Text(34)),
    optional("Proxy", Kind::Open(PROXY)),
];
const CREDITOR_AGENT: &[Field] = &[
    optional("SchemeName", SCHEME),
    optional("Identification", Kind::Text(35)),
    optional("Name", Kind::Text(140)),
    optional("LEI", Kind::Text(20)),
    optional("PostalAddress", Kind::Open(ANYTHING)),
];
const REMITTANCE: &[Field] = &[
    optional("Structured", Kind::Array(100, &Kind::Open(ANYTHING))),
    optional("Unstructured", Kind::Array(100, &Kind::Text(140))),
];
const INITIATION: &[Field] = &[
    required("InstructionIdentification", Kind::Text(35)),
    required("EndToEndIdentification", Kind::Text(35)),
    optional("LocalInstrument", Kind::Text(50)),
    required(
        "InstructedAmount",
        Kind::Object(&[required("Amount", Kind::Amount), required("Currency", Kind::Currency)]),
    ),
    optional("DebtorAccount", Kind::Object(DEBTOR_ACCOUNT)),
    optional("CreditorAgent", Kind::Object(CREDITOR_AGENT)),
    required("CreditorAccount", Kind::Object(CREDITOR_ACCOUNT)),
    optional("CreditorPostalAddress", Kind::Open(ANYTHING)),
    optional("UltimateCreditor", Kind::Open(ANYTHING)),
    optional("UltimateDebtor", Kind::Open(ANYTHING)),
    optional("RegulatoryReporting", Kind::Array(10, &Kind::Open(ANYTHING))),
    optional("RemittanceInformation", Kind::Open(REMITTANCE)),
    optional("SupplementaryData", Kind::Open(ANYTHING)),
];
const CONTEXTS: &[&str] = &[
    "BillingGoodsAndServicesInAdvance",
    "BillingGoodsAndServicesInArrears",
    "EcommerceMerchantInitiatedPayment",
    "FaceToFacePointOfSale",
    "TransferToSelf",
    "TransferToThirdParty",
];
const RISK: &[Field] = &[
    optional("PaymentContextCode", Kind::Word(CONTEXTS)),
    optional("MerchantCategoryCode", Kind::Text(4)),
    optional("MerchantCustomerIdentification", Kind::Text(70)),
    optional("ContractPresentIndicator", Kind::Flag),
    optional("BeneficiaryPrepopulatedIndicator", Kind::Flag),
    optional("PaymentPurposeCode", Kind::Text(4)),
    optional("CategoryPurposeCode", Kind::Text(4)),
    optional("BeneficiaryAccountType", Kind::Text(40)),
    optional("DeliveryAddress", Kind::Open(ANYTHING)),
];
const EXEMPTIONS: &[&str] =
    &["BillPayment", "ContactlessTravel", "EcommerceGoods", "EcommerceServices", "Kiosk", "Parking", "PartyToParty"];
const SCA_SUPPORT: &[Field] = &[
    optional("RequestedSCAExemptionType", Kind::Word(EXEMPTIONS)),
    optional("AppliedAuthenticationApproach", Kind::Word(&["CA", "SCA"])),
    optional("ReferencePaymentOrderId", Kind::Text(40)),
];
const CONSENT: &[Field] = &[
    required(
        "Data",
        Kind::Object(&[
            optional("ReadRefundAccount", Kind::Word(&["No", "Yes"])),
            required("Initiation", Kind::Object(INITIATION)),
            optional(
                "Authorisation",
                Kind::Object(&[
                    required("AuthorisationType", Kind::Word(&["Any", "Single"])),
                    optional("CompletionDateTime", Kind::Time),
                ]),
            ),
            optional("SCASupportData", Kind::Open(SCA_SUPPORT)),
        ]),
    ),
    required("Risk", Kind::Object(RISK)),
];
const PAYMENT: &[Field] = &[
    required(
        "Data",
        Kind::Object(&[required("ConsentId", Kind::Text(128)), required("Initiation", Kind::Object(INITIATION))]),
    ),
    required("Risk", Kind::Object(RISK)),
];

/// Refuses what is no request for a consent.
pub(super) fn check_consent(body: &Value) -> Result<(), ApiError> {
    shape::check(body, CONSENT)
}

/// Refuses what is no payment.
pub(super) fn check_payment(body: &Value) -> Result<(), ApiError> {
    shape::check(body, PAYMENT)
}
