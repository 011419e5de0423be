//! To come.
/// Maps that are installed.
pub fn installed() -> Vec<(String, u32)> {
    vec![("transport".to_owned(), 1)]
}
