#!/usr/bin/env python3
"""Trains the ranks of a byte-level BPE on text files and writes them as a tiktoken rank file.

    pip install tokenizers==0.23.3
    tools/train_tokenizer.py --config models/demo-tokenizer/yoco_tokenizer.json --size 4096 TEXT...

The split pattern and the name of the rank file are those of the config; the file is written beside
it. A TEXT may be gzipped. The same files give the same ranks, in whatever order they are named.
"""
import argparse
import base64
import gzip
import json
from pathlib import Path

from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.trainers import BpeTrainer


def read_text(path):
    data = Path(path).read_bytes()
    if path.endswith(".gz"):
        data = gzip.decompress(data)
    return data.decode("utf-8", errors="replace")


def byte_of_letter():
    """The letters by which `tokenizers` spells bytes: itself where printable, else from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {chr(byte): byte for byte in printable}
    letters.update({chr(0x100 + i): byte for i, byte in enumerate(others)})
    return letters


def train(texts, pattern, size):
    """The tokens, as bytes, in the order of their ranks."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = Sequence([
        Split(Regex(pattern), behavior="isolated"),
        ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    trainer = BpeTrainer(vocab_size=size, initial_alphabet=ByteLevel.alphabet(),
                         special_tokens=[], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    letters = byte_of_letter()
    vocab = tokenizer.get_vocab()
    return [bytes(letters[c] for c in token) for token in sorted(vocab, key=vocab.get)]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="a yoco_tokenizer.json")
    parser.add_argument("--size", type=int, required=True, help="ranks, the 256 bytes among them")
    parser.add_argument("texts", metavar="TEXT", nargs="+")
    args = parser.parse_args()

    config = json.loads(args.config.read_text())
    tokens = train([read_text(path) for path in sorted(args.texts)], config["pattern"], args.size)
    if len(tokens) != args.size:
        parser.error(f"the texts give {len(tokens)} ranks only")
    with open(args.config.parent / config["ranks"], "wb") as out:
        for rank, token in enumerate(tokens):
            out.write(base64.b64encode(token) + b" %d\n" % rank)


if __name__ == "__main__":
    main()
