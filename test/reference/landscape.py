"""Losses on a plane, point by point, with every filter scaled by itself:
{ models, directionSeed, axis, normalize, ignore, images as in _landscape.images_of } → [{ loss, accuracy }] of each model.

All models move along the directions of the first one's norms."""

import torch
from _common import answer, argument
from _landscape import images_of, score

given = argument()
images, labels = images_of(given)
models = [torch.jit.load(path).eval() for path in given["models"]]
norms = {name: p.detach().clone() for name, p in models[0].named_parameters()}
generator = torch.Generator().manual_seed(given["directionSeed"])


def direction():
    drawn = {}
    for name, p in norms.items():
        d = torch.randn(p.shape, generator=generator, dtype=p.dtype)
        if p.ndim < 2 and given["ignore"] == "biasbn":
            d = torch.zeros_like(d)
        elif given["normalize"] == "filter" and p.ndim > 1:
            for d_f, p_f in zip(d, p):
                d_f *= p_f.norm() / d_f.norm()
        elif given["normalize"] != "none":
            d *= p.norm() / d.norm()
        drawn[name] = d
    return drawn


first, second = direction(), direction()
surfaces = []
for model in models:
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    scores = [
        [
            score(model, {n: p + x * first[n] + y * second[n] for n, p in start.items()}, images, labels, given)
            for x in given["axis"]
        ]
        for y in given["axis"]
    ]
    surfaces.append({"loss": [[s[0] for s in row] for row in scores], "accuracy": [[s[1] for s in row] for row in scores]})
answer(surfaces)
