//! What is refused, and how it is shown.

use super::*;

/// A file with a fault of most kinds.
const FAULTY: &str = r#"version = 1
[gurney]
site = "St_Example"
node = "gw-a"

[store]
path  = "/var/lib/gurney/store"
limit = 20

[mllp.ehr]
lisen = "127.0.0.1:6661"
ack   = "automatic"

[serial.bedboard]
port         = "/dev/ttyS0"
line         = "9600 8N1"
framing      = "mllp"
flow_control = "xon-xoff"

[fhir.logistics]
url      = "https://fhir.example/r4"
password = "hunter2"

[flow.everything]
from     = "her"
on       = ["ADT-A03"]
to       = "logistics"
mapping  = "raw"
pattern  = "batch"
target   = "5 sec"
escalate = ["integration-desk"]

[metrics]
listen = "127.0.0.1:9464"
[console]
listen = "127.0.0.1:9464"
[clutser]
"#;

const FAULTY_SHOWN: &str = r#"error: `St_Example` is not a name
 --> gurney.toml:3:8
  |
3 | site = "St_Example"
  |        ^^^^^^^^^^^^
  |
help: write "st-example"

error: [store] has neither `key` nor `key_file`
 --> gurney.toml:6:1
  |
6 | [store]
  | ^^^^^^^
  |
help: the store is encrypted; make a key with `gurney keys new PATH` and write key_file = "PATH"

error: expected a size, found a number
 --> gurney.toml:8:9
  |
8 | limit = 20
  |         ^^
  |
help: write a whole number and a unit in quotes, such as "16 MiB" or "2 GB"

error: unknown key `lisen` in [mllp.ehr]
  --> gurney.toml:11:1
   |
11 | lisen = "127.0.0.1:6661"
   | ^^^^^
   |
help: did you mean `listen`?

error: `automatic` is not a choice here
  --> gurney.toml:12:9
   |
12 | ack   = "automatic"
   |         ^^^^^^^^^^^
   |
help: did you mean `auto`?

error: `xon-xoff` cannot be used here
  --> gurney.toml:18:16
   |
18 | flow_control = "xon-xoff"
   |                ^^^^^^^^^^
   |
help: XON/XOFF takes the bytes 0x11 and 0x13 out of what is sent, which MLLP does not allow for; write `none` or `rts-cts`

error: this looks like a password or key; secrets never stand in the configuration
  --> gurney.toml:22:12
   |
22 | password =**********
   |            ^^^^^^^^^
   |
help: write the name of a systemd credential or the path of a file that holds it, and change the secret, as it may have been seen

error: [flow.everything] has no `owner`
  --> gurney.toml:24:1
   |
24 | [flow.everything]
   | ^^^^^^^^^^^^^^^^^
   |
help: a flow that nobody answers for is not put to work; add a line such as: owner = "Care coordination"

error: there is no source `her`
  --> gurney.toml:25:12
   |
25 | from     = "her"
   |            ^^^^^
   |
help: did you mean `ehr`?

error: `ADT-A03` is not a message type
  --> gurney.toml:26:13
   |
26 | on       = ["ADT-A03"]
   |             ^^^^^^^^^
   |
help: write "ADT^A03"

error: a FHIR server takes no raw HL7
  --> gurney.toml:28:12
   |
28 | mapping  = "raw"
   |            ^^^^^
   |
help: write a map that makes FHIR, such as `transport@1` or `homecare@3`

error: `batch` is not supported by this version
  --> gurney.toml:29:12
   |
29 | pattern  = "batch"
   |            ^^^^^^^
   |
help: write `event`

error: `sec` is not a unit of time
  --> gurney.toml:30:12
   |
30 | target   = "5 sec"
   |            ^^^^^^^
   |
help: did you mean `s`?

error: [metrics] and [console] listen at the same port 9464
  --> gurney.toml:36:10
   |
36 | listen = "127.0.0.1:9464"
   |          ^^^^^^^^^^^^^^^^
   |
  ::: gurney.toml:34:10
   |
34 | listen = "127.0.0.1:9464"
   |          ---------------- the other
   |
help: give one of them another port

error: unknown kind of table: `clutser`
  --> gurney.toml:37:2
   |
37 | [clutser]
   |  ^^^^^^^
   |
help: did you mean `cluster`?

15 errors"#;

#[test]
fn shows_all_faults_of_a_file_at_once() {
    let faults = read_one(FAULTY).unwrap_err();
    assert_eq!(faults.to_string(), FAULTY_SHOWN);
    assert!(!faults.render(Paint::Coloured).contains("hunter2"));
}

/// One line of the minimal site changed, and what is said of it.
#[test]
fn says_what_is_wrong_and_what_to_write() {
    for (line, instead, message, help) in [
        (
            "version = 1",
            "version = 2",
            "this is not version 1 of the format",
            "install the Gurney this file was written for",
        ),
        ("version = 1", "version = \"1\"", "this is not version 1 of the format", "write `version = 1`"),
        ("version = 1", "", "the version of the format is missing", "version = 1"),
        ("[gurney]", "[gurny]", "unknown kind of table: `gurny`", "did you mean `gurney`?"),
        ("[metrics]", "[cad.county]", "[cad] is not supported by this version", "take it away"),
        ("[metrics]", "[metrics.x]", "unknown key `x` in [metrics]", "the keys are listen"),
        ("[mllp.ehr]", "[mllp]", "[mllp] has no name", "write [mllp.NAME]"),
        ("[mllp.ehr]", "[[mllp.ehr]]", "`ehr` is not a table", "write [mllp.NAME] once for each name"),
        ("[mllp.ehr]", "[mllp.Ehr]", "`Ehr` is not a name", "write \"ehr\""),
        ("site = \"loopback\"", "site = \"\"", "`` is not a name", "1 to 40"),
        ("site = \"loopback\"", "site = 7", "expected a name, found a number", "in quotes"),
        ("node = \"gw-a\"", "", "[gurney] has no `node`", "node = \"gw-a\""),
        (
            "node = \"gw-a\"",
            "node = \"gw-a\"\nzone = \"Europe/Berln\"",
            "`Europe/Berln` is not a time zone",
            "`Europe/Berlin`",
        ),
        ("limit     = \"2 GB\"", "limit = \"2\"", "`2` has no unit", "\"2 GB\""),
        ("limit     = \"2 GB\"", "limit = \"2 gb\"", "`gb` is not a unit of size", "did you mean `GB`?"),
        ("limit     = \"2 GB\"", "limit = \"1.5 GB\"", "`.5 GB` is not a unit of size", "a whole number"),
        ("limit     = \"2 GB\"", "limit = \"63 MB\"", "this value is out of range", "\"64 MB\" to \"16 TB\""),
        ("limit     = \"2 GB\"", "limit = \"99999999999999999999 TB\"", "is too large", "a whole number"),
        ("limit     = \"2 GB\"\n", "", "[store] has no `limit`", "a full disk"),
        ("when_full = \"refuse\"", "when_full = \"drop\"", "`drop` is not a choice here", "write `refuse`"),
        ("when_full = \"refuse\"", "key = \"store-key\"", "the store has two keys", "keep either"),
        (
            "key_file  = \"/var/lib/gurney/store.key\"",
            "key = \"/etc/store.key\"",
            "`/etc/store.key` is not the name of a systemd credential",
            "a path belongs",
        ),
        (
            "listen    = \"127.0.0.1:6661\"",
            "listen = \"localhost:6661\"",
            "`localhost:6661` is not an address",
            "host names are not looked up",
        ),
        ("listen    = \"127.0.0.1:6661\"", "listen = \":6661\"", "`:6661` is not an address", "\"0.0.0.0:6661\""),
        (
            "listen    = \"127.0.0.1:6661\"",
            "listen = \"127.0.0.1\"",
            "`127.0.0.1` is not an address",
            "the port is missing",
        ),
        ("listen    = \"127.0.0.1:6661\"", "listen = \"0.0.0.0:6661\"", "unencrypted", "encrypt it: tls = {"),
        (
            "listen    = \"127.0.0.1:6661\"",
            "listen = \"127.0.0.1:9464\"",
            "listen at the same port 9464",
            "another port",
        ),
        (
            "ack       = \"auto\"",
            "allow = [\"10.20.8.5/28\"]",
            "`10.20.8.5/28` is not an IP network",
            "write \"10.20.8.0/28\"",
        ),
        ("ack       = \"auto\"", "allow = [\"10.20.8.0/33\"]", "is not an IP network", "0 to 32"),
        ("ack       = \"auto\"", "allow = \"10.20.8.0/28\"", "expected a list, found text", "in brackets"),
        ("ack       = \"auto\"", "connections_max = 257", "this number is out of range", "from 1 to 256"),
        ("ack       = \"auto\"", "connections_max = -1", "this number is out of range", "from 1 to 256"),
        (
            "ack       = \"auto\"",
            "connections_max = \"9\"",
            "expected a whole number, found text",
            "a number such as 256",
        ),
        (
            "ack       = \"auto\"",
            "connections_max = 4\nconnections_per_peer = 5",
            "may not hold more than all 4",
            "make it smaller",
        ),
        (
            "ack       = \"auto\"",
            "connect = \"127.0.0.1:1\"",
            "[mllp.ehr] cannot both listen and connect",
            "keep one of the two",
        ),
        ("ack       = \"auto\"", "tls = \"mllp\"", "expected a table, found text", "tls = { certificate = \"mllp\""),
        (
            "ack       = \"auto\"",
            "tls = { cert = \"mllp\" }",
            "unknown key `cert` in `tls`",
            "did you mean `certificate`?",
        ),
        ("frame_max = \"16 MiB\"", "frame_max = \"65 MiB\"", "this value is out of range", "\"1 KiB\" to \"64 MiB\""),
        ("frame_max = \"16 MiB\"", "frame_timeout = \"5 m\"", "`m` is not a unit of time", "did you mean `min`?"),
        (
            "[http.platform]",
            "[http.platform]\nlogin = { }",
            "`login` of [http.platform] is not supported",
            "take it away",
        ),
        ("http://127.0.0.1:8080/inbound", "ftp://127.0.0.1/x", "is neither http nor https", "https://"),
        ("http://127.0.0.1:8080/inbound", "127.0.0.1:8080", "is not a URL", "https://"),
        ("http://127.0.0.1:8080/inbound", "http://:8080/x", "has no valid host and port", "https://"),
        ("http://127.0.0.1:8080/inbound", "http://127.0.0.1:0/x", "has no valid host and port", "https://"),
        ("http://127.0.0.1:8080/inbound", "http://127.0.0.1/x?a=b", "has a query", "leave out"),
        ("http://127.0.0.1:8080/inbound", "http://127.0.0.1/a b", "has characters", "%XX"),
        ("http://127.0.0.1:8080/inbound", "http://platform.example/x", "unencrypted", "use https, or"),
        ("http://127.0.0.1:8081/inbound", "http://platform.example/x", "unencrypted", "use https, or"),
        (
            "http://127.0.0.1:8081/inbound",
            "http://127.0.0.1:8080/inbound",
            "the same address stands here twice",
            "once",
        ),
        ("first = \"1 s\"", "first = \"6 min\"", "the first pause is longer", "shorter"),
        ("give_up = \"never\"", "give_up = \"newer\"", "`newer` is not a time", "a whole number"),
        ("in_flight = 16", "in_flight = 0", "this number is out of range", "from 1 to 256"),
        ("from      = \"ehr\"", "from = \"her\"", "there is no source `her`", "did you mean `ehr`?"),
        (
            "from      = \"ehr\"",
            "from = \"platform\"",
            "`platform` is a destination, not a source",
            "`from` takes a source",
        ),
        (
            "to        = \"platform\"",
            "to = \"cloud\"",
            "there is no destination `cloud`",
            "the destinations are `platform`",
        ),
        (
            "frame_max = \"16 MiB\"",
            "profile = \"adt-fed@1\"",
            "there is no profile `adt-fed@1`",
            "did you mean `adt-feed@1`?",
        ),
        ("frame_max = \"16 MiB\"", "profile = \"orders@1\"", "there is no profile `orders@1`", "`orders@2` is there"),
        (
            "frame_max = \"16 MiB\"",
            "profile = \"zzz@1\"",
            "there is no profile `zzz@1`",
            "the profiles are `adt-feed@1` and `orders@2`",
        ),
        (
            "frame_max = \"16 MiB\"",
            "dialect = \"standrad@1\"",
            "there is no dialect `standrad@1`",
            "did you mean `standard@1`?",
        ),
        ("frame_max = \"16 MiB\"", "dialect = \"harbor@2\"", "there is no dialect `harbor@2`", "`harbor@1` is there"),
        ("frame_max = \"16 MiB\"", "dialect = \"harbor\"", "`harbor` is not a dialect", "\"standard@1\""),
        ("frame_max = \"16 MiB\"", "profile = \"orders\"", "`orders` is not a profile", "\"adt-feed@1\""),
        ("on        = [\"*\"]", "on = []", "this list is empty", "1 to 100"),
        ("on        = [\"*\"]", "on = [\"adt\"]", "`adt` is not a message type", "\"ADT^*\""),
        ("mapping   = \"raw\"", "mapping = \"transport\"", "`transport` is not a mapping", "\"transport@1\""),
        ("mapping   = \"raw\"", "mapping = \"transport@2\"", "there is no map `transport@2`", "`transport@1` is there"),
        (
            "mapping   = \"raw\"",
            "mapping = \"transprt@1\"",
            "there is no map `transprt@1`",
            "did you mean `transport@1`?",
        ),
        (
            "mapping   = \"raw\"",
            "mapping = \"zzz@1\"",
            "there is no map `zzz@1`",
            "the maps are `transport@1` and `homecare@3`",
        ),
        ("[http.platform]", "[fhir.platform]", "a FHIR server takes no raw HL7", "`transport@1` or `homecare@3`"),
        ("pattern   = \"event\"", "pattern = \"batch\"", "`batch` is not supported by this version", "write `event`"),
        ("pattern   = \"event\" ", "", "[flow.everything] has no `pattern`", "a documented use case says how it works"),
        ("target    = \"5 s\"\n", "", "[flow.everything] has no `target`", "nobody can say that a delivery is late"),
        ("owner     = \"Integration desk\"\n", "", "[flow.everything] has no `owner`", "nobody answers for"),
        ("escalate  = [\"integration-desk\"]\n", "", "[flow.everything] has no `escalate`", "somebody is called"),
        ("owner     = \"Integration desk\"", "owner = \" \"", "this text is empty", "who or what"),
        ("listen    = \"127.0.0.1:8443\"", "listen = \"0.0.0.0:8443\"", "unencrypted", "through a tunnel"),
    ] {
        let text = minimal_with(line, instead);
        let faults = read_one(&text).expect_err(instead);
        let fault = faults.faults.iter().find(|fault| fault.message.contains(message) && !fault.is_warning());
        let fault = fault.unwrap_or_else(|| panic!("{instead}: {message:?} is not in\n{faults}"));
        assert!(fault.help.contains(help), "{instead}: {help:?} is not in\n{faults}");
        let others = faults.faults.iter().filter(|other| !other.is_warning()).count() - 1;
        // A table that cannot be recognised is missing elsewhere.
        let at_most = if instead.starts_with('[') { 3 } else { 0 };
        assert!(others <= at_most, "{instead} leads to one fault\n{faults}");
    }
}

#[test]
fn asks_for_an_accepted_risk_with_an_end() {
    let exposed = minimal_with(
        "listen    = \"127.0.0.1:6661\"",
        "listen = \"10.20.4.10:6661\"\nallow = [\"10.20.8.0/28\"]\nplaintext = PLAIN",
    );
    let accepted =
        |until: &str| exposed.replace("PLAIN", &format!("{{ accepted_by = \"A. Sample\", until = \"{until}\" }}"));
    for (until, errors, warnings, message) in [
        ("2027-06-30", 0, 0, ""),
        ("2026-12-22", 0, 1, "plain text is accepted until 2026-12-22 only"),
        ("2026-11-22", 0, 1, "plain text is accepted until 2026-11-22 only"),
        ("2026-11-21", 1, 0, "plain text was accepted until 2026-11-21"),
        ("2027-02-29", 1, 0, "`2027-02-29` is not a day"),
        ("30.6.2027", 1, 0, "`30.6.2027` is not a day"),
    ] {
        let faults = match read_one(&accepted(until)) {
            Ok(checked) => checked.warnings,
            Err(faults) => faults.faults,
        };
        let counted = faults.iter().filter(|fault| fault.is_warning()).count();
        assert_eq!((faults.len() - counted, counted), (errors, warnings), "{until}: {faults:?}");
        assert!(faults.iter().all(|fault| fault.message.contains(message)), "{until}: {faults:?}");
    }
    for half in ["{ accepted_by = \"A. Sample\" }", "{ until = \"2027-06-30\" }", "true"] {
        let faults = read_one(&exposed.replace("PLAIN", half)).unwrap_err();
        assert_eq!(faults.faults.len(), 1, "{faults}");
    }
}

#[test]
fn warns_of_what_a_person_should_look_at() {
    for (line, instead, message) in [
        ("[metrics]", "[mllp.lab]\nlisten = \"127.0.0.1:6662\"\n[metrics]", "no flow takes messages from `lab`"),
        ("[metrics]", "[http.spare]\nurl = \"http://127.0.0.1:1/\"\n[metrics]", "no flow sends to `spare`"),
        (
            "ack       = \"auto\"",
            "plaintext = { accepted_by = \"A. Sample\", until = \"2027-06-30\" }",
            "nothing here is in plain text",
        ),
        ("\"/var/lib/gurney/store.key\"", "\"/var/lib/gurney/store/key\"", "the key lies in the store's own folder"),
        ("in_flight = 16", "tls = { ca = \"x\" }", "no address here begins with https"),
        (
            "listen    = \"127.0.0.1:6661\"",
            "listen = \"10.0.0.1:6661\"\ntls = { certificate = \"mllp\" }",
            "every host that reaches this address may send",
        ),
        (
            "[metrics]",
            "[serial.b]\nport = \"/dev/ttyS0\"\nline = \"1200 7E1\"\nframing = \"mllp\"\n[flow.b]\nfrom = \"b\"\non = [\"*\"]\nto = \"platform\"\nmapping = \"raw\"\npattern = \"event\"\ntarget = \"1 min\"\nowner = \"B\"\nescalate = [\"b\"]\n[metrics]",
            "7 data bits",
        ),
    ] {
        let checked = read_one(&minimal_with(line, instead)).unwrap_or_else(|faults| panic!("{instead}\n{faults}"));
        let warnings: Vec<_> = checked.warnings.iter().map(|warning| warning.message.as_str()).collect();
        assert!(warnings.len() == 1 && warnings[0].contains(message), "{instead}: {warnings:?}");
    }
}

#[test]
fn refuses_what_two_tables_cannot_share() {
    let serial = |name: &str, port: &str| {
        format!("[serial.{name}]\nport = \"{port}\"\nline = \"9600 8N1\"\nframing = \"mllp\"\n")
    };
    for (tables, message) in [
        (serial("a", "/dev/ttyS0") + &serial("b", "/dev//ttyS0"), "this serial port is used twice"),
        (serial("ehr", "/dev/ttyS0"), "two sources have the name `ehr`"),
        (
            "[fhir.platform]\nurl = \"http://127.0.0.1:1/fhir\"\n".to_owned(),
            "two destinations have the name `platform`",
        ),
        (
            "[mllp.lab]\nlisten = \"[::]:8443\"\nplaintext = { accepted_by = \"A\", until = \"2027-06-30\" }\n"
                .to_owned(),
            "listen at the same port 8443",
        ),
    ] {
        let faults = read_one(&format!("{MINIMAL}{tables}")).unwrap_err();
        let fault = faults.faults.iter().find(|fault| !fault.is_warning()).unwrap();
        assert!(fault.message.contains(message), "{faults}");
        assert_eq!(fault.also.len(), 1, "{faults}");
    }
    let without_flow = &MINIMAL[..MINIMAL.find("[flow.everything]").unwrap()];
    assert_eq!(read_one(without_flow).unwrap_err().faults[0].message, "there are sources, but no flow");
    let any_port = MINIMAL.replace(":6661", ":0").replace(":9464", ":0").replace(":8443", ":0");
    assert!(read_one(&any_port).is_ok());
    let small = minimal_with("limit     = \"2 GB\"", "limit = \"100 MB\"").replace("16 MiB", "64 MiB");
    let faults = read_one(&small).unwrap_err();
    assert_eq!(faults.faults[0].message, "a store of 100 MB is too small for messages of 64 MiB");
}

/// A receiver beside the minimal site, with a flow that sends to it.
fn with_receiver(table: &str) -> String {
    let flow = "[flow.to-lab]\nfrom = \"ehr\"\non = [\"*\"]\nto = \"lab\"\nmapping = \"raw\"\npattern = \"event\"\n\
        target = \"1 min\"\nowner = \"Laboratory\"\nescalate = [\"lab-desk\"]\n";
    format!("{MINIMAL}{table}\n{flow}")
}

#[test]
fn says_what_is_wrong_with_a_receiver() {
    let connect = |rest: &str| format!("[mllp.lab]\nconnect = \"127.0.0.1:1\"\n{rest}");
    let to = |peer: &str| format!("[mllp.lab]\nconnect = \"{peer}\"");
    let deliver = |rest: &str| format!("[mllp.lab]\nrole = \"deliver\"\n{rest}");
    for (table, message, help) in [
        (to("lab.example"), "`lab.example` is not a host and port", "the port is missing"),
        (to("mllp://lab.example:1"), "is not a host and port", "no URLs"),
        (to("lab.example:0"), "is not a host and port", "\"10.20.8.7:6661\""),
        (to("lab.example:6661"), "unencrypted", "encrypt it: tls = {"),
        (connect("failover = [\"10.0.0.1:1\"]"), "unencrypted", "encrypt it: tls = {"),
        (connect("failover = [\"127.0.0.1:1\"]"), "the same peer stands here twice", "once"),
        (connect("gap = \"2 min\""), "out of range", "\"1 min\""),
        (connect("gap = \"2 s\"\nin_flight = 2"), "leaves no room", "keep one of the two"),
        (connect("release = 3"), "out of range", "from 1 to 2"),
        (connect("ack = \"auto\""), "unknown key `ack` in [mllp.lab]", "the keys are connect"),
        (connect("tls = { name = \"a b\" }"), "`a b` is not a host name", "lab.hospital"),
        (
            "[mllp.lab]\nlisten = \"127.0.0.1:1\"".to_owned(),
            "`lab` is a source, not a destination",
            "`to` takes a destination",
        ),
        (deliver("listen = \"127.0.0.1:6661\""), "listen at the same port 6661", "another port"),
        (
            deliver("listen = \"10.0.0.1:1\"\ntls = { certificate = \"mllp\" }"),
            "would be sent messages",
            "name the receiver",
        ),
        (deliver("listen = \"10.0.0.1:1\"\nallow = [\"10.0.0.2\"]"), "unencrypted", "encrypt it: tls = {"),
        (
            "[mllp.lab]\nrole = \"receive\"\nlisten = \"127.0.0.1:1\"".to_owned(),
            "`receive` is not a choice here",
            "`deliver`",
        ),
        ("[folder.lab]\nsuffix = \"hl7\"".to_owned(), "[folder.lab] has no `path`", "path = "),
        ("[folder.lab]\npath = \"/x\"\nsuffix = \".hl7\"".to_owned(), "`.hl7` is not a suffix", "without a dot"),
        ("[folder.lab]\npath = \"/x\"\nsuffix = \"tmp\"".to_owned(), "`tmp` is not a suffix", "unfinished files"),
    ] {
        let faults = read_one(&with_receiver(&table)).expect_err(&table);
        let errors: Vec<_> = faults.faults.iter().filter(|fault| !fault.is_warning()).collect();
        assert!(
            errors.len() == 1 && errors[0].message.contains(message),
            "{table}: {message:?} is not all of\n{faults}"
        );
        assert!(errors[0].help.contains(help), "{table}: {help:?} is not in\n{faults}");
    }
    for table in [
        to("lab.example:6661") + "\ntls = {}",
        to("10.0.0.1:1") + "\nplaintext = { accepted_by = \"A. Sample\", until = \"2027-06-30\" }",
        deliver("listen = \"10.0.0.1:1\"\ntls = { certificate = \"a\", client_ca = \"b\" }"),
    ] {
        let checked = read_one(&with_receiver(&table)).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(checked.warnings, []);
    }
}

#[test]
fn tells_by_the_flows_which_end_a_table_is() {
    const LAB: &str = "[mllp.lab]\nconnect = \"127.0.0.1:1\"\n";
    let both = with_receiver(LAB).replace("from = \"ehr\"", "from = \"lab\"");
    let faults = read_one(&both).unwrap_err();
    let errors: Vec<_> = faults.faults.iter().filter(|fault| !fault.is_warning()).collect();
    assert_eq!(errors[0].message, "`lab` cannot be both a source and a destination", "{faults}");
    assert_eq!((errors.len(), errors[0].also.len()), (1, 1), "{faults}");

    let faults = read_one(&format!("{MINIMAL}{LAB}")).unwrap_err();
    assert_eq!(faults.faults.len(), 1, "{faults}");
    assert_eq!(faults.faults[0].message, "no flow sends to `lab` or takes messages from it");

    let raw = "to = \"lab\"\nmapping = \"raw\"";
    let mapped = with_receiver(LAB).replace(raw, "to = \"lab\"\nmapping = \"transport@1\"");
    let faults = read_one(&mapped).unwrap_err();
    assert_eq!(faults.faults.len(), 1, "{faults}");
    assert_eq!(faults.faults[0].message, "an HL7 receiver takes no FHIR, which is what maps make");
    let to_folder = mapped.replace(LAB, "[folder.lab]\npath = \"/srv/out\"\n");
    let warnings = read_one(&to_folder).unwrap_or_else(|faults| panic!("{faults}")).warnings;
    assert_eq!((warnings.len(), warnings[0].message.as_str()), (1, "`to-lab` names no use case"));
}

#[test]
fn never_shows_a_secret() {
    let pem = "'''-----BEGIN PRIVATE KEY-----\nSEKRETSEKRET\n-----END PRIVATE KEY-----'''";
    for (line, instead) in [
        ("ack       = \"auto\"", format!("tls = {{ certificate = \"mllp\", key = {pem} }}")),
        ("ack       = \"auto\"", "tls = { certificate = \"mllp\", password = \"SEKRET\" }".to_owned()),
        ("when_full = \"refuse\"", "passphrase = \"SEKRET\"".to_owned()),
        ("when_full = \"refuse\"", "passphrase = \"SEKRET".to_owned()),
        ("when_full = \"refuse\"", "key = \"SEKRET0000000000SEKRET0000000000sekretqqq\"".to_owned()),
        ("http://127.0.0.1:8080", "http://user:SEKRET@127.0.0.1:8080".to_owned()),
        ("on        = [\"*\"]", "on = [\"eyJSEKRET.a.b\"]".to_owned()),
        ("version = 1", "version = 2 # password: SEKRET".to_owned()),
    ] {
        let faults = read_one(&minimal_with(line, &instead)).expect_err(&instead);
        let shown = format!("{faults} {faults:?} {}", serde_json::to_string(&faults).unwrap());
        assert!(!shown.contains("SEKRET"), "{instead}\n{shown}");
    }
}
