"""Faults of the first oracle: its formulas, its coefficients, its sums and its precision."""

from __future__ import annotations

from tests.reference.copies import Fault

_LOGISTIC, _CATEGORICAL = "reference/logistic", "reference/categorical"
_PROBABILITY, _LIKELIHOOD = "reference/probability", "reference/likelihood"
_REAL, _TARGETS, _FIRST = "reference/real", "reference/targets", "reference/first"

_WEIGHTS = """    if options.weight is not None:
        y = [times(mp, mp.mpf(w), label) for w, label in zip(options.weight, y, strict=True)]
"""

FIRST = (
    Fault(_LOGISTIC, "split(ONE, -small) if z > 0", "split(ONE, small) if z > 0", "a lost sign: g(z) = 1 + u/(1+u)"),
    Fault(_LOGISTIC, "about(u / (1 + u) ** 2)", "about(u / (1 + u))", "a wrong formula: g' without the square"),
    Fault(_LOGISTIC, "about(bend if z > 0 else -bend)", "about(bend)", "an odd function made even: g''"),
    Fault(_LOGISTIC, "else ZERO, mp.log1p(_u(mp, z)))", "else ZERO, mp.log(1 + _u(mp, z)))", "log(1 + u) for log1p(u)"),
    Fault(
        _LOGISTIC,
        "times(mp, b, z) if z > 0 else times(mp, a, _flip(mp, z))",
        "times(mp, a, z) if z > 0 else times(mp, b, _flip(mp, z))",
        "a swapped label in the linear part",
    ),
    Fault(
        _LOGISTIC,
        "split(linear, mp.fadd(a, b, exact=True) * mp.log1p(_u(mp, z)))",
        "split(linear, mp.log1p(_u(mp, z)))",
        "pos_weight forgotten beside the linear part",
    ),
    Fault(
        _LOGISTIC, "else split(_flip(mp, a), small)", "else split(a, small)", "a lost sign: a + (a + b) g on the left"
    ),
    Fault(
        _LOGISTIC, "exactly(sub(mp, b, a), _FOUR * HALF)", "exactly(sub(mp, b, a), _FOUR)", "a quarter for a half at 0"
    ),
    Fault(_LOGISTIC, "curve if mass == 1 else Real(", "curve if mass else Real(", "the curvature's weights forgotten"),
    Fault(
        _LOGISTIC,
        "else _softplus_value(mp, _flip(mp, times(mp, y, z)))",
        "else _softplus_value(mp, times(mp, y, z))",
        "the margin's sign",
    ),
    Fault(_LOGISTIC, "negate(wrong) if y > 0 else wrong", "negate(wrong) if y < 0 else wrong", "-1 and +1 swapped"),
    Fault(_LOGISTIC, "(y, sub(mp, ONE, y)))", "(sub(mp, ONE, y), y))", "labels y and 1 - y swapped in g - y"),
    Fault(_LOGISTIC, "square = d.tail**2 / 2", "square = d.tail**2", "a forgotten 1/2 of the squared tail"),
    Fault(
        _LOGISTIC,
        "about((d.head + d.tail) * s, (abs(d.head) + abs(d.tail)) * s)",
        "about((d.head + d.tail) * s)",
        "too small a radius: cancellation is not told",
    ),
    Fault(
        _LOGISTIC, "bend = bend if z > 0 else -bend", "bend = bend if z < 0 else -bend", "a mirrored second derivative"
    ),
    Fault(
        _CATEGORICAL,
        "for e, gap in zip(exps, gaps, strict=True)",
        "for e, gap in zip(exps[:-1], gaps)",
        "the last term",
    ),
    Fault(_CATEGORICAL, "leading = sum(gap == 0 for gap in gaps)", "leading = 1", "ties for the largest logit"),
    Fault(
        _CATEGORICAL,
        "mp.log1p(self.rest) if self.count == 1 else mp.log(self.scale)",
        "mp.log(self.scale)",
        "log(1 + S): the tail beside 1 is lost",
    ),
    Fault(
        _CATEGORICAL,
        "split(linear, add(mp, y) * row.log(mp))",
        "split(linear, row.log(mp))",
        "a label mass T taken for 1",
    ),
    Fault(
        _CATEGORICAL,
        "head = sub(mp, mass, mp.fmul(n, label, exact=True))",
        "head = sub(mp, mass, label)",
        "the label of one of several leading classes",
    ),
    Fault(
        _CATEGORICAL,
        "split(mp.fneg(label, exact=True), mass * row.exps[k]",
        "split(label, mass * row.exps[k]",
        "p + y for p - y below the largest logit",
    ),
    Fault(
        _CATEGORICAL, "[-mass * (n - 2) * row.drop,", "[-mass * (n - 1) * row.drop,", "a wrong coefficient of p (1 - p)"
    ),
    Fault(_CATEGORICAL, "else n + (row.rest - row.exps[k])", "else n + row.rest", "p_k for p_k (1 - p_k)"),
    Fault(_CATEGORICAL, "[-factor * head * row.rest**2, *(", "[*(", "the second order of a Hessian product"),
    Fault(
        _CATEGORICAL,
        "terms = [head, *(row.exps[js[0]]",
        "terms = [*(row.exps[js[0]]",
        "a product without leading classes",
    ),
    Fault(_CATEGORICAL, "exactly(largest) if row is None", "NAN if row is None", "logsumexp of two +inf"),
    Fault(_CATEGORICAL, "[d * (2 - d)], row.count**2", "[d * (2 - d)], row.count", "p for p^2 of leading classes"),
    Fault(_CATEGORICAL, "(n * n - 6 * n + 6)", "(n * n - 6 * n - 6)", "a sign in a third derivative"),
    Fault(
        _CATEGORICAL, "(2 - n, row.rest) if row.leads(k)", "(ONE, row.scale - e) if row.leads(k)", "1 - (1 + S) for -S"
    ),
    Fault(_CATEGORICAL, "for x in z) > 1)", "for x in z) > 2)", "two +inf have a softmax"),
    Fault(
        _PROBABILITY,
        "ZERO if weight == 0 else -weight * mp.log(probability)",
        "-weight * mp.log(probability)",
        "0 log 0 does not select",
    ),
    Fault(
        _PROBABILITY,
        "_minus_log(mp, b, sub(mp, ONE, p))",
        "_minus_log(mp, b, +(1 - p))",
        "1 - p rounded to working precision",
    ),
    Fault(
        _PROBABILITY,
        "sub(mp, _product(mp, b, p), _product(mp, a, q))",
        "sub(mp, _product(mp, a, q), _product(mp, b, p))",
        "the sign of (p - y) / (p (1 - p))",
    ),
    Fault(_PROBABILITY, "w * mp.log1p(sub(mp, mass, x) / x)", "w * mp.log(mass / x)", "the log of a ratio near 1"),
    Fault(
        _PROBABILITY,
        "parts.append(_quotient(mp, labels, mass))",
        "parts.append(_quotient(mp, ONE, mass))",
        "T taken for 1",
    ),
    Fault(_LIKELIHOOD, "sub(mp, 2 * b, ONE)", "sub(mp, ONE, 2 * b)", "labels 0 and 1 swapped"),
    Fault(_LIKELIHOOD, "sign * mp.expm1(-loss)", "sign * -loss", "the second order of a product near 1"),
    Fault(_LIKELIHOOD, "else (small, big, -bend)", "else (small, big, bend)", "1 - 2c on the wrong side"),
    Fault(_LIKELIHOOD, "1 << sum(m == 0 for m in margins), 1)", "1, 1)", "factors of 1/2 at logits of 0"),
    Fault(
        _REAL, "    if weight == 0:\n        return ZERO\n    return mp.fmul", "    return mp.fmul", "0 * inf is NaN"
    ),
    Fault(
        _REAL, "mp.fsum(others[part.den] * part.tail for", "mp.fsum(part.tail for", "tails without their denominators"
    ),
    Fault(
        _REAL,
        "Real(_FIXED.fneg(part.head, exact=True), _FIXED",
        "Real(-part.head, _FIXED",
        "a head that a minus sign rounds",
    ),
    Fault(_REAL, "part.den, part.scale)\n", "part.den, ZERO)\n", "a negated tail that claims to be exact"),
    Fault(
        _TARGETS,
        'if options.smoothing == "K" else len(y) - 1',
        'if options.smoothing == "K" else len(y)',
        "K for K - 1",
    ),
    Fault(_TARGETS, "_product(mp, eps, sub(mp, ONE, x))", "eps", "smoothing that reaches the label's class too"),
    Fault(_TARGETS, "eps / 2, exact=True)", "eps, exact=True)", "a binary label smoothed towards 1"),
    Fault(
        _TARGETS,
        "        a = times(mp, mp.mpf(c[k] if isinstance(c, tuple) else c), a)",
        "        b = times(mp, mp.mpf(c[k] if isinstance(c, tuple) else c), b)",
        "pos_weight on the negative term",
    ),
    Fault(
        _TARGETS,
        "c[k] if isinstance(c, tuple)",
        "c[0] if isinstance(c, tuple)",
        "the first output's pos_weight for all",
    ),
    Fault(
        _TARGETS,
        "    den = ONE\n    if options.label_smoothing:\n        eps",
        "    den = ONE\n"
        + _WEIGHTS
        + "        options = Options(None, None, options.label_smoothing, options.smoothing)\n"
        "    if options.label_smoothing:\n        eps",
        "weights before smoothing",
    ),
    Fault(
        _TARGETS, 'mp.mpf(len(y)) if options.over == "mean"', 'ONE if options.over == "mean"', "the sum for the mean"
    ),
    Fault(_FIRST, "mp.fmul(mp.mpf(case.weight), row, exact=True)", "mp.mpf(case.weight)", "class weights not in sum_w"),
    Fault(_FIRST, "mp.mpf(len(mean.kept))", "mp.mpf(len(mean.cases))", "ignored rows in the denominator"),
    Fault(_FIRST, "        if case.ignored:\n", "        if False:\n", "ignore_index not ignored"),
    Fault(
        _FIRST, "parts if case.weight == 1 else", "parts if case.weight else", "sample weights other than 0 forgotten"
    ),
    Fault(_FIRST, "_sum(self.mp, column) for", "_sum(self.mp, column[:-1]) for", "the last row of a sum"),
    Fault(_FIRST, "return [start, 4 * start, 16 * start, 2 *", "return [start] or [2 *", "fixed digits"),
    Fault(
        _FIRST, "error_bits = precision - _ERROR_BITS", "error_bits = 8 * precision", "a radius that claims too much"
    ),
    Fault("reference/form", "parts if divisor == 1 else", "parts if divisor else", "the divisor of smoothing"),
)
