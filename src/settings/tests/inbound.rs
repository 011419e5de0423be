//! Watched folders and listeners for HTTP as sources.

use super::*;
use crate::wire::folder::Order;

/// A source beside the minimal site, with a flow that takes from it.
fn with_source(table: &str) -> String {
    let flow = "[flow.from-lab]\nfrom = \"lab\"\non = [\"*\"]\nto = \"platform\"\nmapping = \"raw\"\npattern = \"event\"\n\
        target = \"1 min\"\nowner = \"Laboratory\"\nescalate = [\"lab-desk\"]\n";
    format!("{MINIMAL}{table}\n{flow}")
}

fn wire_of(table: &str) -> LinkWire {
    let checked = read_one(&with_source(table)).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(checked.warnings, []);
    let links = checked.settings.links;
    let link = links.into_iter().find(|link| link.name.as_str() == "lab").unwrap();
    assert_eq!((link.frame_timeout, link.answering.application_ack), (limits::FRAME_TIMEOUT, ApplicationAck::Never));
    link.wire
}

#[test]
fn reads_a_folder_that_a_flow_takes_from_as_a_source() {
    let LinkWire::Folder(folder) = wire_of("[folder.lab]\npath = \"/srv/in\"") else { panic!("a folder") };
    assert_eq!((folder.path, folder.pattern.as_str(), folder.order), ("/srv/in".into(), "*.hl7", Order::Time));
    let times = (folder.every, folder.settle, folder.taken);
    assert_eq!(times, (Duration::from_secs(1), Duration::from_secs(2), Taken::Move));
}

#[test]
fn reads_a_listener_for_http() {
    let LinkWire::Http(server) = wire_of("[http_in.lab]\nlisten = \"127.0.0.1:1\"") else { panic!("HTTP") };
    assert_eq!((server.path.as_str(), server.content, server.bearer), ("/hl7", AcceptedContent::Hl7, None));
    assert_eq!((server.connections_max, server.idle_timeout), (limits::CONNECTIONS_MAX, Duration::from_secs(75)));
    for table in [
        "listen = \"10.0.0.1:1\"\ntls = { certificate = \"a\" }\nbearer = \"lab\"",
        "listen = \"10.0.0.1:1\"\ntls = { certificate = \"a\", client_ca = \"b\" }",
        "listen = \"10.0.0.1:1\"\nallow = [\"10.0.0.0/8\"]\n\
         plaintext = { accepted_by = \"A. Sample\", until = \"2027-06-30\" }",
    ] {
        wire_of(&format!("[http_in.lab]\n{table}"));
    }
}

#[test]
fn says_what_is_wrong_with_a_folder_or_a_listener() {
    let folder = |rest: &str| format!("[folder.lab]\npath = \"/srv/in\"\n{rest}");
    let http = |rest: &str| format!("[http_in.lab]\nlisten = \"127.0.0.1:1\"\n{rest}");
    for (table, message, help) in [
        (
            "[folder.lab]\nevery = \"1 s\"".to_owned(),
            "[folder.lab] has no `path`",
            "messages are taken from this folder",
        ),
        (folder("pattern = \"in/*.hl7\""), "`in/*.hl7` is no pattern", "without /"),
        (folder("pattern = \".*\""), "`.*` is no pattern", "not beginning with a dot"),
        (folder("order = \"size\""), "`size` is not a choice here", "`time` or `name`"),
        (folder("every = \"0 s\""), "out of range", "\"100 ms\""),
        (folder("settle = \"2 h\""), "out of range", "\"1 hours\""),
        (folder("suffix = \"txt\""), "unknown key `suffix` in [folder.lab]", "the keys are path"),
        (folder("when_refused = \"error\""), "unknown key `when_refused`", "the keys are path"),
        (folder("application_ack = \"same-connection\""), "`same-connection` is not a choice here", "`never`"),
        ("[http_in.lab]\npath = \"/hl7\"".to_owned(), "[http_in.lab] has no `listen`", "senders connect"),
        (http("path = \"hl7\""), "`hl7` is no path of a URL", "begins with /"),
        (http("path = \"/hl7?x=1\""), "is no path of a URL", "such as \"/hl7\""),
        (http("content = \"xml\""), "`xml` is not a choice here", "`hl7` or `any`"),
        (http("token = \"abc\""), "looks like a password or key", "credential"),
        (http("connections_max = 1\nconnections_per_peer = 2"), "one address may not hold more", "smaller"),
        ("[http_in.lab]\nlisten = \"10.0.0.1:1\"\nbearer = \"lab\"".to_owned(), "unencrypted", "encrypt it: tls = {"),
        ("[http_in.lab]\nlisten = \"127.0.0.1:6661\"".to_owned(), "listen at the same port 6661", "another port"),
    ] {
        let faults = read_one(&with_source(&table)).expect_err(&table);
        let errors: Vec<_> = faults.faults.iter().filter(|fault| !fault.is_warning()).collect();
        assert!(
            errors.len() == 1 && errors[0].message.contains(message),
            "{table}: {message:?} is not all of\n{faults}"
        );
        assert!(errors[0].help.contains(help), "{table}: {help:?} is not in\n{faults}");
    }
    let open = "[http_in.lab]\nlisten = \"10.0.0.1:1\"\ntls = { certificate = \"a\" }";
    let warnings = read_one(&with_source(open)).unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].help.contains("bearer = "), "{warnings:?}");
}

/// Who shares a watched folder would lose files, or be fed with what the box delivers.
#[test]
fn refuses_a_watched_folder_that_is_used_twice() {
    let flow = |name: &str, from: &str, to: &str| {
        format!(
            "[flow.{name}]\nfrom = \"{from}\"\non = [\"*\"]\nto = \"{to}\"\nmapping = \"raw\"\npattern = \"event\"\n\
             target = \"1 min\"\nowner = \"Laboratory\"\nescalate = [\"lab-desk\"]\n"
        )
    };
    let two = |first: &str, second: &str, flows: String| {
        let tables = format!("[folder.one]\npath = \"{first}\"\n[folder.two]\npath = \"{second}\"\n");
        read_one(&format!("{MINIMAL}{tables}{flows}"))
    };
    let sources = || flow("one", "one", "platform") + &flow("two", "two", "platform");
    let loops = || flow("one", "one", "platform") + &flow("two", "ehr", "two");
    for flows in [sources(), loops()] {
        let faults = two("/srv/in", "/srv//in/", flows).unwrap_err();
        assert_eq!(faults.faults[0].message, "this folder is used twice", "{faults}");
        assert_eq!((faults.faults.len(), faults.faults[0].also.len()), (1, 1), "{faults}");
    }
    assert!(two("/srv/in", "/srv/out", loops()).is_ok());
    let outward = flow("one", "ehr", "one") + &flow("two", "ehr", "two");
    assert!(two("/srv/out", "/srv/out", outward).is_ok());
}
