//! What the messages of a link are: by its framing or as written, and which flows that allows.

use super::*;

/// The minimal site with a serial link and its keys, and a flow from it.
fn site(link: &str, flow: &str) -> String {
    format!(
        "{MINIMAL}\n[serial.device]\nport = \"/dev/ttyS0\"\nline = \"9600 8N1\"\n{link}\n\
         [mllp.receiver]\nconnect = \"127.0.0.1:6662\"\n[fhir.server]\nurl = \"https://fhir.example/r4\"\n\
         [flow.used]\nfrom = \"ehr\"\non = [\"*\"]\nto = \"receiver\"\nmapping = \"raw\"\n{REST}\
         [flow.server]\nfrom = \"ehr\"\non = [\"*\"]\nto = \"server\"\nmapping = \"transport@1\"\n{REST}\
         [flow.device]\nfrom = \"device\"\n{flow}\n{REST}"
    )
}

const REST: &str = "pattern = \"event\"\ntarget = \"1 min\"\nowner = \"Laboratory\"\nescalate = [\"laboratory\"]\n";
const RAW: &str = "on = [\"*\"]\nto = \"platform\"\nmapping = \"raw\"";

fn content(link: &str) -> Content {
    let checked = read_one(&site(link, RAW)).unwrap_or_else(|faults| panic!("{link}\n{faults}"));
    checked.settings.links.iter().find(|link| link.name.as_str() == "device").unwrap().content
}

fn refused(link: &str, flow: &str) -> Vec<String> {
    match read_one(&site(link, flow)) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.faults.into_iter().map(|fault| fault.message).collect(),
    }
}

#[test]
fn follows_from_the_framing_unless_it_is_written() {
    for (link, expected) in [
        ("framing = \"mllp\"", Content::Hl7),
        ("framing = \"hllp\"", Content::Hl7),
        ("framing = \"lis01\"", Content::Lis02),
        ("framing = \"line\"", Content::Text),
        ("framing = \"lis01\"\ncontent = \"hl7\"", Content::Hl7),
        ("framing = \"line\"\ncontent = \"hl7\"", Content::Hl7),
        ("framing = \"hllp\"\ncontent = \"lis02\"", Content::Lis02),
        ("framing = \"lis01\"\ncontent = \"text\"", Content::Text),
    ] {
        assert_eq!(content(link), expected, "{link}");
    }
    assert!(refused("framing = \"lis01\"\ncontent = \"astm\"", RAW)[0].contains("`astm`"));
}

#[test]
fn refuses_what_only_hl7_has_where_there_is_none() {
    for key in [
        "ack = \"original\"",
        "versions = [\"2.3\"]",
        "processing = [\"P\"]",
        "unrouted = \"reject\"",
        "application_ack = \"never\"",
        "ack_after = \"delivered\"",
        "ack_wait = \"5 s\"",
        "sequence = \"on\"",
        "batch_ack = \"batch\"",
        "profile = \"adt-feed@1\"",
        "dialect = \"harbor@1\"",
    ] {
        let name = key.split(' ').next().unwrap();
        for (framing, content) in [("lis01", "lis02"), ("line", "text")] {
            let messages = refused(&format!("framing = \"{framing}\"\n{key}"), RAW);
            let expected = format!("`{name}` is for HL7, and the messages of this link are {content}");
            assert!(messages.contains(&expected), "{key}: {messages:?}");
        }
        assert_eq!(
            refused(&format!("framing = \"lis01\"\ncontent = \"hl7\"\n{key}"), RAW),
            Vec::<String>::new(),
            "{key}"
        );
    }
}

#[test]
fn lets_flows_do_what_their_source_and_destination_allow() {
    let flow = |on: &str, to: &str, mapping: &str| format!("on = [\"{on}\"]\nto = \"{to}\"\nmapping = \"{mapping}\"");
    for (framing, on, to, mapping, expected) in [
        ("lis01", "LIS02^R", "receiver", "oru@1", ""),
        ("lis01", "LIS02", "platform", "oru@1", ""),
        ("lis01", "LIS02^*", "platform", "raw", ""),
        ("line", "TEXT", "platform", "raw", ""),
        ("mllp", "ADT^A03", "platform", "raw", ""),
        ("lis01", "*", "server", "oru@1", "a FHIR server takes no HL7 v2"),
        ("lis01", "*", "receiver", "raw", "an HL7 receiver takes no lis02"),
        ("line", "*", "receiver", "raw", "an HL7 receiver takes no text"),
        ("mllp", "*", "platform", "oru@1", "this map reads lis02, and the messages of the source are hl7"),
        ("line", "*", "platform", "oru@1", "this map reads lis02, and the messages of the source are text"),
        ("lis01", "*", "platform", "transport@1", "this map reads hl7, and the messages of the source are lis02"),
        ("lis01", "*", "platform", "oru@2", "there is no map `oru@2`"),
        ("lis01", "ORU^R01", "platform", "raw", "the messages of the source are lis02, which have other types"),
        ("lis01", "TEXT", "platform", "raw", "the messages of the source are lis02, which have other types"),
        ("line", "LIS02", "platform", "raw", "the messages of the source are text, which have other types"),
        ("mllp", "LIS02^R", "platform", "raw", "the messages of the source are hl7, which have other types"),
        ("lis01", "LIS02^X", "platform", "raw", "`LIS02^X` is not a message type"),
        ("lis01", "LIS02^", "platform", "raw", "`LIS02^` is not a message type"),
        ("line", "TEXT^*", "platform", "raw", "`TEXT^*` is not a message type"),
    ] {
        let messages = refused(&format!("framing = \"{framing}\""), &flow(on, to, mapping));
        let fits =
            if expected.is_empty() { messages.is_empty() } else { messages.iter().any(|text| text.contains(expected)) };
        assert!(fits, "{framing} {on} {to} {mapping}: {messages:?}");
    }
}

/// A port that goes on with another framing would read records as HL7, so both wait for the restart.
#[test]
fn changes_the_content_of_a_port_only_with_a_restart() {
    let settings = |link: &str| read_one(&site(link, RAW)).unwrap().settings;
    let running = settings("framing = \"lis01\"");
    let found = change(&running, &settings("framing = \"mllp\""));
    assert!(found.ports.is_empty(), "{found:?}");
    assert_eq!(found.restart.iter().map(String::as_str).collect::<Vec<_>>(), ["[serial.device]"]);
    let found = change(&running, &settings("framing = \"lis01\"\nlis01 = { tries = 3 }"));
    assert!(found.ports.len() == 1 && found.restart.is_empty(), "{found:?}");
}
