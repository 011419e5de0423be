//! Orders: what a person tells the box to do with messages. Each is one transaction of the journal thread, together with its
//! audit entry (INV-11), and what it moves stays accounted for (INV-02).

use super::{
    State,
    look::known_flow,
    peer::Peer,
    protocol::{Done, Heap, Purpose, Refusal, RefusalKind, Report},
    show::entry_of,
};
use crate::{
    actors::journal::Do,
    flow::{Decision, Draft, Outcome, Route, RouteVerdict, Understood},
    hl7::Index,
    ids::JournalId,
    store::{
        Entry,
        listing::{self, AsideFound, MessageRow},
        reader,
        writer::{Order, OrderOutcome},
    },
    units::limits,
};

/// Hands an order to the journal thread.
pub(super) async fn order(state: &State, order: Order) -> Result<OrderOutcome, Refusal> {
    let now = state.web.clock.wall();
    let sent = state.journal.send(Do { order, now }).await;
    Ok(sent.map_err(|_| Refusal::new(RefusalKind::Busy, "the box stops; try again when it runs"))??)
}

/// Puts dead letters back into their queues, with the delivery key they had.
pub(super) async fn resend(state: &State, peer: &Peer, ids: &[i64], purpose: &Purpose) -> Result<Report, Refusal> {
    each(ids, purpose, async |id| {
        let found = entry_of(state, Heap::Dead, id).await?;
        let particulars = particulars(&found);
        let by = by_map(state, state.web.names.flow_index(found.flow).into_iter());
        let entry = peer.entry("resend", subject(&found), purpose, &format!("{particulars}{by}"));
        match order(state, Order::Resend { aside: id, entry }).await? {
            OrderOutcome::NotFound => Err(failed("its flow or its destination is no longer configured")),
            _ => Ok(format!("queued again for {}{by}", found.row.destination.unwrap_or_default())),
        }
    })
    .await
}

/// Drops entries from what was set aside. They stay counted, and in the journal until retention.
pub(super) async fn discard(
    state: &State,
    peer: &Peer,
    heap: Heap,
    ids: &[i64],
    purpose: &Purpose,
) -> Result<Report, Refusal> {
    each(ids, purpose, async |id| {
        let found = entry_of(state, heap, id).await?;
        let entry = peer.entry("discard", subject(&found), purpose, &particulars(&found));
        if found.row.job.is_some() {
            return decide(state, &found, Decision::Discard, entry).await;
        }
        match order(state, Order::Discard { aside: id, entry }).await? {
            OrderOutcome::NotFound => Err(failed("somebody else has dealt with it")),
            _ => Ok("dropped from the list; it stays counted and in the journal until retention".to_owned()),
        }
    })
    .await
}

/// Reads messages set aside again, with the flows and maps of today, and queues those that are now taken.
pub(super) async fn release(state: &State, peer: &Peer, ids: &[i64], purpose: &Purpose) -> Result<Report, Refusal> {
    each(ids, purpose, async |id| {
        let found = entry_of(state, Heap::Held, id).await?;
        let entry = |by: &str| peer.entry("release", subject(&found), purpose, &format!("{}{by}", particulars(&found)));
        if makes_jobs(state, &found) {
            let by = by_map(state, state.web.names.flow_index(found.flow).into_iter());
            return decide(state, &found, Decision::Release, entry(&by)).await;
        }
        let understood = read_again(state, &found).await?;
        let is_of_jobs = |route: &Route| matches!(route.verdict, RouteVerdict::Jobs { .. });
        if found.flow == state.web.names.unrouted && understood.routes.iter().any(is_of_jobs) {
            let by = by_map(state, understood.routes.iter().map(|route| route.flow));
            return decide(state, &found, Decision::Release, entry(&by)).await;
        }
        let drafts = drafts(state, &found, &understood)?;
        let by = by_map(state, drafts.iter().map(|draft| draft.flow));
        let entry = entry(&by);
        let to = names_of(state, &drafts);
        match order(state, Order::Release { aside: id, drafts, entry }).await? {
            OrderOutcome::NotFound => Err(failed("somebody else has dealt with it")),
            _ => Ok(format!("queued for {to}{by}")),
        }
    })
    .await
}

/// Whether an entry is about jobs, which only the journal thread can decide about.
fn makes_jobs(state: &State, found: &AsideFound) -> bool {
    let flow = state.web.names.flow_index(found.flow);
    found.row.job.is_some() || flow.is_some_and(|flow| state.flows.makes_jobs(flow))
}

/// Has a decision about a job, or about what a message asks of jobs, take effect.
async fn decide(state: &State, found: &AsideFound, decision: Decision, entry: Entry) -> Result<String, Refusal> {
    let understood = read_again(state, found).await?;
    let order_of = Order::Decide { aside: found.row.id, message: Box::new(understood), decision, entry };
    match order(state, order_of).await? {
        OrderOutcome::Decided { queued: true } => Ok("decided; the platform is told".to_owned()),
        OrderOutcome::Decided { queued: false } if decision == Decision::Discard => {
            Ok("called off; the platform had not been told of it".to_owned())
        }
        OrderOutcome::Decided { queued: false } => Ok("decided; there is nothing left to tell".to_owned()),
        OrderOutcome::Still { reason, detail } => Err(failed(format!("still set aside ({reason}): {detail}"))),
        _ => Err(failed("somebody else has dealt with it, or its flow is no longer configured")),
    }
}

/// Sends delivered messages again. The delivery key is the same as long as the map is, so that a platform which honours keys
/// does nothing twice. Of a message about jobs those jobs are told as they are now, under a key of its own: what was told
/// then may be long past.
pub(super) async fn repeat(
    state: &State,
    peer: &Peer,
    ids: &[i64],
    flow: Option<&str>,
    purpose: &Purpose,
) -> Result<Report, Refusal> {
    known_flow(state, flow)?;
    each(ids, purpose, async |id| {
        let message = state.web.reader.run(move |store| listing::message(store, id)).await?;
        let message = message.ok_or_else(|| gone(id))?;
        let flows = repeatable(&message, flow)?;
        let understood = understand(state, JournalId(id)).await?;
        let (with_jobs, others): (Vec<&String>, Vec<&String>) =
            flows.iter().partition(|flow| of_jobs(state, flow).is_some());
        let drafts =
            others.iter().map(|flow| draft_of(state, &understood, &message, flow)).collect::<Result<Vec<_>, _>>()?;
        let entry = |flow: &str| peer.entry("repeat", format!("message {id}"), purpose, &format!("flow {flow}"));
        let mut done = Vec::new();
        if !drafts.is_empty() {
            done.push(format!("queued again for {}", names_of(state, &drafts)));
        }
        for (draft, flow) in drafts.into_iter().zip(others) {
            order(state, Order::Repeat { journal: JournalId(id), draft, entry: entry(flow) }).await?;
        }
        let mut refused = Vec::new();
        for (name, flow) in with_jobs.into_iter().filter_map(|name| Some((name, of_jobs(state, name)?))) {
            let message = Box::new(understood.clone());
            let order_of = Order::TellAgain { journal: JournalId(id), message, flow, entry: entry(name) };
            match order(state, order_of).await? {
                OrderOutcome::Decided { .. } => done.push(format!("its jobs in {name} are told again as they are now")),
                OrderOutcome::Still { reason, detail } => {
                    refused.push(format!("not told again in {name} ({reason}): {detail}"));
                }
                _ => refused.push(format!("not told again in {name}: somebody else has dealt with it")),
            }
        }
        let text = [done.as_slice(), refused.as_slice()].concat().join("; ");
        if refused.is_empty() { Ok(text) } else { Err(failed(text)) }
    })
    .await
}

/// The flow of this name, if it is one that makes jobs.
fn of_jobs(state: &State, name: &str) -> Option<usize> {
    let flow = state.web.settings.flows.iter().position(|flow| flow.name.as_str() == name)?;
    state.flows.makes_jobs(flow).then_some(flow)
}

/// Carries an order out for each id, and reports what came of each.
async fn each(
    ids: &[i64],
    purpose: &Purpose,
    carry_out: impl AsyncFn(i64) -> Result<String, Refusal>,
) -> Result<Report, Refusal> {
    if let Some(fault) = purpose.fault() {
        return Err(Refusal::new(RefusalKind::BadRequest, fault));
    }
    if ids.len() > limits::LISTED_MAX {
        return Err(Refusal::new(RefusalKind::BadRequest, format!("at most {} at once", limits::LISTED_MAX)));
    }
    let mut results = Vec::with_capacity(ids.len());
    for &id in ids {
        results.push(match carry_out(id).await {
            Ok(note) => Done { id, done: true, note },
            // What was done so far must be told, so a refusal is never the whole answer.
            Err(refusal) => Done { id, done: false, note: refusal.message },
        });
    }
    let done = results.iter().filter(|result| result.done).count();
    Ok(Report { done, failed: results.len() - done, results })
}

fn failed(message: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::Failed, message)
}

fn gone(id: i64) -> Refusal {
    Refusal::new(RefusalKind::NotFound, format!("there is no message {id}, or retention has removed it"))
}

fn subject(found: &AsideFound) -> String {
    format!("{} {}", found.row.kind, found.row.id)
}

fn particulars(found: &AsideFound) -> String {
    let row = &found.row;
    format!("message {}, flow {}, {}", row.message, row.flow, row.reason)
}

/// The maps that these flows use now, for the record: `, by transport@2`.
fn by_map(state: &State, flows: impl Iterator<Item = usize>) -> String {
    let mut maps: Vec<String> = flows.filter_map(|flow| state.flows.map_of(flow)).map(|map| map.id()).collect();
    maps.dedup();
    if maps.is_empty() { String::new() } else { format!(", by {}", maps.join(" and ")) }
}

fn names_of(state: &State, drafts: &[Draft]) -> String {
    let name = |draft: &Draft| state.web.settings.destinations.get(draft.destination).map(|to| to.name.to_string());
    drafts.iter().filter_map(name).collect::<Vec<_>>().join(", ")
}

/// Reads a stored message as if it came now.
async fn understand(state: &State, id: JournalId) -> Result<Understood, Refusal> {
    let stored = state.web.reader.run(move |store| reader::message(store, id)).await?.ok_or_else(|| gone(id.0))?;
    let link = state.web.names.links.iter().position(|row| *row == stored.link);
    let link = link.ok_or_else(|| failed("its link is no longer configured"))?;
    Ok(state.flows.understand(link, stored.received_at, &stored.raw, &mut Index::default()))
}

/// A message set aside, as it is read now.
async fn read_again(state: &State, found: &AsideFound) -> Result<Understood, Refusal> {
    let understood = understand(state, JournalId(found.row.message)).await?;
    match &understood.fault {
        Some((fault, detail)) => Err(failed(format!("still not understood ({}): {detail}", fault.as_str()))),
        None => Ok(understood),
    }
}

/// The deliveries of a message set aside: those of its flow, or of every flow if none had taken it.
fn drafts(state: &State, found: &AsideFound, understood: &Understood) -> Result<Vec<Draft>, Refusal> {
    let own = state.web.names.flow_index(found.flow);
    if own.is_none() && found.flow != state.web.names.unrouted {
        return Err(failed(format!("its flow {} is no longer configured", found.row.flow)));
    }
    let routes = || understood.routes.iter().filter(|route| own.is_none_or(|own| route.flow == own));
    let drafts: Vec<Draft> = routes().filter_map(|route| draft(state, route)).collect();
    if drafts.is_empty() {
        return Err(failed(routes().next().map_or_else(
            || "no flow takes messages of this type from this link; change `on`, or discard it".to_owned(),
            |route| why_not(&route.verdict),
        )));
    }
    Ok(drafts)
}

fn draft(state: &State, route: &Route) -> Option<Draft> {
    // What is told of jobs depends on what is known of them: the journal thread decides it.
    let RouteVerdict::Deliver { ordering_key } = route.verdict else { return None };
    let flow = state.flows.flow(route.flow)?;
    Some(Draft { flow: route.flow, destination: flow.to, priority: flow.priority, ordering_key })
}

fn why_not(verdict: &RouteVerdict) -> String {
    match verdict {
        RouteVerdict::Deliver { .. } | RouteVerdict::Jobs { .. } => "it is taken".to_owned(),
        RouteVerdict::NotApplicable => "it is no business of its flow any more; discard it".to_owned(),
        RouteVerdict::Hold { reason, detail } => format!("still held ({reason}): {detail}"),
        RouteVerdict::Quarantine { reason, detail } => format!("still not understood ({reason}): {detail}"),
    }
}

/// The flows that delivered a message and do not wait to deliver it now.
fn repeatable(message: &MessageRow, flow: Option<&str>) -> Result<Vec<String>, Refusal> {
    let in_state = |outcome: Outcome| {
        let fates = message.fates.iter().filter(move |fate| fate.state == outcome.as_str());
        fates.filter(move |fate| flow.is_none_or(|flow| fate.flow == flow)).map(|fate| fate.flow.clone())
    };
    let waiting: Vec<String> = in_state(Outcome::Waiting).collect();
    let mut delivered: Vec<String> = in_state(Outcome::Delivered).filter(|flow| !waiting.contains(flow)).collect();
    delivered.sort();
    delivered.dedup();
    if !delivered.is_empty() {
        return Ok(delivered);
    }
    let aside = message.fates.iter().find_map(|fate| fate.aside.map(|id| (fate.state.as_str(), id)));
    Err(failed(match (waiting.is_empty(), aside) {
        (false, _) => "it waits for its delivery already".to_owned(),
        (true, Some(("dead_letter", id))) => format!("it is a dead letter; use `gurney dead resend {id}`"),
        (true, Some((_, id))) => format!("it was set aside; use `gurney held release {id}`"),
        (true, None) => "it was never delivered, or its receipt is gone".to_owned(),
    }))
}

fn draft_of(state: &State, understood: &Understood, message: &MessageRow, flow: &str) -> Result<Draft, Refusal> {
    let index = state.web.settings.flows.iter().position(|known| known.name.as_str() == flow);
    let index = index.ok_or_else(|| failed(format!("flow {flow} is no longer configured")))?;
    let route = understood.routes.iter().find(|route| route.flow == index);
    let route = route.ok_or_else(|| failed(format!("flow {flow} no longer takes messages of this type")))?;
    let draft = draft(state, route).ok_or_else(|| failed(why_not(&route.verdict)))?;
    let to = state.web.settings.destinations.get(draft.destination).map(|to| to.name.as_str());
    let went_there = |fate: &listing::Fate| fate.flow == flow && fate.destination.as_deref() == to;
    if message.fates.iter().any(went_there) {
        return Ok(draft);
    }
    Err(failed(format!("flow {flow} had another destination then; its delivery key would be another one")))
}
