//! Black-box tests live in `main.rs` beside this folder.
