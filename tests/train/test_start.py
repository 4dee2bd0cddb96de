"""Where training starts: text that stands there a second time goes on as it did the first time.

Usage: test_start.py SOURCE. Skipped (exit 77) without PyTorch.
"""
import os
import sys
import unittest

try:
    import torch
except ImportError:
    sys.exit(77)

SOURCE = sys.argv.pop(1)
sys.path.insert(0, os.path.join(SOURCE, "tools", "train"))
from model import Yoco
from start import BACK, match_and_copy

PARAMS = {"dim": 128, "n_layers": 6, "hidden_dim": 256, "n_self_heads": 4, "n_attn_heads": 2, "n_attn_kv_heads": 2,
          "vocab_size": 300, "max_seq_len": 1150000, "rope_theta": 1e12, "sliding_window": 32, "norm_eps": 1e-5}
LENGTH, FAR = 200, 1 << 19


class Start(unittest.TestCase):
    def test_window_goes_on_as_the_first_time(self):
        self.goes_on_as_the_first_time(PARAMS)

    def test_retention_goes_on_as_the_first_time(self):
        self.goes_on_as_the_first_time(PARAMS | {"sliding_window": None})

    def goes_on_as_the_first_time(self, params):
        torch.manual_seed(1)
        model = Yoco(params)
        match_and_copy(model)
        tokens = torch.randint(4, 300, (1, LENGTH)).repeat(1, 2)
        rows = torch.arange(LENGTH + BACK, 2 * LENGTH - 1)[None]
        positions = torch.arange(2 * LENGTH)[None]
        positions[:, LENGTH:] += FAR
        with torch.no_grad():
            logits, _, found = model(tokens, rows, positions, sources=rows + 1 - LENGTH)
        right = logits.argmax(-1) == tokens.gather(1, rows + 1)
        self.assertGreater(found[0].mean().item(), 0.5)
        self.assertGreater(right.float().mean().item(), 0.4)


if __name__ == "__main__":
    unittest.main()
