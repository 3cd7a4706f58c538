//! Students: what is cut from a network, and what its teachers make of the loss.

use std::sync::atomic::Ordering;

use super::*;
use crate::encoder::batches::Targets;
use crate::encoder::guide::{Guide, Origin};
use crate::encoder::optimiser::Gradient;
use crate::encoder::shrink::Student;
use crate::recipe::{DistillationRecipe, EncoderRecipe};
use crate::{Event, Recipe};

fn encoder(shrink: &str) -> EncoderRecipe {
    toml::from_str(&format!("folder = \"n\"\n[shrink]\n{shrink}")).unwrap()
}

fn student(shrink: &str, texts: &[&str]) -> Result<Student, String> {
    let bert = Bert::load(folder().path()).unwrap();
    let texts: Vec<(&str, u32)> = texts.iter().map(|text| (*text, 0)).collect();
    Student::new(&encoder(shrink), bert, tokenizer().to_string(), &texts)
}

fn distillation(more: &str) -> DistillationRecipe {
    toml::from_str(&format!("teachers = [{{ path = \"t\" }}]\n{more}")).unwrap()
}

/// Texts of one length, with what a teacher of three classes says to them.
fn batch() -> Batch {
    let mut random = Random::new(5);
    let rows = (0..6u32).map(|text| ((0..7).map(|_| random.below(ROWS as u64) as u32).collect(), text % 3));
    let mut texts = Texts::of(rows);
    let soft: Vec<f32> = (0..6).flat_map(|text| [[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]][text % 2]).collect();
    let hard = (0..18).map(|at| if at / 3 % 3 == at % 3 { 1.0 } else { 0.0 }).collect();
    texts.targets = Some(Targets { hard, soft });
    let batch = texts.batch(&[0, 1, 2, 3, 4, 5]);
    assert!(batch.is_even());
    batch
}

fn training() -> EncoderTraining {
    EncoderTraining { dropout: 0.0, label_smoothing: 0.0, ..EncoderTraining::default() }
}

fn loss(parameters: &Parameters, guide: Option<&Guide>, batch: &Batch) -> (f64, Gradient) {
    let (mut random, mut times) = (Random::new(1), Times::default());
    let training = training();
    let manner = Manner { guide, ..manner(&training) };
    let (loss, gradient) = step::gradient(parameters, batch, manner, &mut random, &mut times);
    (loss, gradient.unwrap())
}

#[test]
fn what_is_left_of_a_network_keeps_its_numbers() {
    let whole = Bert::load(folder().path()).unwrap();
    let texts = ["w5 w6 w5 w7 w5", "w6 w29"];
    let small = student("layers = [2]\ninner = 9\nvocabulary = 6", &texts).unwrap();
    let Student { bert, tokenizer, origin } = small;
    assert!(origin.is_some());
    assert_eq!((bert.layers.len(), bert.config.num_hidden_layers, bert.config.intermediate_size), (1, 1, 9));
    assert_eq!(bert.layers[0].query.weight, whole.layers[1].query.weight);
    for (weights, bias) in bert.layers[0].inner.weight.rows().into_iter().zip(&bert.layers[0].inner.bias) {
        let row = whole.layers[1].inner.weight.rows().into_iter().position(|row| row == weights).unwrap();
        assert_eq!(*bias, whole.layers[1].inner.bias[row]);
    }
    // Three special pieces, and the three most frequent others.
    assert_eq!((bert.words.nrows(), bert.config.vocab_size), (6, 6));
    let ids = TextIds::compile(&tokenizer, 12).unwrap();
    let before = TextIds::open(folder().path(), 12).unwrap();
    for (small, large) in ids.ids(texts[0]).iter().zip(before.ids(texts[0])) {
        assert_eq!(bert.words.row(*small as usize), whole.words.row(large as usize));
    }
    assert_eq!(ids.ids("w29"), ids.ids("w4"), "pieces that are gone are unknown");

    let same = student("", &texts).unwrap();
    assert_eq!(same.bert.words, whole.words);
    assert_eq!(same.bert.layers.len(), 2);
}

#[test]
fn what_cannot_be_cut_is_named() {
    let message = |shrink: &str| student(shrink, &["w5"]).err().unwrap();
    assert_eq!(message("layers = [1, 3]"), "encoder.shrink.layers: 3 found, the network has 2");
    assert_eq!(message("inner = 25"), "encoder.shrink.inner 25 found, the network has 24");
    let origin = student("layers = [1]", &["w5"]).unwrap().origin.unwrap();
    let message = origin.origin(&encoder(""), 3, &[1, 2]).err().unwrap();
    assert_eq!(message, "distillation.layers [1, 2] found, 1 are needed, each of 1 to 2");
    let recipe = |text: &str| {
        let text = format!("name = \"a\"\n[data]\ntrain = [\"t\"]\n[encoder]\nfolder = \"n\"\n{text}");
        Recipe::parse(&text, Path::new("r.toml")).map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(
        recipe("[encoder.shrink]\nlayers = [0, 1]"),
        "r.toml: encoder.shrink.layers [0, 1] found, allowed are rising numbers from 1"
    );
    assert_eq!(
        recipe("[distillation]\nteachers = [{ path = \"t\" }]\nstates = 1.0"),
        "r.toml: distillation.states 1 found, it needs a table encoder.shrink"
    );
    assert_eq!(
        recipe("[distillation]\nteachers = [{ path = \"t\" }]\nfollow_until = 2.0"),
        "r.toml: distillation.follow_until 2 found, allowed are 0 to 1"
    );
    assert_eq!(
        recipe("[distillation]\nteachers = []"),
        "r.toml: distillation.teachers is empty, at least 1 is needed"
    );
}

#[test]
fn the_loss_of_soft_labels_is_that_of_the_formula() {
    let parameters = parameters(PoolingKind::Mean, HeadKind::Linear);
    let batch = batch();
    let logits = step::logits(&parameters, &texts_of(&batch), &CPU, &|| false).unwrap();
    let targets = batch.targets.as_ref().unwrap();
    let entropy = |temperature: f64, wanted: &[f32]| -> f64 {
        let of_text = |(logits, wanted): (&Vec<f32>, &[f32])| {
            let scaled: Vec<f64> = logits.iter().map(|x| f64::from(*x) / temperature).collect();
            let all = scaled.iter().map(|x| x.exp()).sum::<f64>().ln();
            scaled.iter().zip(wanted).map(|(x, p)| (all - x) * f64::from(*p)).sum::<f64>()
        };
        logits.iter().zip(wanted.chunks_exact(3)).map(of_text).sum::<f64>() / logits.len() as f64
    };
    for (share, temperature) in [(0.0, 1.0), (1.0, 1.0), (0.5, 3.0)] {
        let recipe = distillation(&format!("share = {share:?}\ntemperature = {temperature:?}"));
        let guide = Guide::new(&recipe, None);
        let (found, _) = loss(&parameters, Some(&guide), &batch);
        let expected = (1.0 - share) * entropy(1.0, &targets.hard)
            + share * temperature * temperature * entropy(temperature, &targets.soft);
        assert!((found - expected).abs() < 1e-5 * expected, "{found} {expected}");
    }
    // Soft labels that are the hard ones: the same gradients.
    let mut sure = batch.clone();
    sure.targets = Some(Targets { hard: targets.hard.clone(), soft: targets.hard.clone() });
    let guide = Guide::new(&distillation("share = 1.0\ntemperature = 1.0"), None);
    let (taught, plain) = (loss(&parameters, Some(&guide), &sure).1, loss(&parameters, None, &sure).1);
    for (left, right) in taught.list.iter().flatten().zip(plain.list.iter().flatten()) {
        assert!(left.iter().zip(right).all(|(l, r)| (l - r).abs() < 1e-6));
    }
}

/// The texts of a batch without padding.
fn texts_of(batch: &Batch) -> Texts {
    Texts::of(batch.ids.chunks_exact(batch.tokens).map(|ids| (ids.to_vec(), 0)))
}

fn guided_by(parameters: &Parameters, layers: Vec<usize>) -> Guide {
    let words = (0u32..).take(ROWS).collect();
    let recipe = distillation("share = 0.0\nstates = 2.0\nattention = 3.0\nfollow_until = 0.5");
    Guide::new(&recipe, Some(Origin { parameters: parameters.clone(), words, layers }))
}

#[test]
fn a_student_that_is_its_teacher_has_nothing_to_follow() {
    let parameters = parameters(PoolingKind::Mean, HeadKind::Linear);
    let batch = batch();
    let guide = guided_by(&parameters, vec![1, 2]);
    let (guided, gradient) = loss(&parameters, Some(&guide), &batch);
    let (plain, expected) = loss(&parameters, None, &batch);
    assert!((guided - plain).abs() < 1e-6, "{guided} {plain}");
    for (left, right) in gradient.list.iter().flatten().zip(expected.list.iter().flatten()) {
        assert!(left.iter().zip(right).all(|(l, r)| (l - r).abs() < 1e-5));
    }
    // With padding there is no example of layers.
    let uneven = texts(20).batch(&[0, 1, 2, 3, 4, 5]);
    assert_eq!(loss(&parameters, Some(&guide), &uneven).0, loss(&parameters, None, &uneven).0);
}

#[test]
fn layers_are_followed_in_the_first_steps_alone() {
    let teacher = parameters(PoolingKind::Mean, HeadKind::Linear);
    let mut student = teacher.clone();
    student.list[0].numbers.iter_mut().step_by(3).for_each(|x| *x += 0.2);
    let batch = batch();
    let plain = loss(&student, None, &batch).0;
    let mut guide = guided_by(&teacher, vec![1, 2]);
    guide.at(4, 10);
    assert!(loss(&student, Some(&guide), &batch).0 > plain);
    guide.at(5, 10);
    assert_eq!(loss(&student, Some(&guide), &batch).0, plain);
}

#[test]
fn a_student_comes_nearer_to_the_layers_that_it_follows() {
    let teacher = parameters(PoolingKind::Mean, HeadKind::Linear);
    let mut student = teacher.clone();
    let mut random = Random::new(4);
    student.list.iter_mut().for_each(|parameter| {
        parameter.numbers.iter_mut().for_each(|x| *x += 0.2 * (random.unit_f32() - 0.5));
    });
    let batch = batch();
    let guide = guided_by(&teacher, vec![1, 2]);
    let (first, gradient) = loss(&student, Some(&guide), &batch);
    let plain = loss(&student, None, &batch).0;
    assert!(first > plain + 0.01, "{first} {plain}");
    // Along the gradient the loss falls as fast as it says.
    let step = 1e-3f32;
    let mut expected = 0.0f64;
    for (parameter, gradient) in student.list.iter_mut().zip(&gradient.list) {
        for (x, g) in parameter.numbers.iter_mut().zip(gradient.as_ref().unwrap()) {
            *x -= step * g;
            expected += f64::from(step * g * g);
        }
    }
    let fallen = first - loss(&student, Some(&guide), &batch).0;
    assert!((fallen - expected).abs() < 0.1 * expected, "{fallen} {expected}");
}

#[test]
fn a_student_run_goes_on_bit_for_bit_and_says_who_taught_it() {
    let (network, data) = (folder(), runs::data());
    let teacher = data.path().join("teacher");
    let learnt = runs::recipe(network.path(), "epochs = 8");
    runs::run(&learnt, data.path(), &teacher, false, &mut |_, _| {}).unwrap();

    let more = "epochs = 4\nevaluate_every = 20\n[encoder.shrink]\nlayers = [2]\n[distillation]\n\
                teachers = [{ path = \"t\" }]\nstates = 1.0\nattention = 1.0\nfollow_until = 0.5\n[augmentation]\ncopies = 1";
    let mut recipe = runs::recipe(&teacher, more);
    recipe.distillation.as_mut().unwrap().teachers[0].found = Some(teacher.clone());
    let whole = data.path().join("whole");
    let done = runs::run(&recipe, data.path(), &whole, false, &mut |_, _| {}).unwrap();
    assert!(done.trained.provenance["teachers"].starts_with("tiny "));
    assert_eq!(done.trained.provenance["changed_copies"], "192");
    assert!(done.evaluation.accuracy > 0.8, "{:?}", done.evaluation);

    let out = data.path().join("part");
    let stopped = runs::run(&recipe, data.path(), &out, false, &mut |event, stop| {
        if matches!(event, Event::Steps { step: 25, .. }) {
            stop.store(true, Ordering::Relaxed);
        }
    });
    stopped.unwrap_err();
    runs::run(&recipe, data.path(), &out, true, &mut |_, _| {}).unwrap();
    assert!(runs::files(&whole) == runs::files(&out));
}
