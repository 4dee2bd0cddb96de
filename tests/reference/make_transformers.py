#!/usr/bin/env python3
"""Writes the folders mistral-tiny, llama-linear, llama-yarn, qwen2-window and qwen3-window: small models with random
weights and what the classes of the library `transformers` compute for them, in float64.

    pip install torch==2.15.0 transformers==5.24.0 safetensors==0.8.0
    tests/reference/make_transformers.py [FOLDER ...]

The same versions give the same files. What the classes force into float32 (norms, rotary frequencies and angles,
softmax) is raised to float64: torch's name for it is another one here.
"""
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

F32 = torch.float32
torch.float32 = torch.float = torch.float64
torch.Tensor.float = torch.Tensor.double
torch.set_default_dtype(torch.float64)

from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402
from transformers.cache_utils import DynamicCache  # noqa: E402

HERE = Path(__file__).resolve().parent
N_GENERATED = 12

COMMON = {"hidden_act": "silu", "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
          "max_position_embeddings": 4096, "initializer_range": 0.02, "use_cache": True, "tie_word_embeddings": False}

# name: (dtype of the weights, prompt, config as its release would have it)
MODELS = {
    # A window in every layer; sizes of heads and of K,V left to the class.
    "mistral-tiny": ("float32", 230, {
        "architectures": ["MistralForCausalLM"], "model_type": "mistral", "hidden_size": 48, "intermediate_size": 64,
        "num_attention_heads": 6, "num_key_value_heads": 3, "num_hidden_layers": 4, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "sliding_window": 24, "vocab_size": 96, "torch_dtype": "float32"}),
    # As many heads of K,V as of queries, biases, positions divided.
    "llama-linear": ("bfloat16", 200, {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 40, "intermediate_size": 72,
        "num_attention_heads": 4, "num_hidden_layers": 3, "rms_norm_eps": 1e-6, "attention_bias": True,
        "mlp_bias": False, "pretraining_tp": 2, "rope_scaling": {"factor": 4.0, "type": "linear"}, "vocab_size": 100,
        "tie_word_embeddings": True, "torch_dtype": "bfloat16"}),
    # YaRN by the names of newer files, a band within the pairs, tied without lm_head.
    "llama-yarn": ("float32", 260, {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 36, "intermediate_size": 60,
        "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 16, "num_hidden_layers": 3,
        "rms_norm_eps": 1e-5, "attention_bias": False, "mlp_bias": False, "pretraining_tp": 1,
        "rope_parameters": {"beta_fast": 16, "beta_slow": 2, "factor": 8.0, "original_max_position_embeddings": 512,
                            "rope_theta": 10000.0, "rope_type": "yarn"},
        "vocab_size": 90, "dtype": "float32"}),
    # Full layers, then layers with a window; YaRN with whole pairs and its own length.
    "qwen2-window": ("bfloat16", 240, {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 48, "intermediate_size": 56,
        "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 4, "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0, "use_sliding_window": True, "sliding_window": 20, "max_window_layers": 2,
        "rope_scaling": {"factor": 4.0, "original_max_position_embeddings": 1024, "type": "yarn"},
        "vocab_size": 110, "torch_dtype": "bfloat16"}),
    # A full layer among layers with a window, by name; biases, norms of heads.
    "qwen3-window": ("float32", 210, {
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 32, "intermediate_size": 50,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 12, "num_hidden_layers": 4,
        "rms_norm_eps": 1e-6, "attention_bias": True, "use_sliding_window": True, "sliding_window": 33,
        "max_window_layers": 4,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
        "rope_parameters": {"rope_theta": 50000.0, "rope_type": "default"}, "vocab_size": 105, "dtype": "float32"}),
}


def randomize(model, generator, stored):
    """Products keep the size of what they take; norms lie around 1, biases around 0; logits get a size of 1.5."""
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        if name.endswith("bias"):
            value = 0.3 * noise
        elif weight.dim() == 1:
            value = 1 + 0.2 * noise
        elif "embed_tokens" in name:
            value = noise * (1.5 * weight.shape[1] ** -0.5 if model.config.tie_word_embeddings else 1)
        else:
            value = noise * weight.shape[1] ** -0.5 * (1.5 if "lm_head" in name else 1)
            if "q_proj" in name or "k_proj" in name:
                value *= 1.5
        weight.data = value.to(stored).double()


def caches(cache, layer):
    return [cache.layers[layer].keys, cache.layers[layer].values]


def generate(model, prompt):
    """Greedy, one forward over all ids for every token: no cache takes part in the logits."""
    ids, rows = list(prompt), []
    with torch.no_grad():
        for _ in range(N_GENERATED):
            rows.append(model(torch.tensor([ids]), use_cache=False).logits[0, -1])
            ids.append(int(rows[-1].argmax()))
        kept = DynamicCache()  # without a config: no layer drops rows
        last = model(torch.tensor([ids[:-1]]), cache=kept, use_cache=True).logits[0, -1]
    assert (last - rows[-1]).abs().max() < 1e-12
    return ids[len(prompt):], torch.stack(rows), kept


def step_by_step(model, prompt, generated, logits):
    """The same with the class's own cache, which drops rows that no window sees."""
    with torch.no_grad():
        out = model(torch.tensor([list(prompt)]), use_cache=True)
        for token, row in zip(generated, logits):
            assert (out.logits[0, -1] - row).abs().max() < 1e-12
            out = model(torch.tensor([[token]]), cache=out.cache, use_cache=True)


def make(name):
    dtype, n_prompt, own = MODELS[name]
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    config_json = dict(sorted({**COMMON, **own, "transformers_version": "5.24.0" if "dtype" in own else "4.43.1"}.items()))
    (folder / "config.json").write_text(json.dumps(config_json, indent=2) + "\n")
    (folder / "generation_config.json").write_text(json.dumps({"bos_token_id": 1, "eos_token_id": 2}, indent=2) + "\n")
    config = AutoConfig.from_pretrained(folder)
    config._attn_implementation = "eager"
    stored = {"float32": F32, "bfloat16": torch.bfloat16}[dtype]
    for seed in range(1000):
        generator = torch.Generator().manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config).double().eval()
        randomize(model, generator, stored)
        prompt = torch.randint(3, config.vocab_size, (n_prompt,), generator=generator).tolist()
        generated, logits, kept = generate(model, prompt)
        best = logits.topk(2, dim=-1).values
        gap = float((best[:, 0] - best[:, 1]).min())
        if gap >= 0.01 and min(generated) > 2 and len(set(generated)) > N_GENERATED // 2:
            break
    step_by_step(model, prompt, generated, logits)
    weights = {k: v.to(stored).contiguous() for k, v in model.state_dict().items()}
    if config.tie_word_embeddings:
        del weights["lm_head.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    expected = {"prompt": torch.tensor(prompt), "generated": torch.tensor(generated), "logits": logits}
    types = getattr(config, "layer_types", None) or \
        ["sliding_attention" if getattr(config, "sliding_window", None) else "full_attention"] * config.num_hidden_layers
    for layer, kind in enumerate(types):
        if kind == "full_attention":
            for what, rows in zip(("key_cache", "value_cache"), caches(kept, layer)):
                expected[f"{what}.{layer}"] = rows[0].transpose(0, 1).to(F32).contiguous()
    save_file(expected, folder / "expected.safetensors")
    print(f"{name}: seed {seed}, gap {gap:.4f}, logits of rms {float(logits.pow(2).mean().sqrt()):.2f}")
    return model, prompt, logits


def probe(model, prompt, logits):
    """How far the first logits move where something of the config is another: no test could miss it."""
    def moved(what, change):
        saved = {k: v for k, v in model.config.__dict__.items()}
        change()
        with torch.no_grad():
            row = model(torch.tensor([prompt]), use_cache=False).logits[0, -1]
        model.config.__dict__.update(saved)
        print(f"    {what}: {float((row - logits[0]).abs().max()):.3f}")

    if getattr(model.config, "sliding_window", None):
        for delta in (-1, 1):
            def wider(delta=delta):
                model.config.sliding_window += delta
            moved(f"window {delta:+d}", wider)
    rotary = model.model.rotary_emb
    inv, scale = rotary.inv_freq.clone(), rotary.attention_scaling
    plain = rotary.compute_default_rope_parameters(model.config)[0]
    if (plain - inv).abs().max() > 0:
        rotary.inv_freq = plain
        moved("plain frequencies", lambda: None)
        rotary.inv_freq = inv
    if scale != 1:
        rotary.attention_scaling = 1.0
        moved("amplitude 1", lambda: None)
        rotary.attention_scaling = scale
    for part in ("q_norm.weight", "k_norm.weight", "q_proj.bias", "k_proj.bias", "v_proj.bias", "o_proj.bias"):
        names = [(n, w) for n, w in model.named_parameters() if n.endswith(part)]
        if not names:
            continue
        kept = [w.data.clone() for _, w in names]
        for _, w in names:
            w.data.fill_(1.0 if "norm" in part else 0.0)
        moved(f"no {part}", lambda: None)
        for (_, w), old in zip(names, kept):
            w.data = old


for each in sys.argv[1:] or MODELS:
    probe(*make(each))
