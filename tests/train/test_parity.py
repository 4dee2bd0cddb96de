"""tools/train/model.py against the engine: logits and shared K,V of the same weights on the same ids.

Usage: test_parity.py SOURCE YOCO. Skipped (exit 77) without PyTorch.
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

try:
    import torch
except ImportError:
    print("skipped: the trainer against the engine: PyTorch is missing (Debian: python3-torch)")
    sys.exit(77)

YOCO = sys.argv.pop(2)
SOURCE = sys.argv.pop(1)
sys.path[:0] = [os.path.join(SOURCE, "tools", "train"), os.path.join(SOURCE, "tests")]
from model import Yoco
from safetensors_file import read_safetensors


def run_engine(folder, ids, n_generate):
    with tempfile.TemporaryDirectory() as work:
        prompt, dump = os.path.join(work, "ids"), os.path.join(work, "dump.safetensors")
        with open(prompt, "w") as file:
            file.write(" ".join(map(str, ids)))
        subprocess.run([YOCO, "run", "-m", folder, "--prompt-ids", prompt, "-n", str(n_generate), "--dtype", "f32",
                        "--dump", dump], check=True, capture_output=True)
        return read_safetensors(dump)


class Parity(unittest.TestCase):
    def compare(self, name, n_prompt):
        folder = os.path.join(SOURCE, "tests", "reference", name)
        with open(os.path.join(folder, "params.json")) as file:
            model = Yoco({"rope_theta": 10000.0, "norm_eps": 1e-5, **json.load(file)})
        model.load_state_dict({key: w.float() for key, w in read_safetensors(f"{folder}/model.safetensors").items()})
        ids = read_safetensors(f"{folder}/expected.safetensors")["prompt"][:n_prompt]
        engine = run_engine(folder, ids.tolist(), 8)

        tokens = torch.cat((ids, engine["generated"][:-1]))[None]
        rows = torch.arange(n_prompt - 1, tokens.shape[1])[None]
        with torch.no_grad():
            logits, (k, v), _ = model(tokens, rows, torch.arange(tokens.shape[1])[None])
        torch.testing.assert_close(logits[0], engine["logits"].float(), atol=2e-4, rtol=0)
        torch.testing.assert_close(k[0], engine["key_cache"].float(), atol=2e-4, rtol=0)
        torch.testing.assert_close(v[0], engine["value_cache"].float(), atol=2e-4, rtol=0)

    def test_window(self):
        self.compare("swa-tiny", 700)

    def test_window_short_prompt(self):
        self.compare("swa-tiny", 5)

    def test_retention(self):
        self.compare("gret-tiny", 700)


if __name__ == "__main__":
    unittest.main()
