//! What a good statement says, in every way that banks write it.

use jiff::civil::date;
use tollgate_domain::Money;

use super::samples::{ACCOUNT, balance, details, entry, file, from_100, of_version, one, problem, read_text};
use crate::{Account, Balance, Problem, Side, Status};

fn eur(minor: i64) -> Money {
    Money::new(minor, "EUR".parse().unwrap()).unwrap()
}

#[test]
fn a_statement_is_read_with_everything_in_it() {
    let within = "<RvslInd>true</RvslInd><AcctSvcrRef>B-7</AcctSvcrRef><NtryDtls><TxDtls><Refs><AcctSvcrRef>B-8</AcctSvcrRef>\
                  <EndToEndId>pay_1</EndToEndId><TxId>T-9</TxId></Refs><Amt Ccy=\"EUR\">12.34</Amt>\
                  <CdtDbtInd>CRDT</CdtDbtInd><RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf></TxDtls></NtryDtls>";
    let statement = one(&from_100(&entry("12.34", "CRDT", within), "112.34"));
    assert_eq!(statement.id, "S-1");
    assert_eq!(statement.account, Account::Iban("NL91ABNA0417164300".to_owned()));
    let balance = |minor| Balance { minor, currency: statement.currency };
    assert_eq!((statement.opening, statement.closing), (balance(10_000), balance(11_234)));
    let [entry] = &statement.entries[..] else { panic!("{statement:?}") };
    assert_eq!(
        (entry.amount, entry.side, entry.reversal, entry.status),
        (eur(1234), Side::Credit, true, Status::Booked)
    );
    assert_eq!((entry.booked_on, entry.value_on), (Some(date(2026, 11, 25)), Some(date(2026, 11, 26))));
    assert_eq!((entry.line, entry.servicer_reference.as_deref()), (5, Some("B-7")));
    let [one] = &entry.transactions[..] else { panic!("{entry:?}") };
    assert_eq!((one.amount, one.side, one.returned), (Some(eur(1234)), Side::Credit, true));
    let refs = [&one.end_to_end_id, &one.transaction_id, &one.servicer_reference];
    assert_eq!(refs.map(|text| text.as_deref().unwrap_or_default()), ["pay_1", "T-9", "B-8"]);
    assert_eq!(statement.booked_days(), Some((date(2026, 11, 25), date(2026, 11, 25))));
}

#[test]
fn every_version_from_02_to_13_is_read_and_no_other() {
    let statement = format!(
        "<Stmt><Id>S</Id>{ACCOUNT}{}{}</Stmt>",
        balance("OPBD", "1.00", "CRDT"),
        balance("CLBD", "1.00", "CRDT")
    );
    for version in 2..=13 {
        one(&of_version(&format!("{version:02}"), &statement));
    }
    for version in ["01", "14", "2", "+2", "002", "xx", ""] {
        assert!(matches!(problem(&of_version(version, &statement)), Problem::NotAStatement(_)), "{version}");
    }
    let of_another = of_version("08", &statement).replace("camt.053", "camt.054");
    assert!(matches!(problem(&of_another), Problem::NotAStatement(_)));
}

#[test]
fn a_status_is_text_or_a_code_and_only_what_is_booked_counts() {
    for (code, status) in
        [("BOOK", Status::Booked), ("PDNG", Status::Pending), ("INFO", Status::Information), ("FUTR", Status::Future)]
    {
        let closing = if status == Status::Booked { "101.00" } else { "100.00" };
        for written in [format!("<Sts>{code}</Sts>"), format!("<Sts> <Cd>{code}</Cd> </Sts>")] {
            let entry = entry("1.00", "CRDT", "").replace("<Sts><Cd>BOOK</Cd></Sts>", &written);
            assert_eq!(one(&from_100(&entry, closing)).entries[0].status, status, "{written}");
        }
    }
    for unknown in
        ["<Sts>book</Sts>", "<Sts/>", "<Sts><Cd/></Sts>", "<Sts><Prtry>OK</Prtry></Sts>", "<Sts><X/></Sts>", ""]
    {
        let entry = entry("1.00", "CRDT", "").replace("<Sts><Cd>BOOK</Cd></Sts>", unknown);
        assert!(
            matches!(problem(&from_100(&entry, "101.00")), Problem::Wrong { .. } | Problem::Missing(_)),
            "{unknown}"
        );
    }
}

#[test]
fn a_batch_is_split_into_what_it_consists_of() {
    let batch = |first: &str, second: &str| {
        let parts = format!("{}{}", details("pay_1", first), details("pay_2", second));
        entry("5.00", "CRDT", &format!("<NtryDtls><Btch><NbOfTxs>2</NbOfTxs></Btch>{parts}</NtryDtls>"))
    };
    let amounts = |entry: &str| {
        let statement = one(&from_100(entry, "105.00"));
        statement.entries[0].transactions.iter().map(|one| one.amount.map(Money::minor)).collect::<Vec<_>>()
    };
    assert_eq!(amounts(&batch("2.00", "3.00")), [Some(200), Some(300)]);
    assert_eq!(amounts(&batch("2.00", "")), [Some(200), None], "the bank does not say it");
    // Two NtryDtls are one list.
    let two = format!("<NtryDtls>{}</NtryDtls><NtryDtls>{}</NtryDtls>", details("a", "1"), details("b", "4"));
    assert_eq!(amounts(&entry("5.00", "CRDT", &two)), [Some(100), Some(400)]);
    // The older versions say the amount of the underlying transaction; where it was exchanged, that is not ours.
    let older = |code: &str| {
        let part = format!("<TxDtls><AmtDtls><TxAmt><Amt Ccy=\"{code}\">2.50</Amt></TxAmt></AmtDtls></TxDtls>");
        amounts(&entry("5.00", "CRDT", &format!("<NtryDtls>{part}{part}</NtryDtls>")))
    };
    assert_eq!((older("EUR"), older("USD")), (vec![Some(250), Some(250)], vec![None, None]));
    // One that says nothing is the whole, and so is an entry without details.
    assert_eq!(amounts(&entry("5.00", "CRDT", &format!("<NtryDtls>{}</NtryDtls>", details("a", "")))), [Some(500)]);
    assert_eq!(amounts(&entry("5.00", "CRDT", "")), [Some(500)]);
}

#[test]
fn what_nobody_named_has_no_name() {
    let named = |id: &str| {
        let within = format!("<NtryDtls>{}</NtryDtls>", details(id, "5.00"));
        one(&from_100(&entry("5.00", "CRDT", &within), "105.00")).entries[0].transactions[0].end_to_end_id.clone()
    };
    assert_eq!(named("NOTPROVIDED"), None);
    assert_eq!(named("a &amp; b &#x41;<![CDATA[<c>]]>").as_deref(), Some("a & b A<c>"));
    assert_eq!(named("\n  pay_<!-- a comment -->1\n").as_deref(), Some("pay_1"));
}

#[test]
fn the_previous_closing_balance_opens_and_a_prefix_is_as_good_as_none() {
    let of = |balances: &str| file(&format!("{ACCOUNT}{balances}{}", balance("CLBD", "3.00", "DBIT")));
    let statement = one(&of(&balance("PRCD", "3.00", "DBIT")));
    assert_eq!((statement.opening.minor, statement.closing.minor), (-300, -300), "overdrawn");
    // What else is said of the account changes nothing; OPBD goes before PRCD.
    let more = [("PRCD", "9.00"), ("OPBD", "3.00"), ("ITAV", "7.00"), ("ITAV", "8.00")];
    let more: String = more.iter().map(|(code, amount)| balance(code, amount, "DBIT")).collect();
    assert_eq!(one(&of(&more)).opening.minor, -300);

    let plain = of(&balance("OPBD", "3.00", "DBIT"));
    let prefixed = plain.replace("xmlns=", "xmlns:c=").replace("</", "</c:").replace('<', "<c:");
    let prefixed = prefixed.replace("<c:/c:", "</c:").replace("<c:?xml", "<?xml");
    assert_eq!(one(&prefixed), one(&plain));
}

#[test]
fn another_id_of_the_account_and_several_statements_are_read() {
    let statement = |id: &str| {
        let account = ACCOUNT.replace("<IBAN>NL91ABNA0417164300</IBAN>", "<Othr><Id>12345</Id></Othr>");
        let (opening, closing) = (balance("OPBD", "1.00", "CRDT"), balance("CLBD", "1.00", "CRDT"));
        format!("<Stmt><Id>{id}</Id>{account}{opening}{closing}</Stmt>")
    };
    let read = read_text(&of_version("02", &(statement("A") + &statement("B")))).unwrap();
    assert_eq!(read.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["A", "B"]);
    assert_eq!(read[0].account, Account::Other("12345".to_owned()));
}

#[test]
fn what_is_of_another_namespace_is_passed_over() {
    let foreign = "<SplmtryData><Envlp><x:Ntry xmlns:x=\"urn:x\">text<x:Amt Ccy=\"a\" Ccy=\"b\">-1</x:Amt>text</x:Ntry></Envlp></SplmtryData>";
    assert_eq!(one(&from_100(foreign, "100.00")).entries, []);
    // And what has another prefix of the same namespace is not.
    let same = entry("1.00", "CRDT", "")
        .replace("<Ntry>", "<y:Ntry xmlns:y=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\">");
    assert_eq!(one(&from_100(&same.replace("</Ntry>", "</y:Ntry>"), "101.00")).entries.len(), 1);
}
