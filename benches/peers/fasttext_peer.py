"""fastText as a peer of `peers`: trains once, then classifies the test texts whenever it is told to.

Started by the harness; it speaks lines of JSON on standard output:

    at the start     {"version": ..., "accuracy": ..., "model_bytes": ..., "texts": ..., "routes_us": {...}, ...}
                     or {"error": "..."}, and exit code 2
    for a `round`    {"wall": seconds, "processor": seconds}

With `--serve MODEL` it runs a model for `typecase bench --vs fasttext`, by the protocol of `typecase-peers`: texts come
as they are and are prepared for nothing. With neither `--test` nor `--serve` it only trains, and says where the model is.

Standard input at its end ends it. Python 3.9 or later with `fasttext` (or `fasttext-wheel`) and numpy.
"""

import argparse
import csv
import hashlib
import json
import os
import resource
import sys
import tempfile
import time
from importlib import metadata

# The figures of fastText's own table for AG News, and the quantised form of the same model. One thread: the training is
# reproducible, and it has only one core anyway.
TRAINING = {"dim": 10, "lr": 0.25, "wordNgrams": 2, "bucket": 10_000_000, "epoch": 5, "thread": 1, "verbose": 0}
QUANTISATION = {"qnorm": True, "retrain": True, "cutoff": 100_000, "thread": 1, "verbose": 0}

# `normalize_text` of fastText's classification-results.sh, in its order.
REPLACEMENTS = [
    ("'", " ' "), ('"', ""), (".", " . "), ("<br />", " "), (",", " , "), ("(", " ( "), (")", " ) "),
    ("!", " ! "), ("?", " ? "), (";", " "), (":", " "),
]  # fmt: skip


def fail(reason):
    answer({"error": reason})
    sys.exit(2)


def answer(value):
    replies.write(json.dumps(value) + "\n")
    replies.flush()


def prepared(text):
    """Lower case, punctuation spaced apart, single spaces."""
    text = text.lower()
    for old, new in REPLACEMENTS:
        text = text.replace(old, new)
    return " ".join(text.split())


def rows(path):
    """Label and prepared text of every row of a file in the form of AG News."""
    csv.field_size_limit(1 << 30)
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        for row in csv.reader(file):
            if row:
                yield "__label__" + row[0], prepared(" ".join(part for part in row[1:] if part.strip()))


def write_prepared(source, target):
    with open(target, "w", encoding="utf-8") as file:
        for label, text in rows(source):
            file.write(f"{label} {text}\n")


def model_for(train, version, cache):
    """The path of the quantised model, trained if it is not there: named after all that it depends on."""
    digest = hashlib.sha256(version.encode())
    for path in (os.path.abspath(__file__), train):
        with open(path, "rb") as file:
            digest.update(file.read())
    path = os.path.join(cache, f"fasttext-{digest.hexdigest()[:16]}.ftz")
    if os.path.exists(path):
        return path
    print("note: fastText is trained once, on one core: half a minute and 0.7 GB of memory", file=sys.stderr)
    os.makedirs(cache, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        lines = os.path.join(folder, "train.txt")
        write_prepared(train, lines)
        model = fasttext.train_supervised(lines, **TRAINING)
        model.quantize(lines, **QUANTISATION)
        finished = os.path.join(folder, "model.ftz")
        model.save_model(finished)
        os.replace(finished, path)
    return path


def timed(work):
    processor, wall = time.thread_time(), time.perf_counter()
    value = work()
    wall = time.perf_counter() - wall
    return value, {"wall": wall, "processor": time.thread_time() - processor}


def routes(model, test, lines):
    """The ways through the binding, and what each takes; the harness uses the first."""
    core = model.f
    ends = [line + "\n" for line in lines]
    ways = {
        # All in C++: lines from a file in memory, no Python object for a text.
        "test": lambda: core.test(test, 1, 0.0),
        # A loop in C++ that makes a list and an array for each text.
        "multilinePredict": lambda: core.multilinePredict(ends, 1, 0.0, "strict"),
        # A loop in Python around the same C++.
        "f.predict": lambda: [core.predict(line, 1, 0.0, "strict") for line in ends],
        # What the documentation tells a user to call. fasttext 0.9.3 cannot with numpy 2.
        "model.predict": lambda: [model.predict(line) for line in lines],
    }
    took = {}
    for name, way in ways.items():
        try:
            way()
            took[name] = min(timed(way)[1]["wall"] for _ in range(5)) / len(lines) * 1e6
        except ValueError as error:
            print(f"note: {name} of this fastText does not work: {str(error).splitlines()[0]}", file=sys.stderr)
            took[name] = None
    return ways["test"], took


def serve(path, version):
    """Does what `typecase bench --vs fasttext` asks for."""
    start = time.perf_counter()
    core = fasttext.load_model(path).f
    answer({"version": version, "open_us": (time.perf_counter() - start) * 1e6})
    texts = {}
    with tempfile.TemporaryDirectory() as folder:

        def written(length, count):
            """A file of so many prepared texts of a length."""
            path = os.path.join(folder, f"{length}-{count}.txt")
            if not os.path.exists(path):
                prepared_texts = [prepared(text) for text in texts[length]]
                with open(path, "w", encoding="utf-8") as file:
                    for at in range(count):
                        file.write(f"__label__1 {prepared_texts[at % len(prepared_texts)]}\n")
            return path

        for line in sys.stdin:
            request = json.loads(line)
            if "texts" in request:
                texts = dict(request["texts"])
                first = prepared(request["texts"][0][1][0]) + "\n"
                _, took = timed(lambda: core.predict(first, 1, 0.0, "strict"))
                answer({"first_us": took["wall"] * 1e6})
            elif "run" in request:
                length, count = request["run"]
                one, all_of_them = written(length, 1), written(length, count)
                time.sleep(0.001)  # As the command does: until the other is done with the core.
                core.test(one, 1, 0.0)
                _, took = timed(lambda: core.test(all_of_them, 1, 0.0))
                answer({**took, "peak_rss_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss})
            else:
                fail(f"not understood: {line.strip()!r}, texts and run are")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--train")
    parser.add_argument("--test")
    parser.add_argument("--cache")
    parser.add_argument("--serve")
    arguments = parser.parse_args()
    version = next((found for found in map(installed, ("fasttext", "fasttext-wheel")) if found), "unknown")
    if arguments.serve:
        return serve(arguments.serve, version)
    if not (arguments.train and arguments.cache):
        fail("--serve MODEL is needed, or --train FILE with --cache FOLDER")
    path = model_for(arguments.train, version, arguments.cache)
    if not arguments.test:
        return answer({"model": path})
    model = fasttext.load_model(path)
    with tempfile.TemporaryDirectory(dir=arguments.cache) as folder:
        test = os.path.join(folder, "test.txt")
        write_prepared(arguments.test, test)
        lines = [text for _, text in rows(arguments.test)]
        classify, took = routes(model, test, lines)
        texts, accuracy, _ = classify()
        if texts != len(lines):
            fail(f"fastText classified {texts} of {len(lines)} texts")
        answer(
            {
                "version": version,
                "python": sys.version.split()[0],
                "accuracy": accuracy,
                "model_bytes": os.path.getsize(path),
                "texts": texts,
                "route": "test",
                "routes_us": took,
            }
        )
        for line in sys.stdin:
            if line.strip() == "round":
                time.sleep(0.001)  # As the harness does: until the other is done with the core.
                answer(timed(classify)[1])
            else:
                fail(f"not understood: {line.strip()!r}, only `round` is")


def installed(package):
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    # Whatever the package prints goes to standard error: standard output is for replies.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        import fasttext
    except ImportError as error:
        fail(f"python3 has no usable fastText ({error}): pip install numpy fasttext-wheel, or fasttext to compile it")
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(1)  # The harness has left.
    except OSError as error:
        fail(str(error))
