//! A serial line behind a terminal server: raw TCP that the box dials. The server here is a listener, and the test the device.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::support::{
    daemon::Daemon,
    load::platform,
    peer::{Peer, adt, framed},
    site::Site,
    verdict::Books,
    wait::within,
};

/// A site with a link `monitor` to the device behind `server`.
fn site(platform: SocketAddr, server: SocketAddr) -> Site {
    Site::new(platform).with(&format!(
        "[serial.monitor]\nport = \"tcp://{server}\"\nframing = \"mllp\"\n\
         [flow.monitor]\nfrom = \"monitor\"\non = [\"*\"]\nto = \"platform\"\nmapping = \"raw\"\npattern = \"event\"\n\
         target = \"5 s\"\nowner = \"Ward desk\"\nescalate = [\"ward-desk\"]"
    ))
}

/// The box, as it dials in.
async fn dialled(server: &TcpListener) -> Peer {
    Peer::over(within("the box dials", server.accept()).await.unwrap().0)
}

/// A server with no connection left closes at once; others lose their line within a frame, or are switched off: nothing of it
/// costs a message, and the bytes that mark errors on a serial port are plain bytes here.
#[tokio::test]
async fn takes_every_message_of_a_line_that_comes_and_goes() {
    let platform = platform().await;
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let site = site(platform.address(), server.local_addr().unwrap());
    let mut daemon = Daemon::start(&site).await;
    drop(dialled(&server).await);
    let mut device = dialled(&server).await;
    let first = framed(&adt("LINE-1", "ZZ1"));
    device.write(&first[..first.len() / 2]).await;
    drop(device);

    let mut device = dialled(&server).await;
    assert_eq!(device.exchange(&adt("LINE-1", "ZZ1")).await.code, "AA");
    let odd = [adt("LINE-2", "ZZ1").as_slice(), b"NTE|1||\xff\0\0\xff\0A\xff\xff\r"].concat();
    let ack = device.exchange(&odd).await;
    assert_eq!((ack.code.as_str(), ack.control_id.as_str()), ("AA", "LINE-2"));
    daemon.kill();

    let daemon = Daemon::start(&site).await;
    let mut device = dialled(&server).await;
    let again = device.exchange(&odd).await;
    assert_eq!(again.bytes, ack.bytes, "the same answer to a repeat, also after a restart");
    assert_eq!(device.exchange(&adt("LINE-3", "ZZ1")).await.code, "AA");
    let mut daemon = daemon;
    daemon.until("nothing waits", |metrics| metrics.waiting() == 0).await;
    assert_eq!(daemon.terminate().await.code(), Some(0), "{}", site.log());
    let books = Books::open(&site, site.store());
    books.balance();
    assert_eq!((books.tally("delivered"), books.tally("duplicate")), (3, 1));
    let mut kept = Vec::new();
    books.each_message(|_, raw| kept.push(raw.to_vec()));
    assert!(kept.contains(&odd), "byte for byte");
    assert!(books.scraps().iter().any(|(cause, ..)| cause == "partial"), "{:?}", books.scraps());
}
