//! The messages that peers are tried with. Everybody in them is made up.

/// A character set of both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    /// UTF-8.
    Utf8,
    /// ISO 8859-1.
    Latin1,
}

impl Charset {
    /// Its name for scripts and for the configuration.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Latin1 => "iso-8859-1",
        }
    }

    /// The facility that sends, MSH-4, which an acknowledgement repeats as MSH-6.
    pub(super) const fn facility(self) -> &'static str {
        match self {
            Self::Utf8 => "ZZKLINIK-\u{141}\u{d3}D\u{179}-\u{6771}",
            Self::Latin1 => "ZZH\u{d4}PITAL-S\u{dc}D",
        }
    }

    const fn names(self) -> [&'static str; 4] {
        match self {
            Self::Utf8 => [
                "ZZM\u{fc}ller^\u{c5}sa",
                "ZZ\u{141}ukasz^\u{17b}",
                "ZZ\u{5c71}\u{7530}^\u{592a}",
                "ZZSAMPLE^\u{1f691}",
            ],
            Self::Latin1 => [
                "ZZM\u{fc}ller^\u{c5}sa",
                "ZZ\u{c9}lodie^No\u{eb}l",
                "ZZNu\u{f1}ez^\u{cd}\u{f1}igo",
                "ZZ\u{de}\u{f3}r^\u{d0}",
            ],
        }
    }

    fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Latin1 => text.chars().map(|character| u8::try_from(character).unwrap()).collect(),
        }
    }

    fn header(self, kind: &str, id: &str, version: &str) -> String {
        let named = match self {
            Self::Utf8 => "UNICODE UTF-8",
            Self::Latin1 => "8859/1",
        };
        let facility = self.facility();
        format!("MSH|^~\\&|ZZEHR|{facility}|GURNEY|ZZGENERAL|20261122120000||{kind}|{id}|T|{version}||||||{named}\r")
    }

    /// A discharge of one of the invented patients, all with the same number so that their order is kept.
    pub(super) fn discharge(self, number: usize) -> Vec<u8> {
        self.adt(number, "2.5.1", "ZZ77^^^ZZGENERAL^MR")
    }

    /// A discharge in a version that the link does not take: AR.
    pub(super) fn of_another_version(self, number: usize) -> Vec<u8> {
        self.adt(number, "2.3", "ZZ77^^^ZZGENERAL^MR")
    }

    /// A discharge of nobody, which the link's profile does not allow: AE.
    pub(super) fn of_nobody(self, number: usize) -> Vec<u8> {
        self.adt(number, "2.5.1", "")
    }

    fn adt(self, number: usize, version: &str, patient: &str) -> Vec<u8> {
        let name = self.names()[number % 4];
        let header = self.header("ADT^A03^ADT_A03", &format!("PEER-{number}"), version);
        self.encode(&format!(
            "{header}EVN|A03|20261122120000\rPID|1||{patient}||{name}||19700101|F\rPV1|1|I|4W^401^A\r"
        ))
    }

    /// A document of 200 KB as base64 in one field.
    pub(super) fn document(self, number: usize) -> Vec<u8> {
        let name = self.names()[number % 4];
        let header = self.header("ORU^R01^ORU_R01", &format!("PEER-{number}"), "2.5.1");
        let base64 = "JVBERi0xLjQKJeLj".repeat(200 * 1024 / 16);
        self.encode(&format!(
            "{header}PID|1||ZZ77^^^ZZGENERAL^MR||{name}||19700101|F\rOBR|1|||ZZDOC\r\
             OBX|1|ED|ZZDOC||ZZLAB^AP^PDF^Base64^{base64}||||||F\r"
        ))
    }
}

/// A message without the CR behind its last segment, which half of the peers leave away.
pub(super) fn trimmed(message: &[u8]) -> &[u8] {
    message.strip_suffix(b"\r").unwrap_or(message)
}
