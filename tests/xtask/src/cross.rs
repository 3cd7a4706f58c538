//! Debian's own Rust compiler, which has the standard library of other CPUs, as source and built: what the devices'
//! programs are built with where rustup's targets are not at hand.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{setup, test_run};

/// The environment variable that lets `cargo xtask setup` install Debian packages.
pub const SETUP_APT: &str = "TYPECASE_SETUP_APT";

const CARGO: &str = "/usr/bin/cargo";
const RUSTC: &str = "/usr/bin/rustc";
const RUST_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/core/src/lib.rs";

/// The native command's environment would change what another compiler builds.
const NOT_PASSED_ON: &[&str] = &[
    "CARGO",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "RUSTC_WRAPPER",
    "RUSTDOC",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
];

/// What a device's program needs to be built and run.
pub struct Toolchain {
    /// Files and programs, each with the Debian package that has it.
    pub(crate) parts: &'static [(&'static str, &'static str)],
    /// Debian packages, as a person installs them.
    pub how: &'static str,
}

/// Cortex-M firmware, and the emulator.
pub const MCU: Toolchain = Toolchain {
    parts: &[
        (CARGO, "cargo-web"),
        (RUSTC, "rustc-web"),
        (RUST_SOURCE, "rust-web-src"),
        ("arm-none-eabi-gcc", "gcc-arm-none-eabi"),
        ("arm-none-eabi-size", "binutils-arm-none-eabi"),
        ("arm-none-eabi-nm", "binutils-arm-none-eabi"),
        ("qemu-system-arm", "qemu-system-arm"),
    ],
    how: "apt-get install rustc-web cargo-web rust-web-src gcc-arm-none-eabi qemu-system-arm",
};

/// The WebAssembly module, and Node to test it.
pub const WASM: Toolchain = Toolchain {
    parts: &[(CARGO, "cargo-web"), (RUSTC, "rustc-web"), (RUST_SOURCE, "rust-web-src"), ("node", "nodejs")],
    how: "apt-get install rustc-web cargo-web rust-web-src nodejs (20 or later)",
};

/// Programs for 64-bit Arm Linux, and the emulator.
pub const AARCH64: Toolchain = Toolchain {
    parts: &[
        (CARGO, "cargo-web"),
        (RUSTC, "rustc-web"),
        ("/usr/lib/rustlib/aarch64-unknown-linux-gnu/lib", "libstd-rust-web-dev:arm64"),
        ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
        ("/usr/aarch64-linux-gnu/lib", "libc6-dev-arm64-cross"),
        ("qemu-aarch64-static", "qemu-user-static"),
    ],
    how: "dpkg --add-architecture arm64 && apt-get update && apt-get install rustc-web cargo-web \
          libstd-rust-web-dev:arm64 gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static",
};

/// An emulator of an x86 with AVX-512, and what makes a disc that it starts from.
pub const AVX512: Toolchain = Toolchain {
    parts: &[
        ("bochs", "bochs"),
        ("/usr/share/bochs/BIOS-bochs-latest", "bochsbios"),
        ("/usr/share/bochs/VGABIOS-lgpl-latest", "vgabios"),
        ("grub-mkrescue", "grub-common"),
        ("/usr/lib/grub/i386-pc", "grub-pc-bin"),
        ("xorriso", "xorriso"),
        ("mformat", "mtools"),
    ],
    how: "apt-get install --no-install-recommends bochs bochsbios vgabios grub-common grub-pc-bin xorriso mtools",
};

/// Mesa's Vulkan on the CPU.
pub const MESA_VULKAN: Toolchain = Toolchain {
    parts: &[("libvulkan.so.1", "libvulkan1"), ("libvulkan_lvp.so", "mesa-vulkan-drivers")],
    how: "apt-get install libvulkan1 mesa-vulkan-drivers",
};

/// Mesa's OpenGL on the CPU, without a screen.
pub const MESA_GL: Toolchain = Toolchain {
    parts: &[
        ("libEGL.so.1", "libegl1"),
        ("libGLESv2.so.2", "libgles2"),
        ("libEGL_mesa.so.0", "libegl-mesa0"),
        ("dri/swrast_dri.so", "libgl1-mesa-dri"),
    ],
    how: "apt-get install libegl1 libgles2 libgl1-mesa-dri",
};

impl Toolchain {
    /// What is not there and how to get it, in one line; `None` if all is there.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        let absent: Vec<&str> =
            self.parts.iter().filter(|(part, _)| !is_there(part)).map(|(part, _)| *part).collect();
        (!absent.is_empty()).then(|| format!("no {}; {} installs it", absent.join(", "), self.how))
    }

    /// Fails with [`Self::missing`].
    pub(crate) fn require(&self) -> Result<()> {
        match self.missing() {
            Some(missing) => bail!("{missing}"),
            None => Ok(()),
        }
    }

    /// Installs the packages of what is missing, where that was allowed; else does nothing.
    pub(crate) fn install(&self) -> Result<()> {
        if !may_install() {
            return Ok(());
        }
        let mut packages: Vec<&str> =
            self.parts.iter().filter(|(part, _)| !is_there(part)).map(|(_, package)| *package).collect();
        packages.dedup();
        if packages.iter().any(|package| package.ends_with(":arm64")) {
            run(Command::new("dpkg").args(["--add-architecture", "arm64"]))?;
        }
        run(Command::new("apt-get").args(["update", "-qq"]))?;
        let mut install = Command::new("apt-get");
        install.args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages);
        run(install.env("DEBIAN_FRONTEND", "noninteractive"))
    }
}

/// Debian's cargo with Debian's compiler, and nothing that this process was told about another one.
pub(crate) fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(CARGO);
    for name in NOT_PASSED_ON {
        command.env_remove(name);
    }
    command.current_dir(folder).env("RUSTC", RUSTC);
    command
}

/// The emulator of 64-bit Arm Linux, as a CPU that it knows. The libraries are named a second time: else the loader takes
/// some from where this machine keeps those of a foreign architecture, and threads hang.
pub(crate) const fn aarch64_emulator(cpu: &str) -> [&str; 7] {
    let libraries = "LD_LIBRARY_PATH=/usr/aarch64-linux-gnu/lib";
    ["qemu-aarch64-static", "-cpu", cpu, "-L", "/usr/aarch64-linux-gnu", "-E", libraries]
}

/// Where the products for another CPU go: beside those for this one.
pub(crate) fn target_folder(root: &Path, name: &str) -> Result<PathBuf> {
    Ok(test_run::target_folder(root)?.join("xtask").join(name))
}

/// Runs a program with our output; fails if it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_owned();
    let status = command.status().with_context(|| format!("{}: cannot start", name.display()))?;
    if !status.success() {
        bail!("{}: {status}", name.display());
    }
    Ok(())
}

/// What a program prints; fails if it does.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_owned();
    let output = command.output().with_context(|| format!("{}: cannot start", name.display()))?;
    if !output.status.success() {
        bail!("{}: {}: {}", name.display(), output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{}: not UTF-8", name.display()))
}

/// The command built for this machine: the one that the environment names, else one that is built now.
pub(crate) fn native_command(root: &Path) -> Result<PathBuf> {
    if let Some(path) = env::var_os(test_run::TYPECASE_BIN) {
        return Ok(PathBuf::from(path));
    }
    run(crate::cargo(root).args(["build", "--release", "--package", "typecase-cli"]))?;
    Ok(test_run::target_folder(root)?.join("release/typecase"))
}

/// A shared library, where the system keeps them.
pub(crate) fn shared_library(name: &str) -> Option<PathBuf> {
    let given = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let triple = format!("{}-linux-gnu", env::consts::ARCH);
    let folders = ["/usr/local/lib", "/usr/lib", "/lib", "/usr/lib64"].map(PathBuf::from);
    let with_triple = folders.iter().map(|folder| folder.join(&triple)).collect::<Vec<_>>();
    let mut folders = env::split_paths(&given).chain(with_triple).chain(folders);
    folders.find_map(|folder| Some(folder.join(name)).filter(|path| path.exists()))
}

/// A path that exists, a shared library, or a program that PATH has.
fn is_there(part: &str) -> bool {
    if part.starts_with('/') {
        return Path::new(part).exists();
    }
    if part.contains(".so") {
        return shared_library(part).is_some();
    }
    env::split_paths(env::var_os("PATH").as_deref().unwrap_or(OsStr::new("")))
        .any(|folder| folder.join(part).is_file())
}

/// Root on a build server, or told so.
fn may_install() -> bool {
    let told = env::var_os(SETUP_APT).is_some_and(|value| value == "1");
    let is_root = setup::answer("id", &["-u"]).is_some_and(|id| id == "0");
    is_root && is_there("apt-get") && (told || env::var_os("CI").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_cure() {
        let toolchain = Toolchain { parts: &[("/", "base"), ("typecase-no-such", "p")], how: "get p" };
        assert_eq!(toolchain.missing().unwrap(), "no typecase-no-such; get p installs it");
        assert!(toolchain.require().is_err());
        assert!(Toolchain { parts: &[("/", "base"), ("sh", "dash")], how: "" }.missing().is_none());
    }
}
