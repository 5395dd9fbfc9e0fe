"""Factors of PyTorch's learning rate schedulers, at each batch: { epochs, batches } → { NAME: [factor of each step] }."""

import torch
from _common import answer, argument

given = argument()
epochs, batches = given["epochs"], given["batches"]
lr = torch.optim.lr_scheduler


def factors(make):
    """The learning rate of each step. The optimizer's own rate is 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedulers = make(optimizer)
    found = []
    for _ in range(epochs):
        for _ in range(batches):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            for scheduler, when in schedulers:
                if when == "batch":
                    scheduler.step()
        for scheduler, when in schedulers:
            if when == "epoch":
                scheduler.step()
    return found


def one(cls, when, *args, **kwargs):
    return lambda optimizer: [(cls(optimizer, *args, **kwargs), when)]


total = epochs * batches
answer(
    {
        "multiStep": factors(one(lr.MultiStepLR, "epoch", [epochs // 2, 3 * epochs // 4], gamma=0.1)),
        "cosine": factors(one(lr.CosineAnnealingLR, "epoch", epochs, eta_min=0.05)),
        "cosineByBatch": factors(one(lr.CosineAnnealingLR, "batch", total)),
        "warmUp": factors(one(lr.LinearLR, "batch", start_factor=0.25, total_iters=2 * batches)),
        "oneCycle": factors(one(lr.OneCycleLR, "batch", max_lr=1.0, total_steps=total, cycle_momentum=False)),
    }
)
