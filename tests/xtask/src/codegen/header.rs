//! Generator of the C header, from the sources of `targets/ffi`.

use std::path::Path;

use anyhow::{Context, Result};
use cbindgen::{Builder, Config, DocumentationStyle, Language, Style};

/// The sources with something that C sees, in the order in which the header has it.
const SOURCES: [&str; 4] = ["version", "types", "case", "session"];

const HEADER: &str = "\
/*
 * libtypecase: classifies text on the device, in a few microseconds, with the same scores everywhere.
 *
 *     tc_case *news = NULL;
 *     tc_session *session = NULL;
 *     tc_verdict verdict;
 *     verdict.size = sizeof verdict;
 *     if (tc_case_open(path, strlen(path), NULL, &news, NULL) == TC_OK
 *         && tc_session_new(news, &session) == TC_OK
 *         && tc_classify(session, text, strlen(text), &verdict) == TC_OK) {
 *         printf(\"class %u, %.1f %%\\n\", (unsigned)verdict.label, 100.0 * verdict.probability);
 *     }
 *     tc_session_close(&session);
 *     tc_case_close(&news);
 *
 * Threads: a case may be used by any number of threads at the same time; each thread has its own session. A session
 * is used by one thread at a time. Opening and closing are ordinary calls: nobody may close what another still uses.
 *
 * Pointers are checked for NULL and alignment, lengths and sizes for what is possible. What cannot be checked stands
 * under \"Safety\" of each function. A call that fails leaves its case, its session and its verdict as they were; it
 * sets the handle that it should have made to NULL. The library prints nothing, except for a panic, which is a bug.
 *
 * Written by `cargo xtask codegen` from targets/ffi/src; do not edit. Licence: MIT or Apache-2.0, at your choice.
 */";

pub(super) fn source(root: &Path) -> Result<String> {
    let config = Config {
        language: Language::C,
        style: Style::Both,
        cpp_compat: true,
        usize_is_size_t: true,
        documentation_style: DocumentationStyle::Doxy,
        header: Some(HEADER.to_owned()),
        include_guard: Some("TYPECASE_H".to_owned()),
        no_includes: true,
        sys_includes: vec!["stddef.h".to_owned(), "stdint.h".to_owned()],
        line_length: 110,
        ..Config::default()
    };
    let builder = SOURCES.iter().fold(Builder::new().with_config(config), |builder, name| {
        builder.with_src(root.join(format!("targets/ffi/src/{name}.rs")))
    });
    let mut text = Vec::new();
    builder.generate().context("cbindgen")?.write(&mut text);
    Ok(String::from_utf8(text)?)
}
