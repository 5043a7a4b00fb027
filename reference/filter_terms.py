"""What the filter's kernels share: domains, exact heads with tails, and the quantities of u = exp(-|z|).

A number is (hi, lo, k, error): within error 2^k of (hi + lo) 2^k, strictly, or equal to it where error is 0.
`eps` is a relative error. Coefficients are zero or within 2^-100 .. 2^100, so that nothing of size 2^-106 of a
result underflows; whatever leaves this domain gets an infinite error, and stays undecided.
"""

from __future__ import annotations

import math

from lossbench.reference.doubleword import (
    ADD,
    DIV,
    EXP,
    EXP_MAX,
    LOG,
    MUL,
    add,
    div,
    exp_minus,
    exponent,
    fast_two_sum,
    fma,
    inlined,
    log_parts,
    mul,
    pow2,
    two_prod,
    two_sum,
)

#: Below 2^_FAR only the sign of an exp(-a) is known: it is clamped, and its relative error is called 1.
_FAR = -2870.0
#: Below 2^_TINY, u is log(1 + u) and u / (1 + u), within 2^-120.
_TINY = -120.0
#: |z| below which a function of z is its Taylor polynomial of degree 1, or of degree 2.
LINEAR, QUADRATIC = 2.0**-55, 2.0**-40
#: Relative error of such a last term: what follows it, and rounding in float64.
TAYLOR = 2.0**-50
#: Relative error of s = u / (1 + u): the sum in the denominator loses ADD, and u counts once at most.
SMALL = 1.01 * (EXP + ADD + DIV)
#: Relative error of log(1 + u), and of g' = s / (1 + u).
LOG1P = 1.01 * (EXP + LOG)
SLOPE = 1.01 * (SMALL + EXP + ADD + DIV)
#: Relative error of 1 - u: (EXP u + ADD (1 + u)) / (1 - u) with u <= 0.708 where n < 0, expm1 where n = 0.
ONE_MINUS = 2.5 * EXP + 6 * ADD
#: Relative error of tanh(|z| / 2) = (1 - u) / (1 + u).
TANH = 1.01 * (ONE_MINUS + EXP + ADD + DIV)


@inlined
def within(h: float, low: float) -> bool:
    """Whether h + low is a coefficient of the domain, and a normalised pair."""
    return (h == 0.0) & (low == 0.0) | (h >= 2.0**-100) & (h <= 2.0**100) & (abs(low) <= 2.0**-53 * h)


@inlined
def scaled(z: float) -> tuple[float, float]:
    """(x, k) with z = x 2^k and x within 2^-600 .. 2^600, or zero."""
    size = abs(z)
    k = -600.0 if size < 2.0**-400 else (600.0 if size > 2.0**400 else 0.0)
    return z * pow2(-k), k


@inlined
def join(
    hh: float, hl: float, h_error: float, th: float, tl: float, k: float, eps: float
) -> tuple[float, float, float, float]:
    """H + T 2^k for H known within h_error (0: exact) and a T of relative error eps; T = 0 only if exactly.

    |H| is zero, or above 2^-400 wherever k < -900. An exact H of one word keeps T as its second word. Where T
    lies below 2^-210 |H|, |T| < 2^-207 |H| is all that is used of it, with its sign: the enclosure is open and
    ends at H. So it is for an exact H of two words where T lies below an ulp of the second.
    """
    size = abs(hh)
    lost = k < -900.0
    eps_here = 1.0 + 2.0**-50 if lost else eps  # |T| is smaller still than what stands for it
    scale = pow2(max(-900.0, min(900.0, k)))
    a, b = th * scale, tl * scale
    rh, rl = add(hh, hl, a, b)
    error = 1.01 * (ADD * (size + abs(a)) + abs(a) * eps_here + h_error)
    exact = (hl == 0.0) & (h_error == 0.0)
    beside = exact & (abs(a) <= 2.0**-60 * size)
    far = abs(a) <= 2.0**-210 * size
    sticky = 2.0**-208 * size
    rh = hh if beside else rh
    rl = (math.copysign(sticky, a) if far else a) if beside else rl
    error = (sticky if far else abs(a) * (eps_here + 2.0**-51)) if beside else error
    step = math.copysign(2.0**-51 * pow2(max(-900.0, exponent(hl))), a)  # two ulps of the second word
    nudged, rest = two_sum(hl, step)
    between = (hl != 0.0) & (h_error == 0.0) & (abs(a) <= 0.5 * abs(step)) & (rest == 0.0) & (abs(hl) > 2.0**-900)
    rh = hh if between else rh
    rl = nudged if between else rl
    error = abs(step) if between else error
    none = th == 0.0
    rh, rl = (hh if none else rh), (hl if none else rl)
    error = 1.01 * h_error if none else error
    pure = (hh == 0.0) & (hl == 0.0) & (h_error == 0.0)
    rough = eps >= 1.0
    rh = th if pure else rh
    rl = (0.0 if rough else tl) if pure else rl
    error = abs(th) * eps if pure else error
    return rh, rl, (k if pure else 0.0), error


@inlined
def far(n: float) -> bool:
    """Whether of exp(-a) of exponent n only the sign is known."""
    return n < _FAR


@inlined
def exp_of(ah: float, al: float) -> tuple[float, float, float, float, float]:
    """`exp_minus` for any a >= 0; beyond EXP_MAX the result is larger than exp(-a), with n below _FAR."""
    clamped = ah > EXP_MAX
    return exp_minus(EXP_MAX if clamped else ah, 0.0 if clamped else al)


@inlined
def log1p_of(uh: float, ul: float, n: float) -> tuple[float, float, float]:
    """(hi, lo, k): log(1 + u 2^n) for u 2^n <= 1, LOG1P from u's own EXP."""
    tiny = n < _TINY
    scale = pow2(max(n, -200.0))
    lh, ll = log_parts(uh * scale, ul * scale, 0.0)
    return (uh if tiny else lh), (ul if tiny else ll), (n if tiny else 0.0)


@inlined
def ratios(uh: float, ul: float, n: float) -> tuple[float, float, float, float]:
    """(sh, sl, dh, dl): s = u / (1 + u) in units of 2^n, and 1 + u 2^n."""
    scale = pow2(max(n, -200.0))
    dh, dl = add(1.0, 0.0, uh * scale, ul * scale)
    sh, sl = div(uh, ul, dh, dl)
    return sh, sl, dh, dl


@inlined
def tanh_half(ph: float, pl: float, uh: float, ul: float, n: float, dh: float, dl: float) -> tuple[float, float]:
    """(1 - u) / (1 + u) with the denominator d from `ratios`, for |z| >= LINEAR."""
    scale = pow2(max(n, -200.0))
    oh, ol = add(1.0, 0.0, -uh * scale, -ul * scale)
    oh, ol = (-ph if n == 0.0 else oh), (-pl if n == 0.0 else ol)
    return div(oh, ol, dh, dl)


@inlined
def total(ah: float, al: float, bh: float, bl: float) -> tuple[float, float]:
    """a + b of coefficients: exact where al = bl = 0, else within ADD (|a| + |b|)."""
    ch, cl = two_sum(ah, bh)
    return fast_two_sum(ch, cl + (al + bl))


@inlined
def linear(wh: float, wl: float, x: float) -> tuple[float, float, float]:
    """(hi, lo, error) of w x, exact for a coefficient of one word."""
    ch, cl = two_prod(wh, x)
    hh, hl = fast_two_sum(ch, fma(wl, x, cl))
    return hh, hl, (0.0 if wl == 0.0 else MUL * abs(hh))


@inlined
def residual_of(
    z: float, ah: float, al: float, bh: float, bl: float, sh: float, sl: float, n: float
) -> tuple[float, float, float, float]:
    """b g(z) - a g(-z) = b - (a + b) s on the right, (a + b) s - a on the left, (b - a)/2 + (a + b) z/4 near 0.

    s in units of 2^n. Near 0 the next term is z^2 / 12 of the last.
    """
    ch, cl = total(ah, al, bh, bl)
    right = z > 0.0
    hh, hl = (bh if right else -ah), (bl if right else -al)
    th, tl = mul(ch, cl, -sh if right else sh, -sl if right else sl)
    near = abs(z) < LINEAR
    x, kx = scaled(z)
    nh, nl = total(0.5 * bh, 0.5 * bl, -0.5 * ah, -0.5 * al)
    n_error = 0.0 if (al == 0.0) & (bl == 0.0) else ADD * (ah + bh)
    mh, ml = linear(ch, cl, 0.25 * x)[:2]
    hh, hl = (nh if near else hh), (nl if near else hl)
    th, tl = (mh if near else th), (ml if near else tl)
    eps = 1.01 * (SMALL + MUL + ADD)
    eps = 1.0 if far(n) else eps
    return join(hh, hl, n_error if near else 0.0, th, tl, kx if near else n, eps)


@inlined
def slope_of(sh: float, sl: float, dh: float, dl: float) -> tuple[float, float]:
    """g' = u / (1 + u)^2 in units of 2^n, within SLOPE."""
    return div(sh, sl, dh, dl)
