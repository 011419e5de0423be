//! Gurney.
fn main() {}
