//! The physical limit: frames appended to one file, one `fdatasync` for all that wait, then the acknowledgements.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use gurney::wire::mllp::{self, Decoder, Event};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

/// A running reference server; ends when dropped.
pub struct Server {
    pub port: u16,
    _stop: oneshot::Sender<()>,
}

type Request = (Vec<u8>, oneshot::Sender<()>);

pub fn start(folder: &Path) -> Server {
    let (stop, stopped) = oneshot::channel();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let file = File::create(folder.join("reference.log")).unwrap();
    let (queue, requests) = sync_channel(4096);
    thread::spawn(move || write(file, &requests));
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async move {
            let listener = TcpListener::from_std(listener).unwrap();
            tokio::select! {
                _ = stopped => {}
                () = async {
                    while let Ok((stream, _)) = listener.accept().await {
                        tokio::task::spawn_local(serve(stream, queue.clone()));
                    }
                } => {}
            }
        });
    });
    Server { port, _stop: stop }
}

fn write(mut file: File, requests: &Receiver<Request>) {
    while let Ok((bytes, reply)) = requests.recv() {
        file.write_all(&bytes).unwrap();
        let mut replies = vec![reply];
        while replies.len() < 256
            && let Ok((bytes, reply)) = requests.try_recv()
        {
            file.write_all(&bytes).unwrap();
            replies.push(reply);
        }
        file.sync_data().unwrap();
        for reply in replies {
            reply.send(()).ok();
        }
    }
}

async fn serve(mut stream: TcpStream, queue: SyncSender<Request>) {
    stream.set_nodelay(true).unwrap();
    let mut decoder = Decoder::new(1 << 20);
    let mut buffer = vec![0; 16 << 10];
    while let Ok(read) = stream.read(&mut buffer).await
        && read > 0
    {
        decoder.push(&buffer[..read]);
        for event in decoder.by_ref() {
            let Event::Frame(frame) = event else { continue };
            let control_id =
                String::from_utf8_lossy(frame.split(|byte| *byte == b'|').nth(9).unwrap_or_default()).into_owned();
            let (reply, done) = oneshot::channel();
            queue.try_send((frame, reply)).unwrap();
            done.await.unwrap();
            let mut answer = Vec::new();
            let text = format!("MSH|^~\\&|G|G|Z|Z|20260301||ACK^A08^ACK|{control_id}|P|2.5.1\rMSA|AA|{control_id}\r");
            mllp::encode(&mut answer, text.as_bytes());
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}
