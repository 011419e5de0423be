//! The journal actor: owns the writer thread.
//!
//! Messages: [`Accept`] (reply [`Answer`]), [`Settle`], [`Do`] (reply [`OrderOutcome`]), [`Keep`], [`Stop`]. Mailbox:
//! [`limits::JOURNAL_QUEUE_MAX`]. Handing over happens in the handler itself, so the order of messages is the order of
//! decisions; only waiting for the commit is asynchronous.

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use tokio::sync::oneshot;

use crate::{
    flow::{Answer, Fate, Understood},
    store::{
        self, Error,
        writer::{Latch, Order, OrderOutcome, Scrap, Settlement},
    },
    units::{Timestamp, limits},
};

/// Takes a message in.
#[derive(Debug, Message)]
#[rtype(result = "Answer")]
pub struct Accept {
    /// The message as it was understood.
    pub message: Understood,
    /// Its bytes.
    pub raw: Vec<u8>,
    /// Shared by the messages of one connection that must not overtake a refused one.
    pub latch: Latch,
    /// Hears of the end of the message's deliveries.
    pub settled: Option<oneshot::Sender<Fate>>,
}

/// Records what became of a delivery.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Error>")]
pub struct Settle(pub Settlement);

/// Carries out a person's order.
#[derive(Debug, Message)]
#[rtype(result = "Result<OrderOutcome, Error>")]
pub struct Do {
    /// The order.
    pub order: Order,
    /// When it was given.
    pub now: Timestamp,
}

/// Keeps bytes that were not a message.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Keep(pub Scrap);

/// Commits what waits and ends the writer thread.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Stop(pub Timestamp);

/// The actor.
#[derive(Debug)]
pub struct Journal {
    store: store::Journal,
}

impl Journal {
    /// Makes the actor around a running writer thread.
    pub const fn new(store: store::Journal) -> Self {
        Self { store }
    }
}

impl Actor for Journal {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(limits::JOURNAL_QUEUE_MAX);
    }
}

impl Handler<Accept> for Journal {
    type Result = ResponseFuture<Answer>;

    fn handle(&mut self, accept: Accept, _: &mut Self::Context) -> Self::Result {
        let answer = self.store.accept_and_tell(accept.message, accept.raw, accept.latch, accept.settled);
        Box::pin(async { answer.await.unwrap_or(Answer::Refused) })
    }
}

impl Handler<Settle> for Journal {
    type Result = Result<(), Error>;

    fn handle(&mut self, Settle(settlement): Settle, _: &mut Self::Context) -> Self::Result {
        self.store.settle(settlement)
    }
}

impl Handler<Do> for Journal {
    type Result = ResponseFuture<Result<OrderOutcome, Error>>;

    fn handle(&mut self, Do { order, now }: Do, _: &mut Self::Context) -> Self::Result {
        let outcome = self.store.order(order, now);
        Box::pin(async { outcome.await.unwrap_or(Err(Error::Stopped)) })
    }
}

impl Handler<Keep> for Journal {
    type Result = ();

    fn handle(&mut self, Keep(scrap): Keep, _: &mut Self::Context) {
        self.store.keep(scrap);
    }
}

impl Handler<Stop> for Journal {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Stop(now): Stop, _: &mut Self::Context) -> Self::Result {
        let done = self.store.stop(now);
        // A thread that ended already has nothing left to commit.
        Box::pin(async { done.await.unwrap_or(()) })
    }
}
