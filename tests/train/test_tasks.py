"""Training documents: their length, their answers, and the places that answers are copied from.

Usage: test_tasks.py SOURCE
"""
import os
import random
import sys
import unittest

SOURCE = sys.argv.pop(1)
sys.path.insert(0, os.path.join(SOURCE, "tools", "train"))
from tasks import BOS, EOS, Level, Sample

SHIFT = 4


class Characters:
    """A tokenizer of one token per character."""

    def encode(self, text):
        return [ord(c) + SHIFT for c in text]


class Text:
    """A haystack without letters and digits."""

    words = ["garden", "number", "river", "other", "stone"]
    newlines = {ord("\n") + SHIFT}

    def draw(self, rng, n):
        return [ord(rng.choice("#%&\n")) + SHIFT for _ in range(n)]


def decode(tokens):
    return "".join("<s>" if i == BOS else "</s>" if i == EOS else chr(i - SHIFT) for i in tokens)


def draw_samples(n=60, **level):
    rng = random.Random(1)
    level = Level(docs=1, needles=8, passed=1.0, **level)
    return [Sample(rng, Text(), Characters(), level) for _ in range(n)]


class Documents(unittest.TestCase):
    def check(self, **level):
        for sample in draw_samples(**level):
            self.assertEqual(len(sample.tokens), level["length"])
            learnt = zip(sample.rows, sample.targets, sample.weights, sample.sources, sample.answers)
            text = decode(sample.tokens)
            for row, target, weight, source, answer in learnt:
                if row + 1 < len(sample.tokens):
                    self.assertEqual(sample.tokens[row + 1], target)
                self.assertEqual(weight == 1.0, answer >= 0)
                if answer >= 0 and target not in (EOS, ord(",") + SHIFT):
                    self.assertEqual(sample.tokens[source], target, text)
                    self.assertLess(source, row)

    def test_pairs(self):
        self.check(length=1024, pairs=1.0)

    def test_sentences(self):
        self.check(length=1024)

    def test_lists(self):
        self.check(length=2048, lists=0.5)

    def test_lists_are_in_the_order_of_their_tokens(self):
        n_lists, n_other_order = 0, 0
        for sample in draw_samples(length=2048, lists=1.0):
            for i in set(sample.lists) - {-1}:
                of = [k for k, answer in enumerate(sample.lists) if answer == i]
                values = decode([sample.targets[k] for k in of]).removesuffix("</s>").strip().split(", ")
                self.assertEqual(values, sorted(values))
                blanks = [k for k in of if sample.targets[k] == ord(" ") + SHIFT]
                starts = [sample.sources[k] for k in blanks]
                n_lists += 1
                n_other_order += starts != sorted(starts)
        self.assertGreater(n_other_order, n_lists // 4)
        self.assertLess(n_other_order, n_lists)

    def test_only_commas_and_ends_of_lists_have_no_source(self):
        for sample in draw_samples(length=2048, lists=0.5):
            for target, source, answer, of_list in zip(sample.targets, sample.sources, sample.answers, sample.lists):
                if answer >= 0:
                    self.assertEqual(source < 0, of_list >= 0 and target in (EOS, ord(",") + SHIFT))

    def test_every_answer_ends(self):
        for sample in draw_samples(length=1024):
            ends = [a for a, t in zip(sample.answers, sample.targets) if a >= 0 and t == EOS]
            self.assertEqual(sorted(ends), sorted(set(a for a in sample.answers if a >= 0)))

    def test_source_of_a_value_is_behind_its_own_name(self):
        for sample in draw_samples(length=512, pairs=1.0, near=0.5):
            text = decode(sample.tokens)
            for i in set(sample.answers) - {-1}:
                of = [k for k, answer in enumerate(sample.answers) if answer == i]
                asked = decode(sample.tokens[:sample.rows[of[0]] + 1]).rsplit("\n", 1)[1]
                needle = decode(sample.tokens[:sample.sources[of[0]]]).rsplit("\n", 1)[1]
                self.assertEqual(needle, asked, text)


unittest.main()
