//! From the text of a profile to rules whose names are resolved. All faults are reported at once, each with file, line
//! and column; the form is told in `config/profiles/lenient@1.toml`.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    ops::Range,
    sync::Arc,
};

use serde::Deserialize;
use toml::Spanned;

use super::{
    super::{
        Path,
        dictionary::{Dictionary, TypeId, Version},
    },
    finding::{Class, Level, Rule},
};
use crate::units::limits;

/// One fault in the text of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileFault {
    /// The file's name, as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what was expected.
    pub text: String,
}

impl fmt::Display for ProfileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.text)
    }
}

impl std::error::Error for ProfileFault {}

type Word = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileText {
    profile: Word,
    version: Spanned<u32>,
    title: String,
    #[serde(default)]
    owner: String,
    base: Option<Word>,
    #[serde(default)]
    on: Vec<Word>,
    #[serde(default)]
    policy: BTreeMap<Spanned<String>, Word>,
    #[serde(default)]
    table: BTreeMap<Spanned<String>, TableText>,
    #[serde(default)]
    segment: Vec<SegmentText>,
    #[serde(default)]
    field: Vec<FieldText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableText {
    hl7: Option<Word>,
    #[serde(default)]
    codes: Vec<Word>,
    #[serde(default)]
    open: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SegmentText {
    name: Word,
    usage: Option<Word>,
    min: Option<Spanned<u32>>,
    max: Option<Spanned<u32>>,
    #[serde(default)]
    on: Vec<Word>,
    level: Option<Word>,
    #[serde(default)]
    #[expect(dead_code, reason = "for who reads the profile")]
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldText {
    at: Word,
    usage: Option<Word>,
    max_length: Option<u32>,
    max_repeats: Option<Spanned<u16>>,
    r#type: Option<Word>,
    table: Option<Word>,
    value: Option<String>,
    when: Option<WhenText>,
    #[serde(default)]
    on: Vec<Word>,
    level: Option<Word>,
    #[serde(default)]
    #[expect(dead_code, reason = "for who reads the profile")]
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WhenText {
    at: Word,
    is: Option<Spanned<IsText>>,
    valued: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum IsText {
    One(String),
    Some(Vec<String>),
}

/// What is done about a broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Ignore,
    Tell(Level),
}

/// Message types a rule is for; none is all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct On(Vec<Kind>);

/// A message code, and a trigger event where only that one is meant.
type Kind = (Box<[u8]>, Option<Box<[u8]>>);

impl On {
    pub(super) fn fits(&self, code: &[u8], trigger: &[u8]) -> bool {
        let is = |(own, event): &Kind| **own == *code && event.as_ref().is_none_or(|event| **event == *trigger);
        self.0.is_empty() || self.0.iter().any(is)
    }
}

/// Codes that a value must be one of.
#[derive(Debug)]
pub(super) struct OwnTable {
    pub(super) name: Arc<str>,
    pub(super) codes: HashSet<Box<[u8]>>,
    /// A code that is not listed is only noted.
    pub(super) is_open: bool,
}

/// Whether a part must be there, in a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// R, and RE or C where the condition holds.
    Required,
    /// RE, O: it may be there.
    Allowed,
    /// X
    Forbidden,
}

/// What a profile says about a segment.
#[derive(Debug)]
pub(super) struct SegmentRule {
    pub(super) name: [u8; 3],
    pub(super) need: Need,
    pub(super) between: (u32, u32),
    pub(super) on: On,
    pub(super) action: Action,
}

/// What a profile says about a field, component or subcomponent.
#[derive(Debug)]
pub(super) struct FieldRule {
    pub(super) segment: [u8; 3],
    pub(super) path: Path,
    pub(super) need: Need,
    pub(super) max_length: Option<u32>,
    pub(super) max_repeats: Option<u16>,
    pub(super) kind: Option<TypeId>,
    pub(super) table: Option<Arc<OwnTable>>,
    pub(super) value: Option<Box<[u8]>>,
    pub(super) when: Option<When>,
    pub(super) on: On,
    pub(super) action: Action,
}

/// When a rule about a field holds.
#[derive(Debug)]
pub(super) struct When {
    pub(super) at: Path,
    pub(super) test: Test,
}

/// What a condition asks of its field.
#[derive(Debug)]
pub(super) enum Test {
    Is(Vec<Box<[u8]>>),
    Valued(bool),
}

/// A profile with its names resolved.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) name: String,
    pub(super) version: u32,
    pub(super) title: String,
    pub(super) owner: String,
    pub(super) base: Option<Version>,
    pub(super) on: On,
    pub(super) policy: Vec<Action>,
    pub(super) segments: Vec<SegmentRule>,
    /// By segment, in the order of the file.
    pub(super) fields: Vec<FieldRule>,
}

/// Reads one profile; gives where its name stands too.
pub(super) fn read(file: &str, text: &str, found: &mut Vec<ProfileFault>) -> Option<(Compiled, Range<usize>)> {
    let mut faults = Faults { file, text, found };
    let before = faults.found.len();
    let parsed = match toml::from_str::<ProfileText>(text) {
        Ok(parsed) => parsed,
        Err(error) => {
            faults.add(error.span().unwrap_or_default(), error.message());
            return None;
        }
    };
    let span = parsed.profile.span();
    let compiled = Compiler { faults: &mut faults, own: Action::Tell(Level::Error) }.compile(parsed);
    (faults.found.len() == before).then_some((compiled, span))
}

pub(super) struct Faults<'t> {
    pub(super) file: &'t str,
    pub(super) text: &'t str,
    pub(super) found: &'t mut Vec<ProfileFault>,
}

impl Faults<'_> {
    pub(super) fn add(&mut self, span: Range<usize>, text: impl Into<String>) {
        if self.found.len() >= limits::FAULTS_MAX {
            return;
        }
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count().saturating_add(1);
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
        self.found.push(ProfileFault { file: self.file.to_owned(), line, column, text: text.into() });
    }
}

struct Compiler<'f, 't> {
    faults: &'f mut Faults<'t>,
    /// What is done about the profile's own rules that say nothing themselves.
    own: Action,
}

impl Compiler<'_, '_> {
    fn compile(&mut self, text: ProfileText) -> Compiled {
        let name = text.profile.get_ref().clone();
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 40 || !name.bytes().all(is_name) {
            self.faults.add(text.profile.span(), "expected a name of 1 to 40 of a-z, 0-9 and -");
        }
        if *text.version.get_ref() == 0 {
            self.faults.add(text.version.span(), "versions begin at 1");
        }
        if text.segment.len() > limits::PROFILE_RULES_MAX || text.field.len() > limits::PROFILE_RULES_MAX {
            let most = limits::PROFILE_RULES_MAX;
            self.faults.add(
                text.profile.span(),
                format!("a profile has at most {most} rules about segments, and about fields"),
            );
        }
        let base = text.base.as_ref().and_then(|word| self.base(word));
        let policy = self.policy(&text.policy);
        let tables = self.tables(&text.table);
        let segments = text.segment.iter().take(limits::PROFILE_RULES_MAX).filter_map(|segment| self.segment(segment));
        let segments = segments.collect();
        let fields = text.field.iter().take(limits::PROFILE_RULES_MAX).filter_map(|field| self.field(field, &tables));
        let fields = fields.collect();
        let on = self.on(&text.on);
        let version = *text.version.get_ref();
        Compiled { name, version, title: text.title, owner: text.owner, base, on, policy, segments, fields }
    }

    fn base(&mut self, word: &Word) -> Option<Version> {
        let text = word.get_ref().as_str();
        if text == "as sent" {
            return None;
        }
        let version = Version::read(text.as_bytes());
        if version.is_none() {
            self.faults.add(word.span(), "expected a version from 2.1 to 2.8.2, or \"as sent\"");
        }
        version
    }

    /// What is done about each rule: what `default` says, then its class, then the rule itself.
    fn policy(&mut self, text: &BTreeMap<Spanned<String>, Word>) -> Vec<Action> {
        let mut policy = vec![Action::Tell(Level::Note); Rule::ALL.len()];
        let entries: Vec<_> = text.iter().filter_map(|(key, word)| Some((key, self.action(word)?))).collect();
        let mut known = HashSet::new();
        for (key, action) in &entries {
            match key.get_ref().as_str() {
                "default" => policy.fill(*action),
                "own" => self.own = *action,
                _ => continue,
            }
            known.insert(key.get_ref());
        }
        for (key, action) in &entries {
            let Some(class) = Class::ALL.into_iter().find(|class| class.as_str() == key.get_ref()) else { continue };
            known.insert(key.get_ref());
            let of_class = Rule::ALL.iter().zip(&mut policy).filter(|(rule, _)| rule.class() == class);
            of_class.for_each(|(_, slot)| *slot = *action);
        }
        for (key, action) in &entries {
            let Some(place) = Rule::ALL.iter().position(|rule| rule.as_str() == key.get_ref()) else { continue };
            known.insert(key.get_ref());
            if let Some(slot) = policy.get_mut(place) {
                *slot = *action;
            }
        }
        for (key, _) in &entries {
            if !known.contains(key.get_ref()) {
                let classes = Class::ALL.map(Class::as_str);
                let words = ["default", "own"].into_iter().chain(classes);
                let rules = Rule::ALL.iter().map(|rule| rule.as_str());
                let text = format!(
                    "`{}` is no rule and no class of rules{}",
                    key.get_ref(),
                    near(key.get_ref(), words.chain(rules))
                );
                self.faults.add(key.span(), text);
            }
        }
        policy
    }

    fn action(&mut self, word: &Word) -> Option<Action> {
        let action = match word.get_ref().as_str() {
            "ignore" => Some(Action::Ignore),
            text => Level::ALL.into_iter().find(|level| level.as_str() == text).map(Action::Tell),
        };
        if action.is_none() {
            self.faults.add(word.span(), "expected `ignore`, `note`, `warn`, `error` (AE) or `reject` (AR)");
        }
        action
    }

    fn tables(&mut self, text: &BTreeMap<Spanned<String>, TableText>) -> BTreeMap<String, Arc<OwnTable>> {
        let mut tables = BTreeMap::new();
        let mut total: usize = 0;
        for (name, table) in text {
            let standard = table.hl7.as_ref().and_then(|number| self.standard_table(number));
            let mut codes: HashSet<Box<[u8]>> = HashSet::new();
            for code in &table.codes {
                if standard.is_some_and(|table| table.is_listed() && table.meaning(code.get_ref()).is_none()) {
                    self.faults.add(code.span(), format!("`{}` is not in that HL7 table", code.get_ref()));
                }
                codes.insert(code.get_ref().as_bytes().into());
            }
            if table.codes.is_empty() {
                codes.extend(standard.into_iter().flat_map(|table| table.codes()).map(|code| code.as_bytes().into()));
            }
            total = total.saturating_add(codes.len());
            if codes.is_empty() || total > limits::PROFILE_CODES_MAX {
                let most = limits::PROFILE_CODES_MAX;
                let text = format!(
                    "expected `codes`, or `hl7` with a table whose codes are listed; at most {most} in one profile"
                );
                self.faults.add(name.span(), text);
            }
            let own = OwnTable { name: name.get_ref().as_str().into(), codes, is_open: table.open };
            tables.insert(name.get_ref().clone(), Arc::new(own));
        }
        tables
    }

    fn standard_table(&mut self, number: &Word) -> Option<&'static super::super::dictionary::Table> {
        let table = number.get_ref().parse().ok().and_then(|number| Dictionary::standard().table(number));
        if table.is_none() {
            self.faults.add(number.span(), "no HL7 table of this number is known here; list the `codes`");
        }
        table
    }

    fn segment(&mut self, text: &SegmentText) -> Option<SegmentRule> {
        let name = <[u8; 3]>::try_from(text.name.get_ref().as_bytes()).ok();
        let plain = |name: &[u8; 3]| name.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        let name = name.filter(plain);
        if name.is_none() {
            self.faults.add(text.name.span(), "expected a segment of three capitals or digits");
        }
        if name.is_some_and(|name| name[0] != b'Z' && Dictionary::standard().segment(&name).is_none()) {
            self.faults.add(text.name.span(), "the standard has no such segment, and it is no Z-segment");
        }
        let need = text.usage.as_ref().map_or(Some(Need::Allowed), |word| self.need(word, false));
        let least = text.min.as_ref().map_or(0, |min| *min.get_ref());
        let most = text.max.as_ref().map_or(u32::MAX, |max| *max.get_ref());
        if let Some(max) = text.max.as_ref().filter(|_| most < least || most == 0) {
            self.faults
                .add(max.span(), "expected `max` to be at least 1 and not below `min`; usage X forbids a segment");
        }
        let action = self.own_action(text.level.as_ref());
        let on = self.on(&text.on);
        Some(SegmentRule { name: name?, need: need?, between: (least, most), on, action })
    }

    fn field(&mut self, text: &FieldText, tables: &BTreeMap<String, Arc<OwnTable>>) -> Option<FieldRule> {
        let path = self.path(&text.at);
        if path.is_some_and(|path| path.occurrence().is_some() || path.repetition().is_some()) {
            self.faults.add(text.at.span(), "a rule holds for every segment and repetition: leave the brackets out");
        }
        let need = text.usage.as_ref().map_or(Some(Need::Allowed), |word| self.need(word, text.when.is_some()));
        let kind = text.r#type.as_ref().and_then(|word| {
            let kind = Dictionary::standard().type_named(word.get_ref().as_bytes());
            if kind.is_none() {
                self.faults.add(word.span(), format!("there is no data type `{}`", word.get_ref()));
            }
            kind
        });
        let table = text.table.as_ref().and_then(|word| {
            let table = tables.get(word.get_ref());
            if table.is_none() {
                let near = near(word.get_ref(), tables.keys().map(String::as_str));
                self.faults.add(word.span(), format!("there is no [table.{}] in this profile{near}", word.get_ref()));
            }
            table.cloned()
        });
        if let Some(most) = text.max_repeats.as_ref().filter(|most| *most.get_ref() == 0) {
            self.faults.add(most.span(), "expected at least 1; usage X forbids a field");
        }
        let says_something = text.usage.is_some()
            || text.max_length.is_some()
            || text.max_repeats.is_some()
            || text.r#type.is_some()
            || text.table.is_some()
            || text.value.is_some();
        if !says_something {
            let wanted = "expected one of `usage`, `max_length`, `max_repeats`, `type`, `table`, `value`";
            self.faults.add(text.at.span(), wanted);
        }
        let when = text.when.as_ref().and_then(|when| self.when(when));
        let on = self.on(&text.on);
        let action = self.own_action(text.level.as_ref());
        let path = path?;
        Some(FieldRule {
            segment: path.segment().as_bytes().try_into().ok()?,
            path,
            need: need?,
            max_length: text.max_length,
            max_repeats: text.max_repeats.as_ref().map(|most| *most.get_ref()),
            kind,
            table,
            value: text.value.as_ref().map(|value| value.as_bytes().into()),
            when,
            on,
            action,
        })
    }

    fn when(&mut self, text: &WhenText) -> Option<When> {
        let at = self.path(&text.at);
        let test = match (&text.is, text.valued) {
            (Some(is), None) => Some(Test::Is(match is.get_ref() {
                IsText::One(value) => vec![value.as_bytes().into()],
                IsText::Some(values) => values.iter().map(|value| value.as_bytes().into()).collect(),
            })),
            (None, Some(valued)) => Some(Test::Valued(valued)),
            _ => {
                self.faults.add(text.at.span(), "a condition has either `is` or `valued`");
                None
            }
        };
        Some(When { at: at?, test: test? })
    }

    fn path(&mut self, word: &Word) -> Option<Path> {
        match word.get_ref().parse() {
            Ok(path) => Some(path),
            Err(error) => {
                let error: super::super::PathError = error;
                self.faults.add(word.span(), error.to_string());
                None
            }
        }
    }

    fn need(&mut self, word: &Word, has_condition: bool) -> Option<Need> {
        match (word.get_ref().as_str(), has_condition) {
            ("R", _) | ("C", true) => Some(Need::Required),
            ("RE" | "O", _) => Some(Need::Allowed),
            ("X", _) => Some(Need::Forbidden),
            ("C", false) => {
                self.faults.add(word.span(), "C needs `when`, a condition such as { at = \"PV1-2\", is = \"I\" }");
                None
            }
            _ => {
                let wanted =
                    "expected R required, RE required but may be empty, O optional, C conditional or X not supported";
                self.faults.add(word.span(), wanted);
                None
            }
        }
    }

    fn own_action(&mut self, level: Option<&Word>) -> Action {
        level.and_then(|word| self.action(word)).unwrap_or(self.own)
    }

    fn on(&mut self, words: &[Word]) -> On {
        let mut on = Vec::new();
        for word in words {
            let (code, event) = word.get_ref().split_once('^').unwrap_or((word.get_ref(), "*"));
            let plain = |part: &str| {
                !part.is_empty() && part.len() <= 8 && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            };
            if word.get_ref() == "*" {
                return On::default();
            }
            if !plain(code) || !(event == "*" || plain(event)) {
                self.faults.add(word.span(), "expected a message type such as ADT^A03, ADT^* or *");
                continue;
            }
            on.push((code.as_bytes().into(), (event != "*").then(|| event.as_bytes().into())));
        }
        On(on)
    }
}

/// `; did you mean ...`, for the nearest of `known`.
fn near<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let distance = |other: &&str| strsim::damerau_levenshtein(word, other);
    let nearest = known.min_by_key(distance).filter(|other| distance(other) <= (word.len() / 3).max(1));
    nearest.map_or_else(String::new, |other| format!("; did you mean `{other}`?"))
}
