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


#: The vector of `hvp` for three classes.
DIRECTION = (0.75, 0.875, -0.5)


def said(options):
    """The options of a canonical string: fractions, or text."""
    pairs = (item.partition("=")[::2] for item in options.split(",") if item)
    named = {name: text if name in ("smoothing", "over", "normalized") else _fractions(text) for name, text in pairs}
    return {"label_smoothing": [Fraction(0)], "smoothing": "K", **named}


def _fractions(text):
    return [Fraction(float(number)) for number in text.split(";")]


def class_labels(y, options):
    """weight_k y'_k of a row of K labels, smoothed first."""
    (eps,), size = options["label_smoothing"], len(y)
    if options["smoothing"] == "K":
        y = [(1 - eps) * a + eps / size for a in y]
    else:
        y = [(1 - eps) * a + eps / (size - 1) * (1 - a) for a in y]
    return [w * a for w, a in zip(options.get("weight", [1] * size), y, strict=True)]


def binary_labels(y, options, k=0):
    """weight c y' and weight (1 - y') of output k."""
    (eps,) = options["label_smoothing"]
    y = (1 - eps) * y + eps / 2
    c, w = options.get("pos_weight", [1]), options.get("weight", [1] * (k + 1))[k]
    return w * c[k if len(c) > 1 else 0] * y, w * (1 - y)


def as_mpf(mp, fraction):
    return mp.mpf(fraction.numerator) / fraction.denominator


def loss(name, options, mp, x, y):
    """The value of a form with its options, a number or K of them; x mpf, y a number, a row, an index or None."""
    if y is None:
        return VALUES[name, ""](mp, x)
    options = said(options)
    if isinstance(y, int):
        y = [float(k == y) for k in range(len(x))]
    y = [Fraction(a) for a in y] if isinstance(y, list) else Fraction(y)
    if name in ("softmax_xent", "prob_xent"):
        labels = [as_mpf(mp, a) for a in class_labels(y, options)]
        return VALUES[name, "normalized" if "normalized" in options else ""](mp, x, labels)
    if name in ("sigmoid_bce", "prob_bce"):
        a, b = (as_mpf(mp, part) for part in binary_labels(y, options))
        p = g(mp, x) if name == "sigmoid_bce" else x
        return weighted_log(mp, [a, b], [p, 1 - p])
    if name == "multilabel_bce":
        terms = [
            weighted_log(mp, [as_mpf(mp, part) for part in binary_labels(b, options, k)], [g(mp, a), 1 - g(mp, a)])
            for k, (a, b) in enumerate(zip(x, y, strict=True))
        ]
        return sum(terms) / (len(x) if options.get("over") == "mean" else 1)
    if name == "sigmoid_mse":
        y = binary_labels(y, options)[0]
    return VALUES[name, ""](mp, x, [as_mpf(mp, a) for a in y] if isinstance(y, list) else as_mpf(mp, y))


def quantity(name, options, mp, x, y, order):
    """Components of the value (0), the gradient (1), the second derivatives (2) or the Hessian times DIRECTION (3)."""
    many = isinstance(x, list)
    x = [mp.mpf(a) for a in x] if many else mp.mpf(x)

    def first(point):
        value = loss(name, options, mp, point, y)
        return value[0] if isinstance(value, list) else value

    if order == 0:
        value = loss(name, options, mp, x, y)
        return [mp.mpf(part) for part in (value if isinstance(value, list) else [value])]
    if not many:
        return [mp.diff(first, x, order)]

    def moved(k, s, t):
        return first([a + s * (j == k) + t * v for j, (a, v) in enumerate(zip(x, DIRECTION, strict=True))])

    if order == 3:
        return [mp.diff(lambda s, t, k=k: moved(k, s, t), (0, 0), (1, 1)) for k in range(len(x))]
    return [mp.diff(lambda s, k=k: moved(k, s, 0), 0, order) for k in range(len(x))]
