"""Rotary positions as in the authors' release: interleaved pairs, exponents with both ends."""
import torch


def rope_table(positions, head_dim, theta):
    """positions (..., T) -> cos, sin (..., T, 1, head_dim / 2)."""
    exponents = torch.linspace(0, 1, head_dim // 2, dtype=torch.float64)
    angles = positions.double()[..., None, None] * theta ** -exponents
    return angles.cos().float(), angles.sin().float()


def rotate(x, table):
    """x (..., T, heads, head_dim): pairs 2i, 2i+1 turn by the table's angles."""
    cos, sin = table
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)
