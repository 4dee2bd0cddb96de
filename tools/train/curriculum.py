"""What is learnt, one level after the other, and what a step draws from it."""
import torch

from tasks import Level, Sample

SPAN = 1 << 20  # the longest distance between a question and a needle

# The next level starts when the level's share of wholly right answers is reached. A bank's rows times
# their weight are the length of the document that it stands for.
LEVELS = [
    Level(4, 512, 12, 0.85, pairs=0.5, near=0.1, lists=0.3),
    Level(4, 512, 10, 0.93, pairs=0.25, near=0.15, lists=0.3),
    Level(2, 1024, 16, 0.95, pairs=0.25, near=0.15, lists=0.2, bank=4096, weight=4.0),
    Level(2, 1024, 16, 0.96, pairs=0.2, near=0.15, lists=0.2, bank=4096, weight=32.0),
    Level(2, 1024, 16, 0.97, pairs=0.15, near=0.15, lists=0.15, bank=4096, weight=256.0),
    Level(4, 1024, 16, 2.0, pairs=0.15, near=0.15, lists=0.15, bank=16384, weight=64.0),
]


def draw_level(rng, top):
    """Seven of ten steps at the highest level reached, the others at one of those below."""
    return top if top == 0 or rng.random() < 0.7 else rng.randrange(max(0, top - 3), top)


def draw_documents(rng, level, corpus, tokenizer):
    return [Sample(rng, corpus, tokenizer, level) for _ in range(level.docs)]


def draw_positions(rng, docs, length, span):
    """Positions that jump at up to 15 places and end at span: over all of it, in a quarter of the documents less."""
    positions = torch.empty(docs, length, dtype=torch.int64)
    for i in range(docs):
        exponent = span.bit_length() - 1
        reach = max(1, int(2 ** (exponent if rng.random() < 0.75 else rng.uniform(0, exponent))) - length)
        jumps = torch.zeros(length, dtype=torch.int64)
        cuts = sorted(rng.randrange(reach) for _ in range(rng.randint(0, 16)))
        for before, after in zip(cuts, cuts[1:]):
            jumps[rng.randrange(length)] += after - before
        positions[i] = torch.arange(length) + jumps.cumsum(0)
    return positions + span - 1 - positions[:, -1:]


def collate(samples, device):
    """-> tokens, crowd (B, T); rows, targets, weights, sources, answers, lists (B, Q); missing rows have weight 0."""
    width = max(len(sample.rows) for sample in samples)

    def pad(name, fill, dtype):
        lists = (getattr(sample, name) for sample in samples)
        return torch.tensor([y + [fill] * (width - len(y)) for y in lists], dtype=dtype, device=device)

    return (torch.tensor([s.tokens for s in samples], device=device),
            torch.tensor([s.crowd for s in samples], device=device), pad("rows", 0, torch.int64),
            pad("targets", 0, torch.int64), pad("weights", 0.0, torch.float32),
            pad("sources", -1, torch.int64), pad("answers", -1, torch.int64), pad("lists", -1, torch.int64))


def count_answers(right, answers):
    """right, answers (B, Q) -> how many answers are wholly right, and how many there are."""
    n = int(answers.max()) + 1
    owner = (answers + torch.arange(len(answers), device=answers.device)[:, None] * n)[answers >= 0]
    seen = torch.bincount(owner, minlength=len(answers) * n)
    wrong = torch.bincount(owner, weights=(~right[answers >= 0]).double(), minlength=len(answers) * n)
    return int(((seen > 0) & (wrong == 0)).sum()), int((seen > 0).sum())
