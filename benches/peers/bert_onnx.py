"""Writes a BERT folder of Hugging Face as ONNX graphs, each form in which ONNX Runtime may be fast.

    python3 benches/peers/bert_onnx.py [--model FOLDER] [--out FOLDER]

A graph takes `ids` (int64, 1 x tokens) and gives `scores` (f32, 1 x 4): BERT with token type 0 and no padding, the mean
of the tokens, a linear head of random numbers with a fixed seed. The forms:

    f32         as it is
    f32-fused   after `onnxruntime.transformers.optimizer`: one Attention, SkipLayerNormalization and BiasGelu a layer
    int8        `quantize_dynamic`, signed weights of 8 bits with a scale for each output
    int8-r7     the same with weights of 7 bits (`reduce_range`): what is right where a processor has no VNNI, because
                there sums of two products of u8 and i8 are cut to 16 bits
    *-fused     the same from `f32-fused`, which makes QAttention
    qdq         `quantize_static`: scales of the activations from a handful of texts, 7 bits too

Python 3.9 or later with numpy, onnx and onnxruntime.
"""

import argparse
import csv
import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.transformers import optimizer
from onnxruntime.transformers.fusion_options import FusionOptions

CLASSES = 4
SEED = 1
CALIBRATION_TEXTS = 16
VARIANTS = ["f32", "f32-fused", "int8", "int8-fused", "int8-r7", "int8-r7-fused", "qdq"]


def tensors(path):
    """The tensors of a safetensors file, all of them f32."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    dtypes = {"F32": np.float32, "F16": np.float16}
    found = {}
    for name, entry in header.items():
        # Position ids and the like are not needed.
        if name != "__metadata__" and entry["dtype"] in dtypes:
            start, end = entry["data_offsets"]
            numbers = np.frombuffer(data[start:end], dtype=dtypes[entry["dtype"]])
            found[name.removeprefix("bert.")] = numbers.astype(np.float32).reshape(entry["shape"])
    return found


class Graph:
    """Nodes and constants in the order in which they are added."""

    def __init__(self):
        self.nodes, self.constants, self.known = [], [], {}

    def constant(self, value):
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self.known:
            self.known[key] = f"constant_{len(self.constants)}"
            self.constants.append(numpy_helper.from_array(value, self.known[key]))
        return self.known[key]

    def add(self, op, *inputs, **attributes):
        names = [self.constant(value) if isinstance(value, np.ndarray) else value for value in inputs]
        output = f"{op}_{len(self.nodes)}_out"
        self.nodes.append(helper.make_node(op, names, [output], f"{op}_{len(self.nodes)}", **attributes))
        return output

    def linear(self, x, weight, bias):
        return self.add("Add", self.add("MatMul", x, np.ascontiguousarray(weight.T)), bias)


def bert(folder):
    """The model as a graph, written down as the usual exporters do, so that fusions recognise it."""
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    weights = tensors(os.path.join(folder, "model.safetensors"))
    if config["model_type"] != "bert" or config["hidden_act"] != "gelu":
        raise ValueError(f"{folder}: a BERT with GELU is needed")
    width, heads = config["hidden_size"], config["num_attention_heads"]
    graph = Graph()

    def norm(x, name):
        gain, offset = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return graph.add("LayerNormalization", x, gain, offset, axis=-1, epsilon=config["layer_norm_eps"])

    def linear(x, name):
        return graph.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def by_head(x, order):
        shape = np.array([0, 0, heads, width // heads], dtype=np.int64)
        return graph.add("Transpose", graph.add("Reshape", x, shape), perm=order)

    def number(value):
        return np.array(value, dtype=np.float32)

    word = graph.add("Gather", weights["embeddings.word_embeddings.weight"], "ids")
    # Token type 0 throughout: its row is a part of the positions.
    places = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    first, one = np.array([0], dtype=np.int64), np.array([1], dtype=np.int64)
    tokens = graph.add("Slice", graph.add("Shape", "ids"), one, np.array([2], dtype=np.int64))
    x = norm(graph.add("Add", word, graph.add("Slice", places, first, tokens, first)), "embeddings.LayerNorm")
    for index in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{index}"
        query = by_head(linear(x, f"{layer}.attention.self.query"), [0, 2, 1, 3])
        key = by_head(linear(x, f"{layer}.attention.self.key"), [0, 2, 3, 1])
        value = by_head(linear(x, f"{layer}.attention.self.value"), [0, 2, 1, 3])
        products = graph.add("Div", graph.add("MatMul", query, key), number((width / heads) ** 0.5))
        mixed = graph.add("MatMul", graph.add("Softmax", products, axis=-1), value)
        mixed = graph.add("Transpose", mixed, perm=[0, 2, 1, 3])
        mixed = graph.add("Reshape", mixed, np.array([0, 0, width], dtype=np.int64))
        attended = linear(mixed, f"{layer}.attention.output.dense")
        x = norm(graph.add("Add", attended, x), f"{layer}.attention.output.LayerNorm")
        inner = linear(x, f"{layer}.intermediate.dense")
        erf = graph.add("Add", graph.add("Erf", graph.add("Div", inner, number(2**0.5))), number(1))
        gelu = graph.add("Mul", graph.add("Mul", inner, erf), number(0.5))
        x = norm(graph.add("Add", linear(gelu, f"{layer}.output.dense"), x), f"{layer}.output.LayerNorm")
    pooled = graph.add("ReduceMean", x, axes=[1], keepdims=0)
    head = np.random.default_rng(SEED).normal(0, 0.05, (CLASSES, width)).astype(np.float32)
    graph.linear(pooled, head, np.zeros(CLASSES, dtype=np.float32))
    graph.nodes[-1].output[0] = "scores"
    proto = helper.make_graph(
        graph.nodes,
        "bert",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "tokens"])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, CLASSES])],
        graph.constants,
    )
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return onnx.shape_inference.infer_shapes(model), config


def texts(folder, limit):
    """Ids of the sample's first texts: the words that the vocabulary has as they are."""
    with open(os.path.join(folder, "vocab.txt"), encoding="utf-8") as file:
        ids = {piece.rstrip("\n"): index for index, piece in enumerate(file)}
    sample = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../models/sample/news.csv")
    with open(sample, encoding="utf-8", newline="") as file:
        for _, row in zip(range(limit), csv.reader(file)):
            words = [ids[word] for word in " ".join(row[1:]).lower().split() if word in ids][:126]
            yield np.array([[ids["[CLS]"], *words, ids["[SEP]"]]], dtype=np.int64)


class Calibration(CalibrationDataReader):
    def __init__(self, folder):
        self.texts = texts(folder, CALIBRATION_TEXTS)

    def get_next(self):
        ids = next(self.texts, None)
        return None if ids is None else {"ids": ids}


def write(model_folder, out):
    """Writes every form into `out`, and beside them `model`, a link to the folder."""
    model, config = bert(model_folder)
    # For engines that read no graph.
    os.symlink(os.path.abspath(model_folder), os.path.join(out, "model"))

    def path(name):
        return os.path.join(out, name + ".onnx")

    onnx.save(model, path("f32"))
    options = FusionOptions("bert")
    fused = optimizer.optimize_model(
        path("f32"),
        "bert",
        num_heads=config["num_attention_heads"],
        hidden_size=config["hidden_size"],
        opt_level=0,
        optimization_options=options,
    )
    counts = fused.get_fused_operator_statistics()
    for op in ("Attention", "SkipLayerNormalization", "BiasGelu"):
        if not counts.get(op):
            raise ValueError(f"the optimizer has fused no {op}: {counts}")
    fused.save_model_to_file(path("f32-fused"))
    for form in ("", "-fused"):
        for name, reduce_range in (("int8", False), ("int8-r7", True)):
            quantize_dynamic(
                path("f32" + form),
                path(name + form),
                per_channel=True,
                reduce_range=reduce_range,
                weight_type=QuantType.QInt8,
            )
    quantize_static(
        path("f32"),
        path("qdq"),
        Calibration(model_folder),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},
    )


def build(model_folder, cache):
    """The folder with the graphs, written if it is not there: named after all that they depend on."""
    digest = hashlib.sha256(f"{onnx.__version__} {onnxruntime.__version__}".encode())
    parts = (os.path.join(model_folder, name) for name in ("config.json", "model.safetensors"))
    for path in (os.path.abspath(__file__), *parts):
        with open(path, "rb") as file:
            digest.update(file.read())
    finished = os.path.join(cache, digest.hexdigest()[:16])
    if not os.path.isdir(finished):
        print("note: the graphs are written once: a minute and 0.4 GB on the disk", file=sys.stderr)
        os.makedirs(cache, exist_ok=True)
        folder = tempfile.mkdtemp(dir=cache)
        try:
            logging.getLogger().setLevel(logging.ERROR)
            write(model_folder, folder)
            os.rename(folder, finished)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return finished


def arguments():
    parser = argparse.ArgumentParser()
    default = os.environ.get("TYPECASE_MINILM") or os.path.expanduser("~/.cache/typecase/minilm")
    parser.add_argument("--model", default=default, help="a folder with config.json, model.safetensors and vocab.txt")
    parser.add_argument("--out", default="out/encoder-peers", help="where the graphs are kept")
    return parser


if __name__ == "__main__":
    given = arguments().parse_args()
    print(build(given.model, given.out))
