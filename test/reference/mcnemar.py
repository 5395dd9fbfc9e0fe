"""Exact two-sided p-values: { counts: [[b, c], …] } → [p, …], summed in whole numbers."""

from fractions import Fraction
from math import comb

from _common import answer, argument


def p_value(b: int, c: int) -> float:
    n = b + c
    tail, term = 0, 1
    for k in range(min(b, c) + 1):  # term is comb(n, k)
        tail += term
        term = term * (n - k) // (k + 1)
    assert n > 1000 or tail == sum(comb(n, k) for k in range(min(b, c) + 1))
    return float(min(Fraction(1), Fraction(2 * tail, 2**n)))


answer([p_value(b, c) for b, c in argument()["counts"]])
