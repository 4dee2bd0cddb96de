"""What the evaluation keeps for itself does not come up in training: names, nouns, the words around them.

Usage: test_held_out.py SOURCE YOCO
"""
import os
import random
import re
import subprocess
import sys
import tempfile
import unittest

YOCO = sys.argv.pop(2)
SOURCE = sys.argv.pop(1)
sys.path.insert(0, os.path.join(SOURCE, "tools", "train"))
import tasks

N_DRAWS = 20000
# What a sentence or question of each task looks like around noun, name and value.
SHAPES = {
    "needle": (r"The (.+) registered to (\S+) is \S+\.", r"What is the .+ registered to \S+\?"),
    "multikey": (r"Please note that the (.+) reserved for (\S+) is \S+\.", r"What is the .+ reserved for \S+\?"),
    "multiquery": (r"In the register, the (.+) given to (\S+) is \S+\.", r"Which .+ was given to \S+\?"),
    "multivalue": (r"One (.+) of (\S+) is \S+\.", r"List all .+s of \S+\."),
}


def dump_prompt(task):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as haystack:
        haystack.write("Some plain text without anything to find.\n" * 100)
        haystack.flush()
        return subprocess.run([YOCO, "eval", "-m", os.path.join(SOURCE, "models", "demo"), "--dump-prompt", "--task", task,
                               "--length", "512", "--needles", "3", "--trials", "12", "--depths", "2", "--haystack",
                               haystack.name], check=True, capture_output=True, text=True).stdout


class HeldOut(unittest.TestCase):
    def test_evaluation_keeps_to_what_is_held_out(self):
        for task, (needle, question) in SHAPES.items():
            with self.subTest(task):
                prompt = dump_prompt(task)
                facts = re.findall(f"^{needle}$", prompt, re.M)
                self.assertGreaterEqual(len(facts), 12)
                self.assertRegex(prompt, question)
                self.assertLessEqual({noun for noun, _ in facts}, tasks.HELD_OUT_NOUNS)
                for _, name in facts:
                    self.assertEqual(sum(name.encode()) % 8, 0)

    def test_training_draws_none_of_it(self):
        rng = random.Random(1)
        words = ["registered", "reserved", "given", "list", "register", "spare", "key", "telex", "number", "other"]
        shapes = [re.compile(shape) for pair in SHAPES.values() for shape in pair]
        forms = tasks.NEEDLES + tasks.QUESTIONS + tasks.LISTS + tasks.PAIRS
        nouns = set(tasks.NOUNS)
        for _ in range(N_DRAWS):
            name, noun = tasks.draw_name(rng, words), tasks.draw_noun(rng, words)
            self.assertNotEqual(sum(name.encode()) % 8, 0)
            nouns.add(noun)
            text = tasks.fill(rng, words, rng.choice(forms), noun="noun", name="name", value="value")
            for shape in shapes:
                self.assertNotRegex(text, shape)
        self.assertFalse(nouns & tasks.HELD_OUT_NOUNS)


unittest.main()
