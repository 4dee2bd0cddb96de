"""tools/convert_checkpoint.py on checkpoints made from reference models. Skipped (exit 77) without PyTorch."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

try:
    import torch
except ImportError:
    print("skipped: conversion of checkpoints: PyTorch is missing (Debian: python3-torch)")
    sys.exit(77)

SOURCE, YOCO = sys.argv.pop(1), sys.argv.pop(1)
sys.path.insert(0, os.path.join(SOURCE, "tests"))
from safetensors_file import read_safetensors


class Convert(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def load_reference(self, name):
        reference = os.path.join(SOURCE, "tests", "reference", name)
        shutil.copy(os.path.join(reference, "params.json"), self.folder)
        return read_safetensors(os.path.join(reference, "model.safetensors"))

    def convert(self, saved, *options):
        checkpoint = os.path.join(self.folder, "checkpoint.pth")
        torch.save(saved, checkpoint)
        tool = os.path.join(SOURCE, "tools", "convert_checkpoint.py")
        self.out = os.path.join(self.folder, "out")
        command = [sys.executable, tool, checkpoint, self.out, "--yoco", YOCO, *options]
        return subprocess.run(command, capture_output=True, text=True)

    def assert_converted(self, run, expected):
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        found = read_safetensors(os.path.join(self.out, "model.safetensors"))
        self.assertEqual(found.keys(), expected.keys())
        for name, tensor in expected.items():
            self.assertEqual(found[name].dtype, tensor.dtype)
            self.assertTrue(torch.equal(found[name], tensor), name)
        self.assertEqual(len(os.listdir(self.out)), 2)

    def assert_refused(self, run, line, exit_code=65):
        self.assertEqual(run.returncode, exit_code)
        self.assertIn(line, run.stderr)
        self.assertEqual(run.stderr.count("\n"), 1)
        self.assertFalse(os.path.exists(os.path.join(self.out, "model.safetensors")))

    def test_released_state_dict(self):
        for name in ("swa-tiny", "gret-wide-bf16", "swa-tied"):
            state = self.load_reference(name)
            self.assert_converted(self.convert(state), state)

    def test_training_checkpoint(self):
        state = self.load_reference("gret-tiny")
        self.assert_converted(self.convert({"model": {"decoder.model." + n: t for n, t in state.items()}}), state)

    def test_tied_output_is_dropped(self):
        state = self.load_reference("swa-tied")
        run = self.convert({**state, "output_projection.weight": state["embed_tokens.weight"]})
        self.assert_converted(run, state)

    def test_dtypes(self):
        state = self.load_reference("swa-tiny")
        self.assert_converted(self.convert(state, "--dtype", "bf16"), {n: t.bfloat16() for n, t in state.items()})
        doubles = {name: tensor.double() for name, tensor in state.items()}
        self.assert_converted(self.convert(doubles, "--dtype", "f32"), state)
        shutil.rmtree(self.out)
        self.assert_refused(self.convert(doubles), "has dtype torch.float64")

    def test_max_seq_len(self):
        state = self.load_reference("swa-tiny")
        path = os.path.join(self.folder, "params.json")
        with open(path) as file:
            params = json.load(file)
        params["max_seq_len"] = -1
        with open(path, "w") as file:
            json.dump(params, file)
        self.assert_refused(self.convert(state), "give --max-seq-len")
        self.assert_converted(self.convert(state, "--max-seq-len", "4096"), state)
        with open(os.path.join(self.out, "params.json")) as file:
            self.assertEqual(json.load(file), {**params, "max_seq_len": 4096})

    def test_wrong_tensors(self):
        state = self.load_reference("swa-tiny")
        norm = state["layer_norm.weight"]
        fewer = {name: tensor for name, tensor in state.items() if name != "layer_norm.weight"}
        self.assert_refused(self.convert(fewer), "tensor layer_norm.weight is missing")
        self.assert_refused(self.convert({**state, "extra": norm}), "tensor extra is none of the model")
        self.assert_refused(self.convert({**state, "layer_norm.weight": norm[1:]}), "has shape (63,)")
        prefixed = {"model." + name: tensor for name, tensor in state.items()}
        self.assert_refused(self.convert({**prefixed, "extra": norm}), "does not begin with model.")

    def test_wrong_params(self):
        state = self.load_reference("swa-tiny")
        path = os.path.join(self.folder, "params.json")
        with open(path) as file:
            params = json.load(file)
        for field, value, line in (("dim", 63, "error: params.json: "), ("n_layers", None, "n_layers")):
            with open(path, "w") as file:
                json.dump({**params, field: value}, file)
            self.assert_refused(self.convert(state), line)

    def test_no_program(self):
        state = self.load_reference("swa-tiny")
        self.assert_refused(self.convert(state, "--yoco", "/no/such/yoco"), "give --yoco", 66)

    def test_not_tensors(self):
        self.load_reference("swa-tiny")
        self.assert_refused(self.convert({"code": unittest.TestCase()}), "cannot be loaded as tensors alone")
        self.assert_refused(self.convert([1, 2]), "neither a state dict")
        self.assert_refused(self.convert({}), "0 tensors are named")

    def test_absent_checkpoint(self):
        self.load_reference("swa-tiny")
        self.assert_refused(self.convert({}, "--params", "/no/such/params.json"), "/no/such/params.json", 66)


if __name__ == "__main__":
    unittest.main()
