"""The filter's kernels for one logit: the general binary loss, the curvature of the sigmoid, squared error.

The general binary loss is L = a softplus(-z) + b softplus(z), a, b >= 0 (`reference.logistic` with a = y and
b = 1 - y). Each kernel writes (hi, lo, k, error) of `reference.filter_terms` for every point.
"""

from __future__ import annotations

import math
from typing import Any

import numpy.typing as npt

from lossbench.reference.doubleword import ADD, MUL, add, compiled, fast_two_sum, inlined, mul, pow2, two_sum
from lossbench.reference.filter_terms import (
    LINEAR,
    LOG1P,
    QUADRATIC,
    SLOPE,
    SMALL,
    TANH,
    TAYLOR,
    exp_of,
    far,
    join,
    linear,
    log1p_of,
    ratios,
    residual_of,
    scaled,
    slope_of,
    tanh_half,
    total,
    within,
)  # fmt: skip

Array = npt.NDArray[Any]
_Number = tuple[float, float, float, float]


@compiled
def exponentials(ah: Array, al: Array, u: tuple[Array, ...]) -> None:
    """exp(-a), a >= 0, into u = (ph, pl, uh, ul, n), see `doubleword.exp_minus`."""
    ph, pl, uh, ul, n = u
    for i in range(len(ah)):
        ph[i], pl[i], uh[i], ul[i], n[i] = exp_of(ah[i], al[i])


@inlined
def _known(error: float, z: float, ah: float, al: float, bh: float, bl: float) -> float:
    """The error, or infinity outside the domain."""
    fine = (abs(z) <= 1.7976931348623157e308) & within(ah, al) & within(bh, bl)
    return error if fine else math.inf


@compiled
def value(z: Array, labels: tuple[Array, ...], u: tuple[Array, ...], out: tuple[Array, ...]) -> None:
    """L = b z + (a + b) log1p(u) on the right, a |z| + (a + b) log1p(u) on the left."""
    ah, al, bh, bl = labels
    _, _, uh, ul, n = u
    hi, lo, k, error = out
    for i in range(len(z)):
        right = z[i] > 0.0
        x, kx = scaled(abs(z[i]))
        hh, hl, h_error = linear(bh[i] if right else ah[i], bl[i] if right else al[i], x)
        # a head below 2^-300 stands beside a tail above 2^-101: its scale is of no consequence
        tail_h, tail_l, kt = log1p_of(uh[i], ul[i], n[i])
        ch, cl = total(ah[i], al[i], bh[i], bl[i])
        th, tl = mul(ch, cl, tail_h, tail_l)
        small = kx < 0.0
        hh, hl = (hh * 2.0**-600 if small else hh), (hl * 2.0**-600 if small else hl)
        kh = 0.0 if small else kx
        eps = 1.0 if far(n[i]) else 1.01 * (LOG1P + MUL + ADD)
        hi[i], lo[i], kr, e = join(hh, hl, 0.0 if small else h_error, th, tl, kt - kh, eps)
        k[i] = kr + kh
        error[i] = _known(e, z[i], ah[i], al[i], bh[i], bl[i])


@inlined
def _plus(h: float, low: float, x: float) -> tuple[float, float, float]:
    """(hi, lo, error) of h + low + x; the error is what a third word would hold."""
    sh, sl = two_sum(h, x)
    sl, rest = two_sum(sl, low)
    sh, sl = fast_two_sum(sh, sl)
    return sh, sl, abs(rest)


@compiled
def tails(labels: tuple[Array, ...], u: tuple[Array, ...]) -> None:
    """(a + b) log1p(u) as (hi, lo, k) in the place of ph, pl and uh."""
    ah, al, bh, bl = labels
    ph, pl, uh, ul, n = u
    for i in range(len(n)):
        lh, ll, k = log1p_of(uh[i], ul[i], n[i])
        ch, cl = total(ah[i], al[i], bh[i], bl[i])
        ph[i], pl[i] = mul(ch, cl, lh, ll)
        uh[i] = k


@compiled
def value_rows(z: Array, labels: tuple[Array, ...], u: tuple[Array, ...], size: int, out: tuple[Array, ...]) -> None:
    """Sums of L over rows of `size` outputs from their `tails`; of the heads exactly where two words hold it."""
    ah, al, bh, bl = labels
    tail_h, tail_l, tail_k, _, n = u
    for row in range(len(out[0])):
        first = row * size
        widest, base, error = 0.0, -8000.0, 0.0
        for i in range(first, first + size):
            widest = max(widest, abs(z[i]))
            base = max(base, n[i] if ah[i] + bh[i] != 0.0 else -8000.0)
            error = _known(error, z[i], ah[i], al[i], bh[i], bl[i])
        kh = 600.0 if widest > 2.0**400 else 0.0
        h, low, th, tl = 0.0, 0.0, 0.0, 0.0
        h_error = 2.0**-1000 if kh > 0.0 else 0.0  # products below 2^-968
        for i in range(first, first + size):
            right = z[i] > 0.0
            x = abs(z[i]) * pow2(-kh)
            xh, xl, x_error = linear(bh[i] if right else ah[i], bl[i] if right else al[i], x)
            h, low, rest = _plus(h, low, xh)
            h, low, more = _plus(h, low, xl)
            h_error += x_error + rest + more + (2.0**-1000 if (x < 2.0**-800) & (xh != 0.0) else 0.0)
            scale = pow2(max(-900.0, min(900.0, tail_k[i] - base)))
            th, tl = add(th, tl, tail_h[i] * scale, tail_l[i] * scale)
        eps = 1.0 if far(base) else 1.01 * (LOG1P + MUL + (size + 1) * ADD)
        rh, rl, kr, e = join(h, low, h_error, th, tl, base - kh, eps)
        out[0][row], out[1][row], out[2][row] = rh, rl, kr + kh
        out[3][row] = e + error


@compiled
def gradient(z: Array, labels: tuple[Array, ...], u: tuple[Array, ...], out: tuple[Array, ...]) -> None:
    """b g(z) - a g(-z)."""
    ah, al, bh, bl = labels
    _, _, uh, ul, n = u
    hi, lo, k, error = out
    for i in range(len(z)):
        sh, sl, _, _ = ratios(uh[i], ul[i], n[i])
        hi[i], lo[i], k[i], e = residual_of(z[i], ah[i], al[i], bh[i], bl[i], sh, sl, n[i])
        error[i] = _known(e, z[i], ah[i], al[i], bh[i], bl[i])


@compiled
def curvature(z: Array, labels: tuple[Array, ...], u: tuple[Array, ...], out: tuple[Array, ...]) -> None:
    """(a + b) g'(z), as (a + b) (1/4 - z^2 / 16) near 0, where the next term is z^2 / 6 of the last."""
    ah, al, bh, bl = labels
    _, _, uh, ul, n = u
    hi, lo, k, error = out
    for i in range(len(z)):
        ch, cl = total(ah[i], al[i], bh[i], bl[i])
        sh, sl, dh, dl = ratios(uh[i], ul[i], n[i])
        sh, sl = slope_of(sh, sl, dh, dl)
        th, tl = mul(ch, cl, sh, sl)
        near = abs(z[i]) < QUADRATIC
        x, kx = scaled(z[i])
        one_word = (al[i] == 0.0) & (bl[i] == 0.0)
        hh, hl = (0.25 * ch if near else 0.0), (0.25 * cl if near else 0.0)
        th = -0.0625 * ch * (x * x) if near else th
        tl = 0.0 if near else tl
        eps = TAYLOR if near else (1.0 if far(n[i]) else 1.01 * (SLOPE + MUL + ADD))
        h_error = ADD * ch if near & (not one_word) else 0.0
        hi[i], lo[i], k[i], e = join(hh, hl, h_error, th, tl, 2.0 * kx if near else n[i], eps)
        error[i] = _known(e, z[i], ah[i], al[i], bh[i], bl[i])


@compiled
def bend(z: Array, labels: tuple[Array, ...], u: tuple[Array, ...], out: tuple[Array, ...]) -> None:
    """g''(z) = -g' tanh(z / 2), the second derivative of the sigmoid; labels are not asked.

    Near 0, -z/8 + z^3/24: the second term only tells on which side of -z/8 the result lies.
    """
    ph, pl, uh, ul, n = u
    hi, lo, k, error = out
    for i in range(len(z)):
        sh, sl, dh, dl = ratios(uh[i], ul[i], n[i])
        gh, gl = slope_of(sh, sl, dh, dl)
        th, tl = tanh_half(ph[i], pl[i], uh[i], ul[i], n[i], dh, dl)
        rh, rl, r_error = _product(gh, gl, SLOPE * abs(gh), th, tl, TANH * abs(th))
        rh, rl, kr, r_error = _settled(rh, rl, n[i], r_error, n[i])
        right = z[i] > 0.0
        near = abs(z[i]) < LINEAR
        x, kx = scaled(z[i])
        nh, nl, kn, n_error = join(-0.125 * x, 0.0, 0.0, x / 24.0 * max(z[i] * z[i], 2.0**-300), 0.0, 0.0, TAYLOR)
        hi[i] = nh if near else (-rh if right else rh)
        lo[i] = nl if near else (-rl if right else rl)
        k[i] = kn + kx if near else kr
        error[i] = _known(n_error if near else r_error, z[i], 0.0, 0.0, 0.0, 0.0)


@inlined
def _product(xh: float, xl: float, x_error: float, yh: float, yl: float, y_error: float) -> tuple[float, float, float]:
    """(hi, lo, error) of x y."""
    rh, rl = mul(xh, xl, yh, yl)
    error = abs(xh) * y_error + abs(yh) * x_error + x_error * y_error + MUL * abs(rh)
    return rh, rl, 1.01 * error


@inlined
def _settled(hi: float, lo: float, k: float, error: float, n: float) -> _Number:
    """The number; where exp(-|z|) is far, only its sign and that it is no larger than what stands for it."""
    return hi, (0.0 if far(n) else lo), k, (abs(hi) if far(n) else error)


@inlined
def _hard(ah: float, al: float, bh: float, bl: float) -> bool:
    return (al == 0.0) & (bl == 0.0) & (((ah == 1.0) & (bh == 0.0)) | ((ah == 0.0) & (bh == 1.0)))


@compiled
def square(z: Array, labels: tuple[Array, ...], u: tuple[Array, ...], out: tuple[Array, ...]) -> None:
    """d^2 / 2 with d = b g(z) - a g(-z); 1/2 - (s - s^2 / 2) for a hard label and the wrong sign.

    Near 0, hard labels: d = h + z/4 with h = (b - a)/2 = +-1/2, d^2 / 2 = 1/8 + h z / 4 within |z| / 4 of the last.
    """
    ah, al, bh, bl = labels
    _, _, uh, ul, n = u
    hi, lo, k, error = out
    for i in range(len(z)):
        sh, sl, _, _ = ratios(uh[i], ul[i], n[i])
        dh, dl, kd, d_error = residual_of(z[i], ah[i], al[i], bh[i], bl[i], sh, sl, n[i])
        qh, ql, q_error = _product(dh, dl, d_error, 0.5 * dh, 0.5 * dl, 0.5 * d_error)
        pure = kd != 0.0
        qh, ql, kq, q_error = _settled(qh, ql, 2.0 * kd, q_error, n[i] if pure else 0.0)
        hard = _hard(ah[i], al[i], bh[i], bl[i])
        wrong = hard & ((bh[i] if z[i] > 0.0 else ah[i]) == 1.0)
        near = hard & (abs(z[i]) < LINEAR)
        scale = pow2(max(n[i], -200.0))
        wh, wl = add(1.0, 0.0, -0.5 * sh * scale, -0.5 * sl * scale)
        th, tl = mul(-sh, -sl, wh, wl)
        x, kx = scaled(z[i])
        th, tl = (0.25 * (0.5 * (bh[i] - ah[i])) * x if near else th), (0.0 if near else tl)
        eps = TAYLOR if near else (1.0 if far(n[i]) else 1.01 * (2.0 * SMALL + 2.0 * ADD + MUL))
        jh, jl, kj, j_error = join(0.125 if near else 0.5, 0.0, 0.0, th, tl, kx if near else n[i], eps)
        split = wrong | near
        hi[i], lo[i] = (jh if split else qh), (jl if split else ql)
        k[i] = kj if split else kq
        error[i] = _known(j_error if split else q_error, z[i], ah[i], al[i], bh[i], bl[i])


@inlined
def _square_derivative(z: float, labels: _Number, u: tuple[float, float, float, float, float], second: bool) -> _Number:
    """d g', or g' (g' + d t) with t = 1 - 2 g(z) = -tanh(z / 2).

    Near 0, hard labels: h/4 + z/16 and 1/16 - h z / 8, h = (b - a)/2, within |z| of the last terms; the latter
    within 4 |z| for any a + b = 1 and |h| >= 1/16.
    """
    ah, al, bh, bl = labels
    ph, pl, uh, ul, n = u
    sh, sl, fh, fl = ratios(uh, ul, n)
    gh, gl = slope_of(sh, sl, fh, fl)
    rh, rl, kd, r_error = residual_of(z, ah, al, bh, bl, sh, sl, n)
    x, kx = scaled(z)
    h = 0.5 * (bh - ah)
    if second:
        th, tl = tanh_half(ph, pl, uh, ul, n, fh, fl)
        flat = abs(z) < LINEAR
        th, tl = (0.5 * abs(z) if flat else th), (0.0 if flat else tl)
        th, tl = (-th if z > 0.0 else th), (-tl if z > 0.0 else tl)
        # below LINEAR, t is at most 2^-56, with an absolute error of 2^-1074 beside g' = 1/4
        rh, rl, r_error = _product(rh, rl, r_error, th, tl, TANH * abs(th) + 2.0**-1000)
        rh, rl, k_sum, r_error = join(rh, rl, r_error, gh, gl, n - kd, SLOPE)
        kd = kd + k_sum
    qh, ql, q_error = _product(rh, rl, r_error, gh, gl, SLOPE * abs(gh))
    qh, ql, kq, q_error = _settled(qh, ql, kd + n, q_error, n)
    ch, cl = total(ah, al, bh, bl)
    fit = (ch == 1.0) & (cl == 0.0) & (abs(h) >= 0.0625) if second else _hard(ah, al, bh, bl)
    near = fit & (abs(z) < LINEAR)
    head, slope = (0.0625, -0.125 * h) if second else (0.25 * h, 0.0625)
    nh, nl, kn, n_error = join(head, 0.0, 0.0, slope * x, 0.0, kx, TAYLOR)
    error = _known(n_error if near else q_error, z, ah, al, bh, bl)
    return (nh if near else qh), (nl if near else ql), (kn if near else kq), error


@compiled
def square_slope(z: Array, labels: tuple[Array, ...], u: tuple[Array, ...], out: tuple[Array, ...]) -> None:
    """The first derivative of d^2 / 2."""
    ah, al, bh, bl = labels
    ph, pl, uh, ul, n = u
    hi, lo, k, error = out
    for i in range(len(z)):
        hi[i], lo[i], k[i], error[i] = _square_derivative(
            z[i], (ah[i], al[i], bh[i], bl[i]), (ph[i], pl[i], uh[i], ul[i], n[i]), False
        )


@compiled
def square_curvature(z: Array, labels: tuple[Array, ...], u: tuple[Array, ...], out: tuple[Array, ...]) -> None:
    """The second derivative of d^2 / 2."""
    ah, al, bh, bl = labels
    ph, pl, uh, ul, n = u
    hi, lo, k, error = out
    for i in range(len(z)):
        hi[i], lo[i], k[i], error[i] = _square_derivative(
            z[i], (ah[i], al[i], bh[i], bl[i]), (ph[i], pl[i], uh[i], ul[i], n[i]), True
        )
