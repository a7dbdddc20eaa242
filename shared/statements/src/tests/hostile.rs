//! Strangers' files: what is bounded, what is refused, and that a refusal names the place.

use std::io::{self, BufReader, Read};

use super::samples::{ACCOUNT, balance, details, entry, file, from_100, of_version, one, problem, refused};
use crate::{Limits, Problem, StatementError, read};

fn with(limits: Limits, text: &str) -> Result<(), StatementError> {
    read(text.as_bytes(), &limits).map(|_| ())
}

#[track_caller]
fn too_much(limits: Limits, text: &str) -> StatementError {
    let error = with(limits, text).expect_err("it is more than may be");
    assert!(matches!(error.problem, Problem::TooMuch(_)), "{error}");
    error
}

#[test]
fn every_truncated_file_is_refused() {
    let part = format!("<NtryDtls>{}</NtryDtls>", details("a &amp; b", "5.00"));
    let whole = from_100(&entry("5.00", "CRDT", &part), "105.00");
    one(&whole);
    let end = whole.trim_end().len();
    for cut in 0..end {
        let error = refused(&whole[..cut]);
        assert!(
            matches!(error.problem, Problem::Truncated | Problem::NotXml(_) | Problem::NotAStatement(_)),
            "{cut}: {error}"
        );
    }
}

#[test]
fn a_doctype_and_every_entity_of_its_own_are_refused() {
    let good = from_100("", "100.00");
    let bomb = "<!DOCTYPE Document [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]>\n<Document";
    let error = refused(&good.replace("<Document", bomb));
    assert_eq!((error.line, &error.problem), (2, &Problem::Doctype));
    for reference in ["&a;", "&nbsp;", "&xxe;"] {
        let named = good.replace("S-1", reference);
        assert!(matches!(problem(&named), Problem::Entity(_)), "{reference}");
    }
    for broken in ["&#0;", "&#x110000;", "&#xZ;", "&;", "& "] {
        assert!(matches!(problem(&good.replace("S-1", broken)), Problem::NotXml(_) | Problem::Entity(_)), "{broken}");
    }
}

#[test]
fn what_is_nested_wrongly_is_refused() {
    let nested = entry("5.00", "CRDT", "");
    for (wrong, expected) in [
        (entry("5.00", "CRDT", &nested), Problem::Misplaced),
        (entry("5.00", "CRDT", &details("a", "5.00")), Problem::Misplaced),
        (entry("5.00", "CRDT", &balance("CLBD", "1.00", "CRDT")), Problem::Misplaced),
        (format!("<Acct>{nested}</Acct>"), Problem::Misplaced),
        ("<Stmt/>".to_owned(), Problem::Misplaced),
        ("text".to_owned(), Problem::TextBetweenElements),
        (nested.replace("5.00<", "<X/>5.00<"), Problem::TextBetweenElements),
        (nested.replace("5.00<", "5.00<X/><"), Problem::TextBetweenElements),
    ] {
        assert_eq!(problem(&from_100(&wrong, "105.00")), expected, "{wrong}");
    }
    for crossed in ["<A><B></A></B>", "</Ntry>", "<A></B>", "<A", "<A b></A>", "<A>]]></A>x"] {
        let error = refused(&from_100(crossed, "100.00"));
        assert!(error.line >= 5, "{error}");
    }
    for outside in ["x", "<Document/>", "<?xml version=\"1.0\"?>", "<![CDATA[x]]>", "&amp;"] {
        let more = from_100("", "100.00") + outside;
        assert!(matches!(problem(&more), Problem::Misplaced | Problem::NotXml(_)), "{outside}");
    }
}

#[test]
fn what_is_no_statement_is_refused() {
    for text in ["", "   ", "{}", "<html></html>", "<Document/>", "<Document xmlns='urn:x'/>", "\u{feff}", "<!-- x -->"]
    {
        let problem = problem(text);
        assert!(matches!(problem, Problem::NotAStatement(_) | Problem::Misplaced), "{text}: {problem}");
    }
    assert!(matches!(problem(&of_version("08", "")), Problem::NotAStatement(_)));
    let in_latin = from_100("", "100.00").replace("UTF-8", "ISO-8859-1");
    assert!(matches!(problem(&in_latin), Problem::Encoding(_)));
    let mut no_utf_8 = from_100("", "100.00").replace("S-1", "S-~").into_bytes();
    no_utf_8.iter_mut().filter(|byte| **byte == b'~').for_each(|byte| *byte = 0xff);
    assert!(matches!(read(&no_utf_8[..], &Limits::default()).unwrap_err().problem, Problem::NotXml(_)));
    let sixteen: Vec<u8> = from_100("", "100.00").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(read(&sixteen[..], &Limits::default()).is_err());
    // The mark of UTF-8 itself is none of the text.
    one(&format!("\u{feff}{}", from_100("", "100.00")));
}

#[test]
fn every_bound_is_one() {
    let part = format!("<NtryDtls>{}</NtryDtls>", details(&"a".repeat(300), "5.00"));
    let text = from_100(&entry("5.00", "CRDT", &part), "105.00");
    let exact = Limits { bytes: text.len() as u64, token: 302, text: 300, depth: 8, kept: 3 };
    with(exact, &text).unwrap();
    too_much(Limits { bytes: exact.bytes - 2, ..exact }, &text);
    assert_eq!(too_much(Limits { token: 200, ..exact }, &text).line, 5);
    let long = too_much(Limits { text: 299, ..exact }, &text);
    assert!(long.element.ends_with("/Refs/EndToEndId"), "{long}");
    assert!(too_much(Limits { depth: 7, ..exact }, &text).element.ends_with("/TxDtls/Refs"));
    assert!(too_much(Limits { kept: 2, ..exact }, &text).element.ends_with("/TxDtls"));
    // Comments and attributes are tokens, too.
    for long in [format!("<!--{}-->", "a".repeat(99_999)), format!("<A b=\"{}\"/>", "a".repeat(99_999))] {
        too_much(Limits::default(), &from_100(&long, "100.00"));
    }
    let many = (0..33).map(|index| format!("a{index}=\"\"")).collect::<Vec<_>>().join(" ");
    too_much(Limits::default(), &from_100("", "100.00").replace("<Amt Ccy", &format!("<Amt {many} Ccy")));
    let spaces = (0..200).map(|index| format!("xmlns:a{index}=\"u\"")).collect::<Vec<_>>().join(" ");
    assert!(matches!(problem(&from_100(&format!("<A {spaces}/>"), "100.00")), Problem::NotXml(_)));
}

/// The beginning of a file that never ends.
struct Endless {
    beginning: Vec<u8>,
    again: &'static [u8],
    given: u64,
}

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        for slot in into.iter_mut() {
            let index = usize::try_from(self.given).unwrap();
            let later = index.saturating_sub(self.beginning.len()) % self.again.len();
            *slot = self.beginning.get(index).copied().unwrap_or(self.again[later]);
            self.given += 1;
        }
        Ok(into.len())
    }
}

#[test]
fn a_file_without_an_end_is_left_at_the_bound() {
    let beginning = from_100("", "100.00").split("</Stmt>").next().unwrap().as_bytes().to_vec();
    for (again, text, bound) in [
        (&b"<A/>\n"[..], "1048576 bytes", 1 << 20),
        (b"<A>", "64 elements within each other", 100_000),
        (b"x", "bytes in one tag or text", 200_000),
        (
            b"<Ntry><Amt Ccy=\"EUR\">0</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>INFO</Sts></Ntry>",
            "1000 statements",
            200_000,
        ),
    ] {
        let mut endless = Endless { beginning: beginning.clone(), again, given: 0 };
        let limits = Limits { bytes: 1 << 20, kept: 1000, ..Limits::default() };
        let error = read(BufReader::new(&mut endless), &limits).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert!(endless.given <= bound + (16 << 10), "{}: {error}", endless.given);
    }
}

#[test]
fn a_reader_that_fails_is_said() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the cable is out"))
        }
    }
    let text = from_100("", "100.00");
    let error = read(BufReader::new(text.as_bytes()[..200].chain(Broken)), &Limits::default()).unwrap_err();
    assert!(matches!(&error.problem, Problem::Unreadable(why) if why.contains("cable")), "{error}");
}

#[test]
fn a_refusal_repeats_nothing_that_could_command_a_terminal_or_fill_it() {
    let evil = format!("\u{1b}[2J{}", "x".repeat(3000));
    for text in [
        from_100(&entry(&evil, "CRDT", ""), "100.00"),
        from_100(&entry("1.00", &evil, ""), "100.00"),
        from_100("", "100.00").replace("EUR</Ccy>", &format!("{evil}</Ccy>")),
        from_100("", "100.00").replace("S-1", "&\u{1b}[2J;"),
        file(&format!("{ACCOUNT}<\u{1b}[2J>")),
        of_version("08", "").replace("camt", "\u{1b}[2J"),
        "<\u{1b}[2J/>".to_owned(),
    ] {
        let said = refused(&text).to_string();
        assert!(!said.contains(char::is_control) && said.len() < 400, "{said:?}");
    }
}
