//! Sources that Gurney dials: a sender that listens (MLLP) and a serial line behind a terminal server (raw TCP). Whatever the
//! peer does to the connection, it is opened again, and nothing that was acknowledged is lost.

use std::{net::SocketAddr, time::Duration};

use gurney::{
    sim::platform::Platform,
    units::Timestamp,
    wire::{Answer, Event, Line, hllp, lis01, mllp, text},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

use crate::support::{
    daemon::{Daemon, Launch, Metrics},
    load::{platform, random, rounds},
    peer::{Peer, adt, framed},
    site::Site,
    verdict::drained,
    wait::{until_so, within},
};

/// A kind of source that is dialled, as a table `peer` with this head.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Mllp,
    Serial,
}

const KINDS: [Kind; 2] = [Kind::Mllp, Kind::Serial];
const QUICK: &str = "reconnect = { first = \"20 ms\", at_most = \"100 ms\" }";
const FRAMING: &str = "framing = \"mllp\"";

/// A site whose source is the peer.
struct Dialled {
    site: Site,
    platform: Platform,
    peer: SocketAddr,
}

impl Dialled {
    async fn new(kind: Kind) -> Self {
        match kind {
            Kind::Mllp => Self::with(kind, QUICK).await,
            Kind::Serial => Self::with(kind, FRAMING).await,
        }
    }

    /// With these keys of the source, in which `{ip}` stands for the address of the site.
    async fn with(kind: Kind, keys: &str) -> Self {
        let platform = platform().await;
        let site = Site::new(platform.address());
        let peer = SocketAddr::new(site.mllp().ip(), 6700);
        let keys = keys.replace("{ip}", &peer.ip().to_string());
        let head = match kind {
            Kind::Mllp => format!("[mllp.peer]\nconnect = \"{peer}\""),
            Kind::Serial => format!("[serial.peer]\nport = \"tcp://{peer}\""),
        };
        let site = site.with(&format!(
            "{head}\n{keys}\n[flow.peer]\nfrom = \"peer\"\non = [\"*\"]\nto = \"platform\"\nmapping = \"raw\"\n\
             pattern = \"event\"\ntarget = \"5 s\"\nowner = \"Integration desk\"\nescalate = [\"integration-desk\"]"
        ));
        Self { site, platform, peer }
    }

    async fn listen(&self) -> TcpListener {
        TcpListener::bind(self.peer).await.unwrap()
    }

    async fn finish(self, daemon: Daemon, ids: &[String]) {
        drained(&self.site, daemon, ids, &self.platform).await;
    }
}

async fn accepted(listener: &TcpListener) -> TcpStream {
    within("Gurney connects", listener.accept()).await.unwrap().0
}

async fn peer(listener: &TcpListener) -> Peer {
    Peer::over(accepted(listener).await)
}

fn of_peer(metrics: &Metrics, family: &str) -> u64 {
    metrics.sum(family, &["interface=\"peer\""])
}

fn is_up(metrics: &Metrics) -> bool {
    of_peer(metrics, "gurney_interface_up") == 1
}

#[tokio::test]
async fn waits_for_a_peer_that_refuses_at_first_and_says_so_once() {
    for kind in KINDS {
        let dialled = Dialled::new(kind).await;
        // A box with a link that is down is not ready, but runs.
        let daemon = Daemon::spawn(&dialled.site, &Launch::default());
        until_so("the link is told to be down", async || dialled.site.log().contains("link down")).await;
        assert!(!is_up(&daemon.metrics().await), "{kind:?}");
        let listener = dialled.listen().await;
        let mut peer = peer(&listener).await;
        assert_eq!(peer.exchange(&adt("LATE-1", "ZZ1")).await.code, "AA");
        daemon.until("the link is up", is_up).await;
        let metrics = daemon.metrics().await;
        assert_eq!(of_peer(&metrics, "gurney_interface_connections"), 1);
        assert_eq!(dialled.site.log().matches("link down").count(), 1, "{}", dialled.site.log());
        dialled.finish(daemon, &["LATE-1".to_owned()]).await;
    }
}

#[tokio::test]
async fn drops_what_a_lost_connection_cut_off_and_takes_it_when_it_comes_again() {
    for kind in KINDS {
        let dialled = Dialled::new(kind).await;
        let listener = dialled.listen().await;
        let daemon = Daemon::start(&dialled.site).await;
        let message = adt("CUT-1", "ZZ1");
        for cut in [2, message.len() / 2, message.len() + 1] {
            let mut peer = peer(&listener).await;
            peer.write(&framed(&message)[..cut]).await;
            peer.finish().await;
        }
        let mut peer = peer(&listener).await;
        assert_eq!(peer.exchange(&message).await.code, "AA", "{kind:?}");
        daemon.until("what was cut off is counted", |metrics| metrics.frame_errors("framing") == 3).await;
        let arrived = dialled.platform.arrivals().len();
        assert!(arrived <= 1, "nothing that was cut off is delivered");
        dialled.finish(daemon, &["CUT-1".to_owned()]).await;
    }
}

#[tokio::test]
async fn connects_again_when_the_peer_closes_breaks_or_restarts() {
    for kind in KINDS {
        let dialled = Dialled::new(kind).await;
        let mut listener = dialled.listen().await;
        let daemon = Daemon::start(&dialled.site).await;
        let mut ids = Vec::new();
        for number in 1..=6 {
            let mut peer = peer(&listener).await;
            let id = format!("AGAIN-{number}");
            assert_eq!(peer.exchange(&adt(&id, "ZZ1")).await.code, "AA");
            ids.push(id);
            match number % 3 {
                0 => peer.finish().await,
                1 => peer.reset(),
                _ => {
                    drop(listener);
                    drop(peer);
                    listener = dialled.listen().await;
                }
            }
        }
        let last = peer(&listener).await;
        daemon.until("one connection", |metrics| of_peer(metrics, "gurney_interface_connections") == 1).await;
        assert!(of_peer(&daemon.metrics().await, "gurney_interface_reconnects_total") >= 6);
        dialled.finish(daemon, &ids).await;
        drop(last);
    }
}

#[tokio::test]
async fn loses_nothing_acknowledged_when_killed_while_the_peer_sends() {
    let mut random = random("dialled-kill");
    for kind in KINDS {
        let dialled = Dialled::new(kind).await;
        let listener = dialled.listen().await;
        let mut daemon = Daemon::start(&dialled.site).await;
        let mut acknowledged = Vec::new();
        let id = |number: usize| format!("KILL-{:03}", number + 1);
        for _ in 0..rounds(8, 40) {
            let mut peer = peer(&listener).await;
            for _ in 0..=random.below(4) {
                let id = id(acknowledged.len());
                assert_eq!(peer.exchange(&adt(&id, "ZZ9")).await.code, "AA");
                acknowledged.push(id);
            }
            // Under way when it dies: it may be stored, but was not acknowledged, and comes again.
            peer.send(&adt(&id(acknowledged.len()), "ZZ9")).await;
            daemon.kill();
            daemon = Daemon::start(&dialled.site).await;
        }
        let mut peer = peer(&listener).await;
        let last = id(acknowledged.len());
        assert_eq!(peer.exchange(&adt(&last, "ZZ9")).await.code, "AA");
        acknowledged.push(last);
        dialled.finish(daemon, &acknowledged).await;
    }
}

#[tokio::test]
async fn uses_another_peer_while_the_preferred_one_refuses_and_comes_back_to_it() {
    let dialled = Dialled::with(Kind::Mllp, &format!("failover = [\"{{ip}}:6701\"]\n{QUICK}")).await;
    let standby = TcpListener::bind((dialled.peer.ip(), 6701)).await.unwrap();
    let daemon = Daemon::start(&dialled.site).await;
    let mut at_standby = peer(&standby).await;
    assert_eq!(at_standby.exchange(&adt("OVER-1", "ZZ1")).await.code, "AA");
    let preferred = dialled.listen().await;
    at_standby.finish().await;
    let mut at_preferred = peer(&preferred).await;
    assert_eq!(at_preferred.exchange(&adt("OVER-2", "ZZ1")).await.code, "AA");
    dialled.finish(daemon, &["OVER-1".to_owned(), "OVER-2".to_owned()]).await;
}

#[tokio::test]
async fn opens_a_silent_connection_anew() {
    let dialled = Dialled::with(Kind::Mllp, &format!("{QUICK}\nidle_timeout = \"1 s\"")).await;
    let listener = dialled.listen().await;
    let daemon = Daemon::start(&dialled.site).await;
    let mut silent = peer(&listener).await;
    assert_eq!(silent.answer().await, None, "closed by Gurney");
    let mut peer = peer(&listener).await;
    assert_eq!(peer.exchange(&adt("SILENT-1", "ZZ1")).await.code, "AA");
    dialled.finish(daemon, &["SILENT-1".to_owned()]).await;
}

#[tokio::test]
async fn reports_a_silent_line_and_its_end() {
    let dialled = Dialled::with(Kind::Serial, &format!("{FRAMING}\nsilence = \"1 s\"")).await;
    let listener = dialled.listen().await;
    let daemon = Daemon::start(&dialled.site).await;
    let mut peer = peer(&listener).await;
    daemon.until("the line is silent", |metrics| of_peer(metrics, "gurney_serial_silent") == 1).await;
    assert_eq!(peer.exchange(&adt("QUIET-1", "ZZ1")).await.code, "AA");
    until_so("the end of the silence", async || dialled.site.log().contains("bytes come again")).await;
    dialled.finish(daemon, &["QUIET-1".to_owned()]).await;
}

/// The acknowledgement of the application comes as a message of its own over the connection that Gurney opened.
#[tokio::test]
async fn sends_the_application_acknowledgement_over_the_connection_it_opened() {
    let dialled = Dialled::new(Kind::Mllp).await;
    let listener = dialled.listen().await;
    let daemon = Daemon::start(&dialled.site).await;
    let mut peer = peer(&listener).await;
    let message = String::from_utf8(adt("LATER-1", "ZZ1")).unwrap().replacen("|T|2.5.1\r", "|T|2.5.1|||AL|AL\r", 1);
    let commit = peer.exchange(message.as_bytes()).await;
    assert_eq!((commit.code.as_str(), commit.control_id.as_str()), ("CA", "LATER-1"));
    let application = peer.answer().await.unwrap();
    assert_eq!((application.code.as_str(), application.control_id.as_str()), ("AA", "LATER-1"));
    dialled.finish(daemon, &["LATER-1".to_owned()]).await;
}

/// Sends one message by `line`, as the device behind a terminal server would, until its protocol says that it was taken.
async fn sent(stream: &mut TcpStream, line: &mut dyn Line, message: Vec<u8>) {
    let began = Instant::now();
    let now = || Timestamp(0).plus(began.elapsed());
    line.send(now(), message);
    within("the line's protocol confirms", async {
        let mut buffer = [0; 4096];
        loop {
            while let Some(event) = line.next() {
                match event {
                    // LIS01 says then that it has ended.
                    Event::Sent => return stream.write_all(&line.transmit()).await.unwrap(),
                    Event::Frame(_) => line.answer(now(), Answer::Taken(Vec::new())),
                    Event::Unsent(why) => panic!("not sent: {why:?}"),
                    Event::Noise { .. } | Event::Count(_) => {}
                }
            }
            stream.write_all(&line.transmit()).await.unwrap();
            let due = line.deadline().map_or(Duration::from_secs(1), |at| at.since(now()));
            match timeout(due, stream.read(&mut buffer)).await {
                Ok(read) => match read.unwrap() {
                    0 => panic!("closed"),
                    count => line.receive(now(), &buffer[..count]),
                },
                Err(_) => line.tick(now()),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn speaks_every_framing_of_a_line_behind_a_terminal_server() {
    let instrument = || lis01::Options::new(lis01::Role::Instrument, 1 << 20);
    let acknowledged =
        || text::Options { reply: text::Reply::AckNak { ack: 0x06, nak: 0x15 }, ..text::Options::default() };
    let framings: [(&str, Box<dyn Line>); 4] = [
        ("framing = \"mllp\"\nrelease = 2", {
            let release = mllp::Release::Two;
            Box::new(mllp::MllpLine::new(mllp::Options { release, ..mllp::Options::default() }))
        }),
        ("framing = \"hllp\"\nduplex = \"half\"", Box::new(hllp::Hllp::new(hllp::Options::default()))),
        ("framing = \"lis01\"\ncontent = \"hl7\"", Box::new(lis01::Lis01::new(instrument()))),
        ("framing = \"line\"\ncontent = \"hl7\"\nreply = \"ack-nak\"", Box::new(text::TextLine::new(acknowledged()))),
    ];
    for (keys, mut line) in framings {
        let dialled = Dialled::with(Kind::Serial, keys).await;
        let listener = dialled.listen().await;
        let daemon = Daemon::start(&dialled.site).await;
        let mut stream = accepted(&listener).await;
        sent(&mut stream, line.as_mut(), adt("LINE-1", "ZZ1")).await;
        dialled.finish(daemon, &["LINE-1".to_owned()]).await;
    }
}
