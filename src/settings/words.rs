//! Words of the configuration that stand for values: sizes, times, names, addresses, URLs, lines, patterns.
//!
//! Each function reads one word and says on failure what is wrong and what to write instead. Ranges are checked
//! by the caller, which knows the key.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use super::{
    CatalogueId, DialectRef, Mapping, Network, Parity, ProfileRef, SecretRef, TypePattern,
    complaint::quoted,
    suggest::{did_you_mean, nearest},
};
use crate::{
    units::ByteCount,
    wire::folder::{PATTERN_BYTES_MAX, Pattern},
};

/// Why a word is refused, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) help: String,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

type Read<T> = Result<T, Wrong>;

const SIZE_UNITS: [(&str, u64); 10] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

const TIME_UNITS: [(&str, u64); 8] = [
    ("ms", 1),
    ("s", 1_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("hour", 3_600_000),
    ("hours", 3_600_000),
    ("day", 86_400_000),
    ("days", 86_400_000),
];

/// Units as people write them elsewhere, and as they are written here.
const HABITS: [(&str, &str); 14] = [
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("msec", "ms"),
    ("m", "min"),
    ("mins", "min"),
    ("minute", "min"),
    ("minutes", "min"),
    ("hr", "h"),
    ("hrs", "h"),
    ("d", "days"),
    ("M", "MB"),
    ("G", "GB"),
];

/// How a size is written.
pub(super) const SIZE_HELP: &str = "write a whole number and a unit in quotes, such as \"16 MiB\" or \"2 GB\"";
/// How a time is written.
pub(super) const TIME_HELP: &str =
    "write a whole number and a unit in quotes, such as \"500 ms\", \"5 s\", \"2 min\", \"12 h\" or \"30 days\"";

/// Reads `16 MiB`, `2 GB`.
pub(super) fn size(text: &str) -> Read<ByteCount> {
    quantity(text, &SIZE_UNITS, "size", SIZE_HELP).map(ByteCount)
}

/// Reads `500 ms`, `5 s`, `2 min`, `30 days`.
pub(super) fn time(text: &str) -> Read<Duration> {
    quantity(text, &TIME_UNITS, "time", TIME_HELP).map(Duration::from_millis)
}

fn quantity(text: &str, units: &[(&str, u64)], what: &str, help: &str) -> Read<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or_default();
    let unit = unit.trim_start_matches(' ');
    if number.is_empty() {
        return Err(Wrong::new(format!("{} is not a {what}", quoted(text)), help));
    }
    if unit.is_empty() {
        return Err(Wrong::new(format!("{} has no unit", quoted(text)), help));
    }
    let Some((_, factor)) = units.iter().find(|(word, _)| *word == unit) else {
        let known = || units.iter().map(|(word, _)| *word);
        let habit = HABITS.iter().find(|(word, ours)| *word == unit && known().any(|known| known == *ours));
        let help = match habit {
            Some((_, ours)) => format!("did you mean `{ours}`?"),
            None if unit.len() < 2 => help.to_owned(),
            None => did_you_mean(unit, known(), help.to_owned()),
        };
        return Err(Wrong::new(format!("{} is not a unit of {what}", quoted(unit)), help));
    };
    let total = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor));
    total.ok_or_else(|| Wrong::new(format!("{} is too large", quoted(text)), help))
}

/// A size in the largest unit that needs no fraction.
pub(super) fn show_size(size: ByteCount) -> String {
    show(size.0, &SIZE_UNITS)
}

/// A time in the largest unit that needs no fraction.
pub(super) fn show_time(time: Duration) -> String {
    show(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), &TIME_UNITS)
}

fn show(value: u64, units: &[(&str, u64)]) -> String {
    let fits = |unit: &&(&str, u64)| value >= unit.1 && value.is_multiple_of(unit.1);
    let best = units.iter().filter(fits).max_by_key(|unit| unit.1);
    best.map_or_else(|| format!("{value}"), |(word, factor)| format!("{} {word}", value / factor))
}

/// Reads the name of a table, of the site or of the box.
pub(super) fn label(text: &str) -> Read<String> {
    const LABEL_BYTES_MAX: usize = 40;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !text.is_empty() && text.len() <= LABEL_BYTES_MAX && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    let mended = mended_label(text);
    let help = if mended != text && label(&mended).is_ok() {
        format!("write \"{mended}\"")
    } else {
        "a name has 1 to 40 of the characters a-z, 0-9 and -".to_owned()
    };
    Err(Wrong::new(format!("{} is not a name", quoted(text)), help))
}

/// The name that was probably meant.
pub(super) fn mended_label(text: &str) -> String {
    text.to_lowercase().replace(['_', ' ', '.'], "-")
}

/// Reads free text for people.
pub(super) fn prose(text: &str) -> Read<String> {
    const PROSE_CHARS_MAX: usize = 120;
    if text.trim().is_empty() {
        return Err(Wrong::new("this text is empty", "write who or what is meant"));
    }
    if text.chars().count() > PROSE_CHARS_MAX || text.chars().any(char::is_control) {
        return Err(Wrong::new(
            "this text is too long or has control characters",
            "write one line of up to 120 characters",
        ));
    }
    Ok(text.to_owned())
}

/// Reads a path.
pub(super) fn path(text: &str) -> Read<PathBuf> {
    if text.trim().is_empty() || text.contains('\0') {
        return Err(Wrong::new("this is not a path", "write a path, such as \"/var/lib/gurney/store\""));
    }
    Ok(PathBuf::from(text))
}

/// Reads a certificate or key: a path when it has a `/`, else the name of a systemd credential.
pub(super) fn secret_ref(text: &str) -> Read<SecretRef> {
    if text.contains('/') { path(text).map(SecretRef::File) } else { credential(text).map(SecretRef::Credential) }
}

/// Reads the name of a systemd credential (systemd.exec(5), `LoadCredential=`).
pub(super) fn credential(text: &str) -> Read<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if text.is_empty() || text.len() > 255 || !text.bytes().all(allowed) || text.starts_with('.') {
        return Err(Wrong::new(
            format!("{} is not the name of a systemd credential", quoted(text)),
            "write the name given to LoadCredentialEncrypted=, such as \"store-key\"; a path belongs where a path is asked for",
        ));
    }
    Ok(text.to_owned())
}

/// Reads an IANA time zone.
pub(super) fn zone(text: &str) -> Read<String> {
    let known = jiff::tz::TimeZoneDatabase::bundled();
    if known.get(text).is_ok() {
        return Ok(text.to_owned());
    }
    let names: Vec<String> = known.available().map(|name| name.to_string()).collect();
    let otherwise = "write an IANA name, such as \"Europe/Berlin\", \"America/New_York\" or \"UTC\"".to_owned();
    let help = did_you_mean(text, names.iter().map(String::as_str), otherwise);
    Err(Wrong::new(format!("{} is not a time zone", quoted(text)), help))
}

/// Reads the address and port of a listener.
pub(super) fn listener(text: &str) -> Read<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let help = if text.parse::<IpAddr>().is_ok() {
        "the port is missing: write it after a colon, such as \"127.0.0.1:6661\""
    } else if text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok()) {
        "the address is missing: \"0.0.0.0:6661\" listens on all, \"127.0.0.1:6661\" only on this box"
    } else {
        "write an IP address and a port, such as \"127.0.0.1:6661\" or \"[::1]:6661\"; host names are not looked up"
    };
    Err(Wrong::new(format!("{} is not an address to listen at", quoted(text)), help))
}

/// Reads `10.20.8.0/28` or a single address.
pub(super) fn network(text: &str) -> Read<Network> {
    let wrong = |help: String| Wrong::new(format!("{} is not an IP network", quoted(text)), help);
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let example = || wrong("write a network such as \"10.20.8.0/28\", or one address such as \"10.20.8.7\"".to_owned());
    let address: IpAddr = address.parse().map_err(|_| example())?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix: u8 = prefix.map_or(Ok(bits), str::parse).map_err(|_| example())?;
    if prefix > bits {
        return Err(wrong(format!("the part behind the slash is 0 to {bits}")));
    }
    let network = Network { address: first_address(address, prefix), prefix };
    if network.address != address {
        return Err(wrong(format!(
            "write \"{}/{prefix}\" for the network, \"{address}\" for the host",
            network.address
        )));
    }
    Ok(network)
}

/// The address with all bits behind the prefix cleared.
pub(super) fn first_address(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(32 - prefix.min(32)).unwrap_or(0)).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(128 - prefix.min(128)).unwrap_or(0)).into()),
    }
}

/// An endpoint of a destination, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) url: String,
    pub(super) is_encrypted: bool,
    pub(super) is_loopback: bool,
}

/// Reads an `http` or `https` URL without credentials, query and fragment (RFC 3986).
pub(super) fn endpoint(text: &str) -> Read<Endpoint> {
    let wrong = |what: &str, help: &str| Err(Wrong::new(format!("{} {what}", quoted(text)), help));
    let example = "write a URL such as \"https://platform.example/inbound\"";
    let Some((scheme, rest)) = text.split_once("://") else { return wrong("is not a URL", example) };
    let is_encrypted = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => false,
        _ => return wrong("is neither http nor https", example),
    };
    if !text.bytes().all(|byte| byte.is_ascii_graphic())
        || text.contains(['"', '<', '>', '\\', '^', '`', '{', '|', '}'])
    {
        return wrong("has characters that a URL must not have", "write spaces and letters beyond ASCII as %XX");
    }
    if rest.contains('?') || rest.contains('#') {
        return wrong(
            "has a query or fragment",
            "leave out everything from ? or # on; queries end up in logs of others",
        );
    }
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        return wrong("has a user or password", "leave out everything up to @; credentials do not stand in URLs");
    }
    let Some(host) = host_of(authority) else {
        return wrong("has no valid host and port", example);
    };
    Ok(Endpoint { url: text.to_owned(), is_encrypted, is_loopback: is_loopback(host) })
}

/// A peer that is connected to, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PeerAddress {
    pub(super) address: String,
    pub(super) is_loopback: bool,
}

/// Reads `host:port` of a peer: a name, an IPv4 address, or an IPv6 address in brackets.
pub(super) fn peer(text: &str) -> Read<PeerAddress> {
    let wrong = |help: &str| Wrong::new(format!("{} is not a host and port", quoted(text)), help);
    let example =
        "write host and port, such as \"lab.hospital.example:6661\", \"10.20.8.7:6661\" or \"[2001:db8::7]:6661\"";
    if text.contains("://") {
        return Err(wrong("leave out everything up to ://; MLLP has no URLs"));
    }
    let has_port = text.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    match host_of(text) {
        Some(host) if has_port => Ok(PeerAddress { address: text.to_owned(), is_loopback: is_loopback(host) }),
        Some(_) => Err(wrong("the port is missing: write it after a colon; most receivers use 2575 or 6661")),
        None => Err(wrong(example)),
    }
}

/// Where the bytes of a serial line are.
#[derive(Clone, Debug)]
pub(super) enum PortAddress {
    /// A device at this box.
    Device(PathBuf),
    /// A terminal server's port for the line.
    Tcp(PeerAddress),
}

impl PortAddress {
    /// As a path: that of the device, or what is written for the terminal server.
    pub(super) fn device(&self) -> PathBuf {
        match self {
            Self::Device(path) => path.clone(),
            Self::Tcp(peer) => PathBuf::from(format!("tcp://{}", peer.address)),
        }
    }
}

/// Reads a serial port: the path of a device, or `tcp://host:port`.
pub(super) fn serial_port(text: &str) -> Read<PortAddress> {
    let Some((scheme, rest)) = text.split_once("://") else { return path(text).map(PortAddress::Device) };
    if scheme == "tcp" {
        return match peer(rest) {
            Ok(peer) => Ok(PortAddress::Tcp(peer)),
            Err(_) => Err(Wrong::new(
                format!("{} is not tcp:// with host and port", quoted(text)),
                "write the terminal server's address and the TCP port of the line, such as \"tcp://10.20.4.7:4001\"",
            )),
        };
    }
    Err(Wrong::new(
        format!("{} is neither a device nor tcp:// with host and port", quoted(text)),
        "RFC 2217 and Telnet are not spoken: set the terminal server's port to raw TCP (\"TCP server\") and write tcp://",
    ))
}

/// Reads the name or address of a host.
pub(super) fn host(text: &str) -> Read<String> {
    match host_of(text) {
        Some(host) if host == text => Ok(text.to_owned()),
        _ => Err(Wrong::new(
            format!("{} is not a host name", quoted(text)),
            "write a name such as \"lab.hospital.example\"",
        )),
    }
}

/// Reads the end of a file name.
pub(super) fn suffix(text: &str) -> Read<String> {
    const SUFFIX_BYTES_MAX: usize = 16;
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_plain || text.len() > SUFFIX_BYTES_MAX || text.eq_ignore_ascii_case("tmp") {
        return Err(Wrong::new(
            format!("{} is not a suffix for files", quoted(text)),
            "write 1 to 16 letters and digits without a dot, such as \"hl7\"; tmp is what unfinished files have",
        ));
    }
    Ok(text.to_owned())
}

/// Reads a pattern of file names.
pub(super) fn pattern(text: &str) -> Read<Pattern> {
    Pattern::new(text).ok_or_else(|| {
        let help = format!(
            "write 1 to {PATTERN_BYTES_MAX} letters, digits and marks such as \"*.hl7\", without / and not beginning with a dot"
        );
        Wrong::new(format!("{} is no pattern of file names", quoted(text)), help)
    })
}

/// Reads the path of a URL.
pub(super) fn url_path(text: &str) -> Read<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._~-".contains(&byte);
    if text.starts_with('/') && text.len() <= 200 && text.bytes().all(is_plain) {
        return Ok(text.to_owned());
    }
    let help = "write a path that begins with /, of letters, digits and . _ ~ - /, such as \"/hl7\"";
    Err(Wrong::new(format!("{} is no path of a URL", quoted(text)), help))
}

/// The host of `host:port`, if both are well-formed.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return None;
    }
    if let Some(v6) = host.strip_prefix('[') {
        let v6 = v6.strip_suffix(']')?;
        return v6.parse::<std::net::Ipv6Addr>().is_ok().then_some(v6);
    }
    let looks_like_v4 = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if looks_like_v4 {
        return host.parse::<Ipv4Addr>().is_ok().then_some(host);
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    (name.len() <= 253 && name.split('.').all(is_label)).then_some(host)
}

fn is_loopback(host: &str) -> bool {
    host.parse::<IpAddr>().map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

/// Speed and shape of a serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineShape {
    pub(super) baud: u32,
    pub(super) data_bits: u8,
    pub(super) parity: Parity,
    pub(super) stop_bits: u8,
}

/// Speeds that every UART has.
const BAUDS: [u32; 12] = [300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800];

/// Reads `9600 8N1`: bits per second; data bits, parity (N, E, O) and stop bits.
pub(super) fn line_shape(text: &str) -> Read<LineShape> {
    let wrong = |message: String| {
        Wrong::new(
            message,
            "write speed, data bits, parity and stop bits as on the device, such as \"9600 8N1\" or \"19200 7E1\"",
        )
    };
    let not_a_line = || wrong(format!("{} is not a line setting", quoted(text)));
    let (speed, shape) = text.split_once(' ').ok_or_else(not_a_line)?;
    let baud = speed.parse().map_err(|_| not_a_line())?;
    if !BAUDS.contains(&baud) {
        let all: Vec<String> = BAUDS.iter().map(ToString::to_string).collect();
        let help = format!("write one of {}", all.join(", "));
        return Err(Wrong::new(format!("{} is not a speed of a serial line", quoted(speed)), help));
    }
    let &[data_bits, parity, stop_bits] = shape.trim_start().as_bytes() else { return Err(not_a_line()) };
    let parity = match parity.to_ascii_uppercase() {
        b'N' => Parity::None,
        b'E' => Parity::Even,
        b'O' => Parity::Odd,
        _ => return Err(not_a_line()),
    };
    if !matches!(data_bits, b'7' | b'8') || !matches!(stop_bits, b'1' | b'2') {
        return Err(not_a_line());
    }
    Ok(LineShape { baud, data_bits: data_bits - b'0', parity, stop_bits: stop_bits - b'0' })
}

/// Reads two digits.
pub(super) fn two_digits(text: &str) -> Read<[u8; 2]> {
    match *text.as_bytes() {
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Ok([a, b]),
        _ => Err(Wrong::new(format!("{} is not two digits", quoted(text)), "write two digits, such as \"23\"")),
    }
}

/// Control characters by their names.
const MARKS: [(&str, u8); 12] = [
    ("SOH", 0x01),
    ("STX", 0x02),
    ("ETX", 0x03),
    ("EOT", 0x04),
    ("ENQ", 0x05),
    ("ACK", 0x06),
    ("LF", 0x0a),
    ("VT", 0x0b),
    ("CR", 0x0d),
    ("NAK", 0x15),
    ("ETB", 0x17),
    ("FS", 0x1c),
];

/// Reads the bytes of a mark: names of control characters and `0x..`, with blanks between; or `none`.
pub(super) fn mark(text: &str) -> Read<Vec<u8>> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Vec::new());
    }
    let byte = |word: &str| {
        let named = MARKS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, byte)| *byte);
        named.or_else(|| word.strip_prefix("0x").and_then(|digits| u8::from_str_radix(digits, 16).ok()))
    };
    let bytes: Option<Vec<u8>> = text.replace("CRLF", "CR LF").split_ascii_whitespace().map(byte).collect();
    bytes.filter(|bytes| !bytes.is_empty()).ok_or_else(|| {
        let names: Vec<&str> = MARKS.iter().map(|(name, _)| *name).collect();
        let help = format!("write {}, a byte such as 0x1E, several with blanks between, or none", names.join(", "));
        Wrong::new(format!("{} is not a mark", quoted(text)), help)
    })
}

/// Reads `raw` or `name@version`.
pub(super) fn mapping(text: &str) -> Read<Mapping> {
    if text == "raw" {
        return Ok(Mapping::Raw);
    }
    let wrong = |help: String| Wrong::new(format!("{} is not a mapping", quoted(text)), help);
    let otherwise = "write \"raw\" for the message byte by byte, or a map with its version, such as \"transport@1\"";
    let Some((name, version)) = text.split_once('@') else {
        return Err(wrong(nearest(text, ["raw"]).map_or_else(|| otherwise.to_owned(), |_| "write \"raw\"".to_owned())));
    };
    let version = version.parse::<u32>().ok().filter(|version| *version > 0);
    match (label(name), version) {
        (Ok(name), Some(version)) => Ok(Mapping::Map { name, version }),
        _ => Err(wrong(otherwise.to_owned())),
    }
}

/// Reads `name@version` of a conformance profile.
pub(super) fn profile(text: &str) -> Read<ProfileRef> {
    let (name, version) = versioned(text, "profile", "adt-feed@1")?;
    Ok(ProfileRef { name, version })
}

/// Reads `name@version` of a dialect.
pub(super) fn dialect(text: &str) -> Read<DialectRef> {
    let (name, version) = versioned(text, "dialect", "standard@1")?;
    Ok(DialectRef { name, version })
}

fn versioned(text: &str, kind: &str, example: &str) -> Read<(String, u32)> {
    let version =
        text.rsplit_once('@').and_then(|(_, version)| version.parse::<u32>().ok()).filter(|version| *version > 0);
    match (label(text.rsplit_once('@').map_or(text, |(name, _)| name)), version) {
        (Ok(name), Some(version)) => Ok((name, version)),
        _ => Err(Wrong::new(
            format!("{} is not a {kind}", quoted(text)),
            format!("write a {kind} with its version, such as \"{example}\""),
        )),
    }
}

/// Reads an entry of the acceptance catalogue.
pub(super) fn catalogue_id(text: &str) -> Read<CatalogueId> {
    let number =
        text.strip_prefix("UC-").filter(|digits| digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()));
    number.and_then(|digits| digits.parse().ok()).map(CatalogueId).ok_or_else(|| {
        Wrong::new(format!("{} is no entry of the acceptance catalogue", quoted(text)), "write it as \"UC-07\"")
    })
}

/// Reads `*`, `ADT^*` or `ADT^A03` (HL7 v2.5.1 chapter 2, MSH-9; tables 0076 and 0003).
pub(super) fn type_pattern(text: &str) -> Read<TypePattern> {
    if text == "*" {
        return Ok(TypePattern { code: None, trigger: None });
    }
    let is_code =
        |part: &str| part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let part = |part: &str| (part != "*").then(|| part.to_owned());
    match text.split_once('^').unwrap_or((text, "*")) {
        ("TEXT", "*") if text == "TEXT" => return Ok(TypePattern { code: part("TEXT"), trigger: None }),
        ("LIS02", kind) if kind == "*" || RECORDS.contains(&kind) => {
            return Ok(TypePattern { code: part("LIS02"), trigger: part(kind) });
        }
        _ => {}
    }
    if let Some((code, trigger)) = text.split_once('^')
        && is_code(code)
        && (trigger == "*" || is_code(trigger))
    {
        return Ok(TypePattern { code: part(code), trigger: part(trigger) });
    }
    let mended = text.to_uppercase().replace(['_', '-', ' ', '/'], "^");
    let mended = mended.split('^').take(2).collect::<Vec<_>>();
    let help = match mended.as_slice() {
        [code] if is_code(code) => format!("write \"{code}^*\" for all events of this message"),
        [code, trigger] if is_code(code) && is_code(trigger) => format!("write \"{code}^{trigger}\""),
        ["LIS02" | "LIS2", ..] => {
            format!("write \"LIS02\" for all records, or with what they are about: LIS02^{}", RECORDS.join(", LIS02^"))
        }
        ["TEXT", ..] => "write \"TEXT\"".to_owned(),
        _ => "write \"ADT^A03\" for one event, \"ADT^*\" for all of a message, or \"*\" for everything".to_owned(),
    };
    Err(Wrong::new(format!("{} is not a message type", quoted(text)), help))
}

/// What a message of records may be about: the letters of its most telling record.
const RECORDS: [&str; 7] = ["R", "Q", "O", "P", "S", "M", "C"];

/// Reads a version of HL7 as MSH-12 has it, `2.5.1` (table 0104).
pub(super) fn hl7_version(text: &str) -> Read<String> {
    let is_number = |part: &str| !part.is_empty() && part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.split('.').collect();
    if parts.first() == Some(&"2") && matches!(parts.len(), 2 | 3) && parts.iter().all(|part| is_number(part)) {
        return Ok(text.to_owned());
    }
    let help = "write it as MSH-12 has it, such as \"2.3\" or \"2.5.1\"";
    Err(Wrong::new(format!("{} is not a version of HL7 v2", quoted(text)), help))
}

/// Reads a processing id as MSH-11 has it (table 0103).
pub(super) fn processing_id(text: &str) -> Read<String> {
    if text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(text.to_owned());
    }
    let help = "write P (production), T (training) or D (debugging)";
    Err(Wrong::new(format!("{} is not a processing id", quoted(text)), help))
}

/// Reads a day, `2027-06-30`.
pub(super) fn day(text: &str) -> Read<jiff::civil::Date> {
    let wrong =
        || Wrong::new(format!("{} is not a day", quoted(text)), "write year, month and day, such as \"2027-06-30\"");
    if text.len() != "2027-06-30".len() {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}
