"""Runs ONNX files on ONNX Runtime's CPU provider: `run_onnx.py JOBS`.

Each line of JOBS: the file, the factor, the ids with commas between, tabs between the three; lines of one file
follow each other. For each line the scores are printed, with commas between.
"""

import sys

import numpy as np
import onnxruntime as ort


def main() -> None:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    opened, session = None, None
    lines = []
    with open(sys.argv[1], encoding="utf-8") as jobs:
        for job in jobs:
            path, factor, ids = job.rstrip("\n").split("\t")
            if path != opened:
                session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
                opened = path
            inputs = {
                "ids": np.array(ids.split(","), dtype=np.int64),
                "factor": np.array([factor], dtype=np.int32),
            }
            (scores,) = session.run(["scores"], inputs)
            if scores.dtype != np.int32 or scores.ndim != 1:
                raise TypeError(f"{path}: scores are {scores.dtype} of shape {scores.shape}")
            lines.append(",".join(map(str, scores.tolist())))
    print("\n".join(lines))


main()
