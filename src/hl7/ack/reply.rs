//! Reading an acknowledgement that a peer sent.

use super::Code;
use crate::hl7::{Expected, Found, Index, ParseError, Value};

/// What a peer answered. Any message with a segment MSA is an answer, whatever it is called.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// MSA-1; none where it is not a known code.
    pub code: Option<Code>,
    /// MSA-2, byte by byte: compare it with MSH-10 of what was sent.
    pub control_id: Vec<u8>,
    /// MSA-3, or ERR-8 where that is empty; may hold patient data.
    pub text: Vec<u8>,
    /// ERR-3.1: the code of table 0357, where there is one.
    pub error_code: Vec<u8>,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reply({:?})", self.code)
    }
}

/// Reads a peer's answer.
pub fn read(reply: &[u8]) -> Result<Reply, ParseError> {
    let index = Index::of(reply)?;
    let message = index.message(reply);
    let Some(msa) = message.segment("MSA") else {
        return Err(ParseError { at: reply.len(), expected: Expected::Acknowledgement, found: Found::Nothing });
    };
    let error = message.segment("ERR");
    let error_text = error.map(|segment| segment.field(8).bytes()).unwrap_or_default();
    let error_code = error.map(|segment| segment.field(3).component(1).bytes()).unwrap_or_default();
    let text = match msa.field(3).value() {
        Value::Present(text) => text,
        Value::Absent | Value::Null => error_text,
    };
    Ok(Reply {
        code: Code::read(msa.field(1).bytes()),
        control_id: msa.field(2).bytes().to_vec(),
        text: text.to_vec(),
        error_code: error_code.to_vec(),
    })
}
