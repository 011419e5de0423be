//! LIS01-A2 (CLSI, 2nd edition), the data link of ASTM E1381: laboratory instruments and their hosts, in both roles.
//!
//! ```text
//! sender    ENQ        frame 1        frame 2  …       frame n                        EOT
//! receiver       ACK            ACK            ACK              (commit)  ACK
//! phase     establishment      transfer                                      termination
//! ```
//!
//! Stop and wait, one direction at a time. The layout of a frame stands in `frame`, all times in [`Timers`].
//!
//! **When a message is taken.** A message goes from its H record to its L record ([`Grouping::Records`]). Frames
//! before the one that completes it are acknowledged at once; they promise nothing, since the sender repeats the
//! whole message unless the last one is acknowledged, too. The acknowledgement of the completing frame waits for
//! [`Line::answer`] (INV-01); [`Answer::Refused`] is NAK, so the device sends that frame again. A repeat of the frame
//! while its answer is due is counted and gets that one answer. If the sender gives up waiting (EOT), the answer goes
//! nowhere: it will repeat the message, and the journal knows repeats.
//!
//! **A session that ends without an L record.** After a NAK of ours, after bytes that may have been a frame we did not
//! see, or with ENQ instead of EOT, the sender knows that it has to repeat everything: [`Cause::Abandoned`]. Inside a
//! text that was to be continued: [`Cause::Partial`]. Otherwise whole records were acknowledged and the sender may think
//! it is done, so they are handed over as a frame, followed by
//! [`Cause::Unterminated`]; if they are refused, they are offered again every [`Timers::busy`] and new sessions get
//! NAK until they are taken. Silence of [`Timers::receiver`] drops the message ([`Cause::Timeout`]), as the standard
//! says. Dropped text is in the event as a whole, so that a person can look at it.
//!
//! **Which frame is taken.** The next number, or the last one again with the same content (acknowledged again, not
//! taken). The last number with other content is refused: a device that does not count would lose data otherwise.
//! CR and LF must end the frame; a control character inside spoils it. Since STX is not summed and one wrong bit or two
//! make EOT or ENQ of it, these are believed inside a message, and ENQ without EOT anywhere, when [`Timers::gap`] of
//! silence follows. Noise outside frames is never answered, since
//! an answer too many is taken for that of the next frame.
//!
//! **Our own messages.** Six refusals of one frame end in EOT and [`Unsent::Refused`], no reply in EOT and
//! [`Unsent::NoAnswer`]. The machine then forgets the message: who gave it has it stored and gives it again, from its
//! first frame, at a pace of its own; nothing is begun for [`Timers::busy`] after an abort in any case. Each session
//! carries one message. EOT in place of ACK is an acknowledgement; the message under way is completed, which the
//! standard allows, and then the line is left to the peer for [`Timers::interrupted`] or until it has sent.
//!
//! Bounds: one message of [`Options::message_max`], kept twice while its answer is due; the last frame; what was given
//! to send. Does not look into records beyond their first letter.

use std::{collections::VecDeque, time::Duration};

use super::{Answer, Cause, Event, Happening, Line, LineFault, Unsent};
use crate::units::{Timestamp, limits};

mod assembly;
mod frame;
mod receiver;
mod scan;
mod sender;
#[cfg(test)]
mod tests;

use assembly::Assembly;
use frame::{ENQ, EOT};
use receiver::{Due, Orphan, Reception, Said};
use scan::Scanner;
use sender::{Outgoing, Transfer};

/// Which end of the line this is. It decides who gives way when both begin at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The computer system: gives way.
    Host,
    /// The instrument: tries again first.
    Instrument,
}

/// What makes a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Records from H to L, one record per text of ours.
    Records,
    /// Each text, from its first frame to the one that ends in ETX.
    EndFrame,
}

/// Whether a sender is asked to stop while we have something to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// Never: we wait for its EOT. The default, since many devices take EOT for a fault.
    Never,
    /// By EOT in place of the ACK of a message's last frame, so that no message is cut.
    BetweenMessages,
}

/// The times of the standard, which devices vary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// For the reply to ENQ; then EOT.
    pub establishment: Duration,
    /// After NAK to ENQ, before the next ENQ; also after an abort.
    pub busy: Duration,
    /// After a collision, before an instrument sends ENQ again.
    pub contention_instrument: Duration,
    /// After a collision, before a host may send ENQ again if the instrument does not.
    pub contention_host: Duration,
    /// For the reply to a frame; then EOT.
    pub reply: Duration,
    /// For the next frame or EOT; then the message is dropped.
    pub receiver: Duration,
    /// After EOT in place of ACK, before the next ENQ.
    pub interrupted: Duration,
    /// Silence inside a frame after which it is refused, and behind EOT or ENQ inside a message after which they are
    /// believed. Not of the standard: without it, a frame whose end was damaged costs the whole message.
    pub gap: Duration,
}

impl Timers {
    /// LIS01-A2 sections 6.2 to 6.5.
    pub const STANDARD: Self = Self {
        establishment: Duration::from_secs(15),
        busy: Duration::from_secs(10),
        contention_instrument: Duration::from_secs(1),
        contention_host: Duration::from_secs(20),
        reply: Duration::from_secs(15),
        receiver: Duration::from_secs(30),
        interrupted: Duration::from_secs(15),
        gap: Duration::from_secs(2),
    };
}

/// How one end of a line behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which end it is.
    pub role: Role,
    /// Its times.
    pub timers: Timers,
    /// How often a frame, or ENQ that is answered by NAK, is sent before it is given up.
    pub tries: u32,
    /// Largest text of a frame that is sent: 240 of old, up to [`limits::LIS01_FRAME_TEXT_MAX`]. Frames of any of
    /// these sizes are taken.
    pub frame_text_max: usize,
    /// Largest message that is taken.
    pub message_max: usize,
    /// What makes a message.
    pub grouping: Grouping,
    /// Whether a sender is asked to stop.
    pub interrupt: Interrupt,
}

impl Options {
    /// As the standard says, with frames that every device takes.
    pub const fn new(role: Role, message_max: usize) -> Self {
        Self {
            role,
            timers: Timers::STANDARD,
            tries: limits::LIS01_TRIES,
            frame_text_max: limits::LIS01_FRAME_TEXT_DEFAULT,
            message_max,
            grouping: Grouping::Records,
            interrupt: Interrupt::Never,
        }
    }
}

/// What the line is doing.
#[derive(Debug)]
enum Phase {
    /// Nobody sends.
    Neutral,
    /// ENQ came while an answer was due; it is answered with that: what was said so far.
    Held(Said),
    /// The peer sends.
    Receiving(Reception),
    /// We sent ENQ.
    Asking { until: Timestamp },
    /// We send.
    Sending(Transfer),
}

/// One end of a line.
///
/// ```
/// use gurney::{units::Timestamp, wire::{Answer, Event, Line as _, lis01::{Lis01, Options, Role}}};
///
/// let (mut host, now) = (Lis01::new(Options::new(Role::Host, 1 << 20)), Timestamp(0));
/// host.receive(now, b"\x05");
/// assert_eq!(host.transmit(), b"\x06");
/// host.receive(now, b"\x021H|\\^&\rL|1|N\r\x03B5\r\n");
/// assert_eq!(host.transmit(), b"", "not before the commit");
/// assert_eq!(host.next(), Some(Event::Frame(b"H|\\^&\rL|1|N\r".to_vec())));
/// host.answer(now, Answer::Taken(Vec::new()));
/// assert_eq!(host.transmit(), b"\x06");
/// ```
#[derive(Debug)]
pub struct Lis01 {
    options: Options,
    phase: Phase,
    scanner: Scanner,
    /// When the silence inside the frame that is under way is too long.
    gap_until: Option<Timestamp>,
    assembly: Assembly,
    /// What the answers that are due are for, in order.
    due: VecDeque<Due>,
    /// Acknowledged text that the shell refused.
    orphan: Option<Orphan>,
    outgoing: VecDeque<Outgoing>,
    /// How often ENQ was refused for the oldest of them.
    asked: u32,
    /// We do not begin before.
    pause_until: Option<Timestamp>,
    /// Whether the pause is to let the peer send, so that it ends when it has.
    pause: Pause,
    aborts: VecDeque<Timestamp>,
    events: VecDeque<Event>,
    out: Vec<u8>,
}

/// What we wait for before we begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// The time.
    Fixed,
    /// The time, or a session of the peer.
    PeerFirst,
}

impl Lis01 {
    /// Makes an end of a line on which nobody sends.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            phase: Phase::Neutral,
            scanner: Scanner::new(),
            gap_until: None,
            assembly: Assembly::new(options.grouping, options.message_max),
            due: VecDeque::new(),
            orphan: None,
            outgoing: VecDeque::new(),
            asked: 0,
            pause_until: None,
            pause: Pause::Fixed,
            aborts: VecDeque::new(),
            events: VecDeque::new(),
            out: Vec::new(),
        }
    }

    fn count(&mut self, happening: Happening) {
        self.events.push_back(Event::Count(happening));
    }

    fn noise(&mut self, cause: Cause, bytes: Vec<u8>) {
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.events.push_back(Event::Noise { cause, bytes, count });
    }

    /// Nobody begins before `now` plus `length`.
    fn rest(&mut self, now: Timestamp, length: Duration, pause: Pause) {
        self.pause_until = Some(now.plus(length));
        self.pause = pause;
    }

    /// A message was given up half-way; several of them soon after each other are worth a person's time.
    fn aborted(&mut self, now: Timestamp) {
        self.aborts.retain(|at| now.since(*at) < limits::LIS01_ABORTS_WITHIN);
        self.aborts.push_back(now);
        if self.aborts.len() >= limits::LIS01_ABORTS {
            self.aborts.clear();
            self.count(Happening::AbortedOften);
        }
    }

    fn take(&mut self, now: Timestamp, byte: u8, fault: Option<Cause>) {
        match self.phase {
            Phase::Neutral | Phase::Held(_) => self.take_idle(now, byte, fault),
            Phase::Receiving(_) => self.take_receiving(now, byte, fault),
            Phase::Asking { .. } | Phase::Sending(_) => self.take_reply(now, byte, fault),
        }
    }

    /// Between sessions only ENQ means something; EOT ends what has ended already.
    fn take_idle(&mut self, now: Timestamp, byte: u8, fault: Option<Cause>) {
        match byte {
            ENQ if fault.is_none() => self.enquired(now),
            EOT if fault.is_none() => self.phase = Phase::Neutral,
            _ => self.scanner.skip(byte, &mut self.events),
        }
    }
}

impl Line for Lis01 {
    fn receive(&mut self, now: Timestamp, bytes: &[u8]) {
        for byte in bytes {
            self.take(now, *byte, None);
        }
        self.gap_until = self.awaits_silence().then(|| now.plus(self.options.timers.gap));
        self.begin(now);
    }

    fn damaged(&mut self, now: Timestamp, fault: LineFault) {
        self.take(now, 0, Some(fault.cause()));
        self.gap_until = self.awaits_silence().then(|| now.plus(self.options.timers.gap));
    }

    fn tick(&mut self, now: Timestamp) {
        if self.gap_until.is_some_and(|at| at <= now) {
            self.gap_until = None;
            self.silent(now);
        }
        let is_over = self.phase_deadline().is_some_and(|at| at <= now);
        match self.phase {
            Phase::Receiving(_) if is_over => self.waited_for_frame(now),
            Phase::Asking { .. } | Phase::Sending(_) if is_over => self.waited_for_reply(now),
            _ => {}
        }
        if self.pause_until.is_some_and(|at| at <= now) {
            self.pause_until = None;
        }
        self.offer_again(now);
        self.begin(now);
    }

    fn deadline(&self) -> Option<Timestamp> {
        let pause = self.pause_until.filter(|_| matches!(self.phase, Phase::Neutral) && !self.outgoing.is_empty());
        let orphan = self.orphan.as_ref().map(|orphan| orphan.again_at);
        [self.gap_until, self.phase_deadline(), pause, orphan].into_iter().flatten().min()
    }

    fn next(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn answer(&mut self, now: Timestamp, answer: Answer) {
        self.answered(now, answer);
        self.begin(now);
    }

    fn send(&mut self, now: Timestamp, payload: Vec<u8>) {
        self.outgoing.push_back(Outgoing::from_shell(payload));
        self.begin(now);
    }

    fn transmit(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn is_busy(&self) -> bool {
        !matches!(self.phase, Phase::Neutral) || !self.due.is_empty() || !self.outgoing.is_empty()
    }

    fn end(&mut self, now: Timestamp) {
        self.cut_off(now);
        self.scanner.report(&mut self.events);
        self.gap_until = None;
        self.phase = Phase::Neutral;
        self.pause_until = None;
        self.asked = 0;
        self.out.clear();
        for message in std::mem::take(&mut self.outgoing) {
            self.events.extend(message.is_told().then_some(Event::Unsent(Unsent::Ended)));
        }
    }
}
