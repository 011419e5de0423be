//! Files that are cut off, damaged or made to hurt (F40 of the reliability facts).

use std::time::Instant;

use proptest::prelude::*;

use super::*;

/// Far more than any of these takes, even unoptimised on a busy machine.
const LONG: Duration = Duration::from_secs(20);

#[test]
fn reads_the_minimal_site_cut_off_at_every_byte() {
    assert!(MINIMAL.is_ascii());
    let mut accepted = 0;
    for end in 0..MINIMAL.len() {
        match read_one(&MINIMAL[..end]) {
            Ok(checked) => {
                accepted += 1;
                let (links, flows) = (checked.settings.links.len(), checked.settings.flows.len());
                assert!(
                    flows == 1 || links == 0 && !checked.warnings.is_empty(),
                    "nothing taken into nothing at byte {end}"
                );
            }
            Err(faults) => {
                assert!(faults.faults.iter().any(|fault| !fault.is_warning()), "a reason at byte {end}");
                assert!(!faults.render(Paint::Plain).is_empty());
            }
        }
    }
    // Only where whole tables are left: before the first source, or behind the flow.
    assert!(accepted > 0 && accepted < 200, "{accepted}");
}

#[test]
fn reports_breaks_of_the_text_without_their_shadows() {
    let text = minimal_with("owner     = \"Integration desk\"", "owner     = \"Integration desk")
        .replace("ack       = \"auto\"", "ack       = \"atuo\"");
    let faults = read_one(&text).unwrap_err();
    let messages: Vec<_> = faults.faults.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(messages.len(), 2, "{faults}");
    assert_eq!(messages[0], "`atuo` is not a choice here");
    assert!(messages[1].starts_with("this is not TOML"), "{faults}");
}

#[test]
fn names_both_places_of_a_second_definition() {
    for (line, instead, message, second, first) in [
        ("[http.platform]", "[mllp.ehr]", "`ehr` is defined twice", 21, 16),
        ("frame_max = \"16 MiB\"", "ack = \"original\"", "`ack` is defined twice", 19, 18),
    ] {
        let faults = read_one(&minimal_with(line, instead)).unwrap_err();
        let fault = faults.faults.iter().find(|fault| fault.message == message);
        let fault = fault.unwrap_or_else(|| panic!("{message} in\n{faults}"));
        assert_eq!((fault.at.line, fault.also[0].line), (second, first), "{faults}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test measures how long reading takes")]
fn bears_files_that_are_made_to_hurt() {
    let many = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let full = usize::try_from(limits::CONFIGURATION_BYTES_MAX).unwrap();
    for (name, text) in [
        ("arrays in arrays", format!("version = 1\na = {}", "[".repeat(100_000))),
        ("closed arrays in arrays", format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000))),
        ("tables in tables", format!("a = {}", "{a=".repeat(100_000))),
        ("a long dotted key", format!("{}a = 1", "a.".repeat(100_000))),
        ("a long header", format!("[{}a]", "a.".repeat(100_000))),
        ("a long array", format!("version = 1\n[mllp.a]\nallow = [{}]", "\"\",".repeat(200_000))),
        ("a long word", format!("version = 1\n[gurney]\n{} = 1", "a".repeat(500_000))),
        ("a long value", format!("version = 1\n[gurney]\nsite = \"{}\"", "ü".repeat(200_000))),
        ("many tables", format!("version = 1\n{}", many(40_000, &|n| format!("[mllp.a{n}]\n")))),
        ("many unknown keys", format!("version = 1\n[store]\n{}", many(60_000, &|n| format!("limt{n} = 1\n")))),
        ("many secrets", format!("version = 1\n[store]\n{}", many(40_000, &|n| format!("token{n} = 'a'\n")))),
        ("one key again and again", format!("[store]\n{}", "a = 1\n".repeat(100_000))),
        ("one table again and again", "[store]\n".repeat(100_000)),
        ("broken lines", "= = =\n".repeat(100_000)),
        ("too large", " ".repeat(full + 1)),
        ("control characters", "\u{0}\u{1b}[31m\u{7f}".repeat(1000)),
    ] {
        let begin = Instant::now();
        let faults = read_one(&text).expect_err(name);
        let shown = faults.render(Paint::Plain);
        assert!(begin.elapsed() < LONG, "{name} took {:?}", begin.elapsed());
        assert!(faults.faults.len() <= limits::FAULTS_MAX, "{name}");
        assert!(shown.len() < 200_000, "{name}: {} bytes", shown.len());
        assert!(!shown.contains('\u{1b}'), "{name}");
    }
    let files: Vec<_> = (0..=limits::CONFIGURATION_FILES_MAX).map(|_| ("a.toml", "")).collect();
    assert!(read_all(&files).unwrap_err().to_string().contains("more than 100 files"));
    assert!(read_all(&[]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn bears_a_site_with_any_bytes_put_in(at in 0..MINIMAL.len(), length in 0_usize..40, instead in "\\PC{0,12}|[\\[\\]{}=\".,#\n'0-9]{1,8}") {
        let end = (at + length).min(MINIMAL.len());
        let text = format!("{}{instead}{}", &MINIMAL[..at], &MINIMAL[end..]);
        if let Err(faults) = read_one(&text) {
            prop_assert!(faults.faults.iter().any(|fault| !fault.is_warning()));
            prop_assert!(!faults.render(Paint::Coloured).is_empty());
        }
    }
}
