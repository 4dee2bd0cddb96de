#!/usr/bin/env python3
"""Makes a tokenizer in which a word is one token or else spelled in bytes: a random name is the same wherever it stands.

    pip install -r tools/train/requirements.txt
    tools/train/make_tokenizer.py --size 4096 --texts FOLDER OUT

OUT gets yoco_tokenizer.json and demo.tiktoken. Ranks are the 256 bytes, WORDS, and the most frequent
pieces of the texts below FOLDER (gzipped or not). A piece of letters must have at least three bytes,
its blank included, so that no merge can begin inside a word that is not among them. The same texts
give the same ranks.
"""
import argparse
import base64
import collections
import json
from pathlib import Path

import regex

from text import read_text

# Words with their blank, single digits, rulers, other signs one by one, white space.
PATTERN = r" ?\p{L}++|\p{N}|[-=~*#+^._]{4,}+|[^\s\p{L}\p{N}]|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
WORDS = ["Question", "Answer", "Which", "Tell"]  # of the questions in training
MIN_BYTES = 3


def may_be_token(piece):
    """Words, and runs of white space and signs, which may merge among themselves."""
    size = len(piece.encode())
    return size >= MIN_BYTES if any(c.isalnum() for c in piece) else size > 1 and piece.isascii()


def count_pieces(texts):
    pattern = regex.compile(PATTERN)
    counts = collections.Counter(piece for text in texts for piece in pattern.findall(text))
    return sorted(counts, key=lambda piece: (-counts[piece], piece))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, required=True, help="ranks, the 256 bytes among them")
    parser.add_argument("--texts", metavar="FOLDER", type=Path, required=True)
    parser.add_argument("out", metavar="OUT", type=Path)
    args = parser.parse_args()

    texts = (read_text(path) for path in args.texts.rglob("*") if path.is_file())
    pieces = filter(may_be_token, count_pieces(texts))
    tokens = [bytes([byte]) for byte in range(256)] + [word.encode() for word in dict.fromkeys([*WORDS, *pieces])]
    if len(tokens) < args.size:
        parser.error(f"the texts give {len(tokens)} ranks only")
    args.out.mkdir(parents=True, exist_ok=True)
    with open(args.out / "demo.tiktoken", "wb") as out:
        for rank, token in enumerate(tokens[:args.size]):
            out.write(base64.b64encode(token) + b" %d\n" % rank)
    config = {"ranks": "demo.tiktoken", "layout": "yoco", "pattern": PATTERN}
    (args.out / "yoco_tokenizer.json").write_text(json.dumps(config, indent=4) + "\n")


if __name__ == "__main__":
    main()
