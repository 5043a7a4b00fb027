"""Compute the polynomials of `lossbench.native` and write native/coefficients.py.

Each polynomial is the minimax approximation (Remez exchange, 60 digits) of a function on an interval in the
norm |weight (p - f)|, and its coefficients are then rounded to float64 or float32. The bound that is written
beside it is the largest weighted error of the *rounded* polynomial, in exact arithmetic, on 4000 points, rounded up.

Run: python scripts/coefficients.py > native/coefficients.py
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import mpmath
import numpy as np
from mpmath import mp, mpf

Function = Callable[[Any], Any]
#: half of ln 2, and the 2^-20 of itself by which the reduced argument of exp may exceed it
REDUCED = mpmath.ldexp(mpmath.log(2), -1) * (1 + mpmath.ldexp(1, -20))
#: the same for steps of ln(2)/8, taken in float32
EIGHTH = mpmath.ldexp(mpmath.log(2), -4) * (1 + mpmath.ldexp(1, -12))
#: ln(1 + u) is looked up at 0/7, 1/7 .. 7/7, or near by
STEPS = 7


@dataclass(frozen=True)
class Polynomial:
    """What is approximated: name, text, f, weight, interval and degree; single: coefficients are float32."""

    name: str
    text: str
    f: Function
    weight: Function
    low: Any
    high: Any
    degree: int
    single: bool = False

    def rounded(self, coefficients: list[Any]) -> list[float]:
        """The coefficients as they are used."""
        return [single(c) if self.single else float(c) for c in coefficients]


def single(x: Any) -> float:
    """x rounded to float32."""
    return float(np.float32(float(x)))


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


def log1p_cube(s: Any) -> Any:
    """(log1p(s) - s + s^2/2) / (-s^3/2)."""
    if abs(s) < mpmath.ldexp(1, -20):
        return -2 * mpmath.polyval([mpf((-1) ** k) / (k + 3) for k in range(12, -1, -1)], s)
    return (mpmath.log1p(s) - s + s * s / 2) / (-(s**3) / 2)


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
    low, high = log_reach()
    small = mpmath.log1p(mpf(1) / (2 * STEPS))  # whatever is looked up is at least as large, or s is all there is
    reach = f"s in [{mpmath.nstr(low, 3)}, {mpmath.nstr(high, 3)}]"
    return [
        Polynomial("EXP_NEAR", f"exp(r), {near}", mpmath.exp, exp_weight(0), -REDUCED, REDUCED, 6),
        Polynomial("EXP_SHORT", f"(exp(r)-1-r)/r^2, {near}", exp_tail(2), exp_weight(2), -REDUCED, REDUCED, 5),
        Polynomial("EXP_LANE", f"(exp(r)-1-r)/r^2, {near}", exp_tail(2), exp_weight(2), -REDUCED, REDUCED, 7),
        Polynomial("EXP_PAIR", f"(exp(r)-1-r)/r^2, {near}", exp_tail(2), exp_weight(2), -REDUCED, REDUCED, 10),
        Polynomial("EXP_FULL", f"tail of exp after r^8/8!, {near}", exp_tail(9), exp_weight(9), -REDUCED, REDUCED, 8),
        Polynomial("LOG_SHORT", "(log1p(u)/u-1)/u, u in [0, 1]", log1p_tail, lambda u: u * u / mpmath.log1p(u),
                   mpf(0), mpf(1), 10),
        Polynomial("LOG_LANE", f"(atanh(s)/s-1)/t, {ratio}", atanh_tail(1), lambda t: t, mpf(0), third, 6),
        Polynomial("LOG_PAIR", f"(atanh(s)/s-1-t/3)/t^2, {ratio}", atanh_tail(2), lambda t: t**2, mpf(0), third, 9),
        Polynomial("LOG_NEAR", "(atanh(s)/s-1-t/3)/t^2, |s| <= (sqrt(2)-1)/(sqrt(2)+1)", atanh_tail(2),
                   lambda t: t**2, mpf(0), log_end, 7),
        Polynomial("EXP_SINGLE", "(exp(r)-1-r)/r^2 in float32, |r| <= ln(2)/16", exp_tail(2), exp_weight(2),
                   -EIGHTH, EIGHTH, 2, single=True),
        Polynomial("LOG_SINGLE", f"(log1p(s)-s+s^2/2)/(-s^3/2) in float32, {reach}", log1p_cube,
                   lambda s: abs(s) ** 3 / 2 / small, low, high, 4, single=True),
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
        *((f"INVERSE_FACTORIAL_{n}", f"1/{n}!", pair(1 / mpmath.factorial(n))) for n in range(3, 9)),
        ("THIRD", "1/3", pair(mpf(1) / 3)),
        ("EIGHTHS", "8 log2(e) in float32", (single(8 / ln2),)),
        ("EIGHTH", "ln(2)/8 as two float32; x - k times the first is exact for float32 x and the nearest k",
         (single(ln2 / 8), single(ln2 / 8 - mpf(single(ln2 / 8))))),
    ]


def powers() -> tuple[list[float], list[float]]:
    """2^(i/8) in float32, and what each lacks, relative to it."""
    exact = [mpmath.root(mpf(2) ** i, 8) for i in range(8)]
    near = [single(x) for x in exact]
    return near, [single(x / mpf(n) - 1) for x, n in zip(exact, near, strict=True)]


@cache
def logarithms() -> tuple[list[float], list[float]]:
    """c = 1/(1 + u) for u a little below 0/7, 1/7 .. 7/7, and -ln c: those of float32 where -ln c nearly is one, too.

    A little below: so that the difference of u c and 1 - c is exact up to half-way to the neighbours.
    """
    inverses, logs = [1.0], [0.0]
    for i in range(1, STEPS + 1):
        first = np.float32(STEPS / (STEPS + i)).view(np.int32) + 16
        near = [float(x) for x in np.arange(first, first + 4096, dtype=np.int32).view(np.float32)]
        exact = [-mpmath.log(mpf(c)) for c in near]
        rest = [abs(x - mpf(single(x))) for x in exact]
        best = rest.index(min(rest))
        inverses.append(near[best])
        logs.append(single(exact[best]))
    return inverses, logs


def log_reach() -> tuple[Any, Any]:
    """The smallest and the largest s = (1 + u) c - 1, u in [0, 1] half a step from its place in the table."""
    found = []
    for i, c in enumerate(logarithms()[0]):
        found += [min(max((i + mpf(side) / 2) / STEPS, 0), 1) * c + (mpf(c) - 1) for side in (-1, 1)]
    return min(found) - mpmath.ldexp(1, -20), max(found) + mpmath.ldexp(1, -20)


def tables() -> list[tuple[str, str, list[float]]]:
    """(name, text, numbers) of the tables of float32."""
    near, rest = powers()
    inverses, logs = logarithms()
    lost = max(abs(-mpmath.log(mpf(c)) - mpf(x)) for c, x in zip(inverses, logs, strict=True))
    size = mpmath.nstr(mpmath.ceil(mpmath.log(lost, 2) * 10) / 10, 4)
    return [
        ("POWERS", "2^(i/8) in float32", near),
        ("POWERS_REST", "what these lack, relative to them", rest),
        ("INVERSES", f"numbers near {STEPS}/({STEPS}+i) in float32", inverses),
        ("LOGARITHMS", f"minus their logarithms in float32, which err by 2^{size} at most", logs),
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
    for name, text, row in tables():
        lines += [f"#: {text}", f"{name}: Final[tuple[float, ...]] = (", *(f"    {number(x)}," for x in row), ")"]
    for p in polynomials():
        rounded = p.rounded(remez(p))
        size = mpmath.ceil(mpmath.log(bound(p, rounded), 2) * 10) / 10
        lines += [f"#: {p.text}; error <= 2^{mpmath.nstr(size, 4)}", f"{p.name}: Final[tuple[float, ...]] = ("]
        lines += [*(f"    {number(c)}," for c in rounded), ")"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(source())
