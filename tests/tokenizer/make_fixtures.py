#!/usr/bin/env python3
"""Writes what test_tokenizer.c compares with: fixtures.json and two tiny tokenizers, by tiktoken.

    pip install tiktoken==0.14.0
    tests/tokenizer/make_fixtures.py

Run it again after a change of a tokenizer in models/; the same inputs give the same files.
"""
import base64
import json
import random
from pathlib import Path

import tiktoken

HERE = Path(__file__).resolve().parent
MODELS = HERE.parents[1] / "models"

O200K_PATTERN = "|".join([
    r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
    r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
    r"""\p{N}{1,3}""",
    r""" ?[^\s\p{L}\p{N}]+[\r\n/]*""",
    r"""\s*[\r\n]+""",
    r"""\s+(?!\S)""",
    r"""\s+""",
])
GPT2_PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""

SPACES = "\t\n\v\f\r \x85\xa0\u1680\u180e\u2000\u2009\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeff"
TEXTS = [
    "a", " ", "\n", "Hello, world!", "The quick brown fox jumps over the lazy dog.",
    "Every rank computes the chunks that are its own; the edges travel to the neighbour.\n\n"
    "A context never changes. A branch's rows live in private blocks, don't they?\n",
    "def f(x):\n    if x > 0:\n\t\treturn [i**2 for i in range(x)]  # squares\n    return {}\n",
    "int main(void)\r\n{\r\n\treturn a->b[3] != 0x1F;\r\n}\r\n", "\r\n\r\n \r\n  x\r\r\n",
    "a  b   c    d\t\te \t f", "   leading", "trailing   ", "  \n  \n  ", " \n x", "x \n", "\n \n\n  y",
    "0 1 12 123 1234 12345 123456789 3.14159 1,000,000 ½ ² Ⅷ ٣٤٥ १२३४",
    "I'm you're he'S we'LL they'Ve I'D it'T o'clock 'tis ''s 'ſ I'\u017f 'ſt don\u2019t",
    "日本語の文章です。中文，没有空格。한국어 문장입니다.", "Ünïcödé straße ΣΊΣΥΦΟΣ Ελληνικά Русский текст",
    "👩\u200d👩\u200d👧\u200d👦 👍🏽 🇩🇪🇫🇷 ❤\ufe0f 1\ufe0f\u20e3", "e\u0301 a\u0308\u0323 n\u0303o \u0301x Z\u0351\u036b\u0343algo",
    "שלום עולם، مرحبا بالعالم 123 \u202eabc\u202c", "नमस्ते दुनिया ไทยไม่มีช่องว่าง ქართული", "ǅ ǈ ʰ ª º ℵ ⅷ",
    "mixed日本text中with한글scripts и кириллица", "a\xa0b\u3000c\u2009d\u200be\ufefff\x85g\u2028h\u1680i",
    SPACES, "x" + SPACES + "y", "".join(f"a{c}b{c}{c}c" for c in SPACES), "tab\u180eseparated \u180e x",
    "\x00\x01\x7f\u0080\u009f", "\U0010ffff\ue000\ufffd\ufffe", "....!!!???///\n//\n\n--==--\r\n", "http://a.b/c?d=e&f=%20#g",
    "<|endoftext|>", "a<|endoftext|>b <|endoftext|><|mid|> <|fim|", "<s> <pad> </s> <unk> <|endoftext|", "x  <|mid|>  y\n<|mid|>",
    "<|π|>π<|endoftext|>\n", "abababbaabbabababababaab", "aaaaaaaaaaaaaaaaaaaaab", "CamelCaseWords HTTPServer XMLHttpRequest",
]
LONG_TEXTS = [("a", 100_000), ("abbab", 20_000), ("Aa", 50_000), ("Z", 100_000), ("é", 50_000), ("語", 30_000),
              (" ", 100_000), ("-", 100_000), ("\n", 30_000), (" \n", 30_000), ("12", 50_000), ("the ", 30_000)]
INVALID = ["ff", "80", "61ff62", "c3", "e282", "61e28262", "eda080", "c080", "f4908080", "f09f98", "f09f9861", "20c328 20",
           "fe fe ff", "e6 97 a5 e6 97", "2020ff2020", "e0 80 80 41", "61 62 fc 61 62"]
ALPHABET = "aabbst  '\n\r\t019.,-<|>/éßΣ語の한👍\u0301\u200d\xa0\u3000ſK"


def write_tiny(name, layout, pattern, specials, inline, rng):
    """A tokenizer of few ranks in no sensible order, with a gap, where merges compete. It has every
    pair of bytes in TEXTS, so that nearly every cut of the pattern shows in the ids."""
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    tokens = [bytes([byte]) for byte in range(256)]
    parts = [b"a", b"b", b" ", b"s", b"'", b"\n", "é".encode(), "語".encode()[:2], b"1", b"<"]
    while len(parts) < 80:
        joined = rng.choice(parts) + rng.choice(parts)
        if joined not in parts and len(joined) < 20:
            parts.append(joined)
    encoded = [text.encode() for text in TEXTS]
    parts += sorted({text[i:i + 2] for text in encoded for i in range(len(text) - 1)})
    tokens += [part for part in dict.fromkeys(parts) if len(part) > 1]
    ranks = [rank for rank in range(len(tokens) + 1) if rank != 260]
    rng.shuffle(ranks)
    lines = sorted(zip(ranks, tokens))
    (folder / "tiny.tiktoken").write_bytes(b"".join(base64.b64encode(t) + b" %d\n" % r for r, t in lines))
    config = {"ranks": "tiny.tiktoken", "layout": layout, "pattern": pattern,
              "specials": specials if inline else "specials.json"}
    if layout == "plain":
        config.update(bos="<|endoftext|>", eos=["<|endoftext|>", "<|mid|>"])
    (folder / "yoco_tokenizer.json").write_text(json.dumps(config, indent=4) + "\n")
    if not inline:
        (folder / "specials.json").write_text(json.dumps(specials, indent=4) + "\n")


def load(folder):
    config = json.loads((folder / "yoco_tokenizer.json").read_text())
    lines = (line.split() for line in (folder / config["ranks"]).read_bytes().splitlines())
    specials = config.get("specials", {})
    if isinstance(specials, str):
        specials = json.loads((folder / specials).read_text())
    encoding = tiktoken.Encoding(name=folder.name, pat_str=config["pattern"], special_tokens=specials,
                                 mergeable_ranks={base64.b64decode(t): int(r) for t, r in lines})
    return encoding, 4 if config["layout"] == "yoco" else 0


def encode_invalid(encoding, data):
    """Each stretch of valid UTF-8 as a text, each other byte as a token."""
    ids, run = [], ""
    for c in data.decode("utf-8", errors="surrogateescape") + "\udc00":
        if not "\udc00" <= c <= "\udcff":
            run += c
            continue
        ids += encoding.encode_ordinary(run)
        run = ""
        if c != "\udc00":
            ids.append(encoding.encode_single_token(bytes([ord(c) & 0xFF])))
    return ids


def fnv1a(ids):
    value = 0xCBF29CE484222325
    for i in ids:
        value = (value ^ i) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def make_cases(folder, seed):
    encoding, shift = load(folder)
    rng = random.Random(seed)
    texts = TEXTS + ["".join(rng.choices(ALPHABET, k=rng.randrange(1, 80))) for _ in range(60)]
    texts += ["".join(rng.choices("ab", k=k)) for k in (2, 3, 31, 32, 33, 63, 64, 65, 66, 100, 500)]
    base = {"tokenizer": str(folder.relative_to(HERE.parents[1]))}
    for text in texts:
        yield base | {"text": text, "ids": [i + shift for i in encoding.encode_ordinary(text)]}
        if "<|" in text:
            ids = encoding.encode(text, allowed_special="all")
            yield base | {"text": text, "specials": True, "ids": [i + shift for i in ids]}
    for text, repeat in LONG_TEXTS:
        ids = [i + shift for i in encoding.encode_ordinary(text * repeat)]
        yield base | {"text": text, "repeat": repeat, "n_ids": len(ids), "fnv1a": fnv1a(ids)}
    blobs = [bytes.fromhex(text) for text in INVALID]
    blobs += [bytes(rng.choices(b"ab \xc3\xa9\xe6\x97\xa5\xff\xf0", k=40)) for _ in range(20)] + [rng.randbytes(60)]
    for blob in blobs:
        yield base | {"hex": blob.hex(), "ids": [i + shift for i in encode_invalid(encoding, blob)]}


def make_streams():
    rng = random.Random(3)
    blobs = [bytes.fromhex(text) for text in INVALID] + ["añ日👍\U0010ffff".encode()]
    blobs += [bytes(rng.choices(b"a\x80\x9f\xa0\xbf\xc2\xc3\xe0\xe2\xed\xef\xf0\xf3\xf4\xf5\xff", k=24)) for _ in range(60)]
    return [{"hex": blob.hex(), "text": blob.decode("utf-8", errors="replace")} for blob in blobs]


def main():
    rng = random.Random(1)
    specials = {"<|endoftext|>": 4000, "<|mid|>": 260, "<|π|>": 4001}
    write_tiny("tiny-o200k", "plain", O200K_PATTERN, specials, False, rng)
    write_tiny("tiny-gpt2", "yoco", GPT2_PATTERN, specials, True, rng)
    folders = [MODELS / "demo-tokenizer", HERE / "tiny-o200k", HERE / "tiny-gpt2", MODELS / "demo"]
    cases = [case for seed, folder in enumerate(folders) for case in make_cases(folder, seed)]
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    streams = ",\n".join(json.dumps(case, separators=(",", ":")) for case in make_streams())
    (HERE / "fixtures.json").write_text(f'{{"cases":[\n{lines}\n],\n"streams":[\n{streams}\n]}}\n')


if __name__ == "__main__":
    main()
