//! Acknowledgements as a sender hears them: enhanced mode to the letter (HL7 v2.5.1 chapter 2, 2.9), the end of deliveries, the
//! sequence number protocol, and what is refused.

use gurney::sim::platform::{Control, Fault};

use crate::support::{
    daemon::Daemon,
    load::platform,
    peer::{Ack, Peer, adt, framed},
    site::Site,
    verdict::{Books, drained},
    wait::until_so,
};

/// A message that asks for acknowledgements by MSH-15 and MSH-16, and differs as `change` says.
fn asking(id: &str, accept: &str, application: &str, change: (&str, &str)) -> Vec<u8> {
    let text = String::from_utf8(adt(id, "ZZ1")).unwrap();
    let text = text.replace("|T|2.5.1", &format!("|T|2.5.1|||{accept}|{application}"));
    text.replacen(change.0, change.1, 1).into_bytes()
}

/// Everything that comes back for a message: a plain one is sent behind it, and its answer ends what belongs to this one.
async fn heard(peer: &mut Peer, message: &[u8], sentinel: &str) -> Vec<Ack> {
    peer.send(message).await;
    peer.send(&adt(sentinel, "ZZ1")).await;
    let mut heard = Vec::new();
    loop {
        let answer = peer.answer().await.expect("an answer");
        if answer.control_id == sentinel {
            assert_eq!(answer.code, "AA");
            return heard;
        }
        heard.push(answer);
    }
}

/// Whether an acknowledgement that is asked for so is due for a message that is taken, or not.
fn is_due(asked: &str, is_taken: bool) -> bool {
    match asked {
        "AL" => true,
        "SU" => is_taken,
        "ER" => !is_taken,
        _ => false,
    }
}

fn codes(heard: &[Ack]) -> Vec<&str> {
    heard.iter().map(|ack| ack.code.as_str()).collect()
}

/// MSH-10 and MSH-15 of an acknowledgement.
fn header(ack: &Ack) -> (String, String) {
    let text = ack.text();
    let fields: Vec<&str> = text.split('\r').next().unwrap().split('|').collect();
    (fields[9].to_owned(), (*fields.get(14).unwrap_or(&"")).to_owned())
}

/// Every combination of MSH-15 and MSH-16, of a message that is taken, of one with bad content, and of one that is rejected,
/// over one connection: the commit acknowledgement first, the application's own message behind it.
#[tokio::test]
async fn answers_enhanced_mode_by_the_table_over_one_connection() {
    let platform = platform().await;
    let site = Site::new(platform.address())
        .link("versions = [\"2.5.1\"]\nprofile = \"transport-minimum@1\"\napplication_ack = \"same-connection\"");
    let daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    let (mut cases, mut taken) = (0, Vec::new());
    for accept in ["AL", "NE", "ER", "SU"] {
        for application in ["AL", "NE", "ER", "SU"] {
            for (change, at_once, own) in [
                (("", ""), "CA", "AA"),
                // A patient without a number.
                (("||ZZ1^^^ZZGENERAL^MR", "||"), "CE", "AE"),
                (("|2.5.1|", "|2.3|"), "CR", "AR"),
            ] {
                cases += 1;
                let id = format!("TABLE-{cases}");
                let sentinel = format!("PLAIN-{cases}");
                let heard = heard(&mut peer, &asking(&id, accept, application, change), &sentinel).await;
                let is_taken = own == "AA";
                let is_own_due = is_due(application, is_taken);
                // A message that is kept although its content is wrong is safe: the application says no, where it is asked.
                let (at_once, is_safe) = if own == "AE" && is_own_due { ("CA", true) } else { (at_once, is_taken) };
                let is_told = is_due(accept, is_safe);
                let is_own_due = is_own_due && (is_safe || !is_told);
                let expected = [is_told.then_some(at_once), is_own_due.then_some(own)];
                let expected: Vec<&str> = expected.into_iter().flatten().collect();
                assert_eq!(codes(&heard), expected, "MSH-15 {accept}, MSH-16 {application}, {own}");
                for ack in &heard {
                    assert_eq!(ack.control_id, id);
                    let (number, asks) = header(ack);
                    let prefix = if ack.code.starts_with('C') { "G" } else { "A" };
                    assert!(number.starts_with(prefix), "{number}");
                    assert!(matches!(asks.as_str(), "" | "NE"), "an acknowledgement asks for none: {asks}");
                }
                taken.push(sentinel);
                if is_taken {
                    taken.push(id);
                }
            }
        }
    }
    assert_eq!(cases, 48);
    drained(&site, daemon, &taken, &platform).await;
    assert_eq!(Books::open(&site, site.store()).tally("quarantined"), 32, "what was refused is kept for a person");
}

/// `never` sends none, whatever MSH-16 asks for.
#[tokio::test]
async fn sends_no_application_acknowledgement_where_the_link_says_never() {
    let platform = platform().await;
    let site = Site::new(platform.address()).link("application_ack = \"never\"");
    let daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    let heard_of = heard(&mut peer, &asking("NEVER-1", "AL", "AL", ("", "")), "PLAIN-1").await;
    assert_eq!(codes(&heard_of), ["CA"]);
    assert_eq!(codes(&heard(&mut peer, &asking("NEVER-2", "NE", "AL", ("", "")), "PLAIN-2").await), [""; 0]);
    let all = ["NEVER-1", "NEVER-2", "PLAIN-1", "PLAIN-2"].map(str::to_owned);
    drained(&site, daemon, &all, &platform).await;
}

/// A repeat gets the same commit and application acknowledgements, also after kill -9.
#[tokio::test]
async fn repeats_get_the_same_bytes_of_both_acknowledgements() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let mut daemon = Daemon::start(&site).await;
    let message = asking("TWICE-1", "AL", "AL", ("", ""));
    let first = heard(&mut Peer::connect(site.mllp()).await, &message, "PLAIN-1").await;
    assert_eq!(codes(&first), ["CA", "AA"]);
    daemon.kill();
    let daemon = Daemon::start(&site).await;
    let again = heard(&mut Peer::connect(site.mllp()).await, &message, "PLAIN-2").await;
    assert_eq!(first, again);
    let all = ["TWICE-1", "PLAIN-1", "PLAIN-2"].map(str::to_owned);
    drained(&site, daemon, &all, &platform).await;
}

/// To a destination: a delivery like any other, which outlives kill -9 and arrives once.
#[tokio::test]
async fn delivers_application_acknowledgements_to_a_destination_over_kills_once() {
    let mut desk = platform().await;
    let platform = platform().await;
    let table = format!(
        "[http.desk]\nurl = \"http://{}/inbound\"\nretry = {{ first = \"20 ms\", at_most = \"100 ms\" }}",
        desk.address()
    );
    let site = Site::new(platform.address()).link("application_ack = { to = \"desk\" }").with(&table);
    desk.unplug().await;
    let mut daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    let mut ids = Vec::new();
    for number in 1..=20 {
        let id = format!("LATER-{number}");
        assert_eq!(peer.exchange(&asking(&id, "AL", "AL", ("", ""))).await.code, "CA");
        ids.push(id);
    }
    daemon.kill();
    desk.plug().unwrap();
    desk.control(Control::times(Fault::LoseResponse, 3));
    daemon = Daemon::start(&site).await;
    until_so("some have come", async || desk.arrivals().len() >= 5).await;
    daemon.kill();
    daemon = Daemon::start(&site).await;
    until_so("all have come", async || desk.arrivals().len() >= 20).await;
    drained(&site, daemon, &ids, &platform).await;
    let report = desk.report();
    assert_eq!((report.counts.duplicates, report.keys_with_more_than_one_effect), (0, 0));
    let mut told: Vec<String> = Vec::new();
    for body in desk.bodies() {
        let text = String::from_utf8(body).unwrap();
        assert_eq!(text.matches('\r').count(), 2, "{text}");
        let msa = text.split('\r').nth(1).unwrap().to_owned();
        told.push(msa.strip_prefix("MSA|AA|").expect(&text).to_owned());
    }
    assert_eq!(told, ids, "each once, in order");
}

/// With `ack_after = "delivered"` the sender hears what became of its message: nothing while the platform is away or slow, AA once
/// it is there, AE where it was refused; a repeat asks again, and nothing is delivered twice.
#[tokio::test]
async fn acknowledges_after_the_delivery_where_the_link_says_so() {
    let mut platform = platform().await;
    let site = Site::new(platform.address()).link("ack_after = \"delivered\"\nack_wait = \"5 s\"");
    let mut daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    assert_eq!(peer.exchange(&adt("AFTER-1", "ZZ1")).await.code, "AA");
    assert_eq!(platform.effects().effects, 1, "the answer came behind the delivery");

    platform.control(Control::times(Fault::Slow { ms: 500 }, 1));
    assert_eq!(peer.exchange(&adt("AFTER-2", "ZZ1")).await.code, "AA");
    assert_eq!(platform.effects().effects, 2);

    platform.control(Control::times(Fault::Status { status: 422, retry_after: None, retry_after_date: None }, 1));
    let refused = peer.exchange(&adt("AFTER-3", "ZZ1")).await;
    assert_eq!(refused.code, "AE", "{}", refused.text());
    assert!(refused.text().contains("status 422"), "{}", refused.text());

    // Enhanced mode: the commit does not wait, the application's acknowledgement does.
    let both = heard(&mut peer, &asking("AFTER-4", "AL", "AL", ("", "")), "AFTER-5").await;
    let mut seen = codes(&both);
    if seen == ["CA"] {
        seen.push("AA");
        let own = peer.answer().await.unwrap();
        assert_eq!((own.code.as_str(), own.control_id.as_str()), ("AA", "AFTER-4"));
    }
    assert_eq!(seen, ["CA", "AA"]);

    platform.unplug().await;
    peer.send(&adt("AFTER-6", "ZZ1")).await;
    daemon.until("it is stored", |metrics| metrics.waiting() == 1).await;
    daemon.kill();
    assert_eq!(peer.answer().await, None, "nothing was said while it was not there");
    daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    // No answer comes in time: the sender's next message is answered behind it, and it repeats.
    peer.send(&adt("AFTER-6", "ZZ1")).await;
    peer.send(&asking("AFTER-7", "AL", "NE", ("", ""))).await;
    assert_eq!(peer.answer().await.unwrap().control_id, "AFTER-7");
    platform.plug().unwrap();
    daemon.until("everything is delivered", |metrics| metrics.waiting() == 0).await;
    assert_eq!(peer.exchange(&adt("AFTER-6", "ZZ1")).await.code, "AA");
    let again = peer.exchange(&adt("AFTER-3", "ZZ1")).await;
    assert_eq!(again, refused, "the same bytes after a restart");
    assert_eq!(daemon.metrics().await.ended("duplicate"), 3);
    let all = [1, 2, 4, 5, 6, 7].map(|number| format!("AFTER-{number}"));
    drained(&site, daemon, &all, &platform).await;
    assert_eq!(platform.effects().effects, 6, "nothing twice");
    assert_eq!(Books::open(&site, site.store()).dead_letters().len(), 1);
}

fn numbered(id: &str, number: i64) -> Vec<u8> {
    String::from_utf8(adt(id, "ZZ1")).unwrap().replace("|T|2.5.1", &format!("|T|2.5.1|{number}")).into_bytes()
}

/// MSA-4.
fn expected(ack: &Ack) -> String {
    let text = ack.text();
    let msa = text.split('\r').find(|segment| segment.starts_with("MSA")).unwrap().to_owned();
    msa.split('|').nth(4).unwrap_or_default().to_owned()
}

/// The sequence number protocol over kill -9 between any two steps: the number expected is what was stored.
#[tokio::test]
async fn follows_the_sequence_number_protocol_over_kills() {
    let platform = platform().await;
    let site = Site::new(platform.address()).link("sequence = \"on\"");
    let mut daemon = Daemon::start(&site).await;
    let mut acknowledged = Vec::new();
    for (id, number, code, msa_4) in [
        ("SEQ-START", 0, "AA", "-1"),
        ("SEQ-1", 11, "AA", "11"),
        ("SEQ-1", 11, "AA", "11"),
        ("SEQ-3", 13, "AE", "12"),
        ("SEQ-2", 12, "AA", "12"),
        ("SEQ-3", 13, "AA", "13"),
        ("SEQ-OLD", 11, "AE", "14"),
        ("SEQ-START", 0, "AA", "14"),
        ("SEQ-4", 14, "AA", "14"),
        ("SEQ-RESYNC", -1, "AA", "-1"),
        ("SEQ-5", 700, "AA", "700"),
    ] {
        let ack = Peer::connect(site.mllp()).await.exchange(&numbered(id, number)).await;
        assert_eq!((ack.code.as_str(), expected(&ack).as_str()), (code, msa_4), "{id}: {}", ack.text());
        assert_eq!(ack.control_id, id);
        if code == "AA" && number > 0 && !acknowledged.contains(&id.to_owned()) {
            acknowledged.push(id.to_owned());
        }
        daemon.kill();
        daemon = Daemon::start(&site).await;
    }
    drained(&site, daemon, &acknowledged, &platform).await;
    let arrived: Vec<String> =
        platform.arrivals().iter().filter_map(|one| one.control_id.as_deref()).map(str::to_owned).collect();
    assert_eq!(arrived, acknowledged, "each once and in order; orders are no messages");
}

/// What MSH says about a message that a link does not take: rejected with its code, kept for a person, and listed.
#[tokio::test]
async fn rejects_what_a_link_does_not_take_and_lists_it() {
    let platform = platform().await;
    let site = Site::new(platform.address())
        .link("versions = [\"2.5.1\"]\nprocessing = [\"T\"]\nunrouted = \"reject\"\nprofile = \"transport-minimum@1\"")
        .on("[\"ADT^A03\"]");
    let daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    for (id, change, code, condition, place) in [
        ("NO-VERSION", ("|2.5.1", "|2.2"), "AR", "203^", "MSH^1^12"),
        ("NO-PROCESSING", ("|T|", "|D|"), "AR", "202^", "MSH^1^11"),
        ("NO-TYPE", ("ADT^A03^ADT_A03", "ORU^R01^ORU_R01"), "AR", "200^", "MSH^1^9"),
        ("NO-EVENT", ("ADT^A03^ADT_A03", "ADT^A01^ADT_A01"), "AR", "201^", "MSH^1^9"),
        ("NO-PATIENT", ("||ZZ1^^^ZZGENERAL^MR", "||"), "AE", "101^", "PID^1^3"),
    ] {
        let message = String::from_utf8(adt(id, "ZZ1")).unwrap().replacen(change.0, change.1, 1);
        let ack = peer.exchange(message.as_bytes()).await;
        let text = ack.text();
        assert_eq!(ack.code, code, "{id}: {text}");
        let is_in_version = text.contains(condition) && text.contains(place);
        assert!(is_in_version || id == "NO-VERSION", "{id}: {text}");
        assert!(text.contains("\rERR|"), "{id}: {text}");
    }
    assert_eq!(peer.exchange(&adt("YES-1", "ZZ1")).await.code, "AA");
    let listed = site.ask(&["held", "list", "--json"]);
    for reason in ["unsupported_version", "processing_id", "unsupported_type", "unsupported_event", "content"] {
        assert!(listed.contains(&format!("\"{reason}\"")), "{reason}:\n{listed}");
    }
    assert!(!listed.contains("SAMPLE") && !listed.contains("ZZ1"), "{listed}");
    drained(&site, daemon, &["YES-1".to_owned()], &platform).await;
    assert_eq!(Books::open(&site, site.store()).tally("quarantined"), 5);
}

/// An acknowledgement that comes in is kept and never answered, also one that asks for answers, and one of a query.
#[tokio::test]
async fn answers_no_acknowledgement_in_any_mode() {
    let platform = platform().await;
    let site = Site::new(platform.address()).link("unrouted = \"reject\"");
    let daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    for (number, (kind, code)) in
        [("ACK^A03^ACK", "AA"), ("ACK", "CA"), ("ACK", "AE"), ("MCF", "AR")].into_iter().enumerate()
    {
        let answer = format!(
            "MSH|^~\\&|ZZEHR|ZZGENERAL|GURNEY|ZZGENERAL|20261122120000||{kind}|ANSWER-{number}|T|2.5.1|||AL|AL\rMSA|{code}|G1\r"
        );
        peer.send(answer.as_bytes()).await;
    }
    let after = heard(&mut peer, &asking("AFTER-1", "AL", "NE", ("", "")), "PLAIN-1").await;
    assert_eq!(codes(&after), ["CA"], "and nothing before it");
    drained(&site, daemon, &["AFTER-1".to_owned(), "PLAIN-1".to_owned()], &platform).await;
    assert_eq!(Books::open(&site, site.store()).tally("filtered"), 4);
}

/// Each message of a batch is acknowledged by itself, in order, also where some are refused.
#[tokio::test]
async fn acknowledges_each_message_of_a_batch() {
    let platform = platform().await;
    let site = Site::new(platform.address()).link("versions = [\"2.5.1\"]");
    let daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    let mut batch = b"FHS|^~\\&|ZZEHR\rBHS|^~\\&|ZZEHR\r".to_vec();
    for number in 1..=50 {
        let message = String::from_utf8(adt(&format!("BATCH-{number}"), "ZZ1")).unwrap();
        let message = if number % 10 == 0 { message.replace("|2.5.1", "|2.1") } else { message };
        batch.extend(message.into_bytes());
    }
    batch.extend(b"BTS|50\rFTS|1\r");
    peer.write(&framed(&batch)).await;
    let mut taken = Vec::new();
    for number in 1..=50 {
        let ack = peer.answer().await.expect("an answer to each");
        assert_eq!(ack.control_id, format!("BATCH-{number}"));
        assert_eq!(ack.code, if number % 10 == 0 { "AR" } else { "AA" });
        if number % 10 != 0 {
            taken.push(ack.control_id);
        }
    }
    assert_eq!(peer.exchange(&adt("BEHIND-1", "ZZ1")).await.control_id, "BEHIND-1", "and nothing more");
    taken.push("BEHIND-1".to_owned());
    drained(&site, daemon, &taken, &platform).await;
}
