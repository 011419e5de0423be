//! Bad HL7 input, made up case by case and the same in every run: sizes (class B), headers (C), escapes and character
//! sets (D), batches (H). Large cases are made when they are asked for.

/// One bad input.
pub(crate) struct Case {
    /// Class and what is wrong.
    pub(crate) name: String,
    make: Box<dyn Fn() -> Vec<u8>>,
}

impl Case {
    /// The class: B, C, D or H.
    pub(crate) fn class(&self) -> char {
        self.name.chars().next().unwrap_or(' ')
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        (self.make)()
    }
}

/// Every case.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    sizes(&mut cases);
    headers(&mut cases);
    escapes(&mut cases);
    batches(&mut cases);
    cases
}

fn add(cases: &mut Vec<Case>, name: String, make: impl Fn() -> Vec<u8> + 'static) {
    cases.push(Case { name, make: Box::new(make) });
}

fn add_bytes(cases: &mut Vec<Case>, name: String, bytes: Vec<u8>) {
    add(cases, name, move || bytes.clone());
}

/// A good message with these fields 9 to 18 and this body.
fn message(tail: &[u8], body: &[u8]) -> Vec<u8> {
    [b"MSH|^~\\&|SHAM|HALL|GW|IN|20260301||", tail, b"\r", body, b"\r"].concat()
}

const TAIL: &[u8] = b"ORU^R01|77|P|2.5.1";

fn sizes(cases: &mut Vec<Case>) {
    for length in 0..24_usize {
        add(cases, format!("B the first {length} bytes of a message"), move || {
            message(TAIL, b"PID|1").into_iter().take(length).collect()
        });
    }
    for size in [65_535, 65_536, 65_537, 200_000, 1 << 20, (16 << 20) - 1, 16 << 20, (16 << 20) + 1] {
        add(cases, format!("B a value of {size} bytes"), move || {
            message(
                TAIL,
                &[b"OBX|1|ED|X||".to_vec(), b"JVBERi0x".iter().copied().cycle().take(size).collect()].concat(),
            )
        });
    }
    let fillers: [(&str, &[u8], usize); 20] = [
        ("segments", b"NTE|1\r", 1_000_000),
        ("segments of one letter", b"N\r", 1_000_001),
        ("fields", b"|", 3_999_990),
        ("fields beyond the limit", b"|", 4_000_100),
        ("repetitions", b"a~", 1_000_000),
        ("empty repetitions", b"~", 1_000_000),
        ("components", b"a^", 100_000),
        ("subcomponents", b"a&", 100_000),
        ("escapes", b"\\F\\", 300_000),
        ("open escapes", b"\\F", 300_000),
        ("escape characters", b"\\", 1_000_001),
        ("skips", b"\\.sk80\\", 30_000),
        ("hexadecimal", b"\\X0D\\", 100_000),
        ("line ends", b"\n", 1_000_000),
        ("pairs of line ends", b"\r\n", 500_000),
        ("NUL", b"\0", 1_000_000),
        ("blanks", b" ", 1_000_000),
        ("bytes beyond ASCII", b"\xff", 1_000_000),
        ("segments ADD", b"\rADD|x", 100_000),
        ("nulls", b"|\"\"", 500_000),
    ];
    for (what, filler, count) in fillers {
        add(cases, format!("B {count} {what}"), move || {
            message(TAIL, &[b"NTE|1||".to_vec(), filler.repeat(count)].concat())
        });
    }
    for field in [3, 4, 9, 10, 11, 12, 15, 18] {
        add(cases, format!("B a million bytes in MSH-{field}"), move || {
            let mut fields: Vec<Vec<u8>> = (1..=18).map(|number| format!("{number}").into_bytes()).collect();
            fields[field - 1] = b"7".repeat(1_000_000);
            [b"MSH|^~\\&|".to_vec(), fields[2..].join(&b'|'), b"\r".to_vec()].concat()
        });
    }
}

fn headers(cases: &mut Vec<Case>) {
    let good = message(TAIL, b"PID|1||4711");
    for at in 0..10 {
        for byte in [b'|', b'^', b'A', b'7', b' ', 0, b'\r', b'\n', 0x0b, 0x1c, 0x7f, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = byte;
            add_bytes(cases, format!("C byte {at} of the header is {byte:#04x}"), bytes);
        }
    }
    for characters in [
        "",
        "^",
        "^~",
        "^~\\",
        "^~\\&",
        "^~\\&#",
        "^~\\&#!",
        "^^^^",
        "^~^&",
        "||||",
        "^~\\|",
        "abcd",
        "1234",
        "    ",
        "^~\\&^~\\&",
    ] {
        add_bytes(
            cases,
            format!("C MSH-2 is {characters:?}"),
            format!("MSH|{characters}|A|B|C|D|1||ADT^A01|1|P|2.5\r").into_bytes(),
        );
    }
    for separator in 0..128_u8 {
        if separator % 2 == 0 || separator < 34 {
            let bytes =
                [b"MSH".to_vec(), vec![separator], b"^~\\&".to_vec(), vec![separator], b"A\rPID|1\r".to_vec()].concat();
            add_bytes(cases, format!("C the separator is {separator:#04x}"), bytes);
        }
    }
    for version in [
        "",
        "2",
        "2.",
        "2.999",
        "99.9",
        "2.x",
        "garbage",
        "2.3.z",
        "-1",
        "2.5.1.1.1.1",
        "\"\"",
        "2.5^^^^",
        "99999999999999999999",
    ] {
        add_bytes(
            cases,
            format!("C the version is {version:?}"),
            message(format!("ADT^A01|1|P|{version}").as_bytes(), b"PID|1"),
        );
    }
    for charset in [
        "0",
        "1",
        "x~y",
        "8859",
        "UNICODE UTF-32",
        "UNICODE UTF-16",
        "GB 18030-2000",
        "ISO IR87",
        "ASCII",
        "~~~~",
        "\"\"",
    ] {
        add_bytes(
            cases,
            format!("C MSH-18 lies: {charset}"),
            message(format!("ADT^A01|1|P|2.5||||||{charset}").as_bytes(), "PID|1||||Müßter".as_bytes()),
        );
    }
    for kind in
        ["", "^", "^^", "ADT", "^A01", "ADT~ORU^R01", "ADT&X^A01", "\"\"", "ADT^A01^ADT_A01^X^Y", "adt^a01", "A\0DT"]
    {
        add_bytes(cases, format!("C MSH-9 is {kind:?}"), message(format!("{kind}|1|P|2.5").as_bytes(), b"PID|1"));
    }
    for start in [
        "msh|^~\\&|A\r",
        "MSA|AA|1\r",
        "PID|1\r",
        "FHS|^~\\&\r",
        "MSH\r",
        "MSH",
        "MS",
        "\u{feff}",
        "\u{feff}MSH|",
        "\r\r\r",
        " MSH|^~\\&|\r",
    ] {
        add_bytes(cases, format!("C it begins with {start:?}"), start.as_bytes().to_vec());
    }
}

fn escapes(cases: &mut Vec<Case>) {
    let values: [&[u8]; 66] = [
        b"\\X0\\",
        b"\\X0D0A\\",
        b"\\XGG\\",
        b"\\X",
        b"\\X\\",
        b"\\x0d0a\\",
        b"\\X0D 0A\\",
        b"\\X0B\\",
        b"\\X1C0D\\",
        b"\\X00\\",
        b"\\XFFFE\\",
        b"\\",
        b"\\\\",
        b"\\\\\\",
        b"\\E\\E\\",
        b"\\E",
        b"\\.sp99999\\",
        b"\\.sp-1\\",
        b"\\.br",
        b"\\.br5\\",
        b"\\.in+\\",
        b"\\.in99999999999999999999\\",
        b"\\.ti-5\\x",
        b"\\.xx\\",
        b"\\.\\",
        b"\\C2842\\x\\C\\",
        b"\\C284\\",
        b"\\M92\\",
        b"\\M2442\\IB\\C2842\\",
        b"\\M242844\\!!\\",
        b"\\MZZZZ\\",
        b"\\Z\\",
        b"\\Zlocal\\",
        b"\\F\\\\F",
        b"\\P\\",
        b"x#",
        b"\\H\\x",
        b"\\N\\N",
        b"\xff",
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xe0\x80\x80",
        b"\xed\xa0\x80",
        b"\xf5\x80\x80\x80",
        b"\xf0\x9f\x98",
        b"\xc3\xa9\xe9",
        b"\xff\xfeM\0S\0H\0",
        b"\xfe\xff\0M",
        b"\xef\xbb\xbf",
        b"\x1b$B;3ED\x1b(B",
        b"\x1b$B$3",
        b"\x1b",
        b"\x1b(Z",
        b"\x83\x5c\x83\x7c",
        b"\x81\x30\x81\x30",
        b"\xa5\x5c\xb0\x7c",
        b"\xe2\x80\xae",
        b"\xe2\x81\xa6x",
        b"\xd0\xb0dmin",
        b"\xc2\xa0",
        b"\0",
        b"\x01\x02\x7f",
        b"\x0b",
        b"\x1c",
        b"\x0c\x08",
        b"\"\"\"",
    ];
    let charsets: [&[u8]; 5] = [b"", b"UNICODE UTF-8", b"8859/1~ISO IR87", b"SHIFT-JIS", b"GB 18030-2000"];
    for charset in charsets {
        for value in values {
            let tail = [b"ORU^R01|77|P|2.7||||||", charset].concat();
            let body = [b"OBX|1|FT|X||".as_slice(), value, b"^y~z|", value].concat();
            let name = format!("D {} as {}", value.escape_ascii(), charset.escape_ascii());
            add_bytes(cases, name, message(&tail, &body));
        }
    }
}

fn batches(cases: &mut Vec<Case>) {
    let parts: [(&str, &[u8]); 6] = [
        ("FHS", b"FHS|^~\\&|SHAM|HALL\r"),
        ("BHS", b"BHS|^~\\&|SHAM|HALL|||1||b||b-1\r"),
        ("MSH", b"MSH|^~\\&|SHAM|HALL|GW|IN|20260301||ADT^A08|5|P|2.5\rPID|1\r"),
        ("BTS", b"BTS|2\r"),
        ("FTS", b"FTS|7\r"),
        ("junk", b"hello\r"),
    ];
    // Every order of three parts that has a message among them.
    for first in 0..6 {
        for second in 0..6 {
            for third in 0..6 {
                let chosen = [first, second, third].map(|at: usize| parts[at]);
                if chosen.iter().any(|(name, _)| *name == "MSH") {
                    let name = format!("H {} {} {}", chosen[0].0, chosen[1].0, chosen[2].0);
                    add_bytes(cases, name, chosen.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect());
                }
            }
        }
    }
    for count in ["-1", "0", "1.5", "two", "\"\"", "99999999999999999999999", " 1 ", "1^1", "\\X31\\", "\u{663}"] {
        add_bytes(
            cases,
            format!("H BTS-1 is {count:?}"),
            [parts[1].1, parts[2].1, format!("BTS|{count}\r").as_bytes()].concat(),
        );
    }
    add(cases, "H a hundred thousand messages".into(), move || {
        [parts[1].1.to_vec(), parts[2].1.repeat(100_000), b"BTS|100000\r".to_vec()].concat()
    });
    add(cases, "H more messages than a frame may hold".into(), || b"MSH|^\r".repeat(200_005));
    add(cases, "H a hundred thousand headers".into(), || b"BHS|^~\\&\r".repeat(100_000));
    add(cases, "H a hundred thousand trailers".into(), || b"BTS|1\r".repeat(100_000));
    add(cases, "H files in files".into(), || [b"FHS|^~\\&\r".repeat(1000), b"FTS\r".repeat(1000)].concat());
}
