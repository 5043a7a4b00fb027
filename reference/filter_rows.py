"""The filter's kernels for rows of K logits: softmax, its logarithm, log-sum-exp and cross-entropy on them.

As in `reference.categorical`: e_k = exp(z_k - z_top) with gaps that are exact pairs, the sum S over the classes
other than the largest apart, D = 1 + S. A `rows` tuple holds, for each row, (top, sh, sl, n, lh, ll, kl, dh, dl):
S = (sh + sl) 2^n, log D = (lh + ll) 2^kl, D = dh + dl. An `exps` tuple is that of `filter_logit.exponentials`. Arrays
of classes are flat, row after row.
"""

from __future__ import annotations

import math
from typing import Any

import numpy.typing as npt

from lossbench.reference.doubleword import (
    ADD,
    DIV,
    EXP,
    LOG,
    MUL,
    add,
    compiled,
    div,
    inlined,
    is_power,
    mul,
    pow2,
    two_sum,
)
from lossbench.reference.filter_probability import log1p_sum
from lossbench.reference.filter_terms import far, join, within

Array = npt.NDArray[Any]
_Row = tuple[Array, ...]


@compiled
def gaps(z: Array, size: int, top: Array, gh: Array, gl: Array) -> None:
    """Exact gaps z_top - z_k >= 0; top = -1 for a row outside the domain (not finite, above 2^1022, K = 1)."""
    for row in range(len(top)):
        first = row * size
        best, fine = first, size > 1
        for i in range(first, first + size):
            fine = fine and abs(z[i]) <= 2.0**1022
            best = i if z[i] > z[best] else best
        top[row] = best - first if fine else -1.0
        for i in range(first, first + size):
            gh[i], gl[i] = two_sum(z[best], -z[i]) if fine else (0.0, 0.0)


@inlined
def sum_error(size: int) -> float:
    """Relative error of S, a sum of up to size - 1 positive terms one after the other."""
    return 1.01 * (EXP + size * ADD)


@compiled
def reduce(exps: _Row, size: int, rows: _Row) -> None:
    """S in units of the largest of its terms, D and log D. What lies 2^-900 below that unit counts as 2^-900."""
    _, _, uh, ul, n = exps
    top, sh, sl, sn, lh, ll, kl, dh, dl = rows
    for row in range(len(top)):
        first, lead = row * size, row * size + int(top[row])
        base = -8000.0
        for i in range(first, first + size):
            if i != lead:
                base = max(base, n[i])
        h, low = 0.0, 0.0
        for i in range(first, first + size):
            if i != lead:
                scale = pow2(max(-900.0, n[i] - base))
                h, low = add(h, low, uh[i] * scale, ul[i] * scale)
        sh[row], sl[row], sn[row] = h, low, base
        lh[row], ll[row], kl[row] = log1p_sum(h, low, base)
        scale = pow2(max(base, -200.0))
        dh[row], dl[row] = add(1.0, 0.0, h * scale, low * scale)


@inlined
def _mass(ah: Array, al: Array, first: int, size: int, skip: int) -> tuple[float, float, float]:
    """(hi, lo, error) of the sum of labels of a row but for one; infinite outside the domain."""
    h, low, error, count, fine = 0.0, 0.0, 0.0, 0, True
    for i in range(first, first + size):
        fine = fine and within(ah[i], al[i])
        if i != skip and ah[i] != 0.0:
            h, low = add(h, low, ah[i], al[i])
            count += 1
            error += ADD * h if count > 1 else 0.0
    return h, low, error if fine else math.inf


@inlined
def _checked(error: float, top: float) -> float:
    return error if top >= 0.0 else math.inf


@compiled
def xent_value(gh: Array, gl: Array, labels: _Row, size: int, rows: _Row, out: _Row) -> None:
    """sum_k a_k gap_k + (sum_k a_k) log D. The first sum is exact for one label of one word on a gap of one."""
    ah, al = labels
    top, _, _, sn, lh, ll, kl, _, _ = rows
    hi, lo, k, error = out
    for row in range(len(top)):
        first = row * size
        widest = 0.0
        for i in range(first, first + size):
            widest = max(widest, gh[i] if ah[i] != 0.0 else 0.0)
        kh = 600.0 if widest > 2.0**400 else 0.0
        h, low, h_error, count = 0.0, 0.0, 0.0, 0
        for i in range(first, first + size):
            if ah[i] != 0.0 and gh[i] != 0.0:
                # a second word that falls below 2^-1022 is lost within 2^-1000
                th, tl = mul(ah[i], al[i], gh[i] * pow2(-kh), gl[i] * pow2(-kh))
                exact = (al[i] == 0.0) & ((gl[i] == 0.0) | (is_power(ah[i]) & (kh == 0.0)))
                h, low = add(h, low, th, tl)
                h_error += (0.0 if exact else MUL * th + 2.0**-1000) + (ADD * h if count else 0.0)
                count += 1
        mh, ml, m_error = _mass(ah, al, first, size, -1)
        th, tl = mul(mh, ml, lh[row], ll[row])
        eps = 1.01 * (sum_error(size) + LOG + 2.0 * ADD + MUL + (size - 1) * ADD)
        rh, rl, kr, e = join(h, low, h_error, th, tl, kl[row] - kh, 1.0 if far(sn[row]) else eps)
        hi[row], lo[row], k[row] = rh, rl, kr + kh
        error[row] = _checked(e if m_error < math.inf else math.inf, top[row])


@compiled
def xent_gradient(exps: _Row, labels: _Row, size: int, rows: _Row, out: _Row) -> None:
    """T e_k / D - a_k; for the largest sum_{j != top} a_j - T S / D. T = sum_k a_k."""
    _, _, uh, ul, n = exps
    ah, al = labels
    top, sh, sl, sn, _, _, _, dh, dl = rows
    hi, lo, k, error = out
    for row in range(len(top)):
        first, lead = row * size, row * size + int(top[row])
        mh, ml, m_error = _mass(ah, al, first, size, -1)
        oh, ol, o_error = _mass(ah, al, first, size, lead)
        eps = 1.01 * (2.0 * sum_error(size) + (size + 1) * ADD + DIV + MUL)
        for i in range(first, first + size):
            at = i == lead
            th, tl = div(-sh[row] if at else uh[i], -sl[row] if at else ul[i], dh[row], dl[row])
            th, tl = mul(mh, ml, th, tl)
            kt = sn[row] if at else n[i]
            hh, hl = (oh if at else -ah[i]), (ol if at else -al[i])
            hi[i], lo[i], k[i], e = join(hh, hl, o_error if at else 0.0, th, tl, kt, 1.0 if far(kt) else eps)
            error[i] = _checked(e if m_error < math.inf else math.inf, top[row])


@inlined
def _share(i: int, lead: int, exps: _Row, dh: float, dl: float) -> tuple[float, float, float]:
    """p_i = e_i / D as (hi, lo, k), e_top = 1."""
    _, _, uh, ul, n = exps
    at = i == lead
    h, low = div(1.0 if at else uh[i], 0.0 if at else ul[i], dh, dl)
    return h, low, (0.0 if at else n[i])


@inlined
def _complement(i: int, lead: int, exps: _Row, row: int, rows: _Row) -> tuple[float, float, float]:
    """1 - p_i as (hi, lo, k): S / D for the largest, (D - e_i) / D for another, where D - e_i >= 1 >= e_i."""
    _, _, uh, ul, n = exps
    _, sh, sl, sn, _, _, _, dh, dl = rows
    at = i == lead
    scale = pow2(max(n[i], -200.0))
    oh, ol = add(dh[row], dl[row], -uh[i] * scale, -ul[i] * scale)
    h, low = div(sh[row] if at else oh, sl[row] if at else ol, dh[row], dl[row])
    return h, low, (sn[row] if at else 0.0)


@inlined
def share_error(size: int) -> float:
    """Relative error of p_i and, three times, of 1 - p_i: (D + e) / (D - e) <= 3, D / (D - e) <= 2."""
    return 1.01 * (sum_error(size) + ADD + DIV + EXP)


@compiled
def probabilities(exps: _Row, size: int, rows: _Row, out: _Row) -> None:
    """p_k, with the largest as 1 - S / D."""
    _, _, uh, ul, n = exps
    top, sh, sl, sn, _, _, _, dh, dl = rows
    hi, lo, k, error = out
    for row in range(len(top)):
        first, lead = row * size, row * size + int(top[row])
        for i in range(first, first + size):
            at = i == lead
            th, tl = div(-sh[row] if at else uh[i], -sl[row] if at else ul[i], dh[row], dl[row])
            kt = sn[row] if at else n[i]
            eps = 1.0 if far(kt) else 2.0 * share_error(size)
            hi[i], lo[i], k[i], e = join(1.0 if at else 0.0, 0.0, 0.0, th, tl, kt, eps)
            error[i] = _checked(e, top[row])


@compiled
def products(exps: _Row, labels: _Row, kind: int, size: int, rows: _Row, out: _Row) -> None:
    """Kind 0: T p_k (1 - p_k). Kind 1, the gradient of p_0: p_0 (1 - p_0), -p_0 p_k. Kind 2, its second
    derivatives: p_0 (1 - p_0) (1 - 2 p_0), p_0 p_k (2 p_k - 1). Only 1 - 2 p cancels."""
    _, _, uh, ul, n = exps
    ah, al = labels
    top, _, _, _, _, _, _, dh, dl = rows
    hi, lo, k, error = out
    for row in range(len(top)):
        first, lead = row * size, row * size + int(top[row])
        mh, ml, m_error = _mass(ah, al, first, size, -1)
        for i in range(first, first + size):
            own = (kind == 0) | (i == first)
            ph, pl, pk = _share(i if kind == 0 else first, lead, exps, dh[row], dl[row])
            qh, ql, qk = _complement(i, lead, exps, row, rows) if own else _share(i, lead, exps, dh[row], dl[row])
            rh, rl = mul(ph, pl, qh, ql)
            rh, rl = mul(rh, rl, mh, ml)
            certain = True
            # far: smaller than what stands for it, of the same sign
            e = (2.0 if far(pk) | far(qk) else 1.01 * (4.0 * share_error(size) + 2.0 * MUL + size * ADD)) * abs(rh)
            if kind == 2:
                at = i == lead
                scale = pow2(max(n[i], -200.0))
                th, tl = (-2.0 if at else -2.0 * uh[i] * scale), (0.0 if at else -2.0 * ul[i] * scale)
                wh, wl = add(dh[row], dl[row], th, tl)
                w_error = 1.01 * (sum_error(size) + EXP + 2.0 * ADD) * (dh[row] + abs(th))
                wh, wl = div(wh, wl, dh[row], dl[row])
                w_error = 1.01 * (w_error / dh[row] + abs(wh) * share_error(size))
                certain = 2.0 * w_error < abs(wh)
                rh, rl = mul(rh, rl, wh, wl)
                e = 1.01 * (e * (abs(wh) + w_error) + abs(qh * ph * mh) * w_error + MUL * abs(rh))
            sign = -1.0 if (kind > 0) & (not own) else 1.0
            rough = far(pk) | far(qk)
            hi[i], lo[i], k[i] = sign * rh, (0.0 if rough else sign * rl), pk + qk
            error[i] = _checked((abs(rh) if rough & certain else e) if m_error < math.inf else math.inf, top[row])


@compiled
def logarithms(z: Array, gh: Array, gl: Array, each: bool, size: int, rows: _Row, out: _Row) -> None:
    """log p_k = -gap_k - log D of every class, or log-sum-exp z_top + log D of every row."""
    top, _, _, sn, lh, ll, kl, _, _ = rows
    hi, lo, k, error = out
    eps = 1.01 * (sum_error(size) + LOG + 2.0 * ADD)
    sign = -1.0 if each else 1.0
    for row in range(len(top)):
        first = row * size if each else row * size + max(0, int(top[row]))
        for i in range(first, first + (size if each else 1)):
            head = -gh[i] if each else z[i]
            kh = 600.0 if abs(head) > 2.0**400 else 0.0
            hh, hl = head * pow2(-kh), (-gl[i] if each else 0.0) * pow2(-kh)
            h_error = 2.0**-1000 if (kh > 0.0) & each & (gl[i] != 0.0) else 0.0  # a second word lost
            kt = kl[row] - kh
            th, tl = sign * lh[row], sign * ll[row]
            at = i if each else row
            hi[at], lo[at], kr, e = join(hh, hl, h_error, th, tl, kt, 1.0 if far(sn[row]) else eps)
            k[at] = kr + kh
            outside = (kt < -900.0) & (head != 0.0) & (abs(hh) < 2.0**-400)
            error[at] = _checked(math.inf if outside else e, top[row])
