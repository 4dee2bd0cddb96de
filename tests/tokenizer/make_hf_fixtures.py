#!/usr/bin/env python3
"""Writes what test_hf.c compares with besides hf/NAME/expected.json: hf/mixed.txt and hf/cases.json, by the library
`tokenizers`.

    pip install tokenizers==0.23.3
    tests/tokenizer/make_hf_fixtures.py

The same inputs give the same files. Needs a Python whose unicodedata is of Unicode 14 (3.11), as Debian 12's PCRE2 is:
no later character stands in the texts.
"""
import json
import random
import unicodedata
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.normalizers import NFC

HERE = Path(__file__).resolve().parent / "hf"
NAMES = ["o200k", "llama3", "qwen", "gpt2", "gemma", "llama2"]
MIXED_BYTES = 1 << 20

LINES = [
    "The quick brown fox jumps over the lazy dog. It's 12:45, and we'll see 3.14159 or 1,000,000!\n",
    "def f(x):\n\t\treturn [i**2 for i in range(x)]  # squares\n    if x > 0x1F: pass\r\n",
    "int main(void)\r\n{\r\n    for (int i = 0; i < 10; i++)\r\n        a->b[i] += ~c & 0xFF;\r\n}\r\n\r\n",
    "日本語の文章です。中文，没有空格。한국어 문장입니다. ", "Ünïcödé straße ΣΊΣΥΦΟΣ Ελληνικά Русский текст ",
    "👩\u200d👩\u200d👧\u200d👦 👍🏽 🇩🇪🇫🇷 ❤\ufe0f 1\ufe0f\u20e3 😀😀", "e\u0301 a\u0308\u0323 a\u0323\u0308 n\u0303o \u0301x Z\u0351\u036b\u0343algo \u1112\u1161\u11ab",
    "שלום עולם، مرحبا بالعالم 123 \u202eabc\u202c ", "नमस्ते दुनिया ไทยไม่มีช่องว่าง ქართული ",
    "0 1 12 123 1234 12345 123456789 ½ ² Ⅷ ٣٤٥ १२३४ ", "I'm you're he'S we'LL they'Ve I'D 'ſ I'\u017f don\u2019t ",
    "a\xa0b\u3000c\u2009d\u200be\ufefff\x85g\u2028h\u1680i\u180ej \t\n \x0b\x0c  \r", "   \n\n\n\n  \n \t\t   x ", "....!!!???///\n//\n\n--==--\r\n",
    "<|user|><|endoftext|> <bos> <s>new york <mask> new  york[[l]] a [[l]] b[[r]]  c [[w]]  d[[s]] e[[s]]f <|im_start|><|eot_id|>",
    "{\"key\": [1, 2.5e-3, null], \"text\": \"a\\\\b\\n\"}\n", "unreachable Ġunreachable café! cafe\u0301! Å Å \u212b \u0958 ",
    "https://example.org/a/b?c=d&e=%20f#g ", "aaaaaaaaaaaaaaaaaaaaaaaa", "\U0010ffff\ue000\ufffd\ufffe ",
]


def is_known_mark(c):
    """False for marks of Unicode 14, which are none yet to the NFC of the library."""
    texts = (c + "\u0301", c + "\u0323", "\u0301" + c, "\u0323" + c)
    return all(NFC().normalize_str(text) == unicodedata.normalize("NFC", text) for text in texts)


def random_lines(rng):
    """Characters of all scripts and kinds, in lines of what stands near each other in Unicode."""
    known = [chr(c) for c in range(0x80, 0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co") and is_known_mark(chr(c))]
    lines = []
    for _ in range(260):
        start = rng.randrange(len(known)) if rng.random() < 0.6 else rng.randrange(6000)
        near = known[start:start + 60]
        lines.append("".join(rng.choice(near) + rng.choice(["", "", "", " ", "a", "\u0301", "1"]) for _ in range(24)))
    return lines


def mixed_text(parts, size):
    """Parts in the order of a linear congruential generator, until there are `size` bytes or more."""
    state, n, out = 1, 0, []
    while n < size:
        state = (state * 1664525 + 1013904223) % (1 << 32)
        part = parts[(state >> 8) % len(parts)]
        out.append(part)
        n += len(part.encode())
    return "".join(out)


def fnv1a(ids):
    value = 0xCBF29CE484222325
    for i in ids:
        value = (value ^ i) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def encode(tokenizer, text, special):
    tokenizer.encode_special_tokens = not special
    return tokenizer.encode(text, add_special_tokens=False).ids


def summary(ids):
    return {"n": len(ids), "fnv1a": fnv1a(ids)}


def split(pattern, behavior, invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def sequence(*steps, key="pretokenizers"):
    return {"type": "Sequence", key: list(steps)}


def metaspace(scheme, split_it):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split_it}


def byte_level(prefix, regex):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def replace(pattern, content):
    return {"type": "Replace", "pattern": pattern, "content": content}


def variants():
    """A folder and the members that take the place of its own."""
    plain = byte_level(False, False)
    behaviors = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
    for behavior in behaviors:
        for invert in (False, True):
            yield "gpt2", {"pre_tokenizer": sequence(split({"Regex": r"\s|[aeiou]\w?"}, behavior, invert), plain)}
            yield "gpt2", {"pre_tokenizer": sequence(split({"String": " "}, behavior, invert), plain)}
        yield "gpt2", {"pre_tokenizer": sequence(split({"Regex": r"(?=\d)|x*"}, behavior), plain)}
        yield "gemma", {"pre_tokenizer": split({"String": "▁"}, behavior), "decoder": metaspace("never", True)}
    for pattern in [r"\b", r"\B", r"\w+|\W+", r"^.|.$", r"\p{Han}+|\p{Latin}+", r"\h+", r"\p{^L}+", r"[^\S\n]+", r"\d{2,}?", r"(?i:straße|k)",
                    r"\p{N}{1,3}(?=(?:\p{N}{3})*\b)", "\\u3002|[\\x{4e00}-\\x{9fff}]+", r"(?<=[.!?])\s", r"\A.|\z|\p{M}++", r"(?i)k|ſ"]:
        yield "gpt2", {"pre_tokenizer": sequence(split({"Regex": pattern}, "Isolated"), plain)}
    for individual in (False, True):
        digits = {"type": "Digits", "individual_digits": individual}
        yield "gpt2", {"pre_tokenizer": sequence(digits, byte_level(True, True))}
        yield "llama2", {"pre_tokenizer": sequence(sequence(digits), metaspace("first", True)), "normalizer": None}
    for prefix in (False, True):
        for regex in (False, True):
            yield "qwen", {"pre_tokenizer": byte_level(prefix, regex)}
    for scheme in ("always", "first", "never"):
        for split_it in (False, True):
            yield "llama2", {"pre_tokenizer": metaspace(scheme, split_it), "normalizer": None, "decoder": metaspace(scheme, split_it)}
    for steps in [[{"type": "NFC"}, replace({"Regex": r"\s+"}, "▁")], [replace({"Regex": r"x+"}, "-")], [replace({"Regex": r"\w+"}, "ab")], [replace({"String": "a"}, "")],
                  [{"type": "Prepend", "prepend": "▁▁"}, {"type": "NFC"}, replace({"String": "e"}, "\u0301e")]]:
        yield "gemma", {"normalizer": sequence(*steps, key="normalizers")}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    for normalized in (False, True): # tokens that take each other's white space
        tokens = [{"content": "12", "rstrip": True}, {"content": "\n\n", "lstrip": True}, {"content": "\r"}, {"content": "ж", "single_word": True}]
        yield "gpt2", {"added_tokens": [flags | {"id": 900 + i, "normalized": normalized} | t for i, t in enumerate(tokens)]}
    model = json.loads((HERE / "gemma" / "tokenizer.json").read_text())["model"]
    few = dict(list(model["vocab"].items())[:400])
    few_merges = [m for m in model["merges"] if all(t in few for t in [*m, "".join(m)])]
    for fallback in (False, True):
        for fuse in (False, True):
            for unk in (None, "<unk>"):
                vocab = {t: i for t, i in few.items() if not (fallback and t in ("<0xF0>", "<0xE2>"))}
                yield "gemma", {"model": model | {"vocab": vocab, "merges": [" ".join(m) for m in few_merges], "byte_fallback": fallback,
                                                  "fuse_unk": fuse, "unk_token": unk}, "added_tokens": []}


TEXTS = ["a", " ", "  a b", "axxb 12c3 xx", "abc 123 ab1", "Hello, world! I've 1234 apples.", "aeiou aab  bab\n\nx y", "日本語 café e\u0301 Ǆ 😀\u200d❤ 한국",
         " \n\t x\r\n", "▁a▁▁b ▁c", "<s> a<unk>b", "éééé ££££ §a§ 日日日", "a_b-c\u0301d\u200ce Ⓐb²c٣d", "abc\nabc\n", "Z\u0351\u036b\u0343algo ss ß ſs K k",
         "x²³ ¹¼½¾y ⁴ Ⅷ", "12\n\nx 12 \r \t12\n\n", "ж жx aж\u0301 ж\u200d -ж-"]


def variant_cases(parts):
    text = mixed_text(parts, 20000)
    for base, patch in variants():
        content = json.loads((HERE / base / "tokenizer.json").read_text()) | patch
        tokenizer = Tokenizer.from_str(json.dumps(content))
        case = {"base": base, "patch": patch, "ids": [encode(tokenizer, t, True) for t in TEXTS]}
        if not patch.get("added_tokens"): # the library panics where such a token takes white space behind the next one's end
            case["mixed"] = summary(encode(tokenizer, text, True))
        yield case


def encode_invalid(tokenizer, name, data):
    """Each stretch of valid UTF-8 as a text, each other byte as a token."""
    ids, run = [], ""
    alphabet = {}
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    for i, byte in enumerate(printable + [b for b in range(256) if b not in printable]):
        alphabet[byte] = chr(byte) if i < len(printable) else chr(256 + i - len(printable))
    for c in data.decode("utf-8", errors="surrogateescape") + "\udc00":
        if not "\udc00" <= c <= "\udcff":
            run += c
            continue
        ids += encode(tokenizer, run, True)
        run = ""
        if c != "\udc00":
            byte = ord(c) & 0xFF
            ids.append(tokenizer.token_to_id(f"<0x{byte:02X}>" if name in ("gemma", "llama2") else alphabet[byte]))
    return ids


INVALID = ["ff", "80", "61ff62", "c3", "e282", "61e28262", "eda080", "c080", "f4908080", "f09f98", "f09f9861", "20c328 20", "fe fe ff", "20 20 ff 20 20",
           "3c7c656e647c3eff3c7c", "61 62 fc 61 62", "6e657720ff796f726b", "65 ff cc 81"]


def main():
    parts = LINES * 6 + random_lines(random.Random(1))
    (HERE / "mixed.txt").write_text("\x1e".join(parts), newline="")
    text = mixed_text(parts, MIXED_BYTES)
    mixed, invalid = [], []
    for name in NAMES:
        tokenizer = Tokenizer.from_file(str(HERE / name / "tokenizer.json"))
        mixed.append({"name": name, "special": summary(encode(tokenizer, text, True)), "as_text": summary(encode(tokenizer, text, False))})
        invalid += [{"name": name, "hex": h.replace(" ", ""), "ids": encode_invalid(tokenizer, name, bytes.fromhex(h))} for h in INVALID]
    cases = [json.dumps(case, separators=(",", ":")) for case in variant_cases(parts)]
    rows = lambda items: ",\n".join(json.dumps(item, separators=(",", ":")) for item in items)
    (HERE / "cases.json").write_text('{"mixed":[\n' + rows(mixed) + '\n],\n"invalid":[\n' + rows(invalid) + '\n],\n"texts":' + json.dumps(TEXTS) +
                                     ',\n"variants":[\n' + ",\n".join(cases) + "\n]}\n")


if __name__ == "__main__":
    main()
