//! What a link's dialect makes of its messages, in the flow and again in the courier.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::*;
use crate::{
    flow::{Disposition, Facts, Outcome, decide},
    settings::{Known, Priority, read},
};

const SITE: &str = include_str!("../../../config/sites/loopback/gurney.toml");
const FILES: [(&str, &str); 2] = [
    ("tables.toml", include_str!("../../../config/dialects/examples/tables.toml")),
    ("harbor.toml", include_str!("../../../config/dialects/examples/harbor@1.toml")),
];
const RIDE: &[u8] = b"MSH|^~\\&|ORDERS|GH|GURNEY|GH|20261120093000||ORM^O01^ORM_O01|M1|P|2.5.1\r\
    PID|1||4711007^^^GH^MR||Quill^Ada||19410305|F\rPV1|1|I|3W^12^B^GH\rORC|NW|P1001^ORDERS\rOBR|1|||TRANSPORT^Patient transport^L\r\
    ZTR|1|WV|S|||||SUNRISE^Sunrise Skilled Nursing^L\r";

#[test]
fn reads_the_messages_of_a_link_by_its_dialect() {
    let registry = Arc::new(Registry::with(&FILES).unwrap());
    let further = |link: &str, dialect: &str| {
        format!(
            "[mllp.{link}]\nlisten = \"127.0.0.1:{}\"\n{dialect}\n[flow.{link}]\nfrom = \"{link}\"\non = [\"ORM^O01\"]\n\
             to = \"platform\"\nmapping = \"transport@1\"\npattern = \"event\"\ntarget = \"1 min\"\nowner = \"L\"\n\
             escalate = [\"l\"]\n",
            6700 + link.len()
        )
    };
    let text = format!("{SITE}\n{}{}", further("desk", "dialect = \"harbor@1\""), further("other", ""));
    let known = Known {
        maps: &[("transport", 1)],
        dialects: &[("standard", 1), ("harbor", 1)],
        ..Known::nothing(Timestamp(1_795_348_800_000))
    };
    let settings = read(&[("gurney.toml".to_owned(), text)], &known).unwrap_or_else(|faults| panic!("{faults}"));
    let settings = settings.settings;
    let flows = Flows::new(&settings, registry);
    let link = |name: &str| settings.links.iter().position(|link| link.name.as_str() == name).unwrap();
    let decided = |name: &str| {
        let understood = flows.understand(link(name), Timestamp(0), RIDE, &mut Index::default());
        let facts = Facts { room_for: Some(Priority::Routine), ..Facts::default() };
        let Disposition::Record(record) = decide(&understood, &facts, &flows) else { panic!("not recorded") };
        (record.outcomes[0].1, record.aside.first().map(|aside| aside.reason))
    };
    assert_eq!(decided("desk"), (Outcome::Waiting, None));
    assert_eq!(decided("other"), (Outcome::Held, Some("missing-field")));
    let rendered = |name| flows.render("transport@1", name, RIDE, Timestamp(0), [0; 32]);
    assert!(rendered(Some(link("desk"))).is_some());
    assert!(rendered(Some(link("other"))).is_none() && rendered(None).is_none());
}
