"""YOCO in PyTorch, as far as training needs it: window attention or gated retention below, cross attention above.

Names of tensors and fields of params.json are those of the authors' release, as the engine reads
them. The cross-decoder runs only on the positions that are asked for, so that a long document costs
little more than its self-decoder. The cross-decoder's positions are an argument: training lets them
jump, so that short documents cover long distances. The self-decoder sees only differences of
positions inside a document and counts from 0.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

from bank import BankAttention
from rope import rope_table, rotate


class RMSNorm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x):
        x = x.float()
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


class FeedForward(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden, bias=False)
        self.gate = nn.Linear(dim, hidden, bias=False)
        self.fc2 = nn.Linear(hidden, dim, bias=False)

    def forward(self, x):
        return self.fc2(F.silu(self.fc1(x)) * self.gate(x))


class WindowMixer(nn.Module):
    """A query sees itself and the window - 1 tokens before it; computed in blocks of `window`."""

    def __init__(self, p):
        super().__init__()
        dim = p["dim"]
        self.heads, self.window, self.theta = p["n_self_heads"], p["sliding_window"], p["rope_theta"]
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            setattr(self, name, nn.Linear(dim, dim, bias=False))

    def forward(self, x):
        batch, length, dim = x.shape
        window, pad = self.window, -length % self.window
        table = rope_table(torch.arange(length, device=x.device), dim // self.heads, self.theta)

        def blocks(y):  # (B, T, dim) -> (B, blocks, heads, window, head_dim)
            y = F.pad(y, (0, 0, 0, 0, 0, pad))
            return y.unflatten(1, (-1, window)).transpose(2, 3)

        def with_past(y):  # keys of the block before, then the block's own
            return torch.cat((F.pad(y, (0, 0, 0, 0, 0, 0, 1, 0))[:, :-1], y), 3)

        q, k, v = (f(x).unflatten(-1, (self.heads, -1)) for f in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotate(q, table), rotate(k, table)
        q, k, v = blocks(q), with_past(blocks(k)), with_past(blocks(v))
        scores = (q @ k.transpose(-1, -2)).float() * q.shape[-1] ** -0.5
        at = torch.arange(2 * window, device=x.device)
        distance = at[:window, None] + window - at
        visible = (distance >= 0) & (distance < window)
        visible = visible.repeat(scores.shape[1], 1, 1)
        visible[0, :, :window] = False
        scores = scores.masked_fill(~visible[:, None], -torch.inf)
        out = (scores.softmax(-1) @ v.float()).transpose(2, 3).flatten(1, 2)[:, :length]
        return self.out_proj(out.flatten(-2))


class RetentionMixer(nn.Module):
    """Gated retention, S_t = e^{g_t} S_{t-1} + k_t^T v_t and o_t = q_t S_t, in blocks of 64 rows."""

    BLOCK = 64

    def __init__(self, p):
        super().__init__()
        dim = p["dim"]
        self.heads, self.theta, self.eps = p["n_self_heads"], p["rope_theta"], p["norm_eps"]
        for name in ("q_proj", "k_proj", "v_proj", "g_proj", "out_proj"):
            setattr(self, name, nn.Linear(dim, dim, bias=False))
        self.gt_proj = nn.Linear(dim, self.heads, bias=False)

    def forward(self, x):
        batch, length, dim = x.shape
        head_dim, pad = dim // self.heads, -length % self.BLOCK
        table = rope_table(torch.arange(length, device=x.device), head_dim, self.theta)

        def blocks(y):  # (B, T, heads, d) -> (B, heads, blocks, BLOCK, d)
            y = F.pad(y.float(), (0, 0, 0, 0, 0, pad))
            return y.unflatten(1, (-1, self.BLOCK)).permute(0, 3, 1, 2, 4)

        q, k, v = (f(x).unflatten(-1, (self.heads, -1)) for f in (self.q_proj, self.k_proj, self.v_proj))
        q, k, v = blocks(rotate(q, table)), blocks(rotate(k, table) * head_dim**-0.5), blocks(v)
        decay = blocks(F.logsigmoid(self.gt_proj(x).float())[..., None] / 16)[..., 0].cumsum(-1)

        lower = torch.ones(self.BLOCK, self.BLOCK, dtype=torch.bool, device=x.device).tril()
        inside = (decay[..., :, None] - decay[..., None, :]).masked_fill(~lower, -torch.inf).exp()
        out = (q @ k.transpose(-1, -2) * inside) @ v
        total = decay[..., -1:]
        local = (k * (total - decay).exp()[..., None]).transpose(-1, -2) @ v
        state, states = torch.zeros_like(local[:, :, 0]), []
        for i in range(local.shape[2]):
            states.append(state)
            state = state * total[:, :, i, :, None].exp() + local[:, :, i]
        out = out + (q * decay.exp()[..., None]) @ torch.stack(states, 2)
        out = out.permute(0, 2, 3, 1, 4).flatten(1, 2)[:, :length]
        out = out * torch.rsqrt(out.square().mean(-1, keepdim=True) + self.eps)
        return self.out_proj(F.silu(self.g_proj(x)) * out.flatten(-2))


class CrossMixer(nn.Module):
    """Attention of some rows over all K,V of their document, and over the rows of a bank."""

    def __init__(self, p):
        super().__init__()
        self.heads = p["n_attn_heads"]
        self.q_proj = nn.Linear(p["dim"], p["dim"], bias=False)
        self.out_proj = nn.Linear(p["dim"], p["dim"], bias=False)

    def forward(self, x, table, shift, own, bank, sources):
        """x (B, Q, dim); shift (B, Q, T) of scores; own k, v (B, T, kv_heads, hd); sources (B, Q) rows or None.

        Also returns the mean over the heads of the weight on each row's source (B, Q), or None.
        """
        batch, rows, _ = x.shape
        k, v = own
        kv_heads, head_dim = k.shape[2:]
        q = rotate(self.q_proj(x).unflatten(-1, (self.heads, -1)), table) * head_dim**-0.5
        q = q.unflatten(2, (kv_heads, -1)).permute(2, 0, 3, 1, 4)  # (kv_heads, B, group, Q, hd)
        k, v = (y.permute(2, 0, 1, 3)[:, :, None] for y in (k, v))  # (kv_heads, B, 1, T, hd)
        scores = (q @ k.transpose(-1, -2)).float() + shift[:, None]
        peak = scores.detach().amax(-1, keepdim=True)
        weights = (scores - peak).exp()
        out, total = weights.to(v.dtype) @ v, weights.sum(-1, keepdim=True)
        shrink = 1.0
        if bank is not None:
            more, n, top = (y.unflatten(1, q.shape[1:4]) for y in BankAttention.apply(q.flatten(1, 3), *bank.rows))
            higher = torch.maximum(peak, top)
            shrink, grow = (peak - higher).exp(), (top - higher).exp() * bank.weight
            out, total = out.float() * shrink + more * grow, total * shrink + n * grow
        found = None
        if sources is not None:
            at = sources[None, :, None, :, None].expand(*weights.shape[:-1], 1)
            found = (weights.gather(-1, at) * shrink / total)[..., 0].mean((0, 2))
        out = (out / total).permute(1, 3, 0, 2, 4).reshape(batch, rows, -1)
        return self.out_proj(out), found


class Layer(nn.Module):
    def __init__(self, p, mixer):
        super().__init__()
        self.mixer_layer_norm = RMSNorm(p["dim"], p["norm_eps"])
        self.mixer = mixer
        self.final_layer_norm = RMSNorm(p["dim"], p["norm_eps"])
        self.ffn = FeedForward(p["dim"], p["hidden_dim"])

    def forward(self, x):
        x = x + self.mixer(self.mixer_layer_norm(x))
        return x + self.ffn(self.final_layer_norm(x))


class CrossLayer(Layer):
    def forward(self, x, *mixer_args):
        mixed, found = self.mixer(self.mixer_layer_norm(x), *mixer_args)
        x = x + mixed
        return x + self.ffn(self.final_layer_norm(x)), found


class SelfDecoder(nn.Module):
    def __init__(self, p, n_layers):
        super().__init__()
        kind = WindowMixer if p.get("sliding_window") else RetentionMixer
        self.layers = nn.ModuleList(Layer(p, kind(p)) for _ in range(n_layers))


class CrossDecoder(nn.Module):
    def __init__(self, p, n_layers):
        super().__init__()
        kv_dim = p["dim"] // p["n_attn_heads"] * p["n_attn_kv_heads"]
        self.kv_layer_norm = RMSNorm(p["dim"], p["norm_eps"])
        self.k_proj = nn.Linear(p["dim"], kv_dim, bias=False)
        self.v_proj = nn.Linear(p["dim"], kv_dim, bias=False)
        self.layers = nn.ModuleList(CrossLayer(p, CrossMixer(p)) for _ in range(n_layers))


class Yoco(nn.Module):
    def __init__(self, params):
        super().__init__()
        self.p = p = params
        half = p["n_layers"] // 2
        self.embed_tokens = nn.Embedding(p["vocab_size"], p["dim"])
        self.self_decoder = SelfDecoder(p, half)
        self.cross_decoder = CrossDecoder(p, half)
        self.layer_norm = RMSNorm(p["dim"], p["norm_eps"])
        self.output_projection = nn.Linear(p["dim"], p["vocab_size"], bias=False)
        self.head_dim = p["dim"] // p["n_attn_heads"]
        self.init_weights()

    def init_weights(self):
        nn.init.normal_(self.embed_tokens.weight, std=self.p["dim"] ** -0.5)
        for name, weight in self.named_parameters():
            if weight.dim() == 2 and name != "embed_tokens.weight":
                nn.init.normal_(weight, std=weight.shape[1] ** -0.5)
            if name.endswith(("out_proj.weight", "fc2.weight")):
                weight.data /= math.sqrt(2 * self.p["n_layers"])

    def self_decode(self, tokens):
        """tokens (B, T) -> x (B, T, dim), and the shared K (not rotated) and V (B, T, kv_heads, hd)."""
        x = self.embed_tokens(tokens).float() * math.sqrt(self.p["dim"])
        for layer in self.self_decoder.layers:
            x = layer(x)
        normed = self.cross_decoder.kv_layer_norm(x)
        k = self.cross_decoder.k_proj(normed).unflatten(-1, (-1, self.head_dim))
        v = self.cross_decoder.v_proj(normed).unflatten(-1, (-1, self.head_dim))
        return x, k, v

    def forward(self, tokens, rows, positions, bank=None, sources=None, crowd=None):
        """Logits (B, Q, vocab) of rows (B, Q) of tokens (B, T); positions (B, T) are the cross-decoder's.

        bank: a bank.View, seen by every row. crowd (B, T): how many rows each row stands for. Also returns K and V, and with sources (B, Q), rows of the
        document, a list with each cross layer's weight on them (B, Q).
        """
        x, k, v = self.self_decode(tokens)
        theta = self.p["rope_theta"]
        own = (rotate(k, rope_table(positions, self.head_dim, theta)).to(v.dtype), v)
        table = rope_table(positions.gather(1, rows), self.head_dim, theta)
        hidden = torch.arange(tokens.shape[1], device=tokens.device) > rows[..., None]
        shift = torch.zeros(1, device=x.device) if crowd is None else crowd.log()[:, None]
        shift = shift.expand(hidden.shape).masked_fill(hidden, -torch.inf)
        x = x.gather(1, rows[..., None].expand(-1, -1, x.shape[-1]))
        found = []
        for layer in self.cross_decoder.layers:
            x, weight = layer(x, table, shift, own, bank, sources)
            found.append(weight)
        return self.output_projection(self.layer_norm(x)).float(), own, found
