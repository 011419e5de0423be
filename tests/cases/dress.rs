//! The same message as other senders would write it.

use gurney::sim::random::SplitMix64;

use crate::play::below;

/// The same message from the sender who has a segment for rides: mode, destination and window are in it and nowhere else.
pub(crate) fn elsewhere(text: &str) -> String {
    let mut form = ["ZTR", "", "", "", ""];
    let mut kept = Vec::new();
    for segment in text.trim_end_matches('\r').split('\r') {
        let fields: Vec<&str> = segment.split('|').collect();
        let field = |number: usize| fields.get(number).copied().unwrap_or_default();
        match (field(0), field(3).split('^').next().unwrap_or_default()) {
            ("OBX", "TRMODE") => form[1] = field(5),
            ("OBX", "TRDEST") => form[2] = field(5),
            ("TQ1", _) => {
                (form[3], form[4]) = (field(7), field(8));
                kept.push(format!("TQ1|1||||||||{}", field(9)));
            }
            _ => kept.push(segment.to_owned()),
        }
    }
    let order = kept.iter().position(|segment| segment.starts_with("OBR|"));
    let Some(order) = order.filter(|_| form[1..].iter().any(|field| !field.is_empty())) else { return text.to_owned() };
    kept.insert(order + 1, form.join("|"));
    kept.join("\r") + "\r"
}

/// The same message with other encoding characters. The values of the scenarios have none of them.
pub(crate) fn redelimited(text: &str, random: &mut SplitMix64) -> String {
    let sets = [['#', '@', '!', '$', '%'], ['!', '*', '%', '$', '@'], ['*', '!', '@', '#', '$']];
    let set = sets[below(random, sets.len())];
    let old = ['|', '^', '~', '\\', '&'];
    let swap = |c: char| old.iter().position(|known| *known == c).map_or(c, |at| set[at]);
    assert!(!text.contains(set), "a value has a character that a variant separates with: {text}");
    text.chars().map(swap).collect()
}
