"""Writes the rules of normalisation `nmt_nfkc` of SentencePiece: `charsmap.py OUT`.

They are read from a model that is trained on a few words: field 2 (`precompiled_charsmap`) of field 3
(`normalizer_spec`) of its protobuf.
"""

import pathlib
import sys
import tempfile

import sentencepiece


def fields(message: bytes):
    """The fields of a protobuf message: number and value."""
    at = 0

    def varint() -> int:
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 0:
            value = varint()
        else:
            length = {1: 8, 5: 4}.get(key & 7)
            length = varint() if length is None else length
            value = message[at : at + length]
            at += length
        yield key >> 3, value


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        prefix = str(pathlib.Path(folder) / "m")
        words = ["the quick brown fox jumps over the lazy dog", "pack my box with five dozen liquor jugs"]
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(words),
            model_prefix=prefix,
            vocab_size=60,
            hard_vocab_limit=False,
            normalization_rule_name="nmt_nfkc",
            minloglevel=2,
        )
        model = pathlib.Path(prefix + ".model").read_bytes()
    spec = next(value for number, value in fields(model) if number == 3)
    rules = next(value for number, value in fields(spec) if number == 2)
    pathlib.Path(sys.argv[1]).write_bytes(rules)


if __name__ == "__main__":
    main()
