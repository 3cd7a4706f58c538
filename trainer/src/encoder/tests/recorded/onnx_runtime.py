"""Records what ONNX Runtime computes of a BERT folder of Hugging Face: the mean of the tokens after the last layer.

    python3 onnx_runtime.py FOLDER LENGTH... > NAME.json

The graph is that of `benches/peers/bert_onnx.py`. The folder of the tests' tiny network is written where TYPECASE_TINY names
a folder: TYPECASE_TINY=FOLDER cargo test --release -p typecase-train --features encoders onnx_runtime

Python 3.9 or later with numpy, onnx and onnxruntime.
"""

import json
import os
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../../../benches/peers"))
import bert_onnx  # noqa: E402


def main(folder, *lengths):
    model, config = bert_onnx.bert(folder)
    pooled = next(node.output[0] for node in model.graph.node if node.op_type == "ReduceMean")
    shape = [1, config["hidden_size"]]
    model.graph.output.insert(0, helper.make_tensor_value_info(pooled, TensorProto.FLOAT, shape))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    texts = []
    for length in map(int, lengths):
        ids = [(7 * at * at + 13 * at + 5) % config["vocab_size"] for at in range(length)]
        row = session.run([pooled], {"ids": np.array([ids], dtype=np.int64)})[0][0]
        texts.append({"ids": ids, "pooled": [float(f"{number:.7g}") for number in row.tolist()]})
    json.dump({"onnxruntime": onnxruntime.__version__, "texts": texts}, sys.stdout)
    print()


if __name__ == "__main__":
    main(*sys.argv[1:])
