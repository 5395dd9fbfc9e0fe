"""Losses on the line through two models, point by point, with the buffers between 0 and 1 alone:
{ models, t, images as in _landscape.images_of } → { loss, accuracy }."""

import torch
from _common import answer, argument
from _landscape import images_of, score

given = argument()
images, labels = images_of(given)
model, other = [torch.jit.load(path).eval() for path in given["models"]]
scores = []
names = {name for name, _ in model.named_parameters()}
ends = [
    {name: t.detach().clone() for name, t in [*one.named_parameters(), *one.named_buffers()] if t.is_floating_point()}
    for one in (model, other)
]
for t in given["t"]:
    at = {}
    for name, a in ends[0].items():
        share = t if name in names else min(1, max(0, t))
        at[name] = (1 - share) * a + share * ends[1][name]
    scores.append(score(model, at, images, labels, given))
answer({"loss": [s[0] for s in scores], "accuracy": [s[1] for s in scores]})
