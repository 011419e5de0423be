//! Finds secrets that were written into the configuration, where they must not stand (INV-10).
//!
//! A guess by shape: what is named like a secret, PEM blocks, tokens, URLs with a password, and long strings that
//! only a random generator writes. Never returns or prints what it found. A secret made of ordinary words in an
//! ordinary key is not recognised.

/// Words that a key holding a secret's value bears in its name.
const TELLING: [&str; 8] = ["password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "private_key"];

/// Beginnings of well-known tokens.
const PREFIXES: [&str; 7] = ["AGE-SECRET-KEY-", "ghp_", "github_pat_", "xoxb-", "AKIA", "sk_live_", "glpat-"];

/// Shortest run of hexadecimal digits that is taken for a key.
const HEX_CHARS_MIN: usize = 32;
/// Shortest run of base64 characters that is taken for a key.
const BASE64_CHARS_MIN: usize = 40;

/// Says what `value` of `key` looks like, if it looks like a secret.
pub(super) fn kind_of(key: &str, value: &str) -> Option<&'static str> {
    if value.contains("-----BEGIN ") {
        return Some(if value.contains("PRIVATE KEY") { "a private key" } else { "a PEM block" });
    }
    if names_a_secret(key) {
        return Some("a password or key");
    }
    if has_url_credentials(value) {
        return Some("a URL with a password");
    }
    if PREFIXES.iter().any(|prefix| value.starts_with(prefix)) || is_jwt(value) {
        return Some("a token");
    }
    is_random(value).then_some("a key or token")
}

/// Whether a key of this name holds a secret.
pub(super) fn names_a_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    TELLING.iter().any(|word| key.contains(word))
}

/// The text with everything after `password =` and the like, and within PEM blocks, covered; same length.
pub(super) fn cover_lines(text: &str) -> String {
    let mut covered = String::with_capacity(text.len());
    let mut in_pem = false;
    for line in text.split_inclusive('\n') {
        in_pem |= line.contains("-----BEGIN ");
        let open = if in_pem { 0 } else { telling_part(line) };
        covered.push_str(line.get(..open).unwrap_or_default());
        covered.push_str(&stars(line.get(open..).unwrap_or_default()));
        in_pem &= !line.contains("-----END ");
    }
    covered
}

/// As many bytes of `*`, line ends kept.
pub(super) fn stars(secret: &str) -> String {
    secret.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { '*' }).collect()
}

/// Bytes of a line up to the value of a telling key; all of them where there is none.
fn telling_part(line: &str) -> usize {
    let lower = line.to_ascii_lowercase().replace('-', "_");
    let word_ends = TELLING.iter().filter_map(|word| lower.find(word).map(|at| at + word.len()));
    let Some(end) = word_ends.min() else { return line.len() };
    let sign = lower.get(end..).and_then(|rest| rest.find(['=', ':']));
    sign.map_or(line.len(), |at| end + at + 1)
}

fn has_url_credentials(value: &str) -> bool {
    let Some((_, rest)) = value.split_once("://") else { return false };
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

fn is_jwt(value: &str) -> bool {
    value.starts_with("eyJ") && value.matches('.').count() == 2
}

fn is_random(value: &str) -> bool {
    if value.starts_with(['/', '.']) || value.contains("://") {
        return false;
    }
    if value.len() >= HEX_CHARS_MIN && value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return true;
    }
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'_' | b'-');
    let has = |kind: fn(&u8) -> bool| value.bytes().any(|byte| kind(&byte));
    value.len() >= BASE64_CHARS_MIN
        && value.bytes().all(base64)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_secrets_from_names_and_paths() {
        for (key, value, found) in [
            ("key", "-----BEGIN PRIVATE KEY-----\nMIIE", true),
            ("certificate", "-----BEGIN CERTIFICATE-----\nMIIE", true),
            ("password", "hunter2", true),
            ("API-Key", "x", true),
            ("url", "https://user:pw@host.example/fhir", true),
            ("url", "https://host.example/fhir@v1", false),
            ("owner", "care@hospital.example", false),
            ("key", "eyJhbGciOi.eyJzdWIi.c2ln", true),
            ("key", "AGE-SECRET-KEY-1QQQ", true),
            ("key", "0f1e2d3c4b5a69788796a5b4c3d2e1f0", true),
            ("key", "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MGFiY2RlZmdoaWo=", true),
            ("key", "store-key", false),
            ("key_file", "/var/lib/gurney/store.key", false),
            ("port", "/dev/serial/by-id/usb-FTDI_FT232R_A50285BI-if00-port0", false),
            ("owner", "Integration desk", false),
            ("certificate", "the-certificate-of-the-interface-engine-of-building-4", false),
        ] {
            assert_eq!(kind_of(key, value).is_some(), found, "{key} = {value}");
        }
    }

    #[test]
    fn covers_values_of_telling_keys_in_any_text() {
        for (text, covered) in [
            ("password = \"a\"\nx = 1\n", "password =****\nx = 1\n"),
            ("# old token: abc\r\n", "# old token:****\r\n"),
            ("a = 1 # the secret garden\n", "a = 1 # the secret garden\n"),
            ("Private-Key=ü", "Private-Key=**"),
            ("k = '''-----BEGIN X\nab\n-----END X'''\nb = 2", "*******************\n**\n*************\nb = 2"),
        ] {
            assert_eq!(cover_lines(text), covered);
            assert_eq!(cover_lines(text).len(), text.len());
        }
    }
}
