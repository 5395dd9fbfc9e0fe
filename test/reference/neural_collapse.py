"""Neural collapse by dense matrices in float64, in numpy: { cases: [{ features, shape, labels, weight, bias }] } → [{ variability, … }].

Features, weight and bias are files of float64. Σ_B is inverted by its eigenvalues, on the K − 1 largest (or as many as
the features allow); distances and angles are taken vector by vector.
"""

import itertools

import numpy
from _common import answer, argument


def spread(rows) -> dict:
    norms = [float(numpy.linalg.norm(row)) for row in rows]
    pairs = itertools.permutations(range(len(rows)), 2)
    cosines = [rows[i] @ rows[j] / norms[i] / norms[j] for i, j in pairs]
    return {
        "normVariation": float(numpy.std(norms) / numpy.mean(norms)),
        "angleDeviation": float(numpy.mean([abs(cosine + 1 / (len(rows) - 1)) for cosine in cosines])),
    }


def collapse(features: str, shape: list, labels: list, weight: str, bias: str) -> dict:
    samples, m = shape
    h = numpy.fromfile(features).reshape(samples, m)
    labels = numpy.array(labels)
    w = numpy.fromfile(weight).reshape(-1, m)
    b = numpy.fromfile(bias)
    k = len(w)

    means = numpy.stack([h[labels == c].mean(0) for c in range(k)])
    centre = means.mean(0)
    within, between = numpy.zeros((m, m)), numpy.zeros((m, m))
    for row, label in zip(h, labels):
        within += numpy.outer(row - means[label], row - means[label]) / samples
    for mean in means:
        between += numpy.outer(mean - centre, mean - centre) / k
    values, vectors = numpy.linalg.eigh(between)
    rank = min(k - 1, m, int((values > 1e-12 * values[-1]).sum()))
    inverse = sum(numpy.outer(vectors[:, -i], vectors[:, -i]) / values[-i] for i in range(1, rank + 1))

    centred = means - centre
    nearest = [int(numpy.argmin([numpy.linalg.norm(row - mean) for mean in means])) for row in h]
    return {
        "samples": samples,
        "classes": k,
        "variability": float(numpy.trace(within @ inverse) / k),
        "betweenRank": rank,
        "means": spread(centred),
        "weights": spread(w),
        "duality": float(numpy.linalg.norm(w / numpy.linalg.norm(w) - centred / numpy.linalg.norm(centred)) ** 2),
        "disagreement": float(((h @ w.T + b).argmax(1) != nearest).mean()),
    }


answer([collapse(**case) for case in argument()["cases"]])
