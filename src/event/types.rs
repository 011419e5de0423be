//! HL7 v2 data types that hold identities, names, places and codes (HL7 v2.5.1 chapter 2A), as owned text.
//!
//! Each `read` takes one repetition of a field, unescaped and decoded, and gives nothing where the type's leading
//! parts are empty or null. Deprecated shapes are read too: a name or street without subcomponents, a phone number
//! as one string. These types hold patient data and so have no `Debug`; an event wraps them in `Phi`.

use crate::hl7::{Charset, Repetition, Value};

/// An assigning authority or application (HD, or the tail of EI).
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Authority {
    /// Namespace id.
    pub namespace: String,
    /// Universal id.
    pub universal: String,
    /// Type of the universal id, such as `ISO`.
    pub universal_kind: String,
}

impl Authority {
    /// Whether nothing is known.
    pub const fn is_empty(&self) -> bool {
        self.namespace.is_empty() && self.universal.is_empty()
    }

    /// Its shortest unambiguous name: the namespace, or else the universal id.
    pub fn name(&self) -> &str {
        if self.namespace.is_empty() { &self.universal } else { &self.namespace }
    }
}

/// An identifier with its authority (CX, EI, or the head of XCN).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identifier {
    /// The identifier.
    pub value: String,
    /// Who assigned it.
    pub authority: Authority,
    /// Its type, such as `MR`; empty in EI.
    pub kind: String,
}

impl Identifier {
    /// Reads a CX.
    pub fn read_cx(from: &Repetition<'_>, charset: &Charset) -> Option<Self> {
        let value = part(from, 1, charset)?;
        let authority = hierarchic(from, 4, charset);
        Some(Self { value, authority, kind: part(from, 5, charset).unwrap_or_default() })
    }

    /// Reads an EI.
    pub fn read_ei(from: &Repetition<'_>, charset: &Charset) -> Option<Self> {
        let value = part(from, 1, charset)?;
        let authority = Authority {
            namespace: part(from, 2, charset).unwrap_or_default(),
            universal: part(from, 3, charset).unwrap_or_default(),
            universal_kind: part(from, 4, charset).unwrap_or_default(),
        };
        Some(Self { value, authority, kind: String::new() })
    }

    /// Reads the identifier of an XCN.
    pub fn read_xcn(from: &Repetition<'_>, charset: &Charset) -> Option<Self> {
        let value = part(from, 1, charset)?;
        let authority = hierarchic(from, 9, charset);
        Some(Self { value, authority, kind: part(from, 13, charset).unwrap_or_default() })
    }
}

/// Reads a field of type HD.
pub fn read_authority(from: &Repetition<'_>, charset: &Charset) -> Option<Authority> {
    let authority = Authority {
        namespace: part(from, 1, charset).unwrap_or_default(),
        universal: part(from, 2, charset).unwrap_or_default(),
        universal_kind: part(from, 3, charset).unwrap_or_default(),
    };
    (!authority.is_empty()).then_some(authority)
}

/// The name of a person (XPN, or the name in an XCN).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PersonName {
    /// Family name.
    pub family: String,
    /// Given name.
    pub given: String,
    /// Further given names or initials.
    pub second: String,
    /// Suffix, such as `JR`.
    pub suffix: String,
    /// Prefix, such as `DR`.
    pub prefix: String,
    /// Name type (table 0200); empty in an XCN.
    pub kind: String,
}

impl PersonName {
    /// Reads an XPN.
    pub fn read_xpn(from: &Repetition<'_>, charset: &Charset) -> Option<Self> {
        Self::read(from, 1, 7, charset)
    }

    /// Reads the name of an XCN.
    pub fn read_xcn(from: &Repetition<'_>, charset: &Charset) -> Option<Self> {
        Self::read(from, 2, 10, charset)
    }

    fn read(from: &Repetition<'_>, first: usize, kind: usize, charset: &Charset) -> Option<Self> {
        let at = |number: usize| part(from, number, charset).unwrap_or_default();
        let name = Self {
            family: at(first),
            given: at(first + 1),
            second: at(first + 2),
            suffix: at(first + 3),
            prefix: at(first + 4),
            kind: at(kind),
        };
        (!name.family.is_empty() || !name.given.is_empty()).then_some(name)
    }
}

/// A place inside a hospital (PL).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// Point of care: ward, clinic.
    pub point_of_care: String,
    /// Room.
    pub room: String,
    /// Bed.
    pub bed: String,
    /// Facility.
    pub facility: String,
    /// Building.
    pub building: String,
    /// Floor.
    pub floor: String,
    /// Description in words.
    pub description: String,
}

impl Place {
    /// Reads a PL.
    pub fn read(from: &Repetition<'_>, charset: &Charset) -> Option<Self> {
        let at = |number: usize| part(from, number, charset).unwrap_or_default();
        let place = Self {
            point_of_care: at(1),
            room: at(2),
            bed: at(3),
            facility: at(4),
            building: at(7),
            floor: at(8),
            description: at(9),
        };
        let said =
            [&place.point_of_care, &place.room, &place.bed, &place.facility, &place.building, &place.description];
        said.iter().any(|text| !text.is_empty()).then_some(place)
    }
}

/// A place as an order names it: by a code, by words, inside the hospital, or by an address.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct NamedPlace {
    /// The code; empty where it has none.
    pub code: String,
    /// Its words in one line.
    pub text: String,
    /// Where it is in a hospital, where that was said.
    pub place: Option<Place>,
    /// Its address, where that was said.
    pub address: Option<Address>,
}

/// A postal address (XAD or AD).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// Street and number.
    pub street: String,
    /// Second line.
    pub other: String,
    /// City.
    pub city: String,
    /// State or province.
    pub state: String,
    /// Postal code.
    pub postal_code: String,
    /// Country.
    pub country: String,
}

impl Address {
    /// Reads an XAD.
    pub fn read(from: &Repetition<'_>, charset: &Charset) -> Option<Self> {
        let at = |number: usize| part(from, number, charset).unwrap_or_default();
        let address =
            Self { street: at(1), other: at(2), city: at(3), state: at(4), postal_code: at(5), country: at(6) };
        let said = [&address.street, &address.other, &address.city, &address.postal_code];
        said.iter().any(|text| !text.is_empty()).then_some(address)
    }
}

/// A phone number or mail address (XTN).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone {
    /// The number or address.
    pub value: String,
    /// Whether it is a mail address.
    pub is_mail: bool,
    /// Use (table 0201), such as `PRN`.
    pub kind: String,
}

impl Phone {
    /// Reads an XTN: the unformatted number, the parts, or the deprecated first component.
    pub fn read(from: &Repetition<'_>, charset: &Charset) -> Option<Self> {
        let at = |number: usize| part(from, number, charset);
        let kind = at(2).unwrap_or_default();
        if let Some(value) = at(4) {
            return Some(Self { value, is_mail: true, kind });
        }
        let value = at(12).or_else(|| dialled(at(5), at(6), at(7), at(8))).or_else(|| at(1))?;
        Some(Self { value, is_mail: false, kind })
    }
}

fn dialled(
    country: Option<String>,
    area: Option<String>,
    local: Option<String>,
    extension: Option<String>,
) -> Option<String> {
    let local = local?;
    let country = country.map(|code| format!("+{}", code.trim_start_matches('+')));
    let extension = extension.map(|extension| format!("x{extension}"));
    let parts = [country, area, Some(local), extension];
    Some(parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
}

/// A code with its text and coding system (CE, CWE, IS or ID): the first coding and its alternative.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Coded {
    /// The coding in components 1 to 3.
    pub first: Coding,
    /// The coding in components 4 to 6.
    pub alternative: Option<Coding>,
    /// The words the sender saw (component 9).
    pub original_text: String,
}

/// One coding.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Coding {
    /// The code; empty where only a text was given.
    pub code: String,
    /// The text.
    pub text: String,
    /// The coding system's name (table 0396).
    pub system: String,
}

impl Coded {
    /// Reads a CE, CWE, IS or ID.
    pub fn read(from: &Repetition<'_>, charset: &Charset) -> Option<Self> {
        let alternative = Coding::read(from, 4, charset);
        let first = match Coding::read(from, 1, charset) {
            Some(first) => first,
            None => return alternative.map(|first| Self { first, alternative: None, original_text: String::new() }),
        };
        Some(Self { first, alternative, original_text: part(from, 9, charset).unwrap_or_default() })
    }

    /// Its codings, the first one first.
    pub fn codings(&self) -> impl Iterator<Item = &Coding> {
        std::iter::once(&self.first).chain(&self.alternative)
    }

    /// The best words for it.
    pub fn words(&self) -> &str {
        let texts = [self.original_text.as_str(), self.first.text.as_str()];
        texts.into_iter().find(|text| !text.is_empty()).unwrap_or(&self.first.code)
    }
}

impl Coding {
    fn read(from: &Repetition<'_>, first: usize, charset: &Charset) -> Option<Self> {
        let at = |number: usize| part(from, number, charset).unwrap_or_default();
        let coding = Self { code: at(first), text: at(first + 1), system: at(first + 2) };
        (!coding.code.is_empty() || !coding.text.is_empty()).then_some(coding)
    }
}

/// A component that is one value: its first subcomponent, trimmed; nothing where empty or null.
pub fn part(from: &Repetition<'_>, number: usize, charset: &Charset) -> Option<String> {
    plain(Value::of(from.component(number).subcomponent(1)), charset)
}

/// A value as trimmed text; nothing where empty or null.
pub fn plain(value: Value<'_>, charset: &Charset) -> Option<String> {
    if !value.is_present() {
        return None;
    }
    let text = value.text(charset);
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// An HD inside a component: its parts are subcomponents.
fn hierarchic(from: &Repetition<'_>, number: usize, charset: &Charset) -> Authority {
    let component = from.component(number);
    let at = |place: usize| plain(Value::of(component.subcomponent(place)), charset).unwrap_or_default();
    Authority { namespace: at(1), universal: at(2), universal_kind: at(3) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::hl7::Index;

    /// Reads the first repetition of ZZZ-1 with `read`.
    fn with<T>(field: &str, read: impl Fn(&Repetition<'_>, &Charset) -> T) -> T {
        let raw = format!("MSH|^~\\&|A|B\rZZZ|{field}\r");
        let index = Index::of(raw.as_bytes()).unwrap();
        let message = index.message(raw.as_bytes());
        let charset = message.charset(None);
        read(&message.segment("ZZZ").unwrap().field(1).repetition(1), &charset)
    }

    #[test]
    fn reads_identifiers_with_their_authority() {
        let id = with("4711^^^GH&1.2.3&ISO^MR", Identifier::read_cx).unwrap();
        assert_eq!((id.value.as_str(), id.authority.name(), id.kind.as_str()), ("4711", "GH", "MR"));
        assert_eq!((id.authority.universal.as_str(), id.authority.universal_kind.as_str()), ("1.2.3", "ISO"));
        let id = with("A1^EHR", Identifier::read_ei).unwrap();
        assert_eq!((id.value.as_str(), id.authority.name()), ("A1", "EHR"));
        assert!(with("\"\"^^^GH", Identifier::read_cx).is_none());
        assert!(with("^^^GH", Identifier::read_cx).is_none());
    }

    #[test]
    fn reads_names_with_and_without_subcomponents() {
        for field in ["Quill^Ada^B^JR^DR^^L", "Quill&van^Ada^B^JR^DR^^L"] {
            let name = with(field, PersonName::read_xpn).unwrap();
            assert_eq!((name.family.as_str(), name.given.as_str(), name.kind.as_str()), ("Quill", "Ada", "L"));
        }
        let name = with("77^Reed^Tom^^^DR", PersonName::read_xcn).unwrap();
        assert_eq!((name.family.as_str(), name.prefix.as_str()), ("Reed", "DR"));
        assert!(with("^^B", PersonName::read_xpn).is_none());
    }

    #[test]
    fn reads_phones_in_every_shape() {
        let cases = [
            ("(555)010-2000", "(555)010-2000"),
            ("^PRN^PH^^1^555^0102000^12", "+1 555 0102000 x12"),
            ("^^^^^^^^^^^5550102000", "5550102000"),
            ("^NET^Internet^ada@quill.example", "ada@quill.example"),
        ];
        for (field, expected) in cases {
            assert_eq!(with(field, Phone::read).unwrap().value, expected);
        }
        assert!(with("^PRN^PH", Phone::read).is_none());
    }

    #[test]
    fn reads_places_addresses_and_codes() {
        let place = with("3W^12^B^GH&1.2&ISO", Place::read).unwrap();
        assert_eq!((place.point_of_care.as_str(), place.bed.as_str(), place.facility.as_str()), ("3W", "B", "GH"));
        assert!(with("^^^^N", Place::read).is_none());
        let address = with("1 Elm&Elm&1^^Mill^ZZ^00000", Address::read).unwrap();
        assert_eq!((address.street.as_str(), address.city.as_str()), ("1 Elm", "Mill"));
        let coded = with("WCVAN^Wheelchair \\T\\ van^L^A0130^Van^HCPCS", Coded::read).unwrap();
        assert_eq!((coded.first.code.as_str(), coded.words()), ("WCVAN", "Wheelchair & van"));
        assert_eq!(coded.codings().count(), 2);
        assert_eq!(with("^^^A0130^Van^HCPCS", Coded::read).unwrap().first.code, "A0130");
    }
}
