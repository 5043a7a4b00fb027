"""What labels and options ask of a row, as the exact coefficients of the first oracle.

Every option of a form but its reduction is a change of coefficients: a cross-entropy of classes is
sum_k a_k (-log p_k) / den with a_k = weight_k y'_k, a binary one is a (-log g) + b (-log(1 - g)) with
a = pos_weight y' and b = 1 - y'. All of them are dyadic numbers but for the divisor K of smoothing.
"""

from __future__ import annotations

from typing import Any

from lossbench.reference.options import Options
from lossbench.reference.real import ONE, Context, Mpf, add, sub, times

#: Coefficients (a, b) of -log g and -log(1 - g).
Pair = tuple[Mpf, Mpf]


def _product(mp: Context, a: Mpf, b: Mpf) -> Mpf:
    return mp.fmul(a, b, exact=True)


def distribution(mp: Context, y: list[Mpf], options: Options) -> tuple[list[Mpf], Mpf]:
    """Coefficients a_k of -log p_k, and the number that they are to be divided by."""
    den = ONE
    if options.label_smoothing:
        eps = mp.mpf(options.label_smoothing)
        others = len(y) if options.smoothing == "K" else len(y) - 1
        den = mp.mpf(others)
        kept = _product(mp, sub(mp, ONE, eps), den)
        if options.smoothing == "K":
            y = [mp.fadd(_product(mp, kept, label), eps, exact=True) for label in y]
        else:
            y = [mp.fadd(_product(mp, kept, x), _product(mp, eps, sub(mp, ONE, x)), exact=True) for x in y]
    if options.weight is not None:
        y = [times(mp, mp.mpf(w), label) for w, label in zip(options.weight, y, strict=True)]
    return y, den


def plain(mp: Context, y: Mpf, options: Options) -> tuple[Mpf, Mpf]:
    """A label as it is, smoothed when asked for, and the number that it is to be divided by: 1."""
    return smoothed(mp, y, options), ONE


def smoothed(mp: Context, y: Mpf, options: Options) -> Mpf:
    """A binary label moved towards 1/2: (1 - eps) y + eps / 2."""
    if not options.label_smoothing:
        return y
    eps = mp.mpf(options.label_smoothing)
    return mp.fadd(_product(mp, sub(mp, ONE, eps), y), eps / 2, exact=True)


def binary(mp: Context, y: Mpf, options: Options) -> tuple[Pair, Mpf]:
    """Coefficients of a single output, and the number that they are to be divided by: 1."""
    return pair(mp, y, options, 0), ONE


def pair(mp: Context, y: Mpf, options: Options, k: int) -> Pair:
    """Coefficients of output k: (weight c y', weight (1 - y'))."""
    y = smoothed(mp, y, options)
    a, b = y, sub(mp, ONE, y)
    c: Any = options.pos_weight
    if c is not None:
        a = times(mp, mp.mpf(c[k] if isinstance(c, tuple) else c), a)
    if options.weight is not None:
        w = mp.mpf(options.weight[k])
        a, b = times(mp, w, a), times(mp, w, b)
    return a, b


def row_weight(mp: Context, y: list[Mpf], options: Options) -> Mpf:
    """What a row adds to the denominator "sum_w" of a mean: sum_k weight_k y_k, with weights of 1 unless given."""
    if options.weight is None:
        return add(mp, y)
    return add(mp, (times(mp, mp.mpf(w), label) for w, label in zip(options.weight, y, strict=True)))


def pairs(mp: Context, y: list[Mpf], options: Options) -> tuple[list[Pair], Mpf]:
    """Coefficients of K independent outputs, and the number that they are to be divided by."""
    den = mp.mpf(len(y)) if options.over == "mean" else ONE
    return [pair(mp, label, options, k) for k, label in enumerate(y)], den
