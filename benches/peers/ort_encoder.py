"""ONNX Runtime as a peer of `encoders`: runs a BERT in every form of `bert_onnx.py`, as often as it is told to.

Started by the harness; it speaks lines of JSON on standard output:

    at the start                 {"version": ..., "python": ..., "variants": {name: {"bytes": ..., ...}}}
                                 or {"error": "..."}, and exit code 2
    for `run NAME TOKENS COUNT`  {"wall": seconds, "processor": seconds} of COUNT inferences of TOKENS ids

Standard input at its end ends it. One thread, nothing spins. The input is bound and the output allocated beforehand, so
a run is one call into ONNX Runtime; a length's first run is not counted.
"""

import json
import os
import sys
import time

# Scores of a form against those of f32, over the sample's texts.
COMPARED_TEXTS = 16


def fail(reason):
    answer({"error": reason})
    sys.exit(2)


def answer(value):
    replies.write(json.dumps(value) + "\n")
    replies.flush()


class Encoder:
    """A graph, ready to run."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        options.log_severity_level = 3
        start = time.perf_counter()
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.load_ms = (time.perf_counter() - start) * 1e3
        self.bytes = os.path.getsize(path)
        self.bindings = {}

    def scores(self, ids):
        return self.session.run(["scores"], {"ids": ids})[0][0]

    def binding(self, tokens):
        """Ids and scores of a length at fixed places."""
        if tokens not in self.bindings:
            ids = np.array([[synthetic_id(place) for place in range(tokens)]], dtype=np.int64)
            binding = self.session.io_binding()
            binding.bind_ortvalue_input("ids", onnxruntime.OrtValue.ortvalue_from_numpy(ids))
            scores = np.zeros((1, bert_onnx.CLASSES), dtype=np.float32)
            binding.bind_ortvalue_output("scores", onnxruntime.OrtValue.ortvalue_from_numpy(scores))
            self.bindings[tokens] = binding
        return self.bindings[tokens]

    def measure(self, tokens, count):
        binding, run = self.binding(tokens), self.session.run_with_iobinding
        run(binding)
        processor, wall = time.thread_time(), time.perf_counter()
        for _ in range(count):
            run(binding)
        wall = time.perf_counter() - wall
        return {"wall": wall, "processor": time.thread_time() - processor}


def synthetic_id(place):
    """Spread over the vocabulary, the same in the harness."""
    return 1000 + place * 7919 % 28000


def main():
    parser = bert_onnx.arguments()
    parser.add_argument("--variant", action="append", help="a form, may be given several times [default: all]")
    arguments = parser.parse_args()
    names = arguments.variant or bert_onnx.VARIANTS
    unknown = [name for name in names if name not in bert_onnx.VARIANTS]
    if unknown:
        fail(f"no form {unknown[0]!r}, there are {', '.join(bert_onnx.VARIANTS)}")
    folder = bert_onnx.build(arguments.model, arguments.out)
    encoders = {name: Encoder(os.path.join(folder, name + ".onnx")) for name in names}
    texts = list(bert_onnx.texts(arguments.model, COMPARED_TEXTS))
    exact = Encoder(os.path.join(folder, "f32.onnx"))
    expected = np.array([exact.scores(ids) for ids in texts])
    del exact
    variants = {}
    for name, encoder in encoders.items():
        found = np.array([encoder.scores(ids) for ids in texts])
        error = float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
        variants[name] = {"bytes": encoder.bytes, "load_ms": encoder.load_ms, "error": error}
    answer({"version": onnxruntime.__version__, "python": sys.version.split()[0], "variants": variants})
    for line in sys.stdin:
        command = line.split()
        if len(command) == 4 and command[0] == "run" and command[1] in encoders:
            time.sleep(0.001)  # As the harness does: until the other is done with the core.
            answer(encoders[command[1]].measure(int(command[2]), int(command[3])))
        else:
            fail(f"not understood: {line.strip()!r}, only `run NAME TOKENS COUNT` is")


if __name__ == "__main__":
    # Whatever the packages print goes to standard error: standard output is for replies.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        import bert_onnx
        import numpy as np
        import onnxruntime
    except ImportError as error:
        fail(f"python3 lacks what the peer needs ({error}): pip install numpy onnx onnxruntime sympy")
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(1)  # The harness has left.
    except (OSError, ValueError) as error:
        fail(str(error))
