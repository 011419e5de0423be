//! The body of a request: read whole, within the link's bound, within its time, and within what all bodies together may
//! have of memory.

use std::{cell::Cell, rc::Rc, time::Duration};

use actix_http::Payload;
use futures_util::StreamExt as _;
use tokio::{sync::watch, time::timeout};

use crate::wire::hl7_over_http::Refusal;

/// Bytes of bodies that may be in memory at once.
#[derive(Clone, Debug)]
pub(super) struct Room(Rc<Cell<usize>>);

/// A part of the room, given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    room: Room,
    bytes: usize,
}

impl Room {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Rc::new(Cell::new(bytes)))
    }

    /// An empty share.
    pub(super) fn share(&self) -> Share {
        Share { room: self.clone(), bytes: 0 }
    }
}

impl Share {
    /// Takes so many bytes more, if they are there.
    fn grow(&mut self, by: usize) -> Result<(), Refusal> {
        let left = self.room.0.get().checked_sub(by).ok_or(Refusal::TooMuch)?;
        self.room.0.set(left);
        self.bytes += by;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.0.set(self.room.0.get() + self.bytes);
    }
}

/// Reads a body of at most `most` bytes within `time`, as long as the box does not stop.
pub(super) async fn read(
    payload: Payload,
    most: usize,
    time: Duration,
    share: &mut Share,
    mut stopping: watch::Receiver<bool>,
) -> Result<Vec<u8>, Refusal> {
    tokio::select! {
        read = timeout(time, collect(payload, most, share)) => read.unwrap_or(Err(Refusal::Late)),
        // A box that is gone stops too.
        _ = stopping.wait_for(|stopping| *stopping) => Err(Refusal::NotStored),
    }
}

async fn collect(mut payload: Payload, most: usize, share: &mut Share) -> Result<Vec<u8>, Refusal> {
    let mut body = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Refusal::Incomplete)?;
        if body.len() + chunk.len() > most {
            return Err(Refusal::TooLarge);
        }
        share.grow(chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_room_back() {
        let room = Room::new(10);
        let mut first = room.share();
        assert_eq!(first.grow(8), Ok(()));
        let mut second = room.share();
        assert_eq!((second.grow(3), second.grow(2)), (Err(Refusal::TooMuch), Ok(())));
        drop(first);
        assert_eq!(second.grow(8), Ok(()));
        drop(second);
        assert_eq!(room.0.get(), 10);
    }
}
