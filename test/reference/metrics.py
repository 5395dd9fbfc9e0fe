"""Metrics by other formulas: { cases: [{ file, shape, labels }] } → [{ top1, top5, loss, calibrationError, … }].

The logits are a file of float64. A stable sort gives the ranks and masks the bins, all in float64.
"""

import numpy
import torch
from _common import answer, argument


def metrics(file: str, shape: list, labels: list) -> dict:
    logits = torch.from_numpy(numpy.fromfile(file)).view(shape)
    labels = torch.tensor(labels)
    order = logits.sort(dim=1, descending=True, stable=True).indices
    hits = order == labels[:, None]
    powers = (logits - logits.max(1, keepdim=True).values).exp()
    confidence = powers.max(1).values / powers.sum(1)
    correct = hits[:, 0].double()
    reliability = []
    error = 0.0
    for i in range(15):
        inside = (confidence > i / 15) & (confidence <= (i + 1) / 15)
        count = int(inside.sum())
        row = {"count": count, "confidence": None, "accuracy": None}
        if count:
            row["confidence"] = confidence[inside].mean().item()
            row["accuracy"] = correct[inside].mean().item()
            error += count / len(labels) * abs(row["accuracy"] - row["confidence"])
        reliability.append(row)
    return {
        "top1": 100 * correct.mean().item(),
        "top5": 100 * hits[:, :5].any(1).double().mean().item() if logits.shape[1] >= 5 else None,
        "loss": torch.nn.functional.cross_entropy(logits, labels).item(),
        "calibrationError": error,
        "reliability": reliability,
        "predictions": order[:, 0].tolist(),
        "correct": hits[:, 0].int().tolist(),
    }


answer([metrics(**case) for case in argument()["cases"]])
