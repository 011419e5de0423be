//! One message, entry or scrap for people: masked, unless somebody says why it must not be.
//!
//! A look at patient data is noted in the audit chain before the data leaves.

use super::{
    State,
    orders::order,
    peer::Peer,
    protocol::{Heap, Purpose, Refusal, RefusalKind, ScrapShown, Shown},
};
use crate::{
    hl7::{
        Index, Message,
        show::{Layout, Masking, lay_out},
    },
    lis02,
    store::{listing, writer::Order},
    units::limits,
};

pub(super) async fn message(state: &State, peer: &Peer, id: i64, reveal: Option<Purpose>) -> Result<Shown, Refusal> {
    let found = state.web.reader.run(move |store| Ok((listing::message(store, id)?, listing::raw(store, id)?))).await?;
    let (Some(message), Some(raw)) = found else { return Err(gone(id)) };
    let masking = unmask(state, peer, format!("message {id}"), reveal).await?;
    Ok(shown(message, &raw, masking))
}

pub(super) async fn aside(
    state: &State,
    peer: &Peer,
    heap: Heap,
    id: i64,
    reveal: Option<Purpose>,
) -> Result<Shown, Refusal> {
    let row = entry_of(state, heap, id).await?.row;
    let of = row.message;
    let found = state
        .web
        .reader
        .run(move |store| Ok((listing::message(store, of)?, listing::raw(store, of)?, listing::response(store, id)?)));
    let (Some(message), Some(raw), response) = found.await? else { return Err(gone(of)) };
    let masking = unmask(state, peer, format!("{} {id} (message {of})", row.kind), reveal).await?;
    let mut shown = shown(message, &raw, masking);
    shown.response = (masking == Masking::Clear && !response.is_empty()).then(|| readable(&response));
    shown.aside = Some(row);
    Ok(shown)
}

pub(super) async fn scrap(state: &State, peer: &Peer, id: i64, reveal: Option<Purpose>) -> Result<ScrapShown, Refusal> {
    let found = state.web.reader.run(move |store| listing::scrap(store, id)).await?;
    let (scrap, bytes) =
        found.ok_or_else(|| Refusal::new(RefusalKind::NotFound, format!("there is no scrap {id}, or it made room")))?;
    let masking = unmask(state, peer, format!("scrap {id}"), reveal).await?;
    Ok(ScrapShown { scrap, raw: (masking == Masking::Clear).then(|| readable(&bytes)) })
}

/// An entry that was set aside, if it lies on this heap.
pub(super) async fn entry_of(state: &State, heap: Heap, id: i64) -> Result<listing::AsideFound, Refusal> {
    let missing = |more: &str| Refusal::new(RefusalKind::NotFound, format!("there is no such entry {id}{more}"));
    let found = state.web.reader.run(move |store| listing::aside(store, id)).await?.ok_or_else(|| missing(""))?;
    if heap.kinds().iter().any(|kind| kind.as_str() == found.row.kind) {
        return Ok(found);
    }
    Err(missing(match heap {
        Heap::Dead => " among the dead letters; see `gurney held list`",
        Heap::Held => " among the held messages; see `gurney dead list`",
    }))
}

fn gone(id: i64) -> Refusal {
    Refusal::new(RefusalKind::NotFound, format!("there is no message {id}, or retention has removed it"))
}

pub(super) async fn unmask(
    state: &State,
    peer: &Peer,
    subject: String,
    reveal: Option<Purpose>,
) -> Result<Masking, Refusal> {
    let Some(purpose) = reveal else { return Ok(Masking::Masked) };
    if let Some(fault) = purpose.fault() {
        return Err(Refusal::new(RefusalKind::BadRequest, fault));
    }
    order(state, Order::Audit(peer.entry("reveal", subject, &purpose, ""))).await?;
    Ok(Masking::Clear)
}

fn shown(message: listing::MessageRow, raw: &[u8], masking: Masking) -> Shown {
    let mut shown = Shown {
        message,
        aside: None,
        revealed: masking == Masking::Clear,
        layout: None,
        fault: None,
        raw: None,
        response: None,
    };
    match (Index::of(raw), lis02::Message::parse(raw)) {
        (Ok(index), _) => shown.layout = Some(shortened(lay_out(&Message::new(raw, &index), masking, None))),
        (Err(_), Ok(records)) => shown.layout = Some(shortened(lis02::lay_out(&records, masking, None))),
        (Err(error), Err(_)) => {
            shown.fault = Some(error.to_string());
            shown.raw = (masking == Masking::Clear).then(|| readable(raw));
        }
    }
    shown
}

/// Long values, such as documents, are cut, so that a message of any size can be shown.
pub(super) fn shortened(mut layout: Layout) -> Layout {
    for field in layout.segments.iter_mut().flat_map(|segment| &mut segment.fields) {
        let components = field.components.iter_mut().map(|component| &mut component.value);
        for value in std::iter::once(&mut field.value).chain(components) {
            if let Some((at, _)) = value.char_indices().nth(limits::SHOWN_CHARACTERS_MAX) {
                let hidden = value.chars().count() - limits::SHOWN_CHARACTERS_MAX;
                value.truncate(at);
                *value += &format!("... and {hidden} more");
            }
        }
    }
    layout
}

/// The beginning of bytes as printable ASCII, the rest as escapes: shows what a line really carried.
fn readable(bytes: &[u8]) -> String {
    let mut text: String = bytes
        .iter()
        .take(limits::SHOWN_CHARACTERS_MAX)
        .map(|byte| match byte {
            b'\\' => "\\\\".to_owned(),
            b' '..=b'~' => char::from(*byte).to_string(),
            other => format!("\\x{other:02x}"),
        })
        .collect();
    if bytes.len() > limits::SHOWN_CHARACTERS_MAX {
        text += &format!("... and {} more bytes", bytes.len() - limits::SHOWN_CHARACTERS_MAX);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_bytes_readable_without_losing_any() {
        assert_eq!(readable(b"\x0bMSH|^~\\&\r\xff"), "\\x0bMSH|^~\\\\&\\x0d\\xff");
        assert!(readable(&[b'a'; 5000]).ends_with("... and 904 more bytes"));
    }
}
