//! Sources that Gurney dials: senders that listen, and serial lines behind terminal servers.

use super::*;

/// The minimal site with a source `peer` that a flow takes messages from.
fn site(table: &str) -> String {
    let flow = "[flow.b]\nfrom = \"peer\"\non = [\"*\"]\nto = \"platform\"\nmapping = \"raw\"\npattern = \"event\"\ntarget = \"1 min\"\nowner = \"B\"\nescalate = [\"b\"]\n";
    format!("{MINIMAL}\n{table}\n{flow}")
}

fn wire(table: &str) -> LinkWire {
    let checked = read_one(&site(table)).unwrap_or_else(|faults| panic!("{table}\n{faults}"));
    assert_eq!(checked.warnings, [], "{table}");
    checked.settings.links.into_iter().find(|link| link.name.as_str() == "peer").unwrap().wire
}

fn client(table: &str) -> MllpClient {
    let LinkWire::MllpClient(client) = wire(table) else { panic!("an MLLP client") };
    client
}

fn server(keys: &str) -> TerminalServer {
    let LinkWire::TerminalServer(server) = wire(&format!("[serial.peer]\nport = \"tcp://127.0.0.1:4001\"\n{keys}"))
    else {
        panic!("a terminal server")
    };
    server
}

const PLAIN: &str = "plaintext = { accepted_by = \"A. Sample\", until = \"2027-06-30\" }";

#[test]
fn takes_a_table_that_connects_and_is_taken_from_for_a_source() {
    let bare = client("[mllp.peer]\nconnect = \"127.0.0.1:1\"");
    assert_eq!((bare.endpoints.as_slice(), &bare.security), (["127.0.0.1:1".to_owned()].as_slice(), &Security::Plain));
    assert_eq!((bare.idle_timeout, bare.keepalive), (limits::IDLE_TIMEOUT, limits::KEEPALIVE.0));
    let pauses = Redial { first: Duration::from_secs(1), at_most: Duration::from_secs(60), failures: 1 };
    assert_eq!(bare.redial, pauses);

    let full = client(
        "[mllp.peer]\nconnect = \"ehr.example:1\"\nfailover = [\"ehr-b.example:1\"]\n\
         reconnect = { first = \"20 ms\", at_most = \"2 s\" }\nidle_timeout = \"1 h\"\nkeepalive = \"5 s\"\n\
         ack = \"enhanced\"\ntls = { ca = \"hospital-ca\", client_certificate = \"mllp\", name = \"ehr.example\" }",
    );
    assert_eq!(full.endpoints, ["ehr.example:1", "ehr-b.example:1"]);
    let pauses = Redial { first: Duration::from_millis(20), at_most: Duration::from_secs(2), failures: 2 };
    assert_eq!((full.redial, full.idle_timeout), (pauses, Duration::from_secs(3600)));
    assert_eq!(full.security, Security::Tls { name: Some("ehr.example".to_owned()) });
    assert_eq!(full.tls.ca, Some(SecretRef::Credential("hospital-ca".to_owned())));
    assert_eq!(client(&format!("[mllp.peer]\nconnect = \"10.0.0.1:1\"\n{PLAIN}")).security, Security::Plain);
}

#[test]
fn takes_a_port_of_tcp_for_a_line_behind_a_terminal_server() {
    let bare = server("framing = \"mllp\"");
    assert_eq!((bare.peer.as_str(), bare.gap, bare.silence), ("127.0.0.1:4001", limits::SERIAL_GAP_MIN, None));
    assert_eq!((bare.write_timeout, bare.duplex), (limits::SERIAL_WRITE_TIMEOUT, Duplex::Full));
    let (first, at_most) = limits::TERMINAL_REDIAL;
    assert_eq!(bare.redial, Redial { first, at_most, failures: 1 });

    let full = server(
        "framing = \"lis01\"\ngap = \"900 ms\"\nsilence = \"5 min\"\nwrite_timeout = \"4 s\"\nduplex = \"half\"",
    );
    assert_eq!((full.gap, full.silence), (Duration::from_millis(900), Some(Duration::from_secs(300))));
    assert_eq!((full.write_timeout, full.duplex), (Duration::from_secs(4), Duplex::Half));

    let pause = Duration::from_secs(3);
    let hllp = server("framing = \"hllp\"\nhllp = { connect_retries = 7, connect_pause = \"3 s\" }");
    assert_eq!(hllp.redial, Redial { first: pause, at_most: pause, failures: 7 });
}

#[test]
fn says_what_is_wrong_with_a_source_that_is_dialled() {
    let connect = |rest: &str| format!("[mllp.peer]\nconnect = \"127.0.0.1:1\"\n{rest}");
    let port = |port: &str| format!("[serial.peer]\nport = \"{port}\"\nframing = \"line\"\n");
    let tcp = |rest: &str| port("tcp://127.0.0.1:4001") + rest;
    for (table, message, help) in [
        ("[mllp.peer]\nconnect = \"ehr.example\"".to_owned(), "is not a host and port", "the port is missing"),
        ("[mllp.peer]\nconnect = \"ehr.example:1\"".to_owned(), "unencrypted", "encrypt it: tls = { ca"),
        (connect("failover = [\"10.0.0.1:1\"]"), "unencrypted", "encrypt it: tls = { ca"),
        (connect("failover = [\"127.0.0.1:1\"]"), "the same peer stands here twice", "once"),
        (connect("reconnect = { first = \"2 min\" }"), "the first pause is longer", "shorter"),
        (connect("reconnect = { first = \"1 ms\" }"), "out of range", "\"10 ms\""),
        (connect("reconnect = { give_up = \"1 h\" }"), "unknown key `give_up` in `reconnect`", "first, at_most"),
        (connect("retry = { first = \"1 s\" }"), "unknown key `retry` in [mllp.peer]", "the keys are connect"),
        (connect("allow = []"), "unknown key `allow` in [mllp.peer]", "the keys are connect"),
        (connect("tls = { certificate = \"mllp\" }"), "unknown key `certificate`", "client_certificate"),
        (connect("listen = \"127.0.0.1:2\""), "[mllp.peer] cannot both listen and connect", "keep one of the two"),
        (port("tcp://10.0.0.1:4001"), "unencrypted", "connect the device to a port of this box"),
        (port("tcp://10.0.0.1"), "`tcp://10.0.0.1` is not tcp:// with host and port", "tcp://10.20.4.7:4001"),
        (port("tcp://"), "is not tcp:// with host and port", "tcp://10.20.4.7:4001"),
        (port("rfc2217://10.0.0.1:4001"), "is neither a device nor tcp://", "RFC 2217 and Telnet are not spoken"),
        (tcp("line = \"9600 8N1\""), "`line` has no meaning for a port behind", "set in the terminal server"),
        (tcp("flow_control = \"none\""), "`flow_control` has no meaning", "set in the terminal server"),
        (tcp("carrier = \"dcd\""), "`carrier` has no meaning", "no modem signals"),
        (tcp("duplex = \"simplex\""), "`simplex`", "`half`"),
        (port("/dev/ttyS0"), "[serial.peer] has no `line`", "both ends of a serial line must agree"),
        (port("/dev/ttyS0") + "lime = \"9600 8N1\"", "unknown key `lime`", "did you mean `line`?"),
    ] {
        let faults = read_one(&site(&table)).expect_err(&table);
        let errors: Vec<_> = faults.faults.iter().filter(|fault| !fault.is_warning()).collect();
        assert!(
            errors.len() == 1 && errors[0].message.contains(message),
            "{table}: {message:?} is not all of\n{faults}"
        );
        assert!(errors[0].help.contains(help), "{table}: {help:?} is not in\n{faults}");
    }
}

#[test]
fn refuses_two_links_at_one_terminal_server_port() {
    let port = |name: &str| format!("[serial.{name}]\nport = \"tcp://127.0.0.1:4001\"\nframing = \"line\"\n");
    let faults = read_one(&site(&(port("peer") + &port("other")))).unwrap_err();
    let errors: Vec<_> = faults.faults.iter().filter(|fault| !fault.is_warning()).collect();
    assert_eq!((errors.len(), errors[0].message.as_str()), (1, "this serial port is used twice"), "{faults}");
}

#[test]
fn warns_of_an_acceptance_that_nothing_needs() {
    for table in [
        format!("[serial.peer]\nport = \"tcp://127.0.0.1:4001\"\nframing = \"line\"\n{PLAIN}"),
        format!("[serial.peer]\nport = \"/dev/ttyS0\"\nline = \"9600 8N1\"\nframing = \"line\"\n{PLAIN}"),
        format!("[mllp.peer]\nconnect = \"10.0.0.1:1\"\ntls = {{}}\n{PLAIN}"),
    ] {
        let warnings = read_one(&site(&table)).unwrap_or_else(|faults| panic!("{faults}")).warnings;
        assert!(warnings.len() == 1 && warnings[0].help.contains("take `plaintext` away"), "{table}: {warnings:?}");
    }
}

#[test]
fn names_a_dialled_source_as_needing_a_restart() {
    let settings = |table: &str| read_one(&site(table)).unwrap_or_else(|faults| panic!("{faults}")).settings;
    let device = "[serial.peer]\nport = \"/dev/ttyS0\"\nline = \"9600 8N1\"\nframing = \"line\"";
    let tcp = "[serial.peer]\nport = \"tcp://127.0.0.1:4001\"\nframing = \"line\"";
    let moved = "[serial.peer]\nport = \"tcp://127.0.0.1:4002\"\nframing = \"line\"";
    for (running, read) in [(device, tcp), (tcp, device), (tcp, moved)] {
        let found = change(&settings(running), &settings(read));
        let named: Vec<&str> = found.restart.iter().map(String::as_str).collect();
        assert!(found.ports.is_empty() && named == ["[serial.peer]"], "{found:?}");
    }
    let here = settings("[mllp.peer]\nconnect = \"127.0.0.1:1\"");
    let there = settings("[mllp.peer]\nconnect = \"127.0.0.1:2\"");
    assert_eq!(change(&here, &there).restart.into_iter().collect::<Vec<_>>(), ["[mllp.peer]"]);
}
