"""Every form written down a second time, directly, as in a textbook: the independent check of the reference.

Nothing here is shared with lossbench.reference. At 2000 bits and moderate inputs the naive formulas are
exact to far beyond any format, cancellation included.
"""

from __future__ import annotations

from fractions import Fraction

import mpmath

BITS = 2000


def g(mp, z):
    return 1 / (1 + mp.exp(-z))


def bce(mp, z, y):
    return -(y * mp.log(g(mp, z)) + (1 - y) * mp.log(1 - g(mp, z)))


def softmax(mp, z):
    total = sum(mp.exp(x) for x in z)
    return [mp.exp(x) / total for x in z]


def weighted_log(mp, y, q):
    return -sum(w * mp.log(x) for w, x in zip(y, q, strict=True) if w)


def bernoulli(mp, z, y):
    product = mp.mpf(1)
    for a, b in zip(z, y, strict=True):
        product *= g(mp, a) if b == 1 else 1 - g(mp, a)
    return product


VALUES = {
    ("prob_xent", ""): lambda mp, q, y: weighted_log(mp, y, q),
    ("prob_xent", "normalized"): lambda mp, q, y: weighted_log(mp, y, [x / sum(q) for x in q]),
    ("softmax_xent", ""): lambda mp, z, y: weighted_log(mp, y, softmax(mp, z)),
    ("sigmoid_bce", ""): bce,
    ("multilabel_bce", ""): lambda mp, z, y: sum(bce(mp, a, b) for a, b in zip(z, y, strict=True)),
    ("multilabel_bce", "over=mean"): lambda mp, z, y: sum(map(lambda a, b: bce(mp, a, b), z, y)) / len(z),
    ("prob_bce", ""): lambda mp, p, y: weighted_log(mp, [y, 1 - y], [p, 1 - p]),
    ("margin_logistic", ""): lambda mp, z, y: mp.log(1 + mp.exp(-y * z)),
    ("sigmoid_mse", ""): lambda mp, z, y: (g(mp, z) - y) ** 2 / 2,
    ("bernoulli_likelihood", ""): bernoulli,
    ("bernoulli_log_likelihood", ""): lambda mp, z, y: mp.log(bernoulli(mp, z, y)),
    ("sigmoid", ""): g,
    ("log_sigmoid", ""): lambda mp, z: mp.log(g(mp, z)),
    ("softplus", ""): lambda mp, z: mp.log(1 + mp.exp(z)),
    ("softmax", ""): softmax,
    ("log_softmax", ""): lambda mp, z: [mp.log(p) for p in softmax(mp, z)],
    ("logsumexp", ""): lambda mp, z: mp.log(sum(mp.exp(x) for x in z)),
}


def context(bits=BITS):
    mp = mpmath.MPContext()
    mp.prec = bits
    return mp


def scalar(name, options, mp, x, y):
    """The value of a form as one number: component 0 of a vector."""
    value = VALUES[name, options](mp, *((x,) if y is None else (x, y)))
    return value[0] if isinstance(value, list) else value


def derivative(name, options, mp, x, y, k, order):
    """d^order / dx_k^order by mpmath's own finite differences at high precision."""
    if not isinstance(x, list):
        return mp.diff(lambda t: scalar(name, options, mp, t, y), x, order)
    return mp.diff(lambda t: scalar(name, options, mp, [*x[:k], t, *x[k + 1 :]], y), x[k], order)


def round_fraction(value, fmt):
    """Nearest number of a format to an mpf, by fractions.Fraction: another route than the reference's integers."""
    sign, man, exp, _ = value._mpf_
    exact = Fraction(int(man)) * (Fraction(2) ** int(exp))
    if exact == 0:
        return 0.0
    power = 0
    while Fraction(2) ** (power + 1) <= exact:
        power += 1
    while Fraction(2) ** power > exact:
        power -= 1
    unit = Fraction(2) ** (max(power, fmt.emin) - fmt.precision + 1)
    result = round(exact / unit) * unit  # Fraction rounds half to even
    if result > Fraction(fmt.maxfinite):
        return -fmt.overflow if sign else fmt.overflow
    return -float(result) if sign else float(result)
