//! Messages in sets that cannot be split by bytes, and switches between sets inside a value.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

/// "能" and "表" end, in Shift-JIS, with the bytes of `\` and `|` or lie near them; Big5 and GB 18030 are alike.
const KANJI: &str = "能表ソ病院";

fn message(declared: &str, name: &str) -> String {
    format!("MSH|^~\\&|{name}|B|C|D|20260301||ADT^A03|17|P|2.5||||||{declared}\rPID|1||4711||{name}^X||19500102\r")
}

fn read(text: &Text<'_>, path: &str) -> String {
    let index = Index::of(text.bytes()).unwrap();
    let message = index.message(text.bytes());
    message.value(&path.parse().unwrap()).text(&message.charset(text.configured())).into_owned()
}

#[test]
fn reads_sets_whose_characters_hold_delimiters() {
    for (declared, name) in [
        ("SHIFT-JIS", KANJI),
        ("GB 18030-2000", "病院能表"),
        ("BIG-5", "功許蓋病院"),
        ("ISO IR87", "病院能表"),
        ("KS X 1001", "병원"),
        ("UNICODE UTF-8", KANJI),
    ] {
        let plain = message(declared, name);
        let raw = Encoding::named(declared).unwrap().encode(&plain);
        let text = Text::of(&raw, None);
        assert_eq!(read(&text, "PID-5.1"), name, "{declared}");
        assert_eq!(read(&text, "PID-5.2"), "X", "{declared}");
        assert_eq!(read(&text, "PID-7"), "19500102", "{declared}");
    }
}

#[test]
fn reads_utf_16_by_mark_header_or_configuration() {
    let plain = message("UNICODE UTF-16", "Müller 花");
    for (name, mark) in
        [("UTF-16LE", &b"\xff\xfe"[..]), ("UTF-16LE", b""), ("UTF-16BE", b"\xfe\xff"), ("UTF-16BE", b"")]
    {
        let raw = [mark, &Encoding::named(name).unwrap().encode(&plain)].concat();
        let text = Text::of(&raw, None);
        assert_eq!((read(&text, "PID-5.1"), read(&text, "MSH-10")), ("Müller 花".into(), "17".into()), "{name}");
        assert_eq!(text.source(), Encoding::named(name));
    }
}

#[test]
fn takes_the_links_set_before_the_messages() {
    let raw = Encoding::named("SHIFT-JIS").unwrap().encode(&message("", KANJI));
    let text = Text::of(&raw, Encoding::named("shift_jis"));
    assert_eq!(read(&text, "PID-5.1"), KANJI);
    let latin = b"MSH|^~\\&|A\rPID|1||||M\xfcller|\xfc\r";
    assert_eq!(read(&Text::of(latin, Encoding::named("ISO-8859-1")), "PID-5"), "M\u{fc}ller");
    assert_eq!(Text::of(latin, Encoding::named("gb18030")).source(), None);
}

#[test]
fn answers_in_the_senders_set() {
    for declared in ["SHIFT-JIS", "GB 18030-2000", "ISO IR87", "UTF-16LE"] {
        let encoding = Encoding::named(declared).unwrap();
        let raw = encoding.encode(&message(declared, "病院能表"));
        let text = Text::of(&raw, None);
        let index = Index::of(text.bytes()).unwrap();
        let stamp = ack::Stamp { at: "20260301", control_id: "G1" };
        let answer = text.encode(ack::build(&index.message(text.bytes()), &stamp, ack::Code::Aa, None));
        let read_back = Text::of(&answer, Some(encoding));
        assert_eq!(read(&read_back, "MSH-5"), "病院能表", "{declared}");
        assert_eq!(read(&read_back, "MSA-2"), "17", "{declared}");
    }
}

#[test]
fn leaves_what_it_need_not_or_cannot_read_anew() {
    for raw in [
        &b"MSH|^~\\&|A|||||||1|P|2.5||||||SHIFT-JIS\rPID|1\r"[..],
        b"MSH|^~\\&|A|||||||1|P|2.5||||||GB 18030-2000\rPID|1||\xff\xff\r",
        b"MSH|^~\\&|A|||||||1|P|2.5||||||UNICODE UTF-16\rPID|1||x\r",
        b"MSH|^~\\&|A\r\x1b$Bxx\r",
        b"\xff\xfe\x00",
        b"\xfe\xff\xd8\x00",
        b"hello",
        b"",
    ] {
        let text = Text::of(raw, None);
        assert_eq!((text.bytes(), text.source()), (raw, None));
        assert_eq!(text.encode(vec![0xfc, b'a']), [0xfc, b'a']);
    }
}

#[test]
fn reads_hexadecimal_bytes_in_the_senders_set() {
    let raw = Encoding::named("SHIFT-JIS").unwrap().encode(&message("SHIFT-JIS", "\\X945c\\ 能 \\X0D\\"));
    assert_eq!(read(&Text::of(&raw, None), "PID-5.1"), "能 能 \r");
}

#[test]
fn follows_switches_to_declared_sets_only() {
    for (declared, value, expected, kept) in [
        ("~ISO IR87", &b"a\\M2442\\\x49\x42\x31\x21\\C2842\\b\\T\\c"[..], "a病院b&c", 0),
        ("~ISO IR87", b"\\M2442\\\x49\x42", "病", 0),
        ("~ISO IR14", b"\\C2849\\\x31\x32\\C2842\\x", "\u{ff71}\u{ff72}x", 0),
        ("8859/1~8859/7", b"\xfc \\C2D46\\\xe1\\C2842\\", "\u{fc} \u{3b1}", 0),
        ("8859/1", b"\\C2D46\\\xe1", "\\C2D46\\\u{e1}", 1),
        ("", b"\\M2442\\IB", "\\M2442\\IB", 1),
        ("~ISO IR87", b"\\F\\C2842\\E\\", "|C2842\\", 0),
        ("~ISO IR87", b"\\M24\\x\\C28", "\\M24\\x\\C28", 1),
    ] {
        let raw = [b"MSH|^~\\&|A|||||||1|P|2.5||||||", declared.as_bytes(), b"\rPID|1||", value, b"\r"].concat();
        let index = Index::of(&raw).unwrap();
        let message = index.message(&raw);
        let charset = message.charset(None);
        let (text, findings) = charset.read(message.segment("PID").unwrap().field(3).bytes());
        assert_eq!((text.as_ref(), findings.switches), (expected, kept), "{declared} {expected}");
    }
}

#[test]
fn reads_raw_escape_sequences_of_declared_sets() {
    let raw = b"MSH|^~\\&|A|||||||1|P|2.5||||||~ISO IR87\rPID|1||4711||\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B||x\r";
    let text = Text::of(raw, None);
    assert_eq!((read(&text, "PID-5.1"), read(&text, "PID-5.2")), ("山田".into(), "太郎".into()));
    assert_eq!(read(&text, "PID-7"), "x");
}

#[test]
fn knows_every_set_a_site_may_configure() {
    for set in crate::settings::CharacterSet::ALL {
        let encoding = Encoding::named(set.name()).unwrap();
        assert!(
            encoding.name().eq_ignore_ascii_case(set.name()) || set.name().starts_with("iso-8859"),
            "{}",
            set.name()
        );
    }
    for name in ["UNICODE", "8859/15", "ISO IR87", "KS X 1001", "BIG-5", "cp1252", "windows-1250", "latin1", "koi8-r"] {
        assert!(Encoding::named(name).is_some(), "{name}");
    }
    for name in ["", "0", "x~y", "UNICODE UTF-32", "CNS 11643-1992", "replacement", "iso-2022-kr"] {
        assert!(Encoding::named(name).is_none(), "{name}");
    }
}
