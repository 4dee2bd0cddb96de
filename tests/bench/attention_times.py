#!/usr/bin/env python3
"""attention_times.py PROGRAM HEADS KV_HEADS HEAD_DIM QUERIES HISTORY [ROUNDS]

PyTorch's scaled_dot_product_attention beside the program attention_times: the same chunk of queries
over its history and itself, on one thread, in turns, processor time. Prints medians in GFLOP/s.
"unmasked" leaves out the chunk's own rows and so the mask. ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16
keeps PyTorch from AMX.
"""
import re
import statistics
import subprocess
import sys
import time

import torch
from torch.nn.functional import scaled_dot_product_attention


def seconds(attend):
    start = time.process_time()
    attend()
    return time.process_time() - start


def peers(heads, kv_heads, dim, queries, history):
    """Name, flops and what to call."""
    generator = torch.Generator().manual_seed(1)
    rows = history + queries
    seen = torch.arange(rows)[None, :] <= torch.arange(history, rows)[:, None]
    pair_flops = 4 * heads * dim
    for dtype in torch.bfloat16, torch.float32:
        q = torch.randn(1, heads, queries, dim, generator=generator).to(dtype)
        k = torch.randn(1, kv_heads, rows, dim, generator=generator).to(dtype)
        v = torch.randn(1, kv_heads, rows, dim, generator=generator).to(dtype)
        name = f"torch {str(dtype).removeprefix('torch.')}"
        # Heads that share K,V as more queries of one head: nothing is copied.
        grouped = q.reshape(1, kv_heads, heads // kv_heads * queries, dim)
        masked = seen.repeat(heads // kv_heads, 1)
        yield (name, pair_flops * int(seen.sum()),
               lambda q=grouped, k=k, v=v, m=masked: scaled_dot_product_attention(q, k, v, m))
        yield (name + " unmasked", pair_flops * queries * history,
               lambda q=grouped, k=k[:, :, :history], v=v[:, :, :history]:
               scaled_dot_product_attention(q, k, v))


def main(program, *numbers):
    shape = [int(n) for n in numbers[:5]]
    rounds = int(numbers[5]) if len(numbers) > 5 else 5
    torch.set_num_threads(1)
    attends = list(peers(*shape))
    rates = {}
    for turn in range(rounds + 1):
        for dtype in "bf16", "f32":
            text = subprocess.run([program, *numbers[:5], dtype, "auto", "1"], check=True,
                                  capture_output=True, text=True).stdout
            rate, peak = re.search(r"([\d.]+) GFLOP/s, peak ([\d.]+)", text).groups()
            if turn > 0:
                rates.setdefault("peak", []).append(float(peak))
                rates.setdefault("yoco " + dtype, []).append(float(rate))
        for name, flops, attend in attends:
            rate = 1e-9 * flops / seconds(attend)
            if turn > 0:
                rates.setdefault(name, []).append(rate)
    for name, values in rates.items():
        print(f"{name:24} {statistics.median(values):8.1f} GFLOP/s, "
              f"{min(values):.1f} to {max(values):.1f}")


if len(sys.argv) not in (7, 8):
    sys.exit(__doc__)
main(*sys.argv[1:])
