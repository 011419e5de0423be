//! The `gurney` binary; everything is in the library.

fn main() -> std::process::ExitCode {
    gurney::cli::main()
}
