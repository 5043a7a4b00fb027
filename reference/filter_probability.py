"""The filter's kernels for probabilities taken as given, and the sum of a row of results.

L = -(a log p + b log q), q = 1 - p exactly as a pair. With b = 0 they are the terms of a cross-entropy over
classes. Each writes (hi, lo, k, error) of `reference.filter_terms`. A coefficient 0 drops its term.
"""

from __future__ import annotations

import math
from typing import Any

import numpy.typing as npt

from lossbench.reference.doubleword import (
    ADD,
    DIV,
    LOG,
    MUL,
    add,
    compiled,
    div,
    exponent,
    fast_two_sum,
    inlined,
    log_parts,
    mul,
    pow2,
    two_sum,
)
from lossbench.reference.filter_terms import LINEAR, TAYLOR, join, linear, scaled, within

Array = npt.NDArray[Any]


@inlined
def normalised(h: float, low: float) -> tuple[float, float, float]:
    """(mh, ml, e): h + low = m 2^e exactly with m in [3/4, 3/2]; h > 0."""
    x, k = scaled(h)
    e = exponent(x)
    e = e + 1.0 if x * pow2(-e) >= 1.5 else e
    return x * pow2(-e), low * pow2(-k) * pow2(-e), e + k


@inlined
def _known(error: float, p: float, ah: float, al: float, bh: float, bl: float) -> float:
    """The error, or infinity outside the domain and where the result is infinite."""
    fine = (p >= 0.0) & (p <= 1.0) & within(ah, al) & within(bh, bl)
    finite = ((ah == 0.0) | (p > 0.0)) & ((bh == 0.0) | (p < 1.0))
    return error if fine & finite else math.inf


@inlined
def _sides(p: float, a: float, b: float) -> tuple[float, float, float, float, float]:
    """p as (m, e) and 1 - p as (mh, ml, e), with 1/2 in place of one that no term asks for."""
    qh, ql = two_sum(1.0, -p)
    wanted = (b != 0.0) & (p < 1.0)
    ph, _, pe = normalised(p if (a != 0.0) & (p > 0.0) else 0.5, 0.0)
    qh, ql, qe = normalised(qh if wanted else 0.5, ql if wanted else 0.0)
    return ph, pe, qh, ql, qe


@compiled
def value(p: Array, labels: tuple[Array, ...], out: tuple[Array, ...]) -> None:
    """-a log p - b log q; b p + b p^2 / 2 for a = 0 near 0, where the second term is only a side of the first."""
    ah, al, bh, bl = labels
    hi, lo, k, error = out
    for i in range(len(p)):
        ph, pe, qh, ql, qe = _sides(p[i], ah[i], bh[i])
        xh, xl = log_parts(ph - 1.0, 0.0, pe)
        fh, fl = two_sum(qh - 1.0, ql)
        yh, yl = log_parts(fh, fl, qe)
        xh, xl = mul(-xh, -xl, ah[i], al[i])
        yh, yl = mul(-yh, -yl, bh[i], bl[i])
        rh, rl = add(xh, xl, yh, yl)
        both = (ah[i] != 0.0) & (bh[i] != 0.0)
        e = 1.01 * (LOG + MUL + (ADD if both else 0.0)) * rh
        near = (ah[i] == 0.0) & (p[i] < LINEAR)
        x, kx = scaled(p[i])
        hh, hl, h_error = linear(bh[i], bl[i], x)
        nh, nl, _, n_error = join(hh, hl, h_error, hh * max(0.5 * p[i], 2.0**-300), 0.0, 0.0, TAYLOR)
        hi[i], lo[i] = (nh if near else rh), (nl if near else rl)
        k[i] = kx if near else 0.0
        error[i] = _known(n_error if near else e, p[i], ah[i], al[i], bh[i], bl[i])


@inlined
def _over(ah: float, al: float, mh: float, ml: float, squared: bool) -> tuple[float, float, float]:
    """(hi, lo, error) of a / m, or a / m^2; exact for m = 1."""
    rh, rl = div(ah, al, mh, ml)
    if squared:
        rh, rl = div(rh, rl, mh, ml)
    exact = (mh == 1.0) & (ml == 0.0) | (ah == 0.0)
    return rh, rl, (0.0 if exact else (2.02 if squared else 1.01) * DIV * abs(rh))


@inlined
def _derivative(
    p: float, ah: float, al: float, bh: float, bl: float, second: bool
) -> tuple[float, float, float, float]:
    """b / q - a / p, or b / q^2 + a / p^2; b + b p (b + 2 b p) for a = 0 near 0."""
    ph, pe, qh, ql, qe = _sides(p, ah, bh)
    times = 2.0 if second else 1.0
    xh, xl, x_error = _over(ah if second else -ah, al if second else -al, ph, 0.0, second)
    yh, yl, y_error = _over(bh, bl, qh, ql, second)
    rh, rl, _, error = join(xh, xl, x_error, yh, yl, times * (pe - qe), (2.02 if second else 1.01) * DIV)
    k = -times * pe
    alone = ah == 0.0
    rh, rl = (yh if alone else rh), (yl if alone else rl)
    error, k = (y_error if alone else error), (-times * qe if alone else k)
    rh, rl = (xh if bh == 0.0 else rh), (xl if bh == 0.0 else rl)
    error, k = (x_error if bh == 0.0 else error), (-times * pe if bh == 0.0 else k)
    near = alone & (bh != 0.0) & (p < LINEAR)
    side = 0.0 if p == 0.0 else bh * max(times * p, 2.0**-300)
    nh, nl, _, n_error = join(bh, bl, 0.0, side, 0.0, 0.0, TAYLOR)
    error = _known(n_error if near else error, p, ah, al, bh, bl)
    return (nh if near else rh), (nl if near else rl), (0.0 if near else k), error


@compiled
def gradient(p: Array, labels: tuple[Array, ...], out: tuple[Array, ...]) -> None:
    """b / q - a / p."""
    ah, al, bh, bl = labels
    hi, lo, k, error = out
    for i in range(len(p)):
        hi[i], lo[i], k[i], error[i] = _derivative(p[i], ah[i], al[i], bh[i], bl[i], False)


@compiled
def curvature(p: Array, labels: tuple[Array, ...], out: tuple[Array, ...]) -> None:
    """b / q^2 + a / p^2."""
    ah, al, bh, bl = labels
    hi, lo, k, error = out
    for i in range(len(p)):
        hi[i], lo[i], k[i], error[i] = _derivative(p[i], ah[i], al[i], bh[i], bl[i], True)


#: A term this many binades below the largest of its row is dropped from the sum, into the error.
_DROP = -400.0


@compiled
def sum_rows(terms: tuple[Array, ...], size: int, out: tuple[Array, ...]) -> None:
    """Sums of rows of `size` non-negative numbers, in units of the largest. A single one passes unchanged."""
    hi, lo, k, error = terms
    for row in range(len(out[0])):
        first = row * size
        base = -8000.0
        for i in range(first, first + size):
            if hi[i] != 0.0:
                base = max(base, exponent(hi[i]) + k[i])
        sh, sl, bound, count = 0.0, 0.0, 0.0, 0
        for i in range(first, first + size):
            below = exponent(hi[i]) + k[i] - base
            if below < _DROP and hi[i] != 0.0:
                bound += 2.0 ** (_DROP + 2.0) if error[i] <= hi[i] else math.inf
            elif hi[i] != 0.0:
                shift = pow2(max(-1000.0, min(1000.0, k[i] - base)))
                sh, sl = add(sh, sl, hi[i] * shift, lo[i] * shift)
                bound += error[i] * shift + (ADD * sh if count else 0.0)
                count += 1
            else:
                bound += error[i]
        out[0][row], out[1][row], out[2][row] = sh, sl, (base if count else 0.0)
        out[3][row] = 1.01 * bound if count > 1 else bound


@compiled
def divide(numbers: tuple[Array, ...], by: float) -> None:
    """Divide numbers by a positive integer, in place; exact for a power of two."""
    hi, lo, k, error = numbers
    mh, _, e = normalised(by, 0.0)
    for i in range(len(hi)):
        exact = error[i] == 0.0 and mh == 1.0
        rh, rl = div(hi[i], lo[i], mh, 0.0)
        rough = error[i] == abs(hi[i])  # of this only the sign was known, and that it is below twice hi
        spread = error[i] if mh == 1.0 else 1.01 * (error[i] / mh + DIV * abs(rh))
        error[i] = 0.0 if exact else (abs(rh) if rough else spread)
        rl = 0.0 if rough else rl
        hi[i], lo[i], k[i] = rh, rl, k[i] - e


@inlined
def log1p_sum(sh: float, sl: float, n: float) -> tuple[float, float, float]:
    """(hi, lo, k): log(1 + x) for x = (sh + sl) 2^n >= 0 with s < 2^24, within LOG + 2 ADD.

    x <= 1 goes into the series as it is; above, 1 + x is rounded, which costs ADD / log 2 at most.
    """
    scale = pow2(max(n, -200.0))
    xh, xl = sh * scale, sl * scale
    wh, wl = add(1.0, 0.0, xh, xl)
    mh, ml, e = normalised(wh, wl)
    fh, fl = two_sum(mh - 1.0, ml)
    small = xh <= 1.0
    lh, ll = log_parts(xh if small else fh, xl if small else fl, 0.0 if small else e)
    tiny = n < -150.0
    lh, ll = fast_two_sum(sh if tiny else lh, sl if tiny else ll)
    return lh, ll, (n if tiny else 0.0)
