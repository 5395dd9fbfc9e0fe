"""Least-norm solutions and ranks of given matrices by numpy's singular values, in float64."""

import json
from pathlib import Path

import numpy as np
from _common import answer, argument


def main() -> None:
    given = argument()
    system = json.loads(Path(given["file"]).read_bytes())
    found = []
    for rows in system["matrices"]:
        a = np.array(rows, dtype=np.float64)
        v = np.array(system["v"], dtype=np.float64)[: a.shape[1]]
        _, sigma, qt = np.linalg.svd(a, full_matrices=False)
        kept = sigma > given["tolerance"] * sigma[0]
        q = qt[kept].T
        found.append({"rank": int(kept.sum()), "solution": (q @ (q.T @ v)).tolist()})
    answer(found)


main()
