//! Writes `src/generated/onnx.rs` from `onnx.proto`: `cargo run` in this folder, after a change to the schema.
//!
//! A crate outside the workspace, so that nobody builds a protobuf compiler who does not change the schema. The
//! generated file records the schema's SHA-256; a test of `typecase-onnx` compares it with the schema that is there.
#![forbid(unsafe_code)]

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let schema = folder.join("onnx.proto");
    let digest: String =
        Sha256::digest(fs::read(&schema)?).iter().map(|byte| format!("{byte:02x}")).collect();

    let out = env::temp_dir().join(format!("typecase-onnx-codegen-{}", std::process::id()));
    fs::create_dir_all(&out)?;
    let mut config = prost_build::Config::new();
    config.out_dir(&out);
    config.compile_fds(protox::compile([&schema], [&folder])?)?;
    let generated = fs::read_to_string(out.join("onnx.rs"))?;
    fs::remove_dir_all(&out)?;

    let target = folder.join("src/generated/onnx.rs");
    let head = "//! Written by `cargo run` in codegen/ from onnx.proto (Apache-2.0, ONNX Project Contributors); do not edit.";
    fs::write(&target, format!("{head}\n//! Schema: sha256:{digest}\n\n{generated}"))?;
    let formatted = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(folder.join("../../.."))
        .arg(&target)
        .status()?;
    if !formatted.success() {
        return Err(format!("rustfmt: {formatted}").into());
    }
    println!("{}", target.display());
    Ok(())
}
