//! A second thread changes how long an encoder takes, and nothing else.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use typecase::{Backend, Case, Options, prepare};
use typecase_case::sections::encoder::EncoderPooling;
use typecase_tests::{CaseParts, encoder, minimal_case};
use xtask::{texts, workspace_root};

fn in_two() -> Options {
    Options { in_two: true, ..Options::new(Backend::Native, true) }
}

#[test]
fn verdicts_on_two_threads_are_those_on_one() {
    let mut texts = texts::sample(&workspace_root().unwrap()).unwrap();
    let device = encoder::device_case(&texts);
    texts.truncate(200);
    texts.extend([Vec::new(), b"w1".to_vec(), b"w1 w2 w3 ".repeat(100)]);
    for bytes in [device, CaseParts::encoder(EncoderPooling::First).build(), minimal_case()] {
        let case = Case::from_bytes(bytes).unwrap();
        let one = prepare(&case, &Options::default()).unwrap();
        let two = prepare(&case, &in_two()).unwrap();
        assert_eq!(one.report().device, two.report().device);
        let (mut one, mut two) = (one.session(), two.session());
        for text in &texts {
            let expected = one.classify(text).unwrap();
            let found = two.classify(text).unwrap();
            assert_eq!(
                (found.label_index, found.scores),
                (expected.label_index, expected.scores),
                "{text:?}"
            );
        }
        assert!(two.verify().unwrap() >= 16);
        let mut found = Vec::new();
        two.classify_batch(&texts, |_, verdict| found.push(verdict.label_index)).unwrap();
        let expected: Vec<u32> = texts.iter().map(|text| one.classify(text).unwrap().label_index).collect();
        assert_eq!(found, expected, "a batch runs on this thread");
    }
}
