"""Muon (Jordan and others, 2024): momentum whose matrices are made orthogonal, all of one shape at a time.

torch.optim.Muon multiplies in bf16, which is slow on a CPU without instructions for it.
"""
import torch


def orthogonalize(x, dtype, steps=5):
    """x (n, rows, cols): every singular value to about 1, by five steps of Newton and Schulz."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = x.shape[1] > x.shape[2]
    x = (x.transpose(1, 2) if tall else x).to(dtype)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.transpose(1, 2) if tall else x


class Muon(torch.optim.Optimizer):
    def __init__(self, weights, rate, decay=0.05, momentum=0.95, dtype=torch.float32):
        super().__init__(weights, {"lr": rate, "decay": decay, "momentum": momentum})
        self.dtype = dtype

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = {}
            for weight in group["params"]:
                shapes.setdefault(weight.shape, []).append(weight)
            for shape, weights in shapes.items():
                self.step_shape(group, shape, weights)

    def step_shape(self, group, shape, weights):
        updates = []
        for weight in weights:
            state = self.state[weight]
            if not state:
                state["momentum"] = torch.zeros_like(weight)
            momentum = state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
            updates.append(weight.grad.lerp(momentum, group["momentum"]))
        rate = group["lr"] * 0.2 * max(shape) ** 0.5  # the size of AdamW's steps
        for weight, update in zip(weights, orthogonalize(torch.stack(updates), self.dtype)):
            weight.mul_(1 - group["lr"] * group["decay"]).add_(update.to(weight.dtype), alpha=-rate)
