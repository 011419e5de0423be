//! The house rules that neither rustc nor clippy knows: which module may use which, and what pure code never touches.
//!
//! Reads the sources as text: comments, literals and test code are blanked first, then every path is followed, also
//! through `use` groups. It does not see through macros or re-exports of other crates. The table below is the one in
//! `ARCHITECTURE.md`; both must name the same modules.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// What a module may use.
enum Uses {
    /// These modules.
    Only(&'static [&'static str]),
    /// Every pure module, and these.
    Pure(&'static [&'static str]),
    /// Everything.
    All,
}

use Uses::{All, Only, Pure};

/// Modules that touch no clock, file, socket, environment or runtime.
const PURE: &[(&str, Uses)] = &[
    ("units", Only(&[])),
    ("ids", Only(&[])),
    ("phi", Only(&[])),
    ("settings", Only(&["ids", "units", "wire"])),
    ("wire", Only(&["ids", "units"])),
    ("hl7", Only(&["phi", "settings", "units"])),
    ("fhir", Only(&["phi", "units"])),
    ("event", Only(&["hl7", "ids", "phi", "units"])),
    ("lis02", Only(&["event", "hl7", "units"])),
    ("mapping", Only(&["event", "fhir", "hl7", "ids", "phi", "units"])),
    ("job", Only(&["ids", "units"])),
    ("flow", Only(&["event", "fhir", "hl7", "ids", "job", "lis02", "mapping", "phi", "settings", "units", "wire"])),
    ("delivery", Only(&["ids", "settings", "units"])),
];

/// Modules that do things.
const SHELLS: &[(&str, Uses)] = &[
    ("telemetry", Only(&["ids", "settings", "units"])),
    ("credentials", Only(&["settings"])),
    ("store", Pure(&["credentials"])),
    ("uplink", Pure(&["credentials"])),
    ("actors", Pure(&["credentials", "store", "telemetry", "uplink"])),
    ("web", Pure(&["actors", "store", "telemetry"])),
    ("sim", Pure(&[])),
    ("node", All),
    ("cli", All),
    ("main", All),
];

/// What pure code never names, as paths or parts of paths.
const IMPURE: &[&str] = &[
    "actix",
    "actix_http",
    "actix_rt",
    "actix_web",
    "fail",
    "getrandom",
    "prometheus",
    "rand",
    "reqwest",
    "rusqlite",
    "rustix",
    "rustls",
    "sd_notify",
    "socket2",
    "tempfile",
    "tokio",
    "tokio_rustls",
    "tokio_serial",
    "tracing",
    "std::env",
    "std::fs",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "Timestamp::now",
    "Zoned::now",
    "TimeZone::system",
    "Instant::now",
    "SystemTime::now",
];

/// What only `telemetry` names: names of metrics and log lines stand in one place.
const ONLY_TELEMETRY: &[&str] = &["prometheus", "tracing", "tracing_subscriber", "tracing_journald"];

#[test]
fn the_sources_keep_the_house_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = read_sources(root);
    assert!(sources.len() > 20, "only {} sources found", sources.len());
    let mut faults = check(&sources);
    if let Ok(text) = fs::read_to_string(root.join("ARCHITECTURE.md")) {
        faults.extend(undocumented_modules(&text));
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Path from the root, with forward slashes, to text.
type Sources = BTreeMap<String, String>;

fn read_sources(root: &Path) -> Sources {
    let mut sources = Sources::new();
    let mut folders: Vec<PathBuf> =
        ["src", "tests", "benches", "fuzz/targets"].iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                sources.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    sources
}

fn check(sources: &Sources) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, text) in sources {
        faults.extend(check_text(name, text).into_iter().map(|fault| format!("{name}: {fault}")));
    }
    let blanked: BTreeMap<&str, String> = sources
        .iter()
        .filter(|(name, _)| name.starts_with("src/"))
        .map(|(name, text)| (name.as_str(), without_tests(&blank(text))))
        .collect();
    let test_files = test_files(sources);
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, code) in &blanked {
        if test_files.iter().any(|test| name.starts_with(test.as_str())) || *name == "src/lib.rs" {
            continue;
        }
        let module = module_of(name);
        let found = check_code(name, module, code, graph.entry(module.to_owned()).or_default());
        faults.extend(found.into_iter().map(|fault| format!("{name}: {fault}")));
    }
    faults.extend(cycles(&graph));
    faults
}

/// Rules on the text of any source.
fn check_text(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let header = text.lines().next().unwrap_or_default();
    if !header.starts_with("//! ") {
        faults.push("does not open with a `//!` header".to_owned());
    }
    if name.ends_with("/mod.rs") && name.starts_with("src/") {
        faults.push("is a mod.rs; use foo.rs beside foo/".to_owned());
    }
    if name == "src/main.rs" && text.lines().count() >= 100 {
        faults.push("has 100 lines or more".to_owned());
    }
    if name == "tests/tidy.rs" {
        return faults;
    }
    for (number, line) in text.lines().enumerate() {
        for word in ["TODO", "FIXME", "XXX:", "To come.", "todo!(", "unimplemented!(", "allow(dead_code)", "#[ignore"] {
            if line.contains(word) {
                faults.push(format!("line {}: `{word}`", number + 1));
            }
        }
    }
    faults
}

/// Rules on the code of one module; what it uses goes to `used`.
fn check_code(name: &str, module: &str, code: &str, used: &mut BTreeSet<String>) -> Vec<String> {
    let Some((_, uses)) = PURE.iter().chain(SHELLS).find(|(known, _)| *known == module) else {
        return vec![format!("module `{module}` is not in the table")];
    };
    let pure = PURE.iter().any(|(known, _)| *known == module);
    let depth = Path::new(name).components().count() - 2;
    let mut faults = Vec::new();
    for path in paths(code) {
        if let Some(target) = target_module(&path, depth)
            && target != module
        {
            used.insert(target.clone());
            if !may_use(uses, &target) {
                faults.push(format!("`{module}` may not use `{target}` ({path})"));
            }
        }
        if pure && let Some(impure) = names(&path, IMPURE) {
            faults.push(format!("`{module}` is pure and names `{impure}` ({path})"));
        }
        if module != "telemetry"
            && !pure
            && let Some(owned) = names(&path, ONLY_TELEMETRY)
        {
            faults.push(format!("only `telemetry` names `{owned}` ({path})"));
        }
    }
    faults
}

fn may_use(uses: &Uses, target: &str) -> bool {
    match uses {
        Only(list) => list.contains(&target),
        Pure(list) => list.contains(&target) || PURE.iter().any(|(module, _)| *module == target),
        All => true,
    }
}

/// The module of the crate that a path leads to. `depth` is how far below the crate's root its file stands.
fn target_module(path: &str, depth: usize) -> Option<String> {
    let parts: Vec<&str> = path.split("::").collect();
    let supers = parts.iter().take_while(|part| **part == "super").count();
    let target = match *parts.first()? {
        "crate" | "gurney" => parts.get(1)?,
        "super" if supers > depth => parts.get(supers)?,
        _ => return None,
    };
    // A macro of the crate stands at its root.
    (!target.is_empty()).then(|| (*target).to_owned())
}

/// Whether `path` names one of `list`: as its beginning, or as its end for a name that is imported elsewhere.
fn names<'a>(path: &str, list: &[&'a str]) -> Option<&'a str> {
    let path = path.strip_prefix("core::").map_or_else(|| path.to_owned(), |rest| format!("std::{rest}"));
    let begins = |name: &str| path == name || path.strip_prefix(name).is_some_and(|rest| rest.starts_with("::"));
    list.iter().copied().find(|name| begins(name))
}

fn module_of(name: &str) -> &str {
    let rest = name.strip_prefix("src/").unwrap();
    rest.split('/').next().unwrap().trim_end_matches(".rs")
}

fn undocumented_modules(architecture: &str) -> Vec<String> {
    PURE.iter()
        .chain(SHELLS)
        .map(|(module, _)| *module)
        .filter(|module| {
            !architecture.lines().any(|line| line.starts_with('|') && line.contains(&format!("`{module}")))
        })
        .map(|module| format!("ARCHITECTURE.md: no row for module `{module}`"))
        .collect()
}

/// Modules that use each other in a circle, each circle named once.
fn cycles(graph: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let reaches = |from: &String, to: &String| {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&String> = graph.get(from).into_iter().flatten().collect();
        while let Some(next) = open.pop() {
            if next == to {
                return true;
            }
            if seen.insert(next) {
                open.extend(graph.get(next).into_iter().flatten());
            }
        }
        false
    };
    let circle: Vec<&str> = graph
        .keys()
        .filter(|module| !matches!(module.as_str(), "main" | "cli" | "node") && reaches(module, module))
        .map(String::as_str)
        .collect();
    if circle.is_empty() {
        Vec::new()
    } else {
        vec![format!("modules use each other in a circle: {}", circle.join(", "))]
    }
}

/// The beginnings of file names that hold test code only: those declared as `#[cfg(test)] mod name;`.
fn test_files(sources: &Sources) -> Vec<String> {
    let mut files = Vec::new();
    for (name, text) in sources {
        let code = blank(text);
        let folder = match name.as_str() {
            "src/lib.rs" | "src/main.rs" => "src".to_owned(),
            _ => name.trim_end_matches(".rs").to_owned(),
        };
        for part in code.split("#[cfg(test)]").skip(1) {
            let declaration = part.split(['{', ';']).next().unwrap_or_default();
            let words: Vec<&str> = declaration.split_whitespace().collect();
            let is_file = part.as_bytes().get(declaration.len()) == Some(&b';');
            if let (true, Some(at)) = (is_file, words.iter().position(|word| *word == "mod")) {
                files.push(format!("{folder}/{}.rs", words[at + 1]));
                files.push(format!("{folder}/{}/", words[at + 1]));
            }
        }
    }
    files
}

/// Blanks comments and the insides of literals, keeping every line where it is.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = at + token_length(rest, at.checked_sub(1).map(|before| bytes[before]));
        let kept = end == at + 1 || !is_blanked(rest);
        for &byte in &bytes[at..end] {
            let keep = (kept && byte.is_ascii()) || byte == b'\n';
            out.push(if keep { char::from(byte) } else { ' ' });
        }
        at = end;
    }
    out
}

fn is_blanked(rest: &[u8]) -> bool {
    rest.starts_with(b"//") || rest.starts_with(b"/*") || matches!(rest[0], b'"' | b'r' | b'b' | b'c' | b'\'')
}

/// Length of the comment or literal at the head of `rest`, or 1.
fn token_length(rest: &[u8], before: Option<u8>) -> usize {
    let in_word = before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if rest.starts_with(b"//") {
        return rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return block_comment_length(rest);
    }
    match rest[0] {
        b'"' => string_length(rest, 0),
        b'\'' => char_length(rest),
        b'r' | b'b' | b'c' if !in_word => prefixed_length(rest),
        _ => 1,
    }
}

fn block_comment_length(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += 1;
        }
        if depth == 0 {
            break;
        }
    }
    at.min(rest.len())
}

/// Length of a string literal whose opening quote stands at `quote`.
fn string_length(rest: &[u8], quote: usize) -> usize {
    let mut at = quote + 1;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Length of a character literal, or 1 for a lifetime.
fn char_length(rest: &[u8]) -> usize {
    if rest.get(1) == Some(&b'\\') {
        return rest.iter().skip(3).position(|byte| *byte == b'\'').map_or(1, |end| end + 4);
    }
    let text = String::from_utf8_lossy(&rest[1..rest.len().min(6)]).into_owned();
    let Some(first) = text.chars().next() else { return 1 };
    let end = 1 + first.len_utf8();
    if rest.get(end) == Some(&b'\'') { end + 1 } else { 1 }
}

/// Length of a raw, byte or C string (`r#".."#`, `b".."`, `br".."`, `c".."`) or byte literal, or 1 for a plain word.
fn prefixed_length(rest: &[u8]) -> usize {
    let letters = rest.iter().take_while(|byte| matches!(byte, b'r' | b'b' | b'c')).count();
    let hashes = rest[letters..].iter().take_while(|byte| **byte == b'#').count();
    let quote = letters + hashes;
    if letters > 2 {
        return 1;
    }
    match rest.get(quote) {
        Some(b'"') if rest[..letters].contains(&b'r') => {
            let end: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
            let body = &rest[quote + 1..];
            body.windows(end.len()).position(|window| window == end).map_or(rest.len(), |at| quote + 1 + at + end.len())
        }
        Some(b'"') if hashes == 0 => string_length(rest, quote),
        Some(b'\'') if hashes == 0 && rest[0] == b'b' && letters == 1 => 1 + char_length(&rest[1..]),
        _ => 1,
    }
}

/// Blanks every item under `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..at]);
        let item = &rest[at..];
        let length = item_length(item);
        out.extend(item[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &item[length..];
    }
    out + rest
}

/// Length of an attributed item: to its first `;` or `,` outside brackets, or to the end of its braces.
fn item_length(item: &str) -> usize {
    let (mut braces, mut brackets) = (0_usize, 0_usize);
    for (at, byte) in item.bytes().enumerate() {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.saturating_sub(1),
            b'{' => braces += 1,
            b'}' if braces <= 1 => return at + 1,
            b'}' => braces -= 1,
            b';' | b',' if braces == 0 && brackets == 0 => return at + 1,
            _ => {}
        }
    }
    item.len()
}

/// Every path with at least two parts, `use` groups written out.
fn paths(code: &str) -> BTreeSet<String> {
    let tokens = tokens(code);
    let mut paths = BTreeSet::new();
    let mut at = 0;
    while at < tokens.len() {
        let starts = is_word(tokens[at]) && tokens.get(at + 1) == Some(&"::") && (at == 0 || tokens[at - 1] != "::");
        if starts {
            at = follow(&tokens, at, "", &mut paths);
        } else {
            if at > 0 && tokens[at - 1] == "use" && is_word(tokens[at]) {
                paths.insert(tokens[at].to_owned());
            }
            at += 1;
        }
    }
    paths
}

/// Follows one path from `at`; returns where it ends.
fn follow(tokens: &[&str], mut at: usize, prefix: &str, paths: &mut BTreeSet<String>) -> usize {
    let mut path = prefix.to_owned();
    loop {
        match tokens.get(at) {
            Some(word) if is_word(word) => {
                if !path.is_empty() {
                    path.push_str("::");
                }
                path.push_str(word);
                at += 1;
            }
            Some(&"{") => return follow_group(tokens, at + 1, &path, paths),
            _ => break,
        }
        if tokens.get(at) != Some(&"::") {
            break;
        }
        at += 1;
    }
    paths.insert(path);
    at
}

fn follow_group(tokens: &[&str], mut at: usize, path: &str, paths: &mut BTreeSet<String>) -> usize {
    while let Some(token) = tokens.get(at) {
        match *token {
            "}" => return at + 1,
            word if is_word(word) => {
                at = follow(tokens, at, path, paths);
                if tokens.get(at) == Some(&"as") {
                    at += 2;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if is_word(&rest[..first.len_utf8()]) => {
                rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            ':' if rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

mod checker {
    //! The checker itself: each rule must notice what breaks it.

    use super::*;

    fn faults_of(name: &str, text: &str) -> Vec<String> {
        check(&Sources::from([(name.to_owned(), format!("//! Header.\n{text}"))]))
    }

    #[track_caller]
    fn assert_fault(name: &str, text: &str, fault: &str) {
        let faults = faults_of(name, text);
        assert!(faults.iter().any(|found| found.contains(fault)), "{text}\nfound only {faults:?}");
    }

    #[track_caller]
    fn assert_clean(name: &str, text: &str) {
        assert_eq!(faults_of(name, text), Vec::<String>::new(), "{text}");
    }

    #[test]
    fn notices_a_use_outside_the_table_however_it_is_written() {
        for text in [
            "use crate::store::Store;",
            "use crate::{ids::Name, store};",
            "use crate::{\n    ids::{self, Name},\n    store::{Reader, Writer},\n};",
            "fn f() { let x = crate::store::open(1)?; }",
            "fn f(x: &crate::store::Store) {}",
            "use super::super::store::Store;",
            "use gurney::store;",
            "macro_rules! m { () => { $crate::store::open() } }",
            "pub(crate) use crate::store as disk;",
        ] {
            assert_fault("src/delivery/lane.rs", text, "`delivery` may not use `store`");
        }
        assert_fault("src/delivery.rs", "use super::store;", "`delivery` may not use `store`");
        assert_fault("src/store/rows.rs", "use crate::actors::Tree;", "`store` may not use `actors`");
        assert_fault("src/web/page.rs", "use crate::uplink::Reply;", "`web` may not use `uplink`");
    }

    #[test]
    fn lets_pass_what_the_table_allows() {
        for (name, text) in [
            ("src/delivery/lane.rs", "use super::Entry; use crate::{ids::OutboxId, units::{Timestamp, limits}};"),
            ("src/delivery.rs", "use self::lane::Lane; use crate::delivery::Plan;"),
            ("src/store.rs", "use std::fs; use crate::flow::Disposition; fn f() { std::time::Instant::now(); }"),
            ("src/node.rs", "use crate::{actors, store, web};"),
            ("src/hl7/index.rs", "// as crate::store does\nconst A: &str = \"crate::store\"; const B: u8 = b'\"';"),
            (
                "src/hl7/ack.rs",
                "const A: &[u8] = br#\"tokio::x \" crate::web\"#; fn f<'a>(x: &'a str) -> char { '\"' }",
            ),
            ("src/settings.rs", "use std::net::{IpAddr, SocketAddr}; use std::path::PathBuf;"),
            ("src/units.rs", "use std::time::Duration; struct Instantly;"),
        ] {
            assert_clean(name, text);
        }
    }

    #[test]
    fn notices_what_pure_code_must_not_touch() {
        for text in [
            "use tokio::sync::mpsc;",
            "use std::{fmt, fs};",
            "use std::time::{Duration, Instant};",
            "use std::{net::{IpAddr, TcpStream}, path::Path};",
            "fn f() { std::env::var(\"HOME\"); }",
            "fn f() -> jiff::Timestamp { jiff::Timestamp::now() }",
            "use jiff::Zoned; fn f() { Zoned::now(); }",
            "use jiff::tz::TimeZone; fn f() { TimeZone::system(); }",
            "use rusqlite;",
            "fn f() { tracing::info!(\"x\"); }",
        ] {
            assert_fault("src/hl7/index.rs", text, "`hl7` is pure");
        }
        assert_fault("src/actors/courier.rs", "use tracing::info;", "only `telemetry` names `tracing`");
    }

    #[test]
    fn looks_away_from_test_code_only() {
        assert_clean("src/hl7.rs", "#[cfg(test)]\nmod tests { use crate::store::X; fn f() { std::fs::read(1); } }");
        assert_clean("src/hl7.rs", "#[cfg(test)]\n#[allow(x, y)]\nuse crate::store::X;");
        assert_fault(
            "src/hl7.rs",
            "#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::store::X;",
            "may not use `store`",
        );
        assert_fault("src/hl7.rs", "#[cfg(test)]\nuse crate::units::X;\nuse crate::store::X;", "may not use `store`");

        let mut sources = Sources::from([
            ("src/hl7.rs".to_owned(), "//! Header.\n#[cfg(test)]\nmod tests;\nmod ack;".to_owned()),
            ("src/hl7/tests.rs".to_owned(), "//! Header.\nuse crate::store::X;".to_owned()),
            ("src/hl7/tests/more.rs".to_owned(), "//! Header.\nuse crate::store::X;".to_owned()),
        ]);
        assert_eq!(check(&sources), Vec::<String>::new());
        sources.insert("src/hl7/ack.rs".to_owned(), "//! Header.\nuse crate::store::X;".to_owned());
        assert_eq!(check(&sources).len(), 1);
    }

    #[test]
    fn notices_unknown_modules_circles_and_unfinished_work() {
        assert_fault("src/util.rs", "", "module `util` is not in the table");
        assert_fault("src/hl7/ack.rs", "// TODO later", "line 2: `TODO`");
        assert_fault("src/hl7/ack.rs", "#![allow(dead_code)]", "allow(dead_code)");
        assert_fault("src/hl7/mod.rs", "", "is a mod.rs");
        assert_fault("src/main.rs", &"\n".repeat(100), "100 lines or more");
        let no_header = Sources::from([("src/hl7.rs".to_owned(), "use std::fmt;".to_owned())]);
        assert_eq!(check(&no_header), ["src/hl7.rs: does not open with a `//!` header"]);

        let circle = Sources::from([
            ("src/actors.rs".to_owned(), "//! Header.\nuse crate::store::X;".to_owned()),
            ("src/store.rs".to_owned(), "//! Header.\nuse crate::actors::X;".to_owned()),
        ]);
        assert!(check(&circle).iter().any(|fault| fault.contains("in a circle: actors, store")));
    }

    #[test]
    fn notices_a_module_that_the_architecture_does_not_name() {
        let rows: String = PURE.iter().chain(SHELLS).map(|(module, _)| format!("| `{module}` P | x | y |\n")).collect();
        assert_eq!(undocumented_modules(&rows), Vec::<String>::new());
        let without = rows.replace("| `delivery` P", "| delivery");
        assert_eq!(undocumented_modules(&without), ["ARCHITECTURE.md: no row for module `delivery`"]);
    }
}
