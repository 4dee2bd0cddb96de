"""The training text and its tokens."""
import gzip
import json
import random
from pathlib import Path

import numpy as np
import tiktoken
from tiktoken.load import load_tiktoken_bpe

SHIFT = 4  # ids 0 to 3 are <s>, <pad>, </s>, <unk>; ranks follow (layout "yoco")


def load_encoding(folder):
    folder = Path(folder)
    config = json.loads((folder / "yoco_tokenizer.json").read_text())
    ranks = load_tiktoken_bpe(str(folder / config["ranks"]))
    return tiktoken.Encoding(name=folder.name, pat_str=config["pattern"], mergeable_ranks=ranks,
                             special_tokens={})


class Tokenizer:
    def __init__(self, folder):
        self.encoding = load_encoding(folder)

    def encode(self, text):
        return [rank + SHIFT for rank in self.encoding.encode_ordinary(text)]

    def decode(self, ids):
        return self.encoding.decode([i - SHIFT for i in ids if i >= SHIFT])


class Corpus:
    """All text files in an order that the seed decides, as one run of tokens, and the words in them."""

    def __init__(self, folder, tokenizer, seed):
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        if not files:
            raise SystemExit(f"{folder}: no text; run tools/train/fetch_corpus.sh first")
        random.Random(seed).shuffle(files)
        texts = [read_text(path) for path in files]
        self.tokens = np.fromiter((i for text in texts for i in tokenizer.encode(text + "\n\n")), np.int32)
        self.newlines = newline_tokens(tokenizer)
        words = {word for text in texts for word in text.split() if word.isalpha() and word.isascii()}
        self.words = sorted(word.lower() for word in words if 4 <= len(word) <= 10)

    def draw(self, rng, n):
        """n tokens from a random place on."""
        begin = rng.randrange(len(self.tokens) - n)
        return self.tokens[begin:begin + n].tolist()


def read_text(path):
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    return data.decode("utf-8", errors="replace")


def newline_tokens(tokenizer):
    ranks = tokenizer.encoding._mergeable_ranks
    return {rank + SHIFT for token, rank in ranks.items() if token.endswith(b"\n")}
