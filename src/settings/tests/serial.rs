//! Serial ports: what their keys mean, where XON/XOFF is refused, and what a change of them needs.

use super::*;

fn site(port: &str) -> String {
    let flow = "[flow.b]\nfrom = \"bedboard\"\non = [\"*\"]\nto = \"platform\"\nmapping = \"raw\"\npattern = \"event\"\ntarget = \"1 min\"\nowner = \"B\"\nescalate = [\"b\"]\n";
    format!("{MINIMAL}\n[serial.bedboard]\nport = \"/dev/ttyS0\"\nframing = \"mllp\"\n{port}\n{flow}")
}

fn settings(port: &str) -> Settings {
    read_one(&site(port)).unwrap_or_else(|faults| panic!("{port}\n{faults}")).settings
}

fn port(settings: &Settings) -> &SerialPort {
    let link = settings.links.iter().find(|link| link.name.as_str() == "bedboard").unwrap();
    let LinkWire::Serial(port) = &link.wire else { panic!("a serial port") };
    port
}

#[test]
fn watches_as_little_as_a_three_wire_cable_allows_unless_told() {
    let settings = settings("line = \"9600 8N1\"");
    let bare = port(&settings);
    assert_eq!((bare.gap, bare.silence, bare.carrier, bare.duplex), (None, None, Carrier::Ignore, Duplex::Full));
    assert_eq!((bare.write_timeout, bare.flow_control), (limits::SERIAL_WRITE_TIMEOUT, FlowControl::None));
    assert_eq!(bare.gap_max(), Duration::from_secs(2));
}

#[test]
fn reads_every_key_of_a_port() {
    let text = "line = \"1200 7E1\"\nflow_control = \"rts-cts\"\ngap = \"900 ms\"\nsilence = \"5 min\"\ncarrier = \"dsr\"\nwrite_timeout = \"4 s\"\nduplex = \"half\"";
    let settings = settings(text);
    let port = port(&settings);
    assert_eq!((port.gap_max(), port.silence), (Duration::from_millis(900), Some(Duration::from_secs(300))));
    assert_eq!((port.carrier, port.duplex, port.flow_control), (Carrier::Dsr, Duplex::Half, FlowControl::Hardware));
    assert_eq!((port.write_timeout, port.data_bits, port.parity), (Duration::from_secs(4), 7, Parity::Even));
    // Three characters of ten bits at 1200 bits per second.
    assert_eq!(port.turn_around().as_micros(), 24_999);
}

#[test]
fn knows_the_speeds_and_shapes_of_hospital_devices() {
    for baud in [1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200] {
        for (shape, bits, parity) in [
            ("8N1", 8, Parity::None),
            ("7E1", 7, Parity::Even),
            ("7O1", 7, Parity::Odd),
            ("8E1", 8, Parity::Even),
            ("8O1", 8, Parity::Odd),
        ] {
            let settings = settings(&format!("line = \"{baud} {shape}\""));
            let port = port(&settings);
            assert_eq!((port.baud, port.data_bits, port.parity, port.stop_bits), (baud, bits, parity, 1));
        }
    }
}

#[test]
fn refuses_values_out_of_range() {
    for (key, message) in [
        ("gap = \"1 ms\"", "out of range"),
        ("gap = \"2 min\"", "out of range"),
        ("silence = \"0 s\"", "out of range"),
        ("write_timeout = \"11 s\"", "out of range"),
        ("carrier = \"ri\"", "`ri`"),
        ("duplex = \"simplex\"", "`simplex`"),
    ] {
        let faults = read_one(&site(&format!("line = \"9600 8N1\"\n{key}"))).unwrap_err();
        assert!(faults.faults.iter().any(|fault| fault.message.contains(message)), "{key}: {faults}");
    }
}

#[test]
fn refuses_xon_xoff_where_its_bytes_may_be_data() {
    for line in ["9600 8N1", "9600 7E1"] {
        let faults = read_one(&site(&format!("line = \"{line}\"\nflow_control = \"xon-xoff\""))).unwrap_err();
        let fault = faults.faults.iter().find(|fault| !fault.is_warning()).unwrap();
        assert_eq!(fault.message, "`xon-xoff` cannot be used here");
        assert!(faults.to_string().contains("MLLP does not allow"), "{faults}");
    }
}

#[test]
fn changes_ports_at_once_and_names_what_needs_a_restart() {
    let running = settings("line = \"9600 8N1\"");
    let none = change(&running, &running.clone());
    assert!(none.ports.is_empty() && none.restart.is_empty(), "{none:?}");

    let read = settings("line = \"19200 7E1\"\nsilence = \"5 min\"\nframe_max = \"1 MiB\"");
    let found = change(&running, &read);
    assert!(found.restart.is_empty() && found.ports.len() == 1, "{found:?}");
    let after = found.applied_to(&running);
    assert_eq!((port(&after).baud, port(&after).silence), (19_200, Some(Duration::from_secs(300))));
    let again = change(&after, &read);
    assert!(again.ports.is_empty() && again.restart.is_empty(), "{again:?}");

    let read = settings("line = \"19200 8N1\"\ncharset = \"iso-8859-1\"");
    let found = change(&running, &read);
    assert_eq!(found.restart.iter().map(String::as_str).collect::<Vec<_>>(), ["[serial.bedboard]"]);
    let after = found.applied_to(&running);
    assert_eq!((port(&after).baud, after.links[1].charset), (19_200, None));

    let text = site("line = \"9600 8N1\"")
        .replace(":9464", ":9465")
        .replace("pattern  = \"event\"\ntarget   = \"5 s\"", "pattern  = \"event\"\ntarget   = \"6 s\"")
        .replace("in_flight = 16", "in_flight = 17");
    let found = change(&running, &read_one(&text).unwrap().settings);
    assert!(found.ports.is_empty());
    let named: Vec<&str> = found.restart.iter().map(String::as_str).collect();
    assert!(named.contains(&"[metrics]") && named.contains(&"a destination `platform`"), "{named:?}");

    let renamed = site("line = \"9600 8N1\"").replace("bedboard", "bedside");
    let found = change(&running, &read_one(&renamed).unwrap().settings);
    let named: Vec<&str> = found.restart.iter().map(String::as_str).collect();
    assert!(found.ports.is_empty() && named.contains(&"a source `bedside`") && named.contains(&"a source `bedboard`"));
}

#[test]
fn reads_terminal_servers_and_refuses_what_they_have_themselves() {
    let bare = site("line = \"9600 8N1\"").replace("line = \"9600 8N1\"\n", "");
    let on = |port: &str| bare.replace("\"/dev/ttyS0\"", &format!("\"{port}\""));
    let settings = read_one(&on("tcp://127.0.0.1:4001")).unwrap().settings;
    assert_eq!(port(&settings).port, Device::Server("127.0.0.1:4001".to_owned()));
    assert_eq!(port(&settings).gap_max(), Duration::from_secs(2));
    let accepted = on("tcp://moxa.ward.example:4001")
        .replace("framing", "plaintext = { accepted_by = \"A. Sample\", until = \"2027-01-31\" }\nframing");
    assert!(read_one(&accepted).is_ok());
    for (text, message) in [
        (on("tcp://moxa.ward.example:4001"), "patient data would cross the network unencrypted"),
        (on("tcp://moxa.ward.example"), "the port is missing"),
        (on("rfc2217://127.0.0.1:4001"), "`rfc2217` is not supported"),
        (on("http://127.0.0.1:4001"), "is no place of a serial line"),
        (
            on("tcp://127.0.0.1:4001").replace("framing", "line = \"9600 8N1\"\nframing"),
            "`line` is for a port of this box",
        ),
        (
            on("tcp://127.0.0.1:4001").replace("framing", "carrier = \"dcd\"\nframing"),
            "`carrier` is for a port of this box",
        ),
        (bare.clone(), "has no `line`"),
    ] {
        let told = read_one(&text).unwrap_err().to_string();
        assert!(told.contains(message), "{message}\n{told}");
    }
}
