"""Compute the polynomials of `lossbench.native` and write native/coefficients.py.

Each polynomial is the minimax approximation (Remez exchange, 60 digits) of a function on an interval in the
norm |weight (p - f)|, and its coefficients are then rounded to float64. The bound that is written beside it is
the largest weighted error of the *rounded* polynomial, in exact arithmetic, on 4000 points, rounded up.

Run: python scripts/coefficients.py > native/coefficients.py
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
from mpmath import mp, mpf

Function = Callable[[Any], Any]
#: half of ln 2, and the 2^-20 of itself by which the reduced argument of exp may exceed it
REDUCED = mpmath.ldexp(mpmath.log(2), -1) * (1 + mpmath.ldexp(1, -20))


@dataclass(frozen=True)
class Polynomial:
    """What is approximated: name, text, f, weight, interval and degree."""

    name: str
    text: str
    f: Function
    weight: Function
    low: Any
    high: Any
    degree: int


def remez(p: Polynomial) -> list[Any]:
    """Coefficients, constant first, that equalise the weighted error at degree + 2 points."""
    n = p.degree + 2
    points = grid(p, n)
    for _ in range(12):
        rows = [[x**k for k in range(n - 1)] + [(-1) ** i / p.weight(x)] for i, x in enumerate(points)]
        solution = mpmath.lu_solve(mpmath.matrix(rows), mpmath.matrix([p.f(x) for x in points]))
        coefficients = list(solution)[: n - 1]
        moved = extrema(p, coefficients, n)
        if moved is None:
            break
        points = moved
    return coefficients


def error(p: Polynomial, coefficients: list[Any], x: Any) -> Any:
    """Weighted error at x, signed."""
    return p.weight(x) * (mpmath.polyval(coefficients[::-1], x) - p.f(x))


def grid(p: Polynomial, count: int) -> list[Any]:
    """Chebyshev points of the open interval, which crowd at its ends; 0 is never one of them."""
    half, middle = (p.high - p.low) / 2, (p.high + p.low) / 2
    return [middle - half * mpmath.cos(mpmath.pi * (i + mpf(1) / 3) / count) for i in range(count)]


def extrema(p: Polynomial, coefficients: list[Any], n: int) -> list[Any] | None:
    """The n alternating extrema of the error; None when there are not n of them, or they are level."""
    found: list[tuple[Any, Any]] = []
    for x in grid(p, 40 * n):
        e = error(p, coefficients, x)
        if found and (e > 0) == (found[-1][1] > 0):
            if abs(e) > abs(found[-1][1]):
                found[-1] = (x, e)
        else:
            found.append((x, e))
    sizes = [abs(e) for _, e in found]
    if len(found) != n or max(sizes) < min(sizes) * (1 + mpf(2) ** -10):
        return None
    return [x for x, _ in found]


def bound(p: Polynomial, coefficients: list[float]) -> Any:
    """Largest weighted error of the rounded polynomial."""
    exact = [mpf(c) for c in coefficients]
    return max(abs(error(p, exact, x)) for x in grid(p, 4000))


def exp_tail(terms: int) -> Function:
    """(exp(r) - sum of the first `terms` Taylor terms) / r^terms."""
    series = [1 / mpmath.factorial(k + terms) for k in range(40, -1, -1)]
    return lambda r: mpmath.polyval(series, r)


def atanh_tail(terms: int) -> Function:
    """(atanh(s)/s - sum of the first `terms` terms t^k/(2k+1)) / t^terms as a function of t = s^2."""
    series = [1 / mpf(2 * (k + terms) + 1) for k in range(70, -1, -1)]
    return lambda t: mpmath.polyval(series, t)


def log1p_tail(u: Any) -> Any:
    """(log1p(u)/u - 1)/u."""
    if u < mpmath.ldexp(1, -20):
        return mpmath.polyval([mpf((-1) ** (k + 1)) / (k + 2) for k in range(12, -1, -1)], u)
    return (mpmath.log1p(u) / u - 1) / u


def exp_weight(terms: int) -> Function:
    """What an error of the tail of exp costs relative to exp(r)."""
    return lambda r: abs(r) ** terms / mpmath.exp(r)


def polynomials() -> list[Polynomial]:
    """All that the kernels use. Weights make the bounds relative errors of exp(r) and of log1p."""
    third = mpf(1) / 9
    log_end = ((mpmath.sqrt(2) - 1) / (mpmath.sqrt(2) + 1)) ** 2 * (1 + mpmath.ldexp(1, -20))
    near = "|r| <= ln(2)/2"
    ratio = "t in [0, 1/9], from log1p(u) = 2 atanh(s), s = u/(2+u), t = s^2"
    return [
        Polynomial("EXP_SHORT", f"(exp(r)-1-r)/r^2, {near}", exp_tail(2), exp_weight(2), -REDUCED, REDUCED, 5),
        Polynomial("EXP_LANE", f"(exp(r)-1-r)/r^2, {near}", exp_tail(2), exp_weight(2), -REDUCED, REDUCED, 7),
        Polynomial("EXP_PAIR", f"(exp(r)-1-r)/r^2, {near}", exp_tail(2), exp_weight(2), -REDUCED, REDUCED, 10),
        Polynomial("EXP_FULL", f"tail of exp after r^9/9!, {near}", exp_tail(10), exp_weight(10), -REDUCED, REDUCED, 7),
        Polynomial("LOG_SHORT", "(log1p(u)/u-1)/u, u in [0, 1]", log1p_tail, lambda u: u * u / mpmath.log1p(u),
                   mpf(0), mpf(1), 10),
        Polynomial("LOG_LANE", f"(atanh(s)/s-1)/t, {ratio}", atanh_tail(1), lambda t: t, mpf(0), third, 6),
        Polynomial("LOG_PAIR", f"(atanh(s)/s-1-t/3)/t^2, {ratio}", atanh_tail(2), lambda t: t**2, mpf(0), third, 9),
        Polynomial("LOG_NEAR", "(atanh(s)/s-1-t/3)/t^2, |s| <= (sqrt(2)-1)/(sqrt(2)+1)", atanh_tail(2),
                   lambda t: t**2, mpf(0), log_end, 7),
    ]  # fmt: skip


def pair(x: Any) -> tuple[float, float]:
    """The float64 nearest to x, and the float64 nearest to what it leaves."""
    high = float(x)
    return high, float(x - mpf(high))


def constants() -> list[tuple[str, str, tuple[float, ...]]]:
    """(name, text, parts) of constants that are used in pieces."""
    ln2 = mpmath.log(2)
    first = float(mpmath.ldexp(mpmath.floor(mpmath.ldexp(ln2, 42)), -42))
    second, third = pair(ln2 - mpf(first))
    return [
        ("LOG2_E", "log2(e)", (float(1 / ln2),)),
        ("LN2", "ln 2; k times the first part is exact for |k| < 2^11", (first, second, third)),
        ("LN2_PAIR", "ln 2", pair(ln2)),
        *((f"INVERSE_FACTORIAL_{n}", f"1/{n}!", pair(1 / mpmath.factorial(n))) for n in range(3, 10)),
        ("THIRD", "1/3", pair(mpf(1) / 3)),
    ]


def number(x: float) -> str:
    """x as Python source with every bit of it."""
    return f'h("{x.hex()}")'


def source() -> str:
    """The text of native/coefficients.py."""
    mp.dps = 60
    lines = [
        '"""Polynomials and constants of the kernels. Written by scripts/coefficients.py; do not edit.',
        "",
        "Coefficients stand constant first, as hexadecimal float64. Beside each polynomial: what it approximates,",
        "where, and its largest error relative to exp(r) or to log1p, in exact arithmetic.",
        '"""',
        "",
        "from typing import Final",
        "",
        "h = float.fromhex",
        "",
    ]
    for name, text, parts in constants():
        lines += [f"#: {text}"]
        if len(parts) == 1:
            lines += [f"{name}: Final[float] = {number(parts[0])}"]
        else:
            kind = ", ".join(["float"] * len(parts))
            lines += [f"{name}: Final[tuple[{kind}]] = (", *(f"    {number(x)}," for x in parts), ")"]
    for p in polynomials():
        rounded = [float(c) for c in remez(p)]
        size = mpmath.ceil(mpmath.log(bound(p, rounded), 2) * 10) / 10
        lines += [f"#: {p.text}; error <= 2^{mpmath.nstr(size, 4)}", f"{p.name}: Final[tuple[float, ...]] = ("]
        lines += [*(f"    {number(c)}," for c in rounded), ")"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(source())
