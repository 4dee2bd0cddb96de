#!/usr/bin/env python3
"""Trains a small YOCO that finds needles in long documents.

    pip install -r tools/train/requirements.txt
    tools/train/fetch_corpus.sh /tmp/corpus
    tools/train/train.py --params models/demo/params.json --corpus /tmp/corpus --out /tmp/demo --steps 11100 --decay 600

Levels go from copying inside 128 tokens to one needle among many; the next level starts when the
running answer loss falls below the level's bound. From the fifth on, the positions of the
cross-decoder jump, so that short documents cover distances up to 2^20, and every row also sees a
bank: K,V rows of earlier documents, at positions of their own, without gradient. The bank costs one
product per layer instead of a self-decoder pass over as many tokens.

OUT gets log.jsonl (a line per 50 steps), state.pt (to go on after an interruption) and
model.safetensors in bf16.
"""
import argparse
import json
import math
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent))
from bank import Bank
from model import Yoco
from rope import rope_table, rotate
from tasks import Copy, Sample
from text import Corpus, Tokenizer

SPAN = 1 << 20  # the longest distance between a question and a needle


@dataclass
class Level:
    docs: int
    length: int
    needles: int
    questions: int
    bound: float     # of the running answer loss, to go on
    bank: int = 0    # rows of the bank that are seen
    lists: float = 0.0  # share of needles that are lists of values
    pairs: bool = False  # bare pairs of name and value, all asked for


LEVELS = [
    Level(32, 128, 0, 0, 0.35),
    Level(16, 256, 1, 1, 0.35),
    Level(8, 512, 10, 10, 0.12, pairs=True),
    Level(8, 512, 6, 6, 0.25),
    Level(4, 1024, 12, 12, 0.28),
    Level(4, 1024, 12, 12, 0.25, 1 << 13),
    Level(2, 2048, 16, 12, 0.25, 1 << 14),
    Level(2, 2048, 16, 8, 0.4, 1 << 16, 0.15),
    Level(1, 3072, 16, 12, 0.4, 1 << 18, 0.15),
    Level(1, 3072, 16, 12, 0.0, 1 << 19, 0.15),
]
PAIRS_LEVEL = 2
PLAIN_ROWS = 4096  # of text without needles that enter the bank with each step
MIN_STEPS = 60  # at a level before its running loss counts


def draw_level(rng, top):
    """Half of the steps at the highest level reached; of those below, most with pairs: many names in few tokens."""
    kind = rng.random()
    if top == 0 or kind < 0.5:
        return top
    return PAIRS_LEVEL if top > PAIRS_LEVEL and kind < 0.8 else rng.randrange(max(0, top - 4), top)


def draw_documents(rng, level, corpus, tokenizer):
    if level.needles == 0:
        return [Copy(rng, corpus, tokenizer, level.length) for _ in range(level.docs)]
    return [Sample(rng, corpus, tokenizer, level.length, rng.randint(level.needles // 2 + 1, level.needles),
                   level.questions, level.pairs, level.lists) for _ in range(level.docs)]


def draw_positions(rng, docs, length, span):
    """Positions that jump at up to 7 places, over at most span in all."""
    positions = torch.empty(docs, length, dtype=torch.int64)
    for i in range(docs):
        jumps = torch.zeros(length, dtype=torch.int64)
        cuts = sorted(rng.randrange(max(1, span - length + 1)) for _ in range(rng.randint(0, 8)))
        for before, after in zip(cuts, cuts[1:]):
            jumps[rng.randrange(length)] += after - before
        positions[i] = torch.arange(length) + jumps.cumsum(0)
    return positions


def collate(samples):
    """-> tokens (B, T), rows, targets, weights (B, Q); missing rows have weight 0."""
    width = max(len(sample.rows) for sample in samples)

    def pad(field, dtype):
        return torch.tensor([field(s) + [0] * (width - len(s.rows)) for s in samples], dtype=dtype)

    return (torch.tensor([s.tokens for s in samples]), pad(lambda s: s.rows, torch.int64),
            pad(lambda s: s.targets, torch.int64), pad(lambda s: s.weights, torch.float32))


def make_optimizers(model):
    """Muon for the matrices inside the layers, AdamW for embedding, output and norms."""
    inside = [w for name, w in model.named_parameters() if w.dim() == 2 and "_decoder." in name]
    other = [w for name, w in model.named_parameters() if w.dim() != 2 or "_decoder." not in name]
    return [torch.optim.Muon(inside, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(other, weight_decay=0.0, betas=(0.9, 0.97), fused=True)]


class Trainer:
    def __init__(self, args):
        self.args = args
        self.params = json.loads(Path(args.params).read_text())
        self.tokenizer = Tokenizer(args.tokenizer or Path(args.params).parent)
        self.corpus = Corpus(args.corpus, self.tokenizer, args.seed)
        torch.manual_seed(args.seed)
        self.rng = random.Random(args.seed)
        self.model = Yoco(self.params)
        self.optimizers = make_optimizers(self.model)
        self.bank = None
        self.step, self.top, self.at_level, self.running = 0, 0, 0, None
        self.seconds = 0.0

    def rate(self):
        warm = min(1.0, (self.step + 1) / 200)
        left = (self.args.steps - self.step) / max(1, self.args.decay)
        return self.args.rate * warm * max(0.02, min(1.0, left))

    def run_step(self):
        index = draw_level(self.rng, self.top)
        level = LEVELS[index]
        tokens, rows, targets, weights = collate(draw_documents(self.rng, level, self.corpus, self.tokenizer))
        positions = torch.arange(level.length).expand(level.docs, -1)
        bank = None
        if level.bank and self.bank and self.bank.filled:
            bank, begin, end = self.bank.view(level.bank)
            positions = draw_positions(self.rng, level.docs, level.length, end - begin)
            positions += end - positions[:, -1:]
        with torch.autocast("cpu", torch.bfloat16):
            logits, own = self.model(tokens, rows, positions, bank)
        losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view_as(weights)
        answers = weights == 1
        loss = (losses * weights).sum() / answers.sum()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.rate()
            optimizer.step()
            optimizer.zero_grad()
        self.keep(own, positions)
        right = (logits.argmax(-1) == targets) | ~answers
        return index, losses[answers].mean().item(), right.all(-1).float().mean().item(), norm.item()

    @torch.no_grad()
    def keep(self, own, positions):
        """Plain text goes to the bank, of every eighth step also the documents. A level starts with an empty bank."""
        capacity = LEVELS[self.top].bank
        if capacity == 0:
            return
        if self.bank is None or self.bank.capacity != capacity:
            self.bank = Bank(self.params, capacity, SPAN)
        with torch.autocast("cpu", torch.bfloat16):
            text = torch.tensor(self.corpus.draw(self.rng, PLAIN_ROWS)).view(2, -1)
            _, k, v = self.model.self_decode(text)
        self.bank.add(k.flatten(0, 1), v.flatten(0, 1))
        if self.step % 8 == 0:
            k, v = own
            cos, sin = rope_table(positions, k.shape[-1], self.params["rope_theta"])
            self.bank.add(rotate(k, (cos, -sin)).flatten(0, 1), v.flatten(0, 1))

    def advance(self, index, loss):
        if index != self.top:
            return
        self.at_level += 1
        self.running = loss if self.running is None else 0.97 * self.running + 0.03 * loss
        if self.at_level >= MIN_STEPS and self.running < LEVELS[self.top].bound:
            self.top, self.at_level, self.running = self.top + 1, 0, None

    def train(self):
        out = Path(self.args.out)
        out.mkdir(parents=True, exist_ok=True)
        if (out / "state.pt").exists():
            self.load(out / "state.pt")
        log = open(out / "log.jsonl", "a")
        start, window = time.time() - self.seconds, []
        while self.step < self.args.steps:
            index, loss, right, norm = self.run_step()
            self.advance(index, loss)
            window.append((index, loss, right, norm))
            self.step += 1
            self.seconds = time.time() - start
            if self.step % 50 == 0:
                log.write(json.dumps(self.summary(window)) + "\n")
                log.flush()
                window = []
            if self.step % 500 == 0 or self.step == self.args.steps:
                self.save(out)

    def summary(self, window):
        top = [entry for entry in window if entry[0] == self.top] or window

        def mean(i):
            return round(sum(entry[i] for entry in top) / len(top), 4)

        return {"step": self.step, "seconds": round(self.seconds), "level": self.top, "answer_loss": mean(1),
                "documents_right": mean(2), "gradient": mean(3), "rate": round(self.rate(), 6)}

    def save(self, out):
        state = {"model": self.model.state_dict(), "optimizers": [o.state_dict() for o in self.optimizers],
                 "rng": self.rng.getstate(), "bank": self.bank,
                 "at": (self.step, self.top, self.at_level, self.running, self.seconds)}
        torch.save(state, out / "state.tmp")
        (out / "state.tmp").rename(out / "state.pt")
        weights = {name: w.bfloat16().contiguous() for name, w in self.model.state_dict().items()}
        save_file(weights, out / "model.safetensors")

    def load(self, path):
        state = torch.load(path, weights_only=False)
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        self.rng.setstate(state["rng"])
        self.bank = state["bank"]
        self.step, self.top, self.at_level, self.running, self.seconds = state["at"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", required=True, help="params.json of the model")
    parser.add_argument("--tokenizer", help="folder with yoco_tokenizer.json (default: that of --params)")
    parser.add_argument("--corpus", required=True, help="folder with texts, from fetch_corpus.sh")
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--decay", type=int, default=0, help="the last steps, in which the rate falls to 2 %%")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    Trainer(args).train()


if __name__ == "__main__":
    main()
