"""Where training starts: at a model that goes on as the text went on after the same 8 tokens.

Random weights would have to find this out by themselves, which takes most of the steps. Coordinate 0 of
the residual is the same for all tokens; CODE coordinates from 1 on are a token's code; the last
coordinates are blocks of CODE, which the self-decoder's heads fill from the codes of the tokens before:
in window layers with the code of one token each, 1 to 8 back, in retention layers with sums over all of
them that fade in different ways (MEMORIES). The cross-decoder compares what stands before a row with
what stands up to the question's, by rotary pairs that hardly turn, and gives out the token of the row it
finds. All of it is free to change.
"""
import math

import torch
from torch import nn

CODE, BACK = 8, 8
CONSTANT = 4.0
SHARPNESS, SHARP_PAIRS = 5.0, 2  # of attention to one distance
MATCH, MATCH_MEMORIES = 1.5, 2.5  # the size of queries and keys
COPY = 1.5
FAR = 1 << 20
# Of retention: which rotary pair turns, and how much a token back counts less than the one after it, as a logarithm.
# A pair of frequency f makes weights e^(-fade d) sin(f d) of the token d back.
MEMORIES = [(0, 0.25), (0, 0.6), (0, 1.2), (1, 0.3), (1, 0.6), (1, 1.0)]
NORMED = 5.5  # about what CONSTANT is after a norm
GATE = 0.7  # of a head's output


def is_retention(model):
    return not model.p.get("sliding_window")


def n_blocks(model):
    return 2 * len(MEMORIES) if is_retention(model) else BACK


def block(model, index):
    """Coordinates of block `index`, from 1 on; of a token's own code: 0."""
    begin = model.p["dim"] - CODE * (n_blocks(model) + 1 - index) if index else 1
    return slice(begin, begin + CODE)


def compared(model):
    """Pairs of blocks: of a row, and of the question, where both stand for the same tokens."""
    if is_retention(model):
        return [(2 * i + 1, 2 * i + 2) for i in range(len(MEMORIES))]
    return [(distance + 1, distance) for distance in range(BACK)]


@torch.no_grad()
def match_and_copy(model):
    embed = model.embed_tokens.weight
    embed[:, block(model, 1).start:] = 0.0
    embed[:, 0] = CONSTANT * model.p["dim"] ** -0.5
    heads = [(layer.mixer, head) for layer in model.self_decoder.layers for head in range(layer.mixer.heads)]
    for index, (mixer, head) in enumerate(heads[:n_blocks(model)], 1):
        if is_retention(model):
            pair, fade = MEMORIES[(index - 1) // 2]
            remember(model, mixer, head, index, pair, fade, later=(index - 1) % 2)
        else:
            look_back(model, mixer, head, index)
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


def remember(model, mixer, head, index, pair, fade, later):
    """A head of retention whose state is a sum of codes that fades; as the token `later` behind will see it."""
    head_dim = model.p["dim"] // mixer.heads
    own = slice(head * head_dim, (head + 1) * head_dim)
    code, row = slice(own.start, own.start + CODE), own.start + 2 * pair
    q, k, v, g, out = (y.weight for y in (mixer.q_proj, mixer.k_proj, mixer.v_proj, mixer.g_proj, mixer.out_proj))
    frequency = mixer.theta ** (-pair / (head_dim // 2 - 1))
    for weight in (q, k, v, g):
        weight[own] = 0.0
    k[row, 0] = 1.0
    phase = frequency * later - math.pi / 2  # cos of it is sin
    q[row, 0], q[row + 1, 0] = math.cos(phase), math.sin(phase)
    v[code, block(model, 0)] = torch.eye(CODE)
    g[code, 0] = GATE / NORMED
    mixer.gt_proj.weight[head] = 0.0
    mixer.gt_proj.weight[head, 0] = -16 * fade / NORMED
    out[:, own] = 0.0
    out[block(model, index), code] = torch.eye(CODE)


def match(model):
    """Keys of the tokens before a row, queries of the last tokens, in random directions."""
    cross, head_dim = model.cross_decoder, model.head_dim
    size = MATCH_MEMORIES if is_retention(model) else MATCH
    slow = math.ceil(math.log(FAR) / math.log(model.p["rope_theta"]) * (head_dim // 2 - 1))
    group = model.p["n_attn_heads"] // model.p["n_attn_kv_heads"]
    queries = [layer.mixer.q_proj.weight for layer in cross.layers]
    for head in range(model.p["n_attn_kv_heads"]):
        keys = cross.k_proj.weight[head * head_dim:(head + 1) * head_dim]
        keys *= 0.2
        for query in queries:
            query[head * group * head_dim:(head + 1) * group * head_dim] *= 0.2
        for of_row, of_question in compared(model):
            direction = torch.randn(head_dim - 2 * slow, CODE) * size * (head_dim - 2 * slow) ** -0.5
            keys[2 * slow:, block(model, of_row)] = direction
            for query in queries:
                for h in range(head * group, (head + 1) * group):
                    query[h * head_dim + 2 * slow:(h + 1) * head_dim, block(model, of_question)] = direction


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
        out[:1 + CODE] = out[block(model, 1).start:] = 0.0  # queries stay as they are
