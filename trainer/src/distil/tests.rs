use std::fs;
use std::path::Path;

use super::*;
use crate::data::Item;
use crate::train::Compute;

fn recipe(more: &str) -> Recipe {
    let text = format!("name = \"a\"\n[data]\ntrain = [\"t.csv\"]\n{more}");
    Recipe::parse(&text, Path::new("r.toml")).unwrap()
}

fn dataset() -> Dataset {
    let labels = vec!["cold".to_owned(), "warm".to_owned()];
    let item = |n: u32| {
        let word = ["ice snow frost winter", "sun beach summer heat"][n as usize % 2];
        Item { text: format!("{word} {n}. {word} again."), label: n % 2, lead_bytes: 0 }
    };
    Dataset { labels, items: (0..60).map(item).collect() }
}

struct Made {
    lesson: Option<Lesson>,
    told: Vec<Event>,
}

fn options<'a>(data: &'a Path, out: &'a Path, stop: &'a AtomicBool) -> TrainOptions<'a> {
    TrainOptions { data, out, threads: 1, device: Compute::Cpu, resume: false, tensorboard: false, stop }
}

fn made(recipe: &Recipe, out: &Path, stop: bool) -> Result<Made, TrainError> {
    let stop = AtomicBool::new(stop);
    let train: Vec<u32> = (0..50).collect();
    let mut told = Vec::new();
    let mut tell = |event: &Event| {
        told.push(event.clone());
        Ok(())
    };
    let lesson = prepare(recipe, &dataset(), &train, &options(Path::new(""), out, &stop), &mut tell)?;
    Ok(Made { lesson, told })
}

/// A bag that was trained on the texts: its folder.
fn teacher(folder: &Path) -> PathBuf {
    let lines: String = dataset()
        .items
        .iter()
        .map(|item| format!("\"{}\",\"\",\"{}\"\n", item.label + 1, item.text))
        .collect();
    fs::write(folder.join("t.csv"), lines).unwrap();
    let recipe = recipe("labels = [\"cold\", \"warm\"]\nvalidation_share = 0.2\n[train]\nmin_count = 1");
    let out = folder.join("teacher");
    let stop = AtomicBool::new(false);
    crate::train::train(&recipe, &options(folder, &out, &stop), &mut |_| {}).unwrap();
    out
}

fn taught_by(path: &Path, more: &str) -> Recipe {
    recipe(&format!("[distillation]\nteachers = [{{ path = {:?} }}]\n{more}", path.display().to_string()))
}

#[test]
fn a_recipe_of_labels_alone_has_no_lesson() {
    let folder = tempfile::tempdir().unwrap();
    assert!(made(&recipe(""), &folder.path().join("out"), false).unwrap().lesson.is_none());
}

#[test]
fn copies_come_with_the_labels_of_their_words_and_follow_from_the_seed() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let lesson = |seed: u64| {
        let recipe =
            recipe(&format!("[augmentation]\ncopies = 2\nsplice = 1.0\ncut = 0.0\n[train]\nseed = {seed}"));
        made(&recipe, &out, false).unwrap().lesson.unwrap()
    };
    let first = lesson(1);
    assert_eq!((first.copies.len(), first.hard.len()), (100, 300));
    for (copy, target) in first.copies.iter().zip(first.hard[100..].chunks_exact(2)) {
        assert!((target[0] + target[1] - 1.0).abs() < 1e-6);
        let is_pure = !(copy.contains("ice") && copy.contains("sun"));
        assert!(is_pure || target.iter().all(|share| *share > 0.0), "{copy}: {target:?}");
    }
    assert_eq!(first.digest, lesson(1).digest);
    assert_ne!(first.digest, lesson(2).digest);
}

#[test]
fn scores_are_asked_for_once_and_kept_where_a_run_was_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let teacher = teacher(folder.path());
    let out = folder.path().join("out");
    let recipe = taught_by(&teacher, "");
    let stopped = made(&recipe, &out, true).err().unwrap().to_string();
    assert!(
        stopped.starts_with("training: interrupted after 0 of 60 texts were scored, they are kept in "),
        "{stopped}"
    );

    let first = made(&recipe, &out, false).unwrap();
    assert_eq!(first.told.len(), 1);
    let lesson = first.lesson.unwrap();
    let soft = lesson.soft.as_ref().unwrap();
    assert_eq!(soft.len(), 100);
    for (row, item) in soft.chunks_exact(2).zip(&dataset().items) {
        assert!((row[0] + row[1] - 1.0).abs() < 1e-6);
        assert!(row[item.label as usize] > 0.5, "{row:?}");
    }
    let mixed = lesson.mixed(&recipe);
    assert!((mixed[0] - (0.8 * soft[0] + 0.2)).abs() < 1e-6);

    let second = made(&recipe, &out, false).unwrap();
    assert_eq!(second.told.len(), 0);
    assert_eq!(second.lesson.unwrap().digest, lesson.digest);
}

#[test]
fn a_part_of_a_row_is_asked_for_again_and_foreign_bytes_are_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let teacher = teacher(folder.path());
    let out = folder.path().join("out");
    let recipe = taught_by(&teacher, "");
    let digest = made(&recipe, &out, false).unwrap().lesson.unwrap().digest;
    let kept = fs::read_dir(folder.path().join("scores")).unwrap().next().unwrap().unwrap().path();
    let part = PathBuf::from(format!("{}.part", kept.display()));
    let bytes = fs::read(&kept).unwrap();

    for broken in [bytes[..200].to_vec(), bytes[..40].to_vec(), vec![1; 300], Vec::new()] {
        fs::remove_file(&kept).unwrap();
        fs::write(&part, broken).unwrap();
        assert_eq!(made(&recipe, &out, false).unwrap().lesson.unwrap().digest, digest);
        assert_eq!(fs::read(&kept).unwrap(), bytes);
    }
    fs::write(&kept, &bytes[..bytes.len() - 1]).unwrap();
    let message = made(&recipe, &out, false).err().unwrap().to_string();
    assert!(message.ends_with("the scores are damaged, remove the file and start again"), "{message}");
}

#[test]
fn teachers_of_other_classes_and_absent_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = teacher(folder.path());
    let teacher = Teacher::open(&path, Compute::Cpu).unwrap();
    let columns = |labels: &[&str]| {
        let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        teacher.columns(&labels).map_err(|e| e.to_string())
    };
    assert_eq!(columns(&["warm", "cold"]), Ok(vec![1, 0]));
    assert!(columns(&["warm", "hot"]).unwrap_err().contains("class \"hot\" is unknown to this teacher"));
    assert!(columns(&["warm"]).unwrap_err().contains("2 classes found, the student has 1"));
    let message = Teacher::open(Path::new("nowhere.case"), Compute::Cpu).err().unwrap().to_string();
    assert_eq!(message, "nowhere.case: no such file");
}

#[test]
fn a_student_of_a_bag_learns_and_says_who_taught_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = teacher(folder.path());
    let more = "share = 0.5\n[augmentation]\n[train]\nmin_count = 1";
    let mut recipe = taught_by(&path, more);
    recipe.data.labels = Some(vec!["cold".to_owned(), "warm".to_owned()]);
    recipe.data.validation_share = 0.2;
    let stop = AtomicBool::new(false);
    let run = |out: &str| {
        let out = folder.path().join(out);
        crate::train::train(&recipe, &options(folder.path(), &out, &stop), &mut |_| {}).unwrap()
    };
    let student = run("student");
    assert_eq!(student.evaluation.accuracy, 1.0);
    let provenance = &student.checkpoint.provenance;
    assert!(provenance["teachers"].starts_with("a "), "{provenance:?}");
    assert_eq!(provenance["changed_copies"], "48");
    assert_eq!(run("again").checkpoint, student.checkpoint);
}
