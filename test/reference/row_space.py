"""Row spaces of matrices by numpy's float64 SVD: { cases: { file, shape, tolerance, centred }[] } → a list of
{ rank, sigma, projector }.

Each file holds its matrix as raw float64.
"""

import numpy
from _common import answer, argument


def row_space(case: dict) -> dict:
    rows = numpy.fromfile(case["file"]).reshape(case["shape"])
    if case["centred"]:
        rows = rows - rows.mean(0)
    _, sigma, qt = numpy.linalg.svd(rows, full_matrices=False)
    kept = qt[sigma > case["tolerance"] * sigma[0]]
    return {"rank": len(kept), "sigma": sigma.tolist(), "projector": (kept.T @ kept).flatten().tolist()}


answer([row_space(case) for case in argument()["cases"]])
