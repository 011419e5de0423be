//! The records of a message as a tree: patients, their orders, the orders' results, and the comments of each.

use super::{Kind, Message, Record};

/// A patient and the orders behind it.
#[derive(Debug)]
pub(super) struct Patient<'m, 'a> {
    pub(super) record: &'m Record<'a>,
    pub(super) notes: Vec<&'m Record<'a>>,
    pub(super) orders: Vec<Order<'m, 'a>>,
}

/// An order and the results behind it.
#[derive(Debug)]
pub(super) struct Order<'m, 'a> {
    pub(super) record: &'m Record<'a>,
    pub(super) notes: Vec<&'m Record<'a>>,
    pub(super) results: Vec<Result<'m, 'a>>,
}

/// A result.
#[derive(Debug)]
pub(super) struct Result<'m, 'a> {
    pub(super) record: &'m Record<'a>,
    pub(super) notes: Vec<&'m Record<'a>>,
}

/// What a comment is about.
enum About {
    Message,
    Patient,
    Order,
    Result,
    /// Something that is not carried over.
    Other,
}

/// The patients of a message, and the comments on the message itself.
pub(super) fn patients<'m, 'a>(message: &'m Message<'a>) -> (Vec<&'m Record<'a>>, Vec<Patient<'m, 'a>>) {
    let (mut notes, mut patients) = (Vec::new(), Vec::<Patient<'_, '_>>::new());
    let mut about = About::Message;
    for record in message.records() {
        about = match record.kind() {
            Kind::Patient => {
                patients.push(Patient { record, notes: Vec::new(), orders: Vec::new() });
                About::Patient
            }
            Kind::Order => {
                if let Some(patient) = patients.last_mut() {
                    patient.orders.push(Order { record, notes: Vec::new(), results: Vec::new() });
                }
                About::Order
            }
            Kind::Result => {
                if let Some(order) = last_order(&mut patients) {
                    order.results.push(Result { record, notes: Vec::new() });
                }
                About::Result
            }
            Kind::Comment => {
                let list = match about {
                    About::Message => Some(&mut notes),
                    About::Patient => patients.last_mut().map(|patient| &mut patient.notes),
                    About::Order => last_order(&mut patients).map(|order| &mut order.notes),
                    About::Result => last_order(&mut patients)
                        .and_then(|order| order.results.last_mut())
                        .map(|result| &mut result.notes),
                    About::Other => None,
                };
                list.into_iter().for_each(|list| list.push(record));
                about
            }
            Kind::Header => About::Message,
            Kind::Request | Kind::Manufacturer | Kind::Scientific | Kind::Terminator => About::Other,
        };
    }
    (notes, patients)
}

fn last_order<'p, 'm, 'a>(patients: &'p mut [Patient<'m, 'a>]) -> Option<&'p mut Order<'m, 'a>> {
    patients.last_mut()?.orders.last_mut()
}
