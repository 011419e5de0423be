//! Made-up messages of records, good and bad. People, numbers and devices are invented. A line end stands for CR.

/// One message of each shape that instruments send; the word says what it is about.
pub(super) fn good() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> =
        GOOD.iter().map(|(about, text)| ((*about).to_owned(), text.replace('\n', "\r"))).collect();
    // Every termination code, processing id, flag, status and report type once.
    for code in ["", "N", "T", "R", "E", "Q", "I", "F", "n"] {
        all.push(("none".into(), format!("H|\\^&\rL|1|{code}\r")));
    }
    for id in ["P", "T", "D", "Q"] {
        all.push(("R".into(), with(&format!("H|\\^&|||X|||||||{id}"), "R|1|^^^GLU|5.8|mmol/L||N||F")));
    }
    for flag in ["L", "H", "LL", "HH", "<", ">", "N", "A", "U", "D", "B", "W", "H\\A"] {
        all.push(("R".into(), with("H|\\^&", &format!("R|1|^^^GLU|5.8|mmol/L|3.9 to 5.6|{flag}||F"))));
    }
    for status in ["C", "P", "F", "X", "I", "S", "M", "R", "Q", "V", "W", ""] {
        all.push(("R".into(), with("H|\\^&", &format!("R|1|^^^GLU|5.8|mmol/L||N||{status}"))));
    }
    all
}

/// A message with one result.
pub(super) fn with(header: &str, result: &str) -> String {
    format!("{header}\rP|1\rO|1|S-1||^^^GLU|R\r{result}\rL|1|N\r")
}

const GOOD: &[(&str, &str)] = &[
    ("none", "H|\\^&\nL|1|N\n"),
    ("none", "H|\\^&\nL|1"),
    ("none", "H|\\^&|||zzanalyzer^2.1^SN-7|||||||P|LIS2-A2|20261126080000\nL|1|N\n"),
    ("none", "\r\n\0 H|\\^&\n\nL|1|N\n\n"),
    ("none", "h|\\^&\nl|1|n\n"),
    ("none", "H|\\^&~|||HL7MINDED\nL|1|N\n"),
    ("none", "H!@*%!4711!!DEV\nL!1!N\n"),
    ("none", "H|\\^_|||ZZ-iSYS\nL|1|N\n"),
    ("P", "H|\\^&\nP|1\nL|1|N\n"),
    (
        "P",
        "H|\\^&\nP|1||ZZ-4711||SAMPLE^ANNA^B^^DR||19700101|F||1 TEST ST^TESTVILLE^IL^60000\nC|1|L|new patient|G\nL|1|N\n",
    ),
    ("O", "H|\\^&\nP|1\nO|1|S-1||^^^GLU\\^^^CREA|S||||||A||||SER\nL|1|F\n"),
    ("Q", "H|\\^&\nQ|1|^S-100||ALL||||||||O\nL|1|N\n"),
    ("Q", "H|\\^&\nQ|1|ZZ-1^S-1\\ZZ-2^S-2||^^^ALL\nQ|2|^S-3\nC|1|I|hurry|G\nL|1|N\n"),
    ("S", "H|\\^&\nS|1|GLU|hexokinase\nL|1|N\n"),
    ("M", "H|\\^&\nM|1|reagent|4711|20270101\nM|2|calibration\nL|1|N\n"),
    ("C", "H|\\^&\nC|1|I|maintenance is due|G\nL|1|N\n"),
    (
        "R",
        "H|\\^&|||a\nP|1\nO|1|S-1||^^^WBC\nR|1|^^^^WBC^1|6.54|10*3/uL||N||F||||20261126081500\nR|2|^^^^RBC^1|4.31|10*6/uL||L||F\nL|1|N\n",
    ),
    (
        "R",
        "H|\\^&\nP|1\nO|1|S-1||^^^HIV\nR|1|^^^HIV|Nonreactive^0.12|S/CO||||V\nC|1|I|within range&E&&F&|I\nM|1|lot|7\nC|1|I|lot note|G\nL|1|N\n",
    ),
    (
        "R",
        "H|\\^&\nP|1\nO|1|S-1||^^^GLU\nR|1|^^^GLU|\"\"|||||X\nP|2\nO|1|S-2||^^^GLU\nR|1|^^^GLU|4.4|mmol/L||||F\nL|1|N\n",
    ),
    (
        "R",
        "H|\\^&\nP|1\nO|1|S-1||^^^K\\^^^NA\nR|1|2823-3^Potassium^LN^K|4.1|mmol/L||||F\nR|2|^^^NA|140|mmol/L||||F\nR|3|^^^K|4.2|mmol/L||||R\nL|1|N\n",
    ),
    ("R", "H|\\^&\nP|1\nO|1|QC-1||^^^GLU|||||||Q\nR|1|^^^GLU|5.0|mmol/L||||F\nL|1|N\n"),
    (
        "R",
        "H|\\^&\nC|1|I|start of shift|G\nP|1\nC|1|P|fasting|G\nO|1|S-1||^^^GLU\nC|1|L|add-on|G\nR|1|^^^GLU|<0.5|mmol/L||<||F\nC|1|I|below range|I\nC|2|I|repeated|I\nL|1|N\n",
    ),
    ("R", "H|\\^&\nP|7\nO|9|S-1||^^^GLU\nR|4|^^^GLU|1\nR|2|^^^GLU|2\nL|2|N\n"),
    ("R", "H|\\^&\r\nP|1\r\nO|1|S-1||^^^GLU\r\nR|1|^^^GLU|&X414243&|&F&&S&&R&&E&|&Z1&|||F\r\nL|1|N\r\n"),
];

/// Bytes that are no message, by what is wrong with them.
pub(super) fn bad() -> Vec<(&'static str, Vec<u8>)> {
    let mut all: Vec<(&'static str, Vec<u8>)> = Vec::new();
    let mut add = |word: &'static str, text: &str| all.push((word, text.replace('\n', "\r").into_bytes()));
    for text in ["", "\n", "\n\n\n", "\0\0", "  \n ", "\t"] {
        add("found nothing", text);
    }
    for text in [
        "P|1\nL|1|N\n",
        "L|1|N\n",
        "MSH|^~\\&|A\n",
        "|\\^&\n",
        "XH|\\^&\nL|1\n",
        "R|1|^^^GLU|5\n",
        "0",
        "\u{b}H|\\^&\nL|1\n",
        "ZZ",
        "S|1\n",
        "{\"H\":1}",
        "<H/>",
        "\u{feff}H|\\^&\nL|1",
        "GET / HTTP/1.1\n",
        "Q|1\nH|\\^&\nL|1\n",
        "1H|\\^&\nL|1\n",
    ] {
        add("expected an H record, found something else", text);
    }
    for text in [
        "H",
        "H|",
        "H|\\",
        "H|\\^",
        "H||\nL|1\n",
        "H|\\\\&|\nL|1\n",
        "H||^&\nL|1\n",
        "H|\\^^\nL|1\n",
        "H|abc|\nL|1\n",
        "H1234\nL|1\n",
        "H|\\^&xy|\nL|1\n",
        "H|\\^&~~|\nL|1\n",
        "H \\^&\nL 1\n",
        "H|\\^|\nL|1\n",
        "H|\\||\nL|1\n",
        "H|\\^&A\nL|1\n",
        "HELLO\nL|1\n",
        "H^~\\&\nHERE\n",
        "H\u{7}\\^&\nL|1\n",
        "H|\u{e4}^&\nL|1\n",
    ] {
        let word = if text.starts_with("H^~") { "expected a record of type" } else { "four different delimiters" };
        add(word, text);
    }
    for text in [
        "H|\\^&\n",
        "H|\\^&",
        "H|\\^&\nP|1\n",
        "H|\\^&\nP|1\nO|1|S\n",
        "H|\\^&\nP|1\nO|1|S\nR|1|^^^GLU|5.8\n",
        "H|\\^&\nQ|1|^S\n",
        "H|\\^&\nC|1|I|x\n",
        "H|\\^&\nM|1\n",
        "H|\\^&\nS|1\n",
        "H|\\^&\nP|1\nP|2\nP|3",
    ] {
        add("expected an L record at the end, found none", text);
    }
    for text in [
        "H|\\^&\nH|\\^&\nL|1\n",
        "H|\\^&\nP|1\nH|\\^&\nL|1\n",
        "H|\\^&\nP|1\nO|1|S\nR|1|^^^A|1\nH|\\^&\nP|1\nL|1\n",
        "H|\\^&\nQ|1\nH|\\^&\nL|1\n",
        "H|\\^&\nC|1\nH|\\^&\nL|1\n",
    ] {
        add("found another H record", text);
    }
    for text in [
        "H|\\^&\nL|1\nL|1\n",
        "H|\\^&\nL|1|N\nP|1\n",
        "H|\\^&\nL|1|N\nH|\\^&\nL|1|N\n",
        "H|\\^&\nL|1|N\nC|1|I|late\n",
        "H|\\^&\nL|1|N\ngarbage\n",
        "H|\\^&\nL|1|N\nR|1|^^^A|1\n",
    ] {
        add("found more", text);
    }
    for letter in "ABDEFGIJKNTUVWXYZ0?".chars() {
        add("expected a record of type", &format!("H|\\^&\n{letter}|1\nL|1\n"));
    }
    for text in [
        "H|\\^&\nPP|1\nL|1\n",
        "H|\\^&\nP^1\nL|1\n",
        "H|\\^&\nthe printer is out of paper\nL|1\n",
        "H|\\^&\n|1\nL|1\n",
        "H|\\^&\nRESULT|1\nL|1\n",
        "H|\\^&\nO1|S\nL|1\n",
        "H|\\^&\nL1|N\n",
        "H!\\^&\nP|1\nL!1\n",
    ] {
        add("expected a record of type", text);
    }
    for text in [
        "H|\\^&\nO|1|S\nL|1\n",
        "H|\\^&\nQ|1\nO|1|S\nL|1\n",
        "H|\\^&\nP|1\nS|1\nO|1|S\nL|1\n",
        "H|\\^&\nC|1\nO|1|S\nL|1\n",
        "H|\\^&\nM|1\nO|1|S\nL|1\n",
        "H|\\^&\nP|1\nQ|1\nO|1|S\nL|1\n",
    ] {
        add("expected a record of type P before it", text);
    }
    for text in [
        "H|\\^&\nR|1|^^^A|1\nL|1\n",
        "H|\\^&\nP|1\nR|1|^^^A|1\nL|1\n",
        "H|\\^&\nP|1\nO|1|S\nP|2\nR|1|^^^A|1\nL|1\n",
        "H|\\^&\nP|1\nO|1|S\nQ|1\nR|1|^^^A|1\nL|1\n",
        "H|\\^&\nP|1\nC|1|I|x\nR|1|^^^A|1\nL|1\n",
        "H|\\^&\nP|1\nO|1|S\nS|1\nR|1|^^^A|1\nL|1\n",
    ] {
        add("expected a record of type O before it", text);
    }
    all.push(("expected fewer fields", [b"H|\\^&\rM|1".as_slice(), &b"|".repeat(20_000), b"\rL|1\r"].concat()));
    all.push(("expected fewer records", [b"H|\\^&\r".as_slice(), &b"P|1\r".repeat(100_001), b"L|1\r"].concat()));
    all
}
