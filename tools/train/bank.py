"""K,V rows of other text, attended to without a gradient of their own."""
from dataclasses import dataclass

import torch

from rope import rope_table, rotate

TILE = 2048
LOWEST = -80.0  # e^x is slow where it underflows


@dataclass
class View:
    rows: tuple    # k (rotated), v, each (kv_heads, N, head_dim)
    weight: float  # how many rows each of them stands for
    end: int       # its positions are below


class Bank:
    """A ring of rows that stand at even distances over `span` positions, whichever they were."""

    def __init__(self, params, capacity, span, device, dtype):
        head_dim = params["dim"] // params["n_attn_heads"]
        shape = (params["n_attn_kv_heads"], capacity, head_dim)
        self.k, self.v = (torch.zeros(shape, device=device, dtype=dtype) for _ in range(2))
        self.capacity, self.span, self.theta = capacity, span, params["rope_theta"]
        self.next, self.filled = 0, 0

    def add(self, k, v):
        """k, v: (n, kv_heads, head_dim), K not rotated."""
        rows = (torch.arange(len(k), device=k.device) + self.next) % self.capacity
        k = rotate(k, rope_table(rows * (self.span // self.capacity), k.shape[-1], self.theta))
        self.k[:, rows], self.v[:, rows] = (y.transpose(0, 1).to(self.k.dtype) for y in (k, v))
        self.next = (self.next + len(k)) % self.capacity
        self.filled = min(self.capacity, self.filled + len(k))

    def view(self, weight):
        return View((self.k[:, :self.filled], self.v[:, :self.filled]), weight, self.span)


class BankAttention(torch.autograd.Function):
    """q (heads, R, hd); k, v (heads, N, hd) -> sum e^(s-m) v (heads, R, hd), sum e^(s-m) and m = max s (heads, R, 1).

    In tiles of rows that stay in cache; the backward pass computes the scores again. The result does
    not depend on m, which therefore has no gradient.
    """

    @staticmethod
    def forward(ctx, q, k, v):
        q = q.to(k.dtype)
        out = torch.zeros(q.shape, dtype=torch.float32, device=q.device)
        total = torch.zeros(*q.shape[:2], 1, device=q.device)
        peak = torch.full_like(total, -torch.inf)
        for begin in range(0, k.shape[1], TILE):
            scores = (q @ k[:, begin:begin + TILE].transpose(1, 2)).float()
            higher = torch.maximum(peak, scores.amax(-1, keepdim=True))
            weights = scores.sub_(higher).clamp_(min=LOWEST).exp_()
            shrink = (peak - higher).exp()
            total = total * shrink + weights.sum(-1, keepdim=True)
            out = out * shrink + (weights.to(v.dtype) @ v[:, begin:begin + TILE]).float()
            peak = higher
        ctx.save_for_backward(q, k, v, peak)
        ctx.mark_non_differentiable(peak)
        return out, total, peak

    @staticmethod
    def backward(ctx, d_out, d_total, _):
        q, k, v, peak = ctx.saved_tensors
        d_out, d_q = d_out.to(v.dtype), torch.zeros(q.shape, dtype=torch.float32, device=q.device)
        for begin in range(0, k.shape[1], TILE):
            tile = slice(begin, begin + TILE)
            weights = (q @ k[:, tile].transpose(1, 2)).float().sub_(peak).clamp_(min=LOWEST).exp_()
            d_scores = (d_out @ v[:, tile].transpose(1, 2)).float().add_(d_total).mul_(weights)
            d_q += (d_scores.to(k.dtype) @ k[:, tile]).float()
        return d_q, None, None
