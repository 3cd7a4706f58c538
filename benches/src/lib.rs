//! Criterion benches, and the harness that measures peers side by side.
