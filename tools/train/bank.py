"""K,V rows of earlier documents, attended to without a gradient of their own."""
import torch

from rope import rope_table, rotate

TILE = 2048
LOWEST = -80.0  # e^x is slow where it underflows


class Bank:
    """A ring of rows. Row i stands at position i * span / capacity, K already rotated."""

    def __init__(self, params, capacity, span):
        head_dim = params["dim"] // params["n_attn_heads"]
        shape = (params["n_attn_kv_heads"], capacity, head_dim)
        self.k, self.v = torch.zeros(shape, dtype=torch.bfloat16), torch.zeros(shape, dtype=torch.bfloat16)
        self.capacity, self.stride, self.theta = capacity, span // capacity, params["rope_theta"]
        self.next, self.filled = 0, 0

    def add(self, k, v):
        """k, v: (n, kv_heads, head_dim), K not rotated."""
        rows = (torch.arange(len(k)) + self.next) % self.capacity
        k = rotate(k, rope_table(rows * self.stride, k.shape[-1], self.theta))
        self.k[:, rows], self.v[:, rows] = k.transpose(0, 1).bfloat16(), v.transpose(0, 1).bfloat16()
        self.next = (self.next + len(rows)) % self.capacity
        self.filled = min(self.capacity, self.filled + len(rows))

    def view(self, n):
        """The last n filled rows, and where their positions begin and end."""
        n = min(n, self.filled)
        rows = slice(self.filled - n, self.filled)
        return (self.k[:, rows], self.v[:, rows]), rows.start * self.stride, rows.stop * self.stride


class BankAttention(torch.autograd.Function):
    """q (heads, R, hd); k, v (heads, N, hd) -> sum e^(s-m) v (heads, R, hd), sum e^(s-m) and m = max s (heads, R, 1).

    In tiles of rows that stay in cache; the backward pass computes the scores again. The result does
    not depend on m, which therefore has no gradient.
    """

    @staticmethod
    def forward(ctx, q, k, v):
        q = q.bfloat16()
        out = torch.zeros(q.shape, dtype=torch.float32)
        total = torch.zeros(*q.shape[:2], 1)
        peak = torch.full_like(total, -torch.inf)
        for begin in range(0, k.shape[1], TILE):
            scores = (q @ k[:, begin:begin + TILE].transpose(1, 2)).float()
            higher = torch.maximum(peak, scores.amax(-1, keepdim=True))
            weights = scores.sub_(higher).clamp_(min=LOWEST).exp_()
            shrink = (peak - higher).exp()
            total = total * shrink + weights.sum(-1, keepdim=True)
            out = out * shrink + (weights.bfloat16() @ v[:, begin:begin + TILE]).float()
            peak = higher
        ctx.save_for_backward(q, k, v, peak)
        ctx.mark_non_differentiable(peak)
        return out, total, peak

    @staticmethod
    def backward(ctx, d_out, d_total, _):
        q, k, v, peak = ctx.saved_tensors
        d_out, d_q = d_out.bfloat16(), torch.zeros(q.shape, dtype=torch.float32)
        for begin in range(0, k.shape[1], TILE):
            tile = slice(begin, begin + TILE)
            weights = (q @ k[:, tile].transpose(1, 2)).float().sub_(peak).clamp_(min=LOWEST).exp_()
            d_scores = (d_out @ v[:, tile].transpose(1, 2)).float().add_(d_total).mul_(weights)
            d_q += (d_scores.bfloat16() @ k[:, tile]).float()
        return d_q, None, None
