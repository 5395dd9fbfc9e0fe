"""The float64 oracle of a shift: projections by numpy's own SVD, and the formulas of docs/mathematics.md."""

import numpy as np
from _common import answer, argument


def row_projector(a: np.ndarray, tolerance: float) -> np.ndarray:
    _, sigma, qt = np.linalg.svd(a, full_matrices=False)
    q = qt[sigma > tolerance * sigma[0]].T
    return q @ q.T


def main() -> None:
    given = argument()
    a, v, b = (np.array(given[name], dtype=np.float64) for name in ("a", "v", "b"))
    tolerance = given["tolerance"]
    fixed = row_projector(a, tolerance) @ v
    mean = a.mean(0)
    absorbed = row_projector(a - mean, tolerance) @ v
    joint = np.hstack([a, np.ones((len(a), 1))])
    augmented = row_projector(joint, tolerance) @ np.vstack([v, b])
    sigma = np.linalg.svd(a, compute_uv=False)
    lam = given["lambda"] * sigma[0] ** 2
    ridge = np.linalg.solve(a.T @ a + lam * np.eye(a.shape[1]), a.T @ (a @ v))
    answer(
        {
            "fixed": fixed.tolist(),
            "absorb": {"weight": absorbed.tolist(), "bias": (b + mean @ (v - absorbed)).tolist()},
            "augment": {"weight": augmented[:-1].tolist(), "bias": augmented[-1].tolist()},
            "ridge": ridge.tolist(),
            "sigma": sigma.tolist(),
        }
    )


main()
