//! The folder actor: looks at a folder again and again, takes its files in and puts them away.
//!
//! Messages: [`Stop`] (reply when no file is under way). Mailbox: the default bound. The folder is looked at, not waited
//! for: a network share (SMB, NFS) reports no changes of others. Each look opens it anew, so a share that was mounted again
//! is found. File work runs on a thread for blocking calls, one piece at a time; a file server that does not answer costs
//! that thread and nothing else. A file that was taken and cannot be put away stops the link until it can: it would be
//! taken again and again. What is taken and how things are named is decided in `wire::folder`. File names may be about
//! patients, so none is logged.

use std::{
    collections::VecDeque,
    future::{Future, ready},
    io,
    pin::Pin,
    rc::Rc,
};

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use tokio::{
    sync::{Notify, watch},
    task::spawn_blocking,
    time::{sleep, timeout},
};

use self::files::{Ending, Folder, Found, Identity};
use super::intake::{Answered, Intake};
use crate::{
    hl7::{Index, Text, ack, batch::split_messages},
    settings::{FolderWatch, Taken},
    store::writer::Latch,
    telemetry::LinkSignal,
    units::{Timestamp, limits},
    wire::{
        Cause,
        folder::{Answer, Chooser, Entry, Refusal, Shelf},
    },
};

mod files;

/// Ends once the files under way have their answers and are put away.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// The actor.
pub struct FolderWatcher {
    shared: Rc<Shared>,
    stop: watch::Sender<bool>,
}

struct Shared {
    intake: Intake,
    settings: FolderWatch,
    ended: Notify,
}

impl FolderWatcher {
    /// Makes the actor of a folder.
    pub fn new(settings: FolderWatch, intake: Intake) -> Self {
        let shared = Shared { intake, settings, ended: Notify::new() };
        Self { shared: Rc::new(shared), stop: watch::Sender::new(false) }
    }
}

impl Actor for FolderWatcher {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let (shared, stopping) = (Rc::clone(&self.shared), self.stop.subscribe());
        actix_rt::spawn(async move {
            shared.run(stopping).await;
            shared.ended.notify_one();
        });
    }
}

impl Handler<Stop> for FolderWatcher {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Stop, _: &mut Self::Context) -> Self::Result {
        self.stop.send_replace(true);
        let shared = Rc::clone(&self.shared);
        Box::pin(async move { shared.ended.notified().await })
    }
}

/// What a round left to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// Nothing that cannot wait for the next look.
    Pause,
    /// The box stops.
    Stopping,
}

/// What lasts longer than a look.
struct Memory {
    chooser: Chooser,
    /// Whether the last look was good.
    was_up: Option<bool>,
    /// Files that were taken and could not be put away yet. Bounded by [`limits::FOLDER_FILES_AT_ONCE`].
    unfinished: Vec<Ending>,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("the folder cannot be used")]
    Folder(#[source] io::Error),
    #[error("a file that was taken cannot be put away")]
    PutAway(#[source] io::Error),
    #[error("the file server does not answer")]
    Silent,
}

impl Shared {
    async fn run(&self, mut stopping: watch::Receiver<bool>) {
        let settings = &self.settings;
        let chooser = Chooser::new(settings.order, settings.settle);
        let mut memory = Memory { chooser, was_up: None, unfinished: Vec::new() };
        while !*stopping.borrow() {
            match self.round(&mut memory, &stopping).await {
                Ok(Rest::Pause) => self.is_up(&mut memory),
                Ok(Rest::Stopping) => return,
                Err(lost) => self.is_down(&mut memory, &lost),
            }
            tokio::select! {
                _ = stopping.changed() => {}
                () = sleep(settings.every) => {}
            }
        }
    }

    fn is_up(&self, memory: &mut Memory) {
        let meter = self.intake.telemetry.link(self.intake.link);
        match memory.was_up.replace(true) {
            Some(true) => return,
            Some(false) => meter.tell(LinkSignal::Restored),
            None => meter.tell(LinkSignal::Up { at: &self.settings.path.display().to_string() }),
        }
        meter.connected();
    }

    fn is_down(&self, memory: &mut Memory, lost: &Lost) {
        let meter = self.intake.telemetry.link(self.intake.link);
        match memory.was_up.replace(false) {
            // It is told of once.
            Some(false) => return,
            Some(true) => meter.disconnected(),
            None => {}
        }
        meter.tell(LinkSignal::Down { cause: lost });
    }

    /// Looks once, and takes all that is complete.
    async fn round(&self, memory: &mut Memory, stopping: &watch::Receiver<bool>) -> Result<Rest, Lost> {
        self.finish(memory, Vec::new()).await?;
        let pattern = self.settings.pattern.clone();
        let entries = self.blocking(memory, move |folder| folder.list(&pattern)).await?;
        let mut chosen: VecDeque<Entry> = memory.chooser.choose(self.intake.clock.steady(), entries).into();
        self.is_up(memory);
        while !chosen.is_empty() {
            if *stopping.borrow() {
                return Ok(Rest::Stopping);
            }
            if !self.take_some(memory, &mut chosen).await? {
                break;
            }
        }
        Ok(Rest::Pause)
    }

    /// Takes the first of the chosen files, as many as may be under way at once. False where the next look has to come first.
    async fn take_some(&self, memory: &mut Memory, chosen: &mut VecDeque<Entry>) -> Result<bool, Lost> {
        let some = some(chosen);
        let most = self.intake.settings.frame_max.0;
        let found = self.blocking(memory, move |folder| read(folder, some, most)).await?;
        let (latch, mut index) = (Latch::default(), Index::default());
        let (mut endings, mut under_way, mut goes_on) = (Vec::new(), Vec::new(), true);
        for (name, found) in found {
            let file = |identity| File { name, identity, at: self.intake.clock.wall() };
            match found {
                // What stands behind it must not overtake it.
                Found::Later => {
                    goes_on = false;
                    break;
                }
                Found::Unfit(head, refusal, identity) => endings.push(self.refuse(file(identity), head, refusal)),
                Found::Whole(bytes, identity) if !self.has_message(&bytes) => {
                    endings.push(self.refuse(file(identity), bytes, Refusal::NoMessage));
                }
                Found::Whole(bytes, identity) => {
                    self.intake.telemetry.link(self.intake.link).bytes(bytes.len());
                    let (file, is_long) = (file(identity), self.intake.is_long(&bytes));
                    let mut answers: Answers = Box::pin(self.intake.take(bytes, &mut index, &latch));
                    if is_long {
                        // Not all of it is handed over yet, and what stands behind it must not overtake it.
                        answers = Box::pin(ready(answers.await));
                    }
                    under_way.push((file, answers));
                }
            }
        }
        for (file, answers) in under_way {
            match self.answered(file, answers.await) {
                Some(ending) => endings.push(ending),
                None => goes_on = false,
            }
        }
        self.finish(memory, endings).await?;
        Ok(goes_on)
    }

    /// Puts files away, and first those that could not be put away before.
    async fn finish(&self, memory: &mut Memory, endings: Vec<Ending>) -> Result<(), Lost> {
        memory.unfinished.extend(endings);
        if memory.unfinished.is_empty() {
            return Ok(());
        }
        let unfinished = memory.unfinished.clone();
        let (ended, failed) = self.blocking(memory, move |folder| Ok(end(folder, &unfinished))).await?;
        memory.unfinished.drain(..ended);
        failed.map_or(Ok(()), |error| Err(Lost::PutAway(error)))
    }

    fn has_message(&self, bytes: &[u8]) -> bool {
        !split_messages(Text::of(bytes, self.intake.flows.charset(self.intake.link)).bytes()).is_empty()
    }

    /// What becomes of a file that is not taken at all.
    fn refuse(&self, file: File, mut head: Vec<u8>, refusal: Refusal) -> Ending {
        let (cause, count) = match &refusal {
            Refusal::TooLarge { size, .. } => (Cause::Oversize, *size),
            _ => (Cause::Garbage, head.len() as u64),
        };
        let answer = (cause == Cause::Oversize).then(|| self.intake.oversize(&head)).flatten();
        head.truncate(limits::SKIPPED_BYTES_KEPT);
        self.intake.noise(cause, head, count);
        let acknowledgements = match answer {
            Some(Answered::Write(bytes)) => bytes,
            _ => Vec::new(),
        };
        file.ending(self.settings.taken, acknowledgements, Some(&refusal))
    }

    /// What becomes of a file whose messages were decided; `None` where it stays, to be taken again.
    fn answered(&self, file: File, answers: Vec<Answered>) -> Option<Ending> {
        let mut acknowledgements = Vec::new();
        for answer in answers {
            match answer {
                Answered::Write(bytes) | Answered::Send(bytes) => acknowledgements.extend(bytes),
                // There is no connection on which a later exchange could begin, so the settings ask for none.
                Answered::Silent | Answered::Later(_) => {}
                Answered::Close | Answered::Overdue => return None,
            }
        }
        let refused = refused(Text::of(&acknowledgements, self.intake.flows.charset(self.intake.link)).bytes());
        let refusal = (!refused.is_empty()).then_some(Refusal::Answered(refused));
        Some(file.ending(self.settings.taken, acknowledgements, refusal.as_ref()))
    }

    /// Does something with the files on a thread for blocking calls.
    async fn blocking<T: Send + 'static>(
        &self,
        memory: &mut Memory,
        work: impl FnOnce(&Folder) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Lost> {
        let path = self.settings.path.clone();
        let mut task = spawn_blocking(move || work(&Folder::open(&path)?));
        let done = match timeout(limits::FOLDER_TIMEOUT, &mut task).await {
            Ok(done) => done,
            Err(_) => {
                self.is_down(memory, &Lost::Silent);
                let mut stopping = self.intake.stopping.clone();
                tokio::select! {
                    done = task => done,
                    // A box that is gone stops too.
                    _ = stopping.wait_for(|stopping| *stopping) => return Err(Lost::Silent),
                }
            }
        };
        // A panic has ended the process by its hook.
        done.map_err(|_| Lost::Silent)?.map_err(Lost::Folder)
    }
}

type Answers = Pin<Box<dyn Future<Output = Vec<Answered>>>>;

/// A file that is under way.
struct File {
    name: Vec<u8>,
    identity: Identity,
    at: Timestamp,
}

impl File {
    fn ending(self, taken: Taken, acknowledgements: Vec<u8>, refusal: Option<&Refusal>) -> Ending {
        let Self { name, identity, at } = self;
        let shelf = if refusal.is_some() { Shelf::Error } else { Shelf::Done };
        let reasons = refusal.map(Refusal::describe).unwrap_or_default();
        Ending { name, identity, shelf, taken, at, acknowledgements, reasons }
    }
}

/// As many of the first files as may be under way at once, and at least one.
fn some(chosen: &mut VecDeque<Entry>) -> Vec<Entry> {
    let (mut some, mut bytes) = (Vec::new(), 0u64);
    while let Some(next) = chosen.front() {
        bytes = bytes.saturating_add(next.size);
        let is_full = some.len() >= limits::FOLDER_FILES_AT_ONCE || bytes > limits::FOLDER_BYTES_AT_ONCE;
        if is_full && !some.is_empty() {
            break;
        }
        some.extend(chosen.pop_front());
    }
    some
}

/// Reads files up to the first one that cannot be read now.
fn read(folder: &Folder, entries: Vec<Entry>, most: u64) -> io::Result<Vec<(Vec<u8>, Found)>> {
    let mut read = Vec::with_capacity(entries.len());
    for entry in entries {
        let found = folder.read(&entry, most)?;
        let is_last = matches!(found, Found::Later);
        read.push((entry.name, found));
        if is_last {
            break;
        }
    }
    Ok(read)
}

/// Puts files away up to the first one with which that fails.
fn end(folder: &Folder, endings: &[Ending]) -> (usize, Option<io::Error>) {
    for (ended, ending) in endings.iter().enumerate() {
        if let Err(error) = folder.end(ending) {
            return (ended, Some(error));
        }
    }
    (endings.len(), None)
}

/// The acknowledgements among `all` that accept nothing.
fn refused(all: &[u8]) -> Vec<Answer> {
    let mut refused = Vec::new();
    for (place, range) in split_messages(all).into_iter().enumerate() {
        let Ok(reply) = ack::read(all.get(range).unwrap_or_default()) else { continue };
        if let Some(code) = reply.code.filter(|code| !code.is_positive()) {
            let text = String::from_utf8_lossy(&reply.text).chars().filter(|letter| !letter.is_control()).collect();
            refused.push(Answer { number: place + 1, code: code.as_str(), text });
        }
    }
    refused
}
