#!/usr/bin/env python3
"""Trains a small YOCO that finds needles in long documents.

    pip install -r tools/train/requirements.txt
    tools/train/fetch_corpus.sh /tmp/corpus
    tools/train/train.py --params models/demo/params.json --tokenizer models/demo --corpus /tmp/corpus --out /tmp/demo \\
        --steps 6000 --decay 4500

Levels (curriculum.py) go from pairs of name and value in 512 tokens to sentences among a million rows; the next
one starts when nearly all answers are wholly right, or after --level-steps. The positions of the cross-decoder jump, so that
short documents cover distances up to 2^20. From the third level on, every row also sees a bank: K,V
rows of other text, at positions of their own, without gradient.

Besides the answer, the weight of attention on the place that the answer's token is copied from is
learnt, in all but the first cross layer.

OUT gets log.jsonl (a line per 25 steps), state.pt (to go on after an interruption, with the same
command) and model.safetensors in bf16.
"""
import argparse
import json
import random
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent))
from bank import Bank
from curriculum import LEVELS, SPAN, collate, count_answers, draw_documents, draw_level, draw_positions
from model import Yoco
from muon import Muon
from start import match_and_copy
from text import Corpus, Tokenizer

PLAIN_ROWS = 1024  # of text without needles that enter the bank with each step
MIN_STEPS = 50     # at a level before its running share counts


def default_device():
    return "cuda" if torch.cuda.is_available() else "cpu"


def default_dtype(device):
    """Of products. On a CPU, even one with bf16, casts cost more than such small products save."""
    return torch.float32 if device == "cpu" else torch.bfloat16


def make_optimizers(model, args, dtype):
    """Muon for the matrices inside the layers, AdamW for embedding, output and norms."""
    inside = [w for name, w in model.named_parameters() if w.dim() == 2 and "_decoder." in name]
    other = [w for name, w in model.named_parameters() if w.dim() != 2 or "_decoder." not in name]
    # With a smaller eps the rows of words that hardly ever come up drift away, and cannot be copied any more.
    adam = {"weight_decay": 0.0, "betas": (0.9, 0.97), "eps": 3e-5, "fused": True}
    if args.adam:
        return [torch.optim.AdamW(inside, **adam | {"weight_decay": 0.05}), torch.optim.AdamW(other, **adam)]
    return [Muon(inside, args.rate, dtype=dtype), torch.optim.AdamW(other, **adam)]


class Trainer:
    def __init__(self, args):
        self.args = args
        self.device, self.dtype = args.device, default_dtype(args.device)
        self.params = json.loads(Path(args.params).read_text())
        self.tokenizer = Tokenizer(args.tokenizer or Path(args.params).parent)
        self.corpus = Corpus(args.corpus, self.tokenizer, args.seed)
        torch.manual_seed(args.seed)
        self.rng = random.Random(args.seed)
        self.model = Yoco(self.params)
        match_and_copy(self.model)
        self.model.to(self.device)
        self.optimizers = make_optimizers(self.model, args, self.dtype)
        self.bank = None
        self.step, self.top, self.at_level, self.running = 0, 0, 0, 0.0
        self.seconds = 0.0

    def rate(self):
        warm = min(1.0, (self.step + 1) / 100)
        left = (self.args.steps - self.step) / max(1, self.args.decay)
        return self.args.rate * warm * max(0.02, min(1.0, left))

    def autocast(self):
        return torch.autocast(self.device, self.dtype, enabled=self.dtype != torch.float32)

    def run_step(self):
        index = draw_level(self.rng, self.top)
        level = LEVELS[index]
        documents = draw_documents(self.rng, level, self.corpus, self.tokenizer)
        tokens, crowd, rows, targets, weights, sources, answers, lists = collate(documents, self.device)
        positions = draw_positions(self.rng, level.docs, level.length, SPAN).to(self.device)
        bank = self.bank.view(level.weight) if level.bank and self.bank and self.bank.filled else None
        with self.autocast():
            logits, own, found = self.model(tokens, rows, positions, bank, sources.clamp(min=0), crowd)
        losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view_as(weights)
        n_answers, has_source = (answers >= 0).sum(), sources >= 0
        loss = (losses * weights).sum() / n_answers
        miss = sum(-(weight[has_source] + 1e-9).log().mean() for weight in found[1:]) / len(found[1:])
        (loss + self.args.pointer * miss).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.rate()
            optimizer.step()
            optimizer.zero_grad()
        self.keep()
        is_right = logits.argmax(-1) == targets
        right, n = count_answers(is_right, answers)
        lists_right, n_lists = count_answers(is_right, lists)
        return {"level": index, "loss": losses[answers >= 0].mean().item(), "miss": miss.item(),
                "right": right / n, "answers": n, "gradient": norm.item(),
                "lists": n_lists, "lists_right": lists_right}

    @torch.no_grad()
    def keep(self):
        """Plain text goes to the bank."""
        capacity = LEVELS[self.top].bank
        if capacity == 0:
            return
        if self.bank is None or self.bank.capacity != capacity:
            self.bank = Bank(self.params, capacity, SPAN, self.device, self.dtype)
        n_docs = PLAIN_ROWS // 512 if self.bank.filled else capacity // 512
        text = torch.tensor([self.corpus.draw(self.rng, 512) for _ in range(n_docs)], device=self.device)
        with self.autocast():
            _, k, v = self.model.self_decode(text)
        self.bank.add(k.flatten(0, 1), v.flatten(0, 1))

    def advance(self, entry):
        if entry["level"] != self.top:
            return
        self.at_level += 1
        keep = min(0.97, 1 - 1 / self.at_level)
        self.running = keep * self.running + (1 - keep) * entry["right"]
        passed = self.at_level >= MIN_STEPS and self.running >= LEVELS[self.top].passed
        if self.top + 1 < len(LEVELS) and (passed or self.at_level >= self.args.level_steps):
            self.top, self.at_level, self.running = self.top + 1, 0, 0.0

    def train(self):
        out = Path(self.args.out)
        out.mkdir(parents=True, exist_ok=True)
        if (out / "state.pt").exists():
            self.load(out / "state.pt")
        log = open(out / "log.jsonl", "a")
        start, window = time.time() - self.seconds, []
        while self.step < self.args.steps:
            window.append(self.run_step())
            self.advance(window[-1])
            self.step += 1
            self.seconds = time.time() - start
            if self.step % 25 == 0:
                log.write(json.dumps(self.summary(window)) + "\n")
                log.flush()
                window = []
            if self.step % 100 == 0 or self.step == self.args.steps:
                self.save(out)

    def summary(self, window):
        top = [entry for entry in window if entry["level"] == self.top] or window
        means = {name: round(sum(entry[name] for entry in top) / len(top), 4)
                 for name in ("loss", "miss", "right", "answers", "gradient")}
        return {"step": self.step, "seconds": round(self.seconds), "level": self.top, **means,
                "lists_right": round(sum(e["lists_right"] for e in top) / max(1, sum(e["lists"] for e in top)), 4),
                "running": round(self.running, 4), "rate": round(self.rate(), 6)}

    def save(self, out):
        state = {"model": self.model.state_dict(), "optimizers": [o.state_dict() for o in self.optimizers],
                 "rng": self.rng.getstate(), "bank": self.bank,
                 "at": (self.step, self.top, self.at_level, self.running, self.seconds)}
        torch.save(state, out / "state.tmp")
        (out / "state.tmp").rename(out / "state.pt")
        weights = {name: w.bfloat16().contiguous() for name, w in self.model.state_dict().items()}
        save_file(weights, out / "model.safetensors")

    def load(self, path):
        state = torch.load(path, weights_only=False, map_location=self.device)
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
    parser.add_argument("--level-steps", type=int, default=1000,
                        help="the most steps on a level's own documents, about seven of ten, whatever its share")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--pointer", type=float, default=0.5, help="share of attention's loss (0: the answer's alone)")
    parser.add_argument("--adam", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default=default_device())
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of the CPU")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)  # slow otherwise, on a CPU
    Trainer(args).train()


if __name__ == "__main__":
    main()
