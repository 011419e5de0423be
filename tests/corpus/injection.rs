//! Class E: text that means something to what comes behind an HL7 field, put into every field that is echoed, logged, listed or
//! turned into a name. Made up case by case and the same in every run. Each carries [`CANARY`], so that a trace of it is
//! known wherever it appears.

/// Stands in every payload; longer than any word that is kept of a message type.
pub(crate) const CANARY: &str = "ZZINJECTED";

/// One case.
pub(crate) struct Case {
    /// Kind of injection and place.
    pub(crate) name: String,
    /// The message.
    pub(crate) bytes: Vec<u8>,
}

/// Where a payload is put; `{}` stands for it.
const PLACES: [(&str, &str); 15] = [
    ("MSH-3", "MSH|^~\\&|{}|HALL|GW|IN|20260301||ADT^A03^ADT_A03|E1|P|2.5.1\rPID|1||77\r"),
    ("MSH-4", "MSH|^~\\&|SHAM|{}|GW|IN|20260301||ADT^A03^ADT_A03|E1|P|2.5.1\rPID|1||77\r"),
    ("MSH-5", "MSH|^~\\&|SHAM|HALL|{}|IN|20260301||ADT^A03^ADT_A03|E1|P|2.5.1\rPID|1||77\r"),
    ("MSH-6", "MSH|^~\\&|SHAM|HALL|GW|{}|20260301||ADT^A03^ADT_A03|E1|P|2.5.1\rPID|1||77\r"),
    ("MSH-8", "MSH|^~\\&|SHAM|HALL|GW|IN|20260301|{}|ADT^A03^ADT_A03|E1|P|2.5.1\rPID|1||77\r"),
    ("MSH-9.1", "MSH|^~\\&|SHAM|HALL|GW|IN|20260301||{}^A03|E1|P|2.5.1\rPID|1||77\r"),
    ("MSH-9.2", "MSH|^~\\&|SHAM|HALL|GW|IN|20260301||ADT^{}|E1|P|2.5.1\rPID|1||77\r"),
    ("MSH-10", "MSH|^~\\&|SHAM|HALL|GW|IN|20260301||ADT^A03^ADT_A03|{}|P|2.5.1\rPID|1||77\r"),
    ("MSH-11", "MSH|^~\\&|SHAM|HALL|GW|IN|20260301||ADT^A03^ADT_A03|E1|{}|2.5.1\rPID|1||77\r"),
    ("MSH-12", "MSH|^~\\&|SHAM|HALL|GW|IN|20260301||ADT^A03^ADT_A03|E1|P|{}\rPID|1||77\r"),
    ("MSH-13", "MSH|^~\\&|SHAM|HALL|GW|IN|20260301||ADT^A03^ADT_A03|E1|P|2.5.1|{}\rPID|1||77\r"),
    ("MSH-16", "MSH|^~\\&|SHAM|HALL|GW|IN|20260301||ADT^A03^ADT_A03|E1|P|2.5.1|||AL|{}\rPID|1||77\r"),
    ("MSH-18", "MSH|^~\\&|SHAM|HALL|GW|IN|20260301||ADT^A03^ADT_A03|E1|P|2.5.1||||||{}\rPID|1||77\r"),
    ("PID-3", "MSH|^~\\&|SHAM|HALL|GW|IN|20260301||ADT^A03^ADT_A03|E1|P|2.5.1\rPID|1||{}||ZZTEST^INJECT||{}\r"),
    ("a segment's name", "MSH|^~\\&|SHAM|HALL|GW|IN|20260301||ADT^A03^ADT_A03|E1|P|2.5.1\r{}|1\rPID|1||77\r"),
];

/// What is put there; `@` stands for the canary.
const PAYLOADS: [(&str, &str); 52] = [
    ("escaped CR", "@\\X0D\\MSA|AA|@"),
    ("escaped CR LF", "@\\X0D0A\\MSA\\F\\AA\\F\\@"),
    ("escaped VT", "@\\X0B\\"),
    ("escaped FS CR", "@\\X1C0D\\"),
    ("escaped NUL", "@\\X00\\"),
    ("escaped frame", "\\X1C0D0B\\MSH\\F\\^~\\E\\&\\F\\@"),
    ("line break", "@\\.br\\MSA\\F\\AA\\F\\@"),
    ("raw CR and MSA", "@\rMSA|AA|@"),
    ("raw LF and MSA", "@\nMSA|AA|@"),
    ("raw CR and ERR", "@\rERR|||207|E|||@"),
    ("raw CR and MSH", "@\rMSH|^~\\&|@|@|||||ACK|@|P|2.5.1"),
    ("raw CR LF CR LF", "@\r\n\r\n@"),
    ("raw VT", "@\u{b}@"),
    ("raw FS", "@\u{1c}@"),
    ("raw NUL", "@\0@"),
    ("raw ESC", "@\u{1b}[2J\u{1b}[31m@"),
    ("raw BEL and BS", "@\u{7}\u{8}\u{7f}"),
    ("raw tab", "@\t@"),
    ("NEL and separators of lines", "@\u{85}\u{2028}\u{2029}@"),
    ("fields", "@|AA|@|@"),
    ("components", "@^@&@~@"),
    ("escape characters", "@\\E\\\\F\\\\S\\\\T\\\\R\\@"),
    ("an open escape", "@\\X0"),
    ("a lone escape character", "@\\"),
    ("quotes", "\"\"@\"'`"),
    ("HTTP header", "@\r\nX-Injected: @\r\n"),
    ("HTTP header, escaped", "@%0d%0aX-Injected:%20@"),
    ("HTTP response", "@\r\n\r\nHTTP/1.1 200 OK\r\n\r\n@"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01@"),
    ("chunk", "@\r\n0\r\n\r\nPOST / HTTP/1.1\r\n"),
    ("SQL end", "@'); DROP TABLE journal; --"),
    ("SQL always", "@' OR '1'='1"),
    ("SQL union", "@\" UNION SELECT raw FROM journal --"),
    ("SQL pragma", "@;PRAGMA key='x';"),
    ("shell substitution", "@$(touch /tmp/ZZINJECTED)"),
    ("shell ticks", "@`id`"),
    ("shell chain", "@; rm -rf / #&& id || id"),
    ("template braces", "{{@.constructor}}{{7*7}}"),
    ("template dollar", "${@}${7*7}#{7*7}<%= 7*7 %>"),
    ("lookup", "${jndi:ldap://127.0.0.1/@}"),
    ("format", "@%s%n%x{}{0}"),
    ("path up", "../../../../etc/@"),
    ("path absolute", "/etc/@"),
    ("path of Windows", "..\\E\\..\\E\\@:$DATA"),
    ("path encoded", "%2e%2e%2f@%00.hl7"),
    ("file of the store", "@/../store.db"),
    ("LDAP", "@*)(uid=*))(|(uid=*"),
    ("log line", "@\n2026-03-01T10:00:00Z INFO stopped reason=@"),
    ("formula", "=HYPERLINK(\"http://127.0.0.1/@\")"),
    ("command formula", "@\t=cmd|'/c calc'!A0"),
    ("script", "<script>@</script><img src=x onerror=@>"),
    ("direction", "@\u{202e}\u{2066}DEKCEJNI\u{200b}"),
];

/// Every case: each payload in each place.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::with_capacity(PLACES.len() * PAYLOADS.len());
    for (place, message) in PLACES {
        for (kind, payload) in PAYLOADS {
            let payload = payload.replace('@', CANARY);
            let bytes = message.replace("{}", &payload).into_bytes();
            cases.push(Case { name: format!("E {kind} in {place}"), bytes });
        }
    }
    cases
}
