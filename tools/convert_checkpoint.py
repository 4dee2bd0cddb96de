#!/usr/bin/env python3
"""Turns the authors' YOCO checkpoint into a model folder for yoco.

The release keeps a model as a folder with params.json and checkpoint.pth, a state dict; a training run of its code
saves the same state dict under the key "model", every name with a prefix ("decoder.model."). Either becomes
params.json and model.safetensors here, under the release's own names; which tensors those are, `yoco info --tensors`
says. Only tensors are loaded from the .pth file, never code. Needs PyTorch and yoco.
"""
import argparse
import ctypes
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile


class InputError(Exception):
    """What is wrong with the input, in one line."""


def read_params(path, max_seq_len):
    try:
        with open(path, encoding="utf-8") as file:
            params = json.load(file)
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(params, dict):
        raise InputError(f"{path}: the JSON text is not an object")
    if max_seq_len is not None:
        params["max_seq_len"] = max_seq_len
    if type(params.get("max_seq_len")) is not int or params["max_seq_len"] < 1:
        raise InputError(f"{path}: max_seq_len is unset, as the release may leave it; give --max-seq-len")
    return params


def find_yoco():
    built = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "build", "yoco")
    return shutil.which("yoco") or built


def expected_shapes(yoco, params):
    """Name -> shape of every tensor that params asks for."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "params.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(params, file)
        try:
            run = subprocess.run([yoco, "info", "--tensors", "-m", path], capture_output=True, text=True)
        except OSError as error:
            raise OSError(f"{yoco}: {error.strerror}; build yoco, or give --yoco") from None
    if run.returncode != 0:
        raise InputError(run.stderr.strip().replace("error: ", "").replace(path, "params.json"))
    lines = [line.split() for line in run.stdout.splitlines()]
    return {name: tuple(int(size) for size in sizes) for name, *sizes in lines}


def load_state(path):
    """The state dict without the prefix of its names, which is what stands before embed_tokens.weight."""
    import torch
    open(path, "rb").close()  # so that a file that cannot be opened is told from one that cannot be read
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: cannot be loaded as tensors alone ({reason}); save the state dict without "
                         "the rest of the training state") from None
    if isinstance(state, dict) and isinstance(state.get("model"), dict):
        state = state["model"]
    if not isinstance(state, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise InputError(f"{path}: neither a state dict nor a checkpoint with one under 'model'")
    anchors = [name for name in state if name.endswith("embed_tokens.weight")]
    if len(anchors) != 1:
        raise InputError(f"{path}: {len(anchors)} tensors are named ...embed_tokens.weight, not one")
    prefix = anchors[0][: -len("embed_tokens.weight")]
    for name in state:
        if not name.startswith(prefix):
            raise InputError(f"{path}: tensor {name} is not of the model: its name does not begin with {prefix}")
    return {name[len(prefix):]: tensor for name, tensor in state.items()}


def check_state(path, state, shapes, tied):
    if tied:
        state.pop("output_projection.weight", None)
    for name in state:
        if name not in shapes:
            raise InputError(f"{path}: tensor {name} is none of the model that params.json describes")
    for name, shape in shapes.items():
        if name not in state:
            raise InputError(f"{path}: tensor {name} is missing")
        if tuple(state[name].shape) != shape:
            raise InputError(f"{path}: tensor {name} has shape {tuple(state[name].shape)}; params.json asks for {shape}")


def dtype_names():
    import torch
    return {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}


def write_safetensors(path, state, names, dtype):
    """Tensor by tensor, so that a conversion to another dtype never holds a second copy of the model."""
    header, offset = {}, 0
    for name in names:
        tensor = state[name]
        out_dtype = dtype or tensor.dtype
        if out_dtype not in dtype_names():
            raise InputError(f"tensor {name} has dtype {out_dtype}; give --dtype f32 or bf16")
        end = offset + tensor.numel() * (4 if dtype_names()[out_dtype] == "F32" else 2)
        header[name] = {"dtype": dtype_names()[out_dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in names:
            tensor = state[name].to(dtype or state[name].dtype).contiguous()
            # Through the address: numpy, which knows no bf16, is not needed.
            file.write((ctypes.c_char * (tensor.numel() * tensor.element_size())).from_address(tensor.data_ptr()))
        file.flush()
        os.fsync(file.fileno())


def convert(args):
    import torch
    params = read_params(args.params or os.path.join(os.path.dirname(args.checkpoint), "params.json"),
                         args.max_seq_len)
    shapes = expected_shapes(args.yoco, params)
    state = load_state(args.checkpoint)
    check_state(args.checkpoint, state, shapes, bool(params.get("share_input_output_embed", False)))
    os.makedirs(args.folder, exist_ok=True)
    weights = os.path.join(args.folder, "model.safetensors")
    dtype = {"keep": None, "f32": torch.float32, "bf16": torch.bfloat16}[args.dtype]
    try:
        write_safetensors(weights + ".tmp", state, list(shapes), dtype)
        os.replace(weights + ".tmp", weights)
    finally:
        if os.path.exists(weights + ".tmp"):
            os.remove(weights + ".tmp")
    with open(os.path.join(args.folder, "params.json"), "w", encoding="utf-8") as file:
        json.dump(params, file, indent=2)
        file.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", help="the authors' checkpoint.pth")
    parser.add_argument("folder", help="the model folder to write; made if need be")
    parser.add_argument("--params", help="params.json (default: beside the checkpoint)")
    parser.add_argument("--max-seq-len", type=int, help="the most tokens that a prompt and its answer have together")
    parser.add_argument("--dtype", choices=["keep", "f32", "bf16"], default="keep", help="dtype of the weights")
    parser.add_argument("--yoco", default=find_yoco(), help="the yoco program (default: in PATH, else build/yoco)")
    args = parser.parse_args()
    try:
        convert(args)
    except ImportError as error:
        print(f"error: {error}; install PyTorch: pip install torch", file=sys.stderr)
        return 70
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 65
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 66
    return 0


if __name__ == "__main__":
    sys.exit(main())
