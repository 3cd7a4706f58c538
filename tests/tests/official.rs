//! The shipped cases, on the official test set of AG News: for reporting, never for choosing. Skipped, loudly, where the
//! data are not.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::path::PathBuf;
use std::thread;

use typecase::{Case, Options, prepare};
use typecase_train::data::{Item, ReadOptions, load};

/// Items that a thread classifies.
const THREAD: usize = 1900;

/// A shipped case and what it promises.
struct Shipped {
    name: &'static str,
    most_bytes: u64,
    least_accuracy: f64,
}

const SHIPPED: [Shipped; 6] = [
    Shipped { name: "news-16k", most_bytes: 16_384, least_accuracy: 0.904 },
    Shipped { name: "news-64k", most_bytes: 65_536, least_accuracy: 0.915 },
    Shipped { name: "news-256k", most_bytes: 262_144, least_accuracy: 0.920 },
    Shipped { name: "news-1m", most_bytes: 1_048_576, least_accuracy: 0.924 },
    Shipped { name: "news-small", most_bytes: 8_388_608, least_accuracy: 0.932 },
    Shipped { name: "news-base", most_bytes: 26_214_400, least_accuracy: 0.938 },
];

impl Shipped {
    fn path(&self) -> PathBuf {
        xtask::workspace_root().unwrap().join(format!("models/{}.case", self.name))
    }

    fn open(&self) -> Case {
        typecase::open(self.path()).unwrap()
    }
}

#[test]
fn shipped_cases_are_sound_and_within_their_size() {
    for shipped in SHIPPED {
        let bytes = std::fs::metadata(shipped.path()).unwrap().len();
        assert!(
            bytes <= shipped.most_bytes,
            "{}: {bytes} bytes, allowed are {}",
            shipped.name,
            shipped.most_bytes
        );
        let case = shipped.open();
        assert_eq!(case.name(), shipped.name);
        assert_eq!(case.labels().iter().collect::<Vec<_>>(), ["World", "Sports", "Business", "Sci/Tech"]);
        let vectors = prepare(&case, &Options::default()).unwrap().session().verify().unwrap();
        assert!(vectors >= 16, "{}: {vectors} golden vectors", shipped.name);
        for key in ["data_sha256", "seed", "trainer", "held_out_accuracy", "held_out_items"] {
            assert!(case.provenance().value(key).is_some(), "{}: no {key} in its provenance", shipped.name);
        }
    }
}

#[test]
fn shipped_cases_keep_their_promise_on_the_official_test() {
    let root = xtask::workspace_root().unwrap();
    let Some(data) = xtask::setup::labelled_data(&root) else {
        let why = "no labelled data; set TYPECASE_DATA to a folder that holds agnews/test.csv";
        return xtask::skip::skipped("accuracy of the shipped cases on the official test", why);
    };
    let test = load(&data.join("agnews/test.csv"), &ReadOptions::default()).unwrap().dataset;
    assert_eq!(test.items.len(), 7600, "the official test has so many rows");
    for shipped in SHIPPED {
        let case = prepare(&shipped.open(), &Options::default()).unwrap();
        let right_of = |items: &[Item]| -> u32 {
            let mut session = case.session();
            let right = |item: &Item| session.classify(&item.text).unwrap().label_index == item.label;
            items.iter().map(right).map(u32::from).sum()
        };
        let right: u32 = thread::scope(|scope| {
            let parts: Vec<_> =
                test.items.chunks(THREAD).map(|items| scope.spawn(|| right_of(items))).collect();
            parts.into_iter().map(|part| part.join().unwrap()).sum()
        });
        let accuracy = f64::from(right) / 7600.0;
        let Shipped { name, least_accuracy, .. } = shipped;
        assert!(accuracy >= least_accuracy, "{name}: accuracy {accuracy:.4}, promised are {least_accuracy}");
    }
}
