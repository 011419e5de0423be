//! The elements of the canonical event that every sender puts somewhere else.
//!
//! Maps ask for them by name (`element(mobility)`), dialects say where they stand, and [`Event`](super::Event) holds
//! what was said. The list is closed: an element that nothing reads would be a promise that nobody keeps.

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Element {
    /// What is ordered: a ride, equipment, a visit, an examination.
    Kind,
    /// Level of service.
    Level,
    /// How the patient travels.
    Mobility,
    /// How the ordered service itself lets the patient travel, where nothing else says so.
    ServiceMobility,
    /// The most that the ordered service can carry.
    Carries,
    /// Oxygen with its flow.
    Oxygen,
    /// That oxygen is needed.
    OxygenNeeded,
    /// Isolation and precautions.
    Isolation,
    /// Body weight.
    Weight,
    /// Body height.
    Height,
    /// That bariatric equipment is needed.
    Bariatric,
    /// That somebody rides along.
    Escort,
    /// That a ventilator is needed.
    Ventilator,
    /// That an infant's car seat is needed.
    CarSeat,
    /// The bed from where.
    Pickup,
    /// Where the patient is for now.
    TemporaryPlace,
    /// Where to.
    Destination,
    /// Begin of the window.
    Earliest,
    /// End of the window.
    Latest,
    /// When the discharge is expected.
    Expected,
    /// How urgent it is.
    Priority,
    /// Comments on the order, as free text.
    Comments,
    /// Comments on the transport, as codes with words.
    TransportComments,
    /// Who pays.
    Payer,
    /// That the payer agreed.
    Authorization,
    /// Who takes over at the other end.
    AcceptingPhysician,
    /// Which house takes over.
    AcceptingFacility,
    /// Whom to call about the order.
    ContactPhone,
    /// What the patient consented to.
    Consent,
    /// The physician's certification that the ride is needed (42 CFR 410.40).
    Certification,
}

impl Element {
    /// All elements.
    pub const ALL: [Self; 30] = [
        Self::Kind,
        Self::Level,
        Self::Mobility,
        Self::ServiceMobility,
        Self::Carries,
        Self::Oxygen,
        Self::OxygenNeeded,
        Self::Isolation,
        Self::Weight,
        Self::Height,
        Self::Bariatric,
        Self::Escort,
        Self::Ventilator,
        Self::CarSeat,
        Self::Pickup,
        Self::TemporaryPlace,
        Self::Destination,
        Self::Earliest,
        Self::Latest,
        Self::Expected,
        Self::Priority,
        Self::Comments,
        Self::TransportComments,
        Self::Payer,
        Self::Authorization,
        Self::AcceptingPhysician,
        Self::AcceptingFacility,
        Self::ContactPhone,
        Self::Consent,
        Self::Certification,
    ];

    /// Its name in maps and dialects.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Level => "level",
            Self::Mobility => "mobility",
            Self::ServiceMobility => "service-mobility",
            Self::Carries => "carries",
            Self::Oxygen => "oxygen",
            Self::OxygenNeeded => "oxygen-needed",
            Self::Isolation => "isolation",
            Self::Weight => "weight",
            Self::Height => "height",
            Self::Bariatric => "bariatric",
            Self::Escort => "escort",
            Self::Ventilator => "ventilator",
            Self::CarSeat => "car-seat",
            Self::Pickup => "pickup",
            Self::TemporaryPlace => "temporary-place",
            Self::Destination => "destination",
            Self::Earliest => "earliest",
            Self::Latest => "latest",
            Self::Expected => "expected",
            Self::Priority => "priority",
            Self::Comments => "comments",
            Self::TransportComments => "transport-comments",
            Self::Payer => "payer",
            Self::Authorization => "authorization",
            Self::AcceptingPhysician => "accepting-physician",
            Self::AcceptingFacility => "accepting-facility",
            Self::ContactPhone => "contact-phone",
            Self::Consent => "consent",
            Self::Certification => "certification",
        }
    }

    /// The element with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|element| element.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_element_once() {
        for (place, element) in Element::ALL.into_iter().enumerate() {
            assert_eq!(Element::named(element.as_str()), Some(element));
            assert!(!Element::ALL.into_iter().skip(place + 1).any(|other| other == element));
        }
    }
}
