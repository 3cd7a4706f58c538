//! The comparison of every kernel of this build with the specification: the very tests of `typecase-kernels`, which cannot
//! run here by themselves.

#[path = "../../../runtime/kernels/tests/encoder.rs"]
mod encoder;

/// Runs them, and traps at the first number that differs; how many kernels there are beside the specification.
pub(crate) fn kernels() -> u32 {
    encoder::matrices_equal_the_specification();
    encoder::layer_norms_equal_the_specification();
    encoder::attention_equals_the_specification();
    encoder::parts_of_attention_equal_the_specification();
    u32::try_from(typecase_kernels::encoder::Cpu::all().count() - 1).unwrap_or(0)
}
