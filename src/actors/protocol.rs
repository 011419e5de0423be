//! The protocol of each link, as its settings say: the one place where settings become a machine of `wire`.

use crate::{
    settings::{Content, Framing, Link, LinkWire},
    wire::{Bounds, Line, hllp, lis01, mllp, text},
};

/// Makes the machine of a link, for one stream after the other.
pub(super) fn line(link: &Link) -> Box<dyn Line> {
    let bounds = bounds(link);
    match &link.framing {
        Framing::Mllp(options) => Box::new(mllp::MllpLine::new(mllp::Options { bounds, ..*options })),
        Framing::Hllp(options) => Box::new(hllp::Hllp::new(hllp::Options { bounds, ..*options })),
        Framing::Lis01(options) => {
            // Only records say themselves where a message of theirs ends.
            let grouping = match link.content {
                Content::Lis02 => options.grouping,
                Content::Hl7 | Content::Text => lis01::Grouping::EndFrame,
            };
            Box::new(lis01::Lis01::new(lis01::Options { message_max: bounds.frame_max, grouping, ..*options }))
        }
        Framing::Line(options) => Box::new(text::TextLine::new(text::Options { bounds, ..options.clone() })),
    }
}

/// How a frame is bounded. On a serial line bytes follow one another, so a pause within a frame says that the rest is lost.
fn bounds(link: &Link) -> Bounds {
    let gap_max = match &link.wire {
        LinkWire::Serial(port) => Some(port.gap_max()),
        LinkWire::TerminalServer(server) => Some(server.gap),
        LinkWire::MllpServer(_) | LinkWire::MllpClient(_) | LinkWire::Folder(_) | LinkWire::Http(_) => None,
    };
    Bounds {
        frame_max: usize::try_from(link.frame_max.0).unwrap_or(usize::MAX),
        frame_timeout: link.frame_timeout,
        gap_max,
    }
}
