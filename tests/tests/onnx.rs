//! Emitted graphs: what is in them, and that ONNX Runtime computes exactly the integers of the kernels.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use prost::Message as _;
use typecase_engine::{Bag, Case, Head, Payload};
use typecase_kernels::{RowScales, scalar};
use typecase_onnx::proto::tensor_proto::DataType;
use typecase_onnx::proto::tensor_shape_proto::dimension::Value as Length;
use typecase_onnx::proto::{GraphProto, ModelProto, ValueInfoProto, type_proto};
use typecase_tests::bags::{Random, a_case, a_vocabulary, shapes};
use typecase_tests::{Scratch, minimal_case};

const NEWS_64K: &[u8] = include_bytes!("../../models/news-64k.case");
const NEWS_1M: &[u8] = include_bytes!("../../models/news-1m.case");

/// The scores by the specification.
fn specified(case: &Case<&[u8]>, bag: &Bag<'_>, ids: &[u32]) -> Vec<i32> {
    let width = usize::from(bag.shape.width);
    let mut hidden = vec![0; width];
    let scales = RowScales::new(bag.shape.scale_bits, bag.scales);
    match bag.shape.weight_bits {
        4 => scalar::sum_rows_i4(bag.weights, width, scales, ids, &mut hidden),
        _ => scalar::sum_rows_i8(bag.weights, width, scales, ids, &mut hidden),
    }
    let norm = case.norm(ids.len());
    scalar::add_bias(bag.bias, norm, &mut hidden);
    let Head::Relu { shift } = bag.shape.head else { return hidden };
    let mut scores = vec![0; bag.shape.classes.into()];
    scalar::dense_relu_i8(&hidden, shift, bag.head_weights, bag.head_bias, norm, &mut scores);
    scores
}

/// What ONNX Runtime is to compute, and what it must give.
struct Jobs<'a> {
    folder: &'a Path,
    list: String,
    expected: Vec<Vec<i32>>,
    models: usize,
}

impl<'a> Jobs<'a> {
    fn new(folder: &'a Path) -> Self {
        Self { folder, list: String::new(), expected: Vec::new(), models: 0 }
    }

    /// Writes the graph of a case; the lists that follow are for it.
    fn model(&mut self, case: &Case<&[u8]>) {
        self.models += 1;
        fs::write(self.path(), typecase_onnx::emit(case).unwrap()).unwrap();
    }

    /// Asks for the scores of ids, then of the same ids among padding.
    fn ids(&mut self, case: &Case<&[u8]>, ids: &[u32], scores: &[i32]) {
        let (list, factor) = typecase_onnx::inputs_for(case, ids);
        self.job(&list, factor, scores);
        let padding = typecase_onnx::padding_id(case);
        let padded: Vec<i64> = [padding].into_iter().chain(list).chain([padding; 3]).collect();
        self.job(&padded, factor, scores);
    }

    fn job(&mut self, ids: &[i64], factor: i32, scores: &[i32]) {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        writeln!(self.list, "{}\t{factor}\t{}", self.path(), ids.join(",")).unwrap();
        self.expected.push(scores.to_vec());
    }

    fn path(&self) -> String {
        self.folder.join(format!("{}.onnx", self.models)).into_os_string().into_string().unwrap()
    }

    /// Runs ONNX Runtime once over everything and compares.
    fn compare(&self) {
        let jobs = self.folder.join("jobs.tsv");
        fs::write(&jobs, &self.list).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/run_onnx.py");
        let output = Command::new("python3").arg(script).arg(&jobs).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answers = String::from_utf8(output.stdout).unwrap();
        let answers: Vec<Vec<i32>> =
            answers.lines().map(|line| line.split(',').map(|n| n.parse().unwrap()).collect()).collect();
        assert_eq!(answers.len(), self.expected.len());
        let jobs = self.list.lines().zip(&self.expected).zip(&answers);
        let wrong: Vec<_> = jobs.filter(|((_, expected), answer)| expected != answer).collect();
        assert!(wrong.is_empty(), "{} of {} differ, the first: {:?}", wrong.len(), answers.len(), wrong[0]);
        eprintln!("{} score vectors of {} graphs equal", answers.len(), self.models);
    }
}

fn without_onnx_runtime(what: &str) -> bool {
    if xtask::setup::onnx_runtime().is_some() {
        return false;
    }
    xtask::skip::skipped(what, "no ONNX Runtime; python3 -m pip install onnxruntime numpy");
    true
}

#[test]
fn onnx_runtime_gives_the_scores_of_the_kernels_for_bags_of_every_kind() {
    if without_onnx_runtime("ONNX Runtime gives the scores of the kernels for bags of every kind") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut jobs, mut random) = (Jobs::new(folder.path()), Random(1));
    let vocabulary = a_vocabulary();
    let rows = vocabulary.shape().count();
    let (mut negative, mut largest) = (0, 0);
    for (shape, max_ids) in shapes(rows) {
        // Weights of 8 bits with a head of no shift and many numbers can overflow without any bias.
        let Some(file) = a_case(shape, max_ids, &mut random, &vocabulary) else { continue };
        let case = Case::parse(file.as_slice()).unwrap();
        let Payload::Bag(bag) = case.payload() else { panic!("a bag was built") };
        jobs.model(&case);
        let lengths = [0, 1, 2, 3, max_ids - 1, max_ids, max_ids, max_ids / 2, max_ids / 3, max_ids * 2 / 3];
        for len in lengths.into_iter().filter(|len| *len <= max_ids) {
            let ids = random.ids(len as usize, rows);
            let scores = specified(&case, &bag, &ids);
            negative += usize::from(scores.iter().any(|score| *score < 0));
            largest = scores.iter().fold(largest, |largest, score| largest.max(score.unsigned_abs()));
            jobs.ids(&case, &ids, &scores);
        }
    }
    assert!(jobs.models > 280, "{} graphs", jobs.models);
    assert!(negative > 1000 && largest > 1 << 30, "{negative} with negative scores, the largest {largest}");
    jobs.compare();
}

#[test]
fn onnx_runtime_gives_the_scores_of_the_engine_for_shipped_cases() {
    if without_onnx_runtime("ONNX Runtime gives the scores of the engine for shipped cases") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut jobs, mut random, mut scratch) = (Jobs::new(folder.path()), Random(2), Scratch::new());
    let minimal = minimal_case();
    let sample = include_str!("../../models/sample/news.csv");
    for file in [minimal.as_slice(), NEWS_64K, NEWS_1M] {
        let case = Case::parse(file).unwrap();
        let Payload::Bag(bag) = case.payload() else { panic!("a bag was shipped") };
        jobs.model(&case);
        for text in sample.lines().chain(["", "w1 w2 w9 w28", "\u{0}"]) {
            let vector = scratch.vector(&case, text.as_bytes());
            jobs.ids(&case, &vector.ids, &vector.scores);
        }
        for vector in case.golden().iter() {
            let (ids, scores): (Vec<u32>, Vec<i32>) = (vector.ids().collect(), vector.scores().collect());
            jobs.ids(&case, &ids, &scores);
        }
        for _ in 0..200 {
            let len = random.below(case.cost().ids as u64 + 1) as usize;
            let ids = random.ids(len, bag.shape.rows);
            jobs.ids(&case, &ids, &specified(&case, &bag, &ids));
        }
    }
    jobs.compare();
}

fn decoded(file: &[u8]) -> (ModelProto, GraphProto) {
    let model =
        ModelProto::decode(typecase_onnx::emit(&Case::parse(file).unwrap()).unwrap().as_slice()).unwrap();
    let graph = model.graph.clone().unwrap();
    (model, graph)
}

/// Name, type and length of a value of one axis.
fn described(value: &ValueInfoProto) -> (String, i32, Length) {
    let Some(type_proto::Value::TensorType(tensor)) = value.r#type.clone().unwrap().value else {
        panic!("{value:?} is no tensor")
    };
    let [dimension] = <[_; 1]>::try_from(tensor.shape.unwrap().dim).unwrap();
    (value.name.clone().unwrap(), tensor.elem_type.unwrap(), dimension.value.unwrap())
}

#[test]
fn a_graph_has_the_inputs_the_output_and_the_operators_that_are_promised() {
    let vocabulary = a_vocabulary();
    let rows = vocabulary.shape().count();
    let mut random = Random(3);
    let (int32, int64): (i32, i32) = (DataType::Int32.into(), DataType::Int64.into());
    for (shape, max_ids) in shapes(rows) {
        let Some(file) = a_case(shape, max_ids, &mut random, &vocabulary) else { continue };
        let (model, graph) = decoded(&file);
        assert_eq!(model.ir_version, Some(typecase_onnx::IR_VERSION));
        let [opset] = model.opset_import.as_slice() else { panic!("one set of operators") };
        assert_eq!((opset.domain.as_deref(), opset.version), (Some(""), Some(typecase_onnx::OPSET)));
        assert!(graph.value_info.is_empty());

        let inputs: Vec<_> = graph.input.iter().map(described).collect();
        let outputs: Vec<_> = graph.output.iter().map(described).collect();
        let length = |len: i64| Length::DimValue(len);
        assert_eq!(
            inputs,
            [
                ("ids".to_owned(), int64, Length::DimParam("n".to_owned())),
                ("factor".to_owned(), int32, length(1))
            ]
        );
        assert_eq!(outputs, [("scores".to_owned(), int32, length(shape.classes.into()))]);

        // Every name is defined once, before it is used, and used.
        let mut names: BTreeSet<String> = inputs.into_iter().map(|input| input.0).collect();
        let mut used: BTreeSet<String> = ["scores".to_owned()].into();
        for constant in &graph.initializer {
            let bytes = if constant.data_type == Some(int64) { 8 } else { 4 };
            let count: i64 = constant.dims.iter().product();
            assert_eq!(
                constant.raw_data.as_ref().unwrap().len() as i64,
                count * bytes,
                "{:?}",
                constant.name
            );
            assert!(names.insert(constant.name.clone().unwrap()), "{:?} twice", constant.name);
        }
        for node in &graph.node {
            let op = node.op_type.as_deref().unwrap();
            assert!(["Gather", "ReduceSum", "Mul", "Div", "Add", "Max"].contains(&op), "{op}");
            assert!(node.domain.is_none());
            assert!(node.input.iter().all(|input| names.contains(input)), "{node:?} reads what is not there");
            used.extend(node.input.iter().cloned());
            assert!(node.output.iter().all(|output| names.insert(output.clone())), "{node:?} twice");
        }
        assert_eq!(names, used, "something is never used");

        let table =
            graph.initializer.iter().find(|constant| constant.name.as_deref() == Some("rows")).unwrap();
        assert_eq!(table.dims, [i64::from(rows) + 1, shape.width.into()]);
        let raw = table.raw_data.as_ref().unwrap();
        assert!(raw[raw.len() - 4 * usize::from(shape.width)..].iter().all(|&byte| byte == 0));
    }
}

#[test]
fn a_graph_says_which_case_it_is() {
    let file = minimal_case();
    let (model, _) = decoded(&file);
    let found: BTreeMap<_, _> =
        model.metadata_props.into_iter().map(|entry| (entry.key.unwrap(), entry.value.unwrap())).collect();
    let case = Case::parse(file.as_slice()).unwrap();
    let digest: String = case.digest().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found["typecase.name"], "minimal");
    assert_eq!(found["typecase.digest"], format!("sha256:{digest}"));
    assert_eq!(found["typecase.labels"], "world\nsport\ntech");
    assert_eq!(found["typecase.pooling"], "square-root");
    assert_eq!(found["typecase.padding_id"], case.rows().to_string());
    let emit = || typecase_onnx::emit(&case).unwrap();
    assert_eq!(emit(), emit(), "same case, same bytes");
}

#[test]
fn inputs_are_never_empty_and_the_factor_counts_no_padding() {
    let file = minimal_case();
    let case = Case::parse(file.as_slice()).unwrap();
    let padding = typecase_onnx::padding_id(&case);
    assert_eq!(typecase_onnx::inputs_for(&case, &[]), (vec![padding], 256));
    assert_eq!(typecase_onnx::inputs_for(&case, &[3]), (vec![3], 256));
    assert_eq!(typecase_onnx::inputs_for(&case, &[0, 3, 3, 1]), (vec![0, 3, 3, 1], 512));
}
