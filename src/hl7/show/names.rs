//! Names of segments and fields, as HL7 v2.5.1 and v2.8 have them, and which fields hold only codes of the protocol.
//!
//! A field counts as open only if no sender has a reason to put anything about a person into it: set ids, types,
//! triggers, statuses, control codes. Dates, places, diagnoses and anything free are hidden.

/// What is known of one segment.
pub(super) struct SegmentNames {
    name: &'static str,
    title: &'static str,
    fields: &'static [&'static str],
    open: &'static [usize],
}

impl SegmentNames {
    /// What the segment is about.
    pub(super) const fn title(&self) -> &'static str {
        self.title
    }

    /// The name of a field; empty where not known.
    pub(super) fn field(&self, number: usize) -> &'static str {
        number.checked_sub(1).and_then(|place| self.fields.get(place)).copied().unwrap_or_default()
    }

    /// Whether a field holds only codes of the protocol.
    pub(super) fn is_open(&self, number: usize) -> bool {
        self.open.contains(&number)
    }
}

/// What is known of the segment with this name.
pub(super) fn of(name: &[u8]) -> Option<&'static SegmentNames> {
    SEGMENTS.iter().find(|segment| segment.name.as_bytes() == name)
}

const fn segment(
    name: &'static str,
    title: &'static str,
    open: &'static [usize],
    fields: &'static [&'static str],
) -> SegmentNames {
    SegmentNames { name, title, fields, open }
}

#[rustfmt::skip]
const SEGMENTS: &[SegmentNames] = &[
    segment("MSH", "Message header", &[1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20, 21], &[
        "Field separator", "Encoding characters", "Sending application", "Sending facility", "Receiving application",
        "Receiving facility", "Time of message", "Security", "Message type", "Control id", "Processing id",
        "Version", "Sequence number", "Continuation pointer", "Accept acknowledgement", "Application acknowledgement",
        "Country", "Character set", "Principal language", "Alternate character sets", "Message profile",
        "Sending organization", "Receiving organization", "Sending network address", "Receiving network address",
    ]),
    segment("EVN", "Event", &[1, 2, 4], &[
        "Event type", "Recorded at", "Planned for", "Reason", "Operator", "Occurred at", "Facility",
    ]),
    segment("PID", "Patient identification", &[1, 8], &[
        "Set id", "Patient id (external)", "Patient identifier list", "Alternate patient id", "Patient name",
        "Mother's maiden name", "Date of birth", "Administrative sex", "Patient alias", "Race", "Address",
        "County", "Phone, home", "Phone, business", "Primary language", "Marital status", "Religion",
        "Account number", "Social security number", "Driver's licence", "Mother's identifier", "Ethnic group",
        "Birth place", "Multiple birth", "Birth order", "Citizenship", "Veteran status", "Nationality",
        "Time of death", "Death indicator", "Identity unknown", "Identity reliability", "Last update",
        "Last update facility", "Species", "Breed", "Strain", "Production class", "Tribal citizenship", "Telecommunication",
    ]),
    segment("PD1", "Patient, additional", &[], &[
        "Living dependency", "Living arrangement", "Primary facility", "Primary care provider", "Student",
        "Handicap", "Living will", "Organ donor", "Separate bill", "Duplicate patient", "Publicity", "Protection",
        "Protection since", "Place of worship", "Advance directive", "Immunization status",
    ]),
    segment("NK1", "Next of kin", &[1], &[
        "Set id", "Name", "Relationship", "Address", "Phone", "Business phone", "Contact role", "Start", "End",
        "Job title", "Job code", "Employee number", "Organization", "Marital status", "Administrative sex", "Date of birth",
    ]),
    segment("MRG", "Merged patient", &[], &[
        "Prior identifier list", "Prior alternate id", "Prior account number", "Prior patient id", "Prior visit number",
        "Prior alternate visit id", "Prior name",
    ]),
    segment("PV1", "Visit", &[1, 2, 4, 10, 14, 15, 18, 36, 41], &[
        "Set id", "Patient class", "Assigned location", "Admission type", "Preadmit number", "Prior location",
        "Attending doctor", "Referring doctor", "Consulting doctor", "Hospital service", "Temporary location",
        "Preadmit test", "Re-admission", "Admit source", "Ambulatory status", "VIP", "Admitting doctor", "Patient type",
        "Visit number", "Financial class", "Charge price", "Courtesy", "Credit rating", "Contract code",
        "Contract effective", "Contract amount", "Contract period", "Interest code", "Bad debt code",
        "Bad debt transfer date", "Bad debt agency", "Bad debt transfer amount", "Bad debt recovery amount",
        "Deleted account", "Account deletion date", "Discharge disposition", "Discharged to", "Diet",
        "Servicing facility", "Bed status", "Account status", "Pending location", "Prior temporary location",
        "Admitted at", "Discharged at", "Current balance", "Total charges", "Total adjustments", "Total payments",
        "Alternate visit id", "Visit indicator", "Other provider",
    ]),
    segment("PV2", "Visit, additional", &[38], &[
        "Prior pending location", "Accommodation", "Admit reason", "Transfer reason", "Valuables",
        "Valuables location", "Visit user code", "Expected admission", "Expected discharge", "Estimated stay",
        "Actual stay", "Visit description", "Referral source", "Previous service date", "Illness related to work",
        "Purge status", "Purge date", "Special program", "Retention", "Expected insurance plans", "Publicity",
        "Protection", "Clinic organization", "Patient status", "Visit priority", "Previous treatment",
        "Expected disposition", "Signature on file", "First similar illness", "Charge adjustment", "Recurring service",
        "Billing media", "Expected surgery", "Military partnership", "Military availability", "Newborn",
        "Baby detained", "Mode of arrival", "Recreational drugs", "Admission level of care", "Precaution",
        "Patient condition", "Living will", "Organ donor", "Advance directive", "Patient status effective",
        "Expected return", "Expected pre-admission test", "Clergy notification",
    ]),
    segment("AL1", "Allergy", &[1], &["Set id", "Type", "Allergen", "Severity", "Reaction", "Identified on"]),
    segment("DG1", "Diagnosis", &[1, 2, 6], &[
        "Set id", "Coding method", "Diagnosis", "Description", "Diagnosed at", "Type", "Major category",
        "Related group", "Group approval", "Grouper review", "Outlier type", "Outlier days", "Outlier cost",
        "Grouper version", "Priority", "Clinician", "Classification", "Confidential", "Attested at", "Identifier",
        "Action",
    ]),
    segment("IN1", "Insurance", &[1, 17], &[
        "Set id", "Plan", "Company id", "Company", "Company address", "Company contact", "Company phone",
        "Group number", "Group name", "Employer id", "Employer", "Plan effective", "Plan expires",
        "Authorization", "Plan type", "Name of insured", "Relationship to patient", "Date of birth of insured",
        "Address of insured", "Assignment of benefits", "Coordination of benefits", "Coordination priority",
        "Notice of admission", "Notice of admission date", "Report of eligibility", "Report of eligibility date",
        "Release of information", "Pre-admit certificate", "Verified at", "Verified by", "Agreement type",
        "Billing status", "Lifetime reserve days", "Delay before reserve days", "Company plan code", "Policy number",
        "Policy deductible", "Policy limit, amount", "Policy limit, days", "Room rate, semi-private",
        "Room rate, private", "Employment of insured", "Sex of insured", "Employer's address", "Verification status",
        "Prior plan", "Coverage type", "Handicap", "Identifier of insured",
    ]),
    segment("GT1", "Guarantor", &[1], &[
        "Set id", "Number", "Name", "Spouse", "Address", "Phone, home", "Phone, business", "Date of birth", "Sex",
        "Type", "Relationship", "Social security number",
    ]),
    segment("ORC", "Order, common", &[1, 5, 6], &[
        "Order control", "Placer order number", "Filler order number", "Placer group number", "Order status",
        "Response flag", "Quantity and timing", "Parent", "Time of transaction", "Entered by", "Verified by",
        "Ordering provider", "Enterer's location", "Call back phone", "Effective at", "Control reason",
        "Entering organization", "Entering device", "Action by", "Beneficiary notice", "Ordering facility",
        "Ordering facility address", "Ordering facility phone", "Ordering provider address", "Status modifier",
        "Notice override reason", "Available at", "Confidentiality", "Order type", "Enterer authorization",
    ]),
    segment("TQ1", "Timing", &[1, 9], &[
        "Set id", "Quantity", "Repeat pattern", "Explicit time", "Relative time", "Duration", "Start", "End",
        "Priority", "Condition", "Instruction", "Conjunction", "Occurrence duration", "Total occurrences",
    ]),
    segment("OBR", "Observation request", &[1, 4, 5, 25, 30, 41, 42], &[
        "Set id", "Placer order number", "Filler order number", "Service", "Priority", "Requested at",
        "Observed from", "Observed to", "Collection volume", "Collector", "Specimen action", "Danger",
        "Clinical information", "Specimen received", "Specimen source", "Ordering provider", "Call back phone",
        "Placer field 1", "Placer field 2", "Filler field 1", "Filler field 2", "Result status changed at",
        "Charge", "Diagnostic section", "Result status", "Parent result", "Quantity and timing", "Result copies to",
        "Parent", "Transportation mode", "Reason for study", "Principal interpreter", "Assistant interpreter",
        "Technician", "Transcriptionist", "Scheduled at", "Sample containers", "Sample logistics",
        "Collector's comment", "Transport responsibility", "Transport arranged", "Escort required",
        "Planned transport comment", "Procedure", "Procedure modifier", "Placer supplement", "Filler supplement",
        "Medical necessity", "Result handling", "Parent universal service",
    ]),
    segment("OBX", "Observation", &[1, 2, 3, 4, 6, 11], &[
        "Set id", "Value type", "Observation", "Sub-id", "Value", "Units", "Reference range", "Abnormal flags",
        "Probability", "Nature of abnormal test", "Status", "Reference range effective", "Access checks",
        "Observed at", "Producer", "Observer", "Method", "Equipment", "Analysed at", "Body site", "Instance id",
        "Mood", "Performing organization", "Performing address", "Performing director",
    ]),
    segment("NTE", "Note", &[1, 2], &["Set id", "Source", "Comment", "Type", "Entered by", "Entered at"]),
    segment("MSA", "Acknowledgement", &[1, 2, 4, 5], &[
        "Acknowledgement code", "Control id", "Text", "Expected sequence number", "Delayed acknowledgement",
        "Error condition", "Waiting number", "Waiting priority",
    ]),
    segment("ERR", "Error", &[1, 2, 3, 4, 5], &[
        "Code and location", "Location", "HL7 error code", "Severity", "Application error code",
        "Application error parameter", "Diagnostic information", "User message", "Inform person", "Override type",
        "Override reason", "Help desk contact",
    ]),
    segment("SCH", "Schedule", &[6, 8, 9, 10, 25], &[
        "Placer appointment id", "Filler appointment id", "Occurrence", "Placer group number", "Schedule id",
        "Event reason", "Appointment reason", "Appointment type", "Duration", "Duration units", "Quantity and timing",
        "Placer contact", "Placer contact phone", "Placer contact address", "Placer contact location",
        "Filler contact", "Filler contact phone", "Filler contact address", "Filler contact location", "Entered by",
        "Entered by, phone", "Entered by, location", "Parent placer appointment", "Parent filler appointment",
        "Filler status", "Placer order number", "Filler order number",
    ]),
    segment("AIL", "Location of the appointment", &[1, 2, 12], &[
        "Set id", "Action", "Location", "Location type", "Location group", "Start", "Start offset",
        "Offset units", "Duration", "Duration units", "Substitution", "Filler status",
    ]),
    segment("ZBE", "Movement (DACH, France)", &[4], &[
        "Movement id", "Start", "End", "Action", "Historic", "Original event", "Responsible unit",
    ]),
];
