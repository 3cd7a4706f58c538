//! The C interface, driven from C and C++: the library is built as it is shipped, the programs of `targets/ffi/tests/c`
//! are compiled in every dialect, linked both ways, and run, also under sanitizers and valgrind.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;
use typecase::{Case, Options, Session};
use xtask::skip::skipped;
use xtask::targets::{Library, SYSTEM_LIBRARIES};

/// The largest shared library, stripped.
const MAX_LIBRARY_BYTES: u64 = 400 << 10;

const WARNINGS: [&str; 5] = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-g"];

/// Compilers, each with the language that it is to read.
const DIALECTS: [&[&str]; 3] =
    [&["gcc", "-std=c99"], &["gcc", "-std=c11"], &["g++", "-std=c++17", "-x", "c++"]];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Linkage {
    Static,
    Shared,
}

fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| xtask::targets::library(&root()).unwrap())
}

fn root() -> PathBuf {
    xtask::workspace_root().unwrap()
}

fn source(name: &str) -> PathBuf {
    root().join("targets/ffi").join(name)
}

/// Whether a program can be started; says which test is skipped if it cannot.
fn has(program: &str, what: &str) -> bool {
    let answer = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    let found = answer.is_ok_and(|output| output.status.success());
    if !found {
        skipped(what, &format!("no {program}; a package manager has it"));
    }
    found
}

fn has_compilers(what: &str) -> bool {
    has("gcc", what) && has("g++", what)
}

/// Compiles a program into a folder and returns where it stands.
fn compile(folder: &Path, file: &str, dialect: &[&str], linkage: Linkage, options: &[&str]) -> PathBuf {
    let program = folder.join("program");
    let library = library();
    let mut compiler = Command::new(dialect[0]);
    compiler.args(&dialect[1..]).args(WARNINGS).args(options);
    compiler.arg("-I").arg(source("include")).arg(source(file)).args(["-x", "none", "-o"]).arg(&program);
    match linkage {
        Linkage::Static => compiler.arg(&library.archive).args(SYSTEM_LIBRARIES),
        Linkage::Shared => compiler.arg(&library.shared).arg("-lpthread").arg(rpath(&library.shared)),
    };
    let output = compiler.output().unwrap();
    assert!(output.status.success(), "{compiler:?}\n{}", String::from_utf8_lossy(&output.stderr));
    program
}

fn rpath(library: &Path) -> String {
    format!("-Wl,-rpath,{}", library.parent().unwrap().display())
}

/// The standard output of a program that must have ended well.
#[track_caller]
fn done(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{command:?}: {status}\n{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

fn shipped() -> PathBuf {
    root().join("models/news-64k.case")
}

/// The texts of the golden vectors, texts of the sample, and texts that are hard on an interface.
fn texts(case: &Case) -> Vec<Vec<u8>> {
    let heldout = fs::read(root().join("models/sample/news-heldout.txt")).unwrap();
    let mut texts: Vec<Vec<u8>> = case.golden().iter().map(|vector| vector.text.to_vec()).collect();
    texts.extend(heldout.split(|&byte| byte == b'\n').map(<[u8]>::to_vec));
    texts.extend([&b"\0"[..], b"oil\0prices", b"\xFF\xFE", b"oil \xF0\x9F", b" \n\t"].map(<[u8]>::to_vec));
    texts.push("\u{1F600}\u{FDFA}".repeat(1000).into_bytes());
    texts.push(b"Oil prices soar ".repeat(20_000));
    texts
}

/// Texts as the programs read them: each after its length in four little-endian bytes.
fn write_texts(folder: &Path, texts: &[Vec<u8>]) -> PathBuf {
    let path = folder.join("texts");
    let len = |text: &[u8]| u32::try_from(text.len()).unwrap().to_le_bytes();
    let bytes: Vec<u8> = texts.iter().flat_map(|text| [&len(text), text.as_slice()].concat()).collect();
    fs::write(&path, bytes).unwrap();
    path
}

/// What `answers.c` must print, by the face.
fn expected_answers(case: &Case, session: &mut Session, texts: &[Vec<u8>]) -> String {
    let mut block = format!("name={} scratch={} digest=", case.name(), case.cost().scratch_bytes);
    case.digest().iter().for_each(|byte| write!(block, "{byte:02x}").unwrap());
    case.labels().iter().for_each(|label| write!(block, " [{label}]").unwrap());
    block.push_str(" engine: native\n");
    for text in texts {
        let verdict = session.classify(text).unwrap();
        let flags = u32::from(verdict.truncated)
            + 2 * u32::from(verdict.abstain)
            + 4 * u32::from(verdict.invalid_utf8 > 0)
            + 8 * u32::from(verdict.unknown_words == verdict.words);
        let [probability, scale, unknown] =
            [verdict.probability, verdict.score_scale, verdict.unknown_share()].map(f32::to_bits);
        let (label, tokens) = (verdict.label_index, verdict.tokens);
        write!(block, "{label} {probability:08x} {scale:08x} {unknown:08x} {flags} {tokens}").unwrap();
        verdict.scores.iter().for_each(|score| write!(block, " {score}").unwrap());
        block.push('\n');
    }
    // Once from the file, once from memory.
    format!("version={}\n{block}{block}", env!("CARGO_PKG_VERSION"))
}

#[test]
fn c_and_cpp_get_the_answers_of_the_face_linked_both_ways() {
    if !has_compilers("answers of the C interface") {
        return;
    }
    let folder = TempDir::new().unwrap();
    for model in ["models/news-64k.case", "models/news-1m.case"] {
        let path = root().join(model);
        let case = typecase::open(&path).unwrap();
        let mut session = typecase::prepare(&case, &Options::default()).unwrap().session();
        let texts = texts(&case);
        let file = write_texts(folder.path(), &texts);
        let expected = expected_answers(&case, &mut session, &texts);
        for dialect in DIALECTS {
            for linkage in [Linkage::Static, Linkage::Shared] {
                let program = compile(folder.path(), "tests/c/answers.c", dialect, linkage, &[]);
                let found = done(Command::new(program).arg(&path).arg(&file));
                let lines = found.lines().zip(expected.lines());
                for (index, (found, expected)) in lines.enumerate() {
                    assert_eq!(found, expected, "{model}, {dialect:?}, {linkage:?}, line {index}");
                }
                assert_eq!(found.len(), expected.len());
            }
        }
    }
}

#[test]
fn every_misuse_costs_a_status_and_nothing_else() {
    if !has_compilers("misuse of the C interface") {
        return;
    }
    let folder = TempDir::new().unwrap();
    for dialect in DIALECTS {
        for linkage in [Linkage::Static, Linkage::Shared] {
            let program = compile(folder.path(), "tests/c/misuse.c", dialect, linkage, &[]);
            assert_eq!(done(Command::new(program).arg(shipped())), "");
        }
    }
}

#[test]
fn eight_threads_share_a_case_and_a_session_says_when_it_is_busy() {
    if !has_compilers("threads over the C interface") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let texts = write_texts(folder.path(), &texts(&typecase::open(shipped()).unwrap()));
    for linkage in [Linkage::Static, Linkage::Shared] {
        let program = compile(folder.path(), "tests/c/threads.c", DIALECTS[1], linkage, &["-pthread"]);
        done(Command::new(program).arg(shipped()).arg(&texts).arg("20"));
    }
}

#[test]
fn classifying_takes_no_memory_and_closing_gives_all_back() {
    if !has_compilers("allocations of the C interface") {
        return;
    }
    const WRAP: &str = "-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=posix_memalign,--wrap=aligned_alloc,\
                        --wrap=free";
    let folder = TempDir::new().unwrap();
    let texts = write_texts(folder.path(), &texts(&typecase::open(shipped()).unwrap()));
    let program = compile(folder.path(), "tests/c/allocation.c", DIALECTS[1], Linkage::Static, &[WRAP]);
    done(Command::new(program).arg(shipped()).arg(&texts));
}

/// The C programs with their arguments: few rounds, for tools that run them slowly.
fn programs(folder: &Path) -> [(&'static str, Vec<PathBuf>); 3] {
    let mut few = texts(&typecase::open(shipped()).unwrap());
    few.retain(|text| text.len() < 10_000);
    let texts = write_texts(folder, &few);
    [
        ("tests/c/answers.c", vec![shipped(), texts.clone()]),
        ("tests/c/misuse.c", vec![shipped()]),
        ("tests/c/threads.c", vec![shipped(), texts, "2".into()]),
    ]
}

#[test]
fn address_and_undefined_behaviour_sanitizers_find_nothing() {
    const SANITIZED: [&str; 3] =
        ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"];
    let what = "the C interface under sanitizers";
    if !has_compilers(what) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let empty = folder.path().join("empty.c");
    fs::write(&empty, "int main(void) { return 0; }\n").unwrap();
    let mut probe = Command::new("gcc");
    probe.args(SANITIZED).arg(&empty).arg("-o").arg(folder.path().join("empty"));
    if !probe.output().unwrap().status.success() {
        skipped(what, "gcc has no sanitizer libraries; the packages are libasan and libubsan");
        return;
    }
    for (file, arguments) in programs(folder.path()) {
        for dialect in [DIALECTS[1], DIALECTS[2]] {
            let program = compile(folder.path(), file, dialect, Linkage::Static, &SANITIZED);
            done(Command::new(program).args(&arguments));
        }
    }
}

#[test]
fn valgrind_finds_no_error_and_no_leak() {
    let what = "the C interface under valgrind";
    if !has_compilers(what) || !has("valgrind", what) {
        return;
    }
    let folder = TempDir::new().unwrap();
    for (file, arguments) in programs(folder.path()) {
        let program = compile(folder.path(), file, DIALECTS[0], Linkage::Shared, &["-O1"]);
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--quiet", "--error-exitcode=9", "--leak-check=full", "--show-leak-kinds=all"]);
        done(valgrind.args(["--errors-for-leak-kinds=all"]).arg(program).args(&arguments));
    }
}

#[test]
fn the_shared_library_is_small() {
    let path = &library().shared;
    let bytes = fs::metadata(path).unwrap().len();
    assert!(bytes <= MAX_LIBRARY_BYTES, "{} has {bytes} bytes, limit is {MAX_LIBRARY_BYTES}", path.display());
}

#[test]
fn the_shared_library_exports_what_the_header_declares_and_nothing_else() {
    let what = "names that the C library exports";
    if !has("nm", what) {
        return;
    }
    let listed =
        done(Command::new("nm").args(["-D", "--defined-only", "--format=posix"]).arg(&library().shared));
    let mut exported: Vec<&str> = listed.lines().filter_map(|line| line.split(' ').next()).collect();
    let header = fs::read_to_string(source("include/typecase.h")).unwrap();
    // A declaration starts its line, after a type; what else names a function is a comment.
    let declared = header.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    let name = |line: &&str| {
        let head = line.split_once('(')?.0;
        head.rsplit([' ', '*']).next().filter(|name| name.starts_with("tc_")).map(str::to_owned)
    };
    let mut declared: Vec<String> = declared.filter_map(|line| name(&line)).collect();
    exported.sort_unstable();
    declared.sort_unstable();
    assert_eq!(exported, declared);
}

#[test]
fn the_examples_build_in_every_dialect_and_sort_the_sample() {
    if !has_compilers("the example of the C interface") {
        return;
    }
    let folder = TempDir::new().unwrap();
    for dialect in DIALECTS {
        let program = compile(folder.path(), "examples/classify.c", dialect, Linkage::Shared, &[]);
        let sample = fs::File::open(root().join("models/sample/news-heldout.txt")).unwrap();
        let printed = done(Command::new(&program).arg(shipped()).stdin(sample));
        assert_eq!(printed.lines().count(), 24);
        assert!(printed.starts_with("World "), "{printed}");
        let refused = Command::new(&program).arg("Cargo.toml").current_dir(root()).output().unwrap();
        let message = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{message}");
        assert!(message.starts_with("error: Cargo.toml: "), "{message}");
        // Its answers are compared by the suite `conformance`.
        let program = compile(folder.path(), "examples/scores.c", dialect, Linkage::Shared, &[]);
        let sample = fs::File::open(root().join("models/sample/news-heldout.txt")).unwrap();
        let printed = done(Command::new(&program).arg(shipped()).stdin(sample));
        assert_eq!(printed.lines().count(), 1 + 24);
        assert!(printed.starts_with("libtypecase "), "{printed}");
    }
}
