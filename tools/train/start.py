"""Where training starts: at a model that goes on as the text went on after the same 8 tokens.

Random weights would have to find this out by themselves, which takes most of the steps. Coordinate 0 of
the residual is the same for all tokens; CODE coordinates from 1 on are a token's code; from the
middle on there are blocks for the codes of the tokens 1 to 8 back, which window layers fill. The
cross-decoder compares the codes before a row with those up to the question's, by rotary pairs that
hardly turn, and gives out the token of the row it finds. All of it is free to change.
"""
import math

import torch
from torch import nn

CODE, BACK = 8, 8
CONSTANT = 4.0
SHARPNESS, SHARP_PAIRS = 5.0, 2  # of attention to one distance
MATCH = 1.5  # the size of queries and keys
COPY = 1.5
FAR = 1 << 20


def block(model, distance):
    """Coordinates with the code of the token so far back."""
    begin = model.p["dim"] // 2 + CODE * (distance - 1) if distance else 1
    return slice(begin, begin + CODE)


@torch.no_grad()
def match_and_copy(model):
    embed = model.embed_tokens.weight
    embed[:, model.p["dim"] // 2:model.p["dim"] // 2 + CODE * BACK] = 0.0
    embed[:, 0] = CONSTANT * model.p["dim"] ** -0.5
    heads = [(layer.mixer, head) for layer in model.self_decoder.layers[:2] for head in range(layer.mixer.heads)]
    for distance, (mixer, head) in enumerate(heads[:BACK], 1):
        look_back(model, mixer, head, distance)
    match(model)
    copy(model)


def look_back(model, mixer, head, distance):
    """A head that attends to the token `distance` back and moves its code."""
    head_dim = model.p["dim"] // mixer.heads
    own = slice(head * head_dim, (head + 1) * head_dim)
    code = slice(own.start, own.start + CODE)
    q, k, v, out = (y.weight for y in (mixer.q_proj, mixer.k_proj, mixer.v_proj, mixer.out_proj))
    q[own, 0] = k[own, 0] = v[own, 0] = 0.0
    pairs = own.start + 2 * torch.arange(SHARP_PAIRS)
    angles = distance * mixer.theta ** -torch.linspace(0, 1, head_dim // 2)[:SHARP_PAIRS]
    size = SHARPNESS / CONSTANT * head_dim ** 0.25 / SHARP_PAIRS ** 0.5
    k[pairs, 0] = size
    q[pairs, 0], q[pairs + 1, 0] = size * angles.cos(), -size * angles.sin()
    v[code] = 0.0
    v[code, block(model, 0)] = torch.eye(CODE)
    out[:, code] = 0.0
    out[block(model, distance), code] = torch.eye(CODE)


def match(model):
    """Keys of the 8 tokens before a row, queries of the last 8 tokens, in random directions."""
    cross, head_dim = model.cross_decoder, model.head_dim
    slow = math.ceil(math.log(FAR) / math.log(model.p["rope_theta"]) * (head_dim // 2 - 1))
    group = model.p["n_attn_heads"] // model.p["n_attn_kv_heads"]
    queries = [layer.mixer.q_proj.weight for layer in cross.layers]
    for head in range(model.p["n_attn_kv_heads"]):
        keys = cross.k_proj.weight[head * head_dim:(head + 1) * head_dim]
        keys *= 0.2
        for distance in range(BACK):
            direction = torch.randn(head_dim - 2 * slow, CODE) * MATCH * (head_dim - 2 * slow) ** -0.5
            keys[2 * slow:, block(model, distance + 1)] = direction
            for i, query in enumerate(queries):
                for h in range(head * group, (head + 1) * group):
                    rows = query[h * head_dim:(h + 1) * head_dim]
                    if distance == 0:
                        rows *= 0.2
                    rows[2 * slow:, block(model, distance)] = direction


def copy(model):
    """What is attended to is given out: V goes back to where it came from, tokens are read as they are written."""
    model.output_projection.weight.copy_(model.embed_tokens.weight)
    v_proj = model.cross_decoder.v_proj.weight
    nn.init.orthogonal_(v_proj)
    group = model.p["n_attn_heads"] // model.p["n_attn_kv_heads"]
    heads = v_proj.unflatten(0, (model.p["n_attn_kv_heads"], -1)).repeat_interleave(group, 0)
    for layer in model.cross_decoder.layers[1:]:
        out = layer.mixer.out_proj.weight
        out.copy_(heads.flatten(0, 1).T * (COPY / group))
        out[:1 + CODE] = out[block(model, 1).start:block(model, BACK).stop] = 0.0  # queries stay as they are
