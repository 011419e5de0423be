//! Code systems that tables speak of, and the URIs by which FHIR knows them.

use serde::Deserialize;

/// Whose codes a table lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub enum CodeSystem {
    /// SNOMED CT.
    #[serde(rename = "SNOMED CT")]
    SnomedCt,
    /// LOINC.
    #[serde(rename = "LOINC")]
    Loinc,
    /// ICD-10 and its national modifications.
    #[serde(rename = "ICD-10")]
    Icd10,
    /// The Unified Code for Units of Measure.
    #[serde(rename = "UCUM")]
    Ucum,
    /// Tables of HL7: v2, v3 and FHIR.
    #[serde(rename = "HL7")]
    Hl7,
    /// The procedure codes of CMS.
    #[serde(rename = "HCPCS")]
    Hcpcs,
    /// The registries of the Emergency Incident Data Object.
    #[serde(rename = "EIDO")]
    Eido,
    /// The National EMS Information System.
    #[serde(rename = "NEMSIS")]
    Nemsis,
    /// Codes that a site or a vendor made.
    #[serde(rename = "local")]
    Local,
}

impl CodeSystem {
    /// All systems.
    pub const ALL: [Self; 9] = [
        Self::SnomedCt,
        Self::Loinc,
        Self::Icd10,
        Self::Ucum,
        Self::Hl7,
        Self::Hcpcs,
        Self::Eido,
        Self::Nemsis,
        Self::Local,
    ];

    /// The name as tables write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SnomedCt => "SNOMED CT",
            Self::Loinc => "LOINC",
            Self::Icd10 => "ICD-10",
            Self::Ucum => "UCUM",
            Self::Hl7 => "HL7",
            Self::Hcpcs => "HCPCS",
            Self::Eido => "EIDO",
            Self::Nemsis => "NEMSIS",
            Self::Local => "local",
        }
    }

    /// The system that tables write so.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|system| system.as_str() == name)
    }

    /// How the URIs of its codes begin; none where FHIR knows no URI (R4 "Using Code Systems", external code systems).
    const fn uris(self) -> &'static [&'static str] {
        match self {
            Self::SnomedCt => &["http://snomed.info/sct"],
            Self::Loinc => &["http://loinc.org"],
            Self::Icd10 => &["http://hl7.org/fhir/sid/icd-10"],
            Self::Ucum => &["http://unitsofmeasure.org"],
            Self::Hl7 => &["http://terminology.hl7.org/", "http://hl7.org/fhir/"],
            Self::Hcpcs => &["http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"],
            Self::Eido | Self::Nemsis | Self::Local => &[],
        }
    }

    /// Whether `uri` may be the URI of its codes; the error says what was expected. A word that is no URI is the name of
    /// a coding system in CE-3, which may be anything.
    pub(super) fn accepts(self, uri: &str) -> Result<(), String> {
        if !uri.contains("://") {
            return Ok(());
        }
        let begins = |system: Self| system.uris().iter().any(|known| uri.starts_with(known));
        if !self.uris().is_empty() {
            let expected = self.uris().join(" or ");
            return if begins(self) {
                Ok(())
            } else {
                Err(format!("codes of {} have a URI that begins with {expected}", self.as_str()))
            };
        }
        match Self::ALL.into_iter().find(|other| begins(*other)) {
            Some(other) => Err(format!("this is the URI of {}, and the table says {}", other.as_str(), self.as_str())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_uris_of_systems_that_have_one() {
        for (system, uri, good) in [
            (CodeSystem::Loinc, "http://loinc.org", true),
            (CodeSystem::Loinc, "http://snomed.info/sct", false),
            (CodeSystem::Icd10, "http://hl7.org/fhir/sid/icd-10-cm", true),
            (CodeSystem::Hl7, "http://terminology.hl7.org/CodeSystem/v2-0001", true),
            (CodeSystem::Local, "https://site.example/codes", true),
            (CodeSystem::Local, "http://loinc.org", false),
            (CodeSystem::Nemsis, "http://unitsofmeasure.org", false),
            (CodeSystem::Local, "L", true),
        ] {
            assert_eq!(system.accepts(uri).is_ok(), good, "{uri}");
        }
        for system in CodeSystem::ALL {
            assert_eq!(CodeSystem::named(system.as_str()), Some(system));
        }
    }
}
