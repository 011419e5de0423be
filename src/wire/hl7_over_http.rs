//! HL7 over HTTP: what a request must be like to be a frame, and how it is answered where it is none ("HL7 over HTTP" 1.0 of
//! the HAPI project, 2.1 to 2.6).
//!
//! ```text
//! POST /hl7 HTTP/1.1                                        HTTP/1.1 200 OK
//! Host: gateway.example                                     Content-Type: application/hl7-v2; charset=utf-8
//! Content-Type: application/hl7-v2; charset=utf-8           Content-Length: 97
//! Content-Length: 412
//!                                                           MSH|^~\&|...
//! MSH|^~\&|...                                              MSA|AA|4711
//! ```
//!
//! Every acknowledgement is status 200, AE and AR too (2.6): the transport was good. Other statuses are faults of HTTP or
//! of the moment, with words of ours for the body; what was sent with them is not stored, or not delivered yet, and comes
//! again. A message that asks for no acknowledgement is answered 204. Does no I/O and knows no headers but those it is
//! given.

/// A content type that messages are sent under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// The one of the specification.
    Hl7,
    /// With its encoding, delimiters ("ER7").
    Er7,
    /// The one from before it was registered.
    ExperimentalHl7,
    /// That, with its encoding.
    ExperimentalEr7,
    /// `text/plain`.
    Text,
}

impl MediaType {
    const ALL: [Self; 5] = [Self::Hl7, Self::Er7, Self::ExperimentalHl7, Self::ExperimentalEr7, Self::Text];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hl7 => "application/hl7-v2",
            Self::Er7 => "application/hl7-v2+er7",
            Self::ExperimentalHl7 => "x-application/hl7-v2",
            Self::ExperimentalEr7 => "x-application/hl7-v2+er7",
            Self::Text => "text/plain",
        }
    }

    /// Whether the specification has it.
    pub const fn is_hl7(self) -> bool {
        !matches!(self, Self::Text)
    }
}

/// What the header Content-Type says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType {
    /// The type.
    pub media: MediaType,
    /// The parameter `charset`, as it was written.
    pub charset: Option<String>,
}

/// Longest name of a character set.
const CHARSET_BYTES_MAX: usize = 40;

impl ContentType {
    /// Reads a header; `None` where it is none of ours, or its parameters cannot be read.
    pub fn read(header: &str) -> Option<Self> {
        let mut parts = header.split(';');
        let written = parts.next()?.trim();
        let media = MediaType::ALL.into_iter().find(|media| media.as_str().eq_ignore_ascii_case(written))?;
        let mut charset = None;
        for parameter in parts.filter(|part| !part.trim().is_empty()) {
            let (name, value) = parameter.split_once('=')?;
            if name.trim().eq_ignore_ascii_case("charset") {
                let name = unquoted(value.trim())?;
                // Two of them would be two truths.
                if charset.replace(name.to_owned()).is_some() {
                    return None;
                }
            }
        }
        Some(Self { media, charset })
    }
}

fn unquoted(value: &str) -> Option<&str> {
    let name = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => value,
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:+".contains(&byte);
    ((1..=CHARSET_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain)).then_some(name)
}

/// The token of a header Authorization of the scheme Bearer (RFC 6750, 2.1).
pub fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = header.split_at_checked(b"Bearer ".len())?;
    let token = rest.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}

/// Why a request is not answered with an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The body did not arrive whole.
    Incomplete,
    /// There is no segment MSH in the body.
    NoMessage,
    /// It bears no token, or a wrong one.
    Unauthorized,
    /// Messages are posted to another path.
    ElsewherePath,
    /// It is no POST.
    Method,
    /// It did not arrive in time.
    Late,
    /// It has neither a length nor chunks, or no body.
    NoLength,
    /// The body is larger than the link takes.
    TooLarge,
    /// Its content type is none of those that are taken.
    MediaType,
    /// Its body is compressed.
    Encoded,
    /// Its character set is not known, or not the one that the message is read in.
    Charset,
    /// As many bytes are under way as there may be.
    TooMuch,
    /// It cannot be stored now.
    NotStored,
    /// It is stored, and its deliveries did not end in time.
    Undelivered,
}

impl Refusal {
    /// Every one.
    pub const ALL: [Self; 14] = [
        Self::Incomplete,
        Self::NoMessage,
        Self::Unauthorized,
        Self::ElsewherePath,
        Self::Method,
        Self::Late,
        Self::NoLength,
        Self::TooLarge,
        Self::MediaType,
        Self::Encoded,
        Self::Charset,
        Self::TooMuch,
        Self::NotStored,
        Self::Undelivered,
    ];

    /// The status (RFC 9110, 15; RFC 6585, 4).
    pub const fn status(self) -> u16 {
        match self {
            Self::Incomplete | Self::NoMessage => 400,
            Self::Unauthorized => 401,
            Self::ElsewherePath => 404,
            Self::Method => 405,
            Self::Late => 408,
            Self::NoLength => 411,
            Self::TooLarge => 413,
            Self::MediaType | Self::Encoded | Self::Charset => 415,
            Self::TooMuch => 429,
            Self::NotStored => 503,
            Self::Undelivered => 504,
        }
    }

    /// The body: what is wrong and what to do, without a word of the request.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Incomplete => "not stored: the body did not arrive whole; send it again\n",
            Self::NoMessage => "not stored: the body holds no HL7 version 2 message (no segment MSH)\n",
            Self::Unauthorized => "not stored: send the token of this link as Authorization: Bearer\n",
            Self::ElsewherePath => "not stored: messages are posted to another path\n",
            Self::Method => "not stored: a message is sent by POST\n",
            Self::Late => "not stored: the request did not arrive in time; send it again\n",
            Self::NoLength => "not stored: send a body, with Content-Length or in chunks\n",
            Self::TooLarge => "not stored: the body is larger than this link takes (frame_max)\n",
            Self::MediaType => "not stored: send the message as Content-Type: application/hl7-v2\n",
            Self::Encoded => "not stored: send the body without Content-Encoding\n",
            Self::Charset => {
                "not stored: the charset of Content-Type is not the one this message is read in; name it in MSH-18 too, \
                 or have this link set to it\n"
            }
            Self::TooMuch => "not stored: too much is under way; send it again\n",
            Self::NotStored => "not stored: messages cannot be taken now; send it again\n",
            Self::Undelivered => "stored, not delivered in time: send it again to hear of its end\n",
        }
    }

    /// Whether the same request may be good a little later.
    pub const fn passes(self) -> bool {
        matches!(self, Self::TooMuch | Self::NotStored | Self::Undelivered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Option<(&'static str, Option<String>)> {
        ContentType::read(header).map(|read| (read.media.as_str(), read.charset))
    }

    #[test]
    fn reads_the_content_types_of_messages() {
        for (header, media, charset) in [
            ("application/hl7-v2", "application/hl7-v2", None),
            ("Application/HL7-V2+ER7", "application/hl7-v2+er7", None),
            ("x-application/hl7-v2+er7; charset=UTF-8", "x-application/hl7-v2+er7", Some("UTF-8")),
            ("application/hl7-v2 ;charset=\"iso-8859-1\" ; version=2.5", "application/hl7-v2", Some("iso-8859-1")),
            ("text/plain;", "text/plain", None),
        ] {
            assert_eq!(read(header), Some((media, charset.map(str::to_owned))), "{header}");
        }
        for header in [
            "",
            "application/json",
            "application/hl7-v2+xml",
            "application/hl7-v22",
            "application/hl7-v2; charset",
            "application/hl7-v2; charset=",
            "application/hl7-v2; charset=\"utf-8",
            "application/hl7-v2; charset=utf-8; charset=iso-8859-1",
            "application/hl7-v2; charset=utf-8\r\nX: y",
            &format!("application/hl7-v2; charset={}", "x".repeat(41)),
        ] {
            assert_eq!(read(header), None, "{header:?}");
        }
    }

    #[test]
    fn finds_the_token_of_a_bearer() {
        for (header, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Bearer", None),
            ("Bearer ", None),
            ("Basic YTpi", None),
            ("Bearerabc", None),
        ] {
            assert_eq!(bearer(header.as_bytes()), token.map(str::as_bytes), "{header}");
        }
    }

    #[test]
    fn never_calls_a_refusal_good() {
        for refusal in Refusal::ALL {
            assert!((400..600).contains(&refusal.status()), "{refusal:?}");
            assert!(refusal.words().ends_with('\n'));
        }
    }
}
