//! A TCP proxy that damages what passes through it: delay, slicing into small segments, and cuts at an exact byte, as
//! a reset, a close, a silence (half-open) or a swallowing of everything that follows.
//!
//! Behaviour is a [`Line`]; setting another one applies to connections from then on, and at once to live ones: a
//! silenced connection goes on when its line no longer says so. Cuts count the bytes of one connection in one direction.
//! "Close before the answer is forwarded" is a cut toward the client after 0 bytes; "reset mid-frame" one toward the
//! server. Bounds: [`CONNECTIONS_MAX`] connections, [`CHUNK_BYTES`] per direction in memory. Does not lose packets:
//! what TCP hides, it cannot show.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Semaphore, watch},
    task::JoinSet,
};

use super::{Error, Reach, Stop, Stopper, stop_pair};

/// Connections at once.
pub const CONNECTIONS_MAX: usize = 1024;
/// Bytes read at once.
pub const CHUNK_BYTES: usize = 16 << 10;

/// How a line behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Each chunk waits so long before it goes on.
    pub delay: Duration,
    /// Bytes of one segment; none passes chunks as they come.
    pub slice: Option<usize>,
    /// Where it breaks.
    pub cut: Option<Cut>,
}

/// Where and how a line breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The direction whose bytes are counted.
    pub toward: Toward,
    /// So many bytes pass; the break comes in place of the next one.
    pub after: u64,
    /// What happens then.
    pub how: Break,
    /// For how many connections, counted from when the line was set; none is for all.
    pub times: Option<u32>,
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toward {
    /// From client to server.
    Server,
    /// From server to client.
    Client,
}

/// A way to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// Both sides get a reset.
    Reset,
    /// Both sides get an end of stream.
    Close,
    /// Nothing passes any more in either direction, and nothing is closed, until another line is set.
    Silence,
    /// What follows in this direction is read and thrown away.
    Swallow,
}

impl Line {
    /// A line that breaks in every connection.
    pub fn cut(toward: Toward, after: u64, how: Break) -> Self {
        Self { cut: Some(Cut { toward, after, how, times: None }), ..Self::default() }
    }

    /// A line that breaks in the next connection that gets so far, and is whole afterwards.
    pub fn cut_once(toward: Toward, after: u64, how: Break) -> Self {
        Self { cut: Some(Cut { toward, after, how, times: Some(1) }), ..Self::default() }
    }
}

/// What passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections taken.
    pub connections: u64,
    /// Connections that are over.
    pub ended: u64,
    /// Cuts made.
    pub cuts: u64,
    /// Bytes passed to the server.
    pub to_server: u64,
    /// Bytes passed to the client.
    pub to_client: u64,
}

/// A proxy at work; it ends when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    line: watch::Sender<Setting>,
    traffic: watch::Receiver<Traffic>,
    _stopper: Stopper,
}

/// A line and what is left of its cut.
#[derive(Clone, Debug)]
struct Setting {
    /// Rises with every setting, from 1.
    number: u64,
    line: Line,
    cuts_left: Arc<AtomicU32>,
}

/// What all connections share.
#[derive(Clone, Debug)]
struct Shared {
    setting: watch::Receiver<Setting>,
    traffic: watch::Sender<Traffic>,
}

impl Proxy {
    /// Listens on a free loopback port and passes connections on to `upstream`.
    pub async fn start(upstream: SocketAddr, line: Line) -> Result<Self, Error> {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_on(listen, Reach::Loopback, upstream, line).await
    }

    /// Listens on `listen` and passes connections on to `upstream`.
    pub async fn start_on(listen: SocketAddr, reach: Reach, upstream: SocketAddr, line: Line) -> Result<Self, Error> {
        reach.check(listen)?;
        let listen_error = |source| Error::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let (line, setting) = watch::channel(Setting::new(1, line));
        let (sender, traffic) = watch::channel(Traffic::default());
        let (stopper, stop) = stop_pair();
        tokio::spawn(accept(listener, upstream, Shared { setting, traffic: sender }, stop));
        Ok(Self { address, line, traffic, _stopper: stopper })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how it behaves.
    pub fn set(&self, line: Line) {
        self.line.send_modify(|setting| *setting = Setting::new(setting.number + 1, line));
    }

    /// What passed so far.
    pub fn traffic(&self) -> Traffic {
        *self.traffic.borrow()
    }

    /// Returns what passed once it satisfies `wanted`.
    pub async fn until(&mut self, wanted: impl Fn(&Traffic) -> bool) -> Traffic {
        // The sender lives as long as the accepting task, which this value keeps running.
        self.traffic.wait_for(|traffic| wanted(traffic)).await.map_or_else(|_| Traffic::default(), |found| *found)
    }
}

impl Setting {
    fn new(number: u64, line: Line) -> Self {
        let times = line.cut.map_or(0, |cut| cut.times.unwrap_or(u32::MAX));
        Self { number, line, cuts_left: Arc::new(AtomicU32::new(times)) }
    }

    /// Bytes that may still pass in this direction; none when it has no cut.
    fn bytes_left(&self, toward: Toward, passed: u64) -> Option<u64> {
        let cut = self.line.cut.filter(|cut| cut.toward == toward)?;
        (self.cuts_left.load(Ordering::Relaxed) > 0).then(|| cut.after.saturating_sub(passed))
    }

    /// Uses up one cut and says how it is to be made, if any is left.
    fn take_cut(&self) -> Option<Break> {
        let less = |left: u32| if left == u32::MAX { Some(left) } else { left.checked_sub(1) };
        self.cuts_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).ok()?;
        self.line.cut.map(|cut| cut.how)
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, shared: Shared, mut stop: Stop) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = connections.join_next(), if !connections.is_empty() => continue,
            () = stop.stopped() => return,
        };
        let (Ok((client, _)), Ok(place)) = (accepted, Arc::clone(&places).try_acquire_owned()) else { continue };
        let shared = shared.clone();
        connections.spawn(async move {
            shared.traffic.send_modify(|traffic| traffic.connections += 1);
            pass(client, upstream, shared.clone()).await.ok(); // either side may break it; that is what it is for
            shared.traffic.send_modify(|traffic| traffic.ended += 1);
            drop(place);
        });
    }
}

/// Passes one connection until both directions are at their end, or one is broken.
async fn pass(client: TcpStream, upstream: SocketAddr, shared: Shared) -> io::Result<()> {
    let server = TcpStream::connect(upstream).await?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let silent_under = Arc::new(AtomicU64::new(0));
    let direction = |toward, from, to| Direction {
        toward,
        from,
        to,
        shared: shared.clone(),
        passed: 0,
        silent_under: Arc::clone(&silent_under),
        swallows_under: None,
    };
    let mut up = direction(Toward::Server, from_client, to_server);
    let mut down = direction(Toward::Client, from_server, to_client);
    let broken = {
        let (upward, downward) = (up.run(), down.run());
        tokio::pin!(upward, downward);
        tokio::select! {
            end = &mut upward => match end { Ok(()) => downward.await, broken => broken },
            end = &mut downward => match end { Ok(()) => upward.await, broken => broken },
        }
    };
    if matches!(broken, Err(Broken::Reset)) {
        for half in [up.to, down.to] {
            socket2::SockRef::from(half.as_ref()).set_linger(Some(Duration::ZERO))?;
            half.forget(); // dropping it would send an end of stream first
        }
    }
    Ok(())
}

/// Why a direction ended early.
enum Broken {
    /// Both sides are to get a reset.
    Reset,
    /// Both sides are to be closed.
    Closed,
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

struct Direction {
    toward: Toward,
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    shared: Shared,
    passed: u64,
    /// The setting under which both directions of this connection fell silent.
    silent_under: Arc<AtomicU64>,
    /// The setting under which this direction throws away what comes.
    swallows_under: Option<u64>,
}

impl Direction {
    async fn run(&mut self) -> Result<(), Broken> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = self.from.read(&mut chunk).await?;
            self.speak().await;
            if count == 0 {
                return Ok(self.to.shutdown().await?);
            }
            self.forward(chunk.get(..count).unwrap_or(&[])).await?;
        }
    }

    async fn forward(&mut self, mut bytes: &[u8]) -> Result<(), Broken> {
        while !bytes.is_empty() {
            let setting = self.shared.setting.borrow().clone();
            if self.swallows_under == Some(setting.number) {
                return Ok(());
            }
            let left = setting.bytes_left(self.toward, self.passed);
            if left == Some(0) {
                self.cut(&setting).await?;
                continue;
            }
            tokio::time::sleep(setting.line.delay).await;
            let left = left.and_then(|left| usize::try_from(left).ok()).unwrap_or(usize::MAX);
            let count = bytes.len().min(setting.line.slice.unwrap_or(usize::MAX).max(1)).min(left);
            let (now, later) = bytes.split_at_checked(count).unwrap_or((bytes, &[]));
            self.to.write_all(now).await?;
            self.count_passed(now.len());
            bytes = later;
        }
        Ok(())
    }

    /// Makes the cut, unless the other direction or another connection used it up.
    async fn cut(&mut self, setting: &Setting) -> Result<(), Broken> {
        let Some(how) = setting.take_cut() else { return Ok(()) };
        self.shared.traffic.send_modify(|traffic| traffic.cuts += 1);
        match how {
            Break::Reset => return Err(Broken::Reset),
            Break::Close => return Err(Broken::Closed),
            Break::Silence => {
                self.silent_under.store(setting.number, Ordering::Relaxed);
                self.speak().await;
            }
            Break::Swallow => self.swallows_under = Some(setting.number),
        }
        Ok(())
    }

    /// Waits while this connection is silent; another line ends that.
    async fn speak(&mut self) {
        let silent_under = Arc::clone(&self.silent_under);
        let speaks = |setting: &Setting| setting.number != silent_under.load(Ordering::Relaxed);
        // An error means that the proxy is gone, and with it this task.
        self.shared.setting.wait_for(speaks).await.ok();
    }

    fn count_passed(&mut self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.passed += count;
        self.shared.traffic.send_modify(|traffic| match self.toward {
            Toward::Server => traffic.to_server += count,
            Toward::Client => traffic.to_client += count,
        });
    }
}

#[cfg(test)]
mod tests;
