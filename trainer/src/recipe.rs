//! A recipe: one TOML file that says which data, which features, which training, which case.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use typecase_case::sections::bag::Pooling;
use typecase_convert::{Options, TextSettings};

use crate::data::{Format, ReadOptions};
use crate::error::TrainError;
use crate::tokenizer::TokenizerRecipe;

mod distillation;
mod encoder;
mod nearest;
mod pretraining;

pub use distillation::{AugmentationRecipe, DistillationRecipe, TeacherRecipe};
pub use encoder::{EncoderRecipe, EncoderTraining, FreshRecipe, QuantisedTraining, Schedule, ShrinkRecipe};

pub use pretraining::PretrainingRecipe;

/// A whole recipe. Everything but the name and the data has a default.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What people call the model, and the case.
    pub name: String,
    /// A file with one golden text a line (16 to 1024), beside the recipe; without it those of the converter.
    pub golden: Option<PathBuf>,
    /// Which data.
    pub data: DataRecipe,
    /// How texts are cut.
    #[serde(default)]
    pub text: TextSettings,
    /// A sub-word tokenizer, whose tokens take the place of words.
    pub tokenizer: Option<TokenizerRecipe>,
    /// A pre-trained encoder to fine-tune, instead of a bag; of `train` only the seed counts then.
    pub encoder: Option<EncoderRecipe>,
    /// The encoder learns its words from the texts instead of their classes.
    pub pretraining: Option<PretrainingRecipe>,
    /// Teachers to learn from beside the labels.
    pub distillation: Option<DistillationRecipe>,
    /// Changed copies of the texts to learn from beside them.
    pub augmentation: Option<AugmentationRecipe>,
    /// How the model learns.
    #[serde(default)]
    pub train: TrainRecipe,
    /// How it becomes a case.
    #[serde(default)]
    pub convert: Options,
}

/// Which data.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecipe {
    /// Labelled files, beside the data folder's root.
    pub train: Vec<PathBuf>,
    /// Files that are learnt from but never held out: lower quality, or other sources.
    #[serde(default)]
    pub extra: Vec<PathBuf>,
    /// Names of the classes; without them from `classes.txt` beside the first file, or as found.
    pub labels: Option<Vec<String>>,
    /// `ag-news`, `csv`, `tsv` or `jsonl`; without it from the file.
    pub format: Option<String>,
    /// Columns with text, joined.
    #[serde(default)]
    pub text_columns: Vec<String>,
    /// Column with the label.
    pub label_column: Option<String>,
    /// Share of each class that is held out, 0.001 to 0.9.
    #[serde(default = "tenth")]
    pub validation_share: f64,
    /// Which texts are held out follows from it; without it from `train.seed`. A teacher and its students need the same.
    pub validation_seed: Option<u64>,
    /// Leave out bad rows instead of stopping at the first.
    #[serde(default)]
    pub skip_bad_rows: bool,
}

const fn tenth() -> f64 {
    0.1
}

/// How the model learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainRecipe {
    /// Splits and orders follow from it.
    pub seed: u64,
    /// Features in fewer texts are not looked at.
    pub min_count: u32,
    /// Features kept after each stage but the last, falling: each stage trains, drops the least important features and
    /// leaves the rest to the next. Empty for one stage with all features.
    pub keep: Vec<usize>,
    /// The cost of an error against the size of the weights; larger fits closer.
    pub cost: f32,
    /// Passes over the data in a stage, at most.
    pub epochs: usize,
    /// A stage ends after so many epochs without a better validation accuracy (or the same and a lower loss), and falls
    /// back to the best.
    pub patience: usize,
    /// Weight of a text by its class.
    pub class_weights: ClassWeights,
    /// Exponent of the inverse document frequency in a feature's gain.
    pub idf_power: f32,
    /// Exponent of the feature's evidence (1 minus the normalised entropy of its classes) in its gain; 0 for none.
    pub evidence_power: f32,
    /// Texts of each class added to a feature's counts before its evidence is taken.
    pub evidence_smoothing: f32,
    /// Exponent of a feature's learnt weight in its gain of the next stage: 0 starts anew, more favours features that
    /// proved themselves.
    pub reweight: f32,
    /// Exponent of a feature's count in its importance.
    pub importance_count_power: f32,
    /// Every score starts from this, so that a text without evidence is no member of any class.
    pub offset: f32,
    /// How sums are normalised for probabilities: `sum`, `mean` or `square-root`.
    pub pooling: PoolingName,
}

impl Default for TrainRecipe {
    fn default() -> Self {
        Self {
            seed: 1,
            min_count: 2,
            keep: Vec::new(),
            cost: 0.3,
            epochs: 12,
            patience: 4,
            class_weights: ClassWeights::None,
            idf_power: 1.0,
            evidence_power: 0.5,
            evidence_smoothing: 0.3,
            reweight: 0.0,
            importance_count_power: 0.5,
            offset: -0.5,
            pooling: PoolingName::SquareRoot,
        }
    }
}

/// Weight of a text by its class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassWeights {
    /// All texts count alike.
    None,
    /// Each class as a whole counts alike.
    Balanced,
    /// One weight a class, above 0.
    #[serde(untagged)]
    Each(Vec<f32>),
}

/// Names of [`Pooling`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolingName {
    /// [`Pooling::Sum`].
    Sum,
    /// [`Pooling::Mean`].
    Mean,
    /// [`Pooling::SquareRoot`].
    SquareRoot,
}

impl From<PoolingName> for Pooling {
    fn from(name: PoolingName) -> Self {
        match name {
            PoolingName::Sum => Self::Sum,
            PoolingName::Mean => Self::Mean,
            PoolingName::SquareRoot => Self::SquareRoot,
        }
    }
}

impl Recipe {
    /// Reads and checks a recipe, and the golden texts and the tokenizer it names.
    ///
    /// # Errors
    /// [`TrainError::Io`] if a file cannot be read, [`TrainError::Recipe`] if it makes no sense.
    pub fn load(path: &Path) -> Result<Self, TrainError> {
        let text = fs::read_to_string(path).map_err(|e| TrainError::io(path, e))?;
        let mut recipe = Self::parse(&text, path)?;
        if let Some(golden) = &recipe.golden {
            let golden = path.parent().unwrap_or_else(|| Path::new("")).join(golden);
            let texts = fs::read_to_string(&golden).map_err(|e| TrainError::io(&golden, e))?;
            recipe.convert.golden_texts = texts.lines().map(str::to_owned).collect();
        }
        if let Some(tokenizer) = &mut recipe.tokenizer {
            tokenizer.read(path)?;
        }
        if let Some(encoder) = &mut recipe.encoder {
            encoder.find(path);
        }
        if let Some(distillation) = &mut recipe.distillation {
            distillation.find(path);
        }
        Ok(recipe)
    }

    /// Reads and checks a recipe from its text; `path` is for messages.
    ///
    /// # Errors
    /// [`TrainError::Recipe`] if it makes no sense.
    pub fn parse(text: &str, path: &Path) -> Result<Self, TrainError> {
        let bad = |reason: String| TrainError::Recipe { path: path.to_owned(), reason };
        let recipe: Self = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            bad(format!("line {line}: {}", nearest::with_nearest(&e.message().replace('\n', ", "))))
        })?;
        recipe.check().map_err(bad)?;
        Ok(recipe)
    }

    fn check(&self) -> Result<(), String> {
        let TrainRecipe { keep, cost, epochs, patience, class_weights, .. } = &self.train;
        if self.name.is_empty() || !self.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        {
            return Err(format!("name {:?} found, allowed are letters, digits, - _ .", self.name));
        }
        if self.data.train.is_empty() {
            return Err("data.train names no file, at least 1 is needed".to_owned());
        }
        if !(0.001..=0.9).contains(&self.data.validation_share) {
            let share = self.data.validation_share;
            return Err(format!("data.validation_share {share} found, allowed are 0.001 to 0.9"));
        }
        if let Some(name) = &self.data.format {
            name.parse::<Format>().map_err(|e| e.to_string())?;
        }
        self.text.ngrams().map_err(|e| e.to_string())?;
        self.text.check_units(self.tokenizer.is_some()).map_err(|e| e.to_string())?;
        self.tokenizer.as_ref().map_or(Ok(()), TokenizerRecipe::check)?;
        if let Some(encoder) = &self.encoder {
            if self.tokenizer.is_some() {
                return Err("encoder and tokenizer found, an encoder has its own tokenizer".to_owned());
            }
            encoder.check()?;
        }
        if let Some(distillation) = &self.distillation {
            distillation.check(self.encoder.as_ref().is_some_and(|encoder| encoder.shrink.is_some()))?;
        }
        if let Some(pretraining) = &self.pretraining {
            pretraining.check()?;
            let Some(encoder) = &self.encoder else {
                return Err("pretraining found, it needs a table encoder".to_owned());
            };
            if encoder.training.quantised.is_some() || encoder.keep_head {
                let other = if encoder.keep_head { "keep_head" } else { "training.quantised" };
                return Err(format!("pretraining and encoder.{other} found, words have no head of a case"));
            }
            if self.distillation.is_some() || self.augmentation.is_some() {
                let other = if self.distillation.is_some() { "distillation" } else { "augmentation" };
                return Err(format!("pretraining and {other} found, words have no classes to be taught"));
            }
        }
        self.augmentation.as_ref().map_or(Ok(()), AugmentationRecipe::check)?;
        if keep.contains(&0) || !keep.is_sorted_by(|a, b| a > b) {
            return Err(format!("train.keep {keep:?} found, allowed are falling numbers above 0"));
        }
        if !(cost.is_finite() && *cost > 0.0) {
            return Err(format!("train.cost {cost} found, it must be above 0"));
        }
        if *epochs == 0 || *patience == 0 {
            return Err(format!("train.epochs {epochs} and patience {patience} found, both must be above 0"));
        }
        if let ClassWeights::Each(weights) = class_weights
            && !weights.iter().all(|w| w.is_finite() && *w > 0.0)
        {
            return Err(format!("train.class_weights {weights:?} found, all must be above 0"));
        }
        let powers = [
            ("idf_power", self.train.idf_power),
            ("evidence_power", self.train.evidence_power),
            ("evidence_smoothing", self.train.evidence_smoothing),
            ("reweight", self.train.reweight),
            ("importance_count_power", self.train.importance_count_power),
        ];
        if let Some((name, value)) = powers.iter().find(|(_, value)| !(0.0..=10.0).contains(value)) {
            return Err(format!("train.{name} {value} found, allowed are 0 to 10"));
        }
        if !(-1.0..=1.0).contains(&self.train.offset) {
            return Err(format!("train.offset {} found, allowed are -1 to 1", self.train.offset));
        }
        Ok(())
    }

    /// The recipe with every default written out.
    ///
    /// # Errors
    /// [`TrainError::Recipe`] if a value has no form in TOML.
    pub fn to_toml(&self) -> Result<String, TrainError> {
        let bad = |e: toml::ser::Error| TrainError::Recipe {
            path: self.name.clone().into(),
            reason: e.to_string(),
        };
        toml::to_string(self).map_err(bad)
    }

    /// Which texts are held out follows from it.
    #[must_use]
    pub fn validation_seed(&self) -> u64 {
        self.data.validation_seed.unwrap_or(self.train.seed)
    }

    /// How the data files are read.
    #[must_use]
    pub fn read_options(&self) -> ReadOptions {
        let defaults = ReadOptions::default();
        let DataRecipe { text_columns, label_column, labels, format, skip_bad_rows, .. } = &self.data;
        ReadOptions {
            format: format.as_deref().and_then(|name| name.parse().ok()),
            text_columns: if text_columns.is_empty() {
                defaults.text_columns.clone()
            } else {
                text_columns.clone()
            },
            label_column: label_column.clone().unwrap_or_else(|| defaults.label_column.clone()),
            labels: labels.clone(),
            skip_bad_rows: *skip_bad_rows,
            ..defaults
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Recipe, String> {
        Recipe::parse(text, Path::new("r.toml")).map_err(|e| e.to_string())
    }

    #[test]
    fn a_recipe_needs_a_name_and_data_alone() {
        let recipe = parse("name = \"a\"\n[data]\ntrain = [\"t.csv\"]").unwrap();
        assert_eq!(recipe.train, TrainRecipe::default());
        assert_eq!(recipe.data.validation_share, 0.1);
        // What it does not ask for does not stand in what is written: its digest is part of cases.
        let written = toml::to_string(&recipe).unwrap();
        assert!(!written.contains("token"), "{written}");
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let table = [
            ("", "r.toml: line 1: missing field `name`"),
            ("name = \"a\"\n[data]\ntrain = []", "r.toml: data.train names no file, at least 1 is needed"),
            (
                "name = \"a/b\"\n[data]\ntrain = [\"t\"]",
                "r.toml: name \"a/b\" found, allowed are letters, digits, - _ .",
            ),
            (
                "name = \"a\"\n[data]\ntrain = [\"t\"]\n[train]\nkeep = [5, 9]",
                "r.toml: train.keep [5, 9] found, allowed are falling numbers above 0",
            ),
            (
                "name = \"a\"\n[data]\ntrain = [\"t\"]\n[train]\ncost = 0.0",
                "r.toml: train.cost 0 found, it must be above 0",
            ),
            (
                "name = \"a\"\n[data]\ntrain = [\"t\"]\n[text]\nword_ngrams = 9",
                "r.toml: word n-grams up to 9, allowed are 1 to 6",
            ),
            (
                "name = \"a\"\n[data]\ntrain = [\"t\"]\n[text]\nmax_tokens = 9",
                "r.toml: text.max_tokens 9 found, it needs a sub-word tokenizer",
            ),
            (
                "name = \"a\"\n[data]\ntrain = [\"t\"]\n[text]\nmarks = true\n[tokenizer]\nlearn = \"bpe\"",
                "r.toml: text.marks is set, a sub-word tokenizer has no use for it",
            ),
            (
                "name = \"a\"\n[data]\ntrain = [\"t\"]\n[tokenizer]",
                "r.toml: tokenizer has neither file nor learn, one is needed",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text).map(|_| ()).unwrap_err(), expected);
        }
        let message = parse("name = \"a\"\n[data]\ntrain = [\"t\"]\n[train]\nepoch = 3").unwrap_err();
        assert!(message.starts_with("r.toml: line 5: unknown field `epoch`"), "{message}");
        assert!(message.ends_with("; the nearest is `epochs`"), "{message}");
    }

    #[test]
    fn mistakes_of_an_encoder_are_named() {
        let parse = |table: &str| {
            parse(&format!("name = \"a\"\n[data]\ntrain = [\"t\"]\n[encoder]\nfolder = \"m\"\n{table}"))
        };
        let table = [
            ("max_tokens = 0", "r.toml: encoder.max_tokens 0 found, allowed are 1 to 4096"),
            (
                "[encoder.training]\nbatch = 0",
                "r.toml: encoder.training.batch 0 found, allowed are 1 to 1048576",
            ),
            (
                "[encoder.training]\nrate = 0.0",
                "r.toml: encoder.training.rate 0 found, allowed are above 0 to 1",
            ),
            (
                "[encoder.training]\nwarm_up = 1.5",
                "r.toml: encoder.training.warm_up 1.5 found, allowed are 0 to 1",
            ),
            (
                "[tokenizer]\nlearn = \"bpe\"",
                "r.toml: encoder and tokenizer found, an encoder has its own tokenizer",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text).map(|_| ()).unwrap_err(), expected);
        }
        let message = parse("[encoder.training]\nlearning_rate = 1e-5").unwrap_err();
        assert!(message.starts_with("r.toml: line 7: unknown field `learning_rate`"), "{message}");
        let message = parse("[encoder.training]\nlabel_smooting = 0.1").unwrap_err();
        assert!(message.ends_with("; the nearest is `label_smoothing`"), "{message}");
        let message = parse("pooling = \"men\"").unwrap_err();
        assert!(message.contains("unknown variant `men`"), "{message}");
        assert!(message.ends_with("; the nearest is `mean`"), "{message}");
    }

    #[test]
    fn every_default_of_an_encoder_is_written_out() {
        let recipe = parse("name = \"a\"\n[data]\ntrain = [\"t\"]\n[encoder]\nfolder = \"m\"").unwrap();
        let written = recipe.to_toml().unwrap();
        for line in
            ["pooling = \"mean\"", "head = \"linear\"", "max_tokens = 128", "rate = 0.00006", "clip = 1.0"]
        {
            assert!(written.lines().any(|l| l == line), "{line} not in\n{written}");
        }
        assert_eq!(Recipe::parse(&written, Path::new("r.toml")).unwrap().encoder, recipe.encoder);
    }

    #[test]
    fn class_weights_are_a_word_or_a_list() {
        let with = |weights: &str| {
            parse(&format!("name = \"a\"\n[data]\ntrain = [\"t\"]\n[train]\nclass_weights = {weights}"))
        };
        assert_eq!(with("\"balanced\"").unwrap().train.class_weights, ClassWeights::Balanced);
        assert_eq!(with("[1.0, 2.0]").unwrap().train.class_weights, ClassWeights::Each(vec![1.0, 2.0]));
        assert!(with("[1.0, -2.0]").is_err());
        assert!(with("\"other\"").is_err());
    }
}
